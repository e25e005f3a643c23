//! Settings of an OTLP sink.

use std::collections::BTreeMap;

use url::Url;

use crate::config::secrets::{SecretRef, SecretText};
use crate::config::settings::ProxyConfig;
use crate::config::settings::kafka::TlsConfig;

/// `[sinks.otlp.<name>]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpConfig {
    /// The receiver as given; with [`OtlpProtocol::Http`], `/v1/logs` is added to it.
    pub endpoint: Url,
    /// How it is spoken.
    pub protocol: OtlpProtocol,
    /// Compression of requests.
    pub compression: OtlpCompression,
    /// Most requests at once, 1 to 64.
    pub concurrency: u32,
    /// Headers of every request, by name in lower case.
    pub headers: BTreeMap<String, SecretText>,
    /// `None`: the system's roots, if the endpoint is https.
    pub tls: Option<TlsConfig>,
    /// Form of the log body.
    pub body: OtlpBody,
    /// The proxy in front of the receiver; `None`: what the environment says.
    pub proxy: Option<ProxyConfig>,
}

/// Form of the log body (event-schema.md section 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OtlpBody {
    /// The event as nested lists of keys and values.
    Structured,
    /// The event as one JSON text.
    Json,
    /// The event's message, with every leaf as an attribute.
    Message,
}

/// OTLP over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OtlpProtocol {
    /// gRPC.
    Grpc,
    /// HTTP with protobuf.
    Http,
}

/// Compression of OTLP requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OtlpCompression {
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// None.
    None,
}

impl OtlpConfig {
    /// All secrets that it refers to.
    pub fn secrets(&self) -> Vec<&SecretRef> {
        let proxy = self.proxy.as_ref().and_then(ProxyConfig::secret);
        self.headers.values().filter_map(SecretText::reference).chain(proxy).collect()
    }
}
