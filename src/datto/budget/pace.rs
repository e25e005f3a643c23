//! Spreads calls below the ceiling, so that one pass does not burn the whole window in a burst.
//!
//! governor's own waiting sleeps on a timer that does not follow tokio's paused time: so only its `check` is used, with a
//! clock of tokio's time, and the budget does the waiting.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

/// A new pace is set when the ceiling moved by more than this part of it.
const TOLERANCE: u32 = 10;

/// Half of the ceiling may go in a burst; the rest follows at the ceiling's rate. A pass of 120 pages under the usual
/// ceiling of 480 is not slowed at all.
pub(super) struct Pace {
    limiter: Limiter,
    ceiling: u32,
    clock: PaceClock,
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, PaceClock, NoOpMiddleware<Duration>>;

/// tokio's time since the pace was made.
#[derive(Clone, Copy, Debug)]
struct PaceClock(Instant);

impl Clock for PaceClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Pace {
    /// A pace that starts with a full burst.
    pub(super) fn new(ceiling: u32, now: Instant) -> Self {
        let clock = PaceClock(now);
        Self { limiter: limiter(ceiling, clock), ceiling, clock }
    }

    /// Follows the ceiling. `used` calls of the last minute are taken off the new burst, so that a change of the ceiling
    /// is not a burst for free.
    pub(super) fn follow(&mut self, ceiling: u32, used: u32) {
        let drift = ceiling.abs_diff(self.ceiling);
        if drift <= self.ceiling.checked_div(TOLERANCE).unwrap_or(0) {
            return;
        }
        self.limiter = limiter(ceiling, self.clock);
        self.ceiling = ceiling;
        self.drain(used);
    }

    /// Takes off up to a whole burst: after a 429 there is none.
    pub(super) fn drain(&self, calls: u32) {
        let Some(calls) = NonZeroU32::new(calls.min(burst(self.ceiling).get())) else { return };
        // Too few left for all of them: then all of those that are left, which is the most a burst can lose.
        let mut step = calls.get();
        let mut left = calls.get();
        while let Some(try_now) = NonZeroU32::new(step.min(left)) {
            if matches!(self.limiter.check_n(try_now), Ok(Ok(()))) {
                left = left.saturating_sub(try_now.get());
            } else {
                step = step.checked_div(2).unwrap_or(0);
            }
        }
    }

    /// Lets one call go now, or says how long to wait.
    pub(super) fn check(&self) -> Result<(), Duration> {
        self.limiter.check().map_err(|not_yet| not_yet.wait_time_from(self.clock.now()))
    }
}

impl std::fmt::Debug for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pace").field("ceiling", &self.ceiling).finish_non_exhaustive()
    }
}

fn limiter(ceiling: u32, clock: PaceClock) -> Limiter {
    let per_minute = NonZeroU32::new(ceiling).unwrap_or(NonZeroU32::MIN);
    RateLimiter::direct_with_clock(Quota::per_minute(per_minute).allow_burst(burst(ceiling)), clock)
}

fn burst(ceiling: u32) -> NonZeroU32 {
    NonZeroU32::new(ceiling.checked_div(2).unwrap_or(0)).unwrap_or(NonZeroU32::MIN)
}

/// Proof that governor takes a `Duration` as its instant; the alias above relies on it.
const _: fn() = || {
    fn is_reference<T: Reference>() {}
    is_reference::<Duration>();
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls that go at once.
    fn at_once(pace: &Pace) -> u32 {
        let mut calls = 0;
        while pace.check().is_ok() {
            calls += 1;
        }
        calls
    }

    #[tokio::test(start_paused = true)]
    async fn half_goes_at_once_the_rest_at_the_ceilings_rate() {
        let pace = Pace::new(480, Instant::now());
        assert_eq!(at_once(&pace), 240);
        let wait = pace.check().expect_err("the burst is used");
        assert!(wait <= Duration::from_millis(125), "{wait:?}");
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(at_once(&pace), 80);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_of_the_ceiling_is_not_a_burst_for_free() {
        let mut pace = Pace::new(480, Instant::now());
        assert_eq!(at_once(&pace), 240);
        pace.follow(470, 240);
        assert_eq!(at_once(&pace), 0, "a small change keeps the pace");
        pace.follow(300, 240);
        assert_eq!(at_once(&pace), 0);
        pace.follow(480, 40);
        assert_eq!(at_once(&pace), 200);
    }

    #[tokio::test(start_paused = true)]
    async fn draining_takes_what_is_left() {
        let pace = Pace::new(20, Instant::now());
        assert!(pace.check().is_ok());
        pace.drain(u32::MAX);
        assert_eq!(at_once(&pace), 0);
    }
}
