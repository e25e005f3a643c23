//! One lane of a delivery: its records go in order, in halves as long as the receiver may mean that it is too much.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;

use super::shared::Shared;
use super::{Ended, Exchange, encoded, rejected};
use crate::event::Event;
use crate::sink::SinkError;
use crate::sink::otlp::answer::{self, DOWN_PAUSE, Verdict};
use crate::sink::otlp::carried::{Key, key};
use crate::sink::otlp::request::Prepared;

/// A lone record that a receiver would not take for want of room is tried so often before it is suspected.
const LONE_TRIES: u32 = 4;
/// Pause after an answer that the receiver has too much.
const THROTTLED_PAUSE: Duration = Duration::from_millis(500);
/// After so many suspects in a row the receiver must show that it takes anything.
const MOST_SUSPECTS: usize = 16;
/// A suspect that the receiver may only have been too busy for counts as so many: it took time.
const THROTTLED_WEIGHT: usize = 4;

/// One lane on its way.
pub(super) struct Lane<X> {
    pub(super) exchange: X,
    pub(super) shared: Arc<Shared>,
    /// All events of the delivery.
    pub(super) events: Arc<[Event]>,
    pub(super) prepared: Arc<Prepared>,
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
    /// Those that it refused alone.
    pub(super) suspects: BTreeMap<usize, Suspect>,
}

/// A record that was refused alone.
pub(super) struct Suspect {
    pub(super) reason: String,
    pub(super) key: Key,
}

/// Why a lone record was not taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lone {
    /// The receiver spoke of the request.
    Refused,
    /// The receiver may only be busy.
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
    /// Delivers the lane's records; in halves as long as the receiver may mean that it is too much. The halves go in order.
    pub(super) async fn deliver(&mut self) -> Result<(), Ended> {
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
            Verdict::Smaller(reason) => return Ok(Some((Lone::Refused, reason))),
            Verdict::Throttled(reason) => return Ok(Some((Lone::Throttled, reason))),
            Verdict::Accepted(_) | Verdict::Later(..) | Verdict::Down(_) => {}
        }
        let partial = verdict.outcome()?;
        self.note(partial.as_ref(), range.clone(), number);
        Ok(None)
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
        let origin = self.prepared.origin(range.start);
        let Some((index, event)) = origin.and_then(|index| Some((index, self.events.get(index)?))) else {
            return Ok(());
        };
        let key = key(event);
        if shared.trial.refused(key, weight) >= MOST_SUSPECTS {
            let _all_turns = shared.every_turn().await?;
            // A run of rejections points at the receiver, not at the records.
            shared.prove(&self.exchange, &reason).await.map_err(slowly)?;
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
        let indexes = range.filter_map(|place| self.prepared.origin(place));
        let message = partial.map(|partial| answer::words(&partial.error_message)).unwrap_or_default();
        if count == 0 {
            self.outcome.taken.extend(indexes);
            self.shared.took(number, &self.prepared, start);
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
