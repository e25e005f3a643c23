//! One lane of a delivery: its records go in order, bisected as long as the receiver may mean that it is too much. A record that is
//! rejected alone is put aside until the receiver has taken another one, and then goes again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;

use super::deferred::{Deferred, Rejected};
use super::shared::Shared;
use super::{Ended, Exchange, encoded, rejected, takes_nothing};
use crate::event::Event;
use crate::sink::SinkError;
use crate::sink::otlp::answer::{self, DOWN_PAUSE, Verdict};
use crate::sink::otlp::carried::key;
use crate::sink::otlp::request::Prepared;
use crate::sink::otlp::trial::Fault;

/// A single record that a receiver has no room for is tried so often before that counts as a rejection.
const SINGLE_TRIES: u32 = 4;
/// Pause after an answer that the receiver has too much.
const THROTTLED_PAUSE: Duration = Duration::from_millis(500);
/// After so many rejected records in a row the receiver must show that it takes anything.
const MOST_REJECTED: usize = 16;
/// A rejection that may only mean that the receiver was busy counts as so many: it took time.
const EXHAUSTED_WEIGHT: usize = 4;

/// One lane on its way.
pub(super) struct Lane<X> {
    exchange: X,
    shared: Arc<Shared>,
    /// All events of the delivery.
    events: Arc<[Event]>,
    prepared: Arc<Prepared>,
    /// Requests still to be sent, by the places of their records among the prepared: those of the last one are the lowest, and go
    /// next.
    open: Vec<Vec<usize>>,
    deferred: Deferred,
    pub(super) outcome: Outcome,
}

/// What came of a lane; records by their index in the delivery.
#[derive(Default)]
pub(super) struct Outcome {
    /// Those that the receiver took.
    pub(super) taken: Vec<usize>,
    /// Those that the receiver said it will never take.
    pub(super) refused: BTreeMap<usize, String>,
    /// Those of which it refused some without naming them, by the first of them.
    pub(super) unnamed: BTreeMap<usize, (Vec<usize>, String)>,
}

/// Why a request was not taken, if a smaller one may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The receiver rejects its content.
    Rejected,
    /// It is too large, or the receiver is busy.
    Exhausted,
    /// The receiver is busy.
    Throttled,
}

/// The same failure, with the pause that a receiver gets which is down.
fn slowly(error: SinkError) -> SinkError {
    match error {
        SinkError::Retry(reason) => SinkError::Later { reason, after: DOWN_PAUSE },
        error @ (SinkError::Later { .. } | SinkError::Closed { .. }) => error,
    }
}

impl<X: Exchange> Lane<X> {
    pub(super) fn new(exchange: X, shared: Arc<Shared>, events: Arc<[Event]>, prepared: Prepared) -> Self {
        let prepared = Arc::new(prepared);
        let mut open = prepared.requests(prepared.places());
        open.reverse();
        let (deferred, outcome) =
            (Deferred::default(), Outcome { refused: prepared.unmade().clone(), ..Outcome::default() });
        Self { exchange, shared, events, prepared, open, deferred, outcome }
    }

    /// Sends what is open, in order. Records that are rejected alone are deferred, with those that have to wait for them.
    pub(super) async fn deliver(&mut self) -> Result<(), Ended> {
        while let Some(places) = self.open.pop() {
            let answered = {
                let _turn = self.shared.turn().await?;
                self.send(&places).await?
            };
            let Some((cause, reason)) = self.settled(answered, &places)? else {
                self.resume();
                continue;
            };
            if cause != Cause::Rejected {
                self.shared.is_throttled.store(true, Ordering::Release);
            }
            if let [place] = places[..] {
                self.single(place, cause, reason).await?;
                continue;
            }
            if cause != Cause::Rejected {
                tokio::time::sleep(THROTTLED_PAUSE).await;
            }
            let (front, back) = places.split_at(places.len() / 2);
            self.open.push(back.to_vec());
            self.open.push(front.to_vec());
        }
        Ok(())
    }

    /// Settles what is deferred. No other lane may have a request in flight. An error also if nothing shows that the receiver takes
    /// anything.
    pub(super) async fn finish(&mut self) -> Result<(), Ended> {
        while let Some(Rejected { reason, key, since }) = self.deferred.last_rejected().cloned() {
            if !self.shared.trial.took_since(since) {
                match self.shared.prove(&self.exchange, &reason).await {
                    Ok(()) => {}
                    // Only events of the same alerts and devices are left: if one of them is taken, that is a proof too.
                    Err(_) if !self.shared.has_witness() && self.shared.trial.is_stuck(&key) => {
                        self.open = self.prepared.requests(self.deferred.release_waiting());
                        self.open.reverse();
                        self.deliver().await?;
                        if self.deferred.last_rejected().is_some_and(|last| !self.shared.trial.took_since(last.since)) {
                            return Err(takes_nothing(&reason).into());
                        }
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            self.resume();
            self.deliver().await?;
        }
        Ok(())
    }

    /// Opens what is deferred again if the receiver has taken a record since the last rejection.
    fn resume(&mut self) {
        let last = self.deferred.last_rejected().map(|rejected| rejected.since);
        if last.is_some_and(|since| self.shared.trial.took_since(since)) {
            let groups = self.deferred.release(std::mem::take(&mut self.open));
            self.open = groups.into_iter().flat_map(|places| self.prepared.requests(places)).collect();
            self.open.reverse();
        }
    }

    /// Notes what was taken of a request. Gives why it may have been too much, if it was refused for that.
    fn settled(
        &mut self,
        (verdict, number): (Verdict, u64),
        places: &[usize],
    ) -> Result<Option<(Cause, String)>, SinkError> {
        match verdict {
            Verdict::Smaller(reason) => return Ok(Some((Cause::Rejected, reason))),
            Verdict::Exhausted(reason) => return Ok(Some((Cause::Exhausted, reason))),
            Verdict::Throttled(reason) => return Ok(Some((Cause::Throttled, reason))),
            Verdict::Accepted(_) | Verdict::Later(..) | Verdict::Down(_) => {}
        }
        let partial = verdict.outcome()?;
        self.note(partial.as_ref(), places, number);
        Ok(None)
    }

    /// A single record is not taken. If the receiver may only be busy it is tried again, with no other request in flight.
    async fn single(&mut self, place: usize, mut cause: Cause, mut reason: String) -> Result<(), Ended> {
        let shared = Arc::clone(&self.shared);
        let mut weight = 1;
        if cause != Cause::Rejected {
            weight = EXHAUSTED_WEIGHT;
            let _all_turns = shared.every_turn().await?;
            for _ in 1..SINGLE_TRIES {
                tokio::time::sleep(THROTTLED_PAUSE).await;
                let answered = self.send(&[place]).await?;
                match self.settled(answered, &[place])? {
                    Some(again) => (cause, reason) = again,
                    None => {
                        self.resume();
                        return Ok(());
                    }
                }
            }
        }
        if cause == Cause::Throttled {
            // It speaks of the receiver alone.
            return Err(SinkError::Retry(reason).into());
        }
        let origin = self.prepared.origin(place);
        let Some((index, key)) = origin.and_then(|index| Some((index, key(self.events.get(index)?)))) else {
            return Ok(());
        };
        let (in_a_row, since) = match shared.trial.rejected(key, weight, shared.began) {
            Fault::Record => {
                self.outcome.refused.insert(index, reason);
                return Ok(());
            }
            Fault::Open { in_a_row, since } => (in_a_row, since),
        };
        self.defer(place, Rejected { reason: reason.clone(), key, since });
        if in_a_row >= MOST_REJECTED {
            let _all_turns = shared.every_turn().await?;
            // A run of rejections points at the receiver, not at the records.
            shared.prove(&self.exchange, &reason).await.map_err(slowly)?;
            self.resume();
        }
        Ok(())
    }

    fn defer(&mut self, place: usize, rejected: Rejected) {
        let (events, prepared) = (&self.events, &self.prepared);
        let event = |place: usize| prepared.origin(place).and_then(|index| events.get(index));
        self.deferred.defer(place, rejected, &mut self.open, event);
    }

    /// Sends the records at these places; gives the answer and the request's number.
    async fn send(&self, places: &[usize]) -> Result<(Verdict, u64), Ended> {
        let encoded = encoded(&self.prepared, places.to_vec()).await?;
        let number = self.shared.trial.begin();
        Ok((self.exchange.exchange(encoded).await?, number))
    }

    /// A receiver that took only a part gives a number and a message, never names: all are kept together.
    fn note(&mut self, partial: Option<&ExportLogsPartialSuccess>, places: &[usize], number: u64) {
        let (count, total) = (partial.map_or(0, rejected), places.len());
        let indexes = places.iter().filter_map(|place| self.prepared.origin(*place));
        let message = partial.map(|partial| answer::words(&partial.error_message)).unwrap_or_default();
        if count == 0 {
            self.outcome.taken.extend(indexes);
            if let Some(first) = places.first() {
                self.shared.took(number, &self.prepared, *first);
            }
            if partial.is_some() {
                tracing::warn!(text = message, "the OTLP receiver took everything and warns");
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
