//! What the lanes of one delivery share: the turns, and who is at fault when a record is refused.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Ended, Exchange, encoded, rejected, takes_nothing};
use crate::sink::SinkError;
use crate::sink::otlp::request::Prepared;
use crate::sink::otlp::trial::Trial;

/// What the lanes of one delivery share.
pub(super) struct Shared {
    /// How many requests may be under way at once, and the turns that are left.
    concurrency: u32,
    turns: Semaphore,
    /// The receiver has too much: from now on one request at a time.
    pub(super) is_throttled: AtomicBool,
    /// A lane failed: the others finish what they are sending and begin nothing more.
    pub(super) is_over: AtomicBool,
    pub(super) trial: Trial,
    /// The number of the last request before this delivery.
    pub(super) began: u64,
    /// A record that the receiver took, of this batch: its place among the prepared.
    witness: OnceLock<(Arc<Prepared>, usize)>,
}

impl Shared {
    pub(super) fn new(concurrency: u32, witness: Option<(Arc<Prepared>, usize)>, trial: Trial) -> Self {
        Self {
            concurrency,
            turns: Semaphore::new(usize::try_from(concurrency).unwrap_or(1)),
            is_throttled: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            began: trial.start_delivery(),
            trial,
            witness: witness.map_or_else(OnceLock::new, OnceLock::from),
        }
    }

    /// The receiver took the request of that number, among others this record.
    pub(super) fn took(&self, number: u64, prepared: &Arc<Prepared>, place: usize) {
        self.trial.took(number);
        self.witness.get_or_init(|| (Arc::clone(prepared), place));
    }

    /// Whether the receiver took a record of this batch, now or in an earlier attempt.
    pub(super) fn has_witness(&self) -> bool {
        self.witness.get().is_some()
    }

    /// Asks whether the receiver still takes what it took before: one record goes again, a repeat with its id. No other request may be
    /// under way. An error: it takes nothing, so that nothing says that a record is at fault.
    pub(super) async fn prove<X: Exchange>(&self, exchange: &X, reason: &str) -> Result<(), SinkError> {
        let Some((prepared, place)) = self.witness.get() else { return Err(takes_nothing(reason)) };
        let request = encoded(prepared, vec![*place]).await?;
        let number = self.trial.begin();
        let partial = exchange.exchange(request).await?.outcome()?;
        if partial.as_ref().map_or(0, rejected) > 0 {
            return Err(takes_nothing(reason));
        }
        self.trial.took(number);
        Ok(())
    }

    /// Waits until a request may be sent.
    pub(super) async fn turn(&self) -> Result<SemaphorePermit<'_>, Ended> {
        if self.is_throttled.load(Ordering::Acquire) { self.every_turn().await } else { self.take(1).await }
    }

    /// Waits until no other request is under way.
    pub(super) async fn every_turn(&self) -> Result<SemaphorePermit<'_>, Ended> {
        self.take(self.concurrency).await
    }

    async fn take(&self, count: u32) -> Result<SemaphorePermit<'_>, Ended> {
        let turns = self.turns.acquire_many(count).await?;
        if self.is_over.load(Ordering::Acquire) { Err(Ended::Over) } else { Ok(turns) }
    }
}
