//! The process's own streams: what is written to standard output and standard error, whatever is behind them.

pub mod bar;
pub mod descriptor;
pub mod log;
pub(crate) mod plain;
pub(crate) mod style;
pub(crate) mod width;
