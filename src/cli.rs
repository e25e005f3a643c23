//! The command line: parse, run one command, end with its exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::app::AppError;
use crate::cli::color::Output;
use crate::cli::logging::Reader;
use crate::output::{plain, style};

mod ask;
mod check;
mod color;
mod completions;
mod dead_letters;
mod demo;
mod environment;
mod explain;
mod fetch;
mod forms;
mod help;
mod hints;
mod init;
mod logging;
mod man;
mod normalize;
mod open;
mod orgs;
mod replay;
mod run;
mod schema;
mod simulate;
mod status;
mod table;
mod tail;
mod verify;
mod version;

/// Collects security telemetry from Datto RMM and delivers it to a SIEM: everything, once, per customer.
#[derive(Debug, Parser)]
#[command(name = "vintner", version, arg_required_else_help = true, styles = help::STYLES, after_help = help::exit_codes())]
struct Arguments {
    /// Form of the log on stderr; without it: `human` on a terminal, else `json`
    #[arg(long, global = true, value_enum, help_heading = "Output")]
    log_format: Option<logging::LogFormat>,
    /// Color of logs, help, tables and errors
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", help_heading = "Output")]
    color: color::Color,
    /// Log more: `-v` debug, `-vv` trace. Beats VINTNER_LOG
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet", help_heading = "Output")]
    verbose: u8,
    /// Log warnings and errors only; `-qq`: errors only. Beats VINTNER_LOG
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Output")]
    quiet: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show a simulated MSP: the whole pipeline, events on stdout, no configuration, network or credentials
    #[command(after_help = help::examples("demo"))]
    Demo(demo::Demo),
    /// Write a commented vintner.toml
    #[command(after_help = help::examples("init"))]
    Init(init::Init),
    /// Report all problems of the configuration; look at accounts, sinks and the journal if asked
    #[command(after_help = help::examples("check"))]
    Check(check::Check),
    /// Collect and deliver until told to stop
    #[command(after_help = help::examples("run"))]
    Run(run::Run),
    /// Fetch one list once, for pipes: no configuration, no journal
    #[command(after_help = help::examples("fetch"))]
    Fetch(fetch::Fetch),
    /// Turn raw records on stdin into events on stdout: no configuration, no journal, no network
    #[command(after_help = help::examples("normalize"))]
    Normalize(normalize::Normalize),
    /// Show which site goes to which organization, and why
    #[command(after_help = help::examples("orgs"))]
    Orgs(orgs::Orgs),
    /// Show what a running vintner is doing, or what the journal says
    #[command(after_help = help::examples("status"))]
    Status(status::Status),
    /// Show new events of the journal as they come
    #[command(after_help = help::examples("tail"))]
    Tail(tail::Tail),
    /// Send a part of the journal again to a sink
    #[command(after_help = help::examples("replay"))]
    Replay(replay::Replay),
    /// Records that could not be delivered
    #[command(after_help = help::examples("dead-letters"))]
    DeadLetters(dead_letters::DeadLetters),
    /// Compare a Kafka topic with the journal: lost, repeated, foreign, expired
    #[command(after_help = help::examples("verify"))]
    Verify(verify::Verify),
    /// Show which source field became which event field, by which rule, and what stayed unmapped
    #[command(after_help = help::examples("explain"))]
    Explain(explain::Explain),
    /// Print the JSON Schema of events, or of the configuration
    #[command(after_help = help::examples("schema"))]
    Schema(schema::Schema),
    /// Serve the simulated Datto RMM on a loopback port
    #[command(after_help = help::examples("simulate"))]
    Simulate(simulate::Simulate),
    /// Print a completion script for a shell
    #[command(after_help = help::examples("completions"))]
    Completions(completions::Completions),
    /// Print the manual page, or write one for each command
    #[command(after_help = help::examples("man"))]
    Man(man::Man),
}

/// Which configuration a command reads.
#[derive(Clone, Debug, clap::Args)]
struct ConfigFile {
    /// Configuration file, or folder of files [default: VINTNER_CONFIG, else ./vintner.toml, ~/.config/vintner/vintner.toml or /etc/vintner/vintner.toml]
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::AnyPath)]
    config: Option<PathBuf>,
}

/// Runs the command that the process's arguments name.
pub fn main() -> ExitCode {
    let code = run();
    logging::flush();
    code
}

fn run() -> ExitCode {
    color::set_from(std::env::args_os());
    if let Some(answered) = completions::answer() {
        return answered.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS);
    }
    let matches = Arguments::command().long_version(version::LONG.as_str()).try_get_matches();
    let arguments = match matches.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&hints::completed(error)),
    };
    color::set(arguments.color);
    let level = logging::Level { verbose: arguments.verbose, quiet: arguments.quiet };
    if let Err(error) = logging::start(arguments.log_format, level, arguments.command.reader()) {
        return fail(&error);
    }
    // The one TLS provider of this process; a second installation changes nothing.
    drop(rustls::crypto::ring::default_provider().install_default());
    match dispatch(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Help and version go to stdout with code 0, usage errors to stderr with code 2.
fn usage(error: &clap::Error) -> ExitCode {
    let output = if error.use_stderr() { Output::Stderr } else { Output::Stdout };
    let styled = error.render();
    let text = if color::is_on(output) { styled.ansi().to_string() } else { styled.to_string() };
    if error.use_stderr() {
        logging::complain(text.trim_end());
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    }
    table::print(&text).map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

impl Command {
    /// Whether the command waits for whoever reads its stderr.
    fn reader(&self) -> Reader {
        match self {
            Self::Demo(_) | Self::Run(_) | Self::Fetch(_) | Self::Tail(_) | Self::Simulate(_) => Reader::Unneeded,
            Self::Init(_)
            | Self::Check(_)
            | Self::Orgs(_)
            | Self::Status(_)
            | Self::Replay(_)
            | Self::DeadLetters(_)
            | Self::Verify(_)
            | Self::Explain(_)
            | Self::Normalize(_)
            | Self::Schema(_)
            | Self::Completions(_)
            | Self::Man(_) => Reader::Awaited,
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Demo(command) => on_runtime(command.run()),
        Command::Init(command) => command.run(),
        Command::Check(command) => on_runtime(command.run()),
        Command::Run(command) => on_runtime(command.run()),
        Command::Fetch(command) => on_runtime(command.run()),
        Command::Normalize(command) => command.run(),
        Command::Orgs(command) => on_runtime(command.run()),
        Command::Status(command) => on_runtime(command.run()),
        Command::Tail(command) => on_runtime(command.run()),
        Command::Replay(command) => on_runtime(command.run()),
        Command::DeadLetters(command) => on_runtime(command.run()),
        Command::Verify(command) => on_runtime(command.run()),
        Command::Explain(command) => on_runtime(command.run()),
        Command::Schema(command) => command.run(),
        Command::Simulate(command) => on_runtime(command.run()),
        Command::Completions(command) => command.run(),
        Command::Man(command) => command.run(),
    }
}

/// Runs a command to its end. A blocked stdout must not keep the process from ending, so nothing is waited for after it.
fn on_runtime(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(command);
    runtime.shutdown_background();
    outcome
}

/// A failure with a chosen exit code whose text is already printed.
#[derive(Debug, thiserror::Error)]
#[error("reported")]
struct Reported(u8);

/// Prints an error with its causes, each once, and gives its exit code.
fn fail(error: &anyhow::Error) -> ExitCode {
    if let Some(Reported(code)) = error.downcast_ref() {
        return ExitCode::from(*code);
    }
    let code = error.downcast_ref::<AppError>().map_or(1, AppError::exit_code);
    if code > 0 {
        let word = color::paint(Output::Stderr).paint(style::ERROR, "error:");
        logging::complain(&format!("{word} {}", crate::diagnostic::causes::line(error.as_ref())));
    }
    ExitCode::from(code)
}
