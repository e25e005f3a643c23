//! Kafka, exactly once: the events and the position that they end at in one transaction.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::Producer as _;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Settings;
use super::client::producer_config;
use super::message::Message;
use super::offsets;
use super::producer::{IDLE_TURN, Producer, Wait};
use super::thread::Dedicated;
use super::topic::fixed;
use super::topics::{Purpose, Topics, largest_batch, warn_of_cleanup};
use super::transaction::{Began, abort, commit, fenced, gone, init, lost};
use super::turn::Turn;
use crate::event::Event;
use crate::sink::{Position, TransactionError, TransactionalSink, Trouble};

/// The brokers end a transaction that is open for longer; the operator may set another value.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the library tries to deliver one message: well within the transaction.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(40);
/// How long the client of a sink that was replaced may take to end.
const PREDECESSOR_LIMIT: Duration = Duration::from_secs(60);
/// The library's own bound of a batch; a topic that takes less gets smaller ones.
const BATCH_BYTES: usize = 1_000_000;

/// A Kafka topic that gets everything exactly once.
pub struct ExactlyOnce {
    settings: Settings,
    thread: Dedicated<Lane>,
    trouble: Trouble,
    /// Tells the thread's work that nobody waits for it any more.
    _retires: DropGuard,
}

/// What the thread owns.
struct Lane {
    settings: Settings,
    trouble: Trouble,
    producer: Option<Producer>,
    /// Kept until the producer is gone.
    turn: Option<Turn>,
    /// The sink is gone: what goes on ends as soon as it can.
    retired: CancellationToken,
    timeout: Duration,
    topics: Topics,
    /// Whether the settings of the offsets topic were looked at.
    has_looked: bool,
}

impl ExactlyOnce {
    /// A sink that connects when it is opened.
    pub fn new(settings: Settings) -> std::io::Result<Self> {
        let (trouble, retired) = (Trouble::default(), CancellationToken::new());
        let (given, told, ended) = (settings.clone(), trouble.clone(), retired.clone());
        let lane = move || Lane {
            settings: given.clone(),
            trouble: told.clone(),
            producer: None,
            turn: None,
            retired: ended.clone(),
            timeout: TRANSACTION_TIMEOUT,
            topics: Topics::default(),
            has_looked: false,
        };
        let thread = Dedicated::start("kafka", lane, |lane| {
            if let Some(producer) = &lane.producer {
                producer.poll(IDLE_TURN);
            }
        })?;
        Ok(Self { settings, thread, trouble, _retires: retired.drop_guard() })
    }
}

impl TransactionalSink for ExactlyOnce {
    async fn open(&mut self) -> Result<Vec<Position>, TransactionError> {
        let opened = self.thread.call(Lane::open).await;
        opened.map_err(|gone| TransactionError::Restart(gone.to_string()))?
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
        committed.map_err(|gone| TransactionError::Restart(gone.to_string()))?
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
        let id = self.settings.client_id();
        if self.turn.is_none() {
            let turn = Turn::take(&id, PREDECESSOR_LIMIT, &self.retired);
            let waits =
                || TransactionError::Retry("the sink's client from before the reload has not ended yet".to_owned());
            self.turn = Some(turn.ok_or_else(waits)?);
        }
        let Self { settings, trouble, topics, .. } = self;
        let (mut config, timeout) = transactional_config(settings, &id).map_err(TransactionError::Retry)?;
        self.timeout = timeout;
        let mut producer = Producer::open(&config, settings, trouble).map_err(TransactionError::Retry)?;
        topics.require_all(&producer, settings).map_err(TransactionError::Retry)?;
        // Asked once a producer has shown that the brokers can be reached: this client tells nothing of what goes wrong.
        if config.get("batch.size").is_none()
            && let Some(bytes) = fixed(&settings.topic).and_then(|topic| largest_batch(settings, topic))
            && bytes < BATCH_BYTES
        {
            config.set("batch.size", bytes.max(1).to_string());
            producer = Producer::open(&config, settings, trouble).map_err(TransactionError::Retry)?;
        }
        if !self.has_looked {
            self.has_looked = true;
            warn_of_cleanup(settings);
        }
        init(&producer, &self.retired)?;
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
        let Self { settings, topics, producer, timeout, retired, .. } = self;
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
        let failures = producer.send_all(messages, Wait::UntilFailure(retired));
        if retired.is_cancelled() {
            return Err(gone());
        }
        if failures.is_empty() {
            return commit(producer, retired, ended);
        }
        if failures.is_fenced() {
            return Err(fenced(&began, settings, *timeout));
        }
        // Why a message failed says more than that its transaction, which the brokers may never have begun, cannot be ended.
        let why = producer.context().take_transaction_failure();
        abort(producer, retired, ended).map_err(|error| match (error, failures.why().or_else(|| why.clone())) {
            (TransactionError::Restart(text), Some(why)) => TransactionError::Restart(format!("{why}; {text}")),
            (error, _) => error,
        })?;
        let named = failures.refused();
        match failures.first_refused(settings.timestamp) {
            // The position is the last message: a broker that refuses it refuses no event.
            _ if named.iter().any(|(index, _)| index.saturating_add(1) == messages.len()) => {
                Err(TransactionError::Retry("the entry of the offsets topic is refused".to_owned()))
            }
            // One that only follows from something says less than what it follows from.
            Err(reason) => Err(TransactionError::Retry(failures.why().or(why).unwrap_or(reason))),
            Ok(Some((first, reason))) if first.saturating_add(1) == messages.len() => {
                Err(TransactionError::Retry(format!("the entry of the offsets topic is refused: {reason}")))
            }
            Ok(Some((_, reason))) if named.is_empty() => Err(TransactionError::Smaller(reason)),
            Ok(_) => Err(TransactionError::Refused(named)),
        }
    }
}

/// How a producer with this transactional id is set up, and how long its transactions may be open.
pub(super) fn transactional_config(settings: &Settings, id: &str) -> Result<(ClientConfig, Duration), String> {
    let mut config = producer_config(settings)?;
    config.set("transactional.id", id);
    let given = config.get("transaction.timeout.ms").and_then(|text| text.parse().ok());
    let timeout = given.map_or(TRANSACTION_TIMEOUT, Duration::from_millis);
    config.set("transaction.timeout.ms", timeout.as_millis().to_string());
    if config.get("message.timeout.ms").is_none() {
        config.set("message.timeout.ms", MESSAGE_TIMEOUT.min(timeout * 2 / 3).as_millis().to_string());
    }
    Ok((config, timeout))
}

impl fmt::Debug for ExactlyOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExactlyOnce").field("settings", &self.settings).finish_non_exhaustive()
    }
}
