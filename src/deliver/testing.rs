//! A journal with records, for tests of deliverers.

use std::path::Path;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::clock::{Clock, Millis};
use crate::inventory::{Site, SiteType};
use crate::journal::sqlite::{Journal, Options as JournalOptions};
use crate::journal::{DatedRecord, Lane, Page, StartAt};
use crate::record::place::{DeviceRef, SiteRef};
use crate::record::{AccountUid, Envelope, Marker, Record, RecordKind, Stream};

/// When tests begin.
pub(crate) const START: Millis = Millis(1_795_214_400_000);

fn account() -> AccountUid {
    AccountUid::new("ab1c0002")
}

/// A journal with one site, and a position for each of `sinks`.
pub(crate) async fn journal(folder: &Path, clock: &Clock, sinks: &[&str]) -> Journal {
    let day = Duration::from_secs(86_400);
    let options = JournalOptions { retain: 7 * day, max_bytes: 1 << 30, hold_for: day };
    let journal = Journal::open(&folder.join("vintner.db"), options, clock.clone()).unwrap();
    let site = Site {
        account: account(),
        uid: "site".into(),
        id: None,
        name: "Site".into(),
        site_type: SiteType::Managed,
        autotask: None,
    };
    journal.store_sites(&account(), vec![site]).await.unwrap();
    journal.use_sinks(sinks.iter().map(|name| ((*name).to_owned(), StartAt::Oldest)).collect()).await.unwrap();
    journal
}

/// A page of `count` activity records whose ids sort as they were taken in.
pub(crate) async fn take_in(journal: &Journal, first: usize, count: usize) {
    take_in_to(journal, Lane::Live, first, count).await;
}

/// The same in a lane.
pub(crate) async fn take_in_to(journal: &Journal, lane: Lane, first: usize, count: usize) {
    let records = (first..first + count).map(|number| {
        let id = format!("{number:05}");
        let envelope = Envelope {
            account: account(),
            kind: RecordKind::ActivityDevice,
            native_id: id.clone(),
            marker: Marker::Once,
            site: SiteRef::Uid("site".into()),
            device: DeviceRef::None,
            path: "/v2/activity-logs".into(),
            received_at: START,
            changed: Vec::new(),
            synthesized: false,
        };
        let source = format!(
            r#"{{"id":"{id}","entity":"DEVICE","category":"job","action":"create","date":1795214400.125,"site":null,"deviceId":null,"hostname":null,"user":null,"details":"{{}}"}}"#
        );
        DatedRecord { record: Record { envelope, source: RawValue::from_string(source).unwrap() }, dated: START }
    });
    let page = Page {
        account: account(),
        stream: Stream::Activity,
        lane,
        received_at: START,
        cursors: Vec::new(),
        alerts: Vec::new(),
        records: records.collect(),
        rejected: Vec::new(),
    };
    assert_eq!(journal.commit(page).await.unwrap().taken, count as u64);
}
