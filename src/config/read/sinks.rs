//! `[sinks.<kind>.<name>]`: what every sink has, and where its kind is read.

use crate::config::places::{At, join};
use crate::config::read::item::Item;
use crate::config::read::{Section, kafka, otlp};
use crate::config::settings::{RouteConfig, SinkConfig, SinkKind};
use crate::config::values::{self, Bad};
use crate::journal::StartAt;
use crate::normalize::{Format, RawData};
use crate::record::Stream;

const KINDS: [&str; 4] = ["stdout", "file", "kafka", "otlp"];
const FORMATS: [(&str, Format); 3] = [("ocsf", Format::Ocsf), ("ecs", Format::Ecs), ("raw", Format::Raw)];
const RAW_DATA: [(&str, RawData); 3] = [("off", RawData::Off), ("findings", RawData::Findings), ("all", RawData::All)];
const FROM: [(&str, StartAt); 2] = [("oldest", StartAt::Oldest), ("now", StartAt::Now)];
const STREAMS: [(&str, Stream); 4] = [
    ("alerts", Stream::Alerts),
    ("activity", Stream::Activity),
    ("inventory", Stream::Inventory),
    ("vintner", Stream::Vintner),
];
/// Labels of events (`metadata.labels`).
const LABELS: [&str; 11] = [
    "security",
    "posture",
    "custom",
    "availability",
    "operational",
    "audit",
    "inventory",
    "derived",
    "muted",
    "synthesized",
    "unmapped",
];
/// OCSF's words for severity ids.
const SEVERITIES: [(&str, u8); 5] = [("informational", 1), ("low", 2), ("medium", 3), ("high", 4), ("critical", 5)];

/// Reads all sinks, in file order; a sink that lacks something is reported and left out.
pub(crate) fn read(section: Section<'_>) -> Vec<SinkConfig> {
    let mut sinks: Vec<(At, SinkConfig)> = Vec::new();
    let mut names: Vec<(&str, At)> = Vec::new();
    for kind in KINDS {
        let Some(table) = section.section(kind) else { continue };
        for (name, item) in table.entries() {
            if let Err(bad) = values::name(name) {
                section.problems.error(item.key.clone(), bad.message, bad.hint);
            }
            if let Some((_, first)) = names.iter().find(|(known, _)| *known == name) {
                let message = format!("a sink named `{name}` stands at {} already", section.problems.place_of(first));
                let hint = "commands name sinks without their kind: give it another name".to_owned();
                section.problems.error(item.key.clone(), message, Some(hint));
            }
            names.push((name, item.key.clone()));
            let sink = item.section().and_then(|table| sink(kind, name, table));
            sinks.extend(sink.map(|sink| (item.key, sink)));
        }
    }
    for (name, at) in section.peek_tables().filter(|(name, _)| !KINDS.contains(name)) {
        section.problems.remember(&join(&section.path, name), at.clone());
        foreign_form(&section, name, at);
    }
    section.finish();
    sinks.sort_by(|(a, _), (b, _)| a.cmp(b));
    sinks.into_iter().map(|(_, sink)| sink).collect()
}

/// Words of other tools for the kinds of sinks.
const FOREIGN_KINDS: [(&str, &str); 6] = [
    ("console", "stdout"),
    ("opentelemetry", "otlp"),
    ("otel", "otlp"),
    ("stdout", "stdout"),
    ("file", "file"),
    ("kafka", "kafka"),
];

/// Reports a table `[sinks.<name>]` with a key `type`, the form of other tools.
fn foreign_form(section: &Section<'_>, name: &str, at: At) {
    let Some(table) = section.peek(name).filter(|table| table.contains_key("type")) else { return };
    section.know(name);
    // Whatever else stands in it may be a secret; the caret shows the name.
    let said = table.get("type").and_then(|word| word.get_ref().as_str()).unwrap_or_default();
    let kind = FOREIGN_KINDS.into_iter().find(|(word, _)| *word == said).map_or("<kind>", |(_, kind)| kind);
    let hint = format!("write [sinks.{kind}.{name}] without `type`; the kinds are {}", KINDS.join(", "));
    section.problems.error(at, "the kind of a sink stands in the name of its table, not in a key `type`", Some(hint));
}

fn sink(kind: &str, name: &str, section: Section<'_>) -> Option<SinkConfig> {
    let format = section.parse("format", |text| values::word(text, &FORMATS));
    let (has_format, format) = (format.is_some(), format.unwrap_or_default());
    let raw_data = section.parse("raw_data", |text| values::word(text, &RAW_DATA)).unwrap_or_default();
    let from = section.parse("from", |text| values::word(text, &FROM)).unwrap_or(StartAt::Oldest);
    let route = section.section("route").map(route);
    let kind = match kind {
        "kafka" => kafka::read(&section).map(|kafka| SinkKind::Kafka(Box::new(kafka))),
        "otlp" => otlp::read(&section).map(|otlp| SinkKind::Otlp(Box::new(otlp))),
        "file" => {
            let path = section.required("path", "for example path = \"events.ndjson\"");
            path.and_then(|item| item.file()).map(|path| SinkKind::File { path })
        }
        _ => Some(SinkKind::Stdout),
    };
    section.finish();
    Some(SinkConfig { name: name.to_owned(), kind: kind?, format, has_format, raw_data, from, route })
}

fn route(section: Section<'_>) -> RouteConfig {
    let stream = |text: &str| values::word(text, &STREAMS);
    let org = |text: &str| -> Result<String, Bad> {
        if text.trim().is_empty() { Err(Bad::new("this must not be empty")) } else { Ok(text.to_owned()) }
    };
    let label = |text: &str| values::word(text, &LABELS.map(|label| (label, label)));
    let list = |item: Option<Item<'_>>| item.and_then(|item| item.parse_filled_list(org));
    let route = RouteConfig {
        streams: section.item("streams").and_then(|item| item.parse_filled_list(stream)),
        orgs: list(section.item("orgs")),
        min_severity: section.parse("min_severity", |text| values::word(text, &SEVERITIES)),
        labels: section.item("labels").and_then(|item| item.parse_filled_list(label)),
    };
    section.finish();
    route
}
