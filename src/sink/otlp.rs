//! OTLP logs over gRPC or HTTP, without loss: an event counts as delivered once the receiver said so (architecture.md section 7).

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;
use url::Url;

use self::answer::Verdict;
use self::request::Prepared;
use self::transport::Transport;
use crate::clock::Clock;
use crate::event::Event;
use crate::secret::Secret;
use crate::sink::{Delivered, Sink, SinkError};

mod answer;
mod compress;
mod record;
mod request;
#[cfg(test)]
mod tests;
mod transport;
mod value;

/// A receiver that speaks of the connection is asked again after this.
const DOWN_PAUSE: Duration = Duration::from_secs(30);
/// A lone record that a receiver would not take for want of room is tried so often before it is given up.
const LONE_TRIES: u32 = 4;
/// Pause between these tries.
const LONE_PAUSE: Duration = Duration::from_millis(500);

/// How an OTLP sink is set up.
pub struct Settings {
    /// The receiver; the path of the signal is added to it.
    pub endpoint: Url,
    /// How it is spoken.
    pub protocol: Protocol,
    /// Compression of requests.
    pub compression: Compression,
    /// What authenticates, read anew for each delivery, so that a rotated token is picked up.
    pub headers: Box<dyn Headers>,
    /// Roots and client certificate, read at the first delivery and after each lost connection.
    pub tls: Tls,
    /// Form of the log body.
    pub body: Body,
    /// Wall time, for `Retry-After` as a date.
    pub clock: Clock,
}

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
}

/// What became of the parts of one delivery so far.
#[derive(Default)]
struct Progress {
    refused: HashMap<usize, String>,
}

impl OtlpSink {
    /// A sink that connects at its first delivery or health check.
    pub fn new(settings: Settings) -> Self {
        Self { settings, transport: None }
    }

    /// Sends the records of `range`.
    async fn send(&mut self, prepared: &Arc<Prepared>, range: Range<usize>) -> Result<Verdict, SinkError> {
        let (prepared, compression) = (Arc::clone(prepared), self.settings.compression);
        let encoded = tokio::task::spawn_blocking(move || compression.encode(prepared.encode(range))).await;
        let encoded = encoded.map_err(std::io::Error::other).flatten();
        self.exchange(encoded.map_err(|error| SinkError::Retry(format!("the encoder failed: {error}")))?).await
    }

    /// Sends an empty request, which tells whether the receiver takes any.
    async fn probe(&mut self) -> Result<Verdict, SinkError> {
        let encoded = self.settings.compression.encode(Vec::new());
        self.exchange(encoded.map_err(|error| SinkError::Retry(format!("the encoder failed: {error}")))?).await
    }

    async fn exchange(&mut self, request: Vec<u8>) -> Result<Verdict, SinkError> {
        let headers = self.settings.headers.headers().map_err(SinkError::Retry)?;
        let transport = match self.transport.take() {
            Some(transport) => transport,
            None => Transport::open(&self.settings).map_err(SinkError::Retry)?,
        };
        let verdict = transport.send(request, &headers).await;
        // After a failure certificates are read anew: they may have been replaced.
        if !matches!(verdict, Verdict::Later(..) | Verdict::Down(_)) {
            self.transport = Some(transport);
        }
        Ok(verdict)
    }

    /// Delivers the records of `range`; in halves as long as the receiver may mean that it is too much. The halves go in
    /// order, so that an alert's events stay in theirs.
    async fn deliver_range(
        &mut self,
        prepared: &Arc<Prepared>,
        range: Range<usize>,
        events: &[Event],
        progress: &mut Progress,
    ) -> Result<(), SinkError> {
        let mut open = vec![range];
        while let Some(range) = open.pop() {
            let (reason, lone) = match self.send(prepared, range.clone()).await? {
                Verdict::Accepted(partial) => {
                    progress.note(partial.as_ref(), range, events);
                    continue;
                }
                Verdict::Later(reason, Some(after)) => return Err(SinkError::Later { reason, after }),
                Verdict::Later(reason, None) => return Err(SinkError::Retry(reason)),
                Verdict::Down(reason) => return Err(SinkError::Later { reason, after: DOWN_PAUSE }),
                Verdict::Smaller(reason) => (reason, Lone::Refused),
                Verdict::Throttled(reason) => (reason, Lone::Throttled),
            };
            if range.len() > 1 {
                let middle = range.start.midpoint(range.end);
                open.push(middle..range.end);
                open.push(range.start..middle);
                continue;
            }
            self.judge_alone(prepared, range, events, (lone, reason), progress).await?;
        }
        Ok(())
    }

    /// One record is still refused alone. It is given up only if the receiver takes others: else the receiver is down.
    async fn judge_alone(
        &mut self,
        prepared: &Arc<Prepared>,
        range: Range<usize>,
        events: &[Event],
        (lone, mut reason): (Lone, String),
        progress: &mut Progress,
    ) -> Result<(), SinkError> {
        let tries = if lone == Lone::Throttled { LONE_TRIES } else { 1 };
        for _ in 1..tries {
            tokio::time::sleep(LONE_PAUSE).await;
            match self.send(prepared, range.clone()).await? {
                Verdict::Accepted(partial) => {
                    progress.note(partial.as_ref(), range, events);
                    return Ok(());
                }
                Verdict::Throttled(again) | Verdict::Smaller(again) => reason = again,
                Verdict::Later(reason, _) | Verdict::Down(reason) => return Err(SinkError::Retry(reason)),
            }
        }
        match self.probe().await? {
            Verdict::Accepted(_) => {
                progress.refused.insert(range.start, reason);
                Ok(())
            }
            Verdict::Later(..) | Verdict::Down(_) | Verdict::Smaller(_) | Verdict::Throttled(_) => {
                Err(SinkError::Later { reason, after: DOWN_PAUSE })
            }
        }
    }
}

/// Why a lone record was not taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lone {
    /// The receiver spoke of the request.
    Refused,
    /// The receiver may only be busy.
    Throttled,
}

impl Progress {
    /// A receiver that took only a part gives a number and a message, never names: one dead letter holds the ids of all.
    fn note(&mut self, partial: Option<&ExportLogsPartialSuccess>, range: Range<usize>, events: &[Event]) {
        let Some(partial) = partial else { return };
        let message = answer::words(&partial.error_message);
        let count = usize::try_from(partial.rejected_log_records).unwrap_or(0);
        if count == 0 {
            tracing::warn!(message, "the OTLP receiver took everything and warns");
        } else if count >= range.len() {
            self.refused.extend(range.map(|index| (index, format!("the receiver rejected it: {message}"))));
        } else {
            let ids: Vec<_> = events.get(range.clone()).unwrap_or_default().iter().map(|e| e.id.to_string()).collect();
            let (total, ids) = (range.len(), ids.join(" "));
            let reason =
                format!("the receiver rejected {count} of {total} without naming them: {message}; one of: {ids}");
            self.refused.insert(range.start, reason);
        }
    }
}

impl Sink for OtlpSink {
    async fn deliver(&mut self, events: &[Event]) -> Result<Delivered, SinkError> {
        let (owned, body) = (events.to_vec(), self.settings.body);
        // Thousands of events are much to encode: the runtime's threads have other work.
        let prepared = tokio::task::spawn_blocking(move || Prepared::new(&owned, body)).await;
        let prepared = Arc::new(prepared.map_err(|error| SinkError::Retry(format!("the encoder failed: {error}")))?);
        let mut progress = Progress::default();
        for range in prepared.requests() {
            self.deliver_range(&prepared, range, events, &mut progress).await?;
        }
        let mut refused: Vec<_> = progress.refused.into_iter().collect();
        refused.sort_unstable();
        Ok(Delivered { refused })
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        match self.probe().await? {
            Verdict::Accepted(_) => Ok(()),
            Verdict::Later(reason, _)
            | Verdict::Down(reason)
            | Verdict::Smaller(reason)
            | Verdict::Throttled(reason) => Err(SinkError::Retry(reason)),
        }
    }

    fn reopen(&mut self) {
        self.transport = None;
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, protocol, compression, tls, body, headers: _, clock: _ } = self;
        f.debug_struct("Settings")
            .field("endpoint", &endpoint.host_str())
            .field("protocol", protocol)
            .field("compression", compression)
            .field("tls", tls)
            .field("body", body)
            .finish_non_exhaustive()
    }
}
