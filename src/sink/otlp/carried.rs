//! What a receiver has settled of a batch that failed as a whole: only the rest goes again (the batch comes again, decided anew).

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::Body;
use super::course::{Course, Exchange, deliver};
use super::trial::Trial;
use crate::event::Event;
use crate::record::EventId;
use crate::sink::{Delivered, SinkError};

/// Settled events that are remembered; of more than that, some go again.
const MOST: usize = 10_000;

/// The settled events of batches that failed, until they are delivered, and what is known of records that are refused.
#[derive(Debug, Default)]
pub(super) struct Carried {
    fates: HashMap<Key, Fate>,
    /// How many parts there were of which some were refused without being named.
    parts: usize,
    trial: Trial,
}

/// An event as it was sent: decided anew, it may be another one.
pub(super) type Key = (EventId, u64, u64);

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Taken,
    Refused(String),
    /// It may be one of those that were refused in the part of that number, for that reason.
    Unnamed(usize, Arc<str>),
}

impl Carried {
    /// Delivers what is still open of a batch. If a part of it fails, the batch has failed, and what was settled meanwhile is carried.
    pub(super) async fn deliver<X: Exchange>(
        &mut self,
        exchange: &X,
        events: &[Event],
        body: Body,
        concurrency: u32,
    ) -> Result<Delivered, SinkError> {
        let (open, witness) = self.open(events);
        let still: Arc<[Event]> = open.iter().filter_map(|index| events.get(*index)).cloned().collect();
        let witness = witness.and_then(|index| events.get(index));
        let mut course = deliver(exchange, still, body, concurrency, witness, &self.trial).await;
        match course.failure.take() {
            None => Ok(self.finish(events, &open, course)),
            Some(failure) => {
                self.keep(events, &open, course);
                Err(failure)
            }
        }
    }

    /// The indexes of the events that are still to be sent, and one of the others that was taken, if one was.
    fn open(&self, events: &[Event]) -> (Vec<usize>, Option<usize>) {
        if self.fates.is_empty() {
            return ((0..events.len()).collect(), None);
        }
        let keys: Vec<Key> = events.iter().map(key).collect();
        let is_taken = |key: &Key| self.fates.get(key) == Some(&Fate::Taken);
        let witness = keys.iter().position(is_taken);
        let open = keys.iter().enumerate().filter(|(_, key)| !self.fates.contains_key(*key));
        (open.map(|(index, _)| index).collect(), witness)
    }

    /// Notes what came of a delivery of the events `open`, which failed.
    fn keep(&mut self, events: &[Event], open: &[usize], course: Course) {
        let Course { taken, delivered, .. } = course;
        if self.fates.len().saturating_add(open.len()) > MOST {
            self.fates.clear();
        }
        let event = |index: usize| open.get(index).and_then(|index| events.get(*index)).map(key);
        self.fates.extend(taken.into_iter().filter_map(|index| Some((event(index)?, Fate::Taken))));
        let refused = delivered.refused.into_iter();
        self.fates.extend(refused.filter_map(|(index, reason)| Some((event(index)?, Fate::Refused(reason)))));
        for (indexes, reason) in delivered.unnamed {
            self.parts = self.parts.wrapping_add(1);
            let fate = Fate::Unnamed(self.parts, reason.into());
            self.fates.extend(indexes.into_iter().filter_map(|index| Some((event(index)?, fate.clone()))));
        }
    }

    /// What came of the whole batch, once the events `open` are delivered too. Nothing of it is carried any more.
    fn finish(&mut self, events: &[Event], open: &[usize], course: Course) -> Delivered {
        let place = |index: usize| open.get(index).copied();
        let Delivered { refused, unnamed } = course.delivered;
        let mut refused: Vec<_> =
            refused.into_iter().filter_map(|(index, reason)| Some((place(index)?, reason))).collect();
        let mut unnamed: Vec<(Vec<usize>, String)> = unnamed
            .into_iter()
            .map(|(indexes, reason)| (indexes.into_iter().filter_map(place).collect(), reason))
            .collect();
        let mut parts: BTreeMap<usize, (Vec<usize>, String)> = BTreeMap::new();
        let settled = if self.fates.is_empty() { &[][..] } else { events };
        for (index, event) in settled.iter().enumerate() {
            match self.fates.remove(&key(event)) {
                Some(Fate::Refused(reason)) => refused.push((index, reason)),
                Some(Fate::Unnamed(part, reason)) => {
                    parts.entry(part).or_insert_with(|| (Vec::new(), reason.to_string())).0.push(index);
                }
                Some(Fate::Taken) | None => {}
            }
        }
        unnamed.extend(parts.into_values());
        refused.sort_unstable();
        unnamed.sort_unstable();
        Delivered { refused, unnamed }
    }
}

/// The key of an event.
pub(super) fn key(event: &Event) -> Key {
    let mut hasher = DefaultHasher::new();
    event.json.hash(&mut hasher);
    (event.id, event.replay, hasher.finish())
}
