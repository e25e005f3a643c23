//! Makes the text of `captions.rs` from OCSF's compiled schema, and fails while the file differs.

use std::fmt::Write as _;

use serde_json::{Map, Value};

const SCHEMA: &str = include_str!("../../../../tests/fixtures/ocsf/schema.json");

/// Classes in use, by their name in the schema.
const CLASSES: [&str; 14] = [
    "base_event",
    "scheduled_job_activity",
    "detection_finding",
    "account_change",
    "authentication",
    "entity_management",
    "user_access",
    "tunnel_activity",
    "inventory_info",
    "user_inventory",
    "patch_state",
    "device_config_state_change",
    "software_info",
    "cloud_resources_inventory_info",
];

/// Enumerations in use: name of the constant, class or object, attribute.
const ENUMS: [(&str, &str, &str, &str); 21] = [
    ("ACTION", "classes", "base_event", "action_id"),
    ("DISPOSITION", "classes", "base_event", "disposition_id"),
    ("SEVERITY", "classes", "detection_finding", "severity_id"),
    ("CONFIDENCE", "classes", "detection_finding", "confidence_id"),
    ("PRIORITY", "classes", "detection_finding", "priority_id"),
    ("DEVICE_STATE", "classes", "device_config_state_change", "state_id"),
    ("SECURITY_LEVEL", "classes", "device_config_state_change", "security_level_id"),
    ("SECURITY_STATE", "objects", "security_state", "state_id"),
    ("OBSERVABLE", "objects", "observable", "type_id"),
    ("DEVICE", "objects", "device", "type_id"),
    ("OS", "objects", "os", "type_id"),
    ("AGENT", "objects", "agent", "type_id"),
    ("USER", "objects", "user", "type_id"),
    ("ENTITY", "objects", "managed_entity", "type_id"),
    ("ANALYTIC", "objects", "analytic", "type_id"),
    ("FILE", "objects", "file", "type_id"),
    ("MALWARE", "objects", "malware", "classification_ids"),
    ("TICKET", "objects", "ticket", "type_id"),
    ("RUN_STATE", "objects", "job", "run_state_id"),
    ("INSTALL_STATE", "objects", "kb_article", "install_state_id"),
    ("FINGERPRINT", "objects", "fingerprint", "algorithm_id"),
];

/// What is written by hand: everything before the first constant.
const COMMITTED: &str = include_str!("../captions.rs");

fn generated() -> String {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let (head, _) = COMMITTED.split_once("\npub(crate) const").unwrap();
    let mut out = head.to_owned();
    for name in CLASSES {
        let class = &schema["classes"][name];
        let category = match class["category_name"].as_str() {
            Some(category) => format!("Some({category:?})"),
            None => "None".to_owned(),
        };
        let (uid, caption) = (&class["uid"], class["caption"].as_str().unwrap());
        let constant = name.to_uppercase();
        writeln!(out, "\npub(crate) const {constant}: Class = Class {{").unwrap();
        writeln!(out, "    uid: {uid}, name: {name:?}, caption: {caption:?},").unwrap();
        writeln!(out, "    category_uid: {}, category: {category},", class["category_uid"]).unwrap();
        for (field, attribute) in [("activities", "activity_id"), ("statuses", "status_id")] {
            let rows = captions(&class["attributes"][attribute]);
            writeln!(out, "    {field}: &[{rows}\n    ],").unwrap();
        }
        out.push_str("};\n");
    }
    for (constant, group, owner, attribute) in ENUMS {
        let rows = captions(&schema[group][owner]["attributes"][attribute]);
        writeln!(out, "\npub(crate) const {constant}: Captions = &[{rows}\n];").unwrap();
    }
    out
}

/// The rows of an enumeration in numeric order, several on a line.
fn captions(attribute: &Value) -> String {
    let values: &Map<String, Value> = attribute["enum"].as_object().unwrap();
    let mut rows: Vec<(u32, &str)> =
        values.iter().map(|(id, caption)| (id.parse().unwrap(), caption.as_str().unwrap())).collect();
    rows.sort_unstable();
    let mut out = String::new();
    let mut width = usize::MAX;
    for (id, caption) in rows {
        let row = format!(" ({id}, {caption:?}),");
        if width.saturating_add(row.len()) > 110 {
            out.push_str("\n       ");
            width = 0;
        }
        width += row.len();
        out.push_str(&row);
    }
    out
}

#[test]
fn captions_are_those_of_the_schema() {
    let fresh = generated();
    if fresh != include_str!("../captions.rs") {
        let path = std::env::temp_dir().join("captions.rs");
        std::fs::write(&path, fresh).unwrap();
        panic!("captions.rs differs from the schema; a fresh one is in {}", path.display());
    }
}
