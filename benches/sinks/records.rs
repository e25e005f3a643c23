//! A journal full of records as an MSP's account shows them: two alerts to one activity row, of many devices.

use std::path::Path;
use std::time::Duration;

use serde_json::value::RawValue;
use vintner::clock::{Clock, Millis};
use vintner::inventory::{Device, Site, SiteType};
use vintner::journal::sqlite::{Journal, Options};
use vintner::journal::{DatedRecord, Lane, Page};
use vintner::record::{AccountUid, DeviceRef, Record, Stream};

use crate::mix::{self, Mix};

/// Devices that the records speak of.
const DEVICES: usize = 400;
/// Records of a page, as the API's largest pages have them.
const PAGE: usize = 250;
const DAY: Duration = Duration::from_secs(86_400);

/// A journal with `count` records that no sink has passed.
pub(crate) async fn journal(folder: &Path, count: usize, clock: &Clock) -> Journal {
    let options = Options { retain: 7 * DAY, max_bytes: 1 << 40, hold_for: DAY };
    let journal = Journal::open(&folder.join("vintner.db"), options, clock.clone()).unwrap();
    let account = AccountUid::new(mix::ACCOUNT);
    let site = Site {
        account: account.clone(),
        uid: mix::SITE.into(),
        id: Some(884_411),
        name: "Contoso Dental - HQ".into(),
        site_type: SiteType::Managed,
        autotask: None,
    };
    journal.store_sites(&account, vec![site]).await.unwrap();
    journal.store_devices(&account, (0..DEVICES).map(|number| device(&account, number)).collect()).await.unwrap();
    let patterns = Mix::Both.records();
    for start in (0..count).step_by(PAGE) {
        let numbers = start..count.min(start + PAGE);
        let records = numbers.zip(patterns.iter().cycle().skip(start)).map(|(number, pattern)| DatedRecord {
            record: numbered(pattern, number),
            dated: Millis(mix::RECEIVED_AT),
        });
        let page = Page {
            account: account.clone(),
            stream: Stream::Activity,
            lane: Lane::Live,
            received_at: Millis(mix::RECEIVED_AT),
            cursors: Vec::new(),
            alerts: Vec::new(),
            records: records.collect(),
            rejected: Vec::new(),
        };
        journal.commit(page).await.unwrap();
    }
    journal
}

/// The same record under an id and of a device of its own.
fn numbered(pattern: &Record, number: usize) -> Record {
    let mut envelope = pattern.envelope.clone();
    let old = std::mem::replace(&mut envelope.native_id, format!("0f6c1d1e-7a43-4a2e-9c55-{number:012}"));
    let of = number % DEVICES;
    envelope.device = match envelope.device {
        DeviceRef::None => DeviceRef::None,
        DeviceRef::Uid(_) => DeviceRef::Uid(uid(of)),
        DeviceRef::Id(_) => DeviceRef::Id(id(of)),
    };
    let source = pattern.source.get();
    let source = source.replace(&old, &envelope.native_id).replace(mix::DEVICE, &uid(of));
    let source = source.replace("1048576", &id(of).to_string());
    Record { envelope, source: RawValue::from_string(source).unwrap() }
}

fn device(account: &AccountUid, number: usize) -> Device {
    let source = mix::device().to_string().replace(mix::DEVICE, &uid(number));
    Device {
        account: account.clone(),
        uid: uid(number),
        id: Some(id(number)),
        site_uid: Some(mix::SITE.into()),
        hostname: Some(format!("CDHQ-{number:04}")),
        source: source.into(),
    }
}

fn uid(number: usize) -> String {
    format!("9c1b7f52-0d3e-4a76-8f21-{number:012}")
}

fn id(number: usize) -> i64 {
    2_000_000 + i64::try_from(number).unwrap()
}
