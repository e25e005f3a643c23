//! Whole-program tests: the real binary against a simulated Datto RMM in a process of its own.

#![expect(clippy::disallowed_methods, reason = "these tests measure real processes in real time")]

mod bad_input;
mod commands;
mod crash;
mod day;
mod once;
mod simulated;
mod workplace;
