//! `vintner explain`: which source field became which event field, by which rule; what stayed unmapped.

use std::io::Read;
use std::path::Path;

use uuid::Uuid;

use crate::app::explain;
use crate::app::fetch::What;
use crate::app::{AppError, explain::of_event, explain::of_event_alone};
use crate::cli::forms::Kind;
use crate::cli::open::Purpose;
use crate::cli::{ConfigFile, logging, open, table};
use crate::config::settings::DEFAULT_JOURNAL;
use crate::normalize::explain::{Explained, Explanation, How};
use crate::record::EventId;

/// A record on stdin is no longer.
const MAX_RECORD: u64 = 4 << 20;
/// A value in the table takes no more characters.
const MAX_CELL: usize = 60;

#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// Id of an event (`metadata.uid`); without it, one record as Datto sends it is read from stdin
    event: Option<Uuid>,
    /// What the record on stdin is [default: guessed by its fields]
    #[arg(long = "type", value_enum)]
    kind: Option<Kind>,
    /// Print the explanation as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

impl Explain {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let explanation = match self.event {
            Some(id) => match self.journal_alone() {
                Some(journal) => {
                    let path = journal.display();
                    logging::complain(&format!(
                        "no configuration: organizations as the journal {path} knows them, severities and lens as by default (-c names one)"
                    ));
                    of_event_alone(journal, EventId(id)).await?
                }
                None => of_event(open::configuration(&self.file, Purpose::Look)?, EventId(id)).await?,
            },
            None => {
                let has_file = self.file.config.is_some();
                let config = if has_file { Some(open::configuration(&self.file, Purpose::Look)?) } else { None };
                if config.is_none() {
                    logging::complain(
                        "no configuration: the site that the record names is its organization, severities and lens as by default (-c names one)",
                    );
                }
                explain::of_text(config, &read_stdin()?, self.kind.map(What::from)).await?
            }
        };
        let text = if self.json { table::json_line(&explanation)? } else { human(&explanation) };
        table::print(&text)
    }
}

impl Explain {
    /// The journal, if there is one and no configuration.
    fn journal_alone(&self) -> Option<&'static Path> {
        let journal = Path::new(DEFAULT_JOURNAL);
        let has_none = self.file.config.is_none() && open::find(&self.file).is_err();
        (has_none && journal.exists()).then_some(journal)
    }
}

fn read_stdin() -> anyhow::Result<String> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MAX_RECORD.saturating_add(1)).read_to_string(&mut text);
    let length = read.map_err(|error| AppError::Failed(format!("stdin cannot be read: {error}")))?;
    if u64::try_from(length).unwrap_or(u64::MAX) > MAX_RECORD {
        return Err(AppError::Failed(format!("the record is larger than {} MiB", MAX_RECORD >> 20)).into());
    }
    Ok(text)
}

fn human(explanation: &Explanation) -> String {
    let Explanation { event_id, class_name, rule, leaves, repeated, silent, redacted } = explanation;
    let rows: Vec<Vec<String>> = leaves.iter().map(row).collect();
    let mut text = format!("{class_name} {event_id}, by the rule \"{rule}\"\n\n");
    text += &table::table(&["EVENT", "VALUE", "HOW", "FROM", "BY"], &rows);
    let lists = [
        ("told once, though the record says it twice", repeated),
        ("say nothing (null or empty)", silent),
        ("removed: secrets", redacted),
    ];
    for (what, fields) in lists.into_iter().filter(|(_, fields)| !fields.is_empty()) {
        let fields: Vec<String> = fields.iter().map(|field| table::printable(field)).collect();
        text += &format!("\n{what}: {}\n", fields.join(", "));
    }
    text
}

fn row(leaf: &Explained) -> Vec<String> {
    let Explained { path, value, how, from, because_of, rule } = leaf;
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let how = match how {
        How::Copied => "copied",
        How::Derived => "derived",
        How::Unmapped => "unmapped",
        How::Given => "vintner",
    };
    let from = if from.is_empty() && !because_of.is_empty() {
        format!("({})", cropped(&because_of.join(", ")))
    } else {
        cropped(&from.join(", "))
    };
    vec![cropped(path), cropped(&value), how.to_owned(), from, (*rule).to_owned()]
}

fn cropped(text: &str) -> String {
    match text.char_indices().nth(MAX_CELL) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
