//! Simulated time: a day of polling, a block, a hundred hours of one token, in seconds and without a socket.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use vintner::admin::view::View;
use vintner::app::assemble::{ClientParts, account_task};
use vintner::app::keep::Kept;
use vintner::app::parts::{Accounts, Shared};
use vintner::app::simulated::Simulated;
use vintner::clock::{Clock, Millis};
use vintner::config::load;
use vintner::datto::Transport;
use vintner::datto::credential::{CredentialSource, Credentials};
use vintner::datto::memory::Memory;
use vintner::datto::retry::Patience;
use vintner::journal::sqlite::{Journal, Options as JournalOptions};
use vintner::journal::{Lane, Partition};
use vintner::record::{AccountUid, Marker, Record, RecordKind};
use vintner::sim::Sim;
use vintner::sim::alerts::Change;
use vintner::sim::command::{Act, Command};
use vintner::sim::traffic::Traffic;
use vintner::sim::truth::{AlertTruth, DeviceTruth, Truth};
use vintner::sim::world::Options as World;
use vintner::telemetry::Metrics;

const START: Millis = Millis(1_795_212_000_000);
const HOUR: Duration = Duration::from_secs(3600);

/// The highest ceiling of the default budget: 0.8 of 600.
const CEILING: usize = 480;

/// An account that polls a simulated world in simulated time.
pub(crate) struct Polling {
    pub(crate) sim: Sim,
    /// What `status` and `/metrics` show.
    pub(crate) view: View,
    journal: Journal,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    _folder: TempDir,
}

impl Polling {
    pub(crate) async fn start(world: World, poll: &str) -> Self {
        let clock = Clock::manual(START);
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[accounts.acme]\nplatform = \"vidal\"\napi_key = {{ env = \"K\" }}\napi_secret = {{ env = \"S\" }}\nstart = \"all\"\n\
             {poll}\n[sinks.stdout.console]\n"
        );
        let config =
            load::from_text(Path::new("test.toml"), &text).unwrap_or_else(|problems| panic!("{problems:?}")).config;
        let options = JournalOptions { retain: HOUR * 9000, max_bytes: 1 << 40, hold_for: HOUR * 9000 };
        let journal = Journal::open(&folder.path().join("test.db"), options, clock.clone()).unwrap();
        journal.set_policy(config.policy.clone()).await.unwrap();
        let credentials = Credentials { key: world.api_key.clone(), secret: world.api_secret.clone() };
        let credentials: Arc<dyn CredentialSource> = Arc::new(credentials);
        let sim = Sim::new(world, clock.clone());
        let transport: Arc<dyn Transport> = Arc::new(Simulated(sim.clone()));
        let memory: Arc<dyn Memory> = Arc::new(Kept(journal.clone()));
        let parts = ClientParts { transport: &transport, memory: &memory, clock: &clock, patience: Patience::Usual };
        let task = account_task(&config.accounts[0], credentials, &mut HashMap::new(), &parts).await.unwrap();
        let metrics = Metrics::default();
        let view = View {
            journal: journal.clone(),
            metrics: metrics.clone(),
            clock: clock.clone(),
            started: Some(START),
            accounts: vec![task.view.clone()],
            sinks: Vec::new(),
        };
        let shared = Shared { journal: journal.clone(), clock, metrics, accounts: Accounts::default() };
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let token = stop.clone();
        tasks.spawn(async move { task.run(shared, token).await.unwrap() });
        Self { sim, view, journal, stop, tasks, _folder: folder }
    }

    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    pub(crate) async fn maintain(&self) {
        self.journal.maintain().await.unwrap();
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.sim.traffic()
    }

    /// How many records are held.
    pub(crate) async fn held(&self) -> u64 {
        self.journal.held().await.unwrap().iter().map(|site| site.count).sum()
    }

    /// Stops and gives everything that was taken in.
    pub(crate) async fn finish(mut self) -> Vec<Record> {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.records().await
    }

    /// Everything that was taken in so far.
    pub(crate) async fn records(&self) -> Vec<Record> {
        let partition = Partition { account: AccountUid::new("ab1c0002"), lane: Lane::Live };
        let (mut all, mut from) = (Vec::new(), 1);
        loop {
            let some = self.journal.records(&partition, from, 1000).await.unwrap();
            let Some((last, _, _)) = some.last() else { return all };
            from = last + 1;
            all.extend(some.into_iter().map(|(_, _, record)| record));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_day_of_polling_misses_nothing_and_stays_under_the_ceiling() {
    let world = World {
        sites: 5,
        devices: 30,
        open_alerts: 6,
        resolved_alerts: 4,
        activity_history: 60,
        history_days: 2,
        alert_rate_per_hour: 1.5,
        resolve_rate_per_hour: 1.5,
        activity_rate_per_hour: 20.0,
        foreign_rate_per_minute: 60,
        ..World::default()
    };
    let polling = Polling::start(world, "").await;
    polling.pass(HOUR * 24).await;
    // What the world did in the last minutes may still be on its way.
    let settled = polling.sim.truth().now.minus(Duration::from_secs(20 * 60));
    let truth = polling.sim.truth();
    let traffic = polling.traffic();
    let held = polling.held().await;
    let records = polling.finish().await;

    assert!(traffic.max_in_window <= CEILING, "{} requests in a rolling minute", traffic.max_in_window);
    assert_eq!((traffic.too_many, traffic.blocked, traffic.logins), (0, 0, 1));
    check_alerts_and_activity(&records, &truth, settled, held);
    check_inventory(&records, &truth);
}

/// Every alert and every row that the account showed before `settled` is there, once, and each alert's states are in order. Only rows
/// that name a device and no site may be among the `held`.
pub(crate) fn check_alerts_and_activity(records: &[Record], truth: &Truth, settled: Millis, held: u64) {
    let mut told: BTreeMap<&str, Vec<&Marker>> = BTreeMap::new();
    for record in records {
        told.entry(&record.envelope.native_id).or_default().push(&record.envelope.marker);
    }
    let mut seen = std::collections::HashSet::new();
    assert!(records.iter().all(|record| seen.insert(record.envelope.event_id())), "a record was taken in twice");
    // An alert that vanished before any answer showed it leaves no trace.
    let was_shown = |alert: &&AlertTruth| alert.vanished.is_none() || alert.shown_open || alert.shown_resolved;
    for alert in truth.alerts.iter().filter(|alert| alert.opened < settled).filter(was_shown) {
        let markers =
            told.get(alert.uid.as_str()).unwrap_or_else(|| panic!("alert {} is missing: {alert:?}", alert.uid));
        assert_eq!(markers.first(), Some(&&Marker::Open), "{alert:?}");
        if alert.resolved.is_some_and(|at| at < settled) {
            assert!(matches!(markers.last(), Some(Marker::Resolved(Some(_)))), "{alert:?} {markers:?}");
        }
        if alert.vanished.is_some_and(|at| at < settled) && alert.shown_open {
            // One that opened again may vanish before any answer shows that; then its resolution is the last that was seen.
            let was_reopened = alert.history.iter().any(|step| step.what == Change::Reopened);
            let is_closed = was_reopened && matches!(markers.last(), Some(Marker::Resolved(_)));
            assert!(is_closed || matches!(markers.last(), Some(Marker::Vanished(_))), "{alert:?} {markers:?}");
        }
    }
    let activity: std::collections::HashSet<&str> = records
        .iter()
        .filter(|record| matches!(record.envelope.kind, RecordKind::ActivityDevice | RecordKind::ActivityUser))
        .map(|record| record.envelope.native_id.as_str())
        .collect();
    let mut missing = 0;
    for row in truth.activities.iter().filter(|row| row.visible_from < settled) {
        let is_there = activity.contains(row.id.as_str());
        assert!(is_there || (row.entity == "USER" && row.site.is_none()), "{row:?}");
        missing += u64::from(!is_there);
    }
    // Of devices that nobody had seen when the row was written, or that were moving.
    assert!(missing <= held, "{missing} rows are missing, {held} are held");
}

/// Every state and every posture change that an answer showed is exactly one record, counted from 1 without a gap.
fn check_inventory(records: &[Record], truth: &Truth) {
    let count = |kind: RecordKind, uid: &str| {
        let of_item = |record: &&Record| record.envelope.kind == kind && record.envelope.native_id == uid;
        let markers = records.iter().filter(of_item).map(|record| &record.envelope.marker);
        let mut numbers = Vec::new();
        let mut others = 0;
        for marker in markers {
            if let Marker::Item(n, _, None) = marker {
                numbers.push(*n as usize);
            } else {
                others += 1;
            }
        }
        assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>(), "{kind} {uid}");
        (numbers.len(), others)
    };
    for device in &truth.devices {
        let (states, gone) = count(RecordKind::Device, &device.uid);
        assert_eq!(states, device.shown_states, "{device:?}");
        assert!(gone <= usize::from(!device.listed), "{device:?}");
        assert_eq!(count(RecordKind::DevicePosture, &device.uid), (0, device.shown_postures), "{device:?}");
    }
    for site in &truth.sites {
        assert_eq!(count(RecordKind::Site, &site.uid), (site.shown_states, 0), "{site:?}");
    }
    let total = |count: fn(&DeviceTruth) -> usize| truth.devices.iter().map(count).sum::<usize>();
    assert!(total(|device| device.shown_states) > 60, "devices change");
    assert!(total(|device| device.shown_postures) > 20, "and so do their postures");
    let gone = truth.devices.iter().filter(|device| !device.listed && device.shown_states > 0);
    let told = gone.filter(|device| count(RecordKind::Device, &device.uid).1 == 1);
    assert!(told.count() > 0, "some are gone, and that is told");
}

#[tokio::test(start_paused = true)]
async fn a_block_of_five_minutes_is_met_with_silence_and_one_probe() {
    let world = World { block_seconds: 420, ..World::quiet() };
    let polling = Polling::start(world, "").await;
    polling.pass(HOUR).await;
    polling.sim.apply(&Command { kind: Act::Block, ..Command::default() }).unwrap();
    let before = polling.traffic();
    polling.pass(Duration::from_secs(390)).await;
    let during = polling.traffic();
    // The request that met the block, then after five minutes one probe that met it still.
    assert_eq!(during.blocked - before.blocked, 2, "{:?}", during.recent);
    polling.pass(Duration::from_secs(700)).await;
    let after = polling.traffic();
    assert_eq!(after.blocked, during.blocked, "the pause had doubled: the next probe met no block");
    polling.pass(Duration::from_secs(120)).await;
    assert!(polling.traffic().requests > after.requests, "polling goes on");
    polling.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_ahead_of_its_hundred_hours() {
    let polling = Polling::start(
        World::quiet(),
        "[accounts.acme.poll]\nalerts = \"10m\"\nactivity = \"10m\"\ninventory = \"12h\"",
    )
    .await;
    polling.pass(HOUR * 99).await;
    let traffic = polling.traffic();
    assert_eq!(traffic.logins, 2, "one renewal before the end");
    let refused: u64 = traffic.paths.values().filter_map(|counts| counts.statuses.get(&401)).sum();
    assert_eq!(refused, 0, "no request went out with an expired token");
    polling.pass(HOUR * 5).await;
    let refused: u64 = polling.traffic().paths.values().filter_map(|counts| counts.statuses.get(&401)).sum();
    assert_eq!(refused, 0);
    polling.finish().await;
}
