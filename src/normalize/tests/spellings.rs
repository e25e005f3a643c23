//! One thing in several spellings: whole numbers as JSON may write them, addresses as proxies and sockets write them.

use serde_json::{Value, json};

use super::judge::assert_valid;
use super::recover::missing;
use super::world::*;
use crate::normalize::Format;
use crate::record::{Marker, RecordKind};

fn event_of(kind: RecordKind, source: &str, format: Format) -> Value {
    let mut world = World::contoso();
    world.options.format = format;
    let json = world.try_event(&record(kind, "id-1", Marker::Once, source)).unwrap().json;
    let event = serde_json::from_str(&json).unwrap();
    if format == Format::Ocsf {
        assert_valid(&json);
        let found = super::schema::complaints(&event);
        assert!(found.is_empty(), "{found:#?}");
    }
    assert_eq!(missing(&serde_json::from_str(source).unwrap(), &event), Vec::<String>::new());
    event
}

fn login(forwarded: &Value, format: Format) -> Value {
    let details = json!({"source.forwarded_ip": forwarded, "user.id": 5521}).to_string();
    let row = json!({"id": "id-1", "entity": "USER", "category": "account", "action": "login", "date": 1_795_214_400.125,
        "user": {"id": 5521, "userName": "jane.doe"}, "details": details});
    event_of(RecordKind::ActivityUser, &row.to_string(), format)
}

#[test]
fn an_address_in_every_common_spelling_is_the_source() {
    let cases = [
        (json!("203.0.113.9:443"), "203.0.113.9", Some(443)),
        (json!("[2001:db8::5]:443"), "2001:db8::5", Some(443)),
        (json!("[2001:db8::5]"), "2001:db8::5", None),
        (json!("fe80::1%eth0"), "fe80::1", None),
        (json!("::ffff:203.0.113.9"), "203.0.113.9", None),
        (json!("unknown, 203.0.113.9:443, [2001:db8::5]:80"), "203.0.113.9", Some(443)),
        (json!("203.0.113.9:443 10.0.0.1"), "203.0.113.9", Some(443)),
        (json!(["203.0.113.9:443", "10.0.0.1"]), "203.0.113.9", Some(443)),
        (json!("203.0.113.9"), "203.0.113.9", None),
    ];
    for (forwarded, ip, port) in cases {
        let event = login(&forwarded, Format::Ocsf);
        assert_eq!(
            (&event["src_endpoint"]["ip"], &event["src_endpoint"]["port"]),
            (&json!(ip), &json!(port)),
            "{forwarded}"
        );
        assert!(event["message"].as_str().unwrap().ends_with(ip), "{forwarded}");
        let ecs = login(&forwarded, Format::Ecs);
        assert_eq!((&ecs["source"]["ip"], &ecs["source"]["port"]), (&json!(ip), &json!(port)), "{forwarded}");
    }
    let list = login(&json!("203.0.113.9:443, [2001:db8::5]:80, ::ffff:10.0.0.1"), Format::Ocsf);
    assert_eq!(list["src_endpoint"]["intermediate_ips"], json!(["2001:db8::5", "10.0.0.1"]));
    let none = login(&json!("unknown"), Format::Ocsf);
    assert!(none.get("src_endpoint").is_none() && none["metadata"]["debug"].to_string().contains("not an IP address"));
}

#[test]
fn addresses_of_devices_and_of_what_a_monitor_asks_are_read_too() {
    let device = event_of(
        RecordKind::Device,
        r#"{"uid":"id-1","intIpAddress":"fe80::1%12","extIpAddress":"203.0.113.9:1"}"#,
        Format::Ocsf,
    );
    assert_eq!(device["device"]["ip"], "fe80::1");
    let of = |context: Value| {
        let source = json!({"alertUid": "id-1", "priority": "Low", "alertContext": context}).to_string();
        event_of(RecordKind::Alert, &source, Format::Ocsf)["evidences"][0]["dst_endpoint"].clone()
    };
    assert_eq!(
        of(json!({"@class": "ping_ctx", "instanceName": "203.0.113.9:443"})),
        json!({"ip": "203.0.113.9", "port": 443})
    );
    assert_eq!(
        of(json!({"@class": "ping_ctx", "instanceName": "gw.example:443"})),
        json!({"hostname": "gw.example:443"})
    );
    assert_eq!(
        of(json!({"@class": "printer_ctx", "ipAddress": "[2001:db8::5]:161"})),
        json!({"ip": "2001:db8::5", "port": 161})
    );
    assert_eq!(
        of(json!({"@class": "snmp_probe_ctx", "ipAddress": "203.0.113.9:161"})),
        json!({"ip": "203.0.113.9", "port": 161})
    );
}

#[test]
fn an_id_is_its_number_in_every_spelling() {
    for id in ["1048590", "1048590.0", "1.04859E6", "104859e1"] {
        let row = format!(
            r#"{{"id":"id-1","entity":"DEVICE","category":"remote","action":"jrto","deviceId":{id},"hostname":"A"}}"#
        );
        let event = event_of(RecordKind::ActivityDevice, &row, Format::Ocsf);
        assert_eq!(event["device"]["uid_alt"], "1048590", "{id}");
        let alert =
            format!(r#"{{"alertUid":"id-1","alertContext":{{"@class":"ransomware_ctx","confidenceFactor":{id}}}}}"#);
        assert_eq!(event_of(RecordKind::Alert, &alert, Format::Ocsf)["confidence_score"], 1_048_590, "{id}");
    }
}

/// A row about a patch on the server of the examples.
fn patch(action: &str, details: Value) -> Value {
    let mut all = json!({"device.uid": SERVER, "patch_update.uid": "kb-1", "patch_update.title": "KB1"});
    all.as_object_mut().unwrap().extend(details.as_object().unwrap().clone());
    let row =
        json!({"id": "id-1", "entity": "DEVICE", "category": "patch", "action": action, "details": all.to_string()});
    event_of(RecordKind::ActivityDevice, &row.to_string(), Format::Ocsf)
}

#[test]
fn only_a_patch_that_says_so_is_installed() {
    let state = |event: &Value| {
        let article = &event["kb_article_list"][0];
        (
            event["status_id"].as_i64().unwrap(),
            article["install_state_id"].as_i64().unwrap(),
            event["message"].as_str().unwrap().to_owned(),
        )
    };
    let of = |action, details| state(&patch(action, details));
    assert_eq!(of("run", json!({})), (0, 0, "KB1: run on CDHQ-FS01, outcome unknown".into()));
    assert_eq!(
        of("install", json!({"patch_activity.result": "0"})),
        (1, 1, "KB1 installed on CDHQ-FS01".into()),
        "the published example has no flag either"
    );
    assert_eq!(of("install", json!({"patch_activity.success": true})), (1, 1, "KB1 installed on CDHQ-FS01".into()));
    assert_eq!(of("install", json!({"patch_activity.success": "true"})), (1, 1, "KB1 installed on CDHQ-FS01".into()));
    assert_eq!(
        of("install", json!({"patch_activity.success": false})),
        (2, 2, "KB1 failed to install on CDHQ-FS01".into())
    );
    let uninstall = json!({"patch_activity.success": true, "patch_activity.action": "UNINSTALL"});
    assert_eq!(of("run", uninstall), (1, 2, "KB1 uninstalled from CDHQ-FS01".into()));
    let without_patch = patch("run", json!({"patch_update.uid": null}));
    assert_eq!((&without_patch["class_uid"], &without_patch["status_id"]), (&json!(3004), &json!(0)));
    assert_eq!(patch("audit", json!({}))["status_id"], 1, "an audit is done once it is logged");
}

#[test]
fn a_file_monitor_whose_kind_and_condition_are_null_still_says_what_it_is_about() {
    let of = |context: Value| {
        let source = json!({"alertUid": "id-1", "priority": "Low", "alertContext": context}).to_string();
        event_of(RecordKind::Alert, &source, Format::Ocsf)
    };
    let nulls =
        of(json!({"@class": "fs_object_ctx", "path": "C:\\a", "objectType": null, "condition": null, "sample": 1.5}));
    assert_eq!(nulls["message"], "File or folder monitor on Contoso Dental - HQ: C:\\a");
    let file = of(json!({"@class": "fs_object_ctx", "path": "C:\\a", "objectType": "FILE", "condition": "REMOVED"}));
    assert_eq!(
        (&file["message"], &file["evidences"][0]["file"]["type_id"]),
        (&json!("C:\\a on Contoso Dental - HQ is removed"), &json!(1))
    );
}

/// The portal gives such an alert no text, so the context has to.
#[test]
fn a_service_usage_monitor_has_a_message_of_its_context() {
    let source = r#"{"alertUid":"id-1","priority":"Low","diagnostics":null,
        "alertContext":{"@class":"srvc_resource_usage_ctx","serviceName":"MSSQLSERVER","type":"CPU","sample":93.5}}"#;
    let event = event_of(RecordKind::Alert, source, Format::Ocsf);
    assert_eq!(event["message"], "MSSQLSERVER uses 93.5 CPU on Contoso Dental - HQ");
}

/// The contract types it as text; a number keeps its digits.
#[test]
fn a_reference_of_a_response_action_may_be_a_number() {
    for reference in ["4711", "\"4711\""] {
        let source = format!(
            r#"{{"alertUid":"id-1","responseActions":[{{"actionType":"COMPONENT","actionReferenceInt":{reference}}}]}}"#
        );
        let event = event_of(RecordKind::Alert, &source, Format::Ocsf);
        let kept = &event["unmapped"]["datto_rmm"]["responseActions"][0]["actionReferenceInt"];
        assert_eq!(kept.to_string(), reference);
    }
}
