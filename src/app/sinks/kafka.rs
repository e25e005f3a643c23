//! A Kafka sink as the configuration says it.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

use crate::app::egress;
use crate::clock::Clock;
use crate::config::load::ProcessEnvironment;
use crate::config::secrets::{SecretRef, SecretText};
use crate::config::settings::SinkConfig;
use crate::config::settings::kafka::{
    KafkaCompression, KafkaConfig, PasswordMechanism, SaslConfig, TlsConfig, TokenConfig,
};
use crate::diagnostic::panics::why_ended;
use crate::diagnostic::words;
use crate::net::Egress;
use crate::secret::Secret;
use crate::sink::kafka::token::TokenServer;
use crate::sink::kafka::{MissingTopics, Options, Settings, Tls, Tokens};

/// How long a broker may take to accept a connection when somebody waits for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether at least one broker accepts a connection: the Kafka library would try again for a quarter of a minute before it says so.
pub(super) async fn reachable(brokers: &[String]) -> Result<(), String> {
    let mut attempts = JoinSet::new();
    for broker in brokers {
        let broker = broker.clone();
        attempts.spawn(async move {
            match timeout(CONNECT_TIMEOUT, TcpStream::connect(broker.as_str())).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(format!("{broker}: {error}")),
                Err(_) => Err(format!("{broker}: nothing answered within {}", words::duration(CONNECT_TIMEOUT))),
            }
        });
    }
    let mut failures = Vec::new();
    while let Some(ended) = attempts.join_next().await {
        match ended {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(why)) => failures.push(why),
            Err(ended) => failures.push(why_ended(ended)),
        }
    }
    failures.sort();
    Err(format!("no connection to {}", failures.join(", ")))
}

/// The settings of a sink; must be called on the runtime.
pub(super) fn settings(sink: &SinkConfig, config: &KafkaConfig, journal: Uuid, clock: &Clock) -> Settings {
    let runtime = Handle::current();
    let sasl_mechanism = config.sasl.as_ref().map(|sasl| match sasl {
        SaslConfig::Password { mechanism: PasswordMechanism::Plain, .. } => "PLAIN",
        SaslConfig::Password { mechanism: PasswordMechanism::ScramSha256, .. } => "SCRAM-SHA-256",
        SaslConfig::Password { mechanism: PasswordMechanism::ScramSha512, .. } => "SCRAM-SHA-512",
        SaslConfig::OauthBearer(_) => "OAUTHBEARER",
    });
    Settings {
        sink: sink.name.clone(),
        journal,
        brokers: config.brokers.clone(),
        topic: config.topic.parts.clone(),
        format: sink.format,
        timestamp: config.timestamp,
        offsets_topic: config.offsets_topic.clone(),
        missing_topics: if config.create_topics { MissingTopics::Made } else { MissingTopics::Told },
        compression: match config.compression {
            KafkaCompression::Zstd => "zstd",
            KafkaCompression::Lz4 => "lz4",
            KafkaCompression::Gzip => "gzip",
            KafkaCompression::Snappy => "snappy",
            KafkaCompression::None => "none",
        },
        tls: config.tls.as_ref().map(tls),
        sasl_mechanism,
        secrets: Arc::new(FromConfig(config.clone())),
        tokens: tokens(config, clock, &runtime),
        clock: clock.clone(),
        runtime,
    }
}

/// Reads passwords and passed-through settings anew for each client.
struct FromConfig(KafkaConfig);

impl Options for FromConfig {
    fn options(&self) -> Result<Vec<(String, Secret)>, String> {
        let mut options = Vec::new();
        for (key, value) in &self.0.librdkafka {
            options.push((key.clone(), read_text(value)?));
        }
        if let Some(SaslConfig::Password { username, password, .. }) = &self.0.sasl {
            options.push(("sasl.username".to_owned(), Secret::new(username)));
            options.push(("sasl.password".to_owned(), read(password)?));
        }
        Ok(options)
    }
}

fn tokens(config: &KafkaConfig, clock: &Clock, runtime: &Handle) -> Option<Arc<dyn Tokens>> {
    let Some(SaslConfig::OauthBearer(token)) = &config.sasl else { return None };
    let TokenConfig { token_url, client_id, client_secret, scope, proxy, ca_file } = &**token;
    let (client_secret, url) = (client_secret.clone(), token_url.clone());
    let (proxy, ca_file) = (proxy.clone(), ca_file.clone());
    let egress = move || {
        Ok(Egress { proxy: egress::proxy(&url, proxy.as_ref(), &ProcessEnvironment)?, ca_file: ca_file.clone() })
    };
    Some(Arc::new(TokenServer {
        url: token_url.clone(),
        client_id: client_id.clone(),
        client_secret: Box::new(move || read(&client_secret)),
        scope: scope.clone(),
        egress: Box::new(egress),
        clock: clock.clone(),
        runtime: runtime.clone(),
    }))
}

fn tls(config: &TlsConfig) -> Tls {
    let client = config.client.as_ref().map(|client| (client.cert_file.clone(), client.key_file.clone()));
    Tls { ca_file: config.ca_file.clone(), client }
}

fn read(reference: &SecretRef) -> Result<Secret, String> {
    reference.read(&ProcessEnvironment).map_err(|error| format!("{}: {error}", reference.key))
}

fn read_text(text: &SecretText) -> Result<Secret, String> {
    text.read(&ProcessEnvironment).map_err(|error| error.to_string())
}
