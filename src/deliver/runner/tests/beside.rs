//! A sink beside one that is away for ten minutes: it waits for nobody, and afterwards both have everything once and in order.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ids;
use crate::clock::{Clock, Millis};
use crate::deliver::route::Route;
use crate::deliver::runner::{LIMIT, Runner};
use crate::deliver::status::SinkStatus;
use crate::deliver::testing::{START, journal, take_in};
use crate::deliver::turns::Turns;
use crate::event::Event;
use crate::journal::sqlite::Journal;
use crate::normalize::Options;
use crate::sink::{Delivered, Sink, SinkError};
use crate::telemetry::Metrics;

const AWAY: Duration = Duration::from_secs(600);
/// The longest wait between two attempts.
const LONGEST: Duration = Duration::from_secs(30);
/// Records of each page; one page is taken in each second.
const PAGE: usize = 5;
/// Why it refuses.
const WHY: &str = "connection refused";

/// What a sink saw.
#[derive(Default)]
struct Seen {
    is_away: bool,
    /// When it refused a batch.
    refusals: Vec<Instant>,
    /// The most events of one call.
    largest: usize,
    /// What it accepted, by the subject of the event, and when.
    got: Vec<(String, Millis)>,
}

struct Fake {
    seen: Arc<Mutex<Seen>>,
    clock: Clock,
}

impl Sink for Fake {
    async fn deliver(&mut self, events: &[Event]) -> Result<Delivered, SinkError> {
        let mut seen = self.seen.lock().unwrap();
        seen.largest = seen.largest.max(events.len());
        if seen.is_away {
            seen.refusals.push(Instant::now());
            return Err(SinkError::Retry(WHY.into()));
        }
        let now = self.clock.now();
        seen.got.extend(events.iter().map(|event| (event.pivots.subject.clone(), now)));
        Ok(Delivered::default())
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        if self.seen.lock().unwrap().is_away { Err(SinkError::Retry(WHY.into())) } else { Ok(()) }
    }
}

fn runner(name: &str, journal: &Journal, clock: &Clock) -> (Runner<Fake>, Arc<Mutex<Seen>>) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let runner = Runner {
        name: name.to_owned(),
        sink: Fake { seen: Arc::clone(&seen), clock: clock.clone() },
        route: Route::default(),
        options: Options::default(),
        limit: LIMIT,
        journal: journal.clone(),
        clock: clock.clone(),
        metrics: Metrics::default(),
        status: SinkStatus::default(),
    };
    (runner, seen)
}

async fn pending(journal: &Journal, sink: &str) -> u64 {
    journal.backlog(sink).await.unwrap().iter().map(|entry| entry.pending).sum()
}

/// Waits until `sink` has everything; fails after `limit` of simulated time.
async fn drained(journal: &Journal, sink: &str, limit: Duration) {
    let until = Instant::now() + limit;
    while pending(journal, sink).await > 0 {
        assert!(Instant::now() < until, "{sink} is not drained after {limit:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_beside_one_that_is_away_waits_for_nobody_and_both_get_everything_once_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let journal = journal(folder.path(), &clock, &["away", "beside"]).await;
    let (mut away, away_seen) = runner("away", &journal, &clock);
    let (mut beside, beside_seen) = runner("beside", &journal, &clock);
    let status = away.status.clone();
    away_seen.lock().unwrap().is_away = true;
    let stop = CancellationToken::new();
    let deliver = |stop: CancellationToken| async move {
        let (mut first, mut second) = (Turns::default(), Turns::default());
        let (a, b) = tokio::join!(away.run(&stop, &mut first), beside.run(&stop, &mut second));
        a.and(b)
    };
    let mut delivering = tokio::task::JoinSet::new();
    delivering.spawn(deliver(stop.clone()));

    let (gone, mut taken, mut due) = (Instant::now(), 0, Vec::new());
    while gone.elapsed() < AWAY {
        take_in(&journal, taken, PAGE).await;
        taken += PAGE;
        // The sink beside takes the page at once: it waits for nobody.
        drained(&journal, "beside", Duration::from_secs(1)).await;
        due.push((taken, clock.now()));
        assert_eq!(pending(&journal, "away").await, taken as u64, "the journal keeps what the sink misses");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(taken > 3 * LIMIT.records / 2, "{taken} records are more than a batch");

    // What status and the log are told.
    let (since, why) = status.get().failing.expect("it is told to be down");
    assert!(since.since(START) < Duration::from_secs(5), "down since {since}");
    assert_eq!(why, WHY);
    assert_eq!(status.get().sent, 0);

    // Attempts come ever more rarely, but never more than the longest wait apart.
    {
        let seen = away_seen.lock().unwrap();
        let gaps: Vec<_> = seen.refusals.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let second = Duration::from_secs(1);
        assert!((20..=60).contains(&seen.refusals.len()), "{} attempts", seen.refusals.len());
        assert!(gaps.iter().all(|gap| *gap <= LONGEST + second), "{gaps:?}");
        assert!(gaps[gaps.len() - 5..].iter().all(|gap| *gap >= LONGEST - second), "{gaps:?}");
        assert_eq!(seen.got, []);
    }

    away_seen.lock().unwrap().is_away = false;
    let back = clock.now();
    drained(&journal, "away", LONGEST + Duration::from_secs(5)).await;
    let state = status.get();
    assert_eq!((state.failing, state.sent), (None, taken as u64));
    stop.cancel();
    delivering.join_next().await.unwrap().unwrap().unwrap();

    for (name, seen) in [("away", &away_seen), ("beside", &beside_seen)] {
        let seen = seen.lock().unwrap();
        let got: Vec<_> = seen.got.iter().map(|(id, _)| id.clone()).collect();
        assert_eq!(got, ids(taken), "{name} gets everything once and in order");
        assert!(seen.largest <= LIMIT.records, "{name} was given {} events at once", seen.largest);
    }
    let seen = away_seen.lock().unwrap();
    assert!(seen.largest == LIMIT.records, "a full batch was tried: {}", seen.largest);
    assert!(seen.got.iter().all(|(_, at)| *at >= back));
    let seen = beside_seen.lock().unwrap();
    for (number, (_, at)) in seen.got.iter().enumerate() {
        let (_, by) = due.iter().find(|(taken, _)| number < *taken).unwrap();
        assert!(at <= by, "record {number} was late at the sink beside");
    }
}
