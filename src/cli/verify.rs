//! `vintner verify`: compares a Kafka topic with the journal.

use clap_complete::ArgValueCompleter;

use crate::app::verify::{Verified, verify};
use crate::app::{AppError, names};
use crate::cli::open::Purpose;
use crate::cli::{ConfigFile, completions, open, table};
use crate::config::settings::{Config, SinkConfig, SinkKind};

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    file: ConfigFile,
    /// The Kafka sink; not needed if there is only one
    #[arg(long, add = ArgValueCompleter::new(completions::sinks))]
    sink: Option<String>,
    /// A topic that the sink wrote to before its `topic` was changed; may be given several times
    #[arg(long = "topic", value_name = "NAME")]
    topics: Vec<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let config = open::configuration(&self.file, Purpose::Look)?;
        let sink = chosen(&config, self.sink.as_deref())?;
        let journal = open::reader(&config.journal.path)?;
        let verified = verify(&journal, &config, sink, self.topics).await?;
        let text = if self.json { table::json_line(&verified)? } else { human(&verified) };
        table::print(&text)?;
        let report = &verified.report;
        if report.is_good() {
            return Ok(());
        }
        let (lost, repeated) = (report.lost, report.repeated);
        Err(AppError::Failed(format!("sink {}: {lost} lost, {repeated} repeated", verified.sink)).into())
    }
}

/// The sink that is named, or the only one of its kind.
fn chosen<'c>(config: &'c Config, name: Option<&str>) -> Result<&'c SinkConfig, AppError> {
    let is_kafka = |sink: &&SinkConfig| matches!(sink.kind, SinkKind::Kafka(_));
    if let Some(name) = name {
        return names::sink(config, name);
    }
    match config.sinks.iter().filter(is_kafka).collect::<Vec<_>>().as_slice() {
        [one] => Ok(one),
        [] => Err(AppError::Configuration("the configuration has no Kafka sink".to_owned())),
        several => {
            let names: Vec<&str> = several.iter().map(|sink| sink.name.as_str()).collect();
            Err(AppError::Configuration(format!("name one of the Kafka sinks with --sink: {}", names.join(", "))))
        }
    }
}

fn human(verified: &Verified) -> String {
    let report = &verified.report;
    let rows = [
        ("sent", report.sent, "by the journal, and still retained there"),
        ("found", report.found, "of these, in Kafka at read_committed"),
        ("lost", report.lost, "neither found nor expired"),
        ("repeated", report.repeated, "there more than once, deliberate repeats apart"),
        ("out of order", report.out_of_order, "before an earlier event of their alert"),
        ("expired", report.expired, "gone with the beginning of their partition"),
        ("foreign", report.foreign, "messages that this journal cannot have sent"),
        ("stray", report.stray, "records that the route does not name: another sink wrote them"),
        ("earlier", report.earlier, "found, and no longer retained by the journal"),
        ("trimmed", report.trimmed, "sent, and no longer retained: only counted"),
        ("unclear", report.unclear, "missing: lost, or skipped or expired, nobody can tell"),
        ("misplaced", report.misplaced, "messages not in the partition of their key"),
        ("skipped", report.skipped, "not named by the route"),
        ("dead", report.dead, "dead letters"),
        ("replays sent", report.replays_sent, "deliberate repeats"),
        ("replays found", report.replays_found, "messages with the header vintner-replay"),
        ("pending", verified.pending, "wait for the sink"),
    ];
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|(what, count, means)| vec![(*what).to_owned(), count.to_string(), (*means).to_owned()])
        .collect();
    let mut text = format!("sink {}: {} messages in {}\n", verified.sink, report.messages, topics(&verified.topics));
    text += &table::table(&["WHAT", "RECORDS", "MEANS"], &rows);
    for (what, ids) in [("lost", &report.lost_ids), ("repeated", &report.repeated_ids)] {
        text.extend(ids.iter().map(|id| format!("{what} {id}\n")));
    }
    text
}

fn topics(names: &[String]) -> String {
    match names {
        [one] => table::printable(one),
        several => format!("{} topics", several.len()),
    }
}
