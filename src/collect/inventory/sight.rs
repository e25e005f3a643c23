//! A device or a site as one answer showed it.

use serde_json::value::RawValue;

use crate::clock::Millis;
use crate::collect::inventory::posture;
use crate::collect::inventory::watched;
use crate::collect::item;
use crate::datto::model::{Malformed, device, is_excessive, site};
use crate::diagnostic::panics::caught;
#[cfg(test)]
use crate::diagnostic::planted;
use crate::inventory::Device;
use crate::journal::Rejected;
use crate::journal::items::{Digest, ItemKind, ItemRow, Words};
use crate::journal::stays::Observation;
use crate::normalize::redact;
use crate::normalize::udf::Udfs;
use crate::record::place::{DeviceRef, SiteRef};
use crate::record::{AccountUid, Envelope, Marker, Record, RecordKind};

/// API path of the device list.
pub const DEVICES: &str = "/v2/account/devices";

/// API path of the site list.
pub const SITES: &str = "/v2/account/sites";

/// An item of the inventory, decoded.
#[derive(Clone, Debug)]
pub struct Sight {
    /// What it is.
    pub kind: ItemKind,
    /// Its uid.
    pub uid: String,
    /// The site that decides its organization; of a site, itself.
    pub site: SiteRef,
    /// Its row.
    pub row: ItemRow,
    /// Its source, secrets stripped; user-defined fields that the operator lists are in it.
    pub source: Box<RawValue>,
    /// Its watched fields.
    pub digest: Digest,
    /// Their hex digits for the marker.
    pub hex: String,
    /// Of a device: the words that it shows.
    pub words: Words,
    /// API path that showed it.
    pub path: String,
    /// When the answer was received.
    pub received_at: Millis,
}

/// An item that no record can be made of, and a text that stays the same while nothing of weight in it changes.
pub type Unusable = (Rejected, String);

/// Where an item comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The account that showed it.
    pub account: &'a AccountUid,
    /// API path that showed it.
    pub path: &'a str,
    /// When the answer was received.
    pub received_at: Millis,
}

/// Reads a device; `udfs` are the user-defined fields that are kept. One that makes decoding panic is unusable.
pub fn device(item: &RawValue, origin: Origin<'_>, udfs: &Udfs) -> Result<Sight, Box<Unusable>> {
    let decoded = item::guarded(origin.path, item, || decode_device(item, origin, udfs));
    decoded.unwrap_or_else(|rejected| Err(Box::new(panicked(ItemKind::Device, item, rejected))))
}

/// Reads a site; one that makes decoding panic is unusable.
pub fn site(item: &RawValue, origin: Origin<'_>) -> Result<Sight, Box<Unusable>> {
    let decoded = item::guarded(origin.path, item, || decode_site(item, origin));
    decoded.unwrap_or_else(|rejected| Err(Box::new(panicked(ItemKind::Site, item, rejected))))
}

/// An item that makes vintner panic, with its watched fields as its identity if they can be read.
pub fn panicked(kind: ItemKind, item: &RawValue, rejected: Rejected) -> Unusable {
    let identity = caught(|| watched::canonical_json(kind, item)).unwrap_or_else(|_| rejected.content.clone());
    (rejected, identity)
}

fn decode_device(item: &RawValue, origin: Origin<'_>, udfs: &Udfs) -> Result<Sight, Box<Unusable>> {
    within_bounds(item, origin)?;
    let stripped = redact::strip_keeping(RecordKind::Device, item, &udfs.of_rows());
    let source =
        if udfs.listed.is_empty() { stripped.clone() } else { redact::strip_keeping(RecordKind::Device, item, udfs) };
    let decoded = device::decode(&stripped, origin.account).and_then(|row| Ok((row, device::standing(&stripped)?)));
    let (row, standing) = decoded.map_err(|reason| unusable(ItemKind::Device, item, &stripped, origin, &reason))?;
    #[cfg(test)]
    planted::visit("device", &row.uid);
    let (digest, hex) = watched::digest(ItemKind::Device, &source);
    Ok(Sight {
        kind: ItemKind::Device,
        uid: row.uid.clone(),
        words: posture::words(&standing),
        site: standing.site,
        row: ItemRow::Device(row),
        source,
        digest,
        hex,
        path: origin.path.to_owned(),
        received_at: origin.received_at,
    })
}

fn decode_site(item: &RawValue, origin: Origin<'_>) -> Result<Sight, Box<Unusable>> {
    within_bounds(item, origin)?;
    let source = redact::strip(RecordKind::Site, item);
    let row = site::decode(&source, origin.account)
        .map_err(|reason| unusable(ItemKind::Site, item, &source, origin, &reason))?;
    let (digest, hex) = watched::digest(ItemKind::Site, &source);
    Ok(Sight {
        kind: ItemKind::Site,
        uid: row.uid.clone(),
        site: SiteRef::Uid(row.uid.clone()),
        row: ItemRow::Site(row, source.clone()),
        source,
        digest,
        hex,
        words: Words::default(),
        path: origin.path.to_owned(),
        received_at: origin.received_at,
    })
}

impl Sight {
    /// A record of it.
    pub fn record(&self, account: &AccountUid, marker: Marker) -> Record {
        let kind = match self.kind {
            ItemKind::Device => RecordKind::Device,
            ItemKind::Site => RecordKind::Site,
        };
        self.record_of(account, kind, marker, self.source.clone())
    }

    /// The record that it is on its own: the first of its kind. For a list that is printed and not compared with anything.
    pub fn record_as_listed(&self, account: &AccountUid) -> Record {
        self.record(account, Marker::Item(1, self.hex.clone(), None))
    }

    /// In which site a device was, as an answer showed it whose request was `sent` and which had arrived at `received`, by the API's clock.
    pub fn observation(&self, sent: Option<Millis>, received: Option<Millis>) -> Option<Observation> {
        let (sent, received) = (sent?, received?);
        match &self.row {
            ItemRow::Device(Device { uid, site_uid, .. }) => {
                Some(Observation { device: uid.clone(), site: site_uid.clone(), sent, received })
            }
            ItemRow::Site(..) => None,
        }
    }

    /// The records of a device's posture changes, in a fixed order.
    pub fn postures(&self, account: &AccountUid, changes: Vec<posture::Change>) -> Vec<Record> {
        let record = |change: posture::Change| {
            let source = posture::source(&self.source, &change)?;
            let marker = Marker::Posture(change.aspect.to_owned(), change.new, self.received_at);
            Some(self.record_of(account, RecordKind::DevicePosture, marker, source))
        };
        changes.into_iter().filter_map(record).collect()
    }

    fn record_of(&self, account: &AccountUid, kind: RecordKind, marker: Marker, source: Box<RawValue>) -> Record {
        let device = match self.kind {
            ItemKind::Device => DeviceRef::Uid(self.uid.clone()),
            ItemKind::Site => DeviceRef::None,
        };
        let envelope = Envelope {
            account: account.clone(),
            kind,
            native_id: self.uid.clone(),
            marker,
            site: self.site.clone(),
            device,
            path: self.path.clone(),
            received_at: self.received_at,
            changed: Vec::new(),
            synthesized: false,
        };
        Record { envelope, source }
    }
}

/// Refuses what would cost too much memory to read.
fn within_bounds(item: &RawValue, origin: Origin<'_>) -> Result<(), Box<Unusable>> {
    if !is_excessive(item) {
        return Ok(());
    }
    let rejected = item::rejected(origin.path, &Malformed::TooManyValues.to_string(), item);
    Err(Box::new((rejected, item::stand_in(item))))
}

fn unusable(
    kind: ItemKind,
    item: &RawValue,
    stripped: &RawValue,
    origin: Origin<'_>,
    reason: &dyn std::fmt::Display,
) -> Box<Unusable> {
    let rejected = item::rejected(origin.path, &reason.to_string(), item);
    Box::new((rejected, watched::canonical_json(kind, stripped)))
}
