//! Who is at fault when a record is rejected alone: the record, if the receiver took another one since and rejects it again; else
//! nothing says that it is not the receiver.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::carried::Key;

/// Of this many rejections in several deliveries, with a record taken between each two of them, a record is at fault. In one
/// delivery two are enough: between deliveries a receiver has more time to stumble twice.
const ROUNDS: u32 = 3;
/// A record that was rejected in so many deliveries while nothing was taken is passed by the events that wait for it.
const PATIENCE: u32 = 5;
/// Records that are remembered; a receiver that rejects more of them each alone is at fault itself.
const MOST: usize = 10_000;

/// What is known, over all deliveries of a sink.
#[derive(Clone, Debug, Default)]
pub(super) struct Trial(Arc<Mutex<Evidence>>);

/// Who is at fault for a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The record.
    Record,
    /// Not known yet.
    Open {
        /// The weight of the records that were rejected alone in this delivery since one was taken.
        in_a_row: usize,
        /// A request of this number or a later one begins after the rejection.
        since: u64,
    },
}

#[derive(Debug, Default)]
struct Evidence {
    /// Requests that were begun; each has its number.
    begun: u64,
    /// The number of the latest one that was taken.
    taken: u64,
    /// The weight of the records that were rejected alone in a row, and the number from which on a request ends the row.
    row: (usize, u64),
    rejected: HashMap<Key, Rejected>,
}

/// A record that was rejected alone.
#[derive(Debug)]
struct Rejected {
    /// A request of this number or a later one began after the last rejection.
    since: u64,
    /// Rejections before which another record had been taken since the rejection before; the first counts too.
    rounds: u32,
    /// Deliveries in which it was rejected.
    deliveries: u32,
}

impl Trial {
    /// The number of a request that begins now.
    pub(super) fn begin(&self) -> u64 {
        let mut evidence = self.lock();
        evidence.begun = evidence.begun.saturating_add(1);
        evidence.begun
    }

    /// A delivery begins. Gives the number of the last request before it.
    pub(super) fn start_delivery(&self) -> u64 {
        let mut evidence = self.lock();
        evidence.row.0 = 0;
        evidence.begun
    }

    /// The receiver took the request of that number.
    pub(super) fn took(&self, number: u64) {
        let mut evidence = self.lock();
        evidence.taken = evidence.taken.max(number);
        if number >= evidence.row.1 {
            evidence.row.0 = 0;
        }
    }

    /// Whether the receiver took a request of that number or a later one.
    pub(super) fn took_since(&self, number: u64) -> bool {
        self.lock().taken >= number
    }

    /// A record is rejected alone, in the delivery before which the request `before` was the last one to begin. One that is at fault is
    /// forgotten: it is given up.
    pub(super) fn rejected(&self, key: Key, weight: usize, before: u64) -> Fault {
        let mut evidence = self.lock();
        let (since, taken) = (evidence.begun.saturating_add(1), evidence.taken);
        let mut record = evidence.rejected.remove(&key).unwrap_or(Rejected { since, rounds: 0, deliveries: 0 });
        let (is_first, is_same_delivery) = (record.rounds == 0, record.since > before.saturating_add(1));
        let is_round = !is_first && taken >= record.since;
        if is_first || is_round {
            record.rounds = record.rounds.saturating_add(1);
        }
        if is_first || !is_same_delivery {
            record.deliveries = record.deliveries.saturating_add(1);
        }
        if is_round && (is_same_delivery || record.rounds >= ROUNDS) {
            return Fault::Record;
        }
        record.since = since;
        if evidence.rejected.len() >= MOST {
            evidence.rejected.clear();
        }
        evidence.rejected.insert(key, record);
        evidence.row = (evidence.row.0.saturating_add(weight), since);
        Fault::Open { in_a_row: evidence.row.0, since }
    }

    /// Whether a record was rejected in so many deliveries that others need not wait for it any longer.
    pub(super) fn is_stuck(&self, key: &Key) -> bool {
        self.lock().rejected.get(key).is_some_and(|record| record.deliveries >= PATIENCE)
    }

    fn lock(&self) -> MutexGuard<'_, Evidence> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::EventId;

    fn key(number: u128) -> Key {
        (EventId(uuid::Uuid::from_u128(number)), 0, 0)
    }

    fn in_a_row(fault: Fault) -> Option<usize> {
        match fault {
            Fault::Record => None,
            Fault::Open { in_a_row, .. } => Some(in_a_row),
        }
    }

    #[test]
    fn only_a_request_that_began_after_the_rejection_proves_anything() {
        let trial = Trial::default();
        let (before, _rejected) = (trial.begin(), trial.begin());
        assert_eq!(trial.rejected(key(1), 1, 0), Fault::Open { in_a_row: 1, since: 3 });
        // In flight while the record was rejected; the one that began since is rejected too.
        let _rejected_since = trial.begin();
        trial.took(before);
        assert!(!trial.took_since(3));
        assert_eq!(in_a_row(trial.rejected(key(2), 4, 0)), Some(5), "nor does it end the row");
        let after = trial.begin();
        trial.took(after);
        assert!(trial.took_since(3) && trial.took_since(4));
        assert_eq!(in_a_row(trial.rejected(key(3), 1, 0)), Some(1), "another row");
    }

    #[test]
    fn a_record_is_at_fault_once_it_is_rejected_again_after_another_was_taken() {
        let trial = Trial::default();
        let reject = |number| {
            let _alone = trial.begin();
            in_a_row(trial.rejected(key(number), 1, 0))
        };
        assert!(reject(1).is_some() && reject(1).is_some(), "nothing was taken");
        trial.took(trial.begin());
        assert!(reject(2).is_some(), "the first time");
        assert_eq!(reject(1), None);
    }

    #[test]
    fn over_several_deliveries_it_takes_more_rejections() {
        let trial = Trial::default();
        for round in 1..=ROUNDS {
            let before = trial.start_delivery();
            let _alone = trial.begin();
            let fault = trial.rejected(key(1), 1, before);
            assert_eq!(fault == Fault::Record, round == ROUNDS, "round {round}");
            trial.took(trial.begin());
        }
        // Rejected again and again while nothing is taken: that says nothing.
        for delivery in 1..9 {
            let before = trial.start_delivery();
            let _alone = trial.begin();
            assert_ne!(trial.rejected(key(2), 1, before), Fault::Record);
            assert_eq!(trial.is_stuck(&key(2)), delivery >= PATIENCE);
        }
    }
}
