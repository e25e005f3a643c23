//! A journal that goes away with its test, and short ways to make pages.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::value::RawValue;
use tempfile::TempDir;

use crate::clock::{Clock, Millis};
use crate::inventory::{Account, Site, SiteType};
use crate::journal::seen::key;
use crate::journal::sqlite::{Journal, Options};
use crate::journal::tx::Steps;
use crate::journal::{
    AlertLook, AlertState, Attempt, BatchLimit, DatedRecord, Lane, Page, Partition, Seen, Settlement, StartAt, Told,
};
use crate::record::place::{DeviceRef, SiteRef};
use crate::record::{AccountUid, Envelope, Marker, Record, RecordKind, Stream};

pub(super) const START: Millis = Millis(1_800_000_000_000);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(86_400);
pub(super) const MANY: BatchLimit = BatchLimit { records: 1000, bytes: 1 << 20 };

/// A directory with a journal in it, and the clock that it follows.
pub(super) struct Place {
    directory: TempDir,
    pub(super) clock: Clock,
    pub(super) options: Options,
}

impl Place {
    pub(super) fn new() -> Self {
        let options = Options { retain: 7 * DAY, max_bytes: 1 << 30, hold_for: 30 * DAY };
        Self { directory: tempfile::tempdir().unwrap(), clock: Clock::manual(START), options }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("vintner.db")
    }

    pub(super) fn open(&self) -> Journal {
        Journal::open(&self.path(), self.options.clone(), self.clock.clone()).unwrap()
    }

    /// The same with the smallest steps, so that whatever is done in steps is interrupted often.
    pub(super) fn open_small(&self) -> Journal {
        let steps = Steps { held: 2, replay: 1, trim: 2 };
        Journal::open_with(&self.path(), self.options.clone(), self.clock.clone(), steps).unwrap()
    }
}

pub(super) fn uid() -> AccountUid {
    AccountUid::new("ab1c0002")
}

pub(super) fn account(uid: &AccountUid, name: &str) -> Account {
    Account {
        uid: uid.clone(),
        name: name.into(),
        display_name: "An MSP".into(),
        platform: "vidal".into(),
        api_host: "vidal-api.centrastage.net".into(),
    }
}

pub(super) fn site(uid: &str) -> Site {
    Site {
        account: self::uid(),
        uid: uid.into(),
        id: None,
        name: format!("Site {uid}"),
        site_type: SiteType::Managed,
        autotask: None,
    }
}

pub(super) fn live() -> Partition {
    Partition { account: uid(), lane: Lane::Live }
}

pub(super) fn replayed() -> Partition {
    Partition { account: uid(), lane: Lane::Replayed }
}

pub(super) fn record(kind: RecordKind, native_id: &str, marker: Marker, site: &str) -> Record {
    let envelope = Envelope {
        account: uid(),
        kind,
        native_id: native_id.into(),
        marker,
        site: SiteRef::Uid(site.into()),
        device: DeviceRef::None,
        path: "/v2/some/list".into(),
        received_at: START,
        changed: Vec::new(),
        synthesized: false,
    };
    let source =
        RawValue::from_string(format!("{{\"id\":\"{native_id}\",\n \"text\":\"{}\"}}", noise(native_id))).unwrap();
    Record { envelope, source }
}

/// Text that hardly compresses, as large as a small record.
fn noise(seed: &str) -> String {
    (0..16).map(|n| format!("{:032x}", u128::from_be_bytes(key(&[seed, &n.to_string()])))).collect()
}

/// An activity record of the start's day.
pub(super) fn activity(id: &str, site: &str) -> DatedRecord {
    DatedRecord { record: record(RecordKind::ActivityDevice, id, Marker::Once, site), dated: START }
}

pub(super) fn page() -> Page {
    Page {
        account: uid(),
        stream: Stream::Alerts,
        lane: Lane::Live,
        received_at: START,
        cursors: Vec::new(),
        alerts: Vec::new(),
        records: Vec::new(),
        rejected: Vec::new(),
    }
}

/// A page of `count` activity records named `<name>-<n>`.
pub(super) fn activities(name: &str, count: usize, site: &str) -> Page {
    let records = (0..count).map(|n| activity(&format!("{name}-{n}"), site)).collect();
    Page { stream: Stream::Activity, records, ..page() }
}

/// The state of an alert of which `versions` records were told.
pub(super) fn state(site: &str, versions: u32) -> AlertState {
    AlertState {
        told: Told::Opened,
        seen: Seen::Open,
        site: SiteRef::Uid(site.into()),
        updates: versions,
        closed_on: None,
        vanishings: 0,
        digests: vec![0; 32],
    }
}

/// A look that tells version `version` (from 1) of an alert; `expected` is what was told before.
pub(super) fn look(uid: &str, version: u32, site: &str, expected: Option<AlertState>) -> AlertLook {
    let marker = if version == 1 { Marker::Open } else { Marker::Update(version, "000000000000".into()) };
    let untold = expected.clone().unwrap_or(AlertState { told: Told::Nothing, ..state(site, 0) });
    AlertLook {
        uid: uid.into(),
        expected,
        source: serde_json::value::RawValue::from_string(format!("{{\"alertUid\":\"{uid}\"}}")).unwrap(),
        records: vec![record(RecordKind::Alert, uid, marker, site)],
        severity: None,
        told: state(site, version),
        untold,
    }
}

pub(super) async fn use_sinks(journal: &Journal, names: &[&str]) {
    journal.use_sinks(names.iter().map(|name| ((*name).to_owned(), StartAt::Oldest)).collect()).await.unwrap();
}

/// A journal of four pages of two records of the site `a`, with the sink `s`.
pub(super) async fn four_pages(place: &Place) -> Journal {
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    use_sinks(&journal, &["s"]).await;
    for n in 0..4 {
        journal.commit(activities(&format!("page{n}"), 2, "a")).await.unwrap();
    }
    journal
}

/// The settlement of everything that `sink` has before itself, all sent.
pub(super) async fn pass(journal: &Journal, sink: &str, partition: &Partition) -> u64 {
    let mut sent = 0;
    while let Some(attempt) = journal.read(sink, partition, MANY).await.unwrap() {
        journal.settle(settlement(&attempt, sink, partition)).await.unwrap();
        sent += attempt.items.len() as u64;
    }
    sent
}

/// The settlement of an attempt of which everything was sent.
pub(super) fn settlement(attempt: &Attempt, sink: &str, partition: &Partition) -> Settlement {
    Settlement {
        sink: sink.into(),
        partition: partition.clone(),
        from: attempt.from,
        to: attempt.to,
        version: attempt.directory.version,
        sent: attempt.items.len() as u64,
        skipped: 0,
        dead: Vec::new(),
    }
}

/// The ids of the records of a partition, in order.
pub(super) async fn ids(journal: &Journal, partition: &Partition) -> Vec<String> {
    let records = journal.records(partition, 0, usize::MAX).await.unwrap();
    records
        .into_iter()
        .map(|(_, _, record)| format!("{}:{}", record.envelope.native_id, record.envelope.marker))
        .collect()
}
