//! Requests over HTTP: the only place of the client that opens connections.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::redirect::Policy;

use self::gunzip::gunzip;
use super::{Auth, ConnectFailure, Request, Response, Transport, TransportError};
use crate::diagnostic::{causes, words};
use crate::net::proxy::Proxy;
use crate::net::{Egress, EgressError, is_loopback};

mod gunzip;
#[cfg(test)]
mod tests;

/// Limit on connecting, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Limit on silence while an answer comes.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Most that is read of the body of an answer that is no success: it is only for a message.
const ERROR_BODY_BYTES: u64 = 64 * 1024;
/// Longest header value that is kept.
const MAX_HEADER_BYTES: usize = 200;
/// Longest description of a failure.
const MAX_WORDS: usize = 300;
/// What some servers put before JSON; no value begins with it.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// Datto's fixed public OAuth client; the same for everyone and no secret (datto-rmm-api.md section 2).
const PUBLIC_CLIENT: (&str, &str) = ("public-client", "public");

/// What the HTTP client says when a proxy answers CONNECT with no, and what that means.
const TUNNEL: [(&str, &str); 3] = [
    ("tunnel error: proxy authorization required", "it wants a user name and a password, or other ones (407)"),
    ("tunnel error: unsuccessful", "it refuses to connect to this host and port, or the login"),
    ("tunnel error: unexpected end of file", "it closed the connection without an answer"),
];

/// HTTP with TLS and a pool of connections. One serves all accounts.
///
/// It follows no redirect and repeats nothing by itself.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    client: reqwest::Client,
    proxy: Option<Proxy>,
}

/// Why the HTTP client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TransportOpenError {
    /// No usable roots of trust, or a user agent that no header can hold.
    #[error("the HTTP client cannot be made")]
    Client(#[source] reqwest::Error),
    /// The proxy or the certificates to trust.
    #[error(transparent)]
    Egress(#[from] EgressError),
}

impl HttpTransport {
    /// A transport that names itself `user_agent` to the API, with connections that leave this machine as `egress` says.
    pub fn new(user_agent: &str, egress: Egress) -> Result<Self, TransportOpenError> {
        // The only error means that a provider is already set, which serves as well.
        let _already_set = rustls::crypto::ring::default_provider().install_default();
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))]);
        let builder = reqwest::Client::builder()
            .user_agent(user_agent)
            .default_headers(headers)
            // A gateway may still fold headers.
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(60))
            .tcp_keepalive(Duration::from_secs(30));
        let client = egress.apply(builder)?.build().map_err(TransportOpenError::Client)?;
        Ok(Self { client, proxy: egress.proxy })
    }

    async fn exchange(&self, request: Request) -> Result<Response, TransportError> {
        let loopback = is_loopback(&request.url);
        if request.url.scheme() != "https" && !loopback {
            let words = "plain http goes to loopback addresses only".to_owned();
            return Err(TransportError::Connect { failure: ConnectFailure::Connection, words });
        }
        let call = match &request.auth {
            Auth::None => self.client.get(request.url.clone()),
            Auth::Bearer(token) => self.client.get(request.url.clone()).bearer_auth(token.expose()),
            Auth::Password { username, password } => self
                .client
                .post(request.url.clone())
                .basic_auth(PUBLIC_CLIENT.0, Some(PUBLIC_CLIENT.1))
                .form(&[("grant_type", "password"), ("username", username.expose()), ("password", password.expose())]),
        };
        let sent = call.timeout(request.timeout).send().await;
        let answer = sent.map_err(|error| self.of_proxy(failure(error, request.timeout)))?;
        let status = answer.status().as_u16();
        let content_type = header(&answer, &CONTENT_TYPE);
        let retry_after = header(&answer, &RETRY_AFTER);
        let date = header(&answer, &DATE);
        let is_packed = answer.headers().get(CONTENT_ENCODING).is_some_and(is_gzip);
        let (success, limit) = (answer.status().is_success(), limit(&answer, &request));
        let mut body = read_body(answer, limit, request.timeout).await?;
        if is_packed {
            body = unpacked(body, success, limit).await?;
        }
        if body.starts_with(BYTE_ORDER_MARK) {
            drop(body.split_to(BYTE_ORDER_MARK.len()));
        }
        Ok(Response { status, content_type, retry_after, date, body })
    }
}

impl HttpTransport {
    /// A connection that failed before TLS failed at the proxy, where there is one.
    fn of_proxy(&self, error: TransportError) -> TransportError {
        match (error, &self.proxy) {
            (
                TransportError::Connect { failure: ConnectFailure::Name | ConnectFailure::Connection, words },
                Some(proxy),
            ) => {
                let why = TUNNEL.iter().find(|(text, _)| words.contains(text)).map_or(words.as_str(), |(_, why)| why);
                let words = format!("{}, which {} names: {why}", proxy.address(), proxy.named_by());
                TransportError::Connect { failure: ConnectFailure::Proxy, words }
            }
            (error, _) => error,
        }
    }
}

impl Transport for HttpTransport {
    fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    fn send(&self, request: Request) -> Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + '_>> {
        Box::pin(self.exchange(request))
    }
}

/// Most bytes of a body, also after decompression.
fn limit(answer: &reqwest::Response, request: &Request) -> u64 {
    if answer.status().is_success() { request.max_body } else { request.max_body.min(ERROR_BODY_BYTES) }
}

fn is_gzip(encoding: &HeaderValue) -> bool {
    encoding.to_str().is_ok_and(|text| ["gzip", "x-gzip"].contains(&text.trim().to_ascii_lowercase().as_str()))
}

/// Decompresses a body. Of an answer that is no success the beginning is enough.
async fn unpacked(packed: Bytes, success: bool, limit: u64) -> Result<Bytes, TransportError> {
    if packed.is_empty() {
        return Ok(packed);
    }
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    // Megabytes are much to decompress: the runtime's threads have other work.
    let unpacking = tokio::task::spawn_blocking(move || gunzip(&packed, most.saturating_add(1)));
    let (mut body, outcome) = unpacking.await.map_err(|error| TransportError::Broken(error.to_string()))?;
    if success {
        outcome.map_err(|error| TransportError::Broken(format!("the gzip body is broken: {error}")))?;
        if body.len() > most {
            return Err(TransportError::TooLarge(limit));
        }
    }
    body.truncate(most);
    Ok(body.into())
}

/// Reads the body as it comes, and stops at the limit.
async fn read_body(mut answer: reqwest::Response, limit: u64, timeout: Duration) -> Result<Bytes, TransportError> {
    let success = answer.status().is_success();
    if success && answer.content_length().is_some_and(|length| length > limit) {
        return Err(TransportError::TooLarge(limit));
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| failure(error, timeout))? {
        let room = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(body.len());
        if chunk.len() > room {
            if success {
                return Err(TransportError::TooLarge(limit));
            }
            body.extend_from_slice(chunk.get(..room).unwrap_or_default());
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn header(answer: &reqwest::Response, name: &HeaderName) -> Option<String> {
    let value = answer.headers().get(name)?.to_str().ok()?;
    (value.len() <= MAX_HEADER_BYTES).then(|| value.to_owned())
}

/// What went wrong, without the address (it is known, and its query is nobody's business).
fn failure(error: reqwest::Error, timeout: Duration) -> TransportError {
    if error.is_timeout() && !error.is_connect() {
        return TransportError::Timeout(timeout);
    }
    let connecting = error.is_connect().then(|| connect_failure(&error));
    let words = match connecting {
        // Its own words are "deadline has elapsed".
        Some(ConnectFailure::Connection) if error.is_timeout() => {
            format!("nothing answered within {}", words::duration(CONNECT_TIMEOUT.min(timeout)))
        }
        _ => causes::root(&error.without_url()),
    };
    let words = words.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect();
    match connecting {
        Some(failure) => TransportError::Connect { failure, words },
        None => TransportError::Broken(words),
    }
}

/// Which step towards a connection failed, by the causes of the HTTP client's error.
fn connect_failure(error: &(dyn Error + 'static)) -> ConnectFailure {
    let mut next = Some(error);
    while let Some(cause) = next {
        match cause.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::InvalidCertificate(_)) => return ConnectFailure::Certificate,
            Some(_) => return ConnectFailure::Tls,
            // The connector's own text: it has no type for it.
            None if cause.to_string().starts_with("dns error") => return ConnectFailure::Name,
            None => {}
        }
        // An I/O error passes over the error that it holds, and names the cause of that one as its own.
        let held = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = held.map(|held| held as &(dyn Error + 'static)).or_else(|| cause.source());
    }
    ConnectFailure::Connection
}
