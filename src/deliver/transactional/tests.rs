//! A sink that keeps positions as Kafka does and fails in every way, before a real journal: each record is told once or is a
//! dead letter, whatever happens.

mod opening;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Ended;
use crate::clock::Clock;
use crate::deliver::route::Route;
use crate::deliver::runner::{LIMIT, Runner};
use crate::deliver::status::SinkStatus;
use crate::deliver::testing::{START, journal, take_in};
use crate::deliver::turns::Turns;
use crate::event::Event;
use crate::journal::dead::DeadFilter;
use crate::journal::sqlite::Journal;
use crate::normalize::Options;
use crate::sink::{Position, TransactionError, TransactionalSink, Trouble};
use crate::telemetry::Metrics;

/// What survives a crash of the deliverer.
struct Broker {
    /// Committed events, by the id of their record, in order.
    log: Vec<String>,
    positions: BTreeMap<String, (u64, Uuid)>,
    refused: BTreeSet<String>,
    dice: fastrand::Rng,
    /// How many calls in a hundred fail.
    faults: u32,
}

/// A producer; it must be opened before it commits.
struct Fake {
    broker: Arc<Mutex<Broker>>,
    is_open: bool,
}

impl Broker {
    fn commit(&mut self, ids: Vec<String>, position: &Position) {
        self.log.extend(ids);
        self.positions.insert(position.partition.clone(), (position.seq, position.id));
    }
}

impl TransactionalSink for Fake {
    async fn open(&mut self) -> Result<Vec<Position>, TransactionError> {
        let mut broker = self.broker.lock().unwrap();
        let faults = broker.faults;
        if broker.dice.u32(0..100) < faults {
            return Err(TransactionError::Retry("no broker".into()));
        }
        self.is_open = true;
        let position = |(partition, (seq, id)): (&String, &(u64, Uuid))| Position {
            partition: partition.clone(),
            seq: *seq,
            id: *id,
        };
        Ok(broker.positions.iter().map(position).collect())
    }

    async fn commit(&mut self, events: &[Event], position: &Position) -> Result<(), TransactionError> {
        assert!(self.is_open, "a commit without an opening");
        let hangs = {
            let mut broker = self.broker.lock().unwrap();
            let ids: Vec<_> = events.iter().map(|event| event.pivots.subject.clone()).collect();
            let bad = |id: &String| broker.refused.contains(id);
            let named: Vec<_> = ids
                .iter()
                .enumerate()
                .filter(|(_, id)| bad(id))
                .map(|(index, _)| (index, "too large".into()))
                .collect();
            let faults = broker.faults;
            let fault = if broker.dice.u32(0..100) < faults { broker.dice.u32(0..5) } else { 9 };
            match (fault, named.is_empty()) {
                (0, _) => return Err(TransactionError::Retry("the transaction was aborted".into())),
                (1, _) => {
                    self.is_open = false;
                    return Err(TransactionError::Restart("fatal".into()));
                }
                (2, true) => {
                    broker.commit(ids, position);
                    self.is_open = false;
                    return Err(TransactionError::Restart("the answer was lost".into()));
                }
                (3, true) => {
                    broker.commit(ids, position);
                    true
                }
                (4, _) => true,
                (_, false) if broker.dice.bool() => return Err(TransactionError::Refused(named)),
                (_, false) => return Err(TransactionError::Smaller("too large".into())),
                (_, true) => {
                    broker.commit(ids, position);
                    false
                }
            }
        };
        if hangs {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    fn trouble(&self) -> Trouble {
        Trouble::default()
    }
}

fn runner(journal: &Journal, broker: &Arc<Mutex<Broker>>, clock: &Clock) -> Runner<Fake> {
    Runner {
        name: "k".into(),
        sink: Fake { broker: Arc::clone(broker), is_open: false },
        route: Route::default(),
        options: Options::default(),
        limit: LIMIT,
        journal: journal.clone(),
        clock: clock.clone(),
        metrics: Metrics::default(),
        status: SinkStatus::default(),
    }
}

fn broker(seed: u64, faults: u32, refused: BTreeSet<String>) -> Arc<Mutex<Broker>> {
    let dice = fastrand::Rng::with_seed(seed);
    Arc::new(Mutex::new(Broker { log: Vec::new(), positions: BTreeMap::new(), refused, dice, faults }))
}

async fn pending(journal: &Journal) -> u64 {
    journal.backlog("k").await.unwrap().iter().map(|entry| entry.pending).sum()
}

/// Runs deliverers, each until it hangs (a crash) or everything is delivered.
async fn deliver_all(journal: &Journal, broker: &Arc<Mutex<Broker>>, clock: &Clock) {
    for _life in 0..1000 {
        let mut runner = runner(journal, broker, clock);
        let stop = CancellationToken::new();
        let mut turns = Turns::default();
        tokio::select! {
            ended = runner.run_transactional(&stop, &mut turns) => panic!("it ended by itself: {:?}", ended.unwrap()),
            () = tokio::time::sleep(Duration::from_secs(120)) => {}
            () = async {
                while pending(journal).await > 0 {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            } => return,
        }
    }
    panic!("it never ends");
}

#[tokio::test(start_paused = true)]
async fn each_record_is_told_once_or_is_a_dead_letter_whatever_fails() {
    for seed in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let journal = journal(folder.path(), &clock, &["k"]).await;
        let mut dice = fastrand::Rng::with_seed(seed);
        let refused: BTreeSet<_> = (0..dice.usize(0..4)).map(|_| format!("{:05}", dice.usize(0..60))).collect();
        let broker = broker(seed, 60, refused.clone());
        for page in 0..6 {
            take_in(&journal, page * 10, 10).await;
            deliver_all(&journal, &broker, &clock).await;
        }
        let log = broker.lock().unwrap().log.clone();
        let expected: Vec<_> =
            (0..60).map(|number| format!("{number:05}")).filter(|id| !refused.contains(id)).collect();
        assert_eq!(log, expected, "seed {seed}");
        let dead = journal.dead_letters(DeadFilter::default()).await.unwrap();
        assert_eq!(dead.len(), refused.len(), "seed {seed}: {refused:?}");
        journal.close().await.unwrap();
    }
}

/// The batch behind one that is refused has been read by then: it must not be delivered in its place.
#[tokio::test(start_paused = true)]
async fn what_was_read_ahead_waits_for_the_batch_before_it() {
    for seed in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let journal = journal(folder.path(), &clock, &["k"]).await;
        let refused = BTreeSet::from([7, LIMIT.records - 1, LIMIT.records].map(|number| format!("{number:05}")));
        let broker = broker(seed, 20, refused.clone());
        let taken = 2 * LIMIT.records + 5;
        take_in(&journal, 0, taken).await;
        deliver_all(&journal, &broker, &clock).await;
        let all = (0..taken).map(|number| format!("{number:05}"));
        let expected: Vec<_> = all.filter(|id| !refused.contains(id)).collect();
        assert_eq!(broker.lock().unwrap().log, expected, "seed {seed}");
        assert_eq!(journal.dead_letters(DeadFilter::default()).await.unwrap().len(), refused.len(), "seed {seed}");
        journal.close().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_position_that_this_journal_did_not_write_stops_the_sink_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let journal = journal(folder.path(), &clock, &["k"]).await;
    let broker = broker(1, 0, BTreeSet::new());
    take_in(&journal, 0, 10).await;
    deliver_all(&journal, &broker, &clock).await;
    take_in(&journal, 10, 10).await;
    broker.lock().unwrap().positions.insert("ab1c0002/live".into(), (15, Uuid::from_u128(1)));
    let mut runner = runner(&journal, &broker, &clock);
    let (stop, mut turns) = (CancellationToken::new(), Turns::default());
    let ended = tokio::time::timeout(Duration::from_secs(60), runner.run_transactional(&stop, &mut turns)).await;
    assert_eq!(ended.expect("it goes on").unwrap(), Ended::Stopped);
    let state = runner.status.get();
    assert!(state.is_stopped && state.failing.unwrap().1.contains("copied or restored"));
    assert_eq!(broker.lock().unwrap().log.len(), 10);
    assert_eq!(pending(&journal).await, 10);
}
