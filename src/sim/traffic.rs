//! What the client has done: counts by endpoint and status, the busiest minute, the latest requests.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use crate::clock::Millis;

/// How many of the latest requests are kept.
const RECENT: usize = 500;

/// Everything that the client has asked.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Traffic {
    /// Requests by endpoint (its path with placeholders; `other` for unknown paths).
    pub paths: BTreeMap<&'static str, Counts>,
    /// All requests.
    pub requests: u64,
    /// Most requests in any rolling 60 s, those of others not included, blocked ones neither.
    pub max_in_window: usize,
    /// Requests refused with 429.
    pub too_many: u64,
    /// Requests refused because the address is blocked.
    pub blocked: u64,
    /// Logins that gave a token.
    pub logins: u64,
    /// Logins that were refused.
    pub refused_logins: u64,
    /// The latest requests, oldest first.
    pub recent: VecDeque<Seen>,
}

/// Requests for one endpoint.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// All of them.
    pub requests: u64,
    /// By status of the answer; 0 where the connection broke instead.
    pub statuses: BTreeMap<u16, u64>,
}

/// One request.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    /// When it came.
    pub at: Millis,
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub target: String,
    /// The status of the answer; 0 where the connection broke instead.
    pub status: u16,
}

impl Traffic {
    /// Notes a request for the endpoint `template` and how it was answered.
    pub(crate) fn note(&mut self, template: &'static str, seen: Seen) {
        self.requests += 1;
        let counts = self.paths.entry(template).or_default();
        counts.requests += 1;
        *counts.statuses.entry(seen.status).or_default() += 1;
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(seen);
    }
}
