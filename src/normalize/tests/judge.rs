//! Judges an event: by the JSON Schema of OCSF 1.8.0, and by what a JSON Schema cannot say.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Map, Value};

static JUDGE: LazyLock<Judge> = LazyLock::new(Judge::new);
const EVENTS: &str = include_str!("../../../tests/fixtures/ocsf/events.schema.json");
const SCHEMA: &str = include_str!("../../../tests/fixtures/ocsf/schema.json");

struct Judge {
    validator: Validator,
    schema: Value,
}

/// Everything that is wrong with an event's JSON text; empty for a valid one.
pub(super) fn complaints(json: &str) -> Vec<String> {
    let event: Value = match serde_json::from_str(json) {
        Ok(event) => event,
        Err(error) => return vec![format!("not JSON: {error}")],
    };
    let mut found: Vec<String> =
        JUDGE.validator.iter_errors(&event).map(|error| format!("{}: {error}", error.instance_path())).collect();
    let class = JUDGE.schema["classes"].as_object().unwrap().values().find(|class| class["uid"] == event["class_uid"]);
    let Some(class) = class else { return vec!["unknown class".into()] };
    if event["type_uid"].as_u64()
        != Some(event["class_uid"].as_u64().unwrap() * 100 + event["activity_id"].as_u64().unwrap())
    {
        found.push("type_uid is not class_uid * 100 + activity_id".into());
    }
    if event["class_name"] != class["caption"] {
        found.push("class_name is not the class's caption".into());
    }
    JUDGE.walk("", event.as_object().unwrap(), &class["attributes"], &mut found);
    empties("", &event, &mut found);
    observables(&event, &mut found);
    found
}

/// Fails unless the event is valid in every way.
#[track_caller]
pub(super) fn assert_valid(json: &str) {
    let found = complaints(json);
    assert!(found.is_empty(), "{found:#?}\n{json}");
}

impl Judge {
    fn new() -> Self {
        let events: Value = serde_json::from_str(EVENTS).unwrap();
        let schema = serde_json::from_str(SCHEMA).unwrap();
        Self { validator: jsonschema::validator_for(&events).unwrap(), schema }
    }

    fn walk(&self, path: &str, object: &Map<String, Value>, attributes: &Value, found: &mut Vec<String>) {
        for (key, value) in object {
            let attribute = &attributes[key];
            let place = format!("{path}/{key}");
            self.captions(&place, object, attribute, value, found);
            match attribute["type"].as_str() {
                Some("timestamp_t") => {
                    let ms = value.as_i64().unwrap_or(0);
                    if !(946_684_800_000..4_102_444_800_000).contains(&ms) {
                        found.push(format!("{place}: not epoch milliseconds"));
                    }
                }
                Some("integer_t") => {
                    let numbers = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                    if numbers.iter().any(|n| n.as_i64().and_then(|n| i32::try_from(n).ok()).is_none()) {
                        found.push(format!("{place}: not an integer of 32 bits"));
                    }
                }
                Some("object_t") if attribute["object_type"] != "object" => {
                    let inner = &self.schema["objects"][attribute["object_type"].as_str().unwrap()]["attributes"];
                    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                    for item in items.iter().filter_map(Value::as_object) {
                        self.walk(&place, item, inner, found);
                    }
                }
                _ => {}
            }
        }
    }

    /// A number of an enumeration stands beside its caption, 99 beside the source's word.
    fn captions(
        &self,
        place: &str,
        object: &Map<String, Value>,
        attribute: &Value,
        value: &Value,
        found: &mut Vec<String>,
    ) {
        let (Some(captions), Some(sibling)) = (attribute["enum"].as_object(), attribute["sibling"].as_str()) else {
            return;
        };
        let labels = object.get(sibling);
        let pairs = match value.as_array() {
            Some(ids) => ids.iter().enumerate().map(|(n, id)| (id, labels.and_then(|labels| labels.get(n)))).collect(),
            None => vec![(value, labels)],
        };
        for (id, label) in pairs {
            let id = id.to_string();
            let label = label.and_then(Value::as_str);
            let is_fine = match id.as_str() {
                "99" => label.is_some_and(|label| label != "Other"),
                // The base event has no category to name.
                "0" if sibling == "category_name" => label.is_none(),
                _ => label.is_some() && label == captions.get(&id).and_then(Value::as_str),
            };
            if !is_fine {
                found.push(format!("{place}: {id} beside {label:?}"));
            }
        }
    }
}

fn empties(path: &str, value: &Value, found: &mut Vec<String>) {
    let is_empty = match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| empties(&format!("{path}[{n}]"), item, found));
            items.is_empty()
        }
        Value::Object(members) => {
            members.iter().for_each(|(key, item)| empties(&format!("{path}.{key}"), item, found));
            members.is_empty()
        }
        Value::Bool(_) | Value::Number(_) => false,
    };
    if is_empty {
        found.push(format!("{path}: says nothing"));
    }
}

fn observables(event: &Value, found: &mut Vec<String>) {
    let list = event["observables"].as_array().map_or(&[][..], Vec::as_slice);
    if list.len() > 50 {
        found.push("more than 50 observables".into());
    }
    for observable in list {
        let path = observable["name"].as_str().unwrap_or_default();
        let mut at = event;
        for part in path.split('.') {
            let (name, index) =
                part.split_once('[').map_or((part, None), |(name, index)| (name, index.strip_suffix(']')));
            at = &at[name];
            if let Some(index) = index {
                at = &at[index.parse::<usize>().unwrap_or(usize::MAX)];
            }
        }
        if at != &observable["value"] || at.is_null() {
            found.push(format!("observable {path} points at {at}"));
        }
    }
}

/// The judge itself: valid examples pass, and each of these faults is found.
#[test]
fn the_judge_tells_right_from_wrong() {
    let examples: Map<String, Value> =
        serde_json::from_str(include_str!("../../../tests/fixtures/ocsf/examples.json")).unwrap();
    for (name, event) in &examples {
        // Its category has no caption, and one device type is a caption that differs: see the golden tests.
        assert_eq!(complaints(&event.to_string()), Vec::<String>::new(), "{name}");
    }
    let faults: [(&str, Value); 8] = [
        ("/type_uid", 200_402.into()),
        ("/severity", "Moderate".into()),
        ("/time", 1_795_212_345.into()),
        ("/confidence_score", 3_000_000_000_i64.into()),
        ("/message", "".into()),
        ("/device/type", "Desktop".into()),
        ("/observables/0/value", "another".into()),
        ("/unmapped/datto_rmm/priority", Value::Null),
    ];
    for (pointer, value) in faults {
        let mut event = examples["detection_finding.create"].clone();
        *event.pointer_mut(pointer).unwrap() = value;
        assert!(!complaints(&event.to_string()).is_empty(), "{pointer}");
    }
}
