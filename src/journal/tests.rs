//! The journal as its callers see it.

mod audit;
mod cost;
mod counters;
mod coverage;
mod dead;
mod deliverer;
mod engine;
mod faults;
mod files;
mod forget;
mod intake;
mod items;
mod kafka;
mod lists;
mod measure;
mod model;
mod oracle;
mod panics;
mod rejected;
mod release;
mod requests;
mod rights;
mod sinks;
mod support;
mod tail;
mod world;
