//! The next batch, read and decided while the sink has the one before it.
//!
//! What was read ahead is used only if nothing that decided it has changed: the position is where it starts, and the mapping in force
//! is the one that it was read with (model rule `one-read`). Else it is forgotten and read anew, as after every failure.

use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::deliver::batch::{Batch, decide};
use crate::deliver::route::Route;
use crate::deliver::runner::{Runner, RunnerError};
use crate::deliver::turns::Turns;
use crate::journal::sqlite::Journal;
use crate::journal::{Attempt, Backlog, BatchLimit, JournalError, Lane, Partition};
use crate::normalize::Options;

/// A batch and what becomes of each of its records.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) attempt: Attempt,
    pub(super) batch: Batch,
}

/// What is read ahead: nothing, unless it is switched on.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    is_on: bool,
    reading: Option<(Partition, JoinSet<Read>)>,
}

type Read = Result<Option<Decided>, JournalError>;

/// What reading a batch takes.
struct Reader {
    journal: Journal,
    sink: String,
    route: Route,
    options: Options,
    clock: Clock,
}

impl Ahead {
    /// For a deliverer that goes on to the next batch by itself.
    pub(super) fn on() -> Self {
        Self { is_on: true, reading: None }
    }

    /// Forgets what was read ahead.
    pub(super) fn forget(&mut self) {
        self.reading = None;
    }

    async fn take(&mut self, partition: &Partition) -> Read {
        let Some((_, mut reading)) = self.reading.take().filter(|(of, _)| of == partition) else { return Ok(None) };
        // A reader that broke off is as good as none: the batch is read anew.
        reading.join_next().await.and_then(Result::ok).unwrap_or(Ok(None))
    }
}

impl<S> Runner<S> {
    /// The batch whose turn it is: the next one of the first partition in turn that has one to give now. The others leave `backlog`.
    pub(super) async fn batch_in_turn(
        &self,
        turns: &mut Turns,
        ahead: &mut Ahead,
        backlog: &mut Vec<Backlog>,
        limit: impl Fn(&Partition) -> BatchLimit,
    ) -> Result<Option<(Partition, Decided)>, RunnerError> {
        while let Some(partition) = turns.next(backlog) {
            if let Some(decided) = self.next_batch(ahead, &partition, limit(&partition)).await? {
                return Ok(Some((partition, decided)));
            }
            backlog.retain(|entry| entry.partition != partition);
        }
        Ok(None)
    }

    /// The next batch of a partition, of at most `limit`, decided under the mapping in force.
    pub(super) async fn next_batch(
        &self,
        ahead: &mut Ahead,
        partition: &Partition,
        limit: BatchLimit,
    ) -> Result<Option<Decided>, RunnerError> {
        if let Some(decided) = ahead.take(partition).await?
            && decided.attempt.items.len() <= limit.records
            && self.journal.is_current(&self.name, &decided.attempt).await?
        {
            return Ok(Some(decided));
        }
        Ok(self.reader().read(partition, None, limit).await?)
    }

    /// Begins to read the batch whose turn it is once `attempt` is done; `backlog` is from before it.
    pub(super) fn read_ahead(&self, ahead: &mut Ahead, attempt: &Attempt, turns: &Turns, mut backlog: Vec<Backlog>) {
        if !ahead.is_on {
            return;
        }
        for entry in backlog.iter_mut().filter(|entry| entry.partition == attempt.partition) {
            entry.pending = entry.pending.saturating_sub(u64::try_from(attempt.items.len()).unwrap_or(u64::MAX));
        }
        // A replay's references may be taken back until they are delivered.
        let next = turns.clone().next(&backlog).filter(|next| next.lane != Lane::Replayed);
        ahead.reading = next.map(|next| {
            let after = (next == attempt.partition).then_some(attempt.to);
            let (reader, partition, limit) = (self.reader(), next.clone(), self.limit);
            let mut reading = JoinSet::new();
            reading.spawn(async move { reader.read(&partition, after, limit).await });
            (next, reading)
        });
    }

    fn reader(&self) -> Reader {
        Reader {
            journal: self.journal.clone(),
            sink: self.name.clone(),
            route: self.route.clone(),
            options: self.options.clone(),
            clock: self.clock.clone(),
        }
    }
}

impl Reader {
    /// Reads the batch behind `after`, or behind the position, and decides it.
    async fn read(self, partition: &Partition, after: Option<u64>, limit: BatchLimit) -> Read {
        let read = match after {
            Some(after) => self.journal.read_behind(&self.sink, partition, after, limit).await?,
            None => self.journal.read(&self.sink, partition, limit).await?,
        };
        let Some(attempt) = read else { return Ok(None) };
        // A thousand records are much to map: the runtime's threads have other work.
        let deciding = tokio::task::spawn_blocking(move || {
            let batch = decide(&attempt, &self.route, &self.options, self.clock.now());
            Decided { attempt, batch }
        });
        match deciding.await {
            Ok(decided) => Ok(Some(decided)),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends.
                Err(_) => Ok(None),
            },
        }
    }
}
