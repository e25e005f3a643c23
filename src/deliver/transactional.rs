//! The loop of a deliverer whose sink keeps the position itself (architecture.md section 7, "Kafka, exactly once").
//!
//! Each batch: the journal stores the intent; the sink commits events and position in one transaction; the journal takes the
//! intent over. Each time the sink is opened, what it shows is compared with the journal before any batch: that alone tells
//! whether the last intent was carried out. The names of the model (`model.py`) are `do_kinit` and `do_kread` for
//! `Runner::reopen`, `do_intent`, `do_ksend`, `do_kcommit` and `do_kmirror` for `Runner::transact`.

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::deliver::ahead::{Ahead, Decided};
use crate::deliver::batch::{Batch, refused};
use crate::deliver::retry::Retry;
use crate::deliver::runner::{IDLE, Runner, RunnerError};
use crate::deliver::turns::Turns;
use crate::journal::intent::{AdoptError, Intent};
use crate::journal::{Attempt, BatchLimit, Lane, Partition, Place, RefusedKind};
use crate::record::AccountUid;
use crate::sink::{Position, TransactionError, TransactionalSink};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Asked,
    /// The sink must not go on until an operator has acted; its status says why.
    Stopped,
}

/// What comes after a step.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    /// On to the next one.
    Go,
    /// The same again after a while.
    Again(String),
    /// The sink is opened again after a while.
    Reopen(String),
    /// The sink stops.
    Stop(String),
    /// The program stops; the outcome of the step is open.
    Asked,
}

/// What is known of records that the sink refused, until the position has passed them.
#[derive(Debug, Default)]
struct Suspects {
    /// Records that it refuses, with the reason, by place and replay.
    refused: BTreeMap<(Place, u64), String>,
    /// Of a partition in which an unnamed record is refused: how many records to take at most, up to which sequence.
    bounds: HashMap<Partition, (usize, u64)>,
}

impl<S: TransactionalSink> Runner<S> {
    /// Delivers until `stop`, or until the sink must stop.
    pub async fn run_transactional(
        &mut self,
        stop: &CancellationToken,
        turns: &mut Turns,
    ) -> Result<Ended, RunnerError> {
        let mut retry = Retry::default();
        while !stop.is_cancelled() {
            let next = match self.reopen(stop).await? {
                Next::Go => self.deliver_batches(stop, turns, &mut retry).await?,
                next @ (Next::Again(_) | Next::Reopen(_) | Next::Stop(_) | Next::Asked) => next,
            };
            match next {
                Next::Go => {}
                Next::Again(reason) | Next::Reopen(reason) => self.pause(&reason, &mut retry, stop).await?,
                Next::Stop(reason) => {
                    self.watch(self.sink.trouble()).stopped(&reason);
                    return Ok(Ended::Stopped);
                }
                Next::Asked => return Ok(Ended::Asked),
            }
        }
        Ok(Ended::Asked)
    }

    /// Opens the sink and compares its positions with the journal's.
    async fn reopen(&mut self, stop: &CancellationToken) -> Result<Next, RunnerError> {
        self.look().await?;
        self.status.set(|state| state.is_opening = true);
        let watch = self.watch(self.sink.trouble());
        let positions = match watch.wait(stop, self.sink.open()).await {
            None => return Ok(Next::Asked),
            Some(Ok(positions)) => positions,
            Some(Err(error)) => return Ok(after(error)),
        };
        let mut entries = Vec::new();
        for position in positions {
            let Some(partition) = partition(&position.partition) else {
                let text = format!("{}: the sink has a position of a partition that cannot be", position.partition);
                return Ok(Next::Stop(text));
            };
            entries.push((partition, position.seq, position.id));
        }
        match self.journal.adopt(&self.name, entries).await {
            Ok(adoption) => {
                if let Some(partition) = adoption.taken_over {
                    tracing::info!(sink = self.name, %partition, "the last batch had been committed: taken over");
                }
                watch.succeeded();
                Ok(Next::Go)
            }
            Err(AdoptError::Journal(error)) => Err(error.into()),
            Err(differs @ AdoptError::Differs { .. }) => Ok(Next::Stop(self.way_out(&differs))),
        }
    }

    fn way_out(&self, differs: &AdoptError) -> String {
        format!(
            "{differs}. This journal and the sink's positions do not belong together: the journal was copied or restored, the offsets \
             topic was deleted or emptied (its cleanup.policy must be compact), or `brokers` or `offsets_topic` was changed. Nothing \
             was done. If another vintner runs with a copy of this journal, stop one of the two; if a setting was changed, put it \
             back. Else give the sink `{}` a new name in the configuration: it then starts at the oldest retained record (at \
             the newest with from = \"now\"), and what was delivered before may come again",
            self.name
        )
    }

    async fn deliver_batches(
        &mut self,
        stop: &CancellationToken,
        turns: &mut Turns,
        retry: &mut Retry,
    ) -> Result<Next, RunnerError> {
        let mut changed = self.journal.changed();
        let (mut suspects, mut ahead, whole) = (Suspects::default(), Ahead::on(), self.limit);
        while !stop.is_cancelled() {
            changed.mark_unchanged();
            let mut backlog = self.look().await?;
            let limit = |partition: &Partition| suspects.limit(partition, whole);
            let next = self.batch_in_turn(turns, &mut ahead, &mut backlog, limit).await?;
            let Some((partition, decided)) = next else {
                tokio::select! {
                    _ = changed.changed() => {}
                    () = tokio::time::sleep(IDLE) => {}
                    () = stop.cancelled() => {}
                }
                continue;
            };
            // Not while an unnamed record is searched for: what is read ahead would be more than the next batch may hold.
            if suspects.limit(&partition, whole) == whole {
                self.read_ahead(&mut ahead, &decided.attempt, turns, backlog);
            }
            match self.deliver_batch(decided, &mut suspects, stop).await? {
                Next::Go => *retry = Retry::default(),
                Next::Again(reason) => {
                    ahead.forget();
                    self.pause(&reason, retry, stop).await?;
                }
                next @ (Next::Reopen(_) | Next::Stop(_) | Next::Asked) => return Ok(next),
            }
        }
        Ok(Next::Asked)
    }

    /// One attempt at one batch, which was read and decided for it: the mapping may have changed since the last one.
    async fn deliver_batch(
        &mut self,
        Decided { attempt, mut batch }: Decided,
        suspects: &mut Suspects,
        stop: &CancellationToken,
    ) -> Result<Next, RunnerError> {
        suspects.bury(&attempt, &mut batch);
        match self.transact(&attempt, &batch, stop).await? {
            None => Ok(Next::Asked),
            Some(Ok(())) => {
                suspects.passed(&attempt);
                self.watch(self.sink.trouble()).succeeded();
                Ok(Next::Go)
            }
            Some(Err(TransactionError::Refused(named))) => {
                suspects.name(&attempt, &batch, named);
                Ok(Next::Go)
            }
            Some(Err(TransactionError::Smaller(reason))) => {
                suspects.halve(&attempt, &batch, reason);
                Ok(Next::Go)
            }
            Some(Err(error)) => Ok(after(error)),
        }
    }

    /// Intent, transaction, mirror. `None`: stopped with the outcome open, which the next opening tells.
    async fn transact(
        &mut self,
        attempt: &Attempt,
        batch: &Batch,
        stop: &CancellationToken,
    ) -> Result<Option<Result<(), TransactionError>>, RunnerError> {
        let intent = Intent {
            partition: attempt.partition.clone(),
            from: attempt.from,
            to: attempt.to,
            id: Uuid::new_v4(),
            version: attempt.directory.version,
            sent: batch.events.len() as u64,
            skipped: batch.skipped.len() as u64,
            dead: batch.dead.iter().map(|(_, letter)| letter.clone()).collect(),
        };
        self.journal.intend(&self.name, intent.clone()).await?;
        let position = Position { partition: intent.partition.to_string(), seq: intent.to, id: intent.id };
        let watch = self.watch(self.sink.trouble());
        match watch.wait(stop, self.sink.commit(&batch.events, &position)).await {
            None => Ok(None),
            Some(Err(error)) => Ok(Some(Err(error))),
            Some(Ok(())) => {
                self.warn_dead(&intent.partition, &intent.dead).await;
                self.journal.mirror(&self.name, &intent.partition, intent.to, intent.id).await?;
                self.count(intent.sent, intent.skipped, intent.dead.len() as u64);
                Ok(Some(Ok(())))
            }
        }
    }

    async fn pause(&self, reason: &str, retry: &mut Retry, stop: &CancellationToken) -> Result<(), RunnerError> {
        self.failed(&self.watch(self.sink.trouble()), reason).await?;
        self.status.set(|state| state.is_opening = false);
        let at = Instant::now() + retry.next_delay();
        tokio::select! {
            () = tokio::time::sleep_until(at) => {}
            () = stop.cancelled() => {}
        }
        Ok(())
    }
}

impl Suspects {
    /// The bounds of the next batch; `whole` unless a record is searched for.
    fn limit(&self, partition: &Partition, whole: BatchLimit) -> BatchLimit {
        self.bounds.get(partition).map_or(whole, |(records, _)| BatchLimit { records: *records, ..whole })
    }

    /// Makes dead letters of the events that the sink refused before.
    fn bury(&self, attempt: &Attempt, batch: &mut Batch) {
        let events = std::mem::take(&mut batch.events);
        let items = std::mem::take(&mut batch.items);
        for (event, index) in events.into_iter().zip(items) {
            let item = attempt.items.get(index);
            let known = item.and_then(|item| Some((item, self.refused.get(&(item.place.clone(), item.replay))?)));
            match known {
                Some((item, reason)) => {
                    batch.dead.push((index, refused(item, RefusedKind::Refused, reason.clone())));
                }
                None => {
                    batch.events.push(event);
                    batch.items.push(index);
                }
            }
        }
    }

    /// The sink named what it refuses.
    fn name(&mut self, attempt: &Attempt, batch: &Batch, named: Vec<(usize, String)>) {
        for (event, reason) in named {
            if let Some(item) = batch.items.get(event).and_then(|index| attempt.items.get(*index)) {
                self.refused.insert((item.place.clone(), item.replay), reason);
            }
        }
    }

    /// The sink refuses something in this batch: if it stands alone, that; else the next attempts take half as much, until
    /// the position has passed this batch.
    fn halve(&mut self, attempt: &Attempt, batch: &Batch, reason: String) {
        if batch.events.len() <= 1 {
            self.name(attempt, batch, vec![(0, reason)]);
            return;
        }
        let half = (attempt.items.len() / 2).max(1);
        let bound = self.bounds.entry(attempt.partition.clone()).or_insert((half, attempt.to));
        bound.0 = half;
    }

    /// The position has passed the batch.
    fn passed(&mut self, attempt: &Attempt) {
        for item in &attempt.items {
            self.refused.remove(&(item.place.clone(), item.replay));
        }
        if self.bounds.get(&attempt.partition).is_some_and(|(_, until)| attempt.to >= *until) {
            self.bounds.remove(&attempt.partition);
        }
    }
}

fn after(error: TransactionError) -> Next {
    match error {
        TransactionError::Retry(reason) => Next::Again(reason),
        TransactionError::Stopped(reason) => Next::Stop(reason),
        TransactionError::Restart(_) | TransactionError::Refused(_) | TransactionError::Smaller(_) => {
            Next::Reopen(error.to_string())
        }
    }
}

/// The partition that [`Partition`]'s `Display` named.
fn partition(name: &str) -> Option<Partition> {
    let (account, lane) = name.rsplit_once('/')?;
    let lane = [Lane::Live, Lane::Backfill, Lane::Replayed].into_iter().find(|known| known.as_str() == lane)?;
    Some(Partition { account: AccountUid::new(account), lane })
}

#[cfg(test)]
mod tests;
