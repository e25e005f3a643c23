//! How a sink does: for status, health and the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Millis};
use crate::diagnostic::words;
use crate::journal::sqlite::Journal;
use crate::journal::{Backlog, JournalError};
use crate::sink::Trouble;

/// A sink that takes longer to confirm a batch is told to be down.
const SLOW: Duration = Duration::from_secs(10);
/// A sink that stays down is told again after this.
const REMIND: Duration = Duration::from_secs(300);
/// How often a slow sink, and a stop while one is slow, is looked after.
const LOOK: Duration = Duration::from_secs(1);

/// How a sink does, shared with status and health.
#[derive(Clone, Debug, Default)]
pub struct SinkStatus(Arc<Mutex<SinkState>>);

/// A moment of [`SinkStatus`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkState {
    /// Since when the sink fails, and its last error.
    pub failing: Option<(Millis, String)>,
    /// Whether it waits for an operator; `failing` says why.
    pub is_stopped: bool,
    /// Whether it is being opened, so that its positions are not compared yet. Only of a sink that keeps its position itself.
    pub is_opening: bool,
    /// Whether it ever accepted a batch or passed a health check.
    pub is_proven: bool,
    /// Events that it confirmed since the start.
    pub sent: u64,
    /// Records since the start that its route does not name.
    pub skipped: u64,
    /// Records since the start that became dead letters.
    pub dead: u64,
    /// Records that waited for it when its deliverer last looked.
    pub waiting: u64,
    /// What goes wrong in the call that goes on, if it says so and is not told to be down yet.
    pub trouble: Option<String>,
    /// When the log last said that it is down.
    told_at: Option<Millis>,
}

/// What a deliverer tells of its sink.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    /// The sink's name.
    pub(crate) name: String,
    /// Time of what is told.
    pub(crate) clock: Clock,
    /// Where it is told.
    pub(crate) status: SinkStatus,
    /// Where records wait for the sink.
    pub(crate) journal: Journal,
    /// What the sink says while a call goes on.
    pub(crate) trouble: Trouble,
}

impl SinkStatus {
    /// How the sink does now.
    pub fn get(&self) -> SinkState {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes how it does.
    pub(crate) fn set(&self, change: impl FnOnce(&mut SinkState)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl SinkState {
    /// Whether nobody knows yet if the sink works, is down or must stop.
    pub fn is_undecided(&self) -> bool {
        !self.is_stopped && (self.is_opening || (!self.is_proven && self.failing.is_none()))
    }
}

impl Watch {
    /// How the sink stands in each partition; the number of waiting records is noted in its status.
    pub(crate) async fn look(&self) -> Result<Vec<Backlog>, JournalError> {
        let backlog = self.journal.backlog(&self.name).await?;
        self.status.set(|state| state.waiting = backlog.iter().map(|entry| entry.pending).sum());
        Ok(backlog)
    }

    /// Waits for a call of the sink, and tells when it takes long. `None`: `stop` came while the sink was down, so the call was
    /// dropped and its outcome is open.
    pub(crate) async fn wait<T>(&self, stop: &CancellationToken, call: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(call);
        let began = Instant::now();
        let mut look = tokio::time::interval_at(began + LOOK, LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                outcome = &mut call => return Some(outcome),
                _ = look.tick() => {}
            }
            let trouble = self.trouble.get();
            if began.elapsed() < SLOW {
                self.status.set(|state| state.trouble = trouble);
            } else {
                // Records may have come since the call began. If the journal fails, the deliverer ends at its own next use of it.
                if let Err(error) = self.look().await {
                    tracing::debug!(sink = self.name, error = %error, "backlog unknown");
                }
                let why = trouble.unwrap_or_else(|| "it confirms nothing".to_owned());
                self.failed(&format!("no confirmation for {} s: {why}", SLOW.as_secs()));
            }
            if stop.is_cancelled() && self.status.get().failing.is_some() {
                return None;
            }
        }
    }

    /// The sink works.
    pub(crate) fn succeeded(&self) {
        let now = self.clock.now();
        self.status.set(|state| {
            if let Some((since, _)) = state.failing.take() {
                tracing::info!(sink = self.name, down_for = words::duration(now.since(since)), "sink works again");
            }
            (state.is_proven, state.is_stopped, state.is_opening, state.trouble) = (true, false, false, None);
        });
    }

    /// The sink is down. The log says so at once, again when the reason changes, and from time to time as long as it lasts.
    pub(crate) fn failed(&self, reason: &str) {
        let now = self.clock.now();
        self.status.set(|state| {
            let since = state.failing.as_ref().map_or(now, |(since, _)| *since);
            let is_new = state.failing.as_ref().is_none_or(|(_, last)| last != reason);
            if is_new || state.told_at.is_none_or(|told| now.since(told) >= REMIND) {
                tracing::warn!(
                    sink = self.name, %since, reason, backlog = state.waiting,
                    "sink is down: collecting goes on, the journal keeps what it misses, and it is tried again"
                );
                state.told_at = Some(now);
            }
            (state.failing, state.trouble) = (Some((since, reason.to_owned())), None);
        });
    }

    /// The sink waits for an operator.
    pub(crate) fn stopped(&self, reason: &str) {
        let now = self.clock.now();
        tracing::error!(
            sink = self.name,
            reason,
            "sink stopped: collecting and the other sinks go on, the journal keeps what it misses"
        );
        self.status.set(|state| {
            let since = state.failing.as_ref().map_or(now, |(since, _)| *since);
            state.failing = Some((since, reason.to_owned()));
            (state.is_stopped, state.is_opening) = (true, false);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::testing::journal;

    async fn watch(folder: &std::path::Path) -> Watch {
        let (status, trouble, clock) = (SinkStatus::default(), Trouble::default(), Clock::manual(Millis(0)));
        let journal = journal(folder, &clock, &["s"]).await;
        Watch { name: "s".into(), clock, status, journal, trouble }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_takes_long_is_told_with_the_trouble_and_still_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let watch = watch(folder.path()).await;
        watch.trouble.set("connection refused".into());
        let stop = CancellationToken::new();
        let seen = watch.wait(&stop, async {
            tokio::time::sleep(Duration::from_secs(15)).await;
            watch.status.get().failing
        });
        let (_, reason) = seen.await.unwrap().unwrap();
        assert!(reason.contains("connection refused"), "{reason}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_a_sink_that_works_and_gives_up_one_that_is_down() {
        let folder = tempfile::tempdir().unwrap();
        let watch = watch(folder.path()).await;
        let stop = CancellationToken::new();
        stop.cancel();
        let soon = tokio::time::sleep(Duration::from_secs(5));
        assert_eq!(watch.wait(&stop, soon).await, Some(()));
        let never = std::future::pending::<()>();
        let began = Instant::now();
        assert_eq!(watch.wait(&stop, never).await, None);
        assert!(began.elapsed() <= SLOW + LOOK);
    }
}
