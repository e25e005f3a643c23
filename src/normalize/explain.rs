//! Which value of a record became which value of its event, and by which rule.
//!
//! Found by asking the mapping itself: each value of the record, of its envelope and of the inventory's entry is changed in turn,
//! the event is made again, and what differs came from that value. So there is no second table of the mapping that could grow old.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::known::KnownDevice;
use super::{Context, Format, Options, Unmappable, normalize, ocsf};
use crate::inventory::Device;
use crate::record::{Envelope, Marker, Record, RecordKind};

mod leaves;
mod source;
mod surroundings;

/// How an event came to be.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// `metadata.uid`.
    pub event_id: String,
    /// The class's caption.
    pub class_name: String,
    /// The rule of the mapping that made it.
    pub rule: &'static str,
    /// Every value of the event, in the order of their paths.
    pub leaves: Vec<Explained>,
    /// Values of the record that say only what another one says already: told once.
    pub repeated: Vec<String>,
    /// Fields of the record that say nothing: null, empty.
    pub silent: Vec<String>,
    /// Fields of the record that are never kept or told: secrets. Only of a record that still has them.
    pub redacted: Vec<String>,
}

/// One value of an event.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// Where it stands. An item of a list of named things is called by its name: `metadata.tags[datto.site_uid]`.
    pub path: String,
    /// The value.
    pub value: Value,
    /// How it came there.
    pub how: How,
    /// The values that it was made of: fields of the record, `details.…` for those of an activity's details, `inventory.…`,
    /// `envelope.…`, `organization.…`, `site.…`, `account.…`. Empty for what vintner gives.
    pub from: Vec<String>,
    /// Values that decided whether it is there at all, or which one it is.
    pub because_of: Vec<String>,
    /// The part of vintner that put it there.
    pub rule: &'static str,
}

/// How a value came into an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// Holds a value of the record as it was.
    Copied,
    /// Was made of values: a time in another form, a number of an enumeration, a sentence, a hash.
    Derived,
    /// Was left over and is told under Datto's own name.
    Unmapped,
    /// vintner's own: ids and captions of the schema, names of products.
    Given,
}

/// What is known of the values of an event while they are traced.
#[derive(Default)]
struct Trace {
    copied: BTreeMap<String, BTreeSet<String>>,
    derived: BTreeMap<String, BTreeSet<String>>,
    decided: BTreeMap<String, BTreeSet<String>>,
}

/// Explains the OCSF event of a record. `entry` is the inventory's entry of its device, which counts in place of the context's;
/// `received` is the record as Datto sent it, if it is at hand: what was stripped from it is told then.
pub fn explain(
    record: &Record,
    context: &Context<'_>,
    entry: Option<&Device>,
    received: Option<&str>,
) -> Result<Explanation, Unmappable> {
    let options = Options { format: Format::Ocsf, ..context.options.clone() };
    let device = entry.map(KnownDevice::of);
    let context = Context { options: &options, device: device.as_ref(), ..*context };
    let event = event(record, &context)?;
    let told = leaves::of(&event);
    let mut trace = Trace::default();
    trace.record(record, &context, &told);
    trace.device(record, &context, entry, &told);
    trace.envelope(record, &context, &told);
    trace.surroundings(record, &context, entry, &told);
    let rule = ocsf::rule(record, &context)?;
    let (mut repeated, mut silent) = (Vec::new(), Vec::new());
    for leaf in source::leaves(record.source.get()) {
        if leaf.says_nothing {
            silent.push(leaf.path);
        } else if !trace.has_source(&leaf.path) {
            repeated.push(leaf.path);
        }
    }
    let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Explanation {
        event_id: record.envelope.event_id().to_string(),
        class_name: text("class_name"),
        rule,
        leaves: told.into_iter().map(|(path, value)| trace.explained(path, value, rule)).collect(),
        repeated,
        silent,
        redacted: received.map(|received| redacted(received, record.source.get())).unwrap_or_default(),
    })
}

/// The fields that `received` has and `kept` has not.
fn redacted(received: &str, kept: &str) -> Vec<String> {
    let kept: BTreeSet<String> = source::leaves(kept).into_iter().map(|leaf| leaf.path).collect();
    let gone = source::leaves(received).into_iter().filter(|leaf| !leaf.says_nothing);
    gone.map(|leaf| leaf.path).filter(|path| !kept.contains(path)).collect()
}

fn event(record: &Record, context: &Context<'_>) -> Result<Value, Unmappable> {
    let event = normalize(record, context)?;
    serde_json::from_str(&event.json).map_err(|error| Unmappable(error.to_string()))
}

impl Trace {
    /// Changes each value of the record.
    fn record(&mut self, record: &Record, context: &Context<'_>, told: &BTreeMap<String, Value>) {
        for leaf in source::leaves(record.source.get()) {
            for (mutated, text) in leaf.variants(record.source.get()) {
                let Ok(source) = serde_json::value::RawValue::from_string(mutated) else { continue };
                let changed = Record { envelope: record.envelope.clone(), source };
                self.compare(&leaf.path, &leaf.text, text.as_deref(), told, event(&changed, context).ok());
            }
        }
    }

    /// Changes each value of the inventory's entry.
    fn device(
        &mut self,
        record: &Record,
        context: &Context<'_>,
        entry: Option<&Device>,
        told: &BTreeMap<String, Value>,
    ) {
        let Some(device) = entry else { return };
        let unknown = Context { device: None, ..*context };
        if event(record, &unknown).is_ok_and(|event| leaves::of(&event) == *told) {
            return;
        }
        for leaf in source::leaves(&device.source) {
            let name = format!("inventory.{}", leaf.path);
            // One other value, and none: an entry has no words that decide on rules.
            let variants = leaf.variants(&device.source);
            let last = variants.len().saturating_sub(1);
            let few = variants.into_iter().enumerate().filter(|(index, _)| *index == 0 || *index == last);
            for (_, (mutated, text)) in few {
                let changed = Device { source: mutated.into(), ..device.clone() };
                let changed = KnownDevice::of(&changed);
                let context = Context { device: Some(&changed), ..*context };
                self.compare(&name, &leaf.text, text.as_deref(), told, event(record, &context).ok());
            }
        }
    }

    /// Changes what the envelope says.
    fn envelope(&mut self, record: &Record, context: &Context<'_>, told: &BTreeMap<String, Value>) {
        let envelope = &record.envelope;
        let at = |ms: i64| crate::clock::Millis(ms.saturating_add(1_000));
        let marker = if envelope.marker == Marker::Open { Marker::Vanished(1) } else { Marker::Open };
        let changes = [
            ("received_at", Envelope { received_at: at(envelope.received_at.0), ..envelope.clone() }),
            ("native_id", Envelope { native_id: format!("{}0", envelope.native_id), ..envelope.clone() }),
            ("path", Envelope { path: format!("{}0", envelope.path), ..envelope.clone() }),
            ("changed", Envelope { changed: vec!["another".to_owned()], ..envelope.clone() }),
            ("synthesized", Envelope { synthesized: !envelope.synthesized, ..envelope.clone() }),
            ("marker", Envelope { marker, ..envelope.clone() }),
        ];
        let is_alert = envelope.kind == RecordKind::Alert;
        for (name, changed) in changes.into_iter().filter(|(name, _)| is_alert || *name != "marker") {
            let [old, new] = [envelope, &changed].map(|envelope| match name {
                "native_id" => envelope.native_id.clone(),
                "path" => envelope.path.clone(),
                "received_at" => envelope.received_at.0.to_string(),
                _ => String::new(),
            });
            let changed = Record { envelope: changed, source: record.source.clone() };
            let name = format!("envelope.{name}");
            self.compare(
                &name,
                &old,
                Some(&new).filter(|new| !new.is_empty()).map(String::as_str),
                told,
                event(&changed, context).ok(),
            );
        }
        let later = Context { processed_at: at(context.processed_at.0), ..*context };
        self.compare("the time of the mapping", "", None, told, event(record, &later).ok());
    }

    /// Notes what became another value, or went, because `name` was changed. `text` is what was put in place of `old`.
    fn compare(
        &mut self,
        name: &str,
        old: &str,
        text: Option<&str>,
        told: &BTreeMap<String, Value>,
        changed: Option<Value>,
    ) {
        let now = changed.map(|event| leaves::of(&event)).unwrap_or_default();
        let keeps_shape = told.keys().eq(now.keys());
        for (path, value) in told {
            let new = now.get(path);
            if new == Some(value) {
                continue;
            }
            let holds = |value: &Value, text: &str| leaves::text(value).contains(text);
            let is_copy = match (text, new) {
                (Some(text), Some(new)) => holds(value, old) && holds(new, text) && !holds(value, text),
                _ => false,
            };
            // An item of a list may only have moved.
            let is_same_place = new.is_some() && (keeps_shape || !path.contains('['));
            let kind = match (is_copy, is_same_place) {
                (true, _) => &mut self.copied,
                (false, true) => &mut self.derived,
                (false, false) => &mut self.decided,
            };
            kind.entry(path.clone()).or_default().insert(name.to_owned());
        }
    }

    /// Whether any value was made of this one.
    fn has_source(&self, name: &str) -> bool {
        let all = self.copied.iter().chain(&self.derived).chain(&self.decided);
        all.filter(|(path, _)| !leaves::is_of_the_whole(path)).any(|(_, names)| names.contains(name))
    }

    fn explained(&self, path: String, value: Value, rule: &'static str) -> Explained {
        let names = |of: &BTreeMap<String, BTreeSet<String>>| of.get(&path).cloned().unwrap_or_default();
        let (copied, derived, decided) = (names(&self.copied), names(&self.derived), names(&self.decided));
        let rule = leaves::part(&path).unwrap_or(rule);
        if leaves::is_of_the_whole(&path) {
            let from = vec!["the whole record".to_owned()];
            return Explained { path, value, how: How::Derived, from, because_of: Vec::new(), rule };
        }
        let how = match (path.starts_with("unmapped."), copied.is_empty(), derived.is_empty() && decided.is_empty()) {
            (true, _, _) => How::Unmapped,
            (false, false, _) => How::Copied,
            (false, true, false) if !derived.is_empty() => How::Derived,
            _ => How::Given,
        };
        let from: Vec<String> = copied.union(&derived).cloned().collect();
        let because_of = decided.into_iter().filter(|name| !from.contains(name)).collect();
        Explained { path, value, how, from, because_of, rule }
    }
}
