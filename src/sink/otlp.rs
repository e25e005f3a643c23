//! OTLP logs over gRPC or HTTP, without loss: an event counts as delivered once the receiver said so (architecture.md section 7).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use url::Url;

use self::answer::Verdict;
use self::carried::Carried;
use self::course::Exchange;
use self::transport::Transport;
use crate::clock::Clock;
use crate::diagnostic::panics::why_ended;
use crate::event::Event;
use crate::net::proxy::{Proxy, ProxyError};
use crate::secret::Secret;
use crate::sink::{Delivered, Sink, SinkError, Trouble};

mod answer;
mod carried;
mod compress;
mod course;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod lanes;
mod record;
mod request;
#[cfg(test)]
mod tests;
mod transport;
mod trial;
mod value;

/// How an OTLP sink is set up.
pub struct Settings {
    /// The receiver; the path of the signal is added to it.
    pub endpoint: Url,
    /// How it is spoken.
    pub protocol: Protocol,
    /// Compression of requests.
    pub compression: Compression,
    /// Most requests at once, at least 1. Events of one alert, and of one device, keep their order.
    pub concurrency: u32,
    /// What authenticates, read anew for each request, so that a rotated token is picked up.
    pub headers: Arc<dyn Headers>,
    /// Roots and client certificate, read at the first delivery and after each lost connection.
    pub tls: Tls,
    /// The proxy in front of the receiver, asked for when the roots are read.
    pub proxy: ProxySource,
    /// Form of the log body.
    pub body: Body,
    /// Wall time, for `Retry-After` as a date.
    pub clock: Clock,
}

/// Gives the proxy in front of the receiver, `None` if there is none.
pub type ProxySource = Arc<dyn Fn() -> Result<Option<Proxy>, ProxyError> + Send + Sync>;

/// Headers of every request.
pub trait Headers: Send + Sync {
    /// Names in lower case with their values; the error is for people and holds no secret.
    fn headers(&self) -> Result<Vec<(String, Secret)>, String>;
}

/// OTLP over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC.
    Grpc,
    /// HTTP with protobuf.
    Http,
}

/// Compression of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// None.
    None,
}

/// Form of the log body (event-schema.md section 11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// The event as nested lists of keys and values.
    #[default]
    Structured,
    /// The event as one JSON text.
    Json,
    /// The event's message, with every leaf as an attribute.
    Message,
}

/// Certificates; the default: the system's roots, no client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Roots to trust instead of the system's (PEM).
    pub ca_file: Option<PathBuf>,
    /// The client's certificate and its key (PEM).
    pub client: Option<(PathBuf, PathBuf)>,
}

/// An OTLP receiver.
#[derive(Debug)]
pub struct OtlpSink {
    settings: Settings,
    transport: Option<Transport>,
    trouble: Trouble,
    carried: Carried,
}

/// A way to the receiver, one for all requests of a delivery.
#[derive(Clone)]
struct Link {
    transport: Transport,
    compression: Compression,
    headers: Arc<dyn Headers>,
    trouble: Trouble,
}

impl OtlpSink {
    /// A sink that connects at its first delivery or health check.
    pub fn new(settings: Settings) -> Self {
        Self { settings, transport: None, trouble: Trouble::default(), carried: Carried::default() }
    }

    fn link(&mut self) -> Result<Link, SinkError> {
        let transport = match self.transport.take() {
            Some(transport) => transport,
            None => Transport::open(&self.settings).map_err(SinkError::Retry)?,
        };
        let link = Link {
            transport: transport.clone(),
            compression: self.settings.compression,
            headers: Arc::clone(&self.settings.headers),
            trouble: self.trouble.clone(),
        };
        self.transport = Some(transport);
        Ok(link)
    }

    /// After a failure certificates are read anew: they may have been replaced.
    fn settle<T>(&mut self, outcome: Result<T, SinkError>) -> Result<T, SinkError> {
        if outcome.is_err() {
            self.transport = None;
        }
        outcome
    }
}

impl Exchange for Link {
    async fn exchange(&self, request: Vec<u8>) -> Result<Verdict, SinkError> {
        let headers = self.headers.headers().map_err(SinkError::Retry)?;
        let compression = self.compression;
        // Megabytes are much to compress: the runtime's threads have other work.
        let encoded = tokio::task::spawn_blocking(move || compression.encode(request)).await;
        let encoded = encoded.map_err(why_ended).and_then(|encoded| encoded.map_err(|error| error.to_string()));
        let encoded = encoded.map_err(|reason| SinkError::Retry(format!("the encoder failed: {reason}")))?;
        let verdict = self.transport.send(encoded, &headers).await;
        match verdict.reason() {
            Some(reason) => self.trouble.set(reason.to_owned()),
            None => self.trouble.clear(),
        }
        Ok(verdict)
    }
}

impl Sink for OtlpSink {
    async fn deliver(&mut self, events: &[Event]) -> Result<Delivered, SinkError> {
        let (link, body, concurrency) = (self.link()?, self.settings.body, self.settings.concurrency.max(1));
        let outcome = self.carried.deliver(&link, events, body, concurrency).await;
        self.settle(outcome)
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        // An empty request tells whether the receiver takes any.
        let answered = self.link()?.exchange(Vec::new()).await;
        self.settle(answered.and_then(Verdict::outcome).map(drop))
    }

    fn trouble(&self) -> Trouble {
        self.trouble.clone()
    }

    fn reopen(&mut self) {
        self.transport = None;
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, protocol, compression, concurrency, tls, body, headers: _, proxy: _, clock: _ } = self;
        f.debug_struct("Settings")
            .field("endpoint", &endpoint.host_str())
            .field("protocol", protocol)
            .field("compression", compression)
            .field("concurrency", concurrency)
            .field("tls", tls)
            .field("body", body)
            .finish_non_exhaustive()
    }
}
