//! A journal full of alerts that goes away with the benchmark, and a new sink at its beginning for each round.

use std::time::Duration;

use serde_json::value::RawValue;
use tempfile::TempDir;
use uuid::Uuid;
use vintner::clock::Clock;
use vintner::deliver::route::Route;
use vintner::deliver::runner::{LIMIT, Runner};
use vintner::deliver::status::SinkStatus;
use vintner::inventory::Device;
use vintner::journal::sqlite::{Journal, Options};
use vintner::journal::{DatedRecord, Lane, Page, StartAt};
use vintner::record::place::DeviceRef;
use vintner::record::{Record, Stream};
use vintner::telemetry::Metrics;

use crate::mix::{Mix, inventory};

/// Devices that the alerts are spread over.
const DEVICES: usize = 64;
/// Records of a page, as the API shows them.
const PAGE: usize = 250;
const DAY: Duration = Duration::from_secs(86_400);

/// The journal.
pub(crate) struct Filled {
    journal: Journal,
    count: usize,
    rounds: usize,
    _folder: TempDir,
}

impl Filled {
    /// A journal with `count` records of as many alerts of the mix.
    pub(crate) async fn new(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { retain: 7 * DAY, max_bytes: 16 << 30, hold_for: 30 * DAY };
        let journal = Journal::open(&folder.path().join("vintner.db"), options, Clock::system()).unwrap();
        let (account, site, device) = inventory();
        journal.open_account(&account, None).await.unwrap();
        journal.store_sites(&account.uid, vec![site]).await.unwrap();
        let devices = (0..DEVICES).map(|n| Device {
            uid: device_uid(n),
            source: device.source.replace(&device.uid, &device_uid(n)).into(),
            ..device.clone()
        });
        journal.store_devices(&account.uid, devices.collect()).await.unwrap();
        let alerts = Mix::Alerts.records();
        let records: Vec<_> =
            alerts.iter().cycle().take(count).enumerate().map(|(n, alert)| distinct(n, alert, &device.uid)).collect();
        for records in records.chunks(PAGE) {
            let page = Page {
                account: account.uid.clone(),
                stream: Stream::Alerts,
                lane: Lane::Live,
                received_at: Clock::system().now(),
                cursors: Vec::new(),
                alerts: Vec::new(),
                records: records.to_vec(),
                rejected: Vec::new(),
            };
            let taken = journal.commit(page).await.unwrap().taken;
            assert_eq!(usize::try_from(taken), Ok(records.len()), "every record waits for the sinks");
        }
        Self { journal, count, rounds: 0, _folder: folder }
    }

    /// Records in it.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The deliverer of a sink that this journal never saw: everything is before it. `sink` gets its name and the journal's id.
    pub(crate) async fn runner<S>(&mut self, sink: impl FnOnce(&str, Uuid) -> S) -> Runner<S> {
        self.rounds += 1;
        let name = format!("round-{}", self.rounds);
        self.journal.use_sinks(vec![(name.clone(), StartAt::Oldest)]).await.unwrap();
        Runner {
            limit: LIMIT,
            sink: sink(&name, self.journal.id()),
            name,
            route: Route::default(),
            options: vintner::normalize::Options::default(),
            journal: self.journal.clone(),
            clock: Clock::system(),
            metrics: Metrics::default(),
            status: SinkStatus::default(),
        }
    }
}

/// The alert as the `n`th of its own; the uids sort as the numbers do.
fn distinct(n: usize, alert: &Record, device: &str) -> DatedRecord {
    let mut record = alert.clone();
    let (uid, on) = (format!("0f6c1d1e-7a43-4a2e-9c55-{n:012x}"), device_uid(n % DEVICES));
    let source = record.source.get().replace(&record.envelope.native_id, &uid).replace(device, &on);
    record.source = RawValue::from_string(source).unwrap();
    record.envelope.native_id = uid;
    record.envelope.device = DeviceRef::Uid(on);
    DatedRecord { dated: record.envelope.received_at, record }
}

fn device_uid(n: usize) -> String {
    format!("9c1b7f52-0d3e-4a76-8f21-{n:012x}")
}
