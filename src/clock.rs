//! Wall time. The only file that reads it, so that tests and simulations can own it.
//!
//! Durations and deadlines use `tokio::time::Instant`, which follows the paused clock of a simulation; a manual
//! [`Clock`] derives its wall time from the same instant, so that both always agree.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::clock::api::Apis;

pub mod api;

/// A point in time: milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

/// Where wall time comes from, and what is known of the APIs' clocks. Cheap to clone; clones share it.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    apis: Arc<Mutex<Apis>>,
}

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<Manual>),
}

#[derive(Debug)]
struct Manual {
    start: Millis,
    base: Instant,
    skew_ms: AtomicI64,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::of(Source::System)
    }

    /// A clock that shows `start` now and from then on follows tokio's (possibly paused) time.
    pub fn manual(start: Millis) -> Self {
        Self::of(Source::Manual(Arc::new(Manual { start, base: Instant::now(), skew_ms: AtomicI64::new(0) })))
    }

    fn of(source: Source) -> Self {
        Self { source, apis: Arc::default() }
    }

    /// Wall time now.
    pub fn now(&self) -> Millis {
        match &self.source {
            #[expect(clippy::disallowed_methods, reason = "this is the one place that reads wall time")]
            Source::System => Millis(jiff::Timestamp::now().as_millisecond()),
            Source::Manual(manual) => {
                let elapsed = i64::try_from(manual.base.elapsed().as_millis()).unwrap_or(i64::MAX);
                let skew = manual.skew_ms.load(Ordering::Relaxed);
                Millis(manual.start.0.saturating_add(elapsed).saturating_add(skew))
            }
        }
    }

    /// Makes a manual clock jump by `ms` (negative: back), as a stepped system clock would. No effect on the system clock.
    pub fn jump(&self, ms: i64) {
        if let Source::Manual(manual) = &self.source {
            manual.skew_ms.fetch_add(ms, Ordering::Relaxed);
        }
    }
}

impl Clock {
    fn apis(&self) -> MutexGuard<'_, Apis> {
        self.apis.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Millis {
    /// The milliseconds as a plain number.
    pub fn as_i64(self) -> i64 {
        self.0
    }

    /// This time moved later by `duration`; stays at the end of the range instead of overflowing.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This time moved earlier by `duration`; stays at the start of the range instead of overflowing.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 in UTC with whole seconds, the form that the API's `from` and `until` take (datto-rmm-api.md section 7).
    pub fn to_rfc3339_seconds(self) -> String {
        self.timestamp().map_or_else(|| self.0.to_string(), |t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    }

    fn timestamp(self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_millisecond(self.0).ok()
    }
}

/// RFC 3339 in UTC with milliseconds.
impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.timestamp() {
            Some(t) => write!(f, "{}", t.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")),
            None => write!(f, "{} ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn manual_clock_follows_paused_time_and_jumps() {
        let clock = Clock::manual(Millis(1_000_000));
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(clock.now(), Millis(1_060_000));
        clock.jump(-3_600_000);
        assert_eq!(clock.now(), Millis(-2_540_000));
    }

    #[test]
    fn times_print_in_utc() {
        assert_eq!(Millis(1_795_212_345_678).to_string(), "2026-11-20T22:05:45.678Z");
        assert_eq!(Millis(1_795_212_345_678).to_rfc3339_seconds(), "2026-11-20T22:05:45Z");
        assert_eq!(Millis(i64::MAX).to_rfc3339_seconds(), i64::MAX.to_string());
    }
}
