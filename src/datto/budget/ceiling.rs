//! How many calls a minute are ours: a share of the limit, less what others use.

use std::time::Duration;

use tokio::time::Instant;

/// Reads per minute until the API told its limit (datto-rmm-api.md section 4).
const USUAL_LIMIT: u32 = 600;
/// All users of the account together stay below this share: the API slows every answer down from 0.9 on.
const COMMON_SHARE: f64 = 0.85;
/// The share used when a setting makes no sense.
const USUAL_SHARE: f64 = 0.8;
/// Calls a minute that are always ours: enough to see that others use less again.
const LEAST: u32 = 10;
/// How long a 429 lowers the ceiling.
const PENALTY_LASTS: Duration = Duration::from_mins(10);
/// Most halvings by repeated 429s.
const MOST_PENALTIES: u32 = 6;

/// The ceiling and what it is made of.
#[derive(Clone, Debug)]
pub(super) struct Ceiling {
    share: f64,
    limit: u32,
    foreign: Option<u32>,
    penalties: u32,
    penalty_ends: Option<Instant>,
}

impl Ceiling {
    /// A ceiling for a share of the account's limit.
    pub(super) fn new(share: f64) -> Self {
        let share = if share.is_finite() && share > 0.0 { share.min(1.0) } else { USUAL_SHARE };
        Self { share, limit: USUAL_LIMIT, foreign: None, penalties: 0, penalty_ends: None }
    }

    /// What the API told.
    pub(super) fn calibrate(&mut self, limit: Option<u32>, foreign: u32) {
        self.limit = limit.unwrap_or(self.limit);
        self.foreign = Some(foreign);
    }

    /// A 429 came: half as much for a while, and half of that if it is not the first.
    pub(super) fn penalize(&mut self, now: Instant) {
        self.expire(now);
        self.penalties = self.penalties.saturating_add(1).min(MOST_PENALTIES);
        self.penalty_ends = Some(now + PENALTY_LASTS);
    }

    /// Calls in any rolling minute that are ours, at least 10.
    pub(super) fn per_minute(&mut self, now: Instant) -> u32 {
        self.expire(now);
        let limit = f64::from(self.limit);
        let ours = self.share * limit;
        let left = COMMON_SHARE * limit - f64::from(self.foreign.unwrap_or(0));
        // Until the API was asked once, nobody knows what others use.
        let unknown = if self.foreign.is_none() { 0.5 } else { 1.0 };
        let ceiling = ours.min(left) * unknown / f64::from(2_u32.pow(self.penalties));
        floor_to_u32(ceiling).max(LEAST)
    }

    /// The account's limit, as far as known.
    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    /// What others use, as far as known.
    pub(super) fn foreign(&self) -> Option<u32> {
        self.foreign
    }

    /// Whether a 429 lowers the ceiling now.
    pub(super) fn is_lowered(&self) -> bool {
        self.penalties > 0
    }

    fn expire(&mut self, now: Instant) {
        if self.penalty_ends.is_some_and(|end| end <= now) {
            self.penalties = 0;
            self.penalty_ends = None;
        }
    }
}

/// The whole part; 0 for what is negative or not a number.
fn floor_to_u32(value: f64) -> u32 {
    // A cast of a float saturates and maps NaN to 0, which is just what is wanted.
    value as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibrated(share: f64, limit: u32, foreign: u32) -> u32 {
        let mut ceiling = Ceiling::new(share);
        ceiling.calibrate(Some(limit), foreign);
        ceiling.per_minute(Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn takes_its_share_and_yields_what_others_use() {
        assert_eq!(calibrated(0.8, 600, 0), 480);
        assert_eq!(calibrated(0.8, 600, 30), 480);
        assert_eq!(calibrated(0.8, 600, 200), 310);
        assert_eq!(calibrated(0.8, 600, 505), 10);
        assert_eq!(calibrated(0.8, 600, u32::MAX), 10);
        assert_eq!(calibrated(0.1, 600, 0), 60);
        assert_eq!(calibrated(f64::NAN, 600, 0), 480);
        assert_eq!(calibrated(5.0, 600, 0), 510);
        assert_eq!(calibrated(0.8, 1, 0), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn an_uncalibrated_start_takes_half() {
        assert_eq!(Ceiling::new(0.8).per_minute(Instant::now()), 240);
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_halves_for_a_while() {
        let now = Instant::now();
        let mut ceiling = Ceiling::new(0.8);
        ceiling.calibrate(None, 0);
        ceiling.penalize(now);
        assert_eq!(ceiling.per_minute(now), 240);
        ceiling.penalize(now);
        assert_eq!(ceiling.per_minute(now), 120);
        for _ in 0..100 {
            ceiling.penalize(now);
        }
        assert_eq!(ceiling.per_minute(now), 10);
        assert_eq!(ceiling.per_minute(now + PENALTY_LASTS), 480);
    }
}
