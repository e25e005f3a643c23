//! `vintner dead-letters list | show | replay | drop`.

use clap_complete::ArgValueCompleter;
use serde_json::{Value, json};

use crate::app::{AppError, names};
use crate::cli::open::Purpose;
use crate::cli::plain::{self, Layout};
use crate::cli::{ConfigFile, ask, completions, logging, open, table};
use crate::config::settings::Config;
use crate::journal::RefusedKind;
use crate::journal::dead::{DeadFilter, DeadLetter};
use crate::journal::requests::{DeadLetters as Letters, Request};
use crate::journal::sqlite::Journal;
use crate::org::directory::Directory;

/// Characters of a reason that a table has room for.
const MOST_CHARS: usize = 160;
/// Letters that are in memory at once: each has its record.
const AT_ONCE: usize = 64;
const HEADINGS: [&str; 6] = ["ID", "SINK", "ACCOUNT", "KIND", "SINCE", "REASON"];

#[derive(Debug, clap::Args)]
pub(crate) struct DeadLetters {
    #[command(subcommand)]
    command: DeadLettersCommand,
}

#[derive(Debug, clap::Subcommand)]
enum DeadLettersCommand {
    /// List the records that could not be delivered, with the reason
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// Only those of this sink
        #[arg(long, add = ArgValueCompleter::new(completions::sinks))]
        sink: Option<String>,
        /// One JSON object a line, with the record
        #[arg(long)]
        json: bool,
    },
    /// Show one with everything that is known of it
    Show {
        #[command(flatten)]
        file: ConfigFile,
        /// Its number, from `list`
        id: u64,
    },
    /// Send records again that a sink could not take; they are dead letters no more
    Replay(Chosen),
    /// Forget them
    Drop(Chosen),
}

/// Which dead letters are meant.
#[derive(Debug, clap::Args)]
struct Chosen {
    #[command(flatten)]
    file: ConfigFile,
    /// Their numbers, from `list`
    #[arg(required_unless_present = "sink", conflicts_with = "sink")]
    ids: Vec<u64>,
    /// All of this sink
    #[arg(long, add = ArgValueCompleter::new(completions::sinks))]
    sink: Option<String>,
}

impl DeadLetters {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.command {
            DeadLettersCommand::List { file, sink, json } => list(&file, sink, json.then_some(Form::Json)).await,
            DeadLettersCommand::Show { file, id } => show(&file, id).await,
            DeadLettersCommand::Replay(chosen) => chosen.have_done(Request::ReplayDead).await,
            DeadLettersCommand::Drop(chosen) => chosen.have_done(Request::DropDead).await,
        }
    }
}

/// How a list is printed, if not for people.
enum Form {
    Json,
}

impl Chosen {
    async fn have_done(self, request: fn(Letters) -> Request) -> anyhow::Result<()> {
        let config = open::configuration(&self.file, Purpose::Look)?;
        if let Some(sink) = &self.sink {
            known_sink(&open::reader(&config.journal.path)?, &config, sink).await?;
        }
        let letters = self.sink.map_or(Letters::Ids(self.ids), Letters::Sink);
        ask::have_done(&config, request(letters)).await
    }
}

/// Checks a sink that an option names. One that is configured no longer may still have dead letters.
async fn known_sink(journal: &Journal, config: &Config, name: &str) -> anyhow::Result<()> {
    if let Err(error) = names::sink(config, name) {
        let filter = DeadFilter { sink: Some(name.to_owned()), limit: Some(1), ..DeadFilter::default() };
        if journal.dead_letters(filter).await.map_err(AppError::Journal)?.is_empty() {
            return Err(error.into());
        }
    }
    Ok(())
}

async fn show(file: &ConfigFile, id: u64) -> anyhow::Result<()> {
    let config = open::configuration(file, Purpose::Look)?;
    let journal = open::reader(&config.journal.path)?;
    let filter = DeadFilter { ids: vec![id], ..DeadFilter::default() };
    let letters = journal.dead_letters(filter).await.map_err(AppError::Journal)?;
    let letter = letters.first().ok_or_else(|| AppError::Failed(format!("there is no dead letter {id}")))?;
    table::print(&(plain::json(&serde_json::to_string_pretty(&as_json(letter))?, Layout::Kept) + "\n"))
}

async fn list(file: &ConfigFile, sink: Option<String>, form: Option<Form>) -> anyhow::Result<()> {
    let config = open::configuration(file, Purpose::Look)?;
    let journal = open::reader(&config.journal.path)?;
    if let Some(sink) = &sink {
        known_sink(&journal, &config, sink).await?;
    }
    let directory = journal.directory().await.map_err(AppError::Journal)?;
    let mut widths = vec![0; HEADINGS.len()];
    let mut filter = DeadFilter { sink, limit: Some(AT_ONCE), ..DeadFilter::default() };
    loop {
        let letters = journal.dead_letters(filter.clone()).await.map_err(AppError::Journal)?;
        let is_first = filter.after == 0;
        if is_first && letters.is_empty() {
            logging::complain("there is no dead letter");
        }
        match form {
            Some(Form::Json) => table::print_lines(&letters.iter().map(as_json).collect::<Vec<_>>())?,
            None => {
                let rows: Vec<_> = letters.iter().map(|letter| row(letter, &directory)).collect();
                let headings = if is_first { Some(&HEADINGS[..]) } else { None };
                table::print(&table::part(headings, &rows, &mut widths))?;
            }
        }
        let Some(last) = letters.last().filter(|_| letters.len() >= AT_ONCE) else { return Ok(()) };
        filter.after = last.id;
    }
}

fn row(letter: &DeadLetter, directory: &Directory) -> Vec<String> {
    vec![
        letter.id.to_string(),
        letter.sink.clone().unwrap_or_else(|| "-".to_owned()),
        directory.name_of(&letter.account).to_owned(),
        word(letter.kind).to_owned(),
        letter.at.to_string(),
        // `show` has all of it.
        plain::cropped(&letter.reason, MOST_CHARS),
    ]
}

fn as_json(letter: &DeadLetter) -> Value {
    json!({
        "id": letter.id,
        "sink": letter.sink,
        "account": letter.account.as_str(),
        "kind": word(letter.kind),
        "reason": letter.reason,
        "since": letter.at.to_string(),
        "event_id": letter.event_id.map(|id| id.to_string()),
        "among": letter.among.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "path": letter.path,
        "content": letter.content,
    })
}

fn word(kind: RefusedKind) -> &'static str {
    match kind {
        RefusedKind::Malformed => "malformed",
        RefusedKind::Unmappable => "unmappable",
        RefusedKind::Unmapped => "unmapped",
        RefusedKind::Refused => "refused",
    }
}
