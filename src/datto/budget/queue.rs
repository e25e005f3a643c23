//! Who gets the next slot.
//!
//! The first lane that waits goes first. But a lane that was passed over as often as its patience allows goes next, so
//! that under a full budget activity still gets every 5th slot, look-ups every 9th, back-fill every 17th.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::datto::lane::Lane;

/// How often a lane is passed over at most; token calls never are, and alerts only by a lane that ran out of patience.
const PATIENCE: [u32; 5] = [0, u32::MAX, 4, 8, 16];

/// Those who wait, in lanes.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lanes: [LaneQueue; 5],
    next_id: u64,
}

#[derive(Debug, Default)]
struct LaneQueue {
    waiting: VecDeque<Waiter>,
    passed_over: u32,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    wake: Arc<Notify>,
}

impl Queue {
    /// Queues at the end of a lane; the id is for the other calls, `wake` is notified whenever it may be its turn.
    pub(super) fn join(&mut self, lane: Lane, wake: Arc<Notify>) -> u64 {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        self.lane(lane).waiting.push_back(Waiter { id, wake });
        id
    }

    /// Whether this waiter is the one to go next.
    pub(super) fn is_next(&self, id: u64) -> bool {
        self.next().is_some_and(|waiter| waiter.id == id)
    }

    /// Takes out a waiter that got its slot, and counts who was passed over.
    pub(super) fn served(&mut self, lane: Lane, id: u64) {
        self.leave(lane, id);
        for (other, queue) in Lane::ALL.into_iter().zip(&mut self.lanes) {
            if other == lane || queue.waiting.is_empty() {
                queue.passed_over = 0;
            } else if lane != Lane::Token {
                queue.passed_over = queue.passed_over.saturating_add(1);
            }
        }
    }

    /// Takes out a waiter that gave up.
    pub(super) fn leave(&mut self, lane: Lane, id: u64) {
        self.lane(lane).waiting.retain(|waiter| waiter.id != id);
    }

    /// Wakes the one to go next, so that it looks for itself.
    pub(super) fn wake_next(&self) {
        if let Some(waiter) = self.next() {
            waiter.wake.notify_one();
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lanes.iter().map(|queue| queue.waiting.len()).sum()
    }

    fn next(&self) -> Option<&Waiter> {
        let lanes = || self.lanes.iter().zip(PATIENCE).filter(|(queue, _)| !queue.waiting.is_empty());
        let impatient = lanes().find(|(queue, patience)| queue.passed_over >= *patience);
        impatient.or_else(|| lanes().next()).and_then(|(queue, _)| queue.waiting.front())
    }

    #[expect(clippy::indexing_slicing, reason = "there are as many queues as lanes, and a lane's number is below that")]
    fn lane(&mut self, lane: Lane) -> &mut LaneQueue {
        &mut self.lanes[lane as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Serves `n` slots to lanes that never run dry.
    fn serve(waiting: &[Lane], n: usize) -> Vec<Lane> {
        let mut queue = Queue::default();
        let wake = Arc::new(Notify::new());
        let mut waiters: Vec<(Lane, u64)> = waiting.iter().map(|l| (*l, queue.join(*l, wake.clone()))).collect();
        let mut served = Vec::new();
        for _ in 0..n {
            let at = waiters.iter().position(|(_, id)| queue.is_next(*id)).expect("someone is next");
            let (lane, id) = waiters[at];
            queue.served(lane, id);
            served.push(lane);
            waiters[at] = (lane, queue.join(lane, wake.clone()));
        }
        served
    }

    fn count(served: &[Lane], lane: Lane) -> usize {
        served.iter().filter(|l| **l == lane).count()
    }

    #[test]
    fn the_first_lane_goes_first() {
        assert_eq!(serve(&[Lane::Backfill, Lane::Alerts], 3), [Lane::Alerts; 3]);
        assert_eq!(serve(&[Lane::Alerts, Lane::Token], 30), [Lane::Token; 30]);
    }

    #[test]
    fn no_lane_starves() {
        let served = serve(&[Lane::Alerts, Lane::Activity, Lane::Lookup, Lane::Backfill], 1700);
        assert!(count(&served, Lane::Activity) >= 300, "{}", count(&served, Lane::Activity));
        assert!(count(&served, Lane::Lookup) >= 170, "{}", count(&served, Lane::Lookup));
        assert!(count(&served, Lane::Backfill) >= 90, "{}", count(&served, Lane::Backfill));
        assert!(count(&served, Lane::Alerts) >= 1000, "{}", count(&served, Lane::Alerts));
    }

    #[test]
    fn who_gives_up_is_forgotten() {
        let mut queue = Queue::default();
        let wake = Arc::new(Notify::new());
        let first = queue.join(Lane::Alerts, wake.clone());
        let second = queue.join(Lane::Alerts, wake);
        queue.leave(Lane::Alerts, first);
        assert!(queue.is_next(second) && !queue.is_next(first));
        assert_eq!(queue.len(), 1);
    }
}
