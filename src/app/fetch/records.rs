//! The items of one page as records, as the collectors would make them.

use serde_json::value::RawValue;

use crate::app::fetch::What;
use crate::clock::Millis;
use crate::collect::activity::derived;
use crate::collect::activity::row::{self, Row};
use crate::collect::alerts::look::Sighting;
use crate::collect::alerts::page::{self, Shown};
use crate::collect::inventory::sight::{self, Origin, Sight, Unusable};
use crate::journal::{Rejected, Seen};
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
        What::Activity | What::Sites | What::Devices => {
            let records = items.iter().map(|item| of_item(account, what, item, received_at, udfs));
            let of_each = |records: Result<Vec<Record>, Rejected>| records.map_err(|item| left_out(&item.reason));
            records.filter_map(|records| of_each(records).ok()).flatten().collect()
        }
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
) -> Result<Vec<Record>, Rejected> {
    let origin = |path| Origin { account, path, received_at };
    let listed = |sight: Result<Sight, Box<Unusable>>| match sight {
        Ok(sight) => Ok(vec![sight.record_as_listed(account)]),
        Err(unusable) => Err(unusable.0),
    };
    match what {
        What::OpenAlerts | What::ResolvedAlerts => {
            let (path, seen) = if what == What::OpenAlerts { (OPEN, Seen::Open) } else { (RESOLVED, Seen::Resolved) };
            let shown = Shown { path: path.to_owned(), seen, received_at, items: vec![item.to_owned()] };
            let (alerts, rejected) = page::read(&shown);
            match rejected.into_iter().next() {
                Some(item) => Err(item),
                None => Ok(alerts.into_iter().map(|alert| alert.record_as_listed(account)).collect()),
            }
        }
        What::Activity => match row::read(account, item, received_at) {
            Row::Record(dated, _) => Ok(with_derived(dated.record)),
            Row::Rejected(item) => Err(item),
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
fn with_derived(record: Record) -> Vec<Record> {
    let roles = derived::roles_of(&record);
    std::iter::once(record).chain(roles).collect()
}

fn left_out(reason: &str) {
    tracing::warn!(reason, "an item was left out");
}
