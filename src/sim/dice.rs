//! Seeded draws: everything random about the world is a pure function of the seed, a topic and a number.
//!
//! No generator is carried from one event to the next, so the world does not depend on how often it is looked at.

use std::time::Duration;

use fastrand::Rng;
use uuid::Uuid;

/// What a draw is for. Draws of different topics never influence each other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Topic {
    Site,
    Device,
    DevicePosture,
    Alert,
    AlertStep,
    Muted,
    Shuffle,
    Activity,
    ActivityShape,
    Arrival,
    Update,
    Resolution,
    Row,
    Inventory,
    Fault,
    Token,
    ActivityList,
}

/// The seed of a world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dice {
    seed: u64,
}

impl Dice {
    /// Draws for the world of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// A generator for number `n` of `topic`: the same one on every call.
    pub(crate) fn roll(self, topic: Topic, n: u64) -> Rng {
        Rng::with_seed(self.hash(topic, n))
    }

    /// A stable 64-bit hash of number `n` of `topic`.
    pub(crate) fn hash(self, topic: Topic, n: u64) -> u64 {
        mix(mix(self.seed ^ mix(topic as u64 + 1)) ^ n)
    }

    /// The uid of number `n` of `topic`.
    pub(crate) fn uuid(self, topic: Topic, n: u64) -> Uuid {
        let bytes = (u128::from(self.hash(topic, n)) << 64) | u128::from(mix(self.hash(topic, n)));
        uuid::Builder::from_random_bytes(bytes.to_be_bytes()).into_uuid()
    }
}

/// The time to the next event of a process with `per_hour` events an hour on average; `None` if it never happens.
pub(crate) fn gap(rng: &mut Rng, per_hour: f64) -> Option<Duration> {
    if per_hour.is_nan() || per_hour <= 0.0 {
        return None;
    }
    let hours = -(1.0 - rng.f64()).ln() / per_hour;
    Some(Duration::from_millis((hours * 3_600_000.0).clamp(1.0, 1e15) as u64))
}

/// True with the probability `share` (0 to 1).
pub(crate) fn chance(rng: &mut Rng, share: f64) -> bool {
    rng.f64() < share
}

/// One of `texts`; empty if there are none.
pub(crate) fn pick(rng: &mut Rng, texts: &[&'static str]) -> &'static str {
    rng.choice(texts).copied().unwrap_or("")
}

/// One of `items` by their weights.
pub(crate) fn weighted<'a, T>(rng: &mut Rng, items: &'a [T], weight: fn(&T) -> u32) -> Option<&'a T> {
    let total: u32 = items.iter().map(weight).sum();
    if total == 0 {
        return None;
    }
    let mut left = rng.u32(0..total);
    items.iter().find(|item| {
        let own = weight(item);
        let hit = left < own;
        left = left.saturating_sub(own);
        hit
    })
}

/// The finalizer of SplitMix64: spreads neighbouring numbers over the whole range.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_repeat_and_topics_differ() {
        let dice = Dice::new(7);
        assert_eq!(dice.uuid(Topic::Alert, 3), Dice::new(7).uuid(Topic::Alert, 3));
        assert_ne!(dice.uuid(Topic::Alert, 3), dice.uuid(Topic::Device, 3));
        assert_ne!(dice.uuid(Topic::Alert, 3), Dice::new(8).uuid(Topic::Alert, 3));
    }

    #[test]
    fn gaps_have_the_asked_mean_and_a_rate_of_zero_never_fires() {
        let dice = Dice::new(1);
        let total: u64 =
            (0..20_000).filter_map(|n| gap(&mut dice.roll(Topic::Arrival, n), 60.0)).map(|d| d.as_secs()).sum();
        let mean = total / 20_000;
        assert!((57..=62).contains(&mean), "mean gap {mean} s");
        assert_eq!(gap(&mut dice.roll(Topic::Arrival, 0), 0.0), None);
        assert_eq!(gap(&mut dice.roll(Topic::Arrival, 0), f64::NAN), None);
    }

    #[test]
    fn weights_decide_how_often() {
        let mut rng = Dice::new(1).roll(Topic::Alert, 0);
        let hits = (0..1000).filter(|_| weighted(&mut rng, &[1_u32, 9], |w| *w) == Some(&9)).count();
        assert!((850..950).contains(&hits), "{hits}");
        assert_eq!(weighted(&mut rng, &[0_u32], |w| *w), None);
    }
}
