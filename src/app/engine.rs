//! The running program: collectors, deliverers, upkeep, and the order in which they stop.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admin;
use crate::admin::listen::Listener;
use crate::admin::view::View;
use crate::app::AppError;
use crate::app::account::AccountTask;
use crate::app::parts::Shared;
use crate::app::progress::Form;
use crate::app::sinks::{self, Deliverer, Planned};
use crate::app::supervise::Supervised;
use crate::app::upkeep::{keep_up, serve_requests};
use crate::app::{files, held, progress, summary};
use crate::clock::Millis;
use crate::collect::sites::end_wait;
use crate::diagnostic::panics::why_ended;
use crate::diagnostic::words;

/// How often `--once` looks whether a full journal gets room.
const STUCK_LOOK: Duration = Duration::from_secs(1);

/// How often `--once` looks whether everything is delivered.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// Everything that runs, built and not yet started.
#[derive(Debug)]
pub struct Engine {
    /// What the tasks share.
    pub shared: Shared,
    /// The configured accounts.
    pub accounts: Vec<AccountTask>,
    /// The configured sinks.
    pub sinks: Vec<Planned>,
    /// Their deliverers.
    pub deliverers: Vec<Deliverer>,
    /// The admin listener, bound before anything runs.
    pub admin: Option<(Listener, View)>,
    /// Where the progress of first passes is shown.
    pub progress: Form,
    /// How long a stop may take.
    pub shutdown_timeout: Duration,
    /// Cancelled to stop.
    pub stop: CancellationToken,
    /// Counts up to reopen files.
    pub reopen: watch::Receiver<u64>,
}

/// Why a run ended without an error.
#[derive(Debug)]
pub enum Ended<T> {
    /// It was asked to stop.
    Stopped,
    /// Something else is to be run from now on.
    Changed(T),
}

/// A sink with records before it.
struct Waiting {
    sink: String,
    pending: u64,
    /// Since when it fails, and why.
    failing: Option<(Millis, String)>,
    /// What goes wrong in the call that goes on.
    trouble: Option<String>,
}

/// The tasks that outlive the collectors.
#[derive(Debug)]
struct Background {
    deliverers: JoinSet<Result<(), AppError>>,
    upkeep: JoinSet<Result<(), AppError>>,
    stop: CancellationToken,
}

impl Engine {
    /// Collects and delivers until asked to stop, until `changed` gives what to run instead, or until something makes going
    /// on pointless. The journal is closed then, unless something else is to be run: that takes it over.
    pub async fn run<T>(mut self, changed: impl Future<Output = T>) -> Result<Ended<T>, AppError> {
        let mut background = self.start_background();
        let accounts = self.accounts.clone();
        let watch = move |shared: Shared, stop| held::watch(shared.journal, accounts.clone(), stop);
        background.upkeep.spawn(supervised("held", self.shared.clone(), background.stop.clone(), watch));
        let (accounts, form) = (self.accounts.clone(), self.progress);
        let show = move |_, stop| progress::watch(accounts.clone(), Vec::new(), form, stop);
        background.upkeep.spawn(supervised("progress", self.shared.clone(), background.stop.clone(), show));
        tokio::pin!(changed);
        let mut collectors = JoinSet::new();
        for account in self.accounts.clone() {
            collectors.spawn(account.run(self.shared.clone(), self.stop.clone()));
        }
        let ended = loop {
            tokio::select! {
                () = self.stop.cancelled() => break Ok(Ended::Stopped),
                next = &mut changed => break Ok(Ended::Changed(next)),
                Some(ended) = background.deliverers.join_next() => break flatten(ended).map(|()| Ended::Stopped),
                Some(ended) = background.upkeep.join_next() => if let Err(error) = flatten(ended) { break Err(error) },
                Some(ended) = collectors.join_next() => if let Err(error) = flatten(ended) { break Err(error) },
            }
        };
        self.stop.cancel();
        let stopped = tokio::time::timeout(self.shutdown_timeout, async {
            while let Some(ended) = collectors.join_next().await {
                flatten(ended)?;
            }
            background.finish().await
        });
        let stopped = stopped.await.unwrap_or(Err(AppError::Deadline));
        collectors.shutdown().await;
        background.abort().await;
        if !matches!(ended, Ok(Ended::Changed(_))) {
            self.shared.journal.stop_waiting();
        }
        self.close_clients().await;
        let outcome = match (ended, stopped) {
            // What could not be finished in time stays in the journal, and the next run delivers it.
            (Ok(Ended::Changed(next)), Ok(()) | Err(AppError::Deadline)) => Ok(Ended::Changed(next)),
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(ended), Ok(())) => Ok(ended),
        };
        if matches!(outcome, Ok(Ended::Changed(_))) {
            self.shared.journal.close_accounts();
        } else {
            self.close_journal().await;
        }
        outcome
    }

    /// One complete pass of every stream of every account, everything delivered.
    pub async fn once(mut self) -> Result<(), AppError> {
        let mut background = self.start_background();
        let (accounts, sinks, form) = (self.accounts.clone(), self.sinks.clone(), self.progress);
        let show = move |_, stop| progress::watch(accounts.clone(), sinks.clone(), form, stop);
        background.upkeep.spawn(supervised("progress", self.shared.clone(), background.stop.clone(), show));
        let collected = tokio::select! {
            collected = self.collect_once() => collected,
            () = self.stop.cancelled() => Err(stopped_early()),
            stuck = self.stuck() => Err(stuck),
            Some(ended) = background.deliverers.join_next() => flatten(ended).and(Err(stopped_early())),
        };
        let is_over = matches!(collected, Err(AppError::Closed)) || self.stop.is_cancelled();
        let drained = if is_over { Ok(()) } else { self.drain(&mut background).await };
        let finished = tokio::time::timeout(self.shutdown_timeout, background.finish()).await;
        // A sink that does not answer and for which nothing waits leaves nothing undone.
        let finished = finished.unwrap_or(if is_over { Err(AppError::Deadline) } else { Ok(()) });
        background.abort().await;
        self.shared.journal.stop_waiting();
        let summarized = summary::log(&self.shared.journal, &self.accounts, &self.sinks).await;
        self.close_clients().await;
        self.close_journal().await;
        let finished = finished.and(summarized.map_err(AppError::Journal));
        // A sink may have come to stop only while it ended.
        collected.and(drained).and(finished).and(self.stopped_sinks())
    }

    /// Ends when the journal is full and no sink makes room for `shutdown_timeout`: nothing would ever be read again.
    async fn stuck(&self) -> AppError {
        let (mut last, mut since) = (None, Instant::now());
        loop {
            tokio::time::sleep(STUCK_LOOK).await;
            let usage = match self.shared.journal.usage().await {
                Ok(usage) => usage,
                Err(error) => return AppError::Journal(error),
            };
            if !usage.full || last != Some(usage.used) {
                (last, since) = (Some(usage.used), Instant::now());
            }
            if since.elapsed() >= self.shutdown_timeout {
                let causes = match self.shared.journal.causes().await {
                    Ok(causes) => causes,
                    Err(error) => return AppError::Journal(error),
                };
                return AppError::Failed(format!(
                    "the journal is full ({} of {}) and nothing makes room: {causes}. To go on: {}",
                    words::bytes(usage.used),
                    words::bytes(usage.limit),
                    causes.hint()
                ));
            }
        }
    }

    /// All accounts connect first: two that turn out to be one must not collect anything.
    async fn collect_once(&self) -> Result<(), AppError> {
        let mut failures = Vec::new();
        let mut connected = Vec::new();
        for account in self.accounts.clone() {
            // Registers the account, so that a later one with the same uid can refuse it.
            let token = self.shared.accounts.token(&account.config.name, &self.stop);
            match account.connect_once(&self.shared).await {
                Ok(source) => connected.push((account, source, token)),
                Err(error) => {
                    end_wait(&self.shared.journal, &account.config.name).await?;
                    failures.push(error);
                }
            }
        }
        let mut tasks = JoinSet::new();
        for (account, source, token) in connected {
            if token.is_cancelled() {
                end_wait(&self.shared.journal, &account.config.name).await?;
                continue;
            }
            tasks.spawn(account.once(source));
        }
        while let Some(ended) = tasks.join_next().await {
            failures.extend(flatten(ended).err());
        }
        for failure in failures.iter().skip(1) {
            tracing::error!(error = crate::diagnostic::causes::line(failure), "failed");
        }
        failures.into_iter().next().map_or(Ok(()), Err)
    }

    /// Waits until every sink has everything and is known to work or not; a sink without progress for `shutdown_timeout` is given up.
    async fn drain(&self, background: &mut Background) -> Result<(), AppError> {
        let (mut last, mut since) = (None, Instant::now());
        loop {
            let (mut waiting, mut undecided) = (Vec::new(), Vec::new());
            for sink in &self.sinks {
                let backlog = self.shared.journal.backlog(&sink.name).await?;
                let pending: u64 = backlog.iter().map(|entry| entry.pending).sum();
                let state = sink.status.get();
                let (is_undecided, is_stopped, is_opening) = (state.is_undecided(), state.is_stopped, state.is_opening);
                let entry =
                    Waiting { sink: sink.name.clone(), pending, failing: state.failing, trouble: state.trouble };
                // A stopped sink is reported once the others are done.
                if pending > 0 && !is_stopped {
                    waiting.push(entry);
                } else if is_undecided {
                    undecided.push((entry, is_opening));
                }
            }
            if waiting.is_empty() && undecided.is_empty() {
                return self.stopped_sinks();
            }
            let now: Vec<_> = waiting.iter().map(|entry| (entry.sink.clone(), entry.pending)).collect();
            if last.as_ref() != Some(&now) {
                (last, since) = (Some(now), Instant::now());
            }
            if since.elapsed() >= self.shutdown_timeout {
                // What is being opened may turn out to be stopped. A health check without an answer leaves nothing undone.
                waiting.extend(undecided.into_iter().filter(|(_, is_opening)| *is_opening).map(|(entry, _)| entry));
                return if waiting.is_empty() { self.stopped_sinks() } else { Err(undelivered(&waiting)) };
            }
            tokio::select! {
                () = tokio::time::sleep(DRAIN_LOOK) => {}
                () = self.stop.cancelled() => return Err(stopped_early()),
                Some(ended) = background.deliverers.join_next() => return flatten(ended),
            }
        }
    }

    /// An error if a sink waits for an operator.
    fn stopped_sinks(&self) -> Result<(), AppError> {
        let states = self.sinks.iter().map(|sink| (&sink.name, sink.status.get()));
        let stopped = states
            .filter(|(_, state)| state.is_stopped)
            .filter_map(|(name, state)| state.failing.map(|(_, reason)| format!("sink {name} stopped: {reason}")));
        let lines: Vec<_> = stopped.collect();
        if lines.is_empty() { Ok(()) } else { Err(AppError::Failed(lines.join("\n"))) }
    }

    fn start_background(&mut self) -> Background {
        let stop = CancellationToken::new();
        let mut deliverers = JoinSet::new();
        for (planned, deliverer) in self.sinks.iter().zip(std::mem::take(&mut self.deliverers)) {
            let (planned, shared) = (planned.clone(), self.shared.clone());
            deliverers.spawn(sinks::keep_running(planned, deliverer, shared, stop.clone(), self.reopen.clone()));
        }
        let mut upkeep = JoinSet::new();
        upkeep.spawn(supervised("requests", self.shared.clone(), stop.clone(), serve_requests));
        upkeep.spawn(supervised("journal", self.shared.clone(), stop.clone(), keep_up));
        upkeep.spawn(supervised("files", self.shared.clone(), stop.clone(), files::watch));
        if let Some((listener, view)) = self.admin.take() {
            let serve = move |_, stop| {
                let (listener, view) = (listener.clone(), view.clone());
                async move {
                    admin::serve(&listener, view, stop).await;
                    Ok(())
                }
            };
            upkeep.spawn(supervised("admin", self.shared.clone(), stop.clone(), serve));
        }
        Background { deliverers, upkeep, stop }
    }

    async fn close_clients(&self) {
        for account in &self.accounts {
            account.client.close().await;
        }
    }

    async fn close_journal(&self) {
        if let Err(error) = self.shared.journal.close().await {
            tracing::error!(error = crate::diagnostic::causes::line(&error), "the journal could not be closed");
        }
    }
}

impl Background {
    /// Ends what did not end by itself.
    async fn abort(&mut self) {
        self.deliverers.shutdown().await;
        self.upkeep.shutdown().await;
    }

    /// Stops deliverers, then upkeep, and waits for them.
    async fn finish(&mut self) -> Result<(), AppError> {
        self.stop.cancel();
        let mut outcome = Ok(());
        while let Some(ended) = self.deliverers.join_next().await {
            outcome = outcome.and(flatten(ended));
        }
        while let Some(ended) = self.upkeep.join_next().await {
            outcome = outcome.and(flatten(ended));
        }
        outcome
    }
}

/// A task of the upkeep, started anew after a panic.
async fn supervised<F: Future<Output = Result<(), AppError>>>(
    name: &'static str,
    shared: Shared,
    stop: CancellationToken,
    task: impl Fn(Shared, CancellationToken) -> F,
) -> Result<(), AppError> {
    let (metrics, name) = (shared.metrics.clone(), name.to_owned());
    let supervised = Supervised { kind: "upkeep", name, metrics, stop: stop.clone() };
    supervised.run(|| task(shared.clone(), stop.clone()), |_| ()).await.unwrap_or(Ok(()))
}

fn stopped_early() -> AppError {
    AppError::Failed("stopped before everything was collected and delivered".to_owned())
}

fn undelivered(waiting: &[Waiting]) -> AppError {
    let lines = waiting.iter().map(|Waiting { sink, pending, failing, trouble }| {
        let why = match (failing, trouble) {
            (Some((since, error)), _) => format!("since {since}: {error}"),
            (None, Some(trouble)) => trouble.clone(),
            (None, None) => "it confirmed nothing and told no error".to_owned(),
        };
        match pending {
            0 => format!("sink {sink} was not opened in time: whether it works is not known ({why})"),
            _ => format!("sink {sink} made no progress: {pending} records wait in the journal ({why})"),
        }
    });
    AppError::Failed(lines.collect::<Vec<_>>().join("\n"))
}

fn flatten(ended: Result<Result<(), AppError>, tokio::task::JoinError>) -> Result<(), AppError> {
    ended.unwrap_or_else(|ended| Err(AppError::Failed(format!("a task ended: {}", why_ended(ended)))))
}
