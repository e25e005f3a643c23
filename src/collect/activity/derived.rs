//! Derived records: a row that concerns several things becomes further records, one for each of them, with the tenant of the
//! thing itself. Their identity is the row's with another marker, so a row that is read again yields nothing new.

use crate::clock::Millis;
use crate::collect::source::{PassError, Source};
use crate::journal::stays::LastSeen;
use crate::journal::{DatedRecord, UNDATED};
use crate::normalize::ocsf::activity::derive::{self, Concerns};
use crate::record::part::Part;
use crate::record::place::{DeviceRef, SiteRef};
use crate::record::{Envelope, Marker, Record};

/// A row that lists more devices has records for so many of them; the row itself has the whole list.
const MOST_DEVICES: usize = 1000;

/// Names in `details` without which a row concerns nothing but itself.
const TRACES: [&str; 5] = ["device_list", "device_uids", "_roles", "device_id", "device_uid"];

/// The records derived from `row`. Gives the row itself the site of its device, if the row removed it.
pub async fn of(source: &Source, row: &mut DatedRecord) -> Result<Vec<DatedRecord>, PassError> {
    let Some(concerns) = concerns(&row.record) else { return Ok(Vec::new()) };
    let roles = roles(&row.record, &concerns).map(|record| DatedRecord { record, dated: row.dated });
    let mut derived: Vec<DatedRecord> = roles.into_iter().collect();
    // Nobody can say where a device was at a time that the row does not tell.
    if row.dated == UNDATED {
        return Ok(derived);
    }
    if concerns.is_removal && row.record.envelope.site == SiteRef::Device {
        let device = row.record.envelope.device.clone();
        let seen = observed(source, vec![device], row.dated).await?;
        if let Some(seen) = seen.into_iter().flatten().next() {
            row.record.envelope.site = last_site(seen);
        }
    }
    if concerns.devices.len() > 1 {
        derived.extend(devices(source, row, concerns).await?);
    }
    Ok(derived)
}

/// The roles of a row, as a record of their own.
pub fn roles_of(record: &Record) -> Option<Record> {
    concerns(record).and_then(|concerns| roles(record, &concerns))
}

/// Reads the row again only if it may concern something besides itself.
fn concerns(record: &Record) -> Option<Concerns> {
    let source = record.source.get();
    let is_traced = TRACES.iter().any(|trace| memchr::memmem::find(source.as_bytes(), trace.as_bytes()).is_some());
    is_traced.then(|| derive::concerns(&record.source))
}

fn roles(row: &Record, concerns: &Concerns) -> Option<Record> {
    let marked = || {
        let envelope = Envelope { marker: Marker::Derived(Part::Roles), ..row.envelope.clone() };
        Record { envelope, source: row.source.clone() }
    };
    concerns.has_roles.then(marked)
}

/// A record for each listed device that was observed before the row's time; of the others nobody knows where they were.
async fn devices(source: &Source, row: &DatedRecord, concerns: Concerns) -> Result<Vec<DatedRecord>, PassError> {
    let Concerns { devices: mut listed, is_removal, .. } = concerns;
    if listed.len() > MOST_DEVICES {
        tracing::warn!(
            account = source.account.name,
            row = row.record.envelope.native_id,
            listed = listed.len(),
            most = MOST_DEVICES,
            "activity row lists too many devices"
        );
        listed.truncate(MOST_DEVICES);
    }
    let named = listed.iter().map(|id| derive::device(id));
    let seen = observed(source, named.collect(), row.dated).await?;
    let derived = listed.iter().zip(seen).filter_map(|(listed, seen)| {
        let seen = seen?;
        let envelope = Envelope {
            marker: Marker::Derived(Part::Device(seen.uid.clone())),
            device: DeviceRef::Uid(seen.uid.clone()),
            site: if is_removal { last_site(seen) } else { SiteRef::Device },
            ..row.record.envelope.clone()
        };
        let source = derive::narrowed(&row.record.source, listed)?;
        Some(DatedRecord { record: Record { envelope, source }, dated: row.dated })
    });
    Ok(derived.collect())
}

async fn observed(
    source: &Source,
    devices: Vec<DeviceRef>,
    before: Millis,
) -> Result<Vec<Option<LastSeen>>, PassError> {
    Ok(source.journal.observed_before(&source.account.uid, devices, before).await?)
}

/// The site of a device that is gone: the row is the proof that it is, so no later observation can confirm the site.
fn last_site(seen: LastSeen) -> SiteRef {
    seen.site.map_or(SiteRef::Unknown, SiteRef::Uid)
}
