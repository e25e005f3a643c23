//! How fast records go from the journal to each sink, beside what the client library alone does with the same bytes in the same run
//! (docs/performance.md).
//!
//! Without engines: Kafka is librdkafka's mock cluster and the OTLP receiver is one in this process, which share the machine with what
//! is measured. `VINTNER_BENCH_KAFKA` (host:port) and `VINTNER_BENCH_OTLP` (address of the gRPC port) name real ones.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark: a panic is how it fails, it prints what it measured, and it reads its own settings and the machine's time"
)]

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use vintner::clock::Clock;
use vintner::deliver::route::Route;
use vintner::deliver::runner::{Runner, Turn};
use vintner::deliver::status::SinkStatus;
use vintner::deliver::turns::Turns;
use vintner::event::Event;
use vintner::journal::StartAt;
use vintner::journal::sqlite::Journal;
use vintner::normalize::Options;
use vintner::sink::{Delivered, Sink, SinkError, TransactionalSink};
use vintner::telemetry::Metrics;

use self::table::Table;

#[path = "sinks/kafka.rs"]
mod kafka;
#[allow(dead_code, reason = "the benchmark of normalization uses the rest")]
#[path = "normalize/mix.rs"]
mod mix;
#[path = "sinks/otlp.rs"]
mod otlp;
#[path = "sinks/records.rs"]
mod records;
#[path = "sinks/table.rs"]
mod table;

/// No run takes longer unless something is broken.
const LIMIT: Duration = Duration::from_secs(300);

/// What everything is measured with.
struct World {
    journal: Journal,
    clock: Clock,
    /// The events that the records become.
    events: Vec<Event>,
    sinks: usize,
}

fn main() {
    let number = |name: &str, default| std::env::var(name).ok().map_or(default, |text| text.parse().unwrap());
    let (count, rounds) = (number("VINTNER_BENCH_RECORDS", 20_000), number("VINTNER_BENCH_ROUNDS", 5));
    // `cargo bench` passes options; the first word that is none filters.
    let filter = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(count, rounds, &filter));
}

async fn measure(count: usize, rounds: usize, filter: &str) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let journal = records::journal(folder.path(), count, &clock).await;
    let mut world = World { journal, clock, events: Vec::new(), sinks: 0 };
    let (kept, _) = world.drain(Keep::default()).await;
    world.events = kept.events;
    assert_eq!(world.events.len(), count, "every record becomes an event");
    let bytes: usize = world.events.iter().map(|event| event.json.len()).sum();
    let mut table = Table::new(count, bytes);
    println!("{count} records, {:.2} KB of OCSF each; {rounds} rounds", bytes as f64 / count as f64 / 1000.0);
    let wanted = |name: &str| name.contains(filter);
    let kafka = if wanted("kafka") { Some(kafka::Setup::start(&world)) } else { None };
    let otlp = if wanted("otlp") { otlp::Setup::all(&mut world).await } else { Vec::new() };
    for _ in 0..rounds {
        let (_, took) = world.drain(Nothing).await;
        table.add("journal to nothing", None, took);
        if let Some(setup) = &kafka {
            setup.round(&mut world, &mut table).await;
        }
        for setup in &otlp {
            setup.round(&mut world, &mut table).await;
        }
    }
    table.print();
    world.journal.close().await.unwrap();
}

impl World {
    /// A new sink in the journal, which starts at the oldest record.
    async fn runner<S>(&mut self, sink: S) -> Runner<S> {
        self.sinks += 1;
        let name = format!("bench-{}", self.sinks);
        self.journal.use_sinks(vec![(name.clone(), StartAt::Oldest)]).await.unwrap();
        Runner {
            name,
            sink,
            route: Route::default(),
            options: Options::default(),
            journal: self.journal.clone(),
            clock: self.clock.clone(),
            metrics: Metrics::default(),
            status: SinkStatus::default(),
        }
    }

    /// Delivers everything to `sink`, which is warm: it has passed its health check.
    async fn drain<S: Sink>(&mut self, sink: S) -> (S, Duration) {
        let mut runner = self.runner(sink).await;
        runner.sink.healthcheck().await.unwrap();
        let (stop, mut turns) = (CancellationToken::new(), Turns::default());
        let began = Instant::now();
        let all = async { while runner.turn(&mut turns, &stop).await.unwrap() == Turn::Moved {} };
        let ended = tokio::time::timeout(LIMIT, all).await;
        let took = began.elapsed();
        assert!(ended.is_ok(), "{:?}", runner.status.get());
        (runner.sink, took)
    }

    /// The same for a sink that keeps the position itself; opening it counts, since it is part of a start.
    async fn drain_transactional<S: TransactionalSink>(&mut self, make: impl FnOnce(&str) -> S) -> Duration {
        let name = format!("bench-{}", self.sinks + 1);
        let mut runner = self.runner(make(&name)).await;
        let (status, count) = (runner.status.clone(), self.events.len() as u64);
        let (stop, mut turns) = (CancellationToken::new(), Turns::default());
        let began = Instant::now();
        let done = async {
            while status.get().sent < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            stop.cancel();
        };
        let both = async { tokio::join!(runner.run_transactional(&stop, &mut turns), done) };
        let ended = tokio::time::timeout(LIMIT, both).await;
        assert!(ended.is_ok(), "{:?}", status.get());
        began.elapsed()
    }
}

/// Takes everything at once: what is left is reading, mapping and moving the position.
struct Nothing;

impl Sink for Nothing {
    async fn deliver(&mut self, _: &[Event]) -> Result<Delivered, SinkError> {
        Ok(Delivered::default())
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Keeps what it gets.
#[derive(Default)]
struct Keep {
    events: Vec<Event>,
}

impl Sink for Keep {
    async fn deliver(&mut self, events: &[Event]) -> Result<Delivered, SinkError> {
        self.events.extend_from_slice(events);
        Ok(Delivered::default())
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// How long blocking work takes, off the runtime's threads.
async fn timed_blocking(work: impl FnOnce() + Send + 'static) -> Duration {
    let timed = move || {
        let began = Instant::now();
        work();
        began.elapsed()
    };
    Handle::current().spawn_blocking(timed).await.unwrap()
}

/// How long `work` takes.
async fn timed(work: impl Future<Output = ()>) -> Duration {
    let began = Instant::now();
    work.await;
    began.elapsed()
}
