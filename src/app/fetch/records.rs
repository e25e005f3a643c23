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

const OPEN: &str = "/v2/account/alerts/open";
const RESOLVED: &str = "/v2/account/alerts/resolved";

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
        What::OpenAlerts => alerts(account, OPEN, Seen::Open, items, received_at, since),
        What::ResolvedAlerts => alerts(account, RESOLVED, Seen::Resolved, items, received_at, since),
        What::Activity => items.iter().flat_map(|item| activity(account, item, received_at)).collect(),
        What::Sites => items.iter().filter_map(|item| site_record(account, item, received_at)).collect(),
        What::Devices => items.iter().filter_map(|item| device_record(account, item, received_at, udfs)).collect(),
    }
}

/// The record of one item and the one derived from it, if its roles make one; or why there is none. An alert is open or resolved by
/// its own word.
pub(crate) fn of_item(
    account: &AccountUid,
    what: What,
    item: &RawValue,
    received_at: Millis,
    udfs: &Udfs,
) -> Result<Vec<Record>, String> {
    let origin = |path| Origin { account, path, received_at };
    let listed = |sight: Result<Sight, Box<Unusable>>| match sight {
        Ok(sight) => Ok(vec![sight.record_as_listed(account)]),
        Err(unusable) => Err(unusable.0.reason),
    };
    match what {
        What::OpenAlerts | What::ResolvedAlerts => {
            let (path, seen) = if what == What::OpenAlerts { (OPEN, Seen::Open) } else { (RESOLVED, Seen::Resolved) };
            let shown = Shown { path: path.to_owned(), seen, received_at, items: vec![item.to_owned()] };
            let (mut alerts, mut rejected) = page::read(&shown);
            let alert = alerts.pop().map(|alert| vec![alert.record_as_listed(account)]);
            alert.ok_or_else(|| rejected.pop().map_or_else(|| "it is no alert".to_owned(), |item| item.reason))
        }
        What::Activity => match row::read(account, item, received_at) {
            Row::Record(dated, _) => Ok(with_derived(dated.record)),
            Row::Rejected(item) => Err(item.reason),
        },
        What::Sites => listed(sight::site(item, origin(sight::SITES))),
        What::Devices => listed(sight::device(item, origin(sight::DEVICES), udfs)),
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
        Row::Record(dated, _) => with_derived(dated.record),
        Row::Rejected(item) => {
            left_out(&item.reason);
            Vec::new()
        }
    }
}

fn with_derived(record: Record) -> Vec<Record> {
    let roles = derived::roles_of(&record);
    std::iter::once(record).chain(roles).collect()
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
