//! The fields of an alert that matter for "has it changed" (architecture.md section 4).

use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// Bytes kept of each field's digest.
const DIGEST_BYTES: usize = 8;

/// A watched field: its name in the source, and whether `updates = "state"` still tells its changes.
struct Watched {
    name: &'static str,
    is_state: bool,
}

/// Their order is part of the journal's format: append only.
const WATCHED: [Watched; 9] = [
    Watched { name: "priority", is_state: true },
    Watched { name: "ticketNumber", is_state: true },
    Watched { name: "muted", is_state: true },
    Watched { name: "responseActions", is_state: true },
    Watched { name: "alertContext", is_state: false },
    Watched { name: "diagnostics", is_state: false },
    Watched { name: "resolved", is_state: false },
    Watched { name: "resolvedBy", is_state: false },
    Watched { name: "resolvedOn", is_state: false },
];

/// Which changes of an open alert are told (`[accounts.<name>.alerts] updates`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Updates {
    /// All watched fields.
    All,
    /// Priority, mute flag, ticket number and response actions only.
    State,
    /// None.
    Off,
}

/// The watched fields of one sighting, as canonical JSON; absent, null and empty are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields([Option<String>; WATCHED.len()]);

impl Fields {
    /// Reads them from the source record. A source that is no object has none.
    pub fn read(source: &RawValue) -> Self {
        let object = serde_json::from_str::<Value>(source.get()).unwrap_or(Value::Null);
        Self(WATCHED.map(|field| object.get(field.name).filter(|value| !is_blank(value)).map(canonical)))
    }

    /// Their digests, in order.
    pub fn digests(&self) -> Vec<u8> {
        self.0.iter().flat_map(|field| digest(field.as_deref())).collect()
    }

    /// The fields that differ from `known` digests, among those that `updates` watches.
    pub fn changed(&self, known: &[u8], updates: Updates) -> Vec<String> {
        let digests = self.digests();
        let pairs =
            digests.chunks(DIGEST_BYTES).zip(known.chunks(DIGEST_BYTES).map(Some).chain(std::iter::repeat(None)));
        let watched = WATCHED.iter().zip(pairs);
        watched
            .filter(|(field, (now, then))| updates.watches(field) && Some(*now) != *then)
            .map(|(field, _)| field.name.to_owned())
            .collect()
    }

    /// Whether `resolvedOn` differs from `known` digests and is there at all.
    pub fn has_new_resolution(&self, known: &[u8]) -> bool {
        let is_there = self.0.last().is_some_and(Option::is_some);
        is_there && self.changed(known, Updates::All).iter().any(|name| name == "resolvedOn")
    }

    /// The first 12 hex digits of SHA-256 over the canonical JSON of the changed fields (event-schema.md section 4).
    pub fn change_hex(&self, changed: &[String]) -> String {
        let mut pairs: Vec<(&str, &str)> = WATCHED
            .iter()
            .zip(&self.0)
            .filter(|(field, _)| changed.iter().any(|name| name == field.name))
            .map(|(field, value)| (field.name, value.as_deref().unwrap_or("null")))
            .collect();
        pairs.sort_unstable();
        let members: Vec<String> = pairs.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let hash = Sha256::digest(format!("{{{}}}", members.join(",")));
        hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Updates {
    fn watches(self, field: &Watched) -> bool {
        match self {
            Self::All => true,
            Self::State => field.is_state,
            Self::Off => false,
        }
    }
}

/// JSON with sorted keys and no white space; numbers keep their text.
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            let members: Vec<_> = members
                .iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn digest(field: Option<&str>) -> [u8; DIGEST_BYTES] {
    let mut short = [0; DIGEST_BYTES];
    if let Some(text) = field {
        short.iter_mut().zip(Sha256::digest(text)).for_each(|(to, from)| *to = from);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Fields {
        Fields::read(&RawValue::from_string(json.into()).unwrap())
    }

    #[test]
    fn key_order_nulls_and_unwatched_fields_do_not_matter() {
        let one = fields(r#"{"priority":"Low","alertContext":{"a":1,"b":[2]},"autoresolveMins":5,"muted":null}"#);
        let two =
            fields(r#"{"alertContext":{"b":[2],"a":1},"responseActions":[],"priority":"Low","autoresolveMins":6}"#);
        assert_eq!(one.digests(), two.digests());
        assert!(two.changed(&one.digests(), Updates::All).is_empty());
    }

    #[test]
    fn changes_are_named_and_filtered_by_mode() {
        let before = fields(r#"{"priority":"Low","diagnostics":"a"}"#).digests();
        let after = fields(r#"{"priority":"High","diagnostics":"b"}"#);
        assert_eq!(after.changed(&before, Updates::All), ["priority", "diagnostics"]);
        assert_eq!(after.changed(&before, Updates::State), ["priority"]);
        assert!(after.changed(&before, Updates::Off).is_empty());
    }

    #[test]
    fn the_hex_covers_the_changed_fields_only() {
        let a = fields(r#"{"priority":"High","diagnostics":"x"}"#);
        let b = fields(r#"{"priority":"High","diagnostics":"y"}"#);
        let priority = ["priority".to_owned()];
        assert_eq!(a.change_hex(&priority), b.change_hex(&priority));
        // SHA-256 of {"priority":"High"}
        let expected: String =
            Sha256::digest(br#"{"priority":"High"}"#).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(a.change_hex(&priority), expected);
    }

    #[test]
    fn large_numbers_keep_their_text() {
        let a = fields(r#"{"alertContext":{"n":9007199254740993}}"#);
        let b = fields(r#"{"alertContext":{"n":9007199254740992}}"#);
        assert_ne!(a.digests(), b.digests());
    }
}
