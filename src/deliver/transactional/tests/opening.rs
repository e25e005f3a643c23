//! A sink whose opening takes long, or ends badly: what its status says meanwhile.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::deliver::route::Route;
use crate::deliver::runner::{LIMIT, Runner};
use crate::deliver::status::SinkStatus;
use crate::deliver::testing::{START, journal, take_in};
use crate::deliver::turns::Turns;
use crate::event::Event;
use crate::journal::sqlite::Journal;
use crate::normalize::Options;
use crate::sink::{Delivered, Position, Sink, SinkError, TransactionError, TransactionalSink, Trouble};
use crate::telemetry::Metrics;

/// A sink that answers after a while, as it is asked to.
struct Slow<T>(Duration, T);

impl TransactionalSink for Slow<Result<Vec<Position>, TransactionError>> {
    async fn open(&mut self) -> Result<Vec<Position>, TransactionError> {
        tokio::time::sleep(self.0).await;
        self.1.clone()
    }

    async fn commit(&mut self, _: &[Event], _: &Position) -> Result<(), TransactionError> {
        Ok(())
    }

    fn trouble(&self) -> Trouble {
        Trouble::default()
    }
}

impl Sink for Slow<Result<(), SinkError>> {
    async fn deliver(&mut self, _: &[Event]) -> Result<Delivered, SinkError> {
        std::future::pending().await
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        tokio::time::sleep(self.0).await;
        self.1.clone()
    }
}

fn runner<S>(journal: &Journal, clock: &Clock, sink: S) -> Runner<S> {
    Runner {
        name: "k".into(),
        sink,
        route: Route::default(),
        options: Options::default(),
        limit: LIMIT,
        journal: journal.clone(),
        clock: clock.clone(),
        metrics: Metrics::default(),
        status: SinkStatus::default(),
    }
}

/// Records that come while the first call goes on wait for the sink, and its status says so.
#[tokio::test(start_paused = true)]
async fn a_sink_that_was_never_open_has_a_backlog() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let journal = journal(folder.path(), &clock, &["k"]).await;
    let hour = Duration::from_secs(3600);
    let stop = CancellationToken::new();
    let mut opening = runner(&journal, &clock, Slow(hour, Ok::<Vec<Position>, TransactionError>(Vec::new())));
    let mut asking = runner(&journal, &clock, Slow(hour, Ok::<(), SinkError>(())));
    let states = [opening.status.clone(), asking.status.clone()];
    let (mut turns, mut other_turns) = (Turns::default(), Turns::default());
    tokio::select! {
        ended = opening.run_transactional(&stop, &mut turns) => panic!("{ended:?}"),
        ended = asking.run(&stop, &mut other_turns) => panic!("{ended:?}"),
        () = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            take_in(&journal, 0, 30).await;
            tokio::time::sleep(Duration::from_secs(10)).await;
        } => {}
    }
    for state in states.map(|status| status.get()) {
        assert!(state.failing.is_some() && !state.is_proven, "{state:?}");
        assert_eq!(state.waiting, 30);
    }
}

/// `--once` must not end before it is known whether the sink works: the opening may yet end in a stop.
#[tokio::test(start_paused = true)]
async fn a_sink_is_undecided_until_its_opening_has_an_outcome_however_long_it_takes() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let journal = journal(folder.path(), &clock, &["k"]).await;
    let stopped = Err::<Vec<Position>, _>(TransactionError::Stopped("another instance took over".to_owned()));
    let mut runner = runner(&journal, &clock, Slow(Duration::from_secs(25), stopped));
    let (status, stop, mut turns) = (runner.status.clone(), CancellationToken::new(), Turns::default());
    assert!(status.get().is_undecided(), "it was not asked yet");
    let mut looks = 0;
    tokio::select! {
        biased;
        ended = runner.run_transactional(&stop, &mut turns) => drop(ended.unwrap()),
        () = async {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                looks += 1;
                assert!(status.get().is_undecided(), "after {looks} s: {:?}", status.get());
            }
        } => {}
    }
    assert!(looks > 20, "also once it counts as down");
    let state = status.get();
    assert!(state.is_stopped && !state.is_undecided(), "{state:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_down_is_decided_until_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let journal = journal(folder.path(), &clock, &["k"]).await;
    let away = Err::<Vec<Position>, _>(TransactionError::Retry("no broker".to_owned()));
    let mut runner = runner(&journal, &clock, Slow(Duration::ZERO, away));
    let (status, stop, mut turns) = (runner.status.clone(), CancellationToken::new(), Turns::default());
    tokio::select! {
        ended = runner.run_transactional(&stop, &mut turns) => panic!("{ended:?}"),
        () = async {
            // Between two attempts.
            while status.get().is_undecided() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        } => {}
    }
    assert!(status.get().failing.is_some());
}
