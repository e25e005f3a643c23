//! `vintner dead-letters list`.

use serde_json::{Value, json};

use crate::app::AppError;
use crate::cli::open::Purpose;
use crate::cli::{ConfigFile, open, table};
use crate::journal::RefusedKind;
use crate::journal::dead::{DeadFilter, DeadLetter};

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
        #[arg(long)]
        sink: Option<String>,
        /// One JSON object a line, with the record
        #[arg(long)]
        json: bool,
    },
}

impl DeadLetters {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let DeadLettersCommand::List { file, sink, json } = self.command;
        let config = open::configuration(&file, Purpose::Look)?;
        let journal = open::reader(&config.journal.path)?;
        let filter = DeadFilter { sink, ..DeadFilter::default() };
        let letters = journal.dead_letters(filter).await.map_err(AppError::Journal)?;
        if json {
            return table::print(&letters.iter().map(|letter| as_json(letter).to_string() + "\n").collect::<String>());
        }
        let rows: Vec<Vec<String>> = letters
            .iter()
            .map(|letter| {
                vec![
                    letter.id.to_string(),
                    letter.sink.clone().unwrap_or_else(|| "-".to_owned()),
                    letter.account.to_string(),
                    word(letter.kind).to_owned(),
                    letter.at.to_string(),
                    letter.reason.clone(),
                ]
            })
            .collect();
        table::print(&table::table(&["ID", "SINK", "ACCOUNT", "KIND", "SINCE", "REASON"], &rows))
    }
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
