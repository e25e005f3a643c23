//! Kafka, at least once: an idempotent producer, acknowledged by all replicas.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use tokio_util::sync::{CancellationToken, DropGuard};

use super::Settings;
use super::client::producer_config;
use super::message::Message;
use super::producer::{IDLE_TURN, Producer, Wait};
use super::thread::Dedicated;
use super::topic::fixed;
use super::topics::{Purpose, Topics};
use super::turn::Turn;
use crate::event::Event;
use crate::sink::{Delivered, Sink, SinkError, Trouble};

/// How long the library tries to deliver one message.
const MESSAGE_TIMEOUT_MS: &str = "30000";
/// How long one attempt waits for the client of a sink that was replaced.
const PREDECESSOR_LIMIT: Duration = Duration::from_secs(10);

/// A Kafka topic that gets everything at least once.
pub struct AtLeastOnce {
    settings: Settings,
    thread: Dedicated<Lane>,
    trouble: Trouble,
    /// Ends the thread's work: nobody waits for it any more.
    _retires: DropGuard,
}

/// What the thread owns.
struct Lane {
    settings: Settings,
    trouble: Trouble,
    producer: Option<Producer>,
    /// Kept until the producer is gone, with all that it did not send.
    turn: Option<Turn>,
    /// The sink is gone: what goes on ends as soon as it can.
    retired: CancellationToken,
    topics: Topics,
}

impl AtLeastOnce {
    /// A sink that connects at its first delivery or health check.
    pub fn new(settings: Settings) -> std::io::Result<Self> {
        let (trouble, retired) = (Trouble::default(), CancellationToken::new());
        let (given, told, ended) = (settings.clone(), trouble.clone(), retired.clone());
        let lane = move || Lane {
            settings: given.clone(),
            trouble: told.clone(),
            producer: None,
            turn: None,
            retired: ended.clone(),
            topics: Topics::default(),
        };
        let thread = Dedicated::start("kafka", lane, |lane| {
            if let Some(producer) = &lane.producer {
                producer.poll(IDLE_TURN);
            }
        })?;
        Ok(Self { settings, thread, trouble, _retires: retired.drop_guard() })
    }
}

impl Sink for AtLeastOnce {
    async fn deliver(&mut self, events: &[Event]) -> Result<Delivered, SinkError> {
        let mut refused = Vec::new();
        let mut messages = Vec::new();
        for (index, event) in events.iter().enumerate() {
            match Message::of(event, &self.settings) {
                Ok(message) => messages.push((index, message)),
                Err(reason) => refused.push((index, reason)),
            }
        }
        let (places, messages): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
        let sent = self.thread.call(move |lane| lane.deliver(&messages)).await;
        let named = sent.map_err(|gone| SinkError::Retry(gone.to_string()))??;
        let place = |(index, reason)| places.get(index).map(|place| (*place, reason));
        refused.extend(named.into_iter().filter_map(place));
        refused.sort_unstable();
        Ok(Delivered { refused, ..Delivered::default() })
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        let looked = self.thread.call(|lane| lane.look()).await;
        looked.map_err(|gone| SinkError::Retry(gone.to_string()))?.map_err(SinkError::Retry)
    }

    fn trouble(&self) -> Trouble {
        self.trouble.clone()
    }
}

impl Lane {
    fn look(&mut self) -> Result<(), String> {
        let outcome = self.try_look();
        self.after(outcome)
    }

    /// A client that a broker refused, or that the library gave up, is not used again: the next one reads passwords,
    /// certificates and keys anew.
    fn after<T>(&mut self, outcome: Result<T, String>) -> Result<T, String> {
        outcome.map_err(|reason| {
            self.topics.forget();
            let Some(producer) = &self.producer else { return reason };
            let refusal = producer.refusal();
            if refusal.is_some() || producer.is_dead() {
                self.producer = None;
            }
            refusal.unwrap_or(reason)
        })
    }

    /// Opens a producer unless there is one. The client of a sink that this one replaces ends first, and takes with it what it did
    /// not send: it could arrive behind newer events.
    fn open(&mut self) -> Result<(), String> {
        if self.producer.is_some() {
            return Ok(());
        }
        if self.turn.is_none() {
            let turn = Turn::take(&self.settings.client_id(), PREDECESSOR_LIMIT, &self.retired);
            self.turn = Some(turn.ok_or("the sink's client from before the reload has not ended yet")?);
        }
        let mut config = producer_config(&self.settings)?;
        if config.get("message.timeout.ms").is_none() {
            config.set("message.timeout.ms", MESSAGE_TIMEOUT_MS);
        }
        self.producer = Some(Producer::open(&config, &self.settings, &self.trouble)?);
        Ok(())
    }

    fn try_look(&mut self) -> Result<(), String> {
        self.open()?;
        let Self { settings, producer, topics, .. } = self;
        let producer = producer.as_ref().ok_or_else(gone)?;
        match fixed(&settings.topic) {
            Some(topic) => topics.require(topic, Purpose::Events, producer, settings),
            None => Ok(()),
        }
    }

    /// Sends the messages; those that no broker takes are named.
    fn deliver(&mut self, messages: &[Message]) -> Result<Vec<(usize, String)>, SinkError> {
        let outcome = self.try_deliver(messages);
        self.after(outcome).map_err(SinkError::Retry)
    }

    fn try_deliver(&mut self, messages: &[Message]) -> Result<Vec<(usize, String)>, String> {
        self.open()?;
        let Self { settings, producer, topics, retired, .. } = self;
        let producer = producer.as_ref().ok_or_else(gone)?;
        if producer.refusal().is_some() {
            // Refused meanwhile, perhaps by one broker of many: looking for the topics shows whether it can go on.
            topics.forget();
        }
        for topic in messages.iter().map(|message| &message.topic).collect::<BTreeSet<_>>() {
            topics.require(topic, Purpose::Events, producer, settings)?;
        }
        let mut refused = BTreeMap::new();
        let whole = 0..messages.len();
        let mut open = vec![whole];
        while let Some(range) = open.pop() {
            let failures = producer.send_all(messages.get(range.clone()).unwrap_or_default(), Wait::ForAll(retired));
            if retired.is_cancelled() {
                return Err(gone());
            }
            let place = |index: usize| range.start.saturating_add(index);
            refused.extend(failures.refused().into_iter().map(|(index, reason)| (place(index), reason)));
            let Some((first, reason)) = failures.first_refused(settings.timestamp)? else { continue };
            // Everything from the first refused message on goes again, in smaller parts: each key keeps its order.
            let rest = place(first)..range.end;
            if rest.len() == 1 {
                refused.insert(rest.start, reason);
                continue;
            }
            let middle = rest.start.midpoint(rest.end);
            open.push(middle..rest.end);
            open.push(rest.start..middle);
        }
        Ok(refused.into_iter().collect())
    }
}

fn gone() -> String {
    "the sink was replaced".to_owned()
}

impl fmt::Debug for AtLeastOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AtLeastOnce").field("settings", &self.settings).finish_non_exhaustive()
    }
}
