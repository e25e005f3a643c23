//! A simulation that lives at the seams: the whole program under simulated time, and everything that may happen to it.
//!
//! Collectors, client, normalizer, organizations, journal, deliverers and the admin listener run as they do in `vintner run`,
//! against the simulated Datto RMM and receivers in the process. One seed draws worlds, forms of answers and steps: page shifts, late
//! records, faults, kills, stops, reloads good and refused, receivers that stumble, replaced sinks, clocks that jump, panics, full
//! journals. An oracle of its own ([`oracle`]) judges what came out.
//!
//! `cargo test` runs [`SEEDS`] seeds. More of them, or one again:
//!
//! ```text
//! SEAMS_SEEDS=20000 cargo test --release --lib -- --ignored --nocapture seams::long
//! SEAMS_FIRST=500 SEAMS_SEEDS=100 cargo test --lib -- --ignored --nocapture seams::long
//! SEAMS_SEED=17 cargo test --lib -- --ignored --nocapture seams::one
//! ```
//!
//! `SEAMS_STEPS` sets the number of steps of each seed, `SEAMS_LOG=1` shows the program's log of one seed. A failure prints its seed, its steps and what is wrong.
//! Everything that is drawn is the same again for one seed; the order in which ready tasks are polled is not.

#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    reason = "a simulation in tests: a panic is how it fails"
)]

pub(crate) mod draft;
pub(crate) mod figures;
pub(crate) mod oracle;
pub(crate) mod orgs;
pub(crate) mod receiver;
pub(crate) mod reloads;
pub(crate) mod run;
pub(crate) mod steps;
pub(crate) mod streams;
pub(crate) mod trap;
pub(crate) mod watched;
pub(crate) mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use figures::Figures;
use run::Run;

use crate::app::prepare;

/// Seeds of the default run.
const SEEDS: u64 = 500;
/// Steps of each.
const STEPS: u64 = 7;
/// Worlds are small, and so are their journals: `max_bytes` counts as this part of what the configuration says.
const SMALLER: u64 = 32;
/// No more seeds are begun after so many failures.
const MOST_FAILURES: u64 = 6;
/// Threads that run seeds.
const THREADS: u64 = 2;

/// Runs one seed; an error says everything that is needed to look at it.
fn simulate(seed: u64, steps: u64) -> Result<Figures, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    prepare::SMALLER.set(SMALLER);
    runtime.block_on(async {
        fastrand::seed(seed);
        let mut run = Run::new(seed);
        let outcome = play(&mut run, steps).await;
        let problems = match outcome {
            Ok(()) => oracle::judge(&mut run).await,
            Err(problem) => vec![problem],
        };
        run.figures.seeds = 1;
        run.figures.simulated = run.began.elapsed();
        run.figures.stumbles = run.receivers.stumbled();
        if problems.is_empty() {
            return Ok(run.figures.clone());
        }
        Err(format!("seed {seed}\n{}\nis wrong:\n{}", run.trace.join("\n"), problems.join("\n")))
    })
}

async fn play(run: &mut Run, steps: u64) -> Result<(), String> {
    run.start().await?;
    for _ in 0..steps {
        run.step().await?;
    }
    run.settle().await?;
    run.end().await
}

/// Runs `count` seeds from `first` on; panics with the failures of the first few.
fn simulate_all(first: u64, count: u64, steps: u64) -> Figures {
    let (next, all) = (AtomicU64::new(first), Mutex::new((Figures::default(), Vec::new())));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || all.lock().unwrap().1.len() as u64 >= MOST_FAILURES {
                        return;
                    }
                    let done = std::panic::catch_unwind(|| simulate(seed, steps));
                    let done = done.unwrap_or_else(|_| Err(format!("seed {seed}: the simulation itself panicked")));
                    let mut all = all.lock().unwrap();
                    match done {
                        Ok(figures) => all.0 += figures,
                        Err(failure) => all.1.push(failure),
                    }
                }
            });
        }
    });
    let (figures, failures) = all.into_inner().unwrap();
    assert!(failures.is_empty(), "{}\n(SEAMS_SEED=… runs one again)", failures.join("\n\n"));
    figures
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

#[test]
fn nothing_is_lost_at_the_seams() {
    let figures = simulate_all(0, SEEDS, STEPS);
    println!("{figures}");
}

#[test]
#[ignore = "as long as it is told to: see the module's documentation"]
fn long() {
    let began = Instant::now();
    let figures =
        simulate_all(variable("SEAMS_FIRST", 0), variable("SEAMS_SEEDS", 2000), variable("SEAMS_STEPS", STEPS));
    println!(
        "{figures}\nlost 0, invented 0, repeated 0 at receivers that keep the position; took {:?}",
        began.elapsed()
    );
}

#[test]
#[ignore = "one seed: SEAMS_SEED"]
fn one() {
    let began = Instant::now();
    if std::env::var_os("SEAMS_LOG").is_some() {
        tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(std::io::stderr).init();
    }
    match simulate(variable("SEAMS_SEED", 0), variable("SEAMS_STEPS", STEPS)) {
        Ok(figures) => println!("{figures}\ntook {:?}", began.elapsed()),
        Err(failure) => panic!("{failure}"),
    }
}
