//! What happens around the journal in a random history: a collector, an operator, time and crashes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use uuid::Uuid;

use super::deliverer::{Phase, sendable};
use super::oracle::{Key, Oracle};
use super::support::{HOUR, Place as Directory, activity, look, page, state, uid};
use crate::journal::dead::DeadFilter;
use crate::journal::held;
use crate::journal::replay;
use crate::journal::requests::{DeadLetters, Request, Served};
use crate::journal::sqlite::{Journal, Options};
use crate::journal::{Intake, JournalError, Lane, Page, Partition, Place, StartAt};
use crate::journal::{partitions, sinks};
use crate::org::{Org, Policy, Rules, Unmapped};

pub(super) const SITES: [&str; 3] = ["a", "b", "c"];
/// Each sink and the organization that its route names. `late` is not configured at first.
pub(super) const SINKS: [(&str, Option<&str>); 4] =
    [("one", None), ("two", Some("X")), ("kafka", None), ("late", Some("Y"))];

pub(super) struct World {
    pub(super) directory: Directory,
    pub(super) journal: Journal,
    pub(super) mapping: BTreeMap<&'static str, u8>,
    pub(super) on: BTreeSet<&'static str>,
    pub(super) memory: HashMap<&'static str, Phase>,
    /// Kafka's positions, and what it refuses.
    pub(super) kafka: HashMap<Partition, (u64, Uuid)>,
    pub(super) bad: HashSet<Key>,
    pub(super) oracle: Oracle,
}

impl World {
    pub(super) async fn new() -> Self {
        let mut directory = Directory::new();
        directory.options = Options { retain: HOUR, hold_for: 2 * HOUR, max_bytes: 1 << 30 };
        let journal = directory.open_small();
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

    pub(super) async fn take(&mut self, alerts: [bool; 3], backfill: bool, chosen: Option<u8>) {
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
        // A look that is ignored like the one before it is not counted again.
        assert!(taken + held + repeats + ignored <= given, "{given} went in");
    }

    pub(super) async fn take_stale(&mut self, alert: u8) {
        let name = ["A", "B", "C"][usize::from(alert)];
        let mut page = Page { alerts: vec![look(name, 90, "a", Some(state("a", 89)))], ..page() };
        page.records.push(activity("never", "a"));
        let refused = self.journal.commit(page).await.unwrap_err();
        assert!(matches!(refused, JournalError::Conflict));
    }

    pub(super) async fn remap(&mut self, site: &'static str, org: u8) {
        self.mapping.insert(site, org);
        self.journal.set_policy(policy(&self.mapping)).await.unwrap();
    }

    /// The same, but the release of held records is broken off after some steps; the next maintenance goes on with it.
    pub(super) async fn remap_in_part(&mut self, site: &'static str, org: u8, steps: u8) {
        self.mapping.insert(site, org);
        self.journal.begin_policy(policy(&self.mapping)).await.unwrap();
        for _ in 0..steps {
            self.journal.write(held::release_step).await.unwrap();
        }
    }

    /// A little more than records are retained, and half of what they are held.
    pub(super) fn tick(&self) {
        self.directory.clock.jump(i64::try_from((HOUR + Duration::from_secs(1)).as_millis()).unwrap());
    }

    pub(super) async fn maintain(&mut self) {
        self.journal.maintain_now().await.unwrap();
        self.oracle.see(&self.journal).await;
        for (sink, _) in SINKS.iter().filter(|(sink, _)| !self.on.contains(sink)) {
            self.oracle.excuse_gone(sink);
        }
    }

    pub(super) async fn use_sinks(&mut self, start: StartAt) {
        let wanted = self.on.iter().map(|name| ((*name).to_owned(), start)).collect();
        let opened = self.journal.use_sinks(wanted).await.unwrap();
        for opening in opened.into_iter().filter(|opening| opening.new) {
            for (partition, position) in positions(&self.journal, &opening.name).await {
                self.oracle.started(&opening.name, &partition, position);
            }
        }
    }

    pub(super) async fn switch(&mut self, sink: &'static str, now: bool) {
        if self.on == BTreeSet::from([sink]) {
            return;
        }
        self.forget(sink, false);
        if !self.on.remove(sink) {
            self.on.insert(sink);
        }
        self.use_sinks(if now { StartAt::Now } else { StartAt::Oldest }).await;
    }

    pub(super) fn crash(&mut self, committed: bool) {
        for (sink, _) in SINKS {
            self.forget(sink, committed);
        }
        // The handle must end before the next one can have the lock.
        let reader = Journal::open_reader(&self.directory.path(), self.directory.clock.clone()).unwrap();
        drop(std::mem::replace(&mut self.journal, reader));
        self.journal = self.directory.open_small();
    }

    /// A deliverer's memory is gone: what the sink has and the journal does not know may be sent again.
    pub(super) fn forget(&mut self, sink: &'static str, committed: bool) {
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

    pub(super) async fn ask(&mut self, sink: &'static str, what: u8) {
        let (sink, dead) = (sink.to_owned(), DeadLetters::Sink(sink.to_owned()));
        let request = match what {
            0 => Request::DropDead(dead),
            1 => Request::ReplayDead(dead),
            _ => Request::Replay { sink, org: None, since: None, until: None },
        };
        self.journal.ask(request).await.unwrap();
    }

    /// Serves the oldest request to its end.
    pub(super) async fn serve(&mut self) {
        while self.serve_step().await {}
    }

    /// One step of the oldest request; `false` if it is done, or there is none.
    pub(super) async fn serve_step(&mut self) -> bool {
        let Some((number, request)) = self.journal.requests().await.unwrap().into_iter().next() else { return false };
        let request = request.unwrap();
        let before = dead_letters(&self.journal).await;
        let served = self.journal.serve_step(number).await.unwrap();
        if matches!(served, Some(Served::Refused(_))) {
            return false;
        }
        let after = dead_letters(&self.journal).await;
        if let Request::ReplayDead(DeadLetters::Sink(sink)) | Request::DropDead(DeadLetters::Sink(sink)) = &request {
            for letter in before.iter().filter(|letter| letter.0 == *sink && !after.contains(letter)) {
                self.oracle.skip(sink, &letter.1, letter.2);
            }
        }
        if let Request::Replay { sink, .. } | Request::ReplayDead(DeadLetters::Sink(sink)) = &request {
            for (seq, place, mark) in references(&self.journal, sink).await {
                self.oracle.due(sink, seq, place, mark);
            }
            if let Some(served) = &served {
                assert_eq!(*served, Served::Replayed(self.oracle.count_due(sink, number)));
            }
        }
        served.is_none()
    }
}

/// Organization 1 is X, 2 is Y, 3 the ignore list, 0 nothing.
pub(super) fn policy(mapping: &BTreeMap<&'static str, u8>) -> Policy {
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

pub(super) async fn positions(journal: &Journal, sink: &str) -> Vec<(Partition, u64)> {
    let backlog = journal.backlog(sink).await.unwrap();
    backlog.into_iter().map(|backlog| (backlog.partition, backlog.position)).collect()
}

pub(super) async fn dead_letters(journal: &Journal) -> Vec<(String, Place, u64)> {
    let letters = journal.dead_letters(DeadFilter::default()).await.expect("TRIMMED: a dead letter's record");
    letters.into_iter().filter_map(|letter| Some((letter.sink?, letter.place?, letter.replay))).collect()
}

/// Every reference of a sink that is not passed: its sequence, its record's place, its mark.
pub(super) async fn references(journal: &Journal, sink: &str) -> Vec<(u64, Place, u64)> {
    let partition = Partition { account: uid(), lane: Lane::Replayed };
    let sink = sink.to_owned();
    journal
        .look(move |view| {
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
