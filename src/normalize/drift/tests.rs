//! What is unknown is told by name and shape, never by value.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::*;
use crate::clock::Millis;
use crate::record::place::{DeviceRef, SiteRef};
use crate::record::{AccountUid, Envelope, Marker};

fn record(kind: RecordKind, source: &Value) -> Record {
    let envelope = Envelope {
        account: AccountUid::new("a"),
        kind,
        native_id: "n".into(),
        marker: Marker::Open,
        site: SiteRef::None,
        device: DeviceRef::None,
        path: String::new(),
        received_at: Millis(0),
        changed: Vec::new(),
        synthesized: false,
    };
    Record { envelope, source: RawValue::from_string(source.to_string()).unwrap() }
}

fn told(kind: RecordKind, source: Value) -> Vec<(&'static str, String, String)> {
    of(&record(kind, &source)).into_iter().map(|found| (found.kind.as_str(), found.name, found.sample)).collect()
}

#[test]
fn an_unknown_context_and_unknown_fields_are_told_by_their_shape() {
    let context =
        json!({ "@class": "esxi_datastore_ctx", "name": "secret-name", "free": 7, "list": [{ "x": true }, 1] });
    let alert = json!({ "alertUid": "u", "slaUid": "sla-7", "empty": null, "alertContext": context,
        "alertSourceInfo": { "deviceUid": "d", "rack": "R2" } });
    let shape = r#"{"@class":"<text>","free":"<number>","list":[{"x":"<true or false>"}],"name":"<text>"}"#;
    assert_eq!(
        told(RecordKind::Alert, alert),
        [
            ("field", "alert.slaUid".to_owned(), "\"<text>\"".to_owned()),
            ("field", "alertSourceInfo.rack".to_owned(), "\"<text>\"".to_owned()),
            ("alert context", "esxi_datastore_ctx".to_owned(), shape.to_owned()),
        ]
    );
    let ping = json!({ "alertContext": { "@class": "PING_ctx", "instanceName": "x", "jitter": 3 } });
    assert_eq!(told(RecordKind::Alert, ping)[0].1, "alertContext.ping_ctx.jitter");
    let component = json!({ "alertContext": { "@class": "comp_script_ctx_custom", "samples": { "a": "b" }, "x": 1 } });
    assert_eq!(told(RecordKind::Alert, component), []);
}

#[test]
fn unknown_activity_is_told_by_category_or_action() {
    let row = |entity: &str, category: &str, action: &str| {
        let source =
            json!({ "id": "1", "entity": entity, "category": category, "action": action, "details": "{\"data.x\":1}" });
        told(RecordKind::ActivityUser, source)
    };
    let sample = r#"{"data.x":"<number>"}"#.to_owned();
    assert_eq!(row("USER", "policy", "Edit"), []);
    assert_eq!(row("DEVICE", "patch", "anything"), []);
    assert_eq!(row("USER", "policy", "frob"), [("activity action", "USER.policy.frob".to_owned(), sample.clone())]);
    assert_eq!(row("USER", "odd", "frob"), [("activity category", "USER.odd".to_owned(), sample.clone())]);
    assert_eq!(row("SITE", "policy", "edit"), [("activity category", "SITE.policy".to_owned(), sample)]);
}

#[test]
fn findings_of_one_record_are_bounded() {
    let fields: serde_json::Map<String, Value> = (0..500).map(|n| (format!("f{n}"), json!(n))).collect();
    assert_eq!(told(RecordKind::Alert, Value::Object(fields)).len(), MOST);
    assert_eq!(told(RecordKind::Site, json!([1])), []);
}

/// Guarantees: the two tables that know contexts know the same ones.
#[test]
fn the_table_of_monitors_and_the_known_contexts_agree() {
    let strangers: Vec<&str> = known::classes().filter(|class| !ocsf::knows_class(class)).collect();
    assert_eq!(strangers, Vec::<&str>::new());
    for class in crate::normalize::ocsf::known_classes() {
        assert!(known::context(class).is_some(), "{class}");
    }
}
