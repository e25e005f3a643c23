//! A sink that is away for ten minutes: collecting goes on, the journal grows and nothing else does, and afterwards everything
//! arrives in order. Time is simulated.

mod beside;
mod lists;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;

use super::{LIMIT, Runner};
use crate::clock::Clock;
use crate::deliver::route::Route;
use crate::deliver::status::SinkStatus;
use crate::deliver::testing::{START, journal, take_in, take_in_to};
use crate::deliver::turns::Turns;
use crate::event::Event;
use crate::journal::Lane;
use crate::journal::sqlite::Journal;
use crate::normalize::Options;
use crate::org::directory::Decision;
use crate::org::{Org, Policy, Rules, Unmapped};
use crate::record::AccountUid;
use crate::record::place::SiteRef;
use crate::sink::{Delivered, Sink, SinkError};
use crate::telemetry::Metrics;

/// How long the sink is away, and how often a page is taken in meanwhile.
const AWAY: Duration = Duration::from_secs(600);
const PAGE_EVERY: Duration = Duration::from_secs(10);
/// Records of a page.
const PAGE: usize = 50;

/// What the sink does with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Takes,
    IsAway,
    /// Takes it, and the answer is lost.
    LosesAnswers,
    /// Never answers.
    Hangs,
    /// Takes all but batches with the first record.
    RefusesTheFirst,
    /// Takes it, and before it says so the site is mapped to another organization.
    Maps,
}

#[derive(Debug)]
struct Destination {
    mood: Mood,
    arrived: Vec<String>,
    calls: usize,
    checks: usize,
    most_events: usize,
    most_bytes: usize,
    /// The organizations of each batch, and the one in force when it came.
    tenants: Vec<(BTreeSet<String>, String)>,
}

struct Fake {
    destination: Arc<Mutex<Destination>>,
    journal: Journal,
}

impl Sink for Fake {
    async fn deliver(&mut self, events: &[Event]) -> Result<Delivered, SinkError> {
        let mood = {
            let mut destination = self.destination.lock().unwrap();
            destination.calls += 1;
            destination.most_events = destination.most_events.max(events.len());
            destination.most_bytes = destination.most_bytes.max(events.iter().map(|event| event.json.len()).sum());
            if matches!(destination.mood, Mood::Takes | Mood::LosesAnswers | Mood::Maps) {
                destination.arrived.extend(events.iter().map(|event| event.pivots.subject.clone()));
            }
            destination.mood
        };
        match mood {
            Mood::Takes => Ok(Delivered::default()),
            Mood::RefusesTheFirst if events.iter().any(|event| event.pivots.subject == "00000") => {
                Err(SinkError::Retry("it takes no such record".into()))
            }
            Mood::RefusesTheFirst => {
                let mut destination = self.destination.lock().unwrap();
                destination.arrived.extend(events.iter().map(|event| event.pivots.subject.clone()));
                Ok(Delivered::default())
            }
            Mood::IsAway | Mood::LosesAnswers => Err(SinkError::Retry("no connection: refused".into())),
            Mood::Hangs => {
                // As every sink bounds one exchange.
                tokio::time::sleep(Duration::from_secs(30)).await;
                Err(SinkError::Retry("no connection: refused".into()))
            }
            Mood::Maps => {
                let told = events.iter().map(|event| event.pivots.tenant_uid.clone()).collect();
                let in_force = self.tenant().await;
                let batches = {
                    let mut destination = self.destination.lock().unwrap();
                    destination.tenants.push((told, in_force));
                    destination.tenants.len()
                };
                // Long enough for the next batch to be read meanwhile.
                tokio::time::sleep(Duration::from_secs(5)).await;
                self.journal.set_policy(mapped(&format!("org-{batches}"))).await.unwrap();
                Ok(Delivered::default())
            }
        }
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        let mut destination = self.destination.lock().unwrap();
        destination.checks += 1;
        if destination.mood == Mood::IsAway { Err(SinkError::Retry("no connection: refused".into())) } else { Ok(()) }
    }
}

impl Fake {
    /// The organization of the site by the mapping in force.
    async fn tenant(&self) -> String {
        let directory = self.journal.directory().await.unwrap();
        match directory.decide(&AccountUid::new("ab1c0002"), &SiteRef::Uid("site".into())) {
            Decision::Org(tenant) => tenant.id.clone(),
            other @ (Decision::Ignored | Decision::Dropped | Decision::Held(_)) => panic!("{other:?}"),
        }
    }
}

/// A policy that maps the site to `org`.
fn mapped(org: &str) -> Policy {
    let (sites, labels) = (vec!["site".to_owned()], BTreeMap::new());
    let org = Org { id: org.to_owned(), name: org.to_owned(), accounts: None, sites, labels };
    let (ignore, unmapped) = (Vec::new(), Unmapped::Hold);
    let rules = Rules { list: vec![org], ignore, auto_match: false, autotask: false, unmapped };
    Policy { orgs: Some(rules), accounts: BTreeMap::new() }
}

/// The log of one test.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn lines(&self, with: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(with)).map(str::to_owned).collect()
    }
}

struct World {
    journal: Journal,
    destination: Arc<Mutex<Destination>>,
    status: SinkStatus,
    taken: usize,
}

impl World {
    async fn take_in(&mut self, count: usize) {
        take_in(&self.journal, self.taken, count).await;
        self.taken += count;
    }

    fn turn(&self, mood: Mood) {
        self.destination.lock().unwrap().mood = mood;
    }

    async fn pending(&self) -> u64 {
        self.journal.backlog("k").await.unwrap().iter().map(|entry| entry.pending).sum()
    }

    async fn drained(&self) {
        while self.pending().await > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Runs a deliverer beside `scene`, which ends the run.
async fn play(scene: impl AsyncFnOnce(&mut World)) -> (World, Log) {
    play_from(Mood::Takes, Route::default(), scene).await
}

/// The same with a destination in `mood` from the first moment on, and a route.
async fn play_from(mood: Mood, route: Route, scene: impl AsyncFnOnce(&mut World)) -> (World, Log) {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).with_max_level(tracing::Level::INFO);
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let journal = journal(folder.path(), &clock, &["k"]).await;
    let destination = Destination {
        mood,
        arrived: Vec::new(),
        calls: 0,
        checks: 0,
        most_events: 0,
        most_bytes: 0,
        tenants: Vec::new(),
    };
    let destination = Arc::new(Mutex::new(destination));
    let status = SinkStatus::default();
    let mut runner = Runner {
        name: "k".into(),
        sink: Fake { destination: Arc::clone(&destination), journal: journal.clone() },
        route,
        options: Options::default(),
        limit: LIMIT,
        journal: journal.clone(),
        clock: clock.clone(),
        metrics: Metrics::default(),
        status: status.clone(),
    };
    let mut world = World { journal, destination, status, taken: 0 };
    let (stop, mut turns) = (CancellationToken::new(), Turns::default());
    tokio::select! {
        ended = runner.run(&stop, &mut turns) => panic!("it ended by itself: {ended:?}"),
        () = scene(&mut world) => {}
    }
    drop(runner);
    world.journal.close().await.unwrap();
    (world, log)
}

/// Ten minutes in `mood` while pages are taken in, then all is well until everything is delivered.
async fn ten_minutes(mood: Mood) -> (World, Log) {
    play(async |world: &mut World| {
        world.take_in(PAGE).await;
        world.drained().await;
        let before = world.journal.usage().await.unwrap().used;
        let began = START.plus(tokio::time::Instant::now().elapsed());
        world.turn(mood);
        for _ in 0..AWAY.as_secs() / PAGE_EVERY.as_secs() {
            world.take_in(PAGE).await;
            tokio::time::sleep(PAGE_EVERY).await;
        }
        let missed = (world.taken - PAGE) as u64;
        assert_eq!(world.pending().await, missed, "all that was collected waits in the journal");
        assert!(world.journal.usage().await.unwrap().used > before, "the journal is the buffer");
        let state = world.status.get();
        let (since, reason) = state.failing.expect("it is told to be down");
        assert!(since >= began && since.since(began) < Duration::from_secs(30), "since {since}, went at {began}");
        assert!(reason.contains("no connection: refused") || mood == Mood::Hangs, "{reason}");
        assert!(state.waiting > missed / 2 && state.waiting <= missed, "the backlog: {}", state.waiting);
        world.turn(Mood::Takes);
        tokio::time::timeout(Duration::from_secs(120), world.drained()).await.expect("it goes on by itself");
    })
    .await
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{number:05}")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_sink_away_for_ten_minutes_costs_the_journal_room_and_nothing_else() {
    let (world, log) = ten_minutes(Mood::IsAway).await;
    let destination = world.destination.lock().unwrap();
    assert_eq!(destination.arrived, ids(world.taken), "everything once, in order");
    // What the deliverer holds is one batch, whatever the backlog is.
    assert!(world.taken > 3 * LIMIT.records, "{} records", world.taken);
    assert!(destination.most_events <= LIMIT.records, "{} events at once", destination.most_events);
    assert!(destination.most_bytes <= 4 * LIMIT.bytes, "{} bytes at once", destination.most_bytes);
    // At most 30 s apart, and never in a rush.
    assert!((20..120).contains(&destination.calls), "{} attempts in ten minutes", destination.calls);
    let down = log.lines("sink is down");
    assert!((2..=3).contains(&down.len()), "told at once and every five minutes: {down:#?}");
    for line in &down {
        for part in
            ["WARN", "sink=\"k\"", "since=2026-11-20T", "no connection: refused", "backlog=", "collecting goes on"]
        {
            assert!(line.contains(part), "{part} is missing: {line}");
        }
    }
    assert_eq!(log.lines("sink works again").len(), 1);
    assert_eq!(world.status.get().failing, None);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_for_ten_minutes_is_told_and_loses_nothing() {
    let (world, log) = ten_minutes(Mood::Hangs).await;
    assert_eq!(world.destination.lock().unwrap().arrived, ids(world.taken), "everything once, in order");
    assert!(!log.lines("no confirmation for 10 s").is_empty());
}

/// Nothing waits for it: it is asked itself, at the pace of attempts.
#[tokio::test(start_paused = true)]
async fn an_idle_sink_that_is_away_is_asked_until_it_is_back() {
    let (world, log) = play_from(Mood::IsAway, Route::default(), async |world: &mut World| {
        tokio::time::sleep(AWAY).await;
        let state = world.status.get();
        assert!(!state.is_proven && state.failing.is_some(), "{state:?}");
        world.turn(Mood::Takes);
        let works = async {
            while world.status.get().failing.is_some() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), works).await.expect("it is found to be back");
        assert!(world.status.get().is_proven);
        tokio::time::sleep(AWAY).await;
    })
    .await;
    let destination = world.destination.lock().unwrap();
    assert!((20..120).contains(&destination.checks), "{} checks", destination.checks);
    assert_eq!((destination.calls, log.lines("sink works again").len()), (0, 1));
}

/// Records that the route does not name pass without the sink, and say nothing of it.
#[tokio::test(start_paused = true)]
async fn what_the_route_skips_does_not_make_a_sink_work() {
    let nobody = Route { orgs: Some(BTreeSet::from(["nobody".to_owned()])), ..Route::default() };
    let (world, _) = play_from(Mood::IsAway, nobody, async |world: &mut World| {
        tokio::time::sleep(Duration::from_secs(60)).await;
        world.take_in(PAGE).await;
        world.drained().await;
        let state = world.status.get();
        assert!(state.failing.is_some() && !state.is_proven, "{state:?}");
        world.turn(Mood::Takes);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(world.status.get().failing, None, "it is still asked");
    })
    .await;
    assert_eq!(world.destination.lock().unwrap().calls, 0);
}

/// A batch that cannot pass holds its own partition up, and no other.
#[tokio::test(start_paused = true)]
async fn what_cannot_pass_in_one_partition_holds_no_other_up() {
    let (world, _) = play_from(Mood::RefusesTheFirst, Route::default(), async |world: &mut World| {
        world.take_in(1).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        take_in_to(&world.journal, Lane::Backfill, 1, PAGE).await;
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!(world.destination.lock().unwrap().arrived, ids(PAGE + 1)[1..]);
        assert!(world.status.get().failing.is_some());
        world.turn(Mood::Takes);
        tokio::time::timeout(Duration::from_secs(60), world.drained()).await.expect("nothing is lost");
    })
    .await;
    assert_eq!(world.destination.lock().unwrap().arrived.len(), PAGE + 1);
}

/// Only what was open when the answer was lost comes again: the batch in hand, from its start.
#[tokio::test(start_paused = true)]
async fn lost_answers_repeat_the_batch_in_hand_and_no_more() {
    let (world, _) = ten_minutes(Mood::LosesAnswers).await;
    let destination = world.destination.lock().unwrap();
    let mut seen = BTreeSet::new();
    let first: Vec<String> = destination.arrived.iter().filter(|id| seen.insert(*id)).cloned().collect();
    assert_eq!(first, ids(world.taken), "everything, in order of first arrival");
    let in_hand = PAGE + LIMIT.records;
    let late = destination.arrived.iter().filter(|id| ids(in_hand).last().unwrap() < *id).count();
    assert_eq!(late, world.taken - in_hand, "what was behind the batch in hand came once");
}

/// A batch is read and decided while the one before it is under way; what changes meanwhile decides it nevertheless.
#[tokio::test(start_paused = true)]
async fn a_mapping_that_changes_beside_a_delivery_decides_the_next_batch() {
    let (world, _) = play(async |world: &mut World| {
        world.journal.set_policy(mapped("org-0")).await.unwrap();
        world.turn(Mood::Maps);
        // More than one batch at once, so that there is something to read ahead.
        world.take_in(5 * LIMIT.records).await;
        world.drained().await;
    })
    .await;
    let destination = world.destination.lock().unwrap();
    assert_eq!(destination.arrived, ids(world.taken), "everything once, in order");
    assert!(destination.tenants.len() >= 5, "{} batches", destination.tenants.len());
    for (number, (told, in_force)) in destination.tenants.iter().enumerate() {
        assert_eq!(in_force, &format!("org-{number}"));
        assert_eq!(told, &BTreeSet::from([in_force.clone()]), "batch {number}");
    }
}
