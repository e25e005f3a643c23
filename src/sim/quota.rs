//! The account's request quota: a rolling minute, a brake near the limit, 429 above it, a block for those who go on
//! (datto-rmm-api.md section 4).

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Millis;
use crate::sim::world::Options;

/// The window that the limit speaks of.
const WINDOW: Duration = Duration::from_secs(60);

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is answered.
    Admitted,
    /// It is answered a second later.
    Braked,
    /// 429; the window has room again after this time.
    TooMany(Duration),
    /// 403 by the firewall in front.
    Blocked,
}

/// Who asked when.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    counted: VecDeque<Millis>,
    refused: VecDeque<Millis>,
    blocked_until: Option<Millis>,
    largest: usize,
}

impl Quota {
    /// Counts a request that arrives at `now` and decides about it. Refused requests count as well; blocked ones do not,
    /// since they never reach the service.
    pub(crate) fn judge(&mut self, now: Millis, options: &Options) -> Verdict {
        if self.blocked_until.is_some_and(|until| now < until) {
            return Verdict::Blocked;
        }
        self.forget(now);
        self.counted.push_back(now);
        self.largest = self.largest.max(self.counted.len());
        let limit = options.request_limit as usize;
        let used = self.counted.len().saturating_add(options.foreign_rate_per_minute as usize);
        if used > limit {
            self.refused.push_back(now);
            if self.refused.len() > options.block_after as usize {
                self.block(now, options);
            }
            return Verdict::TooMany(self.wait(now, used - limit));
        }
        // Nine tenths, without a fraction.
        if used.saturating_mul(10) >= limit.saturating_mul(9) { Verdict::Braked } else { Verdict::Admitted }
    }

    /// Blocks the address from `now` on.
    pub(crate) fn block(&mut self, now: Millis, options: &Options) {
        self.blocked_until = Some(now.plus(Duration::from_secs(u64::from(options.block_seconds))));
    }

    /// Requests in the window that ends at `now`, others' included.
    pub(crate) fn used(&mut self, now: Millis, options: &Options) -> usize {
        self.forget(now);
        self.counted.len().saturating_add(options.foreign_rate_per_minute as usize)
    }

    /// Most requests that ever were in one window, others' not included.
    pub(crate) fn largest(&self) -> usize {
        self.largest
    }

    fn forget(&mut self, now: Millis) {
        let expired = |at: &Millis| now.since(*at) >= WINDOW;
        while self.counted.front().is_some_and(expired) {
            self.counted.pop_front();
        }
        while self.refused.front().is_some_and(expired) {
            self.refused.pop_front();
        }
    }

    /// Until the oldest `over` requests have left the window; a whole window if others alone fill it.
    fn wait(&self, now: Millis, over: usize) -> Duration {
        self.counted.get(over.saturating_sub(1)).map_or(WINDOW, |at| at.plus(WINDOW).since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options { request_limit: 10, block_after: 3, ..Options::quiet() }
    }

    fn burst(quota: &mut Quota, at: i64, count: usize) -> Vec<Verdict> {
        (0..count).map(|_| quota.judge(Millis(at), &options())).collect()
    }

    #[test]
    fn brakes_at_nine_tenths_and_refuses_above_the_limit() {
        let verdicts = burst(&mut Quota::default(), 0, 11);
        assert!(verdicts[..8].iter().all(|v| *v == Verdict::Admitted));
        assert_eq!(verdicts[8..10], [Verdict::Braked, Verdict::Braked]);
        assert_eq!(verdicts[10], Verdict::TooMany(Duration::from_secs(60)));
    }

    #[test]
    fn a_request_leaves_the_window_after_a_minute() {
        let mut quota = Quota::default();
        burst(&mut quota, 0, 10);
        assert_eq!(quota.judge(Millis(59_999), &options()), Verdict::TooMany(Duration::from_millis(1)));
        assert_eq!(quota.judge(Millis(60_000), &options()), Verdict::Admitted);
        assert_eq!(quota.largest(), 11);
    }

    #[test]
    fn going_on_is_blocked_for_five_minutes_and_then_forgiven() {
        let mut quota = Quota::default();
        let verdicts = burst(&mut quota, 0, 15);
        assert!(matches!(verdicts[13], Verdict::TooMany(_)));
        assert_eq!(verdicts[14], Verdict::Blocked);
        assert_eq!(quota.judge(Millis(299_999), &options()), Verdict::Blocked);
        assert_eq!(quota.judge(Millis(300_000), &options()), Verdict::Admitted);
    }

    #[test]
    fn others_use_the_same_quota() {
        let options = Options { foreign_rate_per_minute: 8, ..options() };
        let mut quota = Quota::default();
        assert_eq!(quota.judge(Millis(0), &options), Verdict::Braked);
        assert_eq!(quota.judge(Millis(0), &options), Verdict::Braked);
        assert!(matches!(quota.judge(Millis(0), &options), Verdict::TooMany(_)));
        assert_eq!(quota.used(Millis(0), &options), 11);
    }

    /// For any arrivals, no rolling minute holds more admitted requests than the limit.
    #[test]
    fn no_window_admits_more_than_the_limit() {
        let mut rng = fastrand::Rng::with_seed(3);
        let options = Options { block_after: u32::MAX, ..options() };
        let (mut quota, mut now, mut admitted) = (Quota::default(), 0, Vec::new());
        for _ in 0..5_000 {
            now += rng.i64(0..9_000);
            if matches!(quota.judge(Millis(now), &options), Verdict::Admitted | Verdict::Braked) {
                admitted.push(now);
            }
        }
        for (n, start) in admitted.iter().enumerate() {
            let within = admitted[n..].iter().take_while(|at| **at - start < 60_000).count();
            assert!(within <= 10, "{within} admitted from {start}");
        }
        assert!(admitted.len() > 100);
    }
}
