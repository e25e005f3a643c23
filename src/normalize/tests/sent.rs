//! What an alert's response actions may have sent to a third party: its secrets reach no event in any format.

use proptest::prelude::*;
use serde_json::json;

use super::world::*;
use crate::normalize::{Format, RawData};
use crate::record::{Marker, RecordKind};

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Safety: also of a record that was stored before such texts were stripped.
    #[test]
    fn a_secret_in_a_response_action_reaches_no_event(
        key in prop::sample::select(vec!["token", "Authorization", "X-Api-Key", "client_secret"]),
        secret in "[A-Za-z0-9]{12,30}", form in 0_usize..5, cut in 0_usize..30,
    ) {
        let text = json!({"a": "b", key: secret, "z": 1}).to_string();
        let text = match form {
            0 => text,
            1 => json!({"body": text}).to_string(),
            2 => text[..text.len().saturating_sub(cut)].to_owned(),
            3 => format!("a=b&{key}={secret}&z=1"),
            _ => format!("Host: x\r\n{key}: {secret}\r\n"),
        };
        let action = json!({"actionType": "WEBHOOK_EXECUTED", "description": text, "actionReference": text, "new": [text]});
        let source = json!({"alertUid": "id-1", "priority": "Low", "responseActions": [action]}).to_string();
        for format in [Format::Ocsf, Format::Ecs, Format::Raw] {
            let mut world = World::contoso();
            (world.options.raw_data, world.options.format) = (RawData::All, format);
            let event = world.try_event(&record(RecordKind::Alert, "id-1", Marker::Open, &source)).unwrap();
            prop_assert!(event.json.contains("WEBHOOK_EXECUTED"), "{}", event.json);
            prop_assert!(!event.json.contains(&secret[..8]), "{}", event.json);
        }
    }
}
