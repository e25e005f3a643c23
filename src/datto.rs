//! The client of the Datto RMM API: a good guest on a shared quota (architecture.md section 6).
//!
//! [`client::Client`] is the door: one per account, cheap to clone. It logs in, keeps within the budget, waits out a 429,
//! retries what may pass, and stops at what may not. [`page`] walks lists, [`model`] decodes their items.

mod answer;
mod auth;
pub mod breaker;
mod budget;
pub mod client;
mod count;
pub mod credential;
pub mod endpoint;
pub mod error;
mod exchange;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod lane;
mod login;
pub mod memory;
pub mod model;
pub mod page;
mod redact;
mod retry;
mod saver;
mod session;
pub mod skew;
pub mod state;
#[cfg(test)]
mod testing;
pub mod transport;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use url::Url;

use crate::secret::Secret;

/// What carries requests: HTTP in production, the simulated Datto RMM in `demo` and in simulations.
pub trait Transport: Send + Sync + 'static {
    /// Sends one request and reads the whole answer within its limits. Never follows redirects, never retries.
    fn send(&self, request: Request) -> Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + '_>>;
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where to, absolute.
    pub url: Url,
    /// How it proves who asks; decides the method too.
    pub auth: Auth,
    /// Largest body that is taken, also after decompression.
    pub max_body: u64,
    /// Bound on the whole exchange.
    pub timeout: Duration,
}

/// Authorization of a request.
#[derive(Clone, Debug)]
pub enum Auth {
    /// `GET` without authorization (`/v2/system/status`).
    None,
    /// `GET` with the bearer token.
    Bearer(Secret),
    /// `POST` of the password grant to the token endpoint, with the public client's Basic header (datto-rmm-api.md section 2).
    Password {
        /// API key.
        username: Secret,
        /// API secret key.
        password: Secret,
    },
}

/// One answer, read whole.
#[derive(Clone, Debug)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`, if there was one.
    pub content_type: Option<String>,
    /// `Retry-After`, if there was one.
    pub retry_after: Option<String>,
    /// `Date`, if there was one.
    pub date: Option<String>,
    /// The body after decompression.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Connecting failed (name, refused, TLS), in words without secrets.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The time limit passed.
    #[error("no complete answer within {0:?}")]
    Timeout(Duration),
    /// The connection broke or the body was cut short or could not be decoded.
    #[error("the answer broke off: {0}")]
    Broken(String),
    /// The body is larger than the limit (also after decompression).
    #[error("the answer is larger than {0} bytes")]
    TooLarge(u64),
}
