//! The guarantees of `model.py` (architecture.md section 2), checked on the real journal after every step of random histories.
//!
//! `World` is what happens around the journal: a collector, deliverers whose memory a crash takes, a Kafka, an operator.
//! `Oracle` is what only the checker knows.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::oracle::{Key, Oracle, Sent};
use super::support::{HOUR, Place as Directory, activity, look, page, state, uid};
use crate::journal::dead::DeadFilter;
use crate::journal::intent::Intent;
use crate::journal::replay;
use crate::journal::requests::{DeadLetters, Request, Served};
use crate::journal::sqlite::{Journal, Options};
use crate::journal::{
    Attempt, BatchLimit, Intake, JournalError, Lane, Page, Partition, Place, Refused, RefusedKind, Settlement, StartAt,
};
use crate::org::directory::Decision;
use crate::org::{Org, Policy, Rules, Unmapped};

const SITES: [&str; 3] = ["a", "b", "c"];
const SINKS: [(&str, Option<&str>); 4] = [("one", None), ("two", Some("X")), ("kafka", None), ("late", Some("Y"))];

/// One step. Small numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Op {
    /// A page: the next version of each alert chosen, and activity records.
    Take {
        alerts: [bool; 3],
        backfill: bool,
        activity: Option<u8>,
    },
    /// A page that was computed from a state that is gone.
    Stale {
        alert: u8,
    },
    /// A site gets another organization: none, X, Y, or the ignore list.
    Map {
        site: u8,
        org: u8,
    },
    Tick,
    Maintain,
    /// A deliverer reads a batch of at most `most` records.
    Begin {
        sink: u8,
        lane: u8,
        most: u8,
    },
    /// A deliverer takes its next step; `how` says what goes wrong.
    Step {
        sink: u8,
        how: u8,
    },
    /// A deliverer passes everything that is there but replays, without a fault.
    CatchUp {
        sink: u8,
    },
    /// The process dies; `committed`: an open Kafka transaction was prepared.
    Crash {
        committed: bool,
    },
    Ask {
        sink: u8,
        what: u8,
    },
    Serve,
    Switch {
        sink: u8,
        now: bool,
    },
}

fn any_op() -> impl Strategy<Value = Op> {
    let take = (any::<[bool; 3]>(), any::<bool>(), proptest::option::weighted(0.4, 0..8u8));
    prop_oneof![
        8 => take.prop_map(|(alerts, backfill, activity)| Op::Take { alerts, backfill, activity }),
        1 => (0..3u8).prop_map(|alert| Op::Stale { alert }),
        4 => (0..3u8, 0..4u8).prop_map(|(site, org)| Op::Map { site, org }),
        3 => Just(Op::Tick),
        4 => Just(Op::Maintain),
        10 => (0..4u8, 0..3u8, 1..5u8).prop_map(|(sink, lane, most)| Op::Begin { sink, lane, most }),
        24 => (0..4u8, 0..10u8).prop_map(|(sink, how)| Op::Step { sink, how }),
        5 => (0..4u8).prop_map(|sink| Op::CatchUp { sink }),
        1 => any::<bool>().prop_map(|committed| Op::Crash { committed }),
        3 => (0..4u8, 0..3u8).prop_map(|(sink, what)| Op::Ask { sink, what }),
        3 => Just(Op::Serve),
        2 => (0..4u8, any::<bool>()).prop_map(|(sink, now)| Op::Switch { sink, now }),
    ]
}

/// What a deliverer is about; a crash takes it.
#[derive(Clone, Default)]
enum Phase {
    #[default]
    Idle,
    Decided(Batch),
    /// The sink has it (Kafka: its transaction is committed), the journal does not know.
    Done(Batch, Uuid),
    /// Kafka: the intent is stored.
    Intended(Batch, Uuid),
    /// Kafka: the transaction is open.
    Open(Batch, Uuid),
    /// Kafka: a new producer must read the positions first.
    Unsure,
}

/// An attempt and what was decided of its records.
#[derive(Clone)]
struct Batch {
    attempt: Attempt,
    verdicts: Vec<Verdict>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Send,
    Skip,
    Unmapped,
    Refused,
}

struct World {
    directory: Directory,
    journal: Journal,
    mapping: BTreeMap<&'static str, u8>,
    on: BTreeSet<&'static str>,
    memory: HashMap<&'static str, Phase>,
    /// Kafka's positions, and what it refuses.
    kafka: HashMap<Partition, (u64, Uuid)>,
    bad: HashSet<Key>,
    oracle: Oracle,
}

impl World {
    async fn new() -> Self {
        let mut directory = Directory::new();
        directory.options = Options { retain: HOUR, hold_for: 2 * HOUR, max_bytes: 1 << 30 };
        let journal = directory.open();
        let mut world = Self {
            directory,
            journal,
            mapping: SITES.map(|site| (site, 1)).into(),
            on: ["one", "two", "kafka"].into(),
            memory: HashMap::new(),
            kafka: HashMap::new(),
            bad: HashSet::new(),
            oracle: Oracle::default(),
        };
        world.journal.set_policy(policy(&world.mapping)).await.unwrap();
        world.use_sinks(StartAt::Oldest).await;
        world
    }

    async fn run(mut self, ops: Vec<Op>) {
        for op in ops {
            self.step(&op).await;
            self.check().await;
        }
        self.drain().await;
    }

    async fn step(&mut self, op: &Op) {
        match *op {
            Op::Take { alerts, backfill, activity } => self.take(alerts, backfill, activity).await,
            Op::Stale { alert } => self.take_stale(alert).await,
            Op::Map { site, org } => {
                self.mapping.insert(SITES[usize::from(site)], org);
                self.journal.set_policy(policy(&self.mapping)).await.unwrap();
            }
            Op::Tick => self.directory.clock.jump(i64::try_from((HOUR + Duration::from_secs(1)).as_millis()).unwrap()),
            Op::Maintain => self.maintain().await,
            Op::Begin { sink, lane, most } => self.begin(sink, lane, most).await,
            Op::Step { sink, how } => self.deliver(SINKS[usize::from(sink)], how).await,
            Op::CatchUp { sink } => self.catch_up(sink).await,
            Op::Crash { committed } => self.crash(committed),
            Op::Ask { sink, what } => self.ask(SINKS[usize::from(sink)].0, what).await,
            Op::Serve => self.serve().await,
            Op::Switch { sink, now } => self.switch(SINKS[usize::from(sink)].0, now).await,
        }
    }

    // ---- collector, operator, time ----

    async fn take(&mut self, alerts: [bool; 3], backfill: bool, chosen: Option<u8>) {
        let names = ["A", "B", "C"].map(str::to_owned).to_vec();
        let states = self.journal.alert_states(&uid(), names.clone()).await.unwrap();
        let mut page = Page { lane: if backfill { Lane::Backfill } else { Lane::Live }, ..page() };
        for (n, name) in names.into_iter().enumerate().filter(|(n, _)| alerts[*n]) {
            let known = states.get(&name).cloned();
            let version = known.as_ref().map_or(0, |state| state.updates) + 1;
            // The alerts move between sites, so that an alert's records may be held while its newer ones need not be.
            let site = SITES[(n + version as usize) % 3];
            page.alerts.push(look(&name, version, site, known));
        }
        if let Some(n) = chosen {
            page.records.push(activity(&format!("act{n}"), SITES[usize::from(n) % 3]));
            page.records.push(activity(&format!("act{}", (n + 1) % 8), SITES[usize::from(n + 1) % 8 % 3]));
        }
        let given = (page.alerts.len() + page.records.len()) as u64;
        let Intake { taken, held, repeats, ignored, .. } = self.journal.commit(page).await.unwrap();
        assert_eq!(taken + held + repeats + ignored, given);
    }

    async fn take_stale(&mut self, alert: u8) {
        let name = ["A", "B", "C"][usize::from(alert)];
        let mut page = Page { alerts: vec![look(name, 90, "a", Some(state("a", 89)))], ..page() };
        page.records.push(activity("never", "a"));
        let refused = self.journal.commit(page).await.unwrap_err();
        assert!(matches!(refused, JournalError::Conflict));
    }

    async fn maintain(&mut self) {
        self.journal.maintain().await.unwrap();
        self.oracle.see(&self.journal).await;
        for (sink, _) in SINKS.iter().filter(|(sink, _)| !self.on.contains(sink)) {
            self.oracle.excuse_gone(sink);
        }
    }

    async fn use_sinks(&mut self, start: StartAt) {
        let wanted = self.on.iter().map(|name| ((*name).to_owned(), start)).collect();
        let opened = self.journal.use_sinks(wanted).await.unwrap();
        for opening in opened.into_iter().filter(|opening| opening.new) {
            for (partition, position) in positions(&self.journal, &opening.name).await {
                self.oracle.started(&opening.name, &partition, position);
            }
        }
    }

    async fn switch(&mut self, sink: &'static str, now: bool) {
        if self.on == BTreeSet::from([sink]) {
            return;
        }
        self.forget(sink, false);
        if !self.on.remove(sink) {
            self.on.insert(sink);
        }
        self.use_sinks(if now { StartAt::Now } else { StartAt::Oldest }).await;
    }

    fn crash(&mut self, committed: bool) {
        for (sink, _) in SINKS {
            self.forget(sink, committed);
        }
        // The handle must end before the next one can have the lock.
        let reader = Journal::open_reader(&self.directory.path(), self.directory.clock.clone()).unwrap();
        drop(std::mem::replace(&mut self.journal, reader));
        self.journal = self.directory.open();
    }

    /// A deliverer's memory is gone: what the sink has and the journal does not know may be sent again.
    fn forget(&mut self, sink: &'static str, committed: bool) {
        let phase = self.memory.remove(sink).unwrap_or_default();
        if sink != "kafka" {
            if let Phase::Done(batch, _) = phase {
                self.oracle.excuse(sink, &sendable(&batch));
            }
            return;
        }
        if let Phase::Open(batch, id) = phase
            && committed
        {
            self.kafka_commit(&batch, id);
        }
        self.memory.insert(sink, Phase::Unsure);
    }

    async fn ask(&mut self, sink: &'static str, what: u8) {
        let (sink, dead) = (sink.to_owned(), DeadLetters::Sink(sink.to_owned()));
        let request = match what {
            0 => Request::Replay { sink, org: None, since: None, until: None },
            1 => Request::ReplayDead(dead),
            _ => Request::DropDead(dead),
        };
        self.journal.ask(request).await.unwrap();
    }

    async fn serve(&mut self) {
        let Some((number, request)) = self.journal.requests().await.unwrap().into_iter().next() else { return };
        let before = dead_letters(&self.journal).await;
        let served = self.journal.serve(number).await.unwrap();
        if matches!(served, Served::Refused(_)) {
            return;
        }
        if let Request::ReplayDead(DeadLetters::Sink(sink)) | Request::DropDead(DeadLetters::Sink(sink)) = &request {
            for (_, place, mark) in before.iter().filter(|(of, ..)| of == sink) {
                self.oracle.skip(sink, place, *mark);
            }
        }
        if let Request::Replay { sink, .. } | Request::ReplayDead(DeadLetters::Sink(sink)) = &request {
            let mut count = 0;
            for (seq, place, mark) in references(&self.journal, sink).await {
                count += u64::from(mark == number);
                self.oracle.due(sink, seq, place, mark);
            }
            assert_eq!(served, Served::Replayed(count));
        }
    }

    // ---- deliverers ----

    async fn begin(&mut self, sink: u8, lane: u8, most: u8) {
        let (sink, route) = SINKS[usize::from(sink)];
        let idle = matches!(self.memory.get(sink), None | Some(Phase::Idle));
        if !self.on.contains(sink) || !idle {
            return;
        }
        let lane = [Lane::Live, Lane::Backfill, Lane::Replayed][usize::from(lane)];
        let partition = Partition { account: uid(), lane };
        let limit = BatchLimit { records: usize::from(most), bytes: 1 << 20 };
        let Some(attempt) = self.journal.read(sink, &partition, limit).await.unwrap() else { return };
        let verdicts = attempt.items.iter().map(|item| {
            let site = &item.record.envelope.site;
            let verdict = match attempt.directory.decide(&uid(), site) {
                Decision::Org(tenant) if route.is_none_or(|route| route == tenant.id) => Verdict::Send,
                Decision::Org(_) | Decision::Ignored | Decision::Dropped => Verdict::Skip,
                Decision::Held(_) => Verdict::Unmapped,
            };
            let known = match site {
                crate::record::SiteRef::Uid(uid) => self.mapping[uid.as_str()],
                other => panic!("{other}"),
            };
            let expected = match (known, route) {
                (0, _) => Verdict::Unmapped,
                (1, None | Some("X")) | (2, None | Some("Y")) => Verdict::Send,
                _ => Verdict::Skip,
            };
            assert_eq!(verdict, expected, "ROUTE: {sink}: {:?}", item.place);
            let refused = verdict == Verdict::Send && self.bad.contains(&Key::of(&item.record));
            if refused { Verdict::Refused } else { verdict }
        });
        let verdicts = verdicts.collect();
        self.memory.insert(sink, Phase::Decided(Batch { attempt, verdicts }));
    }

    async fn catch_up(&mut self, sink: u8) {
        let (name, _) = SINKS[usize::from(sink)];
        for lane in [0, 1] {
            let mut steps = 0;
            while self.on.contains(name) && steps < 5 {
                self.begin(sink, lane, 100).await;
                self.deliver(SINKS[usize::from(sink)], 9).await;
                steps += 1;
            }
        }
    }

    /// The next step of a deliverer: 0 fails, 1 loses the answer, 2 refuses a record, the others succeed.
    async fn deliver(&mut self, (sink, _): (&'static str, Option<&'static str>), how: u8) {
        if !self.on.contains(sink) {
            return;
        }
        let phase = self.memory.remove(sink).unwrap_or_default();
        let next = match (phase, sink == "kafka") {
            (Phase::Idle, _) => Phase::Idle,
            (Phase::Decided(batch), false) => self.send(sink, batch, how),
            (Phase::Done(batch, _), false) => {
                self.journal.settle(settlement(sink, &batch)).await.unwrap();
                self.oracle.settled(sink, &counted(&batch));
                Phase::Idle
            }
            (Phase::Decided(batch), true) => self.intend(batch).await,
            (Phase::Intended(batch, id), _) => match how {
                0 => Phase::Idle,
                2 => {
                    self.refuse_one(&batch);
                    Phase::Idle
                }
                _ => Phase::Open(batch, id),
            },
            (Phase::Open(batch, id), _) => match how {
                0 => Phase::Unsure,
                1 => {
                    self.kafka_commit(&batch, id);
                    Phase::Unsure
                }
                _ => {
                    self.kafka_commit(&batch, id);
                    Phase::Done(batch, id)
                }
            },
            (Phase::Done(batch, id), true) => {
                self.journal.mirror(sink, &batch.attempt.partition, batch.attempt.to, id).await.unwrap();
                Phase::Idle
            }
            (Phase::Unsure, _) => {
                let entries = self.kafka.iter().map(|(of, (seq, id))| (of.clone(), *seq, *id)).collect();
                self.journal.adopt(sink, entries).await.unwrap();
                Phase::Idle
            }
        };
        self.memory.insert(sink, next);
    }

    fn send(&mut self, sink: &'static str, mut batch: Batch, how: u8) -> Phase {
        if how == 0 {
            return Phase::Idle;
        }
        if how == 2
            && let Some(first) = batch.verdicts.iter_mut().find(|verdict| **verdict == Verdict::Send)
        {
            *first = Verdict::Refused;
        }
        self.oracle.delivered(sink, &sendable(&batch), &unsent(&batch), Sent::MayRepeat);
        if how == 1 {
            self.oracle.excuse(sink, &sendable(&batch));
            return Phase::Idle;
        }
        Phase::Done(batch, Uuid::nil())
    }

    async fn intend(&mut self, batch: Batch) -> Phase {
        let Settlement { partition, from, to, version, sent, skipped, dead, .. } = settlement("kafka", &batch);
        let id = Uuid::new_v4();
        let intent = Intent { partition, from, to, id, version, sent, skipped, dead };
        self.journal.intend("kafka", intent).await.unwrap();
        // What an intent that is not taken over skips and gives up does not count, so the oracle learns it from Kafka.
        Phase::Intended(batch, id)
    }

    fn refuse_one(&mut self, batch: &Batch) {
        let send = batch.verdicts.iter().position(|verdict| *verdict == Verdict::Send);
        self.bad.extend(send.map(|at| Key::of(&batch.attempt.items[at].record)));
    }

    fn kafka_commit(&mut self, batch: &Batch, id: Uuid) {
        self.oracle.delivered("kafka", &sendable(batch), &[], Sent::Once);
        self.oracle.settled("kafka", &counted(batch));
        self.kafka.insert(batch.attempt.partition.clone(), (batch.attempt.to, id));
        self.bad.clear();
    }

    // ---- what must hold ----

    async fn check(&mut self) {
        self.oracle.see(&self.journal).await;
        let stuck = self.first_held().await;
        for (site, key) in stuck {
            assert_eq!(self.mapping[site.as_str()], 0, "STUCK: {key} is held though its site is mapped");
        }
        let dead = dead_letters(&self.journal).await;
        for sink in &self.on {
            let positions: BTreeMap<_, _> = positions(&self.journal, sink).await.into_iter().collect();
            let references = references(&self.journal, sink).await;
            let dead: Vec<_> =
                dead.iter().filter(|(of, ..)| of == sink).map(|(_, place, mark)| (place.clone(), *mark)).collect();
            self.oracle.check(sink, &positions, &dead, &references);
        }
    }

    /// Site and key of the first held record of each alert, and of every other held record.
    async fn first_held(&self) -> Vec<(String, String)> {
        let sql = "SELECT site, COALESCE(hex(alert), seq) FROM held h WHERE alert IS NULL
            OR seq = (SELECT MIN(seq) FROM held i WHERE i.alert = h.alert)";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        let found =
            self.journal.look(move |view| super::super::tx::rows(view.connection, sql, [], read)).await.unwrap();
        found.into_iter().map(|(site, key)| (site.split('"').nth(3).unwrap_or_default().to_owned(), key)).collect()
    }

    /// No more faults: every site is mapped, everything moves, and in the end nothing is left.
    async fn drain(mut self) {
        for site in 0..3 {
            self.step(&Op::Map { site, org: 2 }).await;
            self.check().await;
        }
        for _ in 0..self.journal.requests().await.unwrap().len() {
            self.serve().await;
            self.check().await;
        }
        assert!(self.journal.requests().await.unwrap().is_empty(), "REQUEST: a served one still waits");
        for _ in 0..10_000 {
            let mut pending = 0;
            for n in 0..SINKS.len() {
                let (sink, _) = SINKS[n];
                if !self.on.contains(sink) {
                    continue;
                }
                for lane in 0..3 {
                    self.begin(n as u8, lane, 4).await;
                    self.deliver(SINKS[n], 9).await;
                }
                pending += self.journal.backlog(sink).await.unwrap().iter().map(|b| b.pending).sum::<u64>();
            }
            self.check().await;
            if pending == 0 {
                assert!(self.journal.held().await.unwrap().is_empty(), "STUCK: every site is mapped");
                assert_eq!(self.journal.check_pages().await.unwrap().problems, Vec::<String>::new());
                return;
            }
        }
        panic!("DEADLOCK: not everything is delivered, and nothing moves");
    }
}

/// Organization 1 is X, 2 is Y, 3 the ignore list, 0 nothing.
fn policy(mapping: &BTreeMap<&'static str, u8>) -> Policy {
    let of = |org| mapping.iter().filter(|(_, o)| **o == org).map(|(site, _)| (*site).to_owned()).collect::<Vec<_>>();
    let org = |id: &str, sites| Org { id: id.into(), name: id.into(), accounts: None, sites, labels: BTreeMap::new() };
    let rules = Rules {
        list: vec![org("X", of(1)), org("Y", of(2))],
        ignore: of(3),
        auto_match: false,
        autotask: false,
        unmapped: Unmapped::Hold,
    };
    Policy { orgs: Some(rules), accounts: BTreeMap::new() }
}

fn sendable(batch: &Batch) -> Vec<(Place, u64)> {
    select(batch, |verdict| verdict == Verdict::Send)
}

fn unsent(batch: &Batch) -> Vec<(Place, u64)> {
    select(batch, |verdict| verdict != Verdict::Send)
}

fn select(batch: &Batch, wanted: impl Fn(Verdict) -> bool) -> Vec<(Place, u64)> {
    let items = batch.attempt.items.iter().zip(&batch.verdicts).filter(|(_, verdict)| wanted(**verdict));
    items.map(|(item, _)| (item.place.clone(), item.replay)).collect()
}

/// What the settlement of a batch counts: each record, and whether its route skips it.
fn counted(batch: &Batch) -> Vec<(Place, u64, bool)> {
    let items = batch.attempt.items.iter().zip(&batch.verdicts);
    items.map(|(item, verdict)| (item.place.clone(), item.replay, *verdict == Verdict::Skip)).collect()
}

fn settlement(sink: &str, batch: &Batch) -> Settlement {
    let count = |of| batch.verdicts.iter().filter(|verdict| **verdict == of).count() as u64;
    let kind = |verdict| match verdict {
        Verdict::Unmapped => Some(RefusedKind::Unmapped),
        Verdict::Refused => Some(RefusedKind::Refused),
        Verdict::Send | Verdict::Skip => None,
    };
    let items = batch.attempt.items.iter().zip(&batch.verdicts);
    let dead = items.filter_map(|(item, verdict)| {
        let kind = kind(*verdict)?;
        Some(Refused { place: item.place.clone(), replay: item.replay, kind, reason: "so".into() })
    });
    Settlement {
        sink: sink.into(),
        partition: batch.attempt.partition.clone(),
        from: batch.attempt.from,
        to: batch.attempt.to,
        version: batch.attempt.directory.version,
        sent: count(Verdict::Send),
        skipped: count(Verdict::Skip),
        dead: dead.collect(),
    }
}

async fn positions(journal: &Journal, sink: &str) -> Vec<(Partition, u64)> {
    let backlog = journal.backlog(sink).await.unwrap();
    backlog.into_iter().map(|backlog| (backlog.partition, backlog.position)).collect()
}

async fn dead_letters(journal: &Journal) -> Vec<(String, Place, u64)> {
    let letters = journal.dead_letters(DeadFilter::default()).await.expect("TRIMMED: a dead letter's record");
    letters.into_iter().filter_map(|letter| Some((letter.sink?, letter.place?, letter.replay))).collect()
}

/// Every reference of a sink that is not passed: its sequence, its record's place, its mark.
async fn references(journal: &Journal, sink: &str) -> Vec<(u64, Place, u64)> {
    let partition = Partition { account: uid(), lane: Lane::Replayed };
    let sink = sink.to_owned();
    journal
        .look(move |view| {
            use super::super::{partitions, sinks};
            let mut all = Vec::new();
            let Some(stored) = partitions::find(view.connection, &partition, &sink)? else { return Ok(all) };
            let Ok(sink) = sinks::present(view.connection, &sink) else { return Ok(all) };
            let position = sinks::position(view.connection, &sink, stored.id)?;
            for run in replay::pending(view.connection, stored.id, position, 1 << 20)? {
                let partition = partitions::named(view.connection, run.place)?;
                let each = (run.first..run.first + run.count).zip(run.place_seq..);
                let place = |seq| Place { partition: partition.clone(), seq };
                all.extend(each.filter(|(seq, _)| *seq > position).map(|(seq, at)| (seq, place(at), run.replay)));
            }
            Ok(all)
        })
        .await
        .unwrap()
}

fn history(ops: Vec<Op>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { World::new().await.run(ops).await });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_guarantees(ops in proptest::collection::vec(any_op(), 40..160)) {
        history(ops);
    }
}
