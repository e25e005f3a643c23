//! Kafka, exactly once: the events and the position that they end at in one transaction.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::producer::Producer as _;
use tokio::time::Instant;

use super::Settings;
use super::client::producer_config;
use super::failure::{Meaning, code, meaning, words};
use super::message::Message;
use super::offsets;
use super::producer::{IDLE_TURN, Producer, Wait};
use super::thread::Dedicated;
use super::topic::fixed;
use super::topics::{Purpose, Topics, largest_batch};
use crate::clock::Millis;
use crate::event::Event;
use crate::sink::{Position, TransactionError, TransactionalSink, Trouble};

/// The brokers end a transaction that is open for longer; the operator may set another value.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the library tries to deliver one message: well within the transaction.
const MESSAGE_TIMEOUT_MS: &str = "40000";
/// How long the brokers may take to let a new producer in; they wait for a commit that is under way.
const INIT_LIMIT: Duration = Duration::from_secs(60);
/// One attempt of a call; between two the library's callbacks run.
const ATTEMPT: Duration = Duration::from_secs(2);
/// How long an abort may take before a new producer ends the transaction instead.
const ABORT_LIMIT: Duration = Duration::from_secs(30);
/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// The library's own bound of a batch; a topic that takes less gets smaller ones.
const BATCH_BYTES: usize = 1_000_000;

/// A Kafka topic that gets everything exactly once.
pub struct ExactlyOnce {
    settings: Settings,
    thread: Dedicated<Lane>,
    trouble: Trouble,
}

/// What the thread owns.
struct Lane {
    settings: Settings,
    trouble: Trouble,
    producer: Option<Producer>,
    timeout: Duration,
    topics: Topics,
}

/// When a transaction began, by both clocks: a machine that slept shows it in wall time only.
struct Began {
    at: Instant,
    wall: Millis,
}

impl ExactlyOnce {
    /// A sink that connects when it is opened.
    pub fn new(settings: Settings) -> std::io::Result<Self> {
        let trouble = Trouble::default();
        let lane = Lane {
            settings: settings.clone(),
            trouble: trouble.clone(),
            producer: None,
            timeout: TRANSACTION_TIMEOUT,
            topics: Topics::default(),
        };
        let thread = Dedicated::start("kafka", lane, |lane| {
            if let Some(producer) = &lane.producer {
                producer.poll(IDLE_TURN);
            }
        })?;
        Ok(Self { settings, thread, trouble })
    }
}

impl TransactionalSink for ExactlyOnce {
    async fn open(&mut self) -> Result<Vec<Position>, TransactionError> {
        let opened = self.thread.call(Lane::open).await;
        opened.map_err(|gone| TransactionError::Stopped(gone.to_string()))?
    }

    async fn commit(&mut self, events: &[Event], position: &Position) -> Result<(), TransactionError> {
        let mut refused = Vec::new();
        let mut messages = Vec::new();
        for (index, event) in events.iter().enumerate() {
            match Message::of(event, &self.settings) {
                Ok(message) => messages.push(message),
                Err(reason) => refused.push((index, reason)),
            }
        }
        if !refused.is_empty() {
            return Err(TransactionError::Refused(refused));
        }
        messages.push(offsets::message(&self.settings, position).map_err(TransactionError::Stopped)?);
        let committed = self.thread.call(move |lane| lane.commit(&messages)).await;
        committed.map_err(|gone| TransactionError::Stopped(gone.to_string()))?
    }

    fn trouble(&self) -> Trouble {
        self.trouble.clone()
    }
}

impl Lane {
    /// A new producer: the brokers shut out the older ones with its transactional id and end what they left open; only then
    /// are the positions read.
    fn open(&mut self) -> Result<Vec<Position>, TransactionError> {
        self.producer = None;
        self.topics.forget();
        let Self { settings, trouble, topics, .. } = self;
        let mut config = producer_config(settings).map_err(TransactionError::Retry)?;
        let id = format!("vintner-{}-{}", settings.journal, settings.sink);
        config.set("transactional.id", id);
        for (key, value) in [
            ("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string()),
            ("message.timeout.ms", MESSAGE_TIMEOUT_MS.to_owned()),
        ] {
            if config.get(key).is_none() {
                config.set(key, value);
            }
        }
        let timeout = config.get("transaction.timeout.ms").and_then(|text| text.parse().ok());
        self.timeout = timeout.map_or(TRANSACTION_TIMEOUT, Duration::from_millis);
        let mut producer = Producer::open(&config, settings, trouble).map_err(TransactionError::Retry)?;
        topics
            .require(&settings.offsets_topic, Purpose::Positions, &producer, settings)
            .map_err(TransactionError::Retry)?;
        if let Some(topic) = fixed(&settings.topic) {
            topics.require(topic, Purpose::Events, &producer, settings).map_err(TransactionError::Retry)?;
        }
        // Asked once a producer has shown that the brokers can be reached: this client tells nothing of what goes wrong.
        if config.get("batch.size").is_none()
            && let Some(bytes) = fixed(&settings.topic).and_then(|topic| largest_batch(settings, topic))
            && bytes < BATCH_BYTES
        {
            config.set("batch.size", bytes.max(1).to_string());
            producer = Producer::open(&config, settings, trouble).map_err(TransactionError::Retry)?;
        }
        init(&producer)?;
        let positions = offsets::read_back(settings, trouble)?;
        trouble.clear();
        self.producer = Some(producer);
        Ok(positions)
    }

    fn commit(&mut self, messages: &[Message]) -> Result<(), TransactionError> {
        let outcome = self.try_commit(messages).map_err(|error| self.unless_refused(error));
        match &outcome {
            Ok(()) => {
                if let Some(producer) = &self.producer {
                    producer.context().works();
                }
            }
            Err(TransactionError::Restart(_) | TransactionError::Stopped(_)) => {
                self.producer = None;
            }
            Err(_) => self.topics.forget(),
        }
        outcome
    }

    /// A client that a broker refused is not used again: the next one reads passwords, certificates and keys anew, and learns the
    /// outcome.
    fn unless_refused(&self, error: TransactionError) -> TransactionError {
        match (error, self.producer.as_ref().and_then(Producer::refusal)) {
            (TransactionError::Retry(_) | TransactionError::Restart(_), Some(refusal)) => {
                TransactionError::Restart(refusal)
            }
            (error, _) => error,
        }
    }

    fn try_commit(&mut self, messages: &[Message]) -> Result<(), TransactionError> {
        let Self { settings, topics, producer, timeout, .. } = self;
        let Some(producer) = producer else {
            return Err(TransactionError::Restart("the producer is not open".to_owned()));
        };
        if producer.refusal().is_some() {
            // Refused meanwhile, perhaps by one broker of many: looking for the topics shows whether it can go on.
            topics.forget();
        }
        for topic in messages.iter().map(|message| &message.topic).collect::<BTreeSet<_>>() {
            topics.require(topic, Purpose::Events, producer, settings).map_err(TransactionError::Retry)?;
        }
        let began = Began { at: Instant::now(), wall: settings.clock.now() };
        let ended = |error: KafkaError| lost(&error, &began, settings, *timeout);
        drop(producer.context().take_transaction_failure());
        producer.inner.begin_transaction().map_err(ended)?;
        let failures = producer.send_all(messages, Wait::UntilFailure);
        if failures.is_empty() {
            return commit(producer, ended);
        }
        if failures.is_fenced() {
            return Err(fenced(&began, settings, *timeout));
        }
        // Why a message failed says more than that its transaction, which the brokers may never have begun, cannot be ended.
        abort(producer, ended).map_err(|error| {
            match (error, failures.why().or_else(|| producer.context().take_transaction_failure())) {
                (TransactionError::Restart(text), Some(why)) => TransactionError::Restart(format!("{why}; {text}")),
                (error, _) => error,
            }
        })?;
        let named = failures.refused();
        match failures.first_refused(settings.timestamp) {
            // The position is the last message: a broker that refuses it refuses no event.
            _ if named.iter().any(|(index, _)| index.saturating_add(1) == messages.len()) => {
                Err(TransactionError::Retry("the entry of the offsets topic is refused".to_owned()))
            }
            Err(reason) => Err(TransactionError::Retry(reason)),
            Ok(Some((first, reason))) if first.saturating_add(1) == messages.len() => {
                Err(TransactionError::Retry(format!("the entry of the offsets topic is refused: {reason}")))
            }
            Ok(Some((_, reason))) if named.is_empty() => Err(TransactionError::Smaller(reason)),
            Ok(_) => Err(TransactionError::Refused(named)),
        }
    }
}

/// Shuts out older producers; waits for a commit of theirs that is under way.
fn init(producer: &Producer) -> Result<(), TransactionError> {
    let deadline = Instant::now() + INIT_LIMIT;
    loop {
        match producer.inner.init_transactions(ATTEMPT) {
            Ok(()) => return Ok(()),
            Err(KafkaError::Transaction(error)) if error.is_retriable() && Instant::now() < deadline => {
                // The library's callbacks run meanwhile, without which no token is fetched.
                producer.poll(PAUSE);
                if let Some(refusal) = producer.refusal() {
                    return Err(TransactionError::Retry(refusal));
                }
            }
            Err(error) => {
                let heard = producer.context().trouble().get().map_or_else(String::new, |text| format!(": {text}"));
                return Err(TransactionError::Retry(format!("no transaction can be had: {}{heard}", words(&error))));
            }
        }
    }
}

/// Commits. Without an answer the same commit is asked for again, until its outcome is known: it is never taken for an abort.
/// A client that is refused gets no answer any more: a new one learns the outcome.
fn commit(producer: &Producer, ended: impl Fn(KafkaError) -> TransactionError) -> Result<(), TransactionError> {
    loop {
        match producer.inner.commit_transaction(ATTEMPT) {
            Ok(()) => return Ok(()),
            Err(KafkaError::Transaction(error)) if error.is_retriable() => {
                let why = producer.context().trouble().get().unwrap_or_else(|| error.string());
                producer.context().trouble().set(why);
                producer.poll(PAUSE);
            }
            Err(KafkaError::Flush(_)) => producer.poll(PAUSE),
            Err(error) => return Err(ended(error)),
        }
        if let Some(refusal) = producer.refusal() {
            return Err(TransactionError::Restart(refusal));
        }
    }
}

/// Aborts, so that the same producer can go on.
fn abort(producer: &Producer, ended: impl Fn(KafkaError) -> TransactionError) -> Result<(), TransactionError> {
    let deadline = Instant::now() + ABORT_LIMIT;
    loop {
        match producer.inner.abort_transaction(ATTEMPT) {
            Ok(()) => {
                producer.settle();
                return Ok(());
            }
            Err(KafkaError::Transaction(error)) if error.is_retriable() && Instant::now() < deadline => {
                producer.poll(PAUSE);
            }
            Err(error) => return Err(ended(error)),
        }
        if let Some(refusal) = producer.refusal() {
            return Err(TransactionError::Restart(refusal));
        }
    }
}

/// What an error of the transaction itself leads to: a new producer, which learns the outcome, unless somebody took over.
fn lost(error: &KafkaError, began: &Began, settings: &Settings, timeout: Duration) -> TransactionError {
    match code(error).map(meaning) {
        Some(Meaning::Fenced) => fenced(began, settings, timeout),
        Some(_) | None => TransactionError::Restart(words(error)),
    }
}

/// The brokers answer in one way when a newer producer took over and when they ended a transaction that was open for too
/// long; how long this one was open tells which.
fn fenced(began: &Began, settings: &Settings, timeout: Duration) -> TransactionError {
    let open = began.at.elapsed().max(settings.clock.now().since(began.wall));
    if open >= timeout / 2 {
        return TransactionError::Restart(format!(
            "the brokers ended a transaction that was open for {} s",
            open.as_secs()
        ));
    }
    TransactionError::Stopped(format!(
        "another vintner with this journal, or a copy of it, took over sink {}: stop one of the two, then restart this one",
        settings.sink
    ))
}

impl fmt::Debug for ExactlyOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExactlyOnce").field("settings", &self.settings).finish_non_exhaustive()
    }
}
