//! Kafka: exactly once by transactions that carry the position, or at least once by an idempotent producer
//! (architecture.md section 7).
//!
//! The client library's calls block, so each producer lives on a thread of its own (`thread.rs`). [`exactly_once`] is the
//! protocol of Kafka Connect's source connectors (KIP-618): events and position in one transaction, the position read back by
//! each new producer.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Handle;
use uuid::Uuid;

use crate::clock::{Clock, Millis};
use crate::normalize::Format;
use crate::secret::Secret;

pub mod at_least_once;
mod client;
mod connection;
mod consumer;
pub mod exactly_once;
mod failure;
mod message;
mod offsets;
pub mod option;
pub mod place;
pub mod probe;
mod producer;
pub mod read;
#[cfg(test)]
pub(crate) mod tests;
mod thread;
pub mod token;
mod topic;
mod topics;
mod transaction;
mod turn;

/// The version of librdkafka that is built in.
pub fn library_version() -> String {
    rdkafka::util::get_rdkafka_version().1
}

/// How a Kafka sink is set up.
#[derive(Clone)]
pub struct Settings {
    /// Its configured name.
    pub sink: String,
    /// The journal's id: with the sink's name it makes the transactional id and the keys of the offsets topic.
    pub journal: Uuid,
    /// `host:port`.
    pub brokers: Vec<String>,
    /// The topic, or its template.
    pub topic: Vec<TopicPart>,
    /// Form of the events.
    pub format: Format,
    /// Which time a message carries.
    pub timestamp: MessageTime,
    /// Where positions are kept.
    pub offsets_topic: String,
    /// What becomes of missing topics.
    pub missing_topics: MissingTopics,
    /// Compression, by the library's name.
    pub compression: &'static str,
    /// `None`: plain text.
    pub tls: Option<Tls>,
    /// `None`: no authentication.
    pub sasl_mechanism: Option<&'static str>,
    /// The library's settings that hold secrets, and those that the operator passes through. Read for each new client.
    pub secrets: Arc<dyn Options>,
    /// Where tokens come from, with the mechanism OAUTHBEARER.
    pub tokens: Option<Arc<dyn Tokens>>,
    /// Wall time.
    pub clock: Clock,
    /// Where the library's asynchronous calls are waited for.
    pub runtime: Handle,
}

/// A piece of a topic template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicPart {
    /// Literal text.
    Text(String),
    /// `{org}`: the organization's id.
    Org,
    /// `{account}`: the account's uid.
    Account,
    /// `{category}`: the OCSF category.
    Category,
    /// `{class}`: the OCSF class.
    Class,
    /// `{stream}`: the stream.
    Stream,
}

/// Which time a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageTime {
    /// When vintner took the record in.
    Logged,
    /// The event's own time.
    Event,
}

/// What becomes of a topic that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingTopics {
    /// It is told, and waited for.
    Told,
    /// It is made, with the cluster's default partitions and replicas.
    Made,
    /// Nothing: it would be made by what delivers, and now it is only looked whether that could work.
    Awaited,
}

/// Certificates; the default: the system's roots, no client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Roots to trust instead of the system's (PEM).
    pub ca_file: Option<PathBuf>,
    /// The client's certificate and its key (PEM).
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Settings of the client library that may be secret.
pub trait Options: Send + Sync {
    /// Keys and values; the error is for people and holds no secret.
    fn options(&self) -> Result<Vec<(String, Secret)>, String>;
}

/// A source of access tokens. Called on a producer's thread, where it may block.
pub trait Tokens: Send + Sync {
    /// A token that is valid now; the error is for people and holds no secret.
    fn token(&self) -> Result<Token, String>;
}

/// An access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The token itself.
    pub text: Secret,
    /// Whose it is.
    pub principal: String,
    /// When it ends.
    pub expires: Millis,
}

impl Settings {
    /// What the one client of this sink is known by: the transactional id, where there are transactions.
    fn client_id(&self) -> String {
        format!("vintner-{}-{}", self.journal, self.sink)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("sink", &self.sink)
            .field("brokers", &self.brokers)
            .field("topic", &self.topic)
            .field("offsets_topic", &self.offsets_topic)
            .finish_non_exhaustive()
    }
}
