//! The `Date` header of answers: right, wrong, missing or no date at all.

use serde::Deserialize;

use crate::clock::Millis;
use crate::sim::reply::http_date;

/// What the `Date` header of answers says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateHeader {
    /// The time of the world.
    #[default]
    Right,
    /// A time so many seconds ahead of it; negative: behind.
    AheadSeconds(i64),
    /// This text.
    Text(String),
    /// There is no such header.
    Missing,
}

impl DateHeader {
    /// The value of the header when the world's time is `now`.
    pub(crate) fn value(&self, now: Millis) -> Option<String> {
        match self {
            Self::Right => http_date(now),
            Self::AheadSeconds(seconds) => http_date(Millis(now.0.saturating_add(seconds.saturating_mul(1000)))),
            Self::Text(text) => Some(text.clone()),
            Self::Missing => None,
        }
    }
}
