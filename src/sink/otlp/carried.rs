//! What a receiver has settled of a batch that failed as a whole: only the rest goes again (the batch comes again, decided anew).

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::Body;
use super::course::{Course, Exchange, deliver};
use crate::event::Event;
use crate::record::EventId;
use crate::sink::{Delivered, SinkError};

/// The settled events of the last batch, until it is delivered or another comes.
#[derive(Debug, Default)]
pub(super) struct Carried {
    fates: HashMap<Key, Fate>,
    /// The reason of each part of which some were refused without being named.
    parts: Vec<String>,
}

/// An event as it was sent: decided anew, it may be another one.
type Key = (EventId, u64, u64);

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Taken,
    Refused(String),
    /// It may be one of those that were refused in the part of that number.
    Unnamed(usize),
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
        let mut course = deliver(exchange, still, body, concurrency, witness).await;
        match course.failure.take() {
            None => Ok(self.finish(events, &open, course)),
            Some(failure) => {
                self.keep(events, &open, course);
                Err(failure)
            }
        }
    }

    /// The indexes of the events that are still to be sent, and one that was taken, if one was. What is not in this batch is forgotten.
    fn open(&mut self, events: &[Event]) -> (Vec<usize>, Option<usize>) {
        if self.fates.is_empty() {
            return ((0..events.len()).collect(), None);
        }
        let keys: Vec<Key> = events.iter().map(key).collect();
        let here: HashSet<&Key> = keys.iter().collect();
        self.fates.retain(|key, _| here.contains(key));
        if self.fates.is_empty() {
            self.parts.clear();
        }
        let is_taken = |key: &Key| self.fates.get(key) == Some(&Fate::Taken);
        let witness = keys.iter().position(is_taken);
        let open = keys.iter().enumerate().filter(|(_, key)| !self.fates.contains_key(*key));
        (open.map(|(index, _)| index).collect(), witness)
    }

    /// Notes what came of a delivery of the events `open`, which failed.
    fn keep(&mut self, events: &[Event], open: &[usize], course: Course) {
        let Course { taken, delivered, .. } = course;
        let event = |index: usize| open.get(index).and_then(|index| events.get(*index)).map(key);
        self.fates.extend(taken.into_iter().filter_map(|index| Some((event(index)?, Fate::Taken))));
        let refused = delivered.refused.into_iter();
        self.fates.extend(refused.filter_map(|(index, reason)| Some((event(index)?, Fate::Refused(reason)))));
        for (indexes, reason) in delivered.unnamed {
            let part = self.parts.len();
            self.parts.push(reason);
            self.fates.extend(indexes.into_iter().filter_map(|index| Some((event(index)?, Fate::Unnamed(part)))));
        }
    }

    /// What came of the whole batch, once the events `open` are delivered too. Nothing is carried any more.
    fn finish(&mut self, events: &[Event], open: &[usize], course: Course) -> Delivered {
        let Self { fates, parts } = std::mem::take(self);
        let place = |index: usize| open.get(index).copied();
        let Delivered { refused, unnamed } = course.delivered;
        let mut refused: Vec<_> =
            refused.into_iter().filter_map(|(index, reason)| Some((place(index)?, reason))).collect();
        let mut unnamed: Vec<(Vec<usize>, String)> = unnamed
            .into_iter()
            .map(|(indexes, reason)| (indexes.into_iter().filter_map(place).collect(), reason))
            .collect();
        let mut members = vec![Vec::new(); parts.len()];
        let settled = events.iter().enumerate().filter_map(|(index, event)| Some((index, fates.get(&key(event))?)));
        for (index, fate) in settled {
            match fate {
                Fate::Taken => {}
                Fate::Refused(reason) => refused.push((index, reason.clone())),
                Fate::Unnamed(part) => members.get_mut(*part).into_iter().for_each(|part| part.push(index)),
            }
        }
        unnamed.extend(members.into_iter().zip(parts).filter(|(indexes, _)| !indexes.is_empty()));
        refused.sort_unstable();
        unnamed.sort_unstable();
        Delivered { refused, unnamed }
    }
}

fn key(event: &Event) -> Key {
    let mut hasher = DefaultHasher::new();
    event.json.hash(&mut hasher);
    (event.id, event.replay, hasher.finish())
}
