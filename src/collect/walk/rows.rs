//! The rows that a walk over a list has shown, as hashes: a few bytes each, whatever their ids look like.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use serde_json::value::RawValue;

use crate::datto::page::items;

/// Most rows of a list.
pub const MAX_ROWS: usize = 2_500_000;

/// RowSet that were shown. Two of them with one hash, which is not to be expected, would only make the second one count as known.
#[derive(Debug, Default)]
pub struct RowSet {
    seen: HashSet<u64>,
    hasher: RandomState,
}

impl RowSet {
    /// Adds the rows of a page; `field` identifies each. Returns how many of them were not shown before.
    pub fn add(&mut self, items: &[Box<RawValue>], field: &str) -> usize {
        let before = self.seen.len();
        for item in items {
            self.insert(items::identity(item, field));
        }
        self.seen.len().saturating_sub(before)
    }

    /// Adds a row by what identifies it; false if it was there already.
    pub fn insert(&mut self, identity: &str) -> bool {
        self.seen.insert(self.hash(identity))
    }

    /// Whether a row is among them.
    pub fn contains(&self, identity: &str) -> bool {
        self.seen.contains(&self.hash(identity))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// The hash of a text.
    pub(super) fn hash(&self, text: &str) -> u64 {
        self.hasher.hash_one(text)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.seen.len()
    }
}
