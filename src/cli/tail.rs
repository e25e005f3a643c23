//! `vintner tail`: new events of the journal as they come, for people; as JSON; or the records behind them.

use std::fs::File;
use std::os::fd::AsFd;
use std::time::Duration;

use clap_complete::ArgValueCompleter;
use tokio::io::Interest;
use tokio::net::unix::pipe;

use crate::app::assemble::event_options;
use crate::app::stop::Signals;
use crate::app::tail::{Begin, BrokenToo, Shown, Step, Tail as Reader, Wanted, What};
use crate::app::{AppError, names};
use crate::cli::forms::look;
use crate::cli::open::Purpose;
use crate::cli::replay::{Moment, moment};
use crate::cli::tail::line::{human, one_line, raw};
use crate::cli::{ConfigFile, completions, logging, open, table};
use crate::clock::Clock;
use crate::config::load::ProcessEnvironment;
use crate::deliver::route::Route;
use crate::journal::tail::HeldToo;
use crate::normalize::Options;
use crate::record::Stream;
use crate::sink::readable::Look;

mod line;

/// How often it is looked whether there is something new.
const LOOK: Duration = Duration::from_millis(500);
/// Lines to begin with.
const LINES: u64 = 10;

#[derive(Debug, clap::Args)]
pub(crate) struct Tail {
    #[command(flatten)]
    file: ConfigFile,
    /// Only events of this organization, by the mapping in force
    #[arg(long, value_name = "ID", add = ArgValueCompleter::new(completions::organizations))]
    org: Option<String>,
    /// Only events of this severity or a higher one (events of unknown severity pass)
    #[arg(long, value_enum)]
    severity: Option<Severity>,
    /// Only this stream; may be repeated
    #[arg(long, value_parser = stream)]
    stream: Vec<Stream>,
    /// Only this account, by its name in the configuration
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(completions::accounts))]
    account: Option<String>,
    /// Begin with the last N that are shown [default: 10]
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "since")]
    lines: Option<u64>,
    /// Begin with what was taken in at this time or later: an RFC 3339 time, or how long ago, e.g. `1h`
    #[arg(long, value_parser = moment)]
    since: Option<Moment>,
    /// End at the end of the journal instead of waiting for more
    #[arg(long, visible_alias = "once")]
    no_follow: bool,
    /// Also show records that are held since no organization claims their site
    #[arg(long, conflicts_with_all = ["org", "json"])]
    held: bool,
    /// Print all columns at full length, however wide the terminal is
    #[arg(long, conflicts_with_all = ["json", "raw"])]
    wide: bool,
    /// Print each event as the JSON that a sink gets, one a line
    #[arg(long, conflicts_with = "raw")]
    json: bool,
    /// Print envelope and source of each record, one JSON object a line
    #[arg(long)]
    raw: bool,
}

/// The lowest severity that is shown, as in a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Severity {
    Informational,
    Low,
    Medium,
    High,
    Critical,
    Fatal,
}

/// What is printed of each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Human(Look),
    Json,
    Raw,
}

impl Tail {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let signals = Signals::take()?;
        tokio::select! {
            outcome = self.follow() => outcome,
            () = signals.stop() => Ok(()),
            () = reader_gone() => Ok(()),
        }
    }

    async fn follow(self) -> anyhow::Result<()> {
        let config = open::configuration(&self.file, Purpose::Look)?;
        if let Some(name) = &self.account {
            names::account(&config, name)?;
        }
        let journal = open::reader(&config.journal.path)?;
        if let Some(id) = &self.org {
            open::organization(&journal, &config, id).await?;
        }
        let (clock, options) = (Clock::system(), event_options(&config, &ProcessEnvironment)?);
        let begin = match self.since {
            Some(moment) => Begin::Since(moment.millis(clock.now())),
            None => Begin::Last(self.lines.unwrap_or(LINES)),
        };
        let (form, follows) = (self.form(), !self.no_follow);
        let mut reader = Reader::open(journal, clock, options.clone(), self.wanted(), begin).await?;
        let mut is_empty = true;
        loop {
            let step = reader.step().await?;
            complain(&step);
            let text: String = step.shown.iter().filter_map(|shown| line(shown, form, &options)).collect();
            if !text.is_empty() {
                is_empty = false;
                write(text).await?;
            }
            match (step.is_end, follows) {
                (true, true) => tokio::time::sleep(LOOK).await,
                (true, false) => {
                    if is_empty {
                        logging::complain("no event in the journal fits");
                    }
                    return Ok(());
                }
                (false, _) => {}
            }
        }
    }

    fn form(&self) -> Form {
        match (self.json, self.raw) {
            (true, _) => Form::Json,
            (_, true) => Form::Raw,
            _ => Form::Human(look(self.wide)),
        }
    }

    fn wanted(self) -> Wanted {
        Wanted {
            route: Route {
                streams: (!self.stream.is_empty()).then(|| self.stream.into_iter().collect()),
                orgs: self.org.map(|org| [org].into()),
                min_severity: self.severity.map(|severity| match severity {
                    Severity::Informational => 1,
                    Severity::Low => 2,
                    Severity::Medium => 3,
                    Severity::High => 4,
                    Severity::Critical => 5,
                    Severity::Fatal => 6,
                }),
                labels: None,
            },
            account: self.account,
            held: if self.held { HeldToo::Yes } else { HeldToo::No },
            broken: if self.json { BrokenToo::No } else { BrokenToo::Yes },
        }
    }
}

fn line(shown: &Shown, form: Form, options: &Options) -> Option<String> {
    let text = match (form, &shown.what) {
        (Form::Human(look), _) => human(shown, look),
        (Form::Raw, _) => raw(shown, options)?,
        (Form::Json, What::Event(event)) => one_line(&event.json),
        (Form::Json, What::Broken(_) | What::Held(_)) => return None,
    };
    Some(text + "\n")
}

/// Says on stderr what is not shown.
fn complain(step: &Step) {
    if step.missed > 0 {
        logging::complain(&format!("{} records were trimmed from the journal before they could be shown", step.missed));
    }
    if step.broken > 0 {
        logging::complain(&format!(
            "{} records were left out since no event can be made of them: --raw shows them",
            step.broken
        ));
    }
}

/// Ends once nobody can read what is printed any more, also while nothing is. Of a file that cannot be seen, nor does it matter.
async fn reader_gone() {
    let stdout = std::io::stdout().as_fd().try_clone_to_owned().map(File::from);
    // Only watched: nothing is written through it, and its mode stays as it is.
    let Ok(stdout) = stdout.and_then(pipe::Sender::from_file_unchecked) else { return std::future::pending().await };
    if stdout.ready(Interest::ERROR).await.is_err() {
        std::future::pending().await
    }
}

/// Prints on a thread of its own: a blocked pipe must not keep a signal from ending the command.
async fn write(text: String) -> anyhow::Result<()> {
    match tokio::task::spawn_blocking(move || table::print(&text)).await {
        Ok(printed) => printed,
        Err(_) => Err(AppError::Failed("standard output cannot be written".into()).into()),
    }
}

fn stream(text: &str) -> Result<Stream, String> {
    let named = Stream::ALL.into_iter().find(|stream| stream.as_str() == text);
    named.ok_or_else(|| format!("there are {}", Stream::ALL.map(Stream::as_str).join(", ")))
}
