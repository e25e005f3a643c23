//! A row of the activity log as a record: its identity, its site, its device.

use serde_json::value::RawValue;

use crate::clock::Millis;
use crate::collect::activity::PATH;
use crate::collect::activity::details::Details;
use crate::collect::item;
use crate::datto::model::activity::{self, ActivityRow, Entity};
#[cfg(test)]
use crate::diagnostic::planted;
use crate::journal::{DatedRecord, Rejected, UNDATED};
use crate::normalize::redact;
use crate::record::place::{DeviceRef, SiteRef};
use crate::record::{AccountUid, Envelope, Marker, Record};

/// What an item is.
#[derive(Debug)]
pub enum Row {
    /// A record, and which of the documented kinds of rows it was.
    Record(Box<DatedRecord>, Option<Entity>),
    /// Nothing that a record can be made of.
    Rejected(Rejected),
}

/// Reads one item of an activity page; one that makes decoding panic is rejected.
pub fn read(account: &AccountUid, item: &RawValue, received_at: Millis) -> Row {
    item::guarded(PATH, item, || decode(account, item, received_at)).unwrap_or_else(Row::Rejected)
}

fn decode(account: &AccountUid, item: &RawValue, received_at: Millis) -> Row {
    let row = match activity::decode(item) {
        Ok(row) => row,
        Err(reason) => return Row::Rejected(item::rejected(PATH, &reason.to_string(), item)),
    };
    #[cfg(test)]
    planted::visit("activity", &row.id);
    let (kind, entity) = (row.kind(), row.entity_kind());
    let details = Details::read(row.details.as_deref());
    let device = device(&row, &details);
    let envelope = Envelope {
        account: account.clone(),
        kind,
        site: site(&row, &details, &device),
        device,
        native_id: row.id,
        marker: Marker::Once,
        path: PATH.to_owned(),
        received_at,
        changed: Vec::new(),
        synthesized: false,
    };
    let record = Record { envelope, source: redact::strip(kind, item) };
    Row::Record(Box::new(DatedRecord { record, dated: row.date.unwrap_or(UNDATED) }), entity)
}

/// The site that decides the organization. A move belongs to the site that the device came from (event-schema.md section 7);
/// else the row's own site, else the site that its details name, else that of its device.
fn site(row: &ActivityRow, details: &Details, device: &DeviceRef) -> SiteRef {
    let by_uid = |key: &str| details.text(key).map(SiteRef::Uid);
    let by_id = |key: &str| details.integer(key).map(SiteRef::Id);
    by_uid("data.from_site_uid")
        .or_else(|| by_id("data.from_site_id"))
        .or_else(|| Some(row.site.clone()).filter(|site| *site != SiteRef::None))
        .or_else(|| by_uid("data.site_uid"))
        .or_else(|| by_id("data.site_id"))
        .unwrap_or(if *device == DeviceRef::None { SiteRef::None } else { SiteRef::Device })
}

/// The device that the row names: itself, in its details, or as the only one of a list.
fn device(row: &ActivityRow, details: &Details) -> DeviceRef {
    let uid = details.text("device.uid").or_else(|| details.text("data.device_uid"));
    let by_id = || ["data.device_id", "device.id"].iter().find_map(|key| details.integer(key)).map(DeviceRef::Id);
    uid.map(DeviceRef::Uid)
        .or_else(|| Some(row.device.clone()).filter(|device| *device != DeviceRef::None))
        .or_else(by_id)
        .or_else(|| details.only_device())
        .unwrap_or_default()
}
