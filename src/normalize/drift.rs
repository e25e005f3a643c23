//! What a record holds that no document told: counted in the journal, so that an operator hears of new monitors, actions and
//! fields before an analyst misses them. Nothing depends on it: such a record makes its event as any other.

use std::collections::BTreeMap;

use super::json::{Json, Kind, prune};
use super::ocsf;
use crate::record::{Record, RecordKind};

mod known;

/// Findings of one record: a hostile one could invent names without end.
const MOST: usize = 20;
/// Samples show the nesting of a value to this depth.
const MAX_DEPTH: usize = 4;

/// The kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DriftKind {
    /// An alert's context of an unknown `@class`.
    AlertContext,
    /// An activity of an unknown entity and category.
    ActivityCategory,
    /// An unknown action of a known category.
    ActivityAction,
    /// An unknown field.
    Field,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub kind: DriftKind,
    /// Its name: `esxi_datastore_ctx`, `USER.policy.frobnicate`, `alertContext.ping_ctx.jitter` …
    pub name: String,
    /// The shape of what was seen: names of fields, and of each value only what type it has.
    pub sample: String,
}

impl DriftKind {
    /// The word in the journal, in metrics and in `status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AlertContext => "alert context",
            Self::ActivityCategory => "activity category",
            Self::ActivityAction => "activity action",
            Self::Field => "field",
        }
    }
}

/// What is unknown in a record.
pub fn of(record: &Record) -> Vec<Finding> {
    let source = Json::of(&record.source);
    let mut found = Vec::new();
    match record.envelope.kind {
        RecordKind::Alert => alert(source, &mut found),
        RecordKind::ActivityDevice | RecordKind::ActivityUser => activity(source, &mut found),
        RecordKind::Device => fields("device", source, known::DEVICE, &mut found),
        RecordKind::Site => fields("site", source, known::SITE, &mut found),
        // What vintner puts together itself, or reads for names only.
        RecordKind::DevicePosture | RecordKind::User | RecordKind::Software | RecordKind::Own(_) => {}
    }
    found.truncate(MOST);
    found
}

fn alert(source: Json<'_>, found: &mut Vec<Finding>) {
    fields("alert", source, known::ALERT, found);
    let parts: BTreeMap<_, _> = source.members().collect();
    for (name, known) in [("alertMonitorInfo", known::MONITOR_INFO), ("alertSourceInfo", known::SOURCE_INFO)] {
        parts.get(name).into_iter().for_each(|part| fields(name, *part, known, found));
    }
    let actions = parts.get("responseActions").into_iter().flat_map(|actions| actions.items());
    actions.take(MOST).for_each(|action| fields("responseActions", action, known::RESPONSE_ACTION, found));
    let Some(context) = parts.get("alertContext") else { return };
    let class = context.members().find(|(key, _)| key == "@class").and_then(|(_, value)| value.string());
    let Some(class) = class.filter(|class| !class.trim().is_empty()) else { return };
    if !ocsf::knows_class(&class) {
        found.push(Finding { kind: DriftKind::AlertContext, name: class.into_owned(), sample: shape(*context) });
    } else if let Some(known) = known::context(&class) {
        fields(&format!("alertContext.{}", class.to_lowercase()), *context, known, found);
    }
}

fn activity(source: Json<'_>, found: &mut Vec<Finding>) {
    fields("activity", source, known::ACTIVITY, found);
    let parts: BTreeMap<_, _> = source.members().collect();
    let text = |key: &str| parts.get(key).and_then(|value| value.scalar()).unwrap_or_default();
    let (entity, category, action) = (text("entity"), text("category"), text("action"));
    if category.is_empty() {
        return;
    }
    let (kind, name) = match known::actions(&entity.to_lowercase(), &category.to_lowercase()) {
        None => (DriftKind::ActivityCategory, format!("{entity}.{category}")),
        Some(actions) if actions.is_empty() || actions.contains(&action.to_lowercase().as_str()) => return,
        Some(_) => (DriftKind::ActivityAction, format!("{entity}.{category}.{action}")),
    };
    let decoded = parts.get("details").and_then(|details| details.string());
    let details = decoded.as_deref().and_then(|text| Json::parse(text).ok());
    found.push(Finding { kind, name, sample: details.map(shape).unwrap_or_default() });
}

/// The fields of an object that are not among `known`.
fn fields(place: &str, object: Json<'_>, known: &[&str], found: &mut Vec<Finding>) {
    let unknown = object.members().filter(|(key, value)| !known.contains(&key.as_ref()) && !value.is_blank());
    found.extend(unknown.take(MOST).map(|(key, value)| Finding {
        kind: DriftKind::Field,
        name: format!("{place}.{key}"),
        sample: shape(value),
    }));
}

/// A value without its values.
fn shape(value: Json<'_>) -> String {
    let mut out = String::new();
    write_shape(&mut out, value, 0);
    out
}

fn write_shape(out: &mut String, value: Json<'_>, depth: usize) {
    match value.kind() {
        Kind::Object if depth < MAX_DEPTH => {
            out.push('{');
            for (index, (key, member)) in value.members().take(MOST).enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                prune::write_text(out, &key);
                out.push(':');
                write_shape(out, member, depth.saturating_add(1));
            }
            out.push('}');
        }
        Kind::Array if depth < MAX_DEPTH => {
            out.push('[');
            value.items().take(1).for_each(|item| write_shape(out, item, depth.saturating_add(1)));
            out.push(']');
        }
        Kind::Object => out.push_str("\"<object>\""),
        Kind::Array => out.push_str("\"<list>\""),
        Kind::String => out.push_str("\"<text>\""),
        Kind::Number(_) => out.push_str("\"<number>\""),
        Kind::Bool => out.push_str("\"<true or false>\""),
        Kind::Null => out.push_str("null"),
    }
}

#[cfg(test)]
mod tests;
