//! Whether the API can be reached: the first failed request of an outage is a warning with what to look at, and `status` shows the
//! last one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::{debug, info, warn};

use super::TransportError;
use super::error::ClientError;
use super::session::Session;
use crate::clock::Millis;
use crate::diagnostic::words;
use crate::net::host_and_port;

/// An outage that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When the first request failed.
    pub since: Millis,
    /// Why the last one failed, with host and port.
    pub error: String,
    /// When the call that failed is sent again; `None` if it was given up.
    pub next_try: Option<Millis>,
}

/// The outage of one account's API, if there is one.
#[derive(Debug, Default)]
pub(super) struct Reach(Mutex<Option<Outage>>);

impl Reach {
    /// The outage now.
    pub(super) fn outage(&self) -> Option<Outage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes in another failure; whether it is the first of its outage.
    fn failed(&self, outage: Outage) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = state.as_ref().map_or(outage.since, |earlier| earlier.since);
        state.replace(Outage { since, ..outage }).is_none()
    }

    /// Ends the outage; gives when it began, if there was one.
    fn ended(&self) -> Option<Millis> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().map(|outage| outage.since)
    }
}

impl Session {
    /// A request got no answer, or a login none that can be used. `wait`: when the call is sent again, `None` if the caller gives up and
    /// reports the error itself.
    pub(super) fn lost(&self, error: &str, hint: &str, wait: Option<Duration>) {
        let now = self.link.clock.now();
        let next_try = wait.map(|wait| now.plus(wait));
        let host = host_and_port(&self.link.api_url);
        let is_first = self.reach.failed(Outage { since: now, error: format!("{host}: {error}"), next_try });
        let Some(wait) = wait else { return };
        let (account, retry_in) = (&self.link.account, words::duration(wait));
        if is_first {
            warn!(account, host, error, retry_in, hint, "the API cannot be reached");
        } else {
            info!(account, host, error, retry_in, "the API still cannot be reached");
        }
    }

    /// A login or a call succeeded.
    pub(super) fn reached(&self) {
        let Some(since) = self.reach.ended() else { return };
        let lasted = words::duration(self.link.clock.now().since(since));
        let host = host_and_port(&self.link.api_url);
        info!(account = self.link.account, host, lasted, "the API can be reached again");
    }

    /// The error of a call that got no answer.
    pub(super) fn unreachable(&self, error: &TransportError, attempts: usize) -> ClientError {
        self.lost(&error.to_string(), error.hint(), None);
        debug!(account = self.link.account, attempts, "no answer");
        ClientError::Unreachable {
            host: host_and_port(&self.link.api_url),
            reason: error.to_string(),
            hint: error.hint(),
            attempts,
        }
    }
}
