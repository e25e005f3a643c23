//! vintner collects security telemetry from Datto RMM, maps it to OCSF per customer organization, and delivers it to a SIEM.
//!
//! A journal stands between collectors and sinks; the README tells how. Layers: a file imports its own folder and strictly
//! lower layers only, which `tests/tidy.rs` enforces.

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod collect;
pub mod config;
pub mod datto;
pub mod deliver;
pub mod diagnostic;
pub mod event;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod inventory;
pub mod journal;
pub mod net;
pub mod normalize;
pub mod org;
pub mod output;
pub mod record;
pub mod secret;
pub mod sim;
pub mod sink;
pub mod telemetry;
