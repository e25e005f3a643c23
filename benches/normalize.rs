//! How fast records become events, and with how many allocations: each format beside the floor, in one run (docs/performance.md).

#![allow(clippy::unwrap_used, reason = "a panic is how a benchmark fails")]

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use serde_json::Value;
use vintner::normalize::{Context, Format, normalize};
use vintner::record::Record;

use self::mix::{COUNT, Mix, World};

#[path = "normalize/mix.rs"]
mod mix;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// The least that any mapping could do: read the record, write an event that is there already.
#[divan::bench(args = Mix::ALL)]
fn floor(bencher: Bencher<'_, '_>, mix: Mix) {
    let world = World::new(Format::Ocsf);
    let made = |record: &Record| serde_json::from_str(&event(&world, record)).unwrap();
    let pairs: Vec<(String, Value)> = mix.records().iter().map(|record| (text(record), made(record))).collect();
    bencher.counter(ItemsCount::new(COUNT)).bench_local(|| {
        for (text, event) in &pairs {
            black_box(serde_json::from_str::<Record>(text).unwrap());
            black_box(serde_json::to_string(event).unwrap());
        }
    });
}

#[divan::bench(args = Mix::ALL)]
fn ocsf(bencher: Bencher<'_, '_>, mix: Mix) {
    read_and_normalize(bencher, mix, Format::Ocsf);
}

#[divan::bench(args = Mix::ALL)]
fn ecs(bencher: Bencher<'_, '_>, mix: Mix) {
    read_and_normalize(bencher, mix, Format::Ecs);
}

#[divan::bench(args = Mix::ALL)]
fn raw(bencher: Bencher<'_, '_>, mix: Mix) {
    read_and_normalize(bencher, mix, Format::Raw);
}

/// Each record is read from the journal's form of it and becomes its event.
fn read_and_normalize(bencher: Bencher<'_, '_>, mix: Mix, format: Format) {
    let world = World::new(format);
    let texts: Vec<String> = mix.records().iter().map(text).collect();
    bencher.counter(ItemsCount::new(COUNT)).bench_local(|| {
        for text in &texts {
            let record: Record = serde_json::from_str(text).unwrap();
            black_box(event(&world, &record));
        }
    });
}

fn text(record: &Record) -> String {
    serde_json::to_string(record).unwrap()
}

fn event(world: &World, record: &Record) -> String {
    let context = Context {
        directory: &world.directory,
        tenant: world.tenant(record),
        device: world.device(record),
        processed_at: record.envelope.received_at,
        options: &world.options,
    };
    normalize(record, &context).unwrap().json
}
