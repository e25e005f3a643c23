//! How long to wait: between the tries of one call, and when the API says so.

use std::iter::Take;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::clock::Millis;

/// Most tries of one call, the first included.
pub(super) const MAX_ATTEMPTS: usize = 5;
/// Shortest and usual pause after a 429 (the API counts over 60 s).
pub(super) const USUAL_PAUSE: Duration = Duration::from_secs(60);
/// Longest pause that a `Retry-After` is believed.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_mins(15);
/// Shortest pause after a 429 that names one.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// How often one call is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patience {
    /// Five times, over a minute or so: for a collector.
    #[default]
    Usual,
    /// Once until the API has answered a call, then as usual: somebody waits, but a list that is half read is not lost to one bad answer.
    OnceAtFirst,
    /// Once: for a check.
    Once,
}

/// The waits between the tries of one call: 1, 3, 9 and 27 s, each lengthened by up to itself at random, so that neither
/// many accounts nor many instances come back at once.
pub(super) fn waits(patience: Patience) -> Take<ExponentialBackoff> {
    let most = if patience == Patience::Usual { MAX_ATTEMPTS } else { 0 };
    let waits = ExponentialBuilder::new()
        .with_factor(3.0)
        .with_min_delay(Duration::from_secs(1))
        .with_max_delay(Duration::from_secs(30))
        .with_max_times(MAX_ATTEMPTS.saturating_sub(1))
        .with_jitter()
        .build();
    waits.take(most)
}

/// How long a 429 asks to wait: seconds or an HTTP date, at most 15 minutes; 60 s for none, and for one that is in the
/// past or makes no sense.
pub(super) fn pause_of(retry_after: Option<&str>, now: Millis) -> Duration {
    let Some(text) = retry_after.map(str::trim) else { return USUAL_PAUSE };
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // Digits that no `u64` holds are just a very long time.
        let wanted = Duration::from_secs(text.parse().unwrap_or(u64::MAX));
        return wanted.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    }
    let Ok(date) = jiff::fmt::rfc2822::parse(text) else { return USUAL_PAUSE };
    let at = Millis(date.timestamp().as_millisecond());
    if at <= now {
        return USUAL_PAUSE;
    }
    at.since(now).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20T22:05:45Z.
    const NOW: Millis = Millis(1_795_212_345_000);

    fn pause(text: &str) -> u64 {
        pause_of(Some(text), NOW).as_secs()
    }

    #[test]
    fn both_forms_of_retry_after_are_honoured_within_bounds() {
        assert_eq!(pause("7"), 7);
        assert_eq!(pause(" 120 "), 120);
        assert_eq!(pause("0"), 1);
        assert_eq!(pause("86400"), 900);
        assert_eq!(pause("99999999999999999999999"), 900);
        assert_eq!(pause("Fri, 20 Nov 2026 22:06:15 GMT"), 30);
        assert_eq!(pause("Sat, 21 Nov 2026 22:06:15 GMT"), 900);
    }

    #[test]
    fn nonsense_means_a_minute() {
        for text in ["-5", "", "soon", "1.5", "NaN", "Fri, 20 Nov 2026 22:05:00 GMT", "\u{ff11}"] {
            assert_eq!(pause(text), 60, "{text:?}");
        }
        assert_eq!(pause_of(None, NOW), USUAL_PAUSE);
    }

    #[test]
    fn waits_grow_and_end() {
        let all: Vec<Duration> = waits(Patience::Usual).collect();
        assert_eq!(all.len(), MAX_ATTEMPTS - 1);
        for (wait, low) in all.iter().zip([1, 3, 9, 27]) {
            let low = Duration::from_secs(low);
            assert!(*wait >= low && *wait <= low * 2 + Duration::from_millis(1), "{wait:?}");
        }
        assert_eq!(waits(Patience::Once).count(), 0);
    }
}
