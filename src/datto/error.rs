//! Why a call gave nothing, by what the caller does next.

use std::time::Duration;

use crate::clock::Millis;
use crate::datto::memory::MemoryError;

use super::endpoint::EndpointError;

/// Why a call gave nothing. Whatever it is, no cursor may move.
///
/// [`ClientError::Rejected`] and [`ClientError::Blocked`] are states that many callers meet: the client has logged them once
/// when they began, so a caller only waits. The others are the caller's to log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The login was refused, or the credentials cannot be read: the account stops; ask again at `retry_at`, not earlier.
    #[error("{text}")]
    Rejected {
        /// Which account, what the platform said, and the usual causes.
        text: String,
        /// When another login may be tried.
        retry_at: Millis,
    },
    /// The platform blocks this machine's address: nothing is sent to it until then, and nothing is lost.
    #[error("{host} blocks this address; nothing is sent to it until {until}, and nothing is lost")]
    Blocked {
        /// Host of the API.
        host: String,
        /// When to ask again.
        until: Millis,
    },
    /// The API user lacks the right to this path; others go on. Ask again after an hour or so.
    #[error("the API user may not read `{path}`: {needs}")]
    Forbidden {
        /// The path.
        path: String,
        /// Which right it needs.
        needs: &'static str,
    },
    /// The API itself says that there is no such thing. A 404 of a wrong path or of a gateway is [`ClientError::Failed`].
    #[error("there is no `{path}`")]
    NotFound {
        /// The path.
        path: String,
    },
    /// The tries of this call are used up, or trying again cannot help: the pass fails, the next one starts anew.
    #[error("`{path}` failed (tries: {attempts}): {reason}")]
    Failed {
        /// The path.
        path: String,
        /// What went wrong at last, without secrets.
        reason: String,
        /// How many requests were made.
        attempts: usize,
    },
    /// No connection to the API, or no whole answer: the pass fails, the next one starts anew.
    #[error("cannot reach {host}: {reason} (tries: {attempts}); {hint}")]
    Unreachable {
        /// Host and port of the API.
        host: String,
        /// What failed: the name, the connection, TLS, the certificate, the time limit.
        reason: String,
        /// What to look at.
        hint: &'static str,
        /// How many requests were made.
        attempts: usize,
    },
    /// A list went on at a place that is not this list on this host: nothing was sent there.
    #[error("the list `{path}` goes on at `{target}`, which is not followed")]
    ForeignPage {
        /// The list.
        path: String,
        /// Where it pointed, without its query.
        target: String,
    },
    /// A list has no end: it shows the same rows again and again, or more than any list may have. The pass fails, the next one
    /// starts anew.
    #[error("the list `{path}` cannot be read to its end: {reason}")]
    Endless {
        /// The list.
        path: String,
        /// What was seen.
        reason: String,
    },
    /// The client was told to stop.
    #[error("stopping")]
    Stopped,
}

/// A right that is missing is asked for again after this.
const FORBIDDEN_RETRY: Duration = Duration::from_secs(3600);

impl ClientError {
    /// Whether every call of the account meets it, and not this call alone.
    pub fn is_of_account(&self) -> bool {
        match self {
            Self::Rejected { .. } | Self::Blocked { .. } | Self::Stopped => true,
            Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::Failed { .. }
            | Self::Unreachable { .. }
            | Self::ForeignPage { .. }
            | Self::Endless { .. } => false,
        }
    }

    /// How long after `now` the next try makes sense: `usual`, unless the error says otherwise.
    pub fn retry_after(&self, now: Millis, usual: Duration) -> Duration {
        match self {
            Self::Rejected { retry_at: until, .. } | Self::Blocked { until, .. } => {
                until.since(now).max(Duration::from_secs(1))
            }
            Self::Forbidden { .. } => FORBIDDEN_RETRY,
            Self::NotFound { .. }
            | Self::Failed { .. }
            | Self::Unreachable { .. }
            | Self::ForeignPage { .. }
            | Self::Endless { .. }
            | Self::Stopped => usual,
        }
    }
}

/// Why a client cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The address of the API is refused.
    #[error("the address of the API is refused")]
    Endpoint(#[from] EndpointError),
    /// What must not be forgotten over a restart cannot be read.
    #[error("pauses and send times of the last run cannot be read")]
    Memory(#[from] MemoryError),
}
