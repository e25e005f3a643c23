//! A consumer of the client library that only looks: it belongs to no group and commits nothing.

use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use tokio::time::Instant;

use super::Settings;
use super::client::{Context, config};
use super::failure::words;
use super::producer::TOKEN;
use crate::sink::Trouble;

/// How long the library's callbacks run between two attempts, without which no refusal is heard and no token fetched.
const TURN: Duration = Duration::from_millis(200);

/// What it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Isolation {
    /// What was committed, up to the first transaction that is open.
    Committed,
    /// Everything.
    Uncommitted,
}

/// Makes a consumer; it connects by itself. The error is for people.
pub(super) fn open(
    settings: &Settings,
    isolation: Isolation,
    trouble: &Trouble,
) -> Result<BaseConsumer<Context>, String> {
    let mut config = config(settings)?;
    config
        // Only a name that the library wants.
        .set("group.id", format!("vintner-{}-{}", settings.journal, settings.sink))
        .set(
            "isolation.level",
            match isolation {
                Isolation::Committed => "read_committed",
                Isolation::Uncommitted => "read_uncommitted",
            },
        )
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false")
        .set("auto.offset.reset", "earliest");
    let made = BaseConsumer::from_config_and_context(&config, Context::new(settings, trouble));
    let consumer = made.map_err(|error| words(&error))?;
    if settings.tokens.is_some() {
        // The library asks for a token at once, by a callback, and connects once it has one.
        drop(consumer.poll(TOKEN));
    }
    Ok(consumer)
}

/// Asks the brokers until they answer, refuse this client, or `deadline` has passed, which `late` puts into words with the reason.
pub(super) fn ask<T>(
    consumer: &BaseConsumer<Context>,
    deadline: Instant,
    ask: impl Fn(&BaseConsumer<Context>) -> Result<T, KafkaError>,
    late: impl Fn(String) -> String,
) -> Result<T, String> {
    loop {
        match ask(consumer) {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() >= deadline => {
                return Err(late(consumer.context().trouble().get().unwrap_or_else(|| words(&error))));
            }
            Err(_) => {
                drop(consumer.poll(TURN));
                if let Some(refusal) = consumer.context().refusal() {
                    return Err(refusal.text);
                }
            }
        }
    }
}
