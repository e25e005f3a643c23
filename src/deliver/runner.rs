//! The loop of one deliverer: read a batch with the mapping, decide, deliver, move the position.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Millis};
use crate::deliver::batch::{Batch, decide, refused};
use crate::deliver::retry::Retry;
use crate::deliver::route::Route;
use crate::deliver::turns::Turns;
use crate::journal::sqlite::Journal;
use crate::journal::{Attempt, BatchLimit, JournalError, Partition, Refused, RefusedKind, Settlement};
use crate::normalize::Options;
use crate::sink::{Sink, SinkError};
use crate::telemetry::{EventFate, Metrics};

/// Bounds of one batch.
const LIMIT: BatchLimit = BatchLimit { records: 1000, bytes: 4 * 1024 * 1024 };

/// How long a deliverer sleeps at most without looking at the journal again.
const IDLE: Duration = Duration::from_secs(5);

/// One sink's deliverer.
#[derive(Debug)]
pub struct Runner<S> {
    /// The sink's name.
    pub name: String,
    /// The sink.
    pub sink: S,
    /// What it takes.
    pub route: Route,
    /// How it wants its events.
    pub options: Options,
    /// Where records come from.
    pub journal: Journal,
    /// Time of events.
    pub clock: Clock,
    /// Counters.
    pub metrics: Metrics,
    /// How it does, for status and health.
    pub status: SinkStatus,
}

/// How a sink does, shared with status and health.
#[derive(Clone, Debug, Default)]
pub struct SinkStatus(Arc<Mutex<SinkState>>);

/// A moment of [`SinkStatus`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkState {
    /// Since when the sink fails, and its last error.
    pub failing: Option<(Millis, String)>,
    /// Whether it ever accepted a batch or passed a health check.
    pub is_proven: bool,
    /// Events that it confirmed since the start.
    pub sent: u64,
}

/// Why a deliverer ended.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// The reader of stdout has gone: end the program quietly.
    #[error("the reader closed the pipe")]
    Closed,
    /// The journal cannot be used any more.
    #[error("the journal failed")]
    Journal(#[from] JournalError),
}

/// What one turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// A batch is done.
    Moved,
    /// Nothing waits.
    Idle,
}

impl SinkStatus {
    /// How the sink does now.
    pub fn get(&self) -> SinkState {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, change: impl FnOnce(&mut SinkState)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl<S: Sink> Runner<S> {
    /// Delivers until `stop`; the batch in hand is finished first if the sink takes it.
    pub async fn run(&mut self, stop: &CancellationToken, turns: &mut Turns) -> Result<(), RunnerError> {
        let mut changed = self.journal.changed();
        self.prove().await;
        while !stop.is_cancelled() {
            changed.mark_unchanged();
            match self.turn(turns, stop).await? {
                Turn::Moved => {}
                Turn::Idle => {
                    tokio::select! {
                        _ = changed.changed() => {}
                        () = tokio::time::sleep(IDLE) => {}
                        () = stop.cancelled() => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// Asks the sink whether it could accept events, so that it counts as working before the first one comes.
    async fn prove(&mut self) {
        if self.status.get().is_proven {
            return;
        }
        match self.sink.healthcheck().await {
            Ok(()) => self.status.set(|state| state.is_proven = true),
            Err(error) => self.failed(&error.to_string()),
        }
    }

    /// One batch of the partition whose turn it is. A failing sink is tried again until it accepts or `stop` comes.
    pub async fn turn(&mut self, turns: &mut Turns, stop: &CancellationToken) -> Result<Turn, RunnerError> {
        let Some(partition) = turns.next(&self.journal.backlog(&self.name).await?) else {
            return Ok(Turn::Idle);
        };
        let mut retry = Retry::default();
        loop {
            // Read and decided anew on every attempt: the mapping may have changed meanwhile.
            let Some(attempt) = self.journal.read(&self.name, &partition, LIMIT).await? else {
                return Ok(Turn::Moved);
            };
            match self.attempt(&partition, &attempt).await? {
                Ok(()) => return Ok(Turn::Moved),
                Err(reason) => self.failed(&reason),
            }
            let again = Instant::now() + retry.next_delay();
            tokio::select! {
                () = tokio::time::sleep_until(again) => {}
                () = stop.cancelled() => return Ok(Turn::Idle),
            }
        }
    }

    /// One attempt at one batch; the inner error is the sink's reason to try again.
    async fn attempt(&mut self, partition: &Partition, attempt: &Attempt) -> Result<Result<(), String>, RunnerError> {
        let batch = decide(attempt, &self.route, &self.options, self.clock.now());
        let outcome = if batch.events.is_empty() { Ok(Vec::new()) } else { self.deliver(&batch).await };
        match outcome {
            Ok(refusals) => {
                let done = finished(attempt, &batch, &refusals);
                self.settle(partition, attempt, attempt.to, done).await?;
                self.succeeded();
                Ok(Ok(()))
            }
            Err(SinkError::Retry(reason)) => Ok(Err(reason)),
            Err(SinkError::Closed { accepted }) => {
                if let Some((to, done)) = accepted_prefix(attempt, &batch, accepted) {
                    self.settle(partition, attempt, to, done).await?;
                }
                Err(RunnerError::Closed)
            }
        }
    }

    async fn deliver(&mut self, batch: &Batch) -> Result<Vec<(usize, String)>, SinkError> {
        self.sink.deliver(&batch.events).await.map(|delivered| delivered.refused)
    }

    async fn settle(&self, partition: &Partition, attempt: &Attempt, to: u64, done: Done) -> Result<(), RunnerError> {
        let dead = done.dead.len() as u64;
        for letter in done.dead.iter().filter(|letter| letter.kind == RefusedKind::Unmapped) {
            tracing::warn!(
                sink = self.name, account = %partition.account, reason = letter.reason,
                "a record's site was unmapped after it was taken in: kept as a dead letter, see `vintner dead-letters list`"
            );
        }
        self.journal
            .settle(Settlement {
                sink: self.name.clone(),
                partition: partition.clone(),
                from: attempt.from,
                to,
                version: attempt.directory.version,
                sent: done.sent,
                skipped: done.skipped,
                dead: done.dead,
            })
            .await?;
        self.status.set(|state| state.sent = state.sent.saturating_add(done.sent));
        self.metrics.count_events(&self.name, EventFate::Sent, done.sent);
        self.metrics.count_events(&self.name, EventFate::Skipped, done.skipped);
        self.metrics.count_events(&self.name, EventFate::Dead, dead);
        Ok(())
    }

    fn succeeded(&self) {
        let now = self.clock.now();
        self.status.set(|state| {
            if let Some((since, _)) = state.failing.take() {
                tracing::info!(sink = self.name, down_for = ?now.since(since), "sink works again");
            }
            state.is_proven = true;
        });
    }

    fn failed(&self, reason: &str) {
        let now = self.clock.now();
        self.status.set(|state| {
            let is_new = state.failing.as_ref().is_none_or(|(_, last)| last != reason);
            let since = state.failing.as_ref().map_or(now, |(since, _)| *since);
            if is_new {
                tracing::warn!(
                    sink = self.name, %since, reason,
                    "sink is down: collecting goes on, the journal keeps what it misses, and it is tried again"
                );
            }
            state.failing = Some((since, reason.to_owned()));
        });
    }
}

/// The counts and dead letters of a finished prefix.
#[derive(Debug, Default, PartialEq, Eq)]
struct Done {
    sent: u64,
    skipped: u64,
    dead: Vec<Refused>,
}

/// The whole batch is done, but for the events that the sink named.
fn finished(attempt: &Attempt, batch: &Batch, refusals: &[(usize, String)]) -> Done {
    let mut dead: Vec<Refused> = batch.dead.iter().map(|(_, letter)| letter.clone()).collect();
    let named = refusals.iter().filter_map(|(event, reason)| {
        let item = attempt.items.get(*batch.items.get(*event)?)?;
        Some(refused(item, RefusedKind::Refused, reason.clone()))
    });
    let before = dead.len();
    dead.extend(named);
    let refused_count = (dead.len() - before) as u64;
    let sent = (batch.events.len() as u64).saturating_sub(refused_count);
    Done { sent, skipped: batch.skipped.len() as u64, dead }
}

/// What is done when only the first `accepted` events were written: everything before the first event that was not.
fn accepted_prefix(attempt: &Attempt, batch: &Batch, accepted: usize) -> Option<(u64, Done)> {
    let first_open = batch.items.get(accepted).copied().unwrap_or(attempt.items.len());
    let last_done = attempt.items.get(first_open.checked_sub(1)?)?;
    let done = Done {
        sent: accepted as u64,
        skipped: batch.skipped.iter().filter(|index| **index < first_open).count() as u64,
        dead: batch.dead.iter().filter(|(index, _)| *index < first_open).map(|(_, letter)| letter.clone()).collect(),
    };
    Some((last_done.seq, done))
}
