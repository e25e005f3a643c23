//! A producer of the client library: sending a batch and waiting for every report.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseProducer, Producer as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::client::Context;
use super::failure::{Meaning, meaning, told, words};
use super::message::Message;
use super::{MessageTime, Settings};
use crate::sink::Trouble;

/// How long a turn waits for the library's callbacks while reports are missing.
const TURN: Duration = Duration::from_millis(2);
/// How long it waits while the library's own queue is full.
const FULL: Duration = Duration::from_millis(20);

/// How long the library's question for a first token is waited for, and its answer to it.
pub(super) const TOKEN: Duration = Duration::from_millis(200);

/// How long the library's callbacks run each time that nothing is to be done.
pub(super) const IDLE_TURN: Duration = Duration::from_millis(10);

/// How long the reports behind a first failure are waited for where the transaction is lost anyway.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How long reports are waited for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wait<'a> {
    /// Until each message is confirmed or has failed, or nobody waits for it any more: then the outcome says nothing.
    ForAll(&'a CancellationToken),
    /// The same, but only for a moment once one has failed: the transaction must be aborted, which purges the rest. Until then the
    /// library may send again and again what the broker cannot take for want of the one before it. Nor once nobody waits for it any
    /// more: then the outcome says nothing.
    UntilFailure(&'a CancellationToken),
}

/// A producer and what it tells.
pub(super) struct Producer {
    /// The library's producer.
    pub(super) inner: BaseProducer<Context>,
}

/// Which messages of a batch were not taken.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// Refused by the library itself, each for its own sake: index and code.
    pub(super) named: Vec<(usize, Code)>,
    /// Reported by the broker, which fails whole batches for one message: index and code, ascending.
    pub(super) reported: Vec<(usize, Code)>,
}

impl Producer {
    /// Makes the producer; it connects by itself. The error is for people.
    pub(super) fn open(config: &ClientConfig, settings: &Settings, trouble: &Trouble) -> Result<Self, String> {
        let context = Context::new(settings, trouble);
        let inner = BaseProducer::from_config_and_context(config, context).map_err(|error| words(&error))?;
        if settings.tokens.is_some() {
            // The library asks for a token at once, by a callback, and connects once it has one.
            inner.poll(TOKEN);
        }
        Ok(Self { inner })
    }

    /// Why a broker refused this client since it last worked, in words.
    pub(super) fn refusal(&self) -> Option<String> {
        self.context().refusal().map(|refusal| refusal.text)
    }

    /// Lets the library's callbacks run.
    pub(super) fn poll(&self, duration: Duration) {
        self.inner.poll(duration);
    }

    /// The library's callbacks and what they noted.
    pub(super) fn context(&self) -> &Arc<Context> {
        self.inner.context()
    }

    /// Sends all messages, in order, and waits for their reports. The library bounds the wait (`message.timeout.ms`).
    pub(super) fn send_all(&self, messages: &[Message], wait: Wait<'_>) -> Failures {
        let retired = match wait {
            Wait::ForAll(retired) | Wait::UntilFailure(retired) => retired,
        };
        self.settle(retired);
        let mut failures = Failures::default();
        let mut open = 0_usize;
        for (index, message) in messages.iter().enumerate() {
            match self.enqueue(message, index, retired) {
                Ok(()) => open = open.saturating_add(1),
                Err(code) => failures.named.push((index, code)),
            }
        }
        let mut failed_at: Option<Instant> = (!failures.is_empty()).then(Instant::now);
        while open > 0 {
            self.poll(TURN);
            let is_lost = matches!(wait, Wait::UntilFailure(_));
            if retired.is_cancelled() || (is_lost && failed_at.is_some_and(|at| at.elapsed() >= AFTER_FAILURE)) {
                break;
            }
            for (index, failed) in self.context().take_reports() {
                open = open.saturating_sub(1);
                failures.reported.extend(failed.map(|code| (index, code)));
            }
            if failed_at.is_none() && !failures.is_empty() {
                failed_at = Some(Instant::now());
            }
        }
        failures.reported.sort_unstable_by_key(|(index, _)| *index);
        if failures.is_empty() {
            self.context().works();
        }
        failures
    }

    /// Waits for what an earlier batch left in the library's queues, so that its reports are not taken for this one's.
    pub(super) fn settle(&self, retired: &CancellationToken) {
        while self.inner.in_flight_count() > 0 && !retired.is_cancelled() {
            self.poll(TURN);
        }
        drop(self.context().take_reports());
    }

    /// Whether the library says that this producer can do nothing more.
    pub(super) fn is_dead(&self) -> bool {
        self.inner.client().fatal_error().is_some()
    }

    fn enqueue(&self, message: &Message, index: usize, retired: &CancellationToken) -> Result<(), Code> {
        loop {
            match self.inner.send(message.record(index)) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(Code::QueueFull), _)) if !retired.is_cancelled() => self.poll(FULL),
                Err((error, _)) => return Err(error.rdkafka_error_code().unwrap_or(Code::Unknown)),
            }
        }
    }
}

impl Failures {
    /// Whether everything was confirmed.
    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty() && self.reported.is_empty()
    }

    /// The messages that the library refused for their own sake, with the reason.
    pub(super) fn refused(&self) -> Vec<(usize, String)> {
        let named = self.named.iter().filter(|(_, code)| meaning(*code) == Meaning::Refused);
        named.map(|(index, code)| (*index, told(*code))).collect()
    }

    /// Why the first message failed that did not fail for another's sake.
    pub(super) fn why(&self) -> Option<String> {
        let mut causes = self.named.iter().chain(&self.reported).filter(|(_, code)| meaning(*code) != Meaning::Follows);
        causes.next().map(|(_, code)| told(*code))
    }

    /// Whether another producer took over.
    pub(super) fn is_fenced(&self) -> bool {
        self.named.iter().chain(&self.reported).any(|(_, code)| meaning(*code) == Meaning::Fenced)
    }

    /// The first message of a batch that a broker refused, with the reason: itself or a later one is to blame. An error if what
    /// failed may still pass: then nothing is refused.
    pub(super) fn first_refused(&self, timestamp: MessageTime) -> Result<Option<(usize, String)>, String> {
        let mut first = None;
        let mut follows = None;
        for (index, code) in self.named.iter().chain(&self.reported) {
            match (meaning(*code), timestamp) {
                (Meaning::Passing | Meaning::Fenced, _) => return Err(told(*code)),
                (Meaning::Time, MessageTime::Logged) => {
                    let why = "the clocks of this machine and of the brokers differ by more than the topic allows";
                    return Err(format!("{}: {why}", told(*code)));
                }
                (Meaning::Follows, _) => follows = Some(*code),
                (Meaning::Refused, _) | (Meaning::Time, MessageTime::Event) => {
                    let is_reported = self.named.iter().all(|(named, _)| named != index);
                    if is_reported && first.as_ref().is_none_or(|(before, _)| before > index) {
                        first = Some((*index, told(*code)));
                    }
                }
            }
        }
        match (first, follows) {
            (None, Some(code)) => Err(told(code)),
            (first, _) => Ok(first),
        }
    }
}
