//! The fields of an inventory item whose change makes it another one (event-schema.md section 8), and their digest.

use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::collect::alerts::fields::canonical;
use crate::journal::items::{Digest, ItemKind};

/// What of a device changes all the time.
const RESTLESS: [&str; 3] = ["lastSeen", "online", "lastReboot"];

/// Counts in a device's `patchManagement`.
const PATCH_COUNTS: [&str; 3] = ["patchesApprovedPending", "patchesNotApproved", "patchesInstalled"];

/// What of a site changes all the time: how many of its devices are online.
const DEVICE_COUNTS: &str = "devicesStatus";

/// The canonical JSON of the watched fields: sorted, without white space; absent, null and empty are the same.
pub fn canonical_json(kind: ItemKind, source: &RawValue) -> String {
    // Nested too deeply to be read, or no object: then every byte is watched.
    let Ok(Value::Object(mut fields)) = serde_json::from_str(source.get()) else { return source.get().to_owned() };
    match kind {
        ItemKind::Device => {
            fields.retain(|name, _| !RESTLESS.contains(&name.as_str()));
            if let Some(Value::Object(patches)) = fields.get_mut("patchManagement") {
                patches.retain(|name, _| !PATCH_COUNTS.contains(&name.as_str()));
            }
        }
        ItemKind::Site => drop(fields.remove(DEVICE_COUNTS)),
    }
    prune(Value::Object(fields)).map_or_else(|| "{}".to_owned(), |pruned| canonical(&pruned))
}

/// The digest of that JSON, and its first 8 hex digits for the marker.
pub fn digest(kind: ItemKind, source: &RawValue) -> (Digest, String) {
    let hash = Sha256::digest(canonical_json(kind, source));
    let mut digest = Digest::default();
    digest.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    let hex = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    (digest, hex)
}

/// A value without members that say nothing; `None` if nothing is left.
fn prune(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then_some(Value::String(text)),
        Value::Array(items) => (!items.is_empty()).then_some(Value::Array(items)),
        Value::Object(members) => {
            let kept: serde_json::Map<String, Value> =
                members.into_iter().filter_map(|(name, value)| Some((name, prune(value)?))).collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Bool(_) | Value::Number(_) => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(kind: ItemKind, text: &str) -> String {
        canonical_json(kind, &RawValue::from_string(text.into()).unwrap())
    }

    #[test]
    fn what_changes_all_the_time_is_not_watched() {
        let one = r#"{"uid":"d","lastSeen":1,"online":true,"lastReboot":2,"hostname":"A","domain":null,"antivirus":{},
            "patchManagement":{"patchStatus":"NoData","patchesApprovedPending":1,"patchesNotApproved":2,"patchesInstalled":3}}"#;
        let two = r#"{"hostname":"A","description":"","patchManagement":{"patchesInstalled":9,"patchStatus":"NoData"},
            "online":false,"lastSeen":"2026-11-20T22:05:45Z","uid":"d","udf":{"udf1":null}}"#;
        let watched = r#"{"hostname":"A","patchManagement":{"patchStatus":"NoData"},"uid":"d"}"#;
        assert_eq!((json(ItemKind::Device, one).as_str(), json(ItemKind::Device, two).as_str()), (watched, watched));
        let site = r#"{"uid":"s","name":"HQ","devicesStatus":{"numberOfOnlineDevices":4},"notes":null}"#;
        assert_eq!(json(ItemKind::Site, site), r#"{"name":"HQ","uid":"s"}"#);
    }

    #[test]
    fn every_other_field_is_watched() {
        let base = json(ItemKind::Device, r#"{"uid":"d"}"#);
        for field in [
            r#""siteUid":"s""#,
            r#""lastAuditDate":1"#,
            r#""deleted":true"#,
            r#""suspended":false"#,
            r#""antivirus":{"antivirusStatus":"NotRunning"}"#,
            r#""patchManagement":{"patchStatus":"NoData"}"#,
            r#""rebootRequired":false"#,
            r#""new":[1]"#,
        ] {
            assert_ne!(json(ItemKind::Device, &format!(r#"{{"uid":"d",{field}}}"#)), base, "{field}");
        }
    }

    #[test]
    fn the_hex_begins_the_hash_of_the_canonical_json() {
        let source = RawValue::from_string(r#"{ "online": true, "uid": "d" }"#.into()).unwrap();
        let (digest, hex) = digest(ItemKind::Device, &source);
        let hash = Sha256::digest(br#"{"uid":"d"}"#);
        assert_eq!(digest[..], hash[..8]);
        assert_eq!(hex, format!("{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3]));
    }

    #[test]
    fn what_cannot_be_read_is_watched_byte_by_byte() {
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(500), "]".repeat(500));
        assert_eq!(json(ItemKind::Device, &deep), deep);
    }
}
