//! How long a deliverer waits before it tries a failing sink again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Shortest and longest wait.
const MIN_DELAY: Duration = Duration::from_millis(200);
const MAX_DELAY: Duration = Duration::from_secs(30);

/// Jittered exponential back-off without end; starts anew after a success.
#[derive(Debug)]
pub struct Retry(ExponentialBackoff);

impl Default for Retry {
    fn default() -> Self {
        Self(
            ExponentialBuilder::new()
                .with_min_delay(MIN_DELAY)
                .with_max_delay(MAX_DELAY)
                .with_jitter()
                .without_max_times()
                .build(),
        )
    }
}

impl Retry {
    /// The next wait.
    pub fn next_delay(&mut self) -> Duration {
        // The builder above never ends; the longest wait stands in if it did. Jitter may add up to the delay itself.
        self.0.next().unwrap_or(MAX_DELAY).min(MAX_DELAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_bounded() {
        let mut retry = Retry::default();
        let waits: Vec<_> = (0..40).map(|_| retry.next_delay()).collect();
        assert!(waits.iter().all(|wait| (MIN_DELAY..=MAX_DELAY).contains(wait)), "{waits:?}");
        assert!(waits[39] > Duration::from_secs(10));
    }
}
