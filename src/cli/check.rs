//! `vintner check`: all problems of the configuration at once; on request accounts, sinks and the journal as well.

use std::path::Path;

use serde::Serialize;

use crate::app::AppError;
use crate::app::online::{self, Kind, Outcome, Probed};
use crate::cli::open::Purpose;
use crate::cli::{ConfigFile, Reported, logging, open, table};
use crate::config::load::ProcessEnvironment;
use crate::config::settings::Config;
use crate::diagnostic::{Diagnostic, Severity, words};

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    #[command(flatten)]
    file: ConfigFile,
    /// Log in to each account, read one page of each list, and probe each sink: one attempt each, side by side
    #[arg(long)]
    online: bool,
    /// Also look at how the API answers each account: forms only, no values, to paste into a report (at most 25 requests each)
    #[arg(long, requires = "online", conflicts_with = "json")]
    probe: bool,
    /// Read every page of the journal
    #[arg(long)]
    journal: bool,
    /// Print one JSON object with all problems and results on stdout
    #[arg(long)]
    json: bool,
    /// End with 2 if there is a warning
    #[arg(long)]
    deny_warnings: bool,
}

/// What `--json` prints.
#[derive(Debug, Default, Serialize)]
struct Report {
    problems: Vec<Problem>,
    online: Vec<Online>,
}

#[derive(Debug, Serialize)]
struct Problem {
    severity: String,
    file: String,
    line: Option<usize>,
    column: Option<usize>,
    message: String,
    hint: Option<String>,
}

#[derive(Debug, Serialize)]
struct Online {
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sink: Option<String>,
    ok: bool,
    message: String,
    warnings: Vec<String>,
}

/// What was found, for the exit code.
#[derive(Debug, Default)]
struct Tally {
    failures: u64,
    warnings: u64,
}

impl Check {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let purpose = if self.online { Purpose::Act } else { Purpose::Check };
        let (path, loaded, found) = match open::find(&self.file) {
            Ok(path) => {
                let (loaded, found) = open::examined(&path, purpose);
                (path, loaded, found)
            }
            Err(problem) => (Path::new(&problem.file).to_owned(), None, vec![*problem]),
        };
        let mut report = Report { problems: found.iter().map(Problem::from).collect(), online: Vec::new() };
        let warnings = found.iter().filter(|problem| problem.severity == Severity::Warning).count();
        let mut tally = Tally { failures: 0, warnings: u64::try_from(warnings).unwrap_or(u64::MAX) };
        self.say(|| found.iter().map(|problem| problem.to_string()).collect());
        let Some(loaded) = loaded else {
            self.say(|| vec![open::errors_in(&path, &found)]);
            self.print(&report)?;
            return Err(Reported(2).into());
        };
        if self.journal {
            self.read_journal(&loaded.config, &mut report, &mut tally).await?;
        }
        if self.online {
            self.look(&loaded.config, &mut report, &mut tally).await?;
        }
        self.print(&report)?;
        match tally {
            Tally { failures: 1.., .. } => Err(Reported(1).into()),
            Tally { warnings: 1.., .. } if self.deny_warnings => {
                self.say(|| {
                    vec![format!("{}, which --deny-warnings does not allow", words::count(tally.warnings, "warning"))]
                });
                Err(Reported(2).into())
            }
            Tally { warnings: 1.., .. } => {
                self.say(|| {
                    vec![format!("the configuration is good, with {}", words::count(tally.warnings, "warning"))]
                });
                Ok(())
            }
            Tally { .. } => {
                self.say(|| vec!["the configuration is good".to_owned()]);
                Ok(())
            }
        }
    }

    /// Prints lines for people, unless a program reads the result.
    fn say(&self, lines: impl FnOnce() -> Vec<String>) {
        if !self.json {
            lines().iter().for_each(|line| logging::complain(line));
        }
    }

    fn print(&self, report: &Report) -> anyhow::Result<()> {
        if self.json { table::print(&table::json_line(report)?) } else { Ok(()) }
    }

    async fn read_journal(&self, config: &Config, report: &mut Report, tally: &mut Tally) -> anyhow::Result<()> {
        let journal = open::reader(&config.journal.path)?;
        let checked = journal.check_pages().await.map_err(AppError::Journal)?;
        let path = config.journal.path.display();
        let (batches, records, held) = (checked.batches, checked.records, checked.held);
        self.say(|| {
            vec![format!("journal {path}: {batches} batches with {records} records and {held} held records read")]
        });
        for message in checked.problems {
            self.say(|| vec![format!("error: journal {path}: {message}")]);
            tally.failures = tally.failures.saturating_add(1);
            let (severity, file) = (Severity::Error.to_string(), path.to_string());
            report.problems.push(Problem { severity, file, line: None, column: None, message, hint: None });
        }
        Ok(())
    }

    /// Prints each result as it arrives.
    async fn look(&self, config: &Config, report: &mut Report, tally: &mut Tally) -> anyhow::Result<()> {
        let count = |number: usize, noun| words::count(u64::try_from(number).unwrap_or(u64::MAX), noun);
        let (accounts, sinks) = (count(config.accounts.len(), "account"), count(config.sinks.len(), "sink"));
        self.say(|| vec![format!("looking at {accounts} and {sinks}")]);
        let mut printed = Ok(());
        let note = |outcome: Outcome| {
            let Outcome { kind, name, message, warnings, probed } = outcome;
            let subject = match kind {
                Kind::Account => format!("account {name}"),
                Kind::Sink => format!("sink {name}"),
            };
            self.say(|| {
                let result = match &message {
                    Ok(done) => format!("ok: {subject}: {done}"),
                    Err(why) => format!("error: {subject}: {why}"),
                };
                let warnings = warnings.iter().map(|warning| format!("warning: {subject}: {warning}"));
                std::iter::once(result).chain(warnings).map(|line| table::printable(&line)).collect()
            });
            if let Some(probed) = &probed {
                printed = std::mem::replace(&mut printed, Ok(()))
                    .and_then(|()| table::print(&report_of(probed, config.accounts.len())));
            }
            tally.failures = tally.failures.saturating_add(u64::from(message.is_err()));
            tally.warnings = tally.warnings.saturating_add(u64::try_from(warnings.len()).unwrap_or(u64::MAX));
            let (account, sink) = match kind {
                Kind::Account => (Some(name), None),
                Kind::Sink => (None, Some(name)),
            };
            let ok = message.is_ok();
            let message = message.unwrap_or_else(|why| why);
            report.online.push(Online { account, sink, ok, message, warnings });
        };
        online::check(config, &ProcessEnvironment, self.probe, note).await?;
        printed
    }
}

impl From<&Diagnostic> for Problem {
    fn from(diagnostic: &Diagnostic) -> Self {
        let place = diagnostic.place.as_ref();
        Self {
            severity: diagnostic.severity.to_string(),
            file: diagnostic.file.clone(),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            message: diagnostic.message.clone(),
            hint: diagnostic.hint.clone(),
        }
    }
}

/// What a probe showed, as a table.
fn report_of(probed: &Probed, accounts: usize) -> String {
    let Probed { number, platform, lines } = probed;
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| vec![line.about.to_owned(), line.question.to_owned(), line.answer.join(", ")])
        .collect();
    format!(
        "vintner {}, probe of account {number} of {accounts}, platform {platform}: forms of answers, no values\n{}\n",
        env!("CARGO_PKG_VERSION"),
        table::table(&["ABOUT", "QUESTION", "ANSWER"], &rows)
    )
}
