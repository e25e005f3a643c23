//! Settings of a Kafka sink.

use std::collections::BTreeMap;
use std::path::PathBuf;

use url::Url;

use crate::config::secrets::{SecretRef, SecretText};
use crate::config::settings::ProxyConfig;
use crate::sink::kafka::{MessageTime, TopicPart};

/// `[sinks.kafka.<name>]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaConfig {
    /// `host:port`, at least one.
    pub brokers: Vec<String>,
    /// The topic, or a template of it.
    pub topic: TopicTemplate,
    /// The guarantee.
    pub delivery: Delivery,
    /// Which time a message carries.
    pub timestamp: MessageTime,
    /// Where positions are kept; made only if `create_topics` is set.
    pub offsets_topic: String,
    /// Whether missing topics are made.
    pub create_topics: bool,
    /// Compression of batches.
    pub compression: KafkaCompression,
    /// `None`: plain text.
    pub tls: Option<TlsConfig>,
    /// `None`: no authentication.
    pub sasl: Option<SaslConfig>,
    /// Passed through to the Kafka library; never a key that would break a guarantee.
    pub librdkafka: BTreeMap<String, SecretText>,
}

/// A topic name with placeholders after a literal prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicTemplate {
    /// Its pieces in order; the first is a [`TopicPart::Text`] that is not empty.
    pub parts: Vec<TopicPart>,
}

/// The guarantee of a Kafka sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// Transactions; the position travels with the records.
    ExactlyOnce,
    /// Idempotent producer, acknowledged by all replicas.
    AtLeastOnce,
}

/// Compression of Kafka batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KafkaCompression {
    /// Zstandard.
    Zstd,
    /// LZ4.
    Lz4,
    /// gzip.
    Gzip,
    /// Snappy.
    Snappy,
    /// None.
    None,
}

/// `tls = { … }`; empty: TLS with the system's roots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Roots to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The client's certificate and its key.
    pub client: Option<ClientCertificate>,
}

/// A client certificate and its key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

/// `sasl = { … }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaslConfig {
    /// User name and password.
    Password {
        /// How the password is proven.
        mechanism: PasswordMechanism,
        /// User name.
        username: String,
        /// Password.
        password: SecretRef,
    },
    /// A token of an OAuth server, by client credentials.
    OauthBearer(Box<TokenConfig>),
}

/// Where access tokens come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenConfig {
    /// Token endpoint.
    pub token_url: Url,
    /// Client id.
    pub client_id: String,
    /// Client secret.
    pub client_secret: SecretRef,
    /// Scope, if the server wants one.
    pub scope: Option<String>,
    /// The proxy in front of the token endpoint; `None`: what the environment says.
    pub proxy: Option<ProxyConfig>,
    /// Certificates that are trusted besides the system's when a token is asked for.
    pub ca_file: Option<PathBuf>,
}

/// SASL mechanisms with user name and password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PasswordMechanism {
    /// `PLAIN`.
    Plain,
    /// `SCRAM-SHA-256`.
    ScramSha256,
    /// `SCRAM-SHA-512`.
    ScramSha512,
}

impl KafkaConfig {
    /// All secrets that it refers to.
    pub fn secrets(&self) -> Vec<&SecretRef> {
        let (sasl, proxy) = match &self.sasl {
            None => (None, None),
            Some(SaslConfig::Password { password, .. }) => (Some(password), None),
            Some(SaslConfig::OauthBearer(token)) => {
                (Some(&token.client_secret), token.proxy.as_ref().and_then(ProxyConfig::secret))
            }
        };
        sasl.into_iter().chain(proxy).chain(self.librdkafka.values().filter_map(SecretText::reference)).collect()
    }
}
