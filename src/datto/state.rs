//! What `status` and the metrics show of a client.

use std::sync::atomic::{AtomicU64, Ordering};

use super::reach::Outage;
use crate::clock::Millis;

/// A client at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientState {
    /// Whether it is logged in.
    pub login: Login,
    /// Until when the platform's block pauses everything.
    pub blocked_until: Option<Millis>,
    /// Why the API cannot be reached, if it cannot.
    pub outage: Option<Outage>,
    /// Its budget.
    pub rate: Rate,
    /// What happened since the start.
    pub counts: Counts,
}

/// Whether a client is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// Not yet, or not any more; the next call logs in.
    None,
    /// With a token that is good until then.
    Until(Millis),
    /// The login was refused; the next one not before then.
    Refused {
        /// What to tell the operator.
        text: String,
        /// When another login may be tried.
        retry_at: Millis,
    },
}

/// A budget at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Calls in any rolling minute that are ours now.
    pub ceiling: u32,
    /// Slots held now: calls under way, and those answered within the last minute.
    pub used: u32,
    /// Calls of others in a minute when the API was last asked; `None` before.
    pub foreign: Option<u32>,
    /// The account's limit per minute.
    pub limit: u32,
    /// Until when a 429 pauses the account.
    pub paused_until: Option<Millis>,
    /// Whether a recent 429 lowers the ceiling.
    pub lowered: bool,
    /// Calls that wait for a slot.
    pub waiting: usize,
}

/// What happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests sent, of every kind.
    pub requests: u64,
    /// Logins that gave a token.
    pub logins: u64,
    /// Tries of a call after its first.
    pub retries: u64,
    /// Answers 429.
    pub throttled: u64,
    /// Bodies that were not UTF-8 and were read with U+FFFD in the bad places.
    pub lossy_bodies: u64,
}

/// The living [`Counts`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) requests: AtomicU64,
    pub(super) logins: AtomicU64,
    pub(super) retries: AtomicU64,
    pub(super) throttled: AtomicU64,
    pub(super) lossy_bodies: AtomicU64,
}

impl Counters {
    /// One more; returns how many there were before.
    pub(super) fn add(counter: &AtomicU64) -> u64 {
        counter.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn read(&self) -> Counts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            requests: of(&self.requests),
            logins: of(&self.logins),
            retries: of(&self.retries),
            throttled: of(&self.throttled),
            lossy_bodies: of(&self.lossy_bodies),
        }
    }
}
