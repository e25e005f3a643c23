//! Writes down what a restart must not forget: send times of the last minute now and then, a pause at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::budget::Budget;
use super::memory::{Memory, MemoryError};
use crate::clock::{Clock, Millis};

/// Send times are written at most this often: what a kill in between forgets must not matter to the budget.
const SHORT: Duration = Duration::from_millis(1500);
/// Fewer calls than `MANY` are written after this, so that polling without news hardly writes. The API's own count, which
/// is asked first of all after a start, knows them too.
const LONG: Duration = Duration::from_secs(15);
/// So many calls are written soon.
const MANY: u32 = 20;

/// The write-behind of one account. It owns its one background task, which ends with it.
pub(super) struct Saver {
    shared: Arc<Shared>,
    tasks: Mutex<JoinSet<()>>,
}

struct Shared {
    account: String,
    memory: Arc<dyn Memory>,
    budget: Arc<Budget>,
    clock: Clock,
    work: Mutex<Work>,
}

/// Decided under one lock, so that no note falls between a last look and the end of the task.
#[derive(Debug, Default)]
struct Work {
    /// Whether the task is there that will write.
    has_writer: bool,
    /// Calls since the last write.
    unwritten: u32,
}

impl Saver {
    /// A saver for `account`, after taking over what the run before this one left.
    pub(super) async fn open(
        account: &str,
        memory: Arc<dyn Memory>,
        budget: Arc<Budget>,
        clock: Clock,
    ) -> Result<Self, MemoryError> {
        let shared = Shared { account: account.to_owned(), memory, budget, clock, work: Mutex::default() };
        shared.restore().await?;
        Ok(Self { shared: Arc::new(shared), tasks: Mutex::default() })
    }

    /// Notes that a call was sent. Does not wait.
    pub(super) fn note(&self) {
        {
            let mut work = self.shared.lock();
            work.unwritten = work.unwritten.saturating_add(1);
            if std::mem::replace(&mut work.has_writer, true) {
                return;
            }
        }
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        let shared = self.shared.clone();
        tasks.spawn(async move { shared.write_while_due().await });
    }

    /// Writes down the end of a pause, with the send times.
    pub(super) async fn keep_pause(&self, until: Millis) {
        let shared = &self.shared;
        shared.remember(vec![(shared.pause_key(), until.0.to_string()), shared.sends()]).await;
    }

    /// Writes down the send times, and the pause if there is one, now.
    pub(super) async fn flush(&self) {
        match self.shared.budget.rate(self.shared.clock.now()).paused_until {
            Some(until) => self.keep_pause(until).await,
            None => self.shared.remember(vec![self.shared.sends()]).await,
        }
    }
}

impl Shared {
    async fn write_while_due(&self) {
        loop {
            let latest = Instant::now() + LONG;
            sleep(SHORT).await;
            while self.lock().unwritten < MANY && Instant::now() < latest {
                sleep(SHORT).await;
            }
            self.lock().unwritten = 0;
            self.remember(vec![self.sends()]).await;
            let mut work = self.lock();
            if work.unwritten == 0 {
                work.has_writer = false;
                return;
            }
        }
    }

    async fn restore(&self) -> Result<(), MemoryError> {
        let wall = self.clock.now();
        let sends = match self.recall(&self.sends_key()).await? {
            Some(text) => serde_json::from_str(&text).map_err(|_| MemoryError::Damaged(self.sends_key()))?,
            None => Vec::new(),
        };
        let pause = match self.recall(&self.pause_key()).await? {
            Some(text) => {
                let until = text.parse().map_err(|_| MemoryError::Damaged(self.pause_key()))?;
                // A clock that was set back must not lengthen the pause.
                Some(Millis(until).since(wall).min(super::retry::LONGEST_PAUSE))
            }
            None => None,
        };
        self.budget.restore(&sends, pause, wall);
        Ok(())
    }

    async fn recall(&self, key: &str) -> Result<Option<String>, MemoryError> {
        Ok(self.memory.recall(key).await?.filter(|text| !text.is_empty()))
    }

    async fn remember(&self, entries: Vec<(String, String)>) {
        if let Err(error) = self.memory.remember(entries).await {
            warn!(account = self.account, %error, "send times and pauses are not kept; a restart will forget them");
        }
    }

    fn sends(&self) -> (String, String) {
        let log = self.budget.snapshot(self.clock.now());
        // Pairs of numbers always have a JSON text; an empty one would only mean that nothing is remembered.
        (self.sends_key(), serde_json::to_string(&log).unwrap_or_default())
    }

    fn sends_key(&self) -> String {
        format!("datto.sends.{}", self.account)
    }

    fn pause_key(&self) -> String {
        format!("datto.pause.{}", self.account)
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Saver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Saver").field("account", &self.shared.account).finish_non_exhaustive()
    }
}
