//! The log of calls over a rolling minute.
//!
//! A token bucket as large as the limit would admit twice the limit within one window. And since the server's clock
//! started later than ours, somewhere between sending and answer, a call holds its slot until 60 s after its *answer*.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Millis;

/// The API counts over this rolling window (datto-rmm-api.md section 4).
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// Calls that count against the quota now.
#[derive(Debug, Default)]
pub(super) struct Window {
    in_flight: BTreeMap<u64, Instant>,
    /// In the order of their answers.
    answered: Vec<Call>,
    next_id: u64,
}

/// Calls whose answer came at the same instant.
#[derive(Clone, Copy, Debug)]
struct Call {
    /// `None` for calls that this log learned of only by the API's count: nobody knows when that forgets them.
    sent: Option<Instant>,
    answered: Instant,
    count: u32,
}

impl Window {
    /// Notes that a call is sent now; the id is for [`Self::answered`].
    pub(super) fn send(&mut self, now: Instant) -> u64 {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        self.in_flight.insert(id, now);
        id
    }

    /// Notes that the call's answer came now, or that nobody waits for it any more; says when it was sent.
    pub(super) fn answered(&mut self, id: u64, now: Instant) -> Option<Instant> {
        let sent = self.in_flight.remove(&id)?;
        self.answered.push(Call { sent: Some(sent), answered: now, count: 1 });
        Some(sent)
    }

    /// Takes back a call that never left.
    pub(super) fn unsent(&mut self, id: u64) {
        self.in_flight.remove(&id);
    }

    /// Notes calls of ours that this log does not know, as if they were answered now.
    pub(super) fn add_unknown(&mut self, count: u32, now: Instant) {
        if count > 0 {
            self.answered.push(Call { sent: None, answered: now, count });
        }
    }

    /// Slots held now.
    pub(super) fn used(&mut self, now: Instant) -> u32 {
        self.answered.retain(|call| frees_at(call) > now);
        let in_flight = u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX);
        self.answered.iter().fold(in_flight, |sum, call| sum.saturating_add(call.count))
    }

    /// When fewer than `ceiling` slots will be held, if only the passing of time decides; `None` if an answer must come
    /// first. Calls [`Self::used`] must have been asked at the same instant.
    pub(super) fn free_at(&self, ceiling: u32) -> Option<Instant> {
        let mut held = u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX);
        if held >= ceiling {
            return None;
        }
        for call in self.answered.iter().rev() {
            held = held.saturating_add(call.count);
            if held >= ceiling {
                return Some(frees_at(call));
            }
        }
        None
    }

    /// How many calls the server surely counted in a window that ended between `from` and `until`: sent late enough and
    /// answered early enough.
    pub(super) fn surely_counted(&self, from: Instant, until: Instant) -> u32 {
        let oldest = until.checked_sub(WINDOW);
        let is_late_enough = |call: &Call| call.sent.is_some_and(|sent| oldest.is_none_or(|oldest| sent > oldest));
        let counted = self.answered.iter().filter(|call| is_late_enough(call) && call.answered < from);
        counted.fold(0_u32, |sum, call| sum.saturating_add(call.count))
    }

    /// The log as `(second, calls)` in wall time, each call at the end of its second; in-flight calls count as answered now.
    pub(super) fn snapshot(&self, now: Instant, wall: Millis) -> Vec<(i64, u32)> {
        let mut by_second: BTreeMap<i64, u32> = BTreeMap::new();
        let live = self.answered.iter().filter(|call| frees_at(call) > now);
        let in_flight = self.in_flight.values().map(|_| (now, 1));
        for (answered, count) in live.map(|call| (call.answered, call.count)).chain(in_flight) {
            let at = wall.minus(now.saturating_duration_since(answered));
            let calls = by_second.entry(at.0.div_euclid(1000).saturating_add(1)).or_default();
            *calls = calls.saturating_add(count);
        }
        by_second.into_iter().collect()
    }

    /// Takes in what [`Self::snapshot`] gave before a restart. A time in the future (the clock was set back meanwhile)
    /// counts as now.
    pub(super) fn restore(&mut self, log: &[(i64, u32)], now: Instant, wall: Millis) {
        for (second, count) in log {
            let age = wall.since(Millis(second.saturating_mul(1000)));
            // The process may be younger than the call: an instant before its start may not exist.
            let Some(answered) = now.checked_sub(age) else { continue };
            if age < WINDOW {
                self.answered.push(Call { sent: Some(answered), answered, count: *count });
            }
        }
        self.answered.sort_by_key(|call| call.answered);
    }
}

fn frees_at(call: &Call) -> Instant {
    call.answered + WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_frees_a_minute_after_the_answer() {
        let start = Instant::now();
        let mut window = Window::default();
        let id = window.send(start);
        assert_eq!((window.used(start + seconds(300)), window.free_at(1)), (1, None), "in flight");
        assert_eq!(window.answered(id, start + seconds(30)), Some(start));
        assert_eq!(window.used(start + seconds(89)), 1);
        assert_eq!(window.free_at(1), Some(start + seconds(90)));
        assert_eq!(window.used(start + seconds(90)), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn free_at_names_the_call_whose_end_makes_room() {
        let start = Instant::now();
        let mut window = Window::default();
        for n in 0..5 {
            let id = window.send(start);
            window.answered(id, start + seconds(n));
        }
        assert_eq!(window.free_at(5), Some(start + seconds(60)));
        assert_eq!(window.free_at(3), Some(start + seconds(62)));
        assert_eq!(window.free_at(6), None, "there is room");
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_the_server_surely_counted_is_ours() {
        let start = Instant::now();
        let mut window = Window::default();
        for (sent, answered) in [(0, 1), (5, 20), (30, 31), (64, 66)] {
            let id = window.send(start + seconds(sent));
            window.answered(id, start + seconds(answered));
        }
        // Asked at 65 s, answered at 66 s: the call of second 5 may have reached the server too early, the last too late.
        assert_eq!(window.surely_counted(start + seconds(65), start + seconds(66)), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_restart_keeps_the_log_and_a_clock_set_back_opens_nothing() {
        tokio::time::advance(seconds(1000)).await;
        let now = Instant::now();
        let mut before = Window::default();
        for ago in [70, 59, 30, 1] {
            let id = before.send(now - seconds(ago));
            before.answered(id, now - seconds(ago));
        }
        before.send(now);
        let log = before.snapshot(now, Millis(1_795_212_345_000));
        assert_eq!(log.iter().map(|(_, count)| count).sum::<u32>(), 4);

        let restored = |wall: i64| {
            let mut after = Window::default();
            after.restore(&log, now, Millis(wall));
            (after.used(now), after.used(now + seconds(61)))
        };
        assert_eq!(restored(1_795_212_345_000), (4, 0));
        assert_eq!(restored(1_795_212_345_000 + 45_000), (2, 0));
        assert_eq!(restored(1_795_212_345_000 - 86_400_000), (4, 0), "set back by a day");
    }
}
