//! How long a deliverer takes until nothing waits for its sink any more.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vintner::deliver::runner::{Runner, Turn};
use vintner::deliver::status::{SinkState, SinkStatus};
use vintner::deliver::turns::Turns;
use vintner::event::Event;
use vintner::sink::{Delivered, Sink, SinkError, TransactionalSink};

use crate::in_time;

/// How often the state of a sink is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// A sink that has everything at once: what is left is the journal and the mapping.
pub(crate) struct Nowhere;

impl Sink for Nowhere {
    async fn deliver(&mut self, _: &[Event]) -> Result<Delivered, SinkError> {
        Ok(Delivered::default())
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Delivers all `count` records.
pub(crate) async fn drained<S: Sink>(runner: &mut Runner<S>, count: usize) -> Duration {
    let (stop, mut turns, status) = (CancellationToken::new(), Turns::default(), runner.status.clone());
    let watched = watched(&status, count, &stop);
    let (ended, took) = tokio::join!(Box::pin(runner.run(&stop, &mut turns)), watched);
    ended.unwrap();
    took
}

/// The same, turn by turn: nothing is read ahead.
pub(crate) async fn drained_by_turns<S: Sink>(runner: &mut Runner<S>, count: usize) -> Duration {
    let (stop, mut turns, status) = (CancellationToken::new(), Turns::default(), runner.status.clone());
    let watched = watched(&status, count, &stop);
    let turning =
        async { while !stop.is_cancelled() && runner.turn(&mut turns, &stop).await.unwrap() == Turn::Moved {} };
    tokio::join!(Box::pin(turning), watched).1
}

/// The same with a sink that keeps the position itself.
pub(crate) async fn drained_transactional<S: TransactionalSink>(mut runner: Runner<S>, count: usize) -> Duration {
    let (stop, mut turns, status) = (CancellationToken::new(), Turns::default(), runner.status.clone());
    let watched = watched(&status, count, &stop);
    let (ended, took) = tokio::join!(Box::pin(runner.run_transactional(&stop, &mut turns)), watched);
    ended.unwrap();
    took
}

/// How long all records take at the pace behind the first batch, which waits for connections and for the id of an idempotent
/// producer. Then the deliverer stops.
async fn watched(status: &SinkStatus, count: usize, stop: &CancellationToken) -> Duration {
    in_time(until(status, |state| state.sent > 0)).await;
    let began = Instant::now();
    let first = usize::try_from(status.get().sent).unwrap();
    in_time(until(status, |state| usize::try_from(state.sent) == Ok(count))).await;
    let took = began.elapsed();
    stop.cancel();
    paced(took, count - first, count)
}

/// How long `all` take at the pace of `measured`.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn paced(took: Duration, measured: usize, all: usize) -> Duration {
    assert!(measured > 0, "more than one batch is needed");
    took.mul_f64(all as f64 / measured as f64)
}

async fn until(status: &SinkStatus, reached: impl Fn(&SinkState) -> bool) {
    loop {
        let state = status.get();
        assert!(!state.is_stopped, "the sink stopped: {:?}", state.failing);
        if reached(&state) {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}
