//! The items of one page as records, as the collectors would make them.

use serde_json::value::RawValue;

use crate::app::fetch::What;
use crate::clock::Millis;
use crate::collect::activity::derived;
use crate::collect::activity::row::{self, Row};
use crate::collect::alerts::look::Sighting;
use crate::collect::alerts::page::{self, Shown};
use crate::collect::inventory::sight::{self, Origin, Sight, Unusable};
use crate::journal::Seen;
use crate::normalize::udf::Udfs;
use crate::record::{AccountUid, Record};

/// The records of one page, secrets stripped but for the user-defined fields that are listed; alerts older than `since` are left out (the API cannot filter them).
pub(crate) fn of_page(
    account: &AccountUid,
    what: What,
    items: &[Box<RawValue>],
    received_at: Millis,
    since: Option<Millis>,
    udfs: &Udfs,
) -> Vec<Record> {
    match what {
        What::OpenAlerts => alerts(account, "/v2/account/alerts/open", Seen::Open, items, received_at, since),
        What::ResolvedAlerts => {
            alerts(account, "/v2/account/alerts/resolved", Seen::Resolved, items, received_at, since)
        }
        What::Activity => items.iter().flat_map(|item| activity(account, item, received_at)).collect(),
        What::Sites => items.iter().filter_map(|item| site_record(account, item, received_at)).collect(),
        What::Devices => items.iter().filter_map(|item| device_record(account, item, received_at, udfs)).collect(),
    }
}

fn alerts(
    account: &AccountUid,
    path: &str,
    seen: Seen,
    items: &[Box<RawValue>],
    received_at: Millis,
    since: Option<Millis>,
) -> Vec<Record> {
    let (sightings, rejected) = page::read(&Shown { path: path.to_owned(), seen, received_at, items: items.to_vec() });
    rejected.iter().for_each(|item| left_out(&item.reason));
    let time = |sighting: &Sighting| sighting.resolved_on.or(sighting.opened_on);
    let recent = sightings
        .into_iter()
        .filter(|sighting| since.is_none_or(|least| time(sighting).is_none_or(|time| time >= least)));
    recent.map(|sighting| sighting.record_as_listed(account)).collect()
}

/// A row, and the record about the roles of the user to whom it does more. Records about listed devices need a journal, which
/// knows where each of them was.
fn activity(account: &AccountUid, item: &RawValue, received_at: Millis) -> Vec<Record> {
    match row::read(account, item, received_at) {
        Row::Record(dated, _) => {
            let roles = derived::roles_of(&dated.record);
            std::iter::once(dated.record).chain(roles).collect()
        }
        Row::Rejected(item) => {
            left_out(&item.reason);
            Vec::new()
        }
    }
}

fn site_record(account: &AccountUid, item: &RawValue, received_at: Millis) -> Option<Record> {
    listed(account, sight::site(item, Origin { account, path: sight::SITES, received_at }))
}

fn device_record(account: &AccountUid, item: &RawValue, received_at: Millis, udfs: &Udfs) -> Option<Record> {
    listed(account, sight::device(item, Origin { account, path: sight::DEVICES, received_at }, udfs))
}

/// One item of an inventory list as its first record.
fn listed(account: &AccountUid, sight: Result<Sight, Box<Unusable>>) -> Option<Record> {
    sight.map_err(|unusable| left_out(&unusable.0.reason)).ok().map(|sight| sight.record_as_listed(account))
}

fn left_out(reason: &str) {
    tracing::warn!(reason, "an item was left out");
}
