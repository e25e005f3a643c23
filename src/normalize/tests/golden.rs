//! The published examples (event-schema.md section 16), made again from their records.

use serde_json::{Map, Value, json};

use super::world::*;
use crate::clock::Millis;
use crate::record::*;

fn examples() -> Map<String, Value> {
    serde_json::from_str(include_str!("../../../tests/fixtures/ocsf/examples.json")).unwrap()
}

/// Differences between an event and an example: `path: made ≠ published`.
fn differences(path: &str, made: &Value, published: &Value, out: &mut Vec<String>) {
    match (made, published) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let (a, b) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                differences(&format!("{path}/{key}"), a, b, out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().for_each(|(n, (a, b))| differences(&format!("{path}/{n}"), a, b, out));
        }
        _ if made == published => {}
        _ => out.push(format!("{path}: {made} ≠ {published}")),
    }
}

fn diff(world: &World, name: &str, record: &Record) -> Vec<String> {
    let made = world.event(record);
    let mut out = Vec::new();
    differences("", &made, &examples()[name], &mut out);
    out
}

fn from_raw(name: &str, kind: RecordKind, marker: Marker) -> Record {
    let example = &examples()[name];
    let metadata = &example["metadata"];
    let mut record =
        record(kind, metadata["original_event_uid"].as_str().unwrap(), marker, example["raw_data"].as_str().unwrap());
    record.envelope.received_at = Millis(metadata["logged_time"].as_i64().unwrap());
    record.envelope.path = metadata["log_source"].as_str().unwrap().into();
    record
}

#[test]
fn show() {
    let w = World::contoso();
    for (n, k, m) in [
        ("detection_finding.create", RecordKind::Alert, Marker::Open),
        ("detection_finding.close", RecordKind::Alert, Marker::Resolved(Some(Millis(1_795_219_545_000)))),
        ("entity_management.move", RecordKind::ActivityDevice, Marker::Once),
        ("tunnel_activity", RecordKind::ActivityDevice, Marker::Once),
    ] {
        println!("{n}: {:#?}", diff(&w, n, &from_raw(n, k, m)));
    }
    let w = World::msp();
    for n in ["authentication", "base_event"] {
        println!("{n}: {:#?}", diff(&w, n, &from_raw(n, RecordKind::ActivityUser, Marker::Once)));
    }
    let _ = json!(1);
}
