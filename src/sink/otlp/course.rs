//! The course of one delivery: its lanes send beside each other, each of them in order, and their outcomes become one.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use tokio::task::JoinSet;

use super::Body;
use super::answer::{self, Verdict};
use super::lanes::lanes;
use super::request::Prepared;
use crate::event::Event;
use crate::sink::{Delivered, SinkError};

/// A receiver that speaks of the connection is asked again after this.
const DOWN_PAUSE: Duration = Duration::from_secs(30);
/// A lone record that a receiver would not take for want of room is tried so often before it is given up.
const LONE_TRIES: u32 = 4;
/// Pause between these tries.
const LONE_PAUSE: Duration = Duration::from_millis(500);

/// A way to the receiver.
pub(super) trait Exchange: Clone + Send + Sync + 'static {
    /// Sends one encoded request, not compressed yet. An error: it could not be sent at all.
    fn exchange(&self, request: Vec<u8>) -> impl Future<Output = Result<Verdict, SinkError>> + Send;
}

/// What the lanes of one delivery share.
struct Course {
    /// How many requests may be under way at once, and the turns that are left.
    concurrency: u32,
    turns: Semaphore,
    /// The receiver has too much: from now on one request at a time.
    is_throttled: AtomicBool,
    /// A lane failed: the others finish what they are sending and begin nothing more.
    is_over: AtomicBool,
}

/// One lane on its way.
struct Lane<X> {
    exchange: X,
    course: Arc<Course>,
    prepared: Arc<Prepared>,
    /// Records that the receiver will never take, by their index in the batch.
    refused: BTreeMap<usize, String>,
}

/// Why a lane ended early.
enum Ended {
    Failed(SinkError),
    /// Another lane failed.
    Over,
}

/// Why a lone record was not taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lone {
    /// The receiver spoke of the request.
    Refused,
    /// The receiver may only be busy.
    Throttled,
}

/// Delivers a batch with at most `concurrency` requests at once. If one fails, the whole batch has failed; what others delivered
/// meanwhile comes again with it.
pub(super) async fn deliver<X: Exchange>(
    exchange: &X,
    events: &[Event],
    body: Body,
    concurrency: u32,
) -> Result<Delivered, SinkError> {
    let events: Arc<[Event]> = events.into();
    let turns = Semaphore::new(usize::try_from(concurrency).unwrap_or(1));
    let (is_throttled, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    let course = Arc::new(Course { concurrency, turns, is_throttled, is_over });
    let mut running = JoinSet::new();
    for members in lanes(&events, usize::try_from(concurrency).unwrap_or(1)) {
        running.spawn(run(exchange.clone(), Arc::clone(&course), Arc::clone(&events), members, body));
    }
    let (mut refused, mut failure) = (BTreeMap::new(), None);
    while let Some(ended) = running.join_next().await {
        match ended.unwrap_or_else(|error| Err(Ended::Failed(encoder_failed(&error)))) {
            Ok(more) => refused.extend(more),
            Err(Ended::Failed(error)) => {
                course.is_over.store(true, Ordering::Release);
                failure = Some(longest(failure, error));
            }
            Err(Ended::Over) => {}
        }
    }
    failure.map_or_else(|| Ok(Delivered { refused: refused.into_iter().collect() }), Err)
}

async fn run<X: Exchange>(
    exchange: X,
    course: Arc<Course>,
    events: Arc<[Event]>,
    members: Vec<usize>,
    body: Body,
) -> Result<BTreeMap<usize, String>, Ended> {
    // Hundreds of events are much to encode: the runtime's threads have other work.
    let prepared = tokio::task::spawn_blocking(move || Prepared::new(&events, &members, body)).await;
    let prepared = Arc::new(prepared.map_err(|error| encoder_failed(&error))?);
    let mut lane = Lane { exchange, course, prepared, refused: BTreeMap::new() };
    let outcome = lane.deliver().await;
    if outcome.is_err() {
        lane.course.is_over.store(true, Ordering::Release);
    }
    outcome.map(|()| lane.refused)
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

fn encoder_failed(error: &tokio::task::JoinError) -> SinkError {
    SinkError::Retry(format!("the encoder failed: {error}"))
}

impl<X: Exchange> Lane<X> {
    /// Delivers the lane's records; in halves as long as the receiver may mean that it is too much. The halves go in order.
    async fn deliver(&mut self) -> Result<(), Ended> {
        let mut open = self.prepared.requests();
        open.reverse();
        while let Some(range) = open.pop() {
            let verdict = {
                let _turn = self.course.turn().await?;
                self.send(range.clone()).await?
            };
            let (reason, lone) = match verdict {
                Verdict::Accepted(partial) => {
                    self.note(partial.as_ref(), range);
                    continue;
                }
                Verdict::Later(reason, Some(after)) => return Err(SinkError::Later { reason, after }.into()),
                Verdict::Later(reason, None) => return Err(SinkError::Retry(reason).into()),
                Verdict::Down(reason) => return Err(SinkError::Later { reason, after: DOWN_PAUSE }.into()),
                Verdict::Smaller(reason) => (reason, Lone::Refused),
                Verdict::Throttled(reason) => (reason, Lone::Throttled),
            };
            if lone == Lone::Throttled {
                self.course.is_throttled.store(true, Ordering::Release);
            }
            if range.len() > 1 {
                let middle = range.start.midpoint(range.end);
                open.push(middle..range.end);
                open.push(range.start..middle);
                continue;
            }
            self.judge_alone(range, (lone, reason)).await?;
        }
        Ok(())
    }

    /// One record is still refused alone. It is given up only if the receiver takes others: else the receiver is down. No other
    /// request is under way meanwhile, so that the receiver is not busy with one of ours.
    async fn judge_alone(&mut self, range: Range<usize>, (lone, mut reason): (Lone, String)) -> Result<(), Ended> {
        let course = Arc::clone(&self.course);
        let _all_turns = course.every_turn().await?;
        let tries = if lone == Lone::Throttled { LONE_TRIES } else { 1 };
        for _ in 1..tries {
            tokio::time::sleep(LONE_PAUSE).await;
            match self.send(range.clone()).await? {
                Verdict::Accepted(partial) => {
                    self.note(partial.as_ref(), range);
                    return Ok(());
                }
                Verdict::Throttled(again) | Verdict::Smaller(again) => reason = again,
                Verdict::Later(reason, _) | Verdict::Down(reason) => return Err(SinkError::Retry(reason).into()),
            }
        }
        // An empty request tells whether the receiver takes any.
        match self.exchange.exchange(Vec::new()).await? {
            Verdict::Accepted(_) => {
                self.refused.extend(self.prepared.origin(range.start).map(|index| (index, reason)));
                Ok(())
            }
            Verdict::Later(..) | Verdict::Down(_) | Verdict::Smaller(_) | Verdict::Throttled(_) => {
                Err(SinkError::Later { reason, after: DOWN_PAUSE }.into())
            }
        }
    }

    async fn send(&self, range: Range<usize>) -> Result<Verdict, Ended> {
        let prepared = Arc::clone(&self.prepared);
        let encoded = tokio::task::spawn_blocking(move || prepared.encode(range)).await;
        let encoded = encoded.map_err(|error| encoder_failed(&error))?;
        Ok(self.exchange.exchange(encoded).await?)
    }

    /// A receiver that took only a part gives a number and a message, never names: one dead letter holds the ids of all.
    fn note(&mut self, partial: Option<&ExportLogsPartialSuccess>, range: Range<usize>) {
        let Some(partial) = partial else { return };
        let message = answer::words(&partial.error_message);
        let count = usize::try_from(partial.rejected_log_records).unwrap_or(0);
        let prepared = &self.prepared;
        if count == 0 {
            tracing::warn!(message, "the OTLP receiver took everything and warns");
        } else if count >= range.len() {
            let reason = format!("the receiver rejected it: {message}");
            self.refused.extend(range.filter_map(|place| prepared.origin(place)).map(|index| (index, reason.clone())));
        } else {
            let (total, ids) = (range.len(), prepared.ids(range.clone()));
            let reason =
                format!("the receiver rejected {count} of {total} without naming them: {message}; one of: {ids}");
            self.refused.extend(prepared.origin(range.start).map(|index| (index, reason)));
        }
    }
}

impl Course {
    /// Waits until a request may be sent.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, Ended> {
        if self.is_throttled.load(Ordering::Acquire) { self.every_turn().await } else { self.take(1).await }
    }

    /// Waits until no other request is under way.
    async fn every_turn(&self) -> Result<SemaphorePermit<'_>, Ended> {
        self.take(self.concurrency).await
    }

    async fn take(&self, count: u32) -> Result<SemaphorePermit<'_>, Ended> {
        let turns = self.turns.acquire_many(count).await?;
        if self.is_over.load(Ordering::Acquire) { Err(Ended::Over) } else { Ok(turns) }
    }
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
