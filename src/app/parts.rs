//! What the tasks of one process share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::journal::sqlite::Journal;
use crate::telemetry::Metrics;

/// Journal, time, counters, and which accounts may run.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The journal.
    pub journal: Journal,
    /// Wall time.
    pub clock: Clock,
    /// Counters.
    pub metrics: Metrics,
    /// Which accounts may run.
    pub accounts: Accounts,
}

/// The accounts that run. Two configured accounts that turn out to be one are both refused (contract.md section 4).
#[derive(Clone, Debug, Default)]
pub struct Accounts(Arc<Mutex<HashMap<String, CancellationToken>>>);

impl Accounts {
    /// The token that stops the account `name`: with everything else, or alone.
    pub fn token(&self, name: &str, stop: &CancellationToken) -> CancellationToken {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.entry(name.to_owned()).or_insert_with(|| stop.child_token()).clone()
    }

    /// Stops the account `name` for good.
    pub fn refuse(&self, name: &str) {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = tokens.get(name) {
            tracing::error!(
                account = name,
                "this account is the same as another one in the configuration: both are refused"
            );
            token.cancel();
        }
    }
}
