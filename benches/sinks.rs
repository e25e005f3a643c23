//! Journal → Kafka and journal → OTLP, in records and bytes a second: the real deliverers, each beside what the client library alone
//! does with the same bytes in the same run (docs/performance.md).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a benchmark fails")]
#![allow(clippy::print_stdout, reason = "the table is what a benchmark is for")]

use std::future::Future;
use std::time::Duration;

use vintner::sink::otlp::Compression;

use self::deliver::{Nowhere, drained, drained_by_turns, drained_transactional};
use self::filled::Filled;
use self::kafka::{Cluster, Way};
use self::otlp::{Endpoint, Requests};
use self::table::Row;

#[path = "sinks/deliver.rs"]
mod deliver;
#[path = "sinks/filled.rs"]
mod filled;
#[path = "sinks/kafka.rs"]
mod kafka;
#[path = "normalize/mix.rs"]
#[expect(dead_code, reason = "the benchmark of normalization measures more mixes")]
mod mix;
#[path = "sinks/otlp.rs"]
mod otlp;
#[path = "sinks/table.rs"]
mod table;

/// What the environment asks for.
struct Wish {
    records: usize,
    rounds: usize,
    /// `host:port` of a Kafka broker; without it, the client library's own mock cluster.
    kafka: Option<String>,
    /// `http://host:port` of an OTLP receiver over gRPC; without it, one in this process.
    otlp: Option<String>,
}

impl Wish {
    #[expect(clippy::disallowed_methods, reason = "a benchmark has no configuration file")]
    fn new() -> Self {
        let read = |name: &str| std::env::var(name).ok();
        let number = |name: &str, usual| read(name).map_or(usual, |text| text.parse().expect("a number"));
        // `cargo test --benches` only wants to see that it works.
        let is_measured = std::env::args().any(|argument| argument == "--bench");
        let (records, rounds) = if is_measured { (20_000, 5) } else { (2000, 1) };
        Self {
            records: number("VINTNER_BENCH_RECORDS", records),
            rounds: number("VINTNER_BENCH_ROUNDS", rounds).max(1),
            kafka: read("VINTNER_BENCH_KAFKA"),
            otlp: read("VINTNER_BENCH_OTLP"),
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(Box::pin(run(Wish::new())));
}

async fn run(wish: Wish) {
    let mut filled = Filled::new(wish.records).await;
    let messages = kafka::captured(&mut filled).await;
    let bytes = messages.iter().map(|message| message.body().len()).sum();
    let row = |path: &str| Row::new(path, wish.records, bytes);
    println!("{} records, {:.1} MB as events in JSON; median of {}", wish.records, mega(bytes), wish.rounds);
    table::head();

    let mut nowhere = row("journal → nowhere");
    for _ in 0..wish.rounds {
        nowhere.took(drained(&mut filled.runner(|_, _| Nowhere).await, wish.records).await, None);
    }
    nowhere.print();

    let cluster = Cluster::new(wish.kafka.as_deref());
    let mut at_least_once = row("journal → Kafka, at least once");
    let mut by_turns = row("  nothing read ahead");
    for _ in 0..wish.rounds {
        let mut runner = filled.runner(|name, journal| cluster.at_least_once(name, journal)).await;
        let ours = drained(&mut runner, wish.records).await;
        at_least_once.took(ours, Some(cluster.floor(&messages, Way::AtLeastOnce)));
        let mut runner = filled.runner(|name, journal| cluster.at_least_once(name, journal)).await;
        by_turns.took(drained_by_turns(&mut runner, wish.records).await, None);
    }
    at_least_once.print();
    by_turns.print();
    if cluster.has_transactions() {
        let mut exactly_once = row("journal → Kafka, exactly once");
        for _ in 0..wish.rounds {
            let runner = filled.runner(|name, journal| cluster.exactly_once(name, journal)).await;
            let ours = drained_transactional(runner, wish.records).await;
            exactly_once.took(ours, Some(cluster.floor(&messages, Way::ExactlyOnce)));
        }
        exactly_once.print();
    }

    let requests = Requests::captured(&mut filled).await;
    for (name, compression) in [("gzip", Compression::Gzip), ("none", Compression::None)] {
        let endpoint = Endpoint::new(wish.otlp.as_deref()).await;
        let mut over_grpc = row(&format!("journal → OTLP, gRPC, {name}"));
        let (mut one_at_once, mut by_turns) = (row("  one request at once"), row("  nothing read ahead"));
        for _ in 0..wish.rounds {
            let ours = drained(&mut filled.runner(|_, _| endpoint.sink(compression)).await, wish.records).await;
            over_grpc.took(ours, Some(requests.floor(&endpoint, compression).await));
            let mut runner = filled.runner(|_, _| endpoint.sink_with(compression, 1)).await;
            one_at_once.took(drained(&mut runner, wish.records).await, None);
            let mut runner = filled.runner(|_, _| endpoint.sink(compression)).await;
            by_turns.took(drained_by_turns(&mut runner, wish.records).await, None);
        }
        over_grpc.print();
        one_at_once.print();
        by_turns.print();
    }
}

/// Bytes in millions.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn mega(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

/// Fails instead of waiting without end for a destination that takes nothing.
async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(600), future).await.expect("the destination does not take everything")
}
