//! Who is at fault when a record is refused alone: the record, if the receiver takes others after it, else the receiver.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::carried::Key;

/// Of this many refusals, each behind one after which others were taken, a record is at fault, also if nothing was taken after the
/// last one: between two of them the receiver may have been away.
const ROUNDS: u32 = 3;
/// Records that are remembered; a receiver that refuses more of them each alone is at fault itself.
const MOST: usize = 10_000;

/// What is known, over all deliveries of a sink.
#[derive(Clone, Debug, Default)]
pub(super) struct Trial(Arc<Mutex<Evidence>>);

#[derive(Debug, Default)]
struct Evidence {
    /// Requests that were begun; each has its number.
    begun: u64,
    /// The number of the latest one that was taken.
    taken: u64,
    /// The weight of the records that were refused alone in a row, and the number from which on a request ends the row.
    row: (usize, u64),
    refused: HashMap<Key, Refused>,
}

/// A record that was refused alone.
#[derive(Debug)]
struct Refused {
    /// A request of this number or a later one began after the refusal.
    since: u64,
    /// Refusals before which others had been taken since the refusal before.
    rounds: u32,
}

impl Trial {
    /// The number of a request that begins now.
    pub(super) fn begin(&self) -> u64 {
        let mut evidence = self.lock();
        evidence.begun = evidence.begun.saturating_add(1);
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

    /// A record is refused alone. Gives the weight of all that were so in a row.
    pub(super) fn refused(&self, key: Key, weight: usize) -> usize {
        let mut evidence = self.lock();
        let (since, taken) = (evidence.begun.saturating_add(1), evidence.taken);
        evidence.row = (evidence.row.0.saturating_add(weight), since);
        if evidence.refused.len() >= MOST && !evidence.refused.contains_key(&key) {
            evidence.refused.clear();
        }
        let record = evidence.refused.entry(key).or_insert(Refused { since, rounds: 1 });
        if record.since < since && taken >= record.since {
            record.rounds = record.rounds.saturating_add(1);
        }
        record.since = since;
        evidence.row.0
    }

    /// Whether a record that was refused just now is at fault.
    pub(super) fn is_guilty(&self, key: &Key) -> bool {
        let evidence = self.lock();
        let guilty = |record: &Refused| evidence.taken >= record.since || record.rounds >= ROUNDS;
        evidence.refused.get(key).is_some_and(guilty)
    }

    /// A record is given up: it is not needed any more.
    pub(super) fn close(&self, key: &Key) {
        self.lock().refused.remove(key);
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

    #[test]
    fn only_a_request_that_began_after_the_refusal_proves_anything() {
        let trial = Trial::default();
        let (before, _refused) = (trial.begin(), trial.begin());
        assert_eq!(trial.refused(key(1), 1), 1);
        // Under way while the record was refused; the one that began since is refused too.
        let _refused_since = trial.begin();
        trial.took(before);
        assert!(!trial.is_guilty(&key(1)));
        assert_eq!(trial.refused(key(2), 4), 5, "nor does it end the row");
        let after = trial.begin();
        trial.took(after);
        assert!(trial.is_guilty(&key(1)) && trial.is_guilty(&key(2)));
        assert_eq!(trial.refused(key(3), 1), 1, "another row");
    }

    #[test]
    fn a_record_that_is_refused_whenever_others_are_taken_is_at_fault_in_the_end() {
        let trial = Trial::default();
        for round in 1..=ROUNDS {
            let _alone = trial.begin();
            trial.refused(key(1), 1);
            assert_eq!(trial.is_guilty(&key(1)), round == ROUNDS, "round {round}");
            trial.took(trial.begin());
        }
        // Refused again and again while nothing is taken: that says nothing.
        for _ in 0..9 {
            let _alone = trial.begin();
            trial.refused(key(2), 1);
            assert!(!trial.is_guilty(&key(2)));
        }
        trial.close(&key(1));
        assert!(!trial.is_guilty(&key(1)));
    }
}
