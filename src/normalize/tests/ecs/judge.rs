//! Judges an ECS document by ECS's own fields: types, allowed values, arrays where ECS says array.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::LazyLock;

use serde_json::Value;

static FIELDS: LazyLock<HashMap<&str, Field>> = LazyLock::new(|| {
    let rows = include_str!("../../../../tests/fixtures/ecs/fields.csv").lines().skip(1);
    rows.map(|row| row.split(',').collect::<Vec<_>>()).map(|row| (row[0], Field::read(&row))).collect()
});
static CATEGORIES: LazyLock<HashMap<&str, Vec<&str>>> = LazyLock::new(|| {
    let rows = include_str!("../../../../tests/fixtures/ecs/categories.csv").lines().skip(1);
    rows.filter_map(|row| row.split_once(',')).map(|(name, types)| (name, types.split(' ').collect())).collect()
});
/// What every document has.
const ALWAYS: [&str; 11] = [
    "@timestamp",
    "ecs.version",
    "event.id",
    "event.kind",
    "event.action",
    "event.provider",
    "event.module",
    "event.dataset",
    "event.created",
    "organization.id",
    "tags",
];

/// A field of ECS.
struct Field {
    kind: &'static str,
    is_array: bool,
    /// Empty: any.
    values: Vec<&'static str>,
}

impl Field {
    fn read(row: &[&'static str]) -> Self {
        Self { kind: row[1], is_array: row[2] == "array", values: row[3].split_whitespace().collect() }
    }

    fn judge(&self, path: &str, value: &Value, found: &mut Vec<String>) {
        if self.is_array != value.is_array() {
            found.push(format!(
                "{path}: {value} where ECS has {}",
                if self.is_array { "an array" } else { "one value" }
            ));
        }
        let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        if items.is_empty() {
            found.push(format!("{path}: says nothing"));
        }
        for item in items {
            let text = item.as_str().unwrap_or_default();
            let is_fine = match self.kind {
                "long" => item.as_i64().is_some(),
                "date" => text.len() == 24 && text.parse::<jiff::Timestamp>().is_ok(),
                "ip" => text.parse::<IpAddr>().is_ok(),
                _ if path.ends_with(".mac") => is_mac(text),
                _ => !text.is_empty(),
            };
            if !is_fine || !(self.values.is_empty() || self.values.contains(&text)) {
                found.push(format!("{path}: {item} is no {} of {:?}", self.kind, self.values));
            }
        }
    }
}

/// Everything that is wrong with a document's JSON text; empty for a valid one.
pub(super) fn complaints(json: &str) -> Vec<String> {
    let document: Value = match serde_json::from_str(json) {
        Ok(document) => document,
        Err(error) => return vec![format!("not JSON: {error}")],
    };
    let mut found = Vec::new();
    for path in ALWAYS {
        if document.pointer(&format!("/{}", path.replace('.', "/"))).is_none() {
            found.push(format!("{path} is missing"));
        }
    }
    for (key, value) in document.as_object().into_iter().flatten() {
        match key.as_str() {
            "datto_rmm" => {}
            "labels" => labels(value, &mut found),
            _ => walk(key, value, &mut found),
        }
    }
    types(&document, &mut found);
    found
}

fn walk(path: &str, value: &Value, found: &mut Vec<String>) {
    match (FIELDS.get(path), value) {
        (Some(field), _) => field.judge(path, value, found),
        (None, Value::Object(members)) if !members.is_empty() => {
            members.iter().for_each(|(key, member)| walk(&format!("{path}.{key}"), member, found));
        }
        (None, _) => found.push(format!("{path}: no field of ECS")),
    }
}

/// `labels` is flat and holds texts, or lists of two and more.
fn labels(value: &Value, found: &mut Vec<String>) {
    let is_text = |label: &Value| label.as_str().is_some_and(|text| !text.is_empty());
    for (name, label) in value.as_object().into_iter().flatten() {
        let is_list = label.as_array().is_some_and(|labels| labels.len() > 1 && labels.iter().all(is_text));
        if name.contains('.') || !(is_text(label) || is_list) {
            found.push(format!("labels.{name}: {label}"));
        }
    }
}

/// ECS names the event types that it expects beside each category.
fn types(document: &Value, found: &mut Vec<String>) {
    let texts = |key: &str| document["event"][key].as_array().into_iter().flatten().filter_map(Value::as_str);
    for category in texts("category") {
        let expected = CATEGORIES.get(category).cloned().unwrap_or_default();
        found.extend(
            texts("type")
                .filter(|kind| !expected.contains(kind))
                .map(|kind| format!("event.type {kind} beside {category}")),
        );
    }
}

fn is_mac(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let is_octet = |part: &&str| part.len() == 2 && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'));
    parts.len() >= 6 && parts.iter().all(is_octet)
}

/// The judge itself: each of these faults is found.
#[test]
fn the_judge_tells_right_from_wrong() {
    let world = super::elastic(super::World::contoso());
    let json = world.try_event(&super::alert(serde_json::json!({ "@class": "wmi_ctx" }))).unwrap().json;
    assert_eq!(complaints(&json), Vec::<String>::new());
    let faults: [(&str, &str, Value); 9] = [
        ("/event", "category", "host".into()),
        ("/event", "kind", serde_json::json!(["alert"])),
        ("/event", "type", serde_json::json!(["creation"])),
        ("/event", "severity", "47".into()),
        ("/host", "ip", serde_json::json!(["10.20.0"])),
        ("/host", "uid", "no field".into()),
        ("/labels", "a.b", "nested".into()),
        ("", "@timestamp", 1_795_212_345_000_i64.into()),
        ("", "tags", Value::Null),
    ];
    for (parent, key, value) in faults {
        let mut document: Value = serde_json::from_str(&json).unwrap();
        document.pointer_mut(parent).unwrap()[key] = value;
        assert!(!complaints(&document.to_string()).is_empty(), "{parent}/{key}");
    }
}
