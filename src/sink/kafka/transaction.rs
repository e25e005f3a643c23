//! The ends of a transaction: letting a producer in, commit, abort, and what their errors mean.

use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::producer::Producer as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Settings;
use super::failure::{Meaning, code, meaning, words};
use super::producer::Producer;
use crate::clock::Millis;
use crate::sink::TransactionError;

/// How long the brokers may take to let a new producer in; they wait for a commit that is under way.
const INIT_LIMIT: Duration = Duration::from_secs(60);
/// One attempt of a call; between two the library's callbacks run.
const ATTEMPT: Duration = Duration::from_secs(2);
/// How long an abort may take before a new producer ends the transaction instead.
const ABORT_LIMIT: Duration = Duration::from_secs(30);
/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// When a transaction began, by both clocks: a machine that slept shows it in wall time only.
pub(super) struct Began {
    pub(super) at: Instant,
    pub(super) wall: Millis,
}

/// Shuts out older producers; waits for a commit of theirs that is under way.
pub(super) fn init(producer: &Producer, retired: &CancellationToken) -> Result<(), TransactionError> {
    let deadline = Instant::now() + INIT_LIMIT;
    loop {
        if retired.is_cancelled() {
            return Err(gone());
        }
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
pub(super) fn commit(
    producer: &Producer,
    retired: &CancellationToken,
    ended: impl Fn(KafkaError) -> TransactionError,
) -> Result<(), TransactionError> {
    loop {
        if retired.is_cancelled() {
            return Err(gone());
        }
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
pub(super) fn abort(
    producer: &Producer,
    retired: &CancellationToken,
    ended: impl Fn(KafkaError) -> TransactionError,
) -> Result<(), TransactionError> {
    let deadline = Instant::now() + ABORT_LIMIT;
    loop {
        if retired.is_cancelled() {
            return Err(gone());
        }
        match producer.inner.abort_transaction(ATTEMPT) {
            Ok(()) => {
                producer.settle(retired);
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

/// The sink is gone, and nobody learns of this: whoever opens it next finds out what was committed.
pub(super) fn gone() -> TransactionError {
    TransactionError::Restart("the sink was replaced".to_owned())
}

/// What an error of the transaction itself leads to: a new producer, which learns the outcome, unless somebody took over.
pub(super) fn lost(error: &KafkaError, began: &Began, settings: &Settings, timeout: Duration) -> TransactionError {
    match code(error).map(meaning) {
        Some(Meaning::Fenced) => fenced(began, settings, timeout),
        Some(_) | None => TransactionError::Restart(words(error)),
    }
}

/// The brokers answer in one way when a newer producer took over and when they ended a transaction that was open for too
/// long; how long this one was open tells which.
pub(super) fn fenced(began: &Began, settings: &Settings, timeout: Duration) -> TransactionError {
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
