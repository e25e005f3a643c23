//! The items of one page as records, as the collectors would make them.

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::app::fetch::What;
use crate::clock::Millis;
use crate::collect::activity::row::{self, Row};
use crate::collect::alerts::look::Sighting;
use crate::collect::alerts::page::{self, Shown};
use crate::datto::model::{device, site};
use crate::journal::Seen;
use crate::normalize::redact;
use crate::record::{AccountUid, DeviceRef, Envelope, Marker, Record, RecordKind, SiteRef};

/// The records of one page, secrets stripped; alerts older than `since` are left out (the API cannot filter them).
pub(crate) fn of_page(
    account: &AccountUid,
    what: What,
    items: &[Box<RawValue>],
    received_at: Millis,
    since: Option<Millis>,
) -> Vec<Record> {
    match what {
        What::OpenAlerts => alerts(account, "/v2/account/alerts/open", Seen::Open, items, received_at, since),
        What::ResolvedAlerts => {
            alerts(account, "/v2/account/alerts/resolved", Seen::Resolved, items, received_at, since)
        }
        What::Activity => items.iter().filter_map(|item| activity(account, item, received_at)).collect(),
        What::Sites => items.iter().filter_map(|item| site_record(account, item, received_at)).collect(),
        What::Devices => items.iter().filter_map(|item| device_record(account, item, received_at)).collect(),
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

fn activity(account: &AccountUid, item: &RawValue, received_at: Millis) -> Option<Record> {
    match row::read(account, item, received_at) {
        Row::Record(dated) => Some(dated.record),
        Row::Rejected(item) => {
            left_out(&item.reason);
            None
        }
    }
}

/// What an inventory item is and whom it names.
struct Named {
    kind: RecordKind,
    uid: String,
    site: SiteRef,
    device: DeviceRef,
    path: &'static str,
}

fn site_record(account: &AccountUid, item: &RawValue, received_at: Millis) -> Option<Record> {
    let uid = site::decode(item, account).map_err(|error| left_out(&error.to_string())).ok()?.uid;
    let (kind, path) = (RecordKind::Site, "/v2/account/sites");
    let named = Named { kind, site: SiteRef::Uid(uid.clone()), device: DeviceRef::None, uid, path };
    Some(inventory(account, named, item, received_at))
}

fn device_record(account: &AccountUid, item: &RawValue, received_at: Millis) -> Option<Record> {
    let found = device::decode(&redact::strip(RecordKind::Device, item), account)
        .map_err(|error| left_out(&error.to_string()))
        .ok()?;
    let site = found.site_uid.map_or(SiteRef::None, SiteRef::Uid);
    let (kind, path) = (RecordKind::Device, "/v2/account/devices");
    let named = Named { kind, site, device: DeviceRef::Uid(found.uid.clone()), uid: found.uid, path };
    Some(inventory(account, named, item, received_at))
}

/// One item of an inventory list as its first record.
fn inventory(account: &AccountUid, named: Named, item: &RawValue, received_at: Millis) -> Record {
    let source = redact::strip(named.kind, item);
    let envelope = Envelope {
        account: account.clone(),
        kind: named.kind,
        native_id: named.uid,
        marker: Marker::Item(1, content_hex(&source), None),
        site: named.site,
        device: named.device,
        path: named.path.to_owned(),
        received_at,
        changed: Vec::new(),
        synthesized: false,
    };
    Record { envelope, source }
}

/// The first 8 hex digits of SHA-256 over the item.
fn content_hex(source: &RawValue) -> String {
    Sha256::digest(source.get()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn left_out(reason: &str) {
    tracing::warn!(reason, "an item was left out");
}
