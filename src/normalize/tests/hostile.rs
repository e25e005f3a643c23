//! Input that nobody would send on purpose, or somebody would: no panic, a valid event, no value lost, within the limits.

use serde_json::{Value, json};

use super::judge::assert_valid;
use super::recover::missing;
use super::world::*;
use crate::normalize::Format;
use crate::record::place::SiteRef;
use crate::record::{Marker, Record, RecordKind};

const KINDS: [RecordKind; 8] = [
    RecordKind::Alert,
    RecordKind::ActivityDevice,
    RecordKind::ActivityUser,
    RecordKind::Device,
    RecordKind::DevicePosture,
    RecordKind::Site,
    RecordKind::User,
    RecordKind::Software,
];
/// The largest event, as Kafka takes it (event-schema.md section 10).
const MAX_EVENT: usize = 900 * 1024;

/// The event's text: valid, and within the limit.
#[track_caller]
fn event_of(kind: RecordKind, source: &str) -> String {
    let json = World::contoso().try_event(&record(kind, "id-1", Marker::Open, source)).unwrap().json;
    assert_valid(&json);
    assert!(json.len() <= MAX_EVENT, "{} bytes", json.len());
    json
}

/// An alert with one field of its context replaced by JSON text as it is.
fn with_context(text: &str) -> String {
    format!(r#"{{"alertUid":"id-1","priority":"Low","timestamp":1795212345000,"alertContext":{text}}}"#)
}

#[test]
fn a_source_that_is_no_object_makes_no_event() {
    for source in ["[]", "null", "7", "\"text\""] {
        for kind in KINDS {
            assert!(World::contoso().try_event(&record(kind, "x", Marker::Once, source)).is_err());
        }
    }
}

#[test]
fn an_empty_object_makes_an_event_of_every_kind() {
    for kind in KINDS {
        event_of(kind, "{}");
    }
}

#[test]
fn surrogates_without_their_half_are_replaced() {
    for kind in KINDS {
        let source = r#"{"alertUid":"\ud800","name":"a\udfffb","hostname":"\ud83d","\udead":["\udbff\u0041",{"\ud800":1}],
            "username":"\uDFFF","category":"\ud800","action":"\ud800","details":"{\"a\":\"\\ud800\",\"\\udc00\":1}",
            "alertContext":{"@class":"\ud800_ctx","x":"\ud83d\ude00"},"diagnostics":"\ud800"}"#;
        let json = event_of(kind, source);
        assert!(json.contains('\u{fffd}') || json.contains("\\uFFFD"), "{kind}");
    }
}

/// Found by the fuzz target `details`: a line of the format `raw` that decoders of strings refused.
#[test]
fn raw_lines_have_no_surrogate_without_its_half() {
    let mut world = World::contoso();
    world.options.format = Format::Raw;
    for kind in KINDS {
        let source = r#"{"id":"x","\ud800":["a\udfffb",{"y":"\\ud800 \ud83d\ude00"}]}"#;
        let json = world.try_event(&record(kind, "id-1", Marker::Open, source)).unwrap().json;
        let line: Value = serde_json::from_str(&json).unwrap();
        let expected = json!({"id": "x", "\u{fffd}": ["a\u{fffd}b", {"y": "\\ud800 \u{1f600}"}]});
        assert_eq!(line["record"], expected, "{kind}");
    }
}

#[test]
fn control_characters_and_odd_keys_survive() {
    let odd = "\u{0}\u{1b}[31m\u{7f}\u{202e}\u{feff}\r\n\t\"\\";
    let source = json!({ "": odd, "a.b": { "": { "": 1 } }, "diagnostics": odd, "alertUid": "id-1", "priority": odd,
        "details": odd, "category": odd, "action": odd, "name": odd, "hostname": odd, "username": odd,
        "alertContext": { "@class": odd, "": odd, "x.y": [odd] }, "datto_rmm": 1, "context": 2, "monitor": 3 });
    for kind in KINDS {
        let json = event_of(kind, &source.to_string());
        let event: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(missing(&source, &event), Vec::<String>::new(), "{kind}");
        assert!(!event["message"].as_str().unwrap().contains(char::is_control), "{kind}");
    }
}

#[test]
fn numbers_keep_their_text_whatever_their_size() {
    let big = "123456789012345678901234567890.5e+99";
    let context =
        format!(r#"{{"@class":"ransomware_ctx","confidenceFactor":{big},"state":-0,"rwextension":1E2,"x":1.0}}"#);
    let json = event_of(RecordKind::Alert, &with_context(&context));
    for token in
        [format!("\"confidenceFactor\":{big}"), "\"state\":-0".into(), "\"rwextension\":1E2".into(), "\"x\":1.0".into()]
    {
        assert!(json.contains(&token), "{token}");
    }
    assert!(json.contains("alertContext.confidenceFactor: expected an integer of 32 bits"));
    let context = r#"{"@class":"eventlog_ctx","triggerCount":3000000000,"lastTriggered":1e400}"#;
    let json = event_of(RecordKind::Alert, &with_context(context));
    assert!(json.contains("\"triggerCount\":3000000000") && json.contains("\"lastTriggered\":1e400"));
    let json = event_of(RecordKind::Device, r#"{"uid":"d","id":92233720368547758079,"lastSeen":-1}"#);
    assert!(json.contains(r#""uid_alt":"92233720368547758079""#) && json.contains("\"lastSeen\":-1"));
}

#[test]
fn wrong_types_stay_and_are_noted() {
    let values = ["7", "true", "\"text\"", "{\"x\":[1]}", "[{\"x\":1},\"y\"]"];
    let fields = [
        "alertUid",
        "diagnostics",
        "ticketNumber",
        "timestamp",
        "alertSourceInfo",
        "responseActions",
        "muted",
        "priority",
    ];
    for (field, value) in fields.iter().flat_map(|field| values.map(|value| (*field, value))) {
        let source = format!(r#"{{"{field}":{value},"alertContext":{{"@class":"wmi_ctx","value":{value}}}}}"#);
        let event: Value = serde_json::from_str(&event_of(RecordKind::Alert, &source)).unwrap();
        let source: Value = serde_json::from_str(&source).unwrap();
        assert_eq!(missing(&source, &event), Vec::<String>::new(), "{field} {value}");
    }
    let json = event_of(RecordKind::Alert, r#"{"alertUid":{"x":1},"alertContext":{"@class":7}}"#);
    assert!(json.contains("alertUid: expected text") && json.contains("alertContext.@class: expected text"));
}

#[test]
fn deep_nesting_is_valid_for_every_decoder() {
    for depth in [31, 33, 126, 5_000, 100_000] {
        for (open, close) in [("[", "]"), ("{\"k\":", "}")] {
            let deep = format!("{}7{}", open.repeat(depth), close.repeat(depth));
            for kind in KINDS {
                let source = format!(
                    r#"{{"alertUid":"id-1","category":"c","x":{deep},"alertContext":{{"@class":"y_ctx","x":{deep}}}}}"#
                );
                event_of(kind, &source);
            }
        }
    }
}

#[test]
fn long_strings_are_cut_between_characters_and_say_so() {
    let long = "é".repeat(50_000);
    let source = json!({ "alertUid": "id-1", "diagnostics": long, "x": long, "alertContext": { "@class": "wmi_ctx", "value": long } });
    let event: Value = serde_json::from_str(&event_of(RecordKind::Alert, &source.to_string())).unwrap();
    assert_eq!(event["metadata"]["is_truncated"], true);
    assert!(event["metadata"]["untruncated_size"].as_i64().unwrap() >= 400);
    assert_eq!(event["finding_info"]["desc"].as_str().unwrap().len(), 8 * 1024);
    assert_eq!(event["unmapped"]["datto_rmm"]["x"].as_str().unwrap().len(), 32 * 1024);
    assert_eq!(event["evidences"][0]["data"]["value"].as_str().unwrap().len(), 32 * 1024);
    assert_eq!(event["message"].as_str().unwrap().chars().count(), 512);
    assert!(event.get("raw_data").is_none(), "over 256 KiB");
    assert!(event["raw_data_hash"]["value"].is_string() && event["raw_data_size"].is_number());
}

#[test]
fn what_is_within_the_limits_is_not_called_truncated() {
    let source = json!({ "alertUid": "id-1", "diagnostics": "é".repeat(4_096), "x": "x".repeat(32 * 1024) });
    let event: Value = serde_json::from_str(&event_of(RecordKind::Alert, &source.to_string())).unwrap();
    assert_eq!(event["finding_info"]["desc"].as_str().unwrap().len(), 8 * 1024);
    assert!(event["metadata"].get("is_truncated").is_none());
    let source = json!({ "alertUid": "id-1", "x": "x".repeat(32 * 1024) });
    let event: Value = serde_json::from_str(&event_of(RecordKind::Alert, &source.to_string())).unwrap();
    assert!(event["metadata"].get("is_truncated").is_none());
    assert_eq!(event["unmapped"]["datto_rmm"]["x"].as_str().unwrap().len(), 32 * 1024);
}

#[test]
fn a_huge_record_gives_up_its_least_parts_first() {
    let many: Vec<String> = (0..8_000).map(|n| format!("{n} {}", "x".repeat(100))).collect();
    let source = json!({ "alertUid": "id-1", "x": many });
    let event: Value = serde_json::from_str(&event_of(RecordKind::Alert, &source.to_string())).unwrap();
    assert!(event.get("unmapped").is_some() && event.get("raw_data").is_none());
    let source = json!({ "alertUid": "id-1", "x": many, "y": many });
    let event: Value = serde_json::from_str(&event_of(RecordKind::Alert, &source.to_string())).unwrap();
    assert!(event.get("unmapped").is_none());
    assert!(event["metadata"]["untruncated_size"].as_i64().unwrap() > 1_600);
    let context = json!({ "@class": "x_ctx", "x": many, "y": many });
    let event: Value = serde_json::from_str(&event_of(RecordKind::Alert, &with_context(&context.to_string()))).unwrap();
    assert!(event.get("evidences").is_none(), "the last that goes");
    assert_eq!(event["finding_info"]["uid"], "id-1");
}

#[test]
fn text_that_grows_when_written_still_fits() {
    // Each of these characters takes six bytes in JSON.
    let dense = "\u{1}".repeat(32 * 1024);
    let fields = [
        "alertUid",
        "priority",
        "diagnostics",
        "ticketNumber",
        "category",
        "action",
        "entity",
        "hostname",
        "deviceId",
        "uid",
        "id",
        "name",
        "domain",
        "description",
        "operatingSystem",
        "cagVersion",
        "username",
        "firstName",
        "lastName",
    ];
    let mut source: serde_json::Map<String, Value> = fields.iter().map(|key| ((*key).into(), json!(dense))).collect();
    source.insert("alertContext".into(), json!({ "@class": dense, "rwextension": dense }));
    let names = json!({ "deviceUid": dense, "deviceName": dense, "siteUid": dense, "siteName": dense });
    source.insert("alertSourceInfo".into(), names);
    source.insert("user".into(), json!({ "id": dense, "userName": dense, "firstName": dense, "lastName": dense }));
    for kind in KINDS {
        let mut source = source.clone();
        if kind == RecordKind::ActivityUser {
            let roles = vec![dense.as_str(); 40];
            let details = json!({ "data.user_id": dense, "data.user_name": dense, "data.new_roles": roles });
            source.insert("details".into(), json!(details.to_string()));
            source.insert("category".into(), json!("user"));
            source.insert("entity".into(), json!("USER"));
        }
        event_of(kind, &Value::from(source).to_string());
    }
}

#[test]
fn lists_are_bounded_and_whole() {
    let directories: Vec<String> = (0..500).map(|n| format!("/srv/{n}")).collect();
    let context =
        json!({ "@class": "ransomware_ctx", "affectedDirectories": directories, "watchPaths": [1, null, "/w"] });
    let source = with_context(&context.to_string());
    let event: Value = serde_json::from_str(&event_of(RecordKind::Alert, &source)).unwrap();
    assert!(event["evidences"].as_array().unwrap().len() <= 50 && event["observables"].as_array().unwrap().len() <= 50);
    assert_eq!(missing(&serde_json::from_str(&source).unwrap(), &event), Vec::<String>::new());
    let mixed = json!({ "@class": "ransomware_ctx", "affectedDirectories": ["/a", 7, { "x": "y" }, null, "", ["/b"]] });
    let source = with_context(&mixed.to_string());
    let event: Value = serde_json::from_str(&event_of(RecordKind::Alert, &source)).unwrap();
    assert_eq!(event["evidences"][1]["data"], json!({ "affectedDirectories": [7, { "x": "y" }, ["/b"]] }));
}

#[test]
fn an_inventory_entry_that_is_damaged_does_no_harm() {
    for damaged in
        ["", "null", "[1]", "{\"uid\":", r#"{"uid":7,"hostname":{"x":1},"intIpAddress":"n/a","operatingSystem":[]}"#]
    {
        let mut world = World::contoso();
        world.device.as_mut().unwrap().source = damaged.into();
        let event = world.alert(json!({ "@class": "wmi_ctx" }));
        assert_eq!((&event["device"]["uid"], &event["device"]["hostname"]), (&json!(SERVER), &json!("CDHQ-FS01")));
        assert!(event["metadata"].get("debug").is_none(), "the inventory's faults are told by its own event");
    }
}

#[test]
fn secrets_are_not_told_even_if_a_journal_holds_them() {
    let details = json!({ "data.udf5": "s3cr3t", "data.password": "s3cr3t", "data.site_id": 7 }).to_string();
    let source = json!({ "uid": "d", "udf": { "udf9": "s3cr3t" }, "webRemoteUrl": "s3cr3t", "details": details,
        "proxySettings": { "host": "h", "username": "s3cr3t", "password": "s3cr3t" } });
    for kind in KINDS.into_iter().filter(|kind| *kind != RecordKind::Alert) {
        let mut world = World::contoso();
        world.options.raw_data = crate::normalize::RawData::All;
        let record: Record = record(kind, "x", Marker::Once, &source.to_string());
        let event = world.try_event(&record).unwrap();
        let is_activity = matches!(kind, RecordKind::ActivityDevice | RecordKind::ActivityUser);
        // A text called `details` means something in an activity only; elsewhere it is an unknown field.
        let json = if is_activity { event.json } else { event.json.replace(&details.replace('"', "\\\""), "") };
        assert_eq!(json.matches("s3cr3t").count() > 0, !is_activity && json.contains("data.udf5"), "{kind} {json}");
    }
}

#[test]
fn a_site_that_is_named_only_is_tagged() {
    let mut record = alert(json!({ "@class": "wmi_ctx" }));
    record.envelope.site = SiteRef::Name("By name".into());
    let event = World::contoso().event(&record);
    assert!(event["metadata"]["tags"].to_string().contains("By name"));
}
