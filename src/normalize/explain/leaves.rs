//! The values of an event by their paths.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

/// Every scalar of an event. An item of a list whose items have names is called by its name, so that it keeps its path when
/// others come or go.
pub(super) fn of(event: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    collect(String::new(), event, &mut found);
    found
}

/// The text of a scalar, without quotes.
pub(super) fn text(value: &Value) -> Cow<'_, str> {
    value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed)
}

/// Whether a value is about the record as a whole.
pub(super) fn is_of_the_whole(path: &str) -> bool {
    path.starts_with("raw_data") || path == "metadata.untruncated_size"
}

/// The part of vintner that fills this place whatever rule maps the record; `None`: the rule.
pub(super) fn part(path: &str) -> Option<&'static str> {
    let is_mark =
        ["metadata.tags[lens.", "metadata.tags[attack.", "metadata.tags[vintner.self", "finding_info.attacks"];
    if is_mark.iter().any(|prefix| path.starts_with(prefix)) {
        return Some("lens");
    }
    if path.starts_with("unmapped.") {
        return Some("residue");
    }
    (path.starts_with("metadata.") || path.starts_with("raw_data") || path == "timezone_offset").then_some("envelope")
}

fn collect(path: String, value: &Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) => {
            let place = if path.is_empty() { String::new() } else { format!("{path}.") };
            members.iter().for_each(|(key, member)| collect(format!("{place}{key}"), member, found));
        }
        Value::Array(items) => {
            let mut times: HashMap<&str, usize> = HashMap::new();
            for (index, item) in items.iter().enumerate() {
                let name = item.get("name").and_then(Value::as_str).filter(|_| item.get("value").is_some());
                let label = match name {
                    Some(name) => {
                        let seen = times.entry(name).or_default();
                        *seen = seen.saturating_add(1);
                        if *seen == 1 { name.to_owned() } else { format!("{name}#{seen}") }
                    }
                    None => index.to_string(),
                };
                collect(format!("{path}[{label}]"), item, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => drop(found.insert(path, value.clone())),
    }
}
