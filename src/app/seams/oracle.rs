//! What must be true after a simulation, whatever happened in it: everything that the platforms showed is delivered or accounted
//! for, nothing is invented, states are in order, organizations are right.
//!
//! It compares what the receivers have with what the platforms' answers showed and with what really happened there. Nothing of the
//! program that collects, maps or delivers is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::app::seams::orgs::Sites;
use crate::app::seams::receiver::Arrival;
use crate::app::seams::run::Run;
use crate::journal::dead::{DeadFilter, DeadLetter};
use crate::journal::sqlite::Journal;
use crate::record::place::SiteRef;
use crate::record::{AccountUid, EventId};

mod items;
mod order;
mod sinks;

/// What happened in the last so many minutes may still be on its way.
const SETTLED: Duration = Duration::from_secs(200);
/// A row that becomes visible late is found by the next pass with the usual margin: where that is costly, every five minutes.
const LATE_SETTLED: Duration = Duration::from_secs(6 * 60);
/// Every pass reaches back two minutes.
const LATE: Duration = Duration::from_secs(60);
/// Problems that one simulation reports.
const MOST: usize = 12;

/// What one simulation left behind.
pub(crate) struct Oracle<'a> {
    run: &'a Run,
    sites: Sites,
    arrivals: Vec<Arrival>,
    dead: Vec<DeadLetter>,
    /// Records of the sink `main`, which takes everything: by event id, in the order of their first arrival.
    records: Vec<Raw>,
    /// Rows that are held until it is known where their device was.
    waiting: BTreeSet<String>,
    /// Items that some dead letter holds.
    given_up: BTreeSet<String>,
    /// Events in lines that the real sinks wrote, by sink.
    lines: BTreeMap<String, BTreeSet<EventId>>,
    problems: Vec<String>,
}

/// A source record as `main` has it (format `raw`).
struct Raw {
    id: EventId,
    kind: String,
    account: String,
    native_id: String,
    marker: String,
    record: Value,
}

/// Judges a simulation that has ended: what is wrong.
pub(crate) async fn judge(run: &mut Run) -> Vec<String> {
    let journal = Journal::open_reader(&run.draft.journal, run.clock.clone()).unwrap();
    let dead = journal.dead_letters(DeadFilter::default()).await.unwrap();
    let held = journal.held().await.unwrap();
    // One that names only a device waits for a look-up of it, not for a mapping; whether it is lost is judged by itself.
    let held: u64 = held.iter().filter(|entry| entry.site != SiteRef::Device).map(|entry| entry.count).sum();
    let mut waiting = BTreeSet::new();
    for (account, _) in &run.platforms {
        let unsettled = journal.unsettled(&AccountUid::new(account), 0, 100_000).await.unwrap();
        waiting.extend(unsettled.into_iter().map(|held| held.record.envelope.native_id));
    }
    let mut backlogs = Vec::new();
    for sink in &run.draft.sinks {
        let pending: u64 = journal.backlog(&sink.name).await.unwrap().iter().map(|entry| entry.pending).sum();
        backlogs.push((sink.name.clone(), pending));
    }
    let arrivals = run.receivers.arrivals();
    let records = records(&arrivals);
    let mut figures = std::mem::take(&mut run.figures);
    let mut oracle = Oracle {
        sites: Sites::of(run),
        given_up: dead.iter().flat_map(ids_of).chain(refused(run, &arrivals)).collect(),
        waiting,
        arrivals,
        dead,
        records,
        lines: BTreeMap::new(),
        problems: run.receivers.violations(),
        run,
    };
    for (sink, pending) in backlogs.into_iter().filter(|(_, pending)| *pending > 0) {
        oracle.problem(format!("{pending} records still wait for {sink}"));
    }
    if held > 0 {
        oracle.problem(format!("{held} records are held though everything is mapped"));
    }
    oracle.exactly_once();
    oracle.written();
    oracle.order();
    oracle.organizations();
    oracle.mapping_changes();
    oracle.invented();
    oracle.activity();
    oracle.alerts();
    oracle.inventory();
    oracle.other_sinks();
    oracle.complete();
    oracle.dead_letters();
    figures.events += oracle.arrivals.len() as u64;
    figures.dead += oracle.dead.len() as u64;
    figures.shown += oracle.run.watched.book().len() as u64;
    let distinct: BTreeSet<_> = oracle.arrivals.iter().map(|arrival| (&arrival.sink, arrival.event.id)).collect();
    figures.repeats += (oracle.arrivals.len() - distinct.len()) as u64;
    let problems = oracle.problems;
    run.figures = figures;
    problems
}

/// First arrivals at `main`.
fn records(arrivals: &[Arrival]) -> Vec<Raw> {
    let mut seen = BTreeSet::new();
    let first = arrivals.iter().filter(|arrival| &*arrival.sink == "main" && seen.insert(arrival.event.id));
    let raw = first.map(|arrival| {
        let line: Value = serde_json::from_str(&arrival.event.json).unwrap();
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let record = line["record"].clone();
        let native = ["alertUid", "id", "uid"].iter().find_map(|key| record[*key].as_str());
        Raw {
            id: arrival.event.id,
            kind: text("type"),
            account: text("account_uid"),
            native_id: native.unwrap_or_default().to_owned(),
            marker: text("marker"),
            record,
        }
    });
    raw.collect()
}

/// Items of which `main` refused a record, alone or as one of several.
fn refused(run: &Run, arrivals: &[Arrival]) -> BTreeSet<String> {
    let refused = run.receivers.refused();
    let is_refused = |id: EventId| refused.contains(&("main".to_owned(), id));
    let elsewhere = arrivals.iter().filter(|arrival| is_refused(arrival.event.id));
    let mut items: BTreeSet<String> = elsewhere.map(|arrival| arrival.event.pivots.subject.clone()).collect();
    for (account, sim) in &run.platforms {
        let rows = sim.truth().activities.into_iter().map(|row| row.id);
        items.extend(rows.filter(|row| {
            ["activity.device", "activity.user"].iter().any(|kind| is_refused(event_id(account, kind, row)))
        }));
    }
    items
}

/// The id of the one event of an activity row, by the published recipe (event-schema.md section 4).
fn event_id(account: &str, kind: &str, id: &str) -> EventId {
    let name = format!("{account}|{kind}|{id}|1");
    EventId(Uuid::new_v5(&Uuid::from_u128(0x6f1d_3f4e_5a7b_5c0e_9b1a_0c5f_2a7d_9e10), name.as_bytes()))
}

/// Ids that a dead letter's content names.
fn ids_of(letter: &DeadLetter) -> Vec<String> {
    let content: Value = serde_json::from_str(&letter.content).unwrap_or_default();
    ["alertUid", "id", "uid"].iter().filter_map(|key| content[*key].as_str().map(str::to_owned)).collect()
}

impl Oracle<'_> {
    fn problem(&mut self, text: String) {
        if self.problems.len() < MOST {
            self.problems.push(text);
        }
    }

    fn is_planted(&self, account: &str, id: &str) -> bool {
        self.run.planted.iter().any(|(planted, other)| planted == account && other == id)
    }
}
