//! An OTLP sink as the configuration says it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::egress;
use crate::clock::Clock;
use crate::config::load::ProcessEnvironment;
use crate::config::secrets::SecretText;
use crate::config::settings::ProxyConfig;
use crate::config::settings::otlp::{OtlpBody, OtlpCompression, OtlpConfig, OtlpProtocol};
use crate::secret::Secret;
use crate::sink::otlp::{Body, Compression, Headers, Protocol, Settings, Tls};

/// The settings of a sink.
pub(super) fn settings(config: &OtlpConfig, clock: &Clock) -> Settings {
    let tls = config.tls.as_ref().map_or_else(Tls::default, |tls| Tls {
        ca_file: tls.ca_file.clone(),
        client: tls.client.as_ref().map(|client| (client.cert_file.clone(), client.key_file.clone())),
    });
    Settings {
        endpoint: config.endpoint.clone(),
        protocol: match config.protocol {
            OtlpProtocol::Grpc => Protocol::Grpc,
            OtlpProtocol::Http => Protocol::Http,
        },
        compression: match config.compression {
            OtlpCompression::Gzip => Compression::Gzip,
            OtlpCompression::Zstd => Compression::Zstd,
            OtlpCompression::None => Compression::None,
        },
        concurrency: config.concurrency,
        headers: Arc::new(FromConfig(config.headers.clone())),
        proxy: {
            let (endpoint, proxy) = (config.endpoint.clone(), config.proxy.clone());
            let can_be_forwarded = endpoint.scheme() == "https" || config.protocol == OtlpProtocol::Http;
            let proxy = if can_be_forwarded { proxy } else { Some(ProxyConfig::Off) };
            Arc::new(move || egress::proxy(&endpoint, proxy.as_ref(), &ProcessEnvironment))
        },
        tls,
        body: match config.body {
            OtlpBody::Structured => Body::Structured,
            OtlpBody::Json => Body::Json,
            OtlpBody::Message => Body::Message,
        },
        clock: clock.clone(),
    }
}

/// Reads the headers' secrets anew for each request.
struct FromConfig(BTreeMap<String, SecretText>);

impl Headers for FromConfig {
    fn headers(&self) -> Result<Vec<(String, Secret)>, String> {
        let read = |(name, value): (&String, &SecretText)| {
            let value = value.read(&ProcessEnvironment).map_err(|error| format!("the header {name}: {error}"))?;
            Ok((name.clone(), value))
        };
        self.0.iter().map(read).collect()
    }
}
