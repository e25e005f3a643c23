//! The journal as its callers see it.

mod audit;
mod coverage;
mod dead;
mod deliverer;
mod engine;
mod intake;
mod items;
mod kafka;
mod measure;
mod model;
mod oracle;
mod panics;
mod sinks;
mod support;
mod tail;
mod world;
