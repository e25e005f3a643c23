//! Whose turn it is: partitions with backlog take turns, so that one account's flood delays the others by one batch.

use crate::journal::{Backlog, Lane, Partition};

/// Live partitions are served this often before a `backfill` or `replayed` one gets a turn.
const LIVE_TURNS: u32 = 4;

/// The order of service, remembered between batches.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    last_live: Option<Partition>,
    last_other: Option<Partition>,
    live_in_a_row: u32,
}

impl Turns {
    /// The partition to serve next, if any has backlog.
    pub fn next(&mut self, backlog: &[Backlog]) -> Option<Partition> {
        let (live, other): (Vec<_>, Vec<_>) = backlog
            .iter()
            .filter(|entry| entry.pending > 0)
            .map(|entry| &entry.partition)
            .partition(|partition| partition.lane == Lane::Live);
        let is_others_turn = live.is_empty() || self.live_in_a_row >= LIVE_TURNS;
        if is_others_turn && let Some(partition) = after(&other, self.last_other.as_ref()) {
            self.live_in_a_row = 0;
            self.last_other = Some(partition.clone());
            return Some(partition);
        }
        let partition = after(&live, self.last_live.as_ref())?;
        self.live_in_a_row = self.live_in_a_row.saturating_add(1);
        self.last_live = Some(partition.clone());
        Some(partition)
    }
}

/// The first of `candidates` behind `last` in their natural order, round and round.
fn after(candidates: &[&Partition], last: Option<&Partition>) -> Option<Partition> {
    let following = candidates.iter().filter(|candidate| last.is_none_or(|last| **candidate > last)).min();
    following.or_else(|| candidates.iter().min()).map(|partition| (*partition).clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::AccountUid;

    fn waiting(account: &str, lane: Lane) -> Backlog {
        let partition = Partition { account: AccountUid::new(account), lane };
        Backlog { partition, position: 0, head: 9, pending: 9, oldest: None }
    }

    #[test]
    fn live_partitions_take_turns_and_the_others_get_one_in_five() {
        let backlog = [waiting("a", Lane::Live), waiting("b", Lane::Live), waiting("a", Lane::Backfill)];
        let mut turns = Turns::default();
        let served: Vec<_> =
            (0..10).filter_map(|_| turns.next(&backlog)).map(|p| (p.account.to_string(), p.lane)).collect();
        let count = |account: &str, lane| served.iter().filter(|(a, l)| a == account && *l == lane).count();
        assert_eq!(count("a", Lane::Live), 4);
        assert_eq!(count("b", Lane::Live), 4);
        assert_eq!(count("a", Lane::Backfill), 2);
    }

    #[test]
    fn nothing_waits() {
        assert_eq!(Turns::default().next(&[Backlog { pending: 0, ..waiting("a", Lane::Live) }]), None);
    }
}
