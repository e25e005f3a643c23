//! How long a deliverer takes until nothing waits for its sink any more. Connecting comes before.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vintner::deliver::runner::Runner;
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
    in_time(runner.sink.healthcheck()).await.unwrap();
    let (stop, mut turns) = (CancellationToken::new(), Turns::default());
    let status = runner.status.clone();
    let began = Instant::now();
    let done = async {
        until(&status, |state| usize::try_from(state.sent) == Ok(count)).await;
        stop.cancel();
        began.elapsed()
    };
    // As the program runs it: the next batch is read while the sink has the one before.
    let (ended, took) = tokio::join!(runner.run(&stop, &mut turns), in_time(done));
    ended.unwrap();
    took
}

/// The same with a sink that keeps the position itself; the time counts from when it is open.
pub(crate) async fn drained_transactional<S: TransactionalSink>(mut runner: Runner<S>, count: usize) -> Duration {
    let (stop, mut turns) = (CancellationToken::new(), Turns::default());
    let status = runner.status.clone();
    let watching = async {
        until(&status, |state| state.is_proven).await;
        let began = Instant::now();
        until(&status, |state| usize::try_from(state.sent) == Ok(count)).await;
        stop.cancel();
        began.elapsed()
    };
    let (ended, took) = tokio::join!(runner.run_transactional(&stop, &mut turns), in_time(watching));
    ended.unwrap();
    took
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
