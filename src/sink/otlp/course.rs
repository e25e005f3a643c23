//! The course of one delivery: its lanes send beside each other, each of them in order, and their outcomes become one.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use tokio::task::JoinSet;

use super::Body;
use super::answer::{self, Verdict};
use super::carried::Key;
use super::lanes::lanes;
use super::request::Prepared;
use super::trial::Trial;
use crate::event::Event;
use crate::sink::{Delivered, SinkError};

/// A lone record that a receiver would not take for want of room is tried so often before it is suspected.
const LONE_TRIES: u32 = 4;
/// Pause after an answer that the receiver has too much.
const THROTTLED_PAUSE: Duration = Duration::from_millis(500);
/// After so many suspects in a row the receiver must show that it takes anything.
const MOST_SUSPECTS: usize = 16;
/// A suspect that the receiver may only have been too busy for counts as so many: it took time.
const THROTTLED_WEIGHT: usize = 4;

/// A way to the receiver.
pub(super) trait Exchange: Clone + Send + Sync + 'static {
    /// Sends one encoded request, not compressed yet. An error: it could not be sent at all.
    fn exchange(&self, request: Vec<u8>) -> impl Future<Output = Result<Verdict, SinkError>> + Send;
}

/// What the lanes of one delivery share.
struct Shared {
    /// How many requests may be under way at once, and the turns that are left.
    concurrency: u32,
    turns: Semaphore,
    /// The receiver has too much: from now on one request at a time.
    is_throttled: AtomicBool,
    /// A lane failed: the others finish what they are sending and begin nothing more.
    is_over: AtomicBool,
    trial: Trial,
    /// A record that the receiver took, of this batch: its place among the prepared.
    witness: OnceLock<(Arc<Prepared>, usize)>,
}

/// A record that was refused alone.
struct Suspect {
    reason: String,
    key: Key,
}

/// One lane on its way.
struct Lane<X> {
    exchange: X,
    shared: Arc<Shared>,
    prepared: Arc<Prepared>,
    outcome: Outcome,
}

/// What came of a lane; records by their index in the delivery.
#[derive(Default)]
struct Outcome {
    /// Those that the receiver took.
    taken: Vec<usize>,
    /// Those that the receiver said it will never take.
    refused: BTreeMap<usize, String>,
    /// Those of which it refused some without naming them, by the first of them.
    unnamed: BTreeMap<usize, (Vec<usize>, String)>,
    /// Those that it refused alone.
    suspects: BTreeMap<usize, Suspect>,
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
        let (outcome, ended) = ended.unwrap_or_else(|error| (Outcome::default(), Err(encoder_failed(&error).into())));
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

/// The receiver refuses each record alone and takes no other: it is the receiver, and nothing is given up.
fn takes_nothing(reason: &str) -> SinkError {
    SinkError::Retry(format!("the receiver takes no record: {reason}"))
}

async fn encoded(prepared: &Arc<Prepared>, range: Range<usize>) -> Result<Vec<u8>, SinkError> {
    let prepared = Arc::clone(prepared);
    let encoded = tokio::task::spawn_blocking(move || prepared.encode(range)).await;
    encoded.map_err(|error| encoder_failed(&error))
}

async fn run<X: Exchange>(
    exchange: X,
    shared: Arc<Shared>,
    events: Arc<[Event]>,
    members: Vec<usize>,
    body: Body,
) -> (Outcome, Result<(), Ended>) {
    // Hundreds of events are much to encode: the runtime's threads have other work.
    let prepared = tokio::task::spawn_blocking(move || Prepared::new(&events, &members, body)).await;
    let prepared = match prepared {
        Ok(prepared) => Arc::new(prepared),
        Err(error) => return (Outcome::default(), Err(encoder_failed(&error).into())),
    };
    let mut lane = Lane { exchange, shared, prepared, outcome: Outcome::default() };
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

fn encoder_failed(error: &tokio::task::JoinError) -> SinkError {
    SinkError::Retry(format!("the encoder failed: {error}"))
}

impl<X: Exchange> Lane<X> {
    /// Delivers the lane's records; in halves as long as the receiver may mean that it is too much. The halves go in order.
    async fn deliver(&mut self) -> Result<(), Ended> {
        let mut open = self.prepared.requests();
        open.reverse();
        while let Some(range) = open.pop() {
            let answered = {
                let _turn = self.shared.turn().await?;
                self.send(range.clone()).await?
            };
            let Some((lone, reason)) = self.settled(answered, &range)? else { continue };
            if lone == Lone::Throttled {
                self.shared.is_throttled.store(true, Ordering::Release);
            }
            if range.len() == 1 {
                self.suspect(range, (lone, reason)).await?;
                continue;
            }
            if lone == Lone::Throttled {
                tokio::time::sleep(THROTTLED_PAUSE).await;
            }
            let middle = range.start.midpoint(range.end);
            open.push(middle..range.end);
            open.push(range.start..middle);
        }
        Ok(())
    }

    /// Notes what was taken of a request. Gives why it may have been too much, if it was refused for that.
    fn settled(
        &mut self,
        (verdict, number): (Verdict, u64),
        range: &Range<usize>,
    ) -> Result<Option<(Lone, String)>, SinkError> {
        match verdict {
            Verdict::Accepted(partial) => {
                self.note(partial.as_ref(), range.clone(), number);
                Ok(None)
            }
            Verdict::Smaller(reason) => Ok(Some((Lone::Refused, reason))),
            Verdict::Throttled(reason) => Ok(Some((Lone::Throttled, reason))),
            Verdict::Later(..) | Verdict::Down(_) => {
                Err(verdict.failure().unwrap_or_else(|| takes_nothing("no answer")))
            }
        }
    }

    /// One record is still refused alone. If the receiver may only be busy it is tried again, with no other request under way.
    async fn suspect(&mut self, range: Range<usize>, (lone, mut reason): (Lone, String)) -> Result<(), Ended> {
        let shared = Arc::clone(&self.shared);
        let mut weight = 1;
        if lone == Lone::Throttled {
            weight = THROTTLED_WEIGHT;
            let _all_turns = shared.every_turn().await?;
            for _ in 1..LONE_TRIES {
                tokio::time::sleep(THROTTLED_PAUSE).await;
                let answered = self.send(range.clone()).await?;
                match self.settled(answered, &range)? {
                    Some((_, again)) => reason = again,
                    None => return Ok(()),
                }
            }
        }
        let Some((index, key)) = self.prepared.origin(range.start) else { return Ok(()) };
        if shared.trial.refused(key, weight) >= MOST_SUSPECTS {
            shared.prove(&self.exchange, &reason).await?;
        }
        self.outcome.suspects.insert(index, Suspect { reason, key });
        Ok(())
    }

    /// Sends the records of a range; gives the answer and the request's number.
    async fn send(&self, range: Range<usize>) -> Result<(Verdict, u64), Ended> {
        let encoded = encoded(&self.prepared, range).await?;
        let number = self.shared.trial.begin();
        Ok((self.exchange.exchange(encoded).await?, number))
    }

    /// A receiver that took only a part gives a number and a message, never names: all are kept together.
    fn note(&mut self, partial: Option<&ExportLogsPartialSuccess>, range: Range<usize>, number: u64) {
        let (count, total, start) = (partial.map_or(0, rejected), range.len(), range.start);
        let indexes = range.filter_map(|place| Some(self.prepared.origin(place)?.0));
        let message = partial.map(|partial| answer::words(&partial.error_message)).unwrap_or_default();
        if count == 0 {
            self.outcome.taken.extend(indexes);
            self.shared.took(number, &self.prepared, start);
            if partial.is_some() {
                tracing::warn!(message, "the OTLP receiver took everything and warns");
            }
        } else if count >= total {
            let reason = format!("the receiver rejected it: {message}");
            self.outcome.refused.extend(indexes.map(|index| (index, reason.clone())));
        } else {
            let reason = format!("the receiver rejected {count} of {total} without naming them: {message}");
            let members: Vec<usize> = indexes.collect();
            self.outcome.unnamed.extend(members.first().map(|first| (*first, (members.clone(), reason))));
        }
    }
}

/// How many records of a request the receiver rejected.
fn rejected(partial: &ExportLogsPartialSuccess) -> usize {
    usize::try_from(partial.rejected_log_records).unwrap_or(0)
}

impl Shared {
    fn new(concurrency: u32, witness: Option<(Arc<Prepared>, usize)>, trial: Trial) -> Self {
        Self {
            concurrency,
            turns: Semaphore::new(usize::try_from(concurrency).unwrap_or(1)),
            is_throttled: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            trial,
            witness: witness.map_or_else(OnceLock::new, OnceLock::from),
        }
    }

    /// What was refused alone is given up if it is at fault. Where nothing tells, a record that was taken is asked for once more.
    async fn judge<X: Exchange>(&self, exchange: &X, outcome: &mut Outcome) -> Result<(), SinkError> {
        if let Some(unproven) = outcome.suspects.values().find(|suspect| !self.trial.is_guilty(&suspect.key)) {
            // The lanes have ended, so that nothing ends this wait but the turns.
            self.prove(exchange, &unproven.reason).await.map_err(|ended| match ended {
                Ended::Failed(error) => error,
                Ended::Over => takes_nothing(&unproven.reason),
            })?;
        }
        for (index, Suspect { reason, key }) in std::mem::take(&mut outcome.suspects) {
            self.trial.close(&key);
            outcome.refused.insert(index, reason);
        }
        Ok(())
    }

    /// The receiver took the request of that number, among others this record.
    fn took(&self, number: u64, prepared: &Arc<Prepared>, place: usize) {
        self.trial.took(number);
        self.witness.get_or_init(|| (Arc::clone(prepared), place));
    }

    /// Asks whether the receiver still takes what it took before: one record goes again, a repeat with its id, with no other request
    /// under way. An error: it takes nothing, so that nothing says that a record is at fault.
    async fn prove<X: Exchange>(&self, exchange: &X, reason: &str) -> Result<(), Ended> {
        let Some((prepared, place)) = self.witness.get() else { return Err(takes_nothing(reason).into()) };
        let request = encoded(prepared, *place..place.saturating_add(1)).await?;
        let _all_turns = self.every_turn().await?;
        let number = self.trial.begin();
        let verdict = exchange.exchange(request).await?;
        if let Verdict::Accepted(partial) = &verdict
            && partial.as_ref().map_or(0, rejected) == 0
        {
            self.trial.took(number);
            return Ok(());
        }
        Err(verdict.failure().unwrap_or_else(|| takes_nothing(reason)).into())
    }

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
