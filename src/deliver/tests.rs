//! Random histories of mappings, sites, renames, reloads, routes and failing sinks, before a real journal and real deliverers: no
//! event reaches a sink whose route excludes its organization, none is lost, none is told twice.

mod judge;
mod model;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use self::judge::{Fault, Judge, Shared, moved, owner, stream};
use self::model::{ACCOUNTS, Model, NAMES, ORGS, Owner, SITES, account, number, uid};
use crate::clock::{Clock, Millis};
use crate::deliver::ahead::Ahead;
use crate::deliver::route::Route;
use crate::deliver::runner::{LIMIT, Runner, Turn};
use crate::deliver::status::SinkStatus;
use crate::deliver::turns::Turns;
use crate::journal::dead::DeadFilter;
use crate::journal::sqlite::{Journal, Options as JournalOptions};
use crate::journal::{AlertLook, AlertState, DatedRecord, Lane, Page, Partition, Seen, StartAt, Told};
use crate::normalize::{Format, Options};
use crate::record::place::{DeviceRef, SiteRef};
use crate::record::{AccountUid, Envelope, Marker, Record, RecordKind, Stream};
use crate::telemetry::Metrics;

const START: Millis = Millis(1_795_214_400_000);
const HOUR: Duration = Duration::from_secs(3600);

/// Sinks by name, with the organizations and streams that their routes name.
type Routed = (&'static str, Option<&'static [&'static str]>, Option<&'static [&'static str]>);
const SINKS: [Routed; 5] = [
    ("all", None, None),
    ("contoso", Some(&["x"]), None),
    ("fabrikam-alerts", Some(&["y"]), Some(&["alerts"])),
    ("msp", Some(&["msp-a", "msp-b"]), Some(&["activity", "alerts"])),
    ("audit", None, Some(&["vintner"])),
];

/// One step.
#[derive(Clone, Debug)]
enum Op {
    /// A page: the next version of each alert chosen, and an activity record of a site (3: of none).
    Take {
        account: usize,
        alerts: [bool; 3],
        activity: Option<usize>,
    },
    /// The site list, with a name for each site that it shows.
    List {
        account: usize,
        names: [Option<usize>; SITES],
    },
    /// The operator edits the mapping and reloads.
    Uid {
        account: usize,
        site: usize,
        org: usize,
    },
    Name {
        name: usize,
        org: usize,
    },
    Scope {
        org: usize,
        account: usize,
    },
    Ignore {
        account: usize,
        site: usize,
    },
    Unmapped {
        drops: bool,
    },
    /// A deliverer's turn, with what goes wrong in it.
    Turn {
        sink: usize,
        faults: Vec<Fault>,
    },
    /// Every deliverer passes everything.
    CatchUp,
}

fn any_op() -> impl Strategy<Value = Op> {
    let fault = prop_oneof![
        2 => Just(Fault::Retry),
        1 => Just(Fault::Lost),
        1 => Just(Fault::Hang),
        1 => Just(Fault::AcceptAndHang),
        1 => Just(Fault::Refuse),
        3 => (0..6u8, 0..3u8).prop_map(|(site, org)| Fault::RemapAndRetry(site, org)),
        2 => (0..6u8, 0..3u8).prop_map(|(site, org)| Fault::RemapAndAccept(site, org)),
    ];
    let faults = proptest::collection::vec(fault, 0..3);
    let names = || proptest::option::weighted(0.8, 0..NAMES.len());
    prop_oneof![
        8 => (0..2usize, any::<[bool; 3]>(), proptest::option::of(0..4usize))
            .prop_map(|(account, alerts, activity)| Op::Take { account, alerts, activity }),
        3 => (0..2usize, names(), names(), names())
            .prop_map(|(account, a, b, c)| Op::List { account, names: [a, b, c] }),
        3 => (0..2usize, 0..SITES, 0..3usize).prop_map(|(account, site, org)| Op::Uid { account, site, org }),
        2 => (0..NAMES.len(), 0..3usize).prop_map(|(name, org)| Op::Name { name, org }),
        1 => (0..2usize, 0..3usize).prop_map(|(org, account)| Op::Scope { org, account }),
        1 => (0..2usize, 0..SITES).prop_map(|(account, site)| Op::Ignore { account, site }),
        1 => any::<bool>().prop_map(|drops| Op::Unmapped { drops }),
        14 => (0..SINKS.len(), faults).prop_map(|(sink, faults)| Op::Turn { sink, faults }),
        1 => Just(Op::CatchUp),
    ]
}

struct World {
    _folder: tempfile::TempDir,
    journal: Journal,
    shared: Arc<Mutex<Shared>>,
    runners: Vec<(Runner<Judge>, Turns, Ahead)>,
    positions: HashMap<(usize, Partition), u64>,
    /// Numbers of activity records given out.
    rows: u64,
    /// Records that intakes counted.
    taken: u64,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let options = JournalOptions { retain: 1000 * HOUR, max_bytes: 1 << 30, hold_for: 1000 * HOUR };
        let journal = Journal::open(&folder.path().join("vintner.db"), options, clock.clone()).unwrap();
        let shared = Arc::new(Mutex::new(Shared::default()));
        journal.set_policy(Model::default().policy()).await.unwrap();
        for (index, (_, _, org)) in ACCOUNTS.iter().enumerate() {
            journal.open_account(&account(index), Some(org)).await.unwrap();
            // The model has rules by name that wait for no list; `journal/tests/lists.rs` has those that do.
            journal.end_wait_for_sites(&account(index).name).await.unwrap();
        }
        journal.use_sinks(SINKS.map(|(name, ..)| (name.to_owned(), StartAt::Oldest)).to_vec()).await.unwrap();
        let runner = |(name, orgs, streams): Routed| {
            let sink = Judge { name, orgs, streams, shared: Arc::clone(&shared), journal: journal.clone() };
            Runner {
                name: name.to_owned(),
                sink,
                route: route(orgs, streams),
                options: Options { format: Format::Raw, ..Options::default() },
                limit: LIMIT,
                journal: journal.clone(),
                clock: clock.clone(),
                metrics: Metrics::default(),
                status: SinkStatus::default(),
            }
        };
        let runners = SINKS.map(|sink| (runner(sink), Turns::default(), Ahead::on())).into_iter().collect();
        Self { _folder: folder, journal, shared, runners, positions: HashMap::new(), rows: 0, taken: 0 }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }

    async fn step(&mut self, op: Op) {
        match op {
            Op::Take { account, alerts, activity } => self.take(account, alerts, activity).await,
            Op::List { account, names } => self.list(account, names).await,
            Op::Uid { account, site, org } => {
                self.edit(|model| set(&mut model.by_uid, (account, site), org)).await;
            }
            Op::Name { name, org } => self.edit(|model| set(&mut model.by_name, NAMES[name].trim(), org)).await,
            Op::Scope { org, account } => self.edit(|model| set(&mut model.scope, org, account)).await,
            Op::Ignore { account, site } => {
                let flip = |model: &mut Model| {
                    if !model.ignored.remove(&(account, site)) {
                        model.ignored.insert((account, site));
                    }
                };
                self.edit(flip).await;
            }
            Op::Unmapped { drops } => self.edit(|model| model.drops = drops).await,
            Op::Turn { sink, faults } => {
                self.shared().faults = faults.into();
                self.turn(sink).await;
                self.shared().faults.clear();
            }
            Op::CatchUp => self.catch_up().await,
        }
    }

    async fn take(&mut self, account: usize, chosen: [bool; 3], activity: Option<usize>) {
        let uid = AccountUid::new(ACCOUNTS[account].0);
        let names: Vec<_> = (0..3).map(|n| format!("{uid}-alert-{n}")).collect();
        let states = self.journal.alert_states(&uid, names.clone()).await.unwrap();
        let mut page = Page {
            account: uid,
            stream: Stream::Alerts,
            lane: Lane::Live,
            received_at: START,
            cursors: Vec::new(),
            alerts: Vec::new(),
            records: Vec::new(),
            rejected: Vec::new(),
        };
        for (n, name) in names.iter().enumerate().filter(|(n, _)| chosen[*n]) {
            let known = states.get(name).cloned();
            let version = known.as_ref().map_or(0, |state| state.updates) + 1;
            // The alerts move between sites, so that an alert's records may be held while its newer ones need not be.
            page.alerts.push(look(account, name, version, (n + version as usize) % SITES, known));
        }
        if let Some(site) = activity {
            self.rows += 1;
            page.records.push(row(account, self.rows, site));
        }
        let intake = self.journal.commit(page).await.unwrap();
        self.taken += intake.taken + intake.held;
    }

    async fn list(&mut self, account: usize, names: [Option<usize>; SITES]) {
        let (list, changes) = {
            let mut shared = self.shared();
            let mut next = shared.model.clone();
            let is_first = !next.sites.keys().any(|(of, _)| *of == account);
            let mut told = 0;
            for (site, name) in names.into_iter().enumerate() {
                let Some(name) = name else { continue };
                let before = next.sites.insert((account, site), NAMES[name]);
                told += u64::from(before.map_or(!is_first, |before| before != NAMES[name]));
            }
            told += moved(&shared.model, &next);
            shared.model = next;
            (shared.model.list(account), told)
        };
        let change = self.journal.store_sites(&AccountUid::new(ACCOUNTS[account].0), list).await.unwrap();
        let mut shared = self.shared();
        shared.changes += changes;
        shared.dropped += change.dropped;
    }

    async fn edit(&mut self, change: impl FnOnce(&mut Model)) {
        let policy = {
            let mut shared = self.shared();
            let mut next = shared.model.clone();
            change(&mut next);
            shared.changes += moved(&shared.model, &next);
            shared.model = next;
            shared.model.policy()
        };
        let done = self.journal.set_policy(policy).await.unwrap();
        self.shared().dropped += done.dropped;
    }

    /// One turn of a deliverer; one that hangs is dropped, as a crash would.
    async fn turn(&mut self, sink: usize) -> bool {
        self.shared().accepted = None;
        let (runner, turns, ahead) = &mut self.runners[sink];
        let stop = CancellationToken::new();
        let turn = tokio::time::timeout(HOUR, runner.turn_with(turns, ahead, &stop)).await;
        if turn.is_err() {
            *ahead = Ahead::on();
        }
        self.settled(sink).await;
        matches!(turn.map(Result::unwrap), Ok(Turn::Moved))
    }

    async fn catch_up(&mut self) {
        for sink in 0..SINKS.len() {
            while self.turn(sink).await {}
        }
    }

    /// What a position passed was delivered, is a dead letter, or is not this sink's.
    async fn settled(&mut self, sink: usize) {
        let (judge, name) = (&self.runners[sink].0.sink, SINKS[sink].0);
        let model = {
            let shared = self.shared();
            shared.accepted.clone().unwrap_or_else(|| shared.model.clone())
        };
        let letters = self.journal.dead_letters(DeadFilter::default()).await.unwrap();
        let dead: Vec<_> =
            letters.into_iter().filter(|l| l.sink.as_deref() == Some(name)).filter_map(|l| l.place).collect();
        for backlog in self.journal.backlog(name).await.unwrap() {
            let before = self.positions.insert((sink, backlog.partition.clone()), backlog.position).unwrap_or(0);
            assert!(backlog.position >= before, "BACK: {name} from {before} to {}", backlog.position);
            let passed = self.journal.records(&backlog.partition, before + 1, usize::MAX).await.unwrap();
            for (seq, _, record) in passed.into_iter().filter(|(seq, ..)| *seq <= backlog.position) {
                let id = record.envelope.event_id().to_string();
                let has = self.shared().got.get(name).is_some_and(|got| got.iter().any(|(known, _)| *known == id));
                let is_dead = dead.iter().any(|place| place.partition == backlog.partition && place.seq == seq);
                let expected = match owner(&model, &raw(&record)) {
                    Owner::Org(org) if judge.wants(stream(record.envelope.kind.as_str()), org) => has || is_dead,
                    Owner::Org(_) | Owner::Ignored => !is_dead,
                    Owner::Nobody => is_dead,
                };
                assert!(expected, "LOST: {name} passed {record:?}: has it {has}, dead {is_dead}, {model:?}");
            }
        }
    }

    /// No more faults: every site is mapped by its uid, and everything arrives.
    async fn drain(mut self) {
        for account in 0..ACCOUNTS.len() {
            self.list(account, [Some(5); SITES]).await;
        }
        let map = |model: &mut Model| {
            (model.scope, model.ignored) = (Default::default(), Default::default());
            model.by_uid = model.sites.keys().map(|place| (*place, place.1 % ORGS.len())).collect();
        };
        self.edit(map).await;
        self.catch_up().await;
        assert_eq!(self.journal.held().await.unwrap(), [], "STUCK: every site is mapped");
        let (mut records, mut told) = (0, 0);
        for (uid, ..) in ACCOUNTS {
            let partition = Partition { account: AccountUid::new(uid), lane: Lane::Live };
            for (_, _, record) in self.journal.records(&partition, 0, usize::MAX).await.unwrap() {
                let kind = record.envelope.kind;
                records += u64::from(kind.stream() != Stream::Vintner);
                told += u64::from(kind.as_str().starts_with("vintner.site_"));
            }
        }
        let shared = self.shared();
        assert_eq!(
            records + shared.dropped,
            self.taken,
            "what was taken in is in a lane, or was dropped while it was held"
        );
        assert_eq!(told, shared.changes, "each change of a site is told once, and none that was none");
    }
}

fn route(orgs: Option<&[&str]>, streams: Option<&[&str]>) -> Route {
    let of = |name: &str| {
        let all = [Stream::Alerts, Stream::Activity, Stream::Inventory, Stream::Vintner];
        all.into_iter().find(|stream| stream.as_str() == name).unwrap()
    };
    Route {
        streams: streams.map(|streams| streams.iter().map(|name| of(name)).collect()),
        orgs: orgs.map(|orgs| orgs.iter().map(|org| (*org).to_owned()).collect()),
        ..Route::default()
    }
}

/// Puts `value` under `key`; 2 takes it away.
fn set<K: Ord>(map: &mut std::collections::BTreeMap<K, usize>, key: K, value: usize) {
    if value < 2 {
        map.insert(key, value)
    } else {
        map.remove(&key)
    };
}

fn record(account: usize, kind: RecordKind, native_id: &str, marker: Marker, site: SiteRef) -> Record {
    let named = match &site {
        SiteRef::Uid(uid) => format!(",\"siteUid\":\"{uid}\""),
        SiteRef::Id(id) => format!(",\"site\":{id}"),
        SiteRef::None | SiteRef::Name(_) | SiteRef::Device | SiteRef::Unknown => String::new(),
    };
    let source = format!("{{\"id\":\"{native_id}\",\"alertUid\":\"{native_id}\"{named}}}");
    let envelope = Envelope {
        account: AccountUid::new(ACCOUNTS[account].0),
        kind,
        native_id: native_id.to_owned(),
        marker,
        site,
        device: DeviceRef::None,
        path: "/v2/some/list".into(),
        received_at: START,
        changed: Vec::new(),
        synthesized: false,
    };
    Record { envelope, source: RawValue::from_string(source).unwrap() }
}

/// An activity record of a site that it names by number, or of none.
fn row(account: usize, n: u64, site: usize) -> DatedRecord {
    let site = if site < SITES { SiteRef::Id(number(site)) } else { SiteRef::None };
    let record = record(account, RecordKind::ActivityUser, &format!("row-{account}-{n}"), Marker::Once, site);
    DatedRecord { record, dated: START }
}

/// A look that tells a version (from 1) of an alert.
fn look(account: usize, name: &str, version: u32, site: usize, expected: Option<AlertState>) -> AlertLook {
    let site = SiteRef::Uid(uid((account, site)));
    let state = |told, updates| AlertState {
        told,
        seen: Seen::Open,
        site: site.clone(),
        updates,
        closed_on: None,
        vanishings: 0,
        digests: vec![0; 32],
    };
    let marker = if version == 1 { Marker::Open } else { Marker::Update(version, "000000000000".into()) };
    let record = record(account, RecordKind::Alert, name, marker, site.clone());
    AlertLook {
        uid: name.to_owned(),
        source: record.source.clone(),
        records: vec![record],
        severity: None,
        told: state(Told::Opened, version),
        untold: expected.clone().unwrap_or_else(|| state(Told::Nothing, 0)),
        expected,
    }
}

/// A record as the judge reads it.
fn raw(record: &Record) -> serde_json::Value {
    let source: serde_json::Value = serde_json::from_str(record.source.get()).unwrap();
    serde_json::json!({
        "account_uid": record.envelope.account.as_str(), "type": record.envelope.kind.as_str(), "record": source
    })
}

fn history(ops: Vec<Op>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut world = World::new().await;
        for op in ops {
            world.step(op).await;
        }
        world.drain().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_event_reaches_a_sink_that_may_not_have_it_and_none_is_lost_or_told_twice(
        ops in proptest::collection::vec(any_op(), 30..120)
    ) {
        history(ops);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[ignore = "takes minutes"]
    fn many_long_histories_of_mappings_and_routes(ops in proptest::collection::vec(any_op(), 60..250)) {
        history(ops);
    }
}
