//! The Kafka sinks against librdkafka's own mock cluster. It has no transactions worth the name: what exactly-once promises
//! is proven on a real broker (`tests/it/kafka`).

use std::sync::Arc;

use tokio::runtime::Handle;
use uuid::Uuid;

use super::{MessageTime, MissingTopics, Options, Settings, TopicPart};
use crate::clock::Clock;
use crate::normalize::Format;
use crate::secret::Secret;

struct NoSecrets;

impl Options for NoSecrets {
    fn options(&self) -> Result<Vec<(String, Secret)>, String> {
        Ok(Vec::new())
    }
}

/// A sink named `siem` at `brokers`.
pub(super) fn settings(brokers: &str) -> Settings {
    let runtime = Handle::try_current().unwrap_or_else(|_| {
        // Tests without a runtime never wait for anything.
        Box::leak(Box::new(tokio::runtime::Runtime::new().unwrap())).handle().clone()
    });
    Settings {
        sink: "siem".into(),
        journal: Uuid::from_u128(7),
        brokers: vec![brokers.into()],
        topic: vec![TopicPart::Text("events".into())],
        format: Format::Ocsf,
        timestamp: MessageTime::Logged,
        offsets_topic: "offsets".into(),
        missing_topics: MissingTopics::Told,
        compression: "zstd",
        tls: None,
        sasl_mechanism: None,
        secrets: Arc::new(NoSecrets),
        tokens: None,
        clock: Clock::system(),
        runtime,
    }
}
