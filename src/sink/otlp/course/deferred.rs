//! Records of a lane that were rejected alone and are not judged yet, and the later ones that must not overtake them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::event::Event;
use crate::sink::otlp::carried::Key;

/// What a lane has put aside, by place among the prepared records.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    rejected: BTreeMap<usize, Rejected>,
    waiting: BTreeSet<usize>,
    /// Nothing waits for a rejected record any more.
    is_overtaken: bool,
}

/// A record that was rejected alone.
#[derive(Clone, Debug)]
pub(super) struct Rejected {
    pub(super) reason: String,
    pub(super) key: Key,
    /// A request of this number or a later one began after the rejection.
    pub(super) since: u64,
}

impl Deferred {
    /// Puts a rejected record aside, and with it those of `open` that share an ordering key with it or with one that waits.
    pub(super) fn defer<'a>(
        &mut self,
        place: usize,
        rejected: Rejected,
        open: &mut Vec<Vec<usize>>,
        event: impl Fn(usize) -> Option<&'a Event>,
    ) {
        self.rejected.insert(place, rejected);
        if self.is_overtaken {
            return;
        }
        let aside = self.rejected.keys().chain(&self.waiting);
        let mut keys: HashSet<&str> =
            aside.filter_map(|place| event(*place)).flat_map(|event| event.pivots.order_keys()).collect();
        for places in open.iter_mut().rev() {
            places.retain(|place| {
                let Some(pivots) = event(*place).map(|event| &event.pivots) else { return true };
                let waits = pivots.order_keys().any(|key| keys.contains(key));
                if waits {
                    keys.extend(pivots.order_keys());
                    self.waiting.insert(*place);
                }
                !waits
            });
        }
        open.retain(|places| !places.is_empty());
    }

    /// The record that was rejected last.
    pub(super) fn last_rejected(&self) -> Option<&Rejected> {
        self.rejected.values().max_by_key(|rejected| rejected.since)
    }

    /// Everything that is put aside, back among what is `open`, in order. Each rejected record stands alone, so that only it is
    /// judged; what was split stays so.
    pub(super) fn release(&mut self, open: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
        let rejected: BTreeSet<usize> = std::mem::take(&mut self.rejected).into_keys().collect();
        let starts: BTreeSet<usize> = open.iter().filter_map(|places| places.first().copied()).collect();
        let waiting = std::mem::take(&mut self.waiting);
        let mut all: Vec<usize> = open.into_iter().flatten().chain(waiting).chain(rejected.iter().copied()).collect();
        all.sort_unstable();
        let stands_alone = |place: &usize| rejected.contains(place);
        let is_one_group =
            |one: &usize, other: &usize| !stands_alone(one) && !stands_alone(other) && !starts.contains(other);
        all.chunk_by(is_one_group).map(<[usize]>::to_vec).collect()
    }

    /// The records that wait, in order; from now on none waits.
    pub(super) fn release_waiting(&mut self) -> Vec<usize> {
        self.is_overtaken = true;
        std::mem::take(&mut self.waiting).into_iter().collect()
    }
}
