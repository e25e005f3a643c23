//! `schemas/events/`: made of OCSF's JSON Schema and of what the types of the mapping can write; fresh, and true of every event.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::pairs;
use super::world::{World, alert};
use crate::clock::Millis;
use crate::normalize::ocsf::full::{self, Full};
use crate::normalize::{Context, schema};

const OFFICIAL: &str = include_str!("../../../tests/fixtures/ocsf/events.schema.json");
static ALL: LazyLock<Validator> = LazyLock::new(|| jsonschema::validator_for(&schema::all()).unwrap());

/// What is wrong with an event by the committed schemas.
pub(super) fn complaints(event: &Value) -> Vec<String> {
    ALL.iter_errors(event).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Name of each class and the text of its schema.
fn generated() -> Vec<(String, String)> {
    let official: Value = serde_json::from_str(OFFICIAL).unwrap();
    let world = World::contoso();
    let record = alert(json!({ "@class": "x" }));
    let context = Context {
        directory: &world.directory,
        tenant: &world.tenant,
        device: None,
        processed_at: Millis(record.envelope.received_at.0),
        options: &world.options,
    };
    let restricted = |class: Full| {
        let source = json!({ "$ref": format!("#/$defs/class.{}", class.name) });
        let mut made = restrict(&official, &source, &class.event);
        let head = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": format!("urn:vintner:ocsf-1.8.0:{}", class.name),
            "title": class.caption,
            "description": "OCSF 1.8.0, restricted to what vintner writes",
        });
        made.as_object_mut().unwrap().extend(head.as_object().unwrap().clone());
        let properties = &mut made["properties"];
        properties["class_uid"] = json!({ "const": class.uid });
        properties["category_uid"] = json!({ "const": class.category_uid });
        properties["metadata"]["properties"]["version"] = json!({ "const": "1.8.0" });
        let residue = json!({ "datto_rmm": { "type": "object", "description": "What no attribute takes, under Datto's own names" } });
        properties["unmapped"] = json!({ "type": "object", "properties": residue, "additionalProperties": false });
        (class.name.to_owned(), serde_json::to_string_pretty(&made).unwrap() + "\n")
    };
    full::events(&record, &context).into_iter().map(restricted).collect()
}

/// A schema restricted to the attributes of a full instance.
fn restrict(official: &Value, schema: &Value, full: &Value) -> Value {
    let target = match schema["$ref"].as_str() {
        Some(reference) => official.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    match full {
        Value::Object(members) if target.get("properties").is_some() => restrict_object(official, target, members),
        Value::Array(items) if target["type"] == "array" => {
            let mut made = target.clone();
            made["items"] = restrict(official, &target["items"], &items[0]);
            made
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            target.clone()
        }
    }
}

fn restrict_object(official: &Value, target: &Value, members: &Map<String, Value>) -> Value {
    let mut made = target.as_object().unwrap().clone();
    let properties = members.iter().map(|(key, value)| {
        let schema = &target["properties"][key];
        assert!(schema.is_object(), "{} has no attribute {key}", target["title"]);
        (key.clone(), restrict(official, schema, value))
    });
    made.insert("properties".into(), Value::Object(properties.collect()));
    for key in ["anyOf", "oneOf"] {
        let Some(choices) = made.get_mut(key).and_then(Value::as_array_mut) else { continue };
        choices.retain(|choice| {
            choice["required"].as_array().unwrap().iter().all(|name| members.contains_key(name.as_str().unwrap()))
        });
        assert!(!choices.is_empty(), "{}: {key}", target["title"]);
    }
    if let Some(dependent) = made.get_mut("dependentSchemas").and_then(Value::as_object_mut) {
        dependent.retain(|key, _| members.contains_key(key));
        if dependent.is_empty() {
            made.remove("dependentSchemas");
        }
    }
    let required = made.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    assert!(required.iter().all(|name| members.contains_key(name.as_str().unwrap())), "{}", target["title"]);
    if required.is_empty() {
        made.remove("required");
    }
    Value::Object(made)
}

fn path(class: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/events/{class}.json"))
}

#[test]
#[ignore = "it writes schemas/events"]
fn regenerate_schemas_of_events() {
    for (class, text) in generated() {
        std::fs::write(path(&class), text).unwrap();
    }
}

#[test]
fn committed_schemas_of_events_are_fresh() {
    let hint = "cargo test --lib regenerate_schemas -- --ignored";
    let made = generated();
    assert_eq!(made.len(), schema::CLASSES.len());
    for (class, text) in made {
        let committed = schema::find(&class).unwrap_or_else(|| panic!("{class} is not in schema.rs"));
        assert!(text == committed.text, "schemas/events/{class}.json is stale: {hint}");
        assert!(text.contains(&format!("\"const\": {}", committed.uid)), "{class}");
    }
}

#[test]
fn every_pair_and_every_published_example_of_ours_fits() {
    for pair in pairs::all() {
        assert_eq!(complaints(&pair.event()), Vec::<String>::new(), "{}", pair.name);
    }
}

/// Guarantees: the schemas refuse what OCSF allows and vintner never writes, and what nobody may write.
#[test]
fn broken_events_do_not_fit() {
    let event = World::contoso().alert(json!({ "@class": "ransomware_ctx", "confidenceFactor": 87 }));
    assert_eq!(complaints(&event), Vec::<String>::new());
    let faults: [(&str, &str, Value); 8] = [
        ("", "verdict_id", json!(1)),
        ("/device", "name", json!("x")),
        ("/metadata", "version", json!("1.7.0")),
        ("", "severity_id", json!("High")),
        ("/unmapped", "other", json!({})),
        ("", "class_uid", json!(2003)),
        ("/finding_info", "uid", json!(7)),
        ("", "priority_id", json!(4)),
    ];
    for (parent, key, value) in faults {
        let mut broken = event.clone();
        broken.pointer_mut(parent).unwrap()[key] = value;
        assert!(!complaints(&broken).is_empty(), "{parent}/{key}");
    }
    let mut broken = event;
    broken.as_object_mut().unwrap().remove("metadata");
    assert!(!complaints(&broken).is_empty(), "metadata");
}
