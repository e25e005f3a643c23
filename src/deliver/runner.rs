//! The loop of one deliverer: read a batch with the mapping, decide, deliver, move the position.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::deliver::ahead::{Ahead, Decided};
use crate::deliver::batch::{Batch, refused};
use crate::deliver::retry::Retry;
use crate::deliver::route::Route;
use crate::deliver::status::{SinkStatus, Watch};
use crate::deliver::turns::Turns;
use crate::journal::sqlite::Journal;
use crate::journal::{Attempt, Backlog, BatchLimit, JournalError, Partition, Refused, RefusedKind, Settlement};
use crate::normalize::Options;
use crate::sink::{Delivered, Sink, SinkError, Trouble};
use crate::telemetry::{EventFate, Metrics};

/// Bounds of one batch in a run.
pub const LIMIT: BatchLimit = BatchLimit { records: 1000, bytes: 4 * 1024 * 1024 };

/// How long a deliverer sleeps at most without looking at the journal again.
pub(super) const IDLE: Duration = Duration::from_secs(5);

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
    /// Bounds of one batch: [`LIMIT`], or less.
    pub limit: BatchLimit,
    /// Where records come from.
    pub journal: Journal,
    /// Time of events.
    pub clock: Clock,
    /// Counters.
    pub metrics: Metrics,
    /// How it does, for status and health.
    pub status: SinkStatus,
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

/// Why a batch is tried again, and how long to wait at least.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Again {
    reason: String,
    after: Duration,
}

impl<S> Runner<S> {
    /// What is told of the sink.
    pub(super) fn watch(&self, trouble: Trouble) -> Watch {
        let (name, clock, status) = (self.name.clone(), self.clock.clone(), self.status.clone());
        Watch { name, clock, status, journal: self.journal.clone(), trouble }
    }

    /// How the sink stands in each partition, which is noted for what is told of it.
    pub(super) async fn look(&self) -> Result<Vec<Backlog>, RunnerError> {
        Ok(self.watch(Trouble::default()).look().await?)
    }

    /// Tells that the sink is down, and how much waits for it by now.
    pub(super) async fn failed(&self, watch: &Watch, reason: &str) -> Result<(), RunnerError> {
        self.look().await?;
        watch.failed(reason);
        Ok(())
    }

    /// Counts what a finished prefix held.
    pub(super) fn count(&self, sent: u64, skipped: u64, dead: u64) {
        self.status.set(|state| {
            state.sent = state.sent.saturating_add(sent);
            state.skipped = state.skipped.saturating_add(skipped);
            state.dead = state.dead.saturating_add(dead);
        });
        self.metrics.count_events(&self.name, EventFate::Sent, sent);
        self.metrics.count_events(&self.name, EventFate::Skipped, skipped);
        self.metrics.count_events(&self.name, EventFate::Dead, dead);
    }

    /// Warns of records that nobody may get any more, and of those that the sink refuses.
    pub(super) async fn warn_dead(&self, partition: &Partition, dead: &[Refused]) {
        if dead.is_empty() {
            return;
        }
        let directory = self.journal.directory().await.ok();
        let account = directory.as_ref().map_or(partition.account.as_str(), |known| known.name_of(&partition.account));
        let mut refused = dead.iter().filter(|letter| letter.kind == RefusedKind::Refused);
        if let Some(first) = refused.next() {
            tracing::warn!(
                sink = self.name,
                account,
                reason = first.reason,
                letters = refused.count().saturating_add(1),
                "the sink refuses records: kept as dead letters, see `vintner dead-letters list`"
            );
        }
        for letter in dead.iter().filter(|letter| letter.kind == RefusedKind::Unmapped) {
            tracing::warn!(
                sink = self.name,
                account,
                reason = letter.reason,
                "a record's site was unmapped after it was taken in: kept as a dead letter, see `vintner dead-letters list`"
            );
        }
    }
}

impl<S: Sink> Runner<S> {
    /// Delivers until `stop`; the batch in hand is finished first if the sink takes it.
    pub async fn run(&mut self, stop: &CancellationToken, turns: &mut Turns) -> Result<(), RunnerError> {
        let mut changed = self.journal.changed();
        let (mut ahead, mut retry, mut ask_at) = (Ahead::on(), Retry::default(), Instant::now());
        while !stop.is_cancelled() {
            changed.mark_unchanged();
            if self.is_in_doubt() && Instant::now() >= ask_at {
                let after = self.prove(stop).await?;
                ask_at = Instant::now() + retry.next_delay().max(after);
                if stop.is_cancelled() {
                    break;
                }
            }
            match self.turn_with(turns, &mut ahead, stop).await? {
                Turn::Moved => retry = Retry::default(),
                Turn::Idle => {
                    let rest = if self.is_in_doubt() { ask_at } else { Instant::now() + IDLE };
                    tokio::select! {
                        _ = changed.changed() => {}
                        () = tokio::time::sleep_until(rest) => {}
                        () = stop.cancelled() => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// Has the sink open anew what it has open, at once and not with the next event: a file that was moved away is back when whoever
    /// moved it looks.
    pub async fn reopen_sink(&mut self, stop: &CancellationToken) -> Result<(), RunnerError> {
        self.sink.reopen();
        self.prove(stop).await.map(drop)
    }

    /// Whether nobody knows that the sink works, or it is known not to.
    fn is_in_doubt(&self) -> bool {
        let state = self.status.get();
        !state.is_proven || state.failing.is_some()
    }

    /// Asks the sink whether it could accept events, so that it counts as working before the first one comes, and again after it was
    /// down, also if none comes. Gives how long it wants to be left alone.
    async fn prove(&mut self, stop: &CancellationToken) -> Result<Duration, RunnerError> {
        self.look().await?;
        let watch = self.watch(self.sink.trouble());
        match watch.wait(stop, self.sink.healthcheck()).await {
            Some(Ok(())) => watch.succeeded(),
            Some(Err(error)) => {
                self.failed(&watch, &error.to_string()).await?;
                if let SinkError::Later { after, .. } = error {
                    return Ok(after);
                }
            }
            None => {}
        }
        Ok(Duration::ZERO)
    }

    /// One batch of the partition whose turn it is. A failing sink is tried again until it accepts one, or `stop` comes: with a batch
    /// of the next partition each time. Nothing is read ahead, unlike in [`Runner::run`].
    pub async fn turn(&mut self, turns: &mut Turns, stop: &CancellationToken) -> Result<Turn, RunnerError> {
        self.turn_with(turns, &mut Ahead::default(), stop).await
    }

    /// The same, with the next batch read ahead as `ahead` says.
    pub(super) async fn turn_with(
        &mut self,
        turns: &mut Turns,
        ahead: &mut Ahead,
        stop: &CancellationToken,
    ) -> Result<Turn, RunnerError> {
        let mut backlog = self.look().await?;
        #[cfg(test)]
        crate::diagnostic::planted::visit("turn", &self.name);
        let next = self.batch_in_turn(turns, ahead, &mut backlog, |_| self.limit).await?;
        let Some((mut partition, mut decided)) = next else { return Ok(Turn::Idle) };
        // Only beside the first attempt: what is read beside a sink that fails would be old when it is needed.
        self.read_ahead(ahead, &decided.attempt, turns, backlog);
        let mut retry = Retry::default();
        let watch = self.watch(self.sink.trouble());
        loop {
            let again = match self.attempt(&partition, &decided, &watch, stop).await? {
                Some(Ok(())) => {
                    // Records that the sink does not want say nothing of it.
                    if !decided.batch.events.is_empty() {
                        watch.succeeded();
                    }
                    return Ok(Turn::Moved);
                }
                Some(Err(again)) => again,
                None => return Ok(Turn::Idle),
            };
            ahead.forget();
            self.failed(&watch, &again.reason).await?;
            let at = Instant::now() + retry.next_delay().max(again.after);
            tokio::select! {
                () = tokio::time::sleep_until(at) => {}
                () = stop.cancelled() => return Ok(Turn::Idle),
            }
            // What cannot pass in one partition must not hold the others up.
            let mut backlog = self.look().await?;
            // Read and decided anew on every attempt: the mapping may have changed meanwhile.
            let next = self.batch_in_turn(turns, ahead, &mut backlog, |_| self.limit).await?;
            let Some(next) = next else { return Ok(Turn::Idle) };
            (partition, decided) = next;
        }
    }

    /// One attempt at one batch; the inner error is the sink's reason to try again. `None`: stopped with the outcome open.
    async fn attempt(
        &mut self,
        partition: &Partition,
        Decided { attempt, batch }: &Decided,
        watch: &Watch,
        stop: &CancellationToken,
    ) -> Result<Option<Result<(), Again>>, RunnerError> {
        let delivered = if batch.events.is_empty() {
            Some(Ok(Delivered::default()))
        } else {
            watch.wait(stop, self.sink.deliver(&batch.events)).await
        };
        let Some(outcome) = delivered else { return Ok(None) };
        match outcome {
            Ok(delivered) => {
                let done = finished(attempt, batch, &delivered);
                self.settle(partition, attempt, attempt.to, done).await?;
                Ok(Some(Ok(())))
            }
            Err(SinkError::Retry(reason)) => Ok(Some(Err(Again { reason, after: Duration::ZERO }))),
            Err(SinkError::Later { reason, after }) => Ok(Some(Err(Again { reason, after }))),
            Err(SinkError::Closed { accepted }) => {
                if let Some((to, done)) = accepted_prefix(attempt, batch, accepted) {
                    self.settle(partition, attempt, to, done).await?;
                }
                Err(RunnerError::Closed)
            }
        }
    }

    async fn settle(&self, partition: &Partition, attempt: &Attempt, to: u64, done: Done) -> Result<(), RunnerError> {
        let dead = done.dead.len() as u64;
        self.warn_dead(partition, &done.dead).await;
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
        self.count(done.sent, done.skipped, dead);
        Ok(())
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
fn finished(attempt: &Attempt, batch: &Batch, delivered: &Delivered) -> Done {
    let mut dead: Vec<Refused> = batch.dead.iter().map(|(_, letter)| letter.clone()).collect();
    let item = |event: usize| attempt.items.get(*batch.items.get(event)?);
    let letter = |event: usize, reason: &str| Some(refused(item(event)?, RefusedKind::Refused, reason.to_owned()));
    let named = delivered.refused.iter().filter_map(|(event, reason)| letter(*event, reason));
    // One letter for all, at the first of them.
    let unnamed = delivered.unnamed.iter().filter_map(|(events, reason)| {
        let (first, others) = events.split_first()?;
        let among = others.iter().filter_map(|event| Some(item(*event)?.place.clone())).collect();
        Some(Refused { among, ..letter(*first, reason)? })
    });
    let before = dead.len();
    dead.extend(named.chain(unnamed));
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

#[cfg(test)]
mod tests;
