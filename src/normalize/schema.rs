//! The JSON Schema of each event class as vintner writes it: OCSF's own, restricted to the attributes that vintner fills. Made by the
//! test `regenerate_schemas` and committed in `schemas/`; another test checks that they are fresh.

use serde_json::{Value, json};

/// A class that vintner writes.
#[derive(Clone, Copy, Debug)]
pub struct ClassSchema {
    /// Its name in OCSF, in snake case.
    pub name: &'static str,
    /// `class_uid`.
    pub uid: u32,
    /// The JSON Schema, as text.
    pub text: &'static str,
}

/// All classes, by number.
pub const CLASSES: [ClassSchema; 14] = [
    ClassSchema { name: "base_event", uid: 0, text: include_str!("../../schemas/events/base_event.json") },
    ClassSchema {
        name: "scheduled_job_activity",
        uid: 1006,
        text: include_str!("../../schemas/events/scheduled_job_activity.json"),
    },
    ClassSchema {
        name: "detection_finding",
        uid: 2004,
        text: include_str!("../../schemas/events/detection_finding.json"),
    },
    ClassSchema { name: "account_change", uid: 3001, text: include_str!("../../schemas/events/account_change.json") },
    ClassSchema { name: "authentication", uid: 3002, text: include_str!("../../schemas/events/authentication.json") },
    ClassSchema {
        name: "entity_management",
        uid: 3004,
        text: include_str!("../../schemas/events/entity_management.json"),
    },
    ClassSchema { name: "user_access", uid: 3005, text: include_str!("../../schemas/events/user_access.json") },
    ClassSchema { name: "tunnel_activity", uid: 4014, text: include_str!("../../schemas/events/tunnel_activity.json") },
    ClassSchema { name: "inventory_info", uid: 5001, text: include_str!("../../schemas/events/inventory_info.json") },
    ClassSchema { name: "user_inventory", uid: 5003, text: include_str!("../../schemas/events/user_inventory.json") },
    ClassSchema { name: "patch_state", uid: 5004, text: include_str!("../../schemas/events/patch_state.json") },
    ClassSchema {
        name: "device_config_state_change",
        uid: 5019,
        text: include_str!("../../schemas/events/device_config_state_change.json"),
    },
    ClassSchema { name: "software_info", uid: 5020, text: include_str!("../../schemas/events/software_info.json") },
    ClassSchema {
        name: "cloud_resources_inventory_info",
        uid: 5023,
        text: include_str!("../../schemas/events/cloud_resources_inventory_info.json"),
    },
];

/// The class with this name or number.
pub fn find(name_or_uid: &str) -> Option<&'static ClassSchema> {
    CLASSES.iter().find(|class| class.name == name_or_uid || class.uid.to_string() == name_or_uid)
}

/// One JSON Schema for the events of every class, chosen by `class_uid`.
pub fn all() -> Value {
    let parsed = |class: &ClassSchema| serde_json::from_str::<Value>(class.text).unwrap_or_default();
    let by_class = |class: &ClassSchema| {
        let chosen = json!({ "properties": { "class_uid": { "const": class.uid } } });
        json!({ "if": chosen, "then": parsed(class) })
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Events of vintner, format ocsf",
        "type": "object",
        "required": ["class_uid"],
        "properties": { "class_uid": { "enum": CLASSES.map(|class| class.uid) } },
        "allOf": CLASSES.iter().map(by_class).collect::<Vec<_>>(),
    })
}
