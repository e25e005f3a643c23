//! The journal as its callers see it.

mod coverage;
mod engine;
mod intake;
mod kafka;
mod measure;
mod model;
mod oracle;
mod support;
