//! The course of one delivery: its lanes send beside each other, each of them in order, and their outcomes become one.

use std::future::Future;
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

mod deferred;
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
    let (mut lanes, mut failure) = (Vec::new(), None);
    while let Some(ended) = running.join_next().await {
        let (lane, ended) = ended.unwrap_or_else(|error| (None, Err(encoder_failed(error).into())));
        lanes.extend(lane);
        if let Err(Ended::Failed(error)) = ended {
            shared.is_over.store(true, Ordering::Release);
            failure = Some(longest(failure, error));
        }
    }
    // No request is in flight any more, so that an answer speaks of the record that it is for.
    for lane in &mut lanes {
        if failure.is_some() {
            break;
        }
        if let Err(Ended::Failed(error)) = lane.finish().await {
            failure = Some(error);
        }
    }
    let mut all = Outcome::default();
    for Lane { outcome, .. } in lanes {
        all.taken.extend(outcome.taken);
        all.refused.extend(outcome.refused);
        all.unnamed.extend(outcome.unnamed);
    }
    let Outcome { taken, refused, unnamed } = all;
    let delivered = Delivered { refused: refused.into_iter().collect(), unnamed: unnamed.into_values().collect() };
    Course { taken, delivered, failure }
}

async fn run<X: Exchange>(
    exchange: X,
    shared: Arc<Shared>,
    events: Arc<[Event]>,
    members: Vec<usize>,
    body: Body,
) -> (Option<Lane<X>>, Result<(), Ended>) {
    // Hundreds of events are much to encode: the runtime's threads have other work.
    let encoding = Arc::clone(&events);
    let prepared = tokio::task::spawn_blocking(move || Prepared::new(&encoding, &members, body)).await;
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return (None, Err(encoder_failed(error).into())),
    };
    let mut lane = Lane::new(exchange, Arc::clone(&shared), events, prepared);
    let ended = lane.deliver().await;
    if ended.is_err() {
        shared.is_over.store(true, Ordering::Release);
    }
    (Some(lane), ended)
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

async fn encoded(prepared: &Arc<Prepared>, places: Vec<usize>) -> Result<Vec<u8>, SinkError> {
    let prepared = Arc::clone(prepared);
    let encoded = tokio::task::spawn_blocking(move || prepared.encode(&places)).await;
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
