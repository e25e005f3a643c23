//! Where the producer puts an event: its topic, and the partition that its key says (`murmur2_random`, as Kafka's Java client does).

use super::message::key;
use super::topic::topic_of;
use super::{Settings, TopicPart};
use crate::event::Event;

/// Where an event goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its topic.
    pub topic: String,
    /// What its key says.
    pub key: KeyHash,
}

/// The hash of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(u32);

impl Place {
    /// Where an event goes; `None`: it would be refused.
    pub fn of(event: &Event, settings: &Settings) -> Option<Self> {
        let topic = topic_of(&settings.topic, event).ok()?;
        Some(Self { topic, key: KeyHash::of(key(&event.pivots).as_bytes()) })
    }
}

impl KeyHash {
    /// The hash of this key.
    pub fn of(key: &[u8]) -> Self {
        Self(murmur2(key))
    }

    /// The partition that the key says, by number, in a topic of `count` partitions; `None` in a topic without any.
    pub fn partition(self, count: usize) -> Option<usize> {
        usize::try_from(self.0 & 0x7fff_ffff).ok()?.checked_rem(count)
    }
}

/// Whether the topic of an event depends on its organization.
pub fn is_by_org(settings: &Settings) -> bool {
    settings.topic.contains(&TopicPart::Org)
}

/// MurmurHash2 of 32 bits with the seed that Kafka took.
fn murmur2(bytes: &[u8]) -> u32 {
    const MIX: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    // Lengths over 32 bits do not occur: a message holds far less.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut hash = SEED ^ length;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(MIX);
        word = (word ^ (word >> 24)).wrapping_mul(MIX);
        hash = hash.wrapping_mul(MIX) ^ word;
    }
    if !rest.is_empty() {
        let rest = rest.iter().rev().fold(0, |rest, byte| (rest << 8) | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(MIX);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Apache Kafka's own test (`UtilsTest`).
    #[test]
    fn the_hash_is_that_of_kafkas_clients() {
        let vectors = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (key, hash) in vectors {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }

    #[test]
    fn a_key_says_one_of_the_partitions() {
        // 3_321_034_988 without its highest bit.
        let key = KeyHash::of(b"21");
        assert_eq!(key.partition(10), Some(0));
        assert_eq!(key.partition(7), Some(1_173_551_340 % 7));
        assert_eq!(key.partition(1), Some(0));
        assert_eq!(key.partition(0), None);
    }
}
