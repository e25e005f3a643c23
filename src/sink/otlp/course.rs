//! The course of one delivery: its lanes send beside each other, each of them in order, and their outcomes become one.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;
use tokio::sync::AcquireError;
use tokio::task::JoinSet;

use self::lane::{Lane, Outcome};
use self::shared::Shared;
use super::Body;
use super::answer::Verdict;
use super::lanes::lanes;
use super::request::Prepared;
use super::trial::Trial;
use crate::diagnostic::panics::why_ended;
use crate::event::Event;
use crate::sink::{Delivered, SinkError};

mod lane;
mod shared;

/// A way to the receiver.
pub(super) trait Exchange: Clone + Send + Sync + 'static {
    /// Sends one encoded request, not compressed yet. An error: it could not be sent at all.
    fn exchange(&self, request: Vec<u8>) -> impl Future<Output = Result<Verdict, SinkError>> + Send;
}

/// What came of a delivery; events by their index in it.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// Those that the receiver took.
    pub(super) taken: Vec<usize>,
    /// Those that it will never take.
    pub(super) delivered: Delivered,
    /// Why the others have to be sent again, if any do.
    pub(super) failure: Option<SinkError>,
}

/// Delivers events with at most `concurrency` requests at once. If one fails, those under way are finished and no other begins.
/// `witness`: an event of the same batch that the receiver took before.
pub(super) async fn deliver<X: Exchange>(
    exchange: &X,
    events: Arc<[Event]>,
    body: Body,
    concurrency: u32,
    witness: Option<&Event>,
    trial: &Trial,
) -> Course {
    let witness = witness.map(|event| (Arc::new(Prepared::new(std::slice::from_ref(event), &[0], body)), 0));
    let shared = Arc::new(Shared::new(concurrency, witness, trial.clone()));
    let mut running = JoinSet::new();
    for members in lanes(&events, usize::try_from(concurrency).unwrap_or(1)) {
        running.spawn(run(exchange.clone(), Arc::clone(&shared), Arc::clone(&events), members, body));
    }
    let (mut all, mut failure) = (Outcome::default(), None);
    while let Some(ended) = running.join_next().await {
        let (outcome, ended) = ended.unwrap_or_else(|error| (Outcome::default(), Err(encoder_failed(error).into())));
        all.taken.extend(outcome.taken);
        all.refused.extend(outcome.refused);
        all.unnamed.extend(outcome.unnamed);
        all.suspects.extend(outcome.suspects);
        if let Err(Ended::Failed(error)) = ended {
            shared.is_over.store(true, Ordering::Release);
            failure = Some(longest(failure, error));
        }
    }
    if failure.is_none() {
        failure = shared.judge(exchange, &mut all).await.err();
    }
    let Outcome { taken, refused, unnamed, .. } = all;
    let delivered = Delivered { refused: refused.into_iter().collect(), unnamed: unnamed.into_values().collect() };
    Course { taken, delivered, failure }
}

async fn run<X: Exchange>(
    exchange: X,
    shared: Arc<Shared>,
    events: Arc<[Event]>,
    members: Vec<usize>,
    body: Body,
) -> (Outcome, Result<(), Ended>) {
    // Hundreds of events are much to encode: the runtime's threads have other work.
    let encoding = Arc::clone(&events);
    let prepared = tokio::task::spawn_blocking(move || Prepared::new(&encoding, &members, body)).await;
    let prepared = match prepared {
        Ok(prepared) => Arc::new(prepared),
        Err(error) => return (Outcome::default(), Err(encoder_failed(error).into())),
    };
    let refused = prepared.unmade().clone();
    let outcome = Outcome { refused, ..Outcome::default() };
    let mut lane = Lane { exchange, shared, events, prepared, outcome };
    let ended = lane.deliver().await;
    if ended.is_err() {
        lane.shared.is_over.store(true, Ordering::Release);
    }
    (lane.outcome, ended)
}

/// Of two failures the one with the longer wait.
fn longest(before: Option<SinkError>, error: SinkError) -> SinkError {
    let wait = |error: &SinkError| match error {
        SinkError::Later { after, .. } => *after,
        SinkError::Retry(_) | SinkError::Closed { .. } => Duration::ZERO,
    };
    match before {
        Some(before) if wait(&before) >= wait(&error) => before,
        Some(_) | None => error,
    }
}

fn encoder_failed(ended: tokio::task::JoinError) -> SinkError {
    SinkError::Retry(format!("the encoder failed: {}", why_ended(ended)))
}

/// The receiver refuses each record alone and takes no other: it is the receiver, and nothing is given up.
fn takes_nothing(reason: &str) -> SinkError {
    SinkError::Retry(format!("the receiver takes no record: {reason}"))
}

async fn encoded(prepared: &Arc<Prepared>, range: Range<usize>) -> Result<Vec<u8>, SinkError> {
    let prepared = Arc::clone(prepared);
    let encoded = tokio::task::spawn_blocking(move || prepared.encode(range)).await;
    encoded.map_err(encoder_failed)
}

/// How many records of a request the receiver rejected.
fn rejected(partial: &ExportLogsPartialSuccess) -> usize {
    usize::try_from(partial.rejected_log_records).unwrap_or(0)
}

/// Why a lane ended early.
enum Ended {
    Failed(SinkError),
    /// Another lane failed.
    Over,
}

impl From<SinkError> for Ended {
    fn from(error: SinkError) -> Self {
        Self::Failed(error)
    }
}

/// Turns that are given out no longer, which never happens, would mean that the delivery is over.
impl From<AcquireError> for Ended {
    fn from(_: AcquireError) -> Self {
        Self::Over
    }
}
