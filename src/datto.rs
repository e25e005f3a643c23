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
pub mod reach;
mod redact;
pub mod retry;
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

use crate::diagnostic::words;
use crate::net::proxy::Proxy;
use crate::secret::Secret;

/// What carries requests: HTTP in production, the simulated Datto RMM in `demo` and in simulations.
pub trait Transport: Send + Sync + 'static {
    /// Sends one request and reads the whole answer within its limits. Never follows redirects, never retries.
    fn send(&self, request: Request) -> Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + '_>>;

    /// The proxy that requests go through; `None`: they go to the host itself.
    fn proxy(&self) -> Option<&Proxy> {
        None
    }
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
    /// There is no connection.
    #[error("{failure}: {words}")]
    Connect {
        /// Which step failed.
        failure: ConnectFailure,
        /// How, without secrets.
        words: String,
    },
    /// The time limit passed.
    #[error("no complete answer within {}", words::duration(*.0))]
    Timeout(Duration),
    /// The connection broke or the body was cut short or could not be decoded.
    #[error("the answer broke off: {0}")]
    Broken(String),
    /// The body is larger than the limit (also after decompression).
    #[error("the answer is larger than {0} bytes")]
    TooLarge(u64),
}

/// Which step towards a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// The name has no address.
    Name,
    /// Nobody accepts the connection.
    Connection,
    /// The TLS handshake.
    Tls,
    /// The certificate is not trusted; trying again changes nothing.
    Certificate,
    /// The proxy cannot be reached, or lets nothing through.
    Proxy,
}

impl std::fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Name => "name resolution failed",
            Self::Connection => "no connection",
            Self::Tls => "the TLS handshake failed",
            Self::Certificate => "the certificate is not trusted",
            Self::Proxy => "the proxy gives no connection",
        })
    }
}

impl TransportError {
    /// What an operator should look at.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Connect { failure: ConnectFailure::Name, .. } => {
                "check the spelling of platform or api_url, and this machine's DNS"
            }
            Self::Connect { failure: ConnectFailure::Connection, .. } | Self::Timeout(_) => {
                "check api_url, the network and firewalls; where only a proxy leads out, set `proxy` or HTTPS_PROXY"
            }
            Self::Connect { failure: ConnectFailure::Tls, .. } => {
                "check that TLS (https) is spoken at this host and port"
            }
            Self::Connect { failure: ConnectFailure::Certificate, .. } => {
                "for a gateway or proxy that opens TLS, name its CA with `ca_file`; check the machine's clock too"
            }
            Self::Connect { failure: ConnectFailure::Proxy, .. } => {
                "check the proxy's address and login, and that it lets connections to this host and port through; `proxy = \"off\"` goes without"
            }
            Self::Broken(_) => "check gateways and firewalls between this machine and the API",
            Self::TooLarge(_) => "`limits.max_body` sets how much is taken",
        }
    }

    /// Whether the same request may get an answer a little later.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { failure: ConnectFailure::Certificate, .. } | Self::TooLarge(_) => false,
            Self::Connect { .. } | Self::Timeout(_) | Self::Broken(_) => true,
        }
    }
}
