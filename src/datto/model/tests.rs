//! Whatever the API's items hold, decoding them panics never and fails only for the three reasons there are.

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::{Malformed, activity, alert, device, rate, site};
use crate::record::AccountUid;

/// Any JSON value, with names that the decoders look for among its keys.
fn any_json() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "[^:]{0,20}".prop_map(|t| serde_json::Value::from(t).to_string()),
        Just(r#""\ud800""#.to_owned()),
        Just("\"2026-08-25T07:26:00Z\"".to_owned()),
    ];
    let number = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,20})?(e-?[0-9]{1,12})?"
    ];
    let leaf = prop_oneof![text, number, prop::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned)];
    leaf.prop_recursive(4, 40, 8, |inner| {
        let key = prop_oneof![
            prop::sample::select(vec![
                "alertUid", "id", "uid", "site", "name", "timestamp", "date", "resolvedOn", "alertSourceInfo", "siteUid",
                "deviceId", "details", "accountCount", "accountRateLimit", "autotaskCompanyId", "\\u0061lertUid",
            ])
            .prop_map(str::to_owned),
            "[a-z@. ]{0,5}",
        ];
        let fields = prop::collection::vec((key, inner.clone()), 0..8).prop_map(|fields| {
            let fields: Vec<String> = fields.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            format!("{{{}}}", fields.join(","))
        });
        prop_oneof![3 => fields, 1 => prop::collection::vec(inner, 0..5).prop_map(|items| format!("[{}]", items.join(",")))]
    })
}

/// Whether every object in `json` names each key once, by building it.
fn names_keys_once(json: &str) -> bool {
    fn leaves(value: &serde_json::Value) -> usize {
        match value {
            serde_json::Value::Object(map) => map.len() + map.values().map(leaves).sum::<usize>(),
            serde_json::Value::Array(items) => items.iter().map(leaves).sum(),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_) => 0,
        }
    }
    // Outside of strings, every `:` belongs to a key; no generated string holds one but dates.
    let keys = json.replace("2026-08-25T07:26:00Z", "").matches("\":").count();
    serde_json::from_str::<serde_json::Value>(json).is_ok_and(|value| leaves(&value) == keys)
}

proptest! {
    #[test]
    fn any_item_is_decoded_or_refused_for_a_reason(json in any_json()) {
        let raw = RawValue::from_string(json.clone()).expect("valid JSON");
        let account = AccountUid::new("a");
        let is_object = json.starts_with('{');
        let results = [
            alert::decode(&raw).map(|alert| alert.uid),
            activity::decode(&raw).map(|row| row.id),
            site::decode(&raw, &account).map(|site| site.uid),
            device::decode(&raw, &account).map(|device| device.uid),
            rate::decode(&raw).map(|_| "rate".to_owned()),
        ];
        for result in results {
            match result {
                Ok(id) => prop_assert!(is_object && !id.trim().is_empty()),
                Err(Malformed::NotAnObject) => prop_assert!(!is_object),
                Err(Malformed::DuplicateKey { .. }) => prop_assert!(!names_keys_once(&json)),
                Err(Malformed::NoId(_) | Malformed::LongId(_)) => prop_assert!(is_object),
                Err(Malformed::TooManyValues) => prop_assert!(false, "{json}"),
            }
        }
    }
}
