//! Logs go to stderr: for people on a terminal, JSON lines otherwise.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::cli::environment;
use crate::diagnostic::panics;

/// Variable with a filter in the form of `tracing`'s directives.
const FILTER: &str = "VINTNER_LOG";

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// One readable line an event.
    Human,
    /// One JSON object an event.
    Json,
}

/// Starts logging; a filter that cannot be read is an error that names the variable.
pub(crate) fn start(format: Option<LogFormat>) -> anyhow::Result<()> {
    let directives = environment::variable(FILTER).unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::try_new(directives).map_err(|error| anyhow::anyhow!("{FILTER}: {error}"))?;
    let is_terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if is_terminal { LogFormat::Human } else { LogFormat::Json });
    let builder = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    let started = match format {
        LogFormat::Human => builder.with_ansi(is_terminal).with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot start: {error}"))?;
    panics::log_panics();
    Ok(())
}
