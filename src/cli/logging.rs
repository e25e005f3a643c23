//! Logs and messages go to stderr: for people on a terminal, JSON lines otherwise.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;

use crate::app::AppError;
use crate::cli::color::{self, Output};
use crate::cli::environment;
use crate::diagnostic::panics;
use crate::output::log;

mod json;

/// Variable with a filter in the form of `tracing`'s directives.
const FILTER: &str = "VINTNER_LOG";

/// Whether messages wait for a reader that is slow.
static IS_PATIENT: AtomicBool = AtomicBool::new(true);

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// One readable line an event.
    Human,
    /// One JSON object an event.
    Json,
}

/// What a command does about a stderr that nobody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Waits: what it says there is what it was asked for.
    Awaited,
    /// Goes on with its work, and drops lines.
    Unneeded,
}

/// How much is logged, by the number of `-v` and `-q`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Level {
    /// Each one level more than `info`.
    pub(crate) verbose: u8,
    /// Each one level less than `info`.
    pub(crate) quiet: u8,
}

impl Level {
    /// The level that the options name, if they name one.
    fn directive(self) -> Option<&'static str> {
        match (self.verbose, self.quiet) {
            (0, 0) => None,
            (0, 1) => Some("warn"),
            (0, _) => Some("error"),
            (1, _) => Some("debug"),
            _ => Some("trace"),
        }
    }
}

/// Starts logging; a filter that cannot be read is a usage error that names the variable.
pub(crate) fn start(format: Option<LogFormat>, level: Level, reader: Reader) -> anyhow::Result<()> {
    IS_PATIENT.store(reader == Reader::Awaited, Ordering::Relaxed);
    let log = log::stderr().ok_or_else(|| anyhow::anyhow!("logging cannot start: no thread can be had"))?;
    let filter = match level.directive() {
        Some(level) => level.to_owned(),
        None => environment::variable(FILTER).unwrap_or_else(|| "info".to_owned()),
    };
    let bad = |why: String| {
        let hint = "a level (error, warn, info, debug, trace), or directives such as `info,vintner::datto=debug`";
        AppError::Configuration(format!("{FILTER} = {filter:?}: {why}; expected {hint}"))
    };
    if let Some(word) = unknown_level(&filter) {
        return Err(bad(format!("{word:?} is no level")).into());
    }
    let filter = EnvFilter::try_new(&filter).map_err(|error| bad(error.to_string()))?;
    let is_terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if is_terminal { LogFormat::Human } else { LogFormat::Json });
    let builder = tracing_subscriber::fmt().with_writer(move || log.clone()).with_env_filter(filter);
    // An error of the formatter would be printed past the queue.
    let builder = builder.log_internal_errors(false);
    let started = match format {
        LogFormat::Human => builder.with_ansi(color::is_on(Output::Stderr)).with_target(false).try_init(),
        LogFormat::Json => builder.fmt_fields(JsonFields::new()).event_format(json::JsonLine).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot start: {error}"))?;
    // The standard hook writes to stderr itself, where a reader that takes nothing would hold the thread up.
    panics::log_panics();
    Ok(())
}

/// A word of the filter that stands where a level is expected. The library takes it for the name of a module, and logs nothing else.
fn unknown_level(filter: &str) -> Option<&str> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_name = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_known = |word: &str| {
        let lower = word.to_ascii_lowercase();
        LEVELS.contains(&lower.as_str()) || lower == env!("CARGO_PKG_NAME") || lower.parse::<u8>().is_ok_and(|n| n <= 5)
    };
    filter.split(',').map(str::trim).find(|word| is_name(word) && !is_known(word))
}

/// Writes a line for people to stderr.
pub(crate) fn complain(text: &str) {
    let Some(log) = log::stderr() else { return };
    let line = format!("{text}\n").into_bytes();
    if IS_PATIENT.load(Ordering::Relaxed) { log.push_patiently(line) } else { log.push(line) }
}

/// Waits until everything is written, for as long as the command waits for its reader.
pub(crate) fn flush() {
    let Some(log) = log::stderr() else { return };
    if IS_PATIENT.load(Ordering::Relaxed) { log.flush_patiently() } else { log.flush() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_no_filter() {
        for good in ["info", "WARN", "vintner", "info,vintner::datto=debug", "off", "3", "hyper=trace", ""] {
            assert_eq!(unknown_level(good), None, "{good}");
        }
        assert_eq!((unknown_level("loud"), unknown_level("info, verbose")), (Some("loud"), Some("verbose")));
    }
}
