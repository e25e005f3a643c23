//! The configured sinks as running parts: the one list that a new sink is added to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::AppError;
use crate::app::parts::Shared;
#[cfg(test)]
use crate::app::seams::receiver;
use crate::app::supervise::Supervised;
use crate::clock::Clock;
use crate::config::settings::kafka::Delivery;
use crate::config::settings::{SinkConfig, SinkKind};
use crate::deliver::route::Route;
use crate::deliver::runner::{LIMIT, Runner, RunnerError};
use crate::deliver::status::{SinkStatus, Watch};
use crate::deliver::transactional::Ended;
use crate::deliver::turns::Turns;
use crate::event::Event;
use crate::journal::files::files;
use crate::journal::sqlite::Journal;
use crate::journal::{BatchLimit, StartAt};
use crate::normalize::Options;
use crate::sink::file::FileSink;
use crate::sink::kafka::at_least_once::AtLeastOnce;
use crate::sink::kafka::exactly_once::ExactlyOnce;
use crate::sink::kafka::{MissingTopics, Settings, probe};
use crate::sink::otlp::OtlpSink;
use crate::sink::readable::Look;
use crate::sink::stdout::{OnError, Stdout};
use crate::sink::{Delivered, Sink, SinkError, TransactionalSink, Trouble};
use crate::telemetry::Metrics;

pub(crate) mod file;
mod kafka;
mod otlp;

/// Any sink that the configuration can name.
#[derive(Debug)]
pub enum AnySink {
    /// Standard output.
    Stdout(Stdout),
    /// A file of lines.
    File(FileSink),
    /// A Kafka topic, at least once.
    Kafka(Box<AtLeastOnce>),
    /// An OTLP receiver.
    Otlp(Box<OtlpSink>),
    /// A receiver of a simulation.
    #[cfg(test)]
    #[expect(private_interfaces, reason = "only the crate's own tests make one")]
    Simulated(Box<receiver::Plain>),
}

/// A sink's deliverer, by who keeps the position.
#[derive(Debug)]
pub enum Deliverer {
    /// The journal.
    Plain(Box<Runner<AnySink>>),
    /// The sink, in one transaction with the events.
    Transactional(Box<Runner<ExactlyOnce>>),
    /// A receiver of a simulation that keeps the position itself.
    #[cfg(test)]
    #[expect(private_interfaces, reason = "only the crate's own tests make one")]
    Simulated(Box<Runner<receiver::Transactional>>),
}

/// A sink before it runs.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// Where it starts in a journal that never saw it.
    pub start: StartAt,
    /// How it does.
    pub status: SinkStatus,
    config: Arc<SinkConfig>,
    /// Files that a sink must not write to.
    reserved: Vec<PathBuf>,
    /// How many events a sink on stdout takes before it ends the run; `None`: all.
    pub most: Option<u64>,
    /// How a sink on stdout shows events to people; `None`: as they are.
    pub look: Option<Look>,
    /// What all sinks tell alike.
    options: Options,
    /// Receivers of a simulation.
    #[cfg(test)]
    receivers: Option<receiver::Receivers>,
}

impl Planned {
    /// What the configuration says about a sink.
    pub fn new(config: SinkConfig) -> Self {
        let (name, start, options) = (config.name.clone(), config.from, Options::default());
        let (status, config) = (SinkStatus::default(), Arc::new(config));
        Self {
            name,
            start,
            status,
            config,
            reserved: Vec::new(),
            most: None,
            look: None,
            options,
            #[cfg(test)]
            receivers: None,
        }
    }

    /// The same, which keeps away from the files of the journal at `path`.
    #[must_use]
    pub fn beside(self, path: &Path) -> Self {
        Self { reserved: files(path), ..self }
    }

    /// The same with what all sinks tell alike.
    #[must_use]
    pub fn emitting(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// The same with receivers of a simulation.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn received_by(self, receivers: Option<receiver::Receivers>) -> Self {
        Self { receivers, ..self }
    }

    /// Builds the sink's deliverer.
    pub fn deliverer(&self, journal: Journal, clock: Clock, metrics: Metrics) -> std::io::Result<Deliverer> {
        #[cfg(test)]
        if let Some(receivers) = self.receivers.as_ref().filter(|_| self.is_exactly_once()) {
            let sink = receivers.transactional(&self.config)?;
            return Ok(Deliverer::Simulated(Box::new(self.runner(sink, journal, clock, metrics))));
        }
        if let Some(settings) = self.kafka(journal.id(), &clock).filter(|_| self.is_exactly_once()) {
            let sink = ExactlyOnce::new(settings)?;
            return Ok(Deliverer::Transactional(Box::new(self.runner(sink, journal, clock, metrics))));
        }
        let sink = self.sink(journal.id(), &clock)?;
        Ok(Deliverer::Plain(Box::new(self.runner(sink, journal, clock, metrics))))
    }

    fn runner<S>(&self, sink: S, journal: Journal, clock: Clock, metrics: Metrics) -> Runner<S> {
        Runner {
            name: self.name.clone(),
            sink,
            route: self.route(),
            options: Options { format: self.config.format, raw_data: self.config.raw_data, ..self.options.clone() },
            limit: self.limit(),
            journal,
            clock,
            metrics,
            status: self.status.clone(),
        }
    }

    /// Bounds of one batch.
    fn limit(&self) -> BatchLimit {
        #[cfg(test)]
        if let Some(receivers) = &self.receivers {
            return BatchLimit { records: receivers.batch(), ..LIMIT };
        }
        LIMIT
    }

    /// Builds the sink alone.
    fn sink(&self, journal: Uuid, clock: &Clock) -> std::io::Result<AnySink> {
        #[cfg(test)]
        if let Some(receivers) = &self.receivers {
            return receivers.sink(&self.config, &self.reserved);
        }
        Ok(match &self.config.kind {
            SinkKind::Stdout => {
                let look = self.look.filter(|_| !self.config.has_format);
                AnySink::Stdout(Stdout::new(OnError::Wait)?.closing_after(self.most).looking(look))
            }
            SinkKind::File { path } => AnySink::File(FileSink::new(path.clone(), self.reserved.clone())),
            SinkKind::Kafka(config) => {
                AnySink::Kafka(Box::new(AtLeastOnce::new(kafka::settings(&self.config, config, journal, clock))?))
            }
            SinkKind::Otlp(config) => AnySink::Otlp(Box::new(OtlpSink::new(otlp::settings(config, clock)))),
        })
    }

    /// Whether it could deliver: nothing is sent, nothing is made, nobody is shut out. The error is for people. Must be called on the
    /// runtime.
    pub async fn check(&self, clock: &Clock) -> Result<(), String> {
        let failed = |error: std::io::Error| error.to_string();
        let mut sink = match self.kafka(Uuid::nil(), clock) {
            Some(mut settings) => {
                kafka::reachable(&settings.brokers).await?;
                if settings.missing_topics == MissingTopics::Made {
                    settings.missing_topics = MissingTopics::Awaited;
                }
                if self.is_exactly_once() {
                    let probed = tokio::task::spawn_blocking(move || probe::probe(&settings)).await;
                    return probed.unwrap_or_else(|_| Err("the look at the brokers has stopped".to_owned()));
                }
                AnySink::Kafka(Box::new(AtLeastOnce::new(settings).map_err(failed)?))
            }
            None => self.sink(Uuid::nil(), clock).map_err(failed)?,
        };
        sink.healthcheck().await.map_err(|error| error.to_string())
    }

    fn is_exactly_once(&self) -> bool {
        matches!(&self.config.kind, SinkKind::Kafka(kafka) if kafka.delivery == Delivery::ExactlyOnce)
    }

    /// How a Kafka sink is set up; `None` for another kind. Must be called on the runtime.
    pub fn kafka(&self, journal: Uuid, clock: &Clock) -> Option<Settings> {
        match &self.config.kind {
            SinkKind::Kafka(config) => Some(kafka::settings(&self.config, config, journal, clock)),
            SinkKind::Stdout | SinkKind::File { .. } | SinkKind::Otlp(_) => None,
        }
    }

    /// Which events it takes.
    pub fn route(&self) -> Route {
        self.config.route.as_ref().map_or_else(Route::default, |route| Route {
            streams: route.streams.as_ref().map(|streams| streams.iter().copied().collect()),
            orgs: route.orgs.as_ref().map(|orgs| orgs.iter().cloned().collect()),
            min_severity: route.min_severity,
            labels: route.labels.as_ref().map(|labels| labels.iter().map(|label| (*label).to_owned()).collect()),
        })
    }
}

impl Sink for AnySink {
    async fn deliver(&mut self, events: &[Event]) -> Result<Delivered, SinkError> {
        match self {
            Self::Stdout(sink) => sink.deliver(events).await,
            Self::File(sink) => sink.deliver(events).await,
            Self::Kafka(sink) => sink.deliver(events).await,
            Self::Otlp(sink) => sink.deliver(events).await,
            #[cfg(test)]
            Self::Simulated(sink) => sink.deliver(events).await,
        }
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        match self {
            Self::Stdout(sink) => sink.healthcheck().await,
            Self::File(sink) => sink.healthcheck().await,
            Self::Kafka(sink) => sink.healthcheck().await,
            Self::Otlp(sink) => sink.healthcheck().await,
            #[cfg(test)]
            Self::Simulated(sink) => sink.healthcheck().await,
        }
    }

    fn reopen(&mut self) {
        match self {
            Self::Stdout(sink) => sink.reopen(),
            Self::File(sink) => sink.reopen(),
            Self::Kafka(sink) => sink.reopen(),
            Self::Otlp(sink) => sink.reopen(),
            #[cfg(test)]
            Self::Simulated(sink) => sink.reopen(),
        }
    }

    fn trouble(&self) -> Trouble {
        match self {
            Self::Stdout(sink) => sink.trouble(),
            Self::File(sink) => sink.trouble(),
            Self::Kafka(sink) => sink.trouble(),
            Self::Otlp(sink) => sink.trouble(),
            #[cfg(test)]
            Self::Simulated(sink) => sink.trouble(),
        }
    }
}

/// Runs a deliverer until `stop`. After a panic its sink is down, and opened anew.
pub async fn keep_running(
    planned: Planned,
    first: Deliverer,
    shared: Shared,
    stop: CancellationToken,
    reopen: watch::Receiver<u64>,
) -> Result<(), AppError> {
    let Shared { journal, clock, metrics, .. } = shared;
    let (name, status) = (planned.name.clone(), planned.status.clone());
    let supervised = Supervised { kind: "sink", name: name.clone(), metrics: metrics.clone(), stop: stop.clone() };
    let watch = Watch { name, clock: clock.clone(), status, journal: journal.clone(), trouble: Trouble::default() };
    let mut built = Some(first);
    let start = || {
        let built = built.take().map_or_else(|| planned.deliverer(journal.clone(), clock.clone(), metrics.clone()), Ok);
        let (stop, reopen) = (stop.clone(), reopen.clone());
        async move {
            let deliverer = built.map_err(|error| AppError::Failed(format!("a sink cannot be made anew: {error}")))?;
            Ok(run(deliverer, stop, reopen).await?)
        }
    };
    supervised.run(start, |why| watch.failed(why)).await.unwrap_or(Ok(()))
}

/// Runs a deliverer until `stop`, reopening its sink whenever `reopen` counts up.
async fn run(deliverer: Deliverer, stop: CancellationToken, reopen: watch::Receiver<u64>) -> Result<(), RunnerError> {
    match deliverer {
        Deliverer::Plain(runner) => run_plain(*runner, stop, reopen).await,
        Deliverer::Transactional(runner) => run_transactional(*runner, stop, reopen).await,
        #[cfg(test)]
        Deliverer::Simulated(runner) => run_transactional(*runner, stop, reopen).await,
    }
}

/// A stopped sink stays stopped until the operator asks for another look (SIGHUP).
async fn run_transactional(
    mut runner: Runner<impl TransactionalSink>,
    stop: CancellationToken,
    mut reopen: watch::Receiver<u64>,
) -> Result<(), RunnerError> {
    let mut turns = Turns::default();
    while runner.run_transactional(&stop, &mut turns).await? == Ended::Stopped {
        reopen.mark_unchanged();
        tokio::select! {
            () = stop.cancelled() => break,
            changed = reopen.changed() => if changed.is_err() { stop.cancelled().await },
        }
    }
    Ok(())
}

async fn run_plain(
    mut runner: Runner<AnySink>,
    stop: CancellationToken,
    mut reopen: watch::Receiver<u64>,
) -> Result<(), RunnerError> {
    let mut turns = Turns::default();
    while !stop.is_cancelled() {
        let pause = stop.child_token();
        let has_reopened = {
            let delivering = runner.run(&pause, &mut turns);
            tokio::pin!(delivering);
            tokio::select! {
                outcome = &mut delivering => return outcome,
                changed = reopen.changed() => {
                    // The batch in hand is finished before the sink is touched.
                    pause.cancel();
                    delivering.await?;
                    changed.is_ok()
                }
            }
        };
        if !has_reopened {
            return runner.run(&stop, &mut turns).await;
        }
        runner.reopen_sink(&stop).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
