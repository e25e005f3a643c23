//! `vintner explain`: which source field became which event field, by which rule; what stayed unmapped.

use std::io::{IsTerminal as _, Read};
use std::path::Path;

use uuid::Uuid;

use crate::app::explain;
use crate::app::fetch::What;
use crate::app::{AppError, explain::of_event, explain::of_event_alone};
use crate::cli::forms::Kind;
use crate::cli::open::Purpose;
use crate::cli::{ConfigFile, logging, open, table};
use crate::clock::Millis;
use crate::config::nearest::nearest;
use crate::config::settings::DEFAULT_JOURNAL;
use crate::normalize::explain::{Explained, Explanation, How};
use crate::output::width;
use crate::record::EventId;

/// A record on stdin is no longer.
const MAX_RECORD: u64 = 4 << 20;
/// A value in the table takes no more columns.
const MAX_CELL: usize = 60;

#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// Id of an event (`metadata.uid`); without it, one record as Datto sends it is read from stdin
    #[arg(value_name = "EVENT-ID", value_parser = event_id)]
    event: Option<Uuid>,
    /// What the record on stdin is [default: guessed by its fields]
    #[arg(long = "type", value_enum)]
    kind: Option<Kind>,
    /// Only this field of the event, or all of this object, e.g. `time` or `device`
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    /// Also show constants that vintner gives whatever the record says
    #[arg(long)]
    all: bool,
    /// Print the explanation as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

impl Explain {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut explanation = match self.event {
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
        if let Some(field) = &self.field {
            only(&mut explanation, field)?;
        }
        let leaves = if self.all || self.field.is_some() { Leaves::All } else { Leaves::OfRecord };
        let text = if self.json { table::json_line(&explanation)? } else { human(&explanation, leaves) };
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
    if std::io::stdin().is_terminal() {
        logging::complain(
            "waiting for one record as Datto RMM sends it: paste its JSON, then press Ctrl-D (`vintner explain EVENT-ID` explains an event of the journal)",
        );
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MAX_RECORD.saturating_add(1)).read_to_string(&mut text);
    let length = read.map_err(|error| AppError::Failed(format!("stdin cannot be read: {error}")))?;
    if u64::try_from(length).unwrap_or(u64::MAX) > MAX_RECORD {
        return Err(AppError::Failed(format!("the record is larger than {} MiB", MAX_RECORD >> 20)).into());
    }
    Ok(text)
}

/// The explanation for people: a table of the event's values, grouped by object. Constants are only counted, unless all are wanted.
fn human(explanation: &Explanation, shown: Leaves) -> String {
    let Explanation { event_id, class_name, rule, leaves, repeated, silent, redacted } = explanation;
    let is_shown = |leaf: &&Explained| shown == Leaves::All || !is_constant(leaf);
    let mut rows = Vec::new();
    let mut group = "";
    for leaf in leaves.iter().filter(is_shown) {
        let (object, name) = split(&leaf.path);
        if object != group && !object.is_empty() {
            rows.push(vec![object.to_owned()]);
        }
        group = object;
        rows.push(row(leaf, &if object.is_empty() { name.to_owned() } else { format!("  {name}") }));
    }
    let mut text = format!("{class_name} {event_id}, by the rule \"{rule}\"\n\n");
    text += &table::table(&["FIELD", "VALUE", "HOW", "FROM"], &rows);
    let hidden = leaves.iter().filter(|leaf| !is_shown(leaf)).count();
    if hidden > 0 {
        let noun = if hidden == 1 { "constant that vintner gives is" } else { "constants that vintner gives are" };
        text += &format!("\n{hidden} {noun} not shown: --all shows them\n");
    }
    let lists = [
        ("stand in the event once, though the record has them twice", repeated),
        ("say nothing (null or empty)", silent),
        ("removed: secrets", redacted),
    ];
    for (what, fields) in lists.into_iter().filter(|(_, fields)| !fields.is_empty()) {
        let fields: Vec<String> = fields.iter().map(|field| table::printable(field)).collect();
        text += &format!("\n{what}: {}\n", fields.join(", "));
    }
    text
}

/// Which values of the event are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    /// All.
    All,
    /// Those that the record or its surroundings had a part in.
    OfRecord,
}

/// Whether the value is the same whatever the record says.
fn is_constant(leaf: &Explained) -> bool {
    leaf.how == How::Given && leaf.because_of.is_empty()
}

/// The object that a value lies in, and its path in there; no object for a value of the event itself.
fn split(path: &str) -> (&str, &str) {
    let mut depth: usize = 0;
    let end = path.char_indices().find(|(_, c)| {
        match c {
            '[' => depth = depth.saturating_add(1),
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        *c == '.' && depth == 0
    });
    end.and_then(|(at, _)| Some((path.get(..at)?, path.get(at.saturating_add(1)..)?))).unwrap_or(("", path))
}

/// Leaves only the values of one field, which may be an object.
fn only(explanation: &mut Explanation, field: &str) -> Result<(), AppError> {
    let is_meant =
        |path: &str| path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    let mut leaves = std::mem::take(&mut explanation.leaves);
    if !leaves.iter().any(|leaf| is_meant(&leaf.path)) {
        let near = nearest(field, leaves.iter().map(|leaf| leaf.path.as_str()));
        let hint = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
        return Err(AppError::Failed(format!("the event has no field `{field}`{hint}")));
    }
    leaves.retain(|leaf| is_meant(&leaf.path));
    explanation.leaves = leaves;
    (explanation.repeated, explanation.silent, explanation.redacted) = (Vec::new(), Vec::new(), Vec::new());
    Ok(())
}

fn row(leaf: &Explained, name: &str) -> Vec<String> {
    let Explained { path, value, how, from, because_of, .. } = leaf;
    let value = match (value.as_str(), value.as_i64()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(millis)) if path.ends_with("time") => format!("{millis} ({})", Millis(millis).to_rfc3339_seconds()),
        (None, _) => value.to_string(),
    };
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
    vec![cropped(name), cropped(&value), how.to_owned(), from]
}

fn cropped(text: &str) -> String {
    width::cropped(text, MAX_CELL)
}

/// Reads an event's id, and says what one looks like.
fn event_id(text: &str) -> Result<Uuid, String> {
    text.trim().parse().map_err(|_| {
        "an event's id is a UUID such as 5f0e3c9a-7b1d-5e42-9c8f-0a1b2c3d4e5f: the `metadata.uid` of an event"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn explanation() -> Explanation {
        let leaf = |path: &str, value: serde_json::Value, how, from: &[&str], because_of: &[&str]| Explained {
            path: path.to_owned(),
            value,
            how,
            from: from.iter().map(|from| (*from).to_owned()).collect(),
            because_of: because_of.iter().map(|from| (*from).to_owned()).collect(),
            rule: "alert",
        };
        Explanation {
            event_id: "5f0e3c9a-7b1d-5e42-9c8f-0a1b2c3d4e5f".into(),
            class_name: "Detection Finding".into(),
            rule: "ping_ctx",
            leaves: vec![
                leaf("category_uid", json!(2), How::Given, &[], &[]),
                leaf("device.hostname", json!("SRV-1"), How::Copied, &["alertSourceInfo.deviceName"], &[]),
                leaf("device.org.name", json!("Contoso"), How::Copied, &["organization.name"], &[]),
                leaf("message", json!("Ping of 192.0.2.1 failed"), How::Derived, &["alertContext.instanceName"], &[]),
                leaf(
                    "observables[device.hostname].value",
                    json!("SRV-1"),
                    How::Copied,
                    &["alertSourceInfo.deviceName"],
                    &[],
                ),
                leaf("severity_id", json!(4), How::Given, &[], &["priority"]),
                leaf("time", json!(1_795_212_345_678_i64), How::Copied, &["timestamp"], &[]),
            ],
            repeated: vec!["siteName".into()],
            silent: Vec::new(),
            redacted: Vec::new(),
        }
    }

    #[test]
    fn values_are_grouped_and_constants_only_counted() {
        let expected = "\
Detection Finding 5f0e3c9a-7b1d-5e42-9c8f-0a1b2c3d4e5f, by the rule \"ping_ctx\"

FIELD        VALUE                                 HOW      FROM
device
  hostname   SRV-1                                 copied   alertSourceInfo.deviceName
  org.name   Contoso                               copied   organization.name
message      Ping of 192.0.2.1 failed              derived  alertContext.instanceName
observables[device.hostname]
  value      SRV-1                                 copied   alertSourceInfo.deviceName
severity_id  4                                     vintner  (priority)
time         1795212345678 (2026-11-20T22:05:45Z)  copied   timestamp

1 constant that vintner gives is not shown: --all shows them

stand in the event once, though the record has them twice: siteName
";
        assert_eq!(human(&explanation(), Leaves::OfRecord), expected);
        assert!(human(&explanation(), Leaves::All).contains("category_uid  2"));
    }

    #[test]
    fn one_field_is_shown_alone_and_a_wrong_one_suggests_the_nearest() {
        let mut one = explanation();
        only(&mut one, "device").unwrap();
        let paths: Vec<&str> = one.leaves.iter().map(|leaf| leaf.path.as_str()).collect();
        assert_eq!(paths, ["device.hostname", "device.org.name"]);
        assert!(one.repeated.is_empty());
        let error = only(&mut explanation(), "tme").unwrap_err().to_string();
        assert_eq!(error, "the event has no field `tme`: did you mean `time`?");
    }

    #[test]
    fn a_wrong_id_is_answered_with_the_form_of_one() {
        assert!(event_id("5f0e3c9a-7b1d-5e42-9c8f-0a1b2c3d4e5f").is_ok());
        assert!(event_id("alert-17").unwrap_err().contains("metadata.uid"));
    }
}
