//! Whole-program tests: the real binary against a simulated Datto RMM in a process of its own.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "tests of real processes in real time; a panic is how a test fails"
)]

mod absence;
mod audit;
mod bad_input;
mod check;
mod commands;
mod crash;
mod day;
mod derived;
mod detections;
mod engines;
mod forms;
mod inventory;
mod journal_files;
mod many_sites;
#[cfg(target_os = "linux")]
mod memory;
mod names;
mod normalize;
mod once;
mod outage;
mod probe;
mod reach;
mod receiver;
mod reload;
mod requests;
mod seams;
mod secrets;
mod simulated;
mod streams;
mod sweep;
mod tail;
mod terminal;
mod transcript;
mod user_rows;
mod workplace;
