//! The configured sinks as running parts: the one list that a new sink is added to.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::settings::{RouteStream, SinkConfig, SinkKind};
use crate::deliver::route::Route;
use crate::deliver::runner::{Runner, RunnerError, SinkStatus};
use crate::deliver::turns::Turns;
use crate::event::Event;
use crate::journal::StartAt;
use crate::journal::sqlite::Journal;
use crate::normalize::Options;
use crate::normalize::lens::Lens;
use crate::record::Stream;
use crate::sink::file::FileSink;
use crate::sink::stdout::Stdout;
use crate::sink::{Delivered, Sink, SinkError};
use crate::telemetry::Metrics;

/// Any sink that the configuration can name.
#[derive(Debug)]
pub enum AnySink {
    /// Standard output.
    Stdout(Stdout),
    /// A file of lines.
    File(FileSink),
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
    lens: Arc<Lens>,
}

impl Planned {
    /// What the configuration says about a sink.
    pub fn new(config: SinkConfig, lens: Arc<Lens>) -> Self {
        let (name, start) = (config.name.clone(), config.from);
        Self { name, start, status: SinkStatus::default(), config: Arc::new(config), lens }
    }

    /// Builds the sink's deliverer.
    pub fn runner(&self, journal: Journal, clock: Clock, metrics: Metrics) -> std::io::Result<Runner<AnySink>> {
        Ok(Runner {
            name: self.name.clone(),
            sink: self.sink()?,
            route: self.route(),
            options: Options {
                format: self.config.format,
                raw_data: self.config.raw_data,
                lens: Arc::clone(&self.lens),
                ..Options::default()
            },
            journal,
            clock,
            metrics,
            status: self.status.clone(),
        })
    }

    /// Builds the sink alone, for a health check.
    pub fn sink(&self) -> std::io::Result<AnySink> {
        match &self.config.kind {
            SinkKind::Stdout => Ok(AnySink::Stdout(Stdout::new()?)),
            SinkKind::File { path } => Ok(AnySink::File(FileSink::new(path.clone()))),
            SinkKind::Kafka(_) | SinkKind::Otlp(_) => Err(std::io::Error::new(
                std::io::ErrorKind::Unsupported,
                "this kind of sink is not part of this version",
            )),
        }
    }

    fn route(&self) -> Route {
        self.config.route.as_ref().map_or_else(Route::default, |route| Route {
            streams: route.streams.as_ref().map(|streams| streams.iter().filter_map(source_stream).collect()),
            orgs: route.orgs.as_ref().map(|orgs| orgs.iter().cloned().collect()),
            min_severity: route.min_severity,
        })
    }
}

/// The stream of source records that a route names. vintner's own events are none.
fn source_stream(named: &RouteStream) -> Option<Stream> {
    match named {
        RouteStream::Source(stream) => Some(*stream),
        RouteStream::Vintner => None,
    }
}

impl Sink for AnySink {
    async fn deliver(&mut self, events: &[Event]) -> Result<Delivered, SinkError> {
        match self {
            Self::Stdout(sink) => sink.deliver(events).await,
            Self::File(sink) => sink.deliver(events).await,
        }
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        match self {
            Self::Stdout(sink) => sink.healthcheck().await,
            Self::File(sink) => sink.healthcheck().await,
        }
    }

    fn reopen(&mut self) {
        match self {
            Self::Stdout(sink) => sink.reopen(),
            Self::File(sink) => sink.reopen(),
        }
    }
}

/// Runs a deliverer until `stop`, reopening its sink whenever `reopen` counts up.
pub async fn run(
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
        runner.sink.reopen();
    }
    Ok(())
}
