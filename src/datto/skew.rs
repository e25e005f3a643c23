//! How far the API's clock and this machine's are apart, as the `Date` of its answers shows.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tracing::warn;

use crate::clock::Millis;

/// `Date` names whole seconds, cut off.
const RESOLUTION_MS: i64 = 999;
/// A larger difference is a wrong header, not a clock.
const MOST: Duration = Duration::from_hours(24);
/// A difference that an operator should mend.
const NOTABLE_MS: i64 = 60_000;

/// The difference between the two clocks, zero until an answer proves another.
#[derive(Debug, Default)]
pub(super) struct Skew {
    /// The API's clock less ours, in ms.
    ahead_ms: AtomicI64,
}

impl Skew {
    /// Takes in the `Date` of an answer to a request that was `sent` and `received` by our clock. Only what cannot be
    /// the way of the request or of the answer counts.
    pub(super) fn note(&self, account: &str, date: Option<&str>, sent: Millis, received: Millis) {
        let Some(date) = date.and_then(|text| jiff::fmt::rfc2822::parse(text).ok()) else { return };
        let (sent, received) = (sent.as_i64(), received.as_i64());
        let first = date.timestamp().as_millisecond();
        let last = first.saturating_add(RESOLUTION_MS);
        let ahead = if last < sent {
            last.saturating_sub(sent)
        } else if first > received {
            first.saturating_sub(received)
        } else {
            0
        };
        if u128::from(ahead.unsigned_abs()) > MOST.as_millis() {
            return;
        }
        let before = self.ahead_ms.swap(ahead, Ordering::Relaxed);
        if ahead.abs() >= NOTABLE_MS && before.abs() < NOTABLE_MS {
            warn!(
                account,
                api_clock_ahead_seconds = ahead / 1000,
                "this machine's clock and the API's differ: the API's counts for what is read; set this machine's by NTP"
            );
        }
    }

    /// The API's time when ours is `now`.
    pub(super) fn api_time(&self, now: Millis) -> Millis {
        Millis(now.as_i64().saturating_add(self.ahead_ms.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20T22:05:45Z, as in `DATE`.
    const AT: i64 = 1_795_212_345_000;
    const DATE: &str = "Fri, 20 Nov 2026 22:05:45 GMT";

    fn seen(date: &str, sent: i64, received: i64) -> i64 {
        let skew = Skew::default();
        skew.note("acme", Some(date), Millis(sent), Millis(received));
        skew.api_time(Millis(0)).as_i64()
    }

    #[test]
    fn a_slow_answer_and_the_cut_off_second_are_no_difference() {
        assert_eq!(seen(DATE, AT, AT + 40), 0);
        assert_eq!(seen(DATE, AT + 999, AT + 1_040), 0);
        assert_eq!(seen(DATE, AT - 30_000, AT + 10), 0);
    }

    #[test]
    fn what_no_way_explains_is_the_clock() {
        assert_eq!(seen(DATE, AT + 600_999, AT + 601_100), -600_000);
        assert_eq!(seen(DATE, AT - 600_100, AT - 600_000), 600_000);
    }

    #[test]
    fn nonsense_is_no_date() {
        assert_eq!(seen("Thu, 01 Jan 1970 00:00:00 GMT", AT, AT), 0);
        assert_eq!(seen("soon", AT, AT), 0);
    }
}
