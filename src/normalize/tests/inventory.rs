//! The inventory's events: what is told of posture changes, of what is gone, and of an account's own user-defined fields.

use serde_json::{Value, json};

use super::judge::assert_valid;
use super::world::*;
use crate::clock::Millis;
use crate::inventory::Account;
use crate::normalize::udf::Udfs;
use crate::normalize::{Format, RawData};
use crate::org::directory::Directory;
use crate::record::{AccountUid, Marker, RecordKind};

const SITE_SOURCE: &str = r#"{"id":884411,"uid":"5b6f0a52-93c4-4d0b-8a7e-2f1f7f6f4c11","name":"Contoso Dental - HQ",
"onDemand":true,"devicesStatus":{"numberOfDevices":42,"numberOfOnlineDevices":39,"numberOfOfflineDevices":3},
"proxySettings":{"host":"proxy.lan","port":3128,"type":"http","username":"s3cr3t","password":"s3cr3t"}}"#;

/// The event of a posture change; the words as the collector writes them.
fn posture(aspect: &str, old: Value, new: Value) -> Value {
    let (about, key) = match aspect {
        "antivirus" => ("antivirus", "antivirusStatus"),
        "patch" => ("patchManagement", "patchStatus"),
        _ => ("rebootRequired", "rebootRequired"),
    };
    let word = new.as_str().map_or_else(|| new.to_string(), str::to_owned);
    let now = if about == key { new } else { json!({ key: new }) };
    let source = json!({ "uid": SERVER, "hostname": "CDHQ-FS01", about: now, "previous": { key: old } });
    let marker = Marker::Posture(aspect.into(), word, Millis(POLLED_AT));
    let json = World::contoso()
        .try_event(&record(RecordKind::DevicePosture, SERVER, marker, &source.to_string()))
        .unwrap()
        .json;
    assert_valid(&json);
    serde_json::from_str(&json).unwrap()
}

#[test]
fn every_posture_word_has_its_state_level_and_severity() {
    // aspect, old, new, state_id of the aspect, security state (0: none), severity
    let cases = [
        ("antivirus", json!("RunningAndUpToDate"), json!("NotRunning"), 1, 4, 3),
        ("antivirus", json!("RunningAndUpToDate"), json!("RunningAndNotUpToDate"), 2, 1, 3),
        ("antivirus", json!("RunningAndUpToDate"), json!("NotDetected"), 1, 11, 3),
        ("antivirus", json!("NotRunning"), json!("RunningAndUpToDate"), 2, 0, 1),
        ("patch", json!("FullyPatched"), json!("InstallError"), 0, 23, 2),
        ("patch", json!("FullyPatched"), json!("NoPolicy"), 0, 2, 2),
        ("patch", json!("FullyPatched"), json!("ApprovedPending"), 0, 99, 2),
        ("patch", json!("FullyPatched"), json!("RebootRequired"), 0, 9, 2),
        ("patch", json!("InstallError"), json!("FullyPatched"), 0, 0, 1),
        ("reboot", json!(false), json!(true), 0, 9, 2),
        ("reboot", json!(true), json!(false), 0, 0, 1),
    ];
    for (aspect, old, new, state, security, severity) in cases {
        let event = posture(aspect, old.clone(), new.clone());
        let name = format!("{aspect} {old} {new}");
        assert_eq!((&event["class_uid"], &event["activity_id"]), (&json!(5019), &json!(2)), "{name}");
        assert_eq!(event.get("state_id").and_then(Value::as_u64).unwrap_or(0), state, "{name}");
        let level = if security == 0 { 1 } else { 2 };
        assert_eq!((&event["security_level_id"], &event["severity_id"]), (&json!(level), &json!(severity)), "{name}");
        let states = event.get("security_states").map(|states| states[0]["state_id"].as_u64().unwrap());
        assert_eq!(states.unwrap_or(0), security, "{name}");
        assert_eq!(event["prev_security_level_id"].as_u64(), Some(if security == 0 { 2 } else { 1 }), "{name}");
        assert_eq!(event.get("prev_security_states").is_some(), security == 0, "{name}");
        assert_eq!((&event["time"], &event["metadata"]["event_code"]), (&json!(POLLED_AT), &json!(aspect)), "{name}");
        let word = new.as_str().map_or_else(|| new.to_string(), str::to_owned);
        let message = match (aspect, word.as_str()) {
            ("reboot", "true") => "CDHQ-FS01 needs a reboot".to_owned(),
            ("reboot", _) => "CDHQ-FS01 no longer needs a reboot".to_owned(),
            _ => format!(" to {word}"),
        };
        assert!(event["message"].as_str().unwrap().ends_with(&message), "{name}: {}", event["message"]);
        if security == 99 {
            assert_eq!(event["security_states"][0]["state"], new, "Datto's own word");
        }
    }
}

#[test]
fn what_is_gone_has_the_status_of_a_vanished_alert_and_no_outcome() {
    for (kind, uid, source) in [(RecordKind::Device, SERVER, DEVICE), (RecordKind::Site, SITE, SITE_SOURCE)] {
        let event = World::contoso().event(&record(kind, uid, Marker::Vanished(1), source));
        assert_eq!((&event["status_id"], &event["status"]), (&json!(99), &json!("Vanished")), "{kind}");
        assert_eq!(event["status_detail"], "no longer listed, and not found by its uid");
        assert_eq!((&event["time"], &event["activity_id"]), (&json!(POLLED_AT), &json!(2)), "when vintner found out");
        assert!(event["message"].as_str().unwrap().ends_with("no longer there"), "{}", event["message"]);
        assert!(event["device"].get("is_managed").is_none(), "nobody says whether something else manages it");
        let there = World::contoso().event(&record(kind, uid, Marker::Item(1, "0".into(), None), source));
        assert_eq!((&there["status_id"], there.get("status_detail")), (&json!(1), None));
        assert_eq!(there["metadata"]["tenant_uid"], event["metadata"]["tenant_uid"]);
    }
}

#[test]
fn a_snapshot_is_the_same_event_under_an_id_of_its_own() {
    let told = |day| {
        let record = record(RecordKind::Device, SERVER, Marker::Item(3, "12345678".into(), day), DEVICE);
        (record.envelope.event_id(), World::contoso().event(&record))
    };
    let ((change, mut first), (snapshot, mut second)) = (told(None), told(Some(20_261_120)));
    assert_ne!(change, snapshot);
    for event in [&mut first, &mut second] {
        event["metadata"]["uid"] = Value::Null;
    }
    assert_eq!(first, second);
}

/// The operator lists fields of one account: those of another account stay secret, whatever the journal holds.
#[test]
fn fields_listed_for_one_account_are_not_told_of_another() {
    let record = record(RecordKind::Device, SERVER, Marker::Item(1, "0".into(), None), DEVICE);
    for format in [Format::Ocsf, Format::Raw] {
        let mut world = World::contoso();
        world.options.format = format;
        world.options.raw_data = RawData::All;
        world.options.udfs = [("another".to_owned(), Udfs { listed: vec![1, 2], ..Udfs::NONE })].into();
        let other = world.try_event(&record).unwrap().json;
        assert!(!other.contains("Server room A") && !other.contains("s3cr3t"), "{format:?}");
        world.list_udfs(&[1]);
        let own = world.try_event(&record).unwrap().json;
        assert!(own.contains("Server room A") && !own.contains("s3cr3t"), "{format:?}");
    }
    let mut world = World::contoso();
    world.list_udfs(&[1]);
    let policy = world.directory.policy().clone();
    let stranger = Account {
        uid: AccountUid::new("zz"),
        name: "northwind".into(),
        display_name: String::new(),
        platform: String::new(),
        api_host: String::new(),
    };
    world.directory = Directory::new(1, std::sync::Arc::new(policy), vec![stranger], Vec::new());
    assert!(!world.try_event(&record).unwrap().json.contains("Server room A"), "an account that nobody knows");
}

#[test]
fn a_site_tells_its_proxy_without_its_credentials_in_every_form() {
    let record = record(RecordKind::Site, SITE, Marker::Item(1, "0".into(), None), SITE_SOURCE);
    for format in [Format::Ocsf, Format::Raw] {
        let mut world = World::contoso();
        world.options.format = format;
        world.options.raw_data = RawData::All;
        let json = world.try_event(&record).unwrap().json;
        assert!(json.contains("proxy.lan") && !json.contains("s3cr3t"), "{json}");
    }
    let event = World::contoso().event(&record);
    assert_eq!(event["resources"][0]["labels"], json!(["on-demand"]));
    assert_eq!(event["resources"][0]["data"]["proxy"], json!({ "host": "proxy.lan", "port": 3128, "type": "http" }));
}

#[test]
fn raw_data_ends_exactly_at_its_limit() {
    let source = |bytes: usize| {
        let empty = r#"{"alertUid":"id-1","x":["","","","","","","","",""]}"#;
        let parts = bytes - empty.len();
        let mut texts = vec!["x".repeat(parts / 9); 8];
        texts.push("x".repeat(parts - 8 * (parts / 9)));
        json!({ "alertUid": "id-1", "x": texts }).to_string()
    };
    for (bytes, is_there) in [(256 * 1024, true), (256 * 1024 + 1, false)] {
        let source = source(bytes);
        assert_eq!(source.len(), bytes);
        let event = World::contoso().event(&record(RecordKind::Alert, "id-1", Marker::Open, &source));
        assert_eq!(event.get("raw_data").is_some(), is_there, "{bytes}");
        assert_eq!(event["metadata"].get("is_truncated").is_some(), !is_there, "{bytes}");
        assert_eq!((&event["raw_data_size"], event["raw_data_hash"]["value"].is_string()), (&json!(bytes), true));
    }
}

#[test]
fn a_message_ends_exactly_at_its_limit() {
    let around = "Site : no longer there".len();
    for (more, is_cut) in [(0, false), (1, true)] {
        let name = "é".repeat(512 - around + more);
        let source = json!({ "uid": SITE, "name": name });
        let event = World::contoso().event(&record(RecordKind::Site, SITE, Marker::Vanished(1), &source.to_string()));
        assert_eq!(event["message"].as_str().unwrap().chars().count(), 512, "{more}");
        assert_eq!(event["metadata"].get("is_truncated").is_some(), is_cut, "{more}");
    }
}

/// The category of every network device is the same; its type says what it is.
#[test]
fn network_devices_by_their_type() {
    for (kind, id, caption) in [
        ("Switch", 10, "Switch"),
        ("Router", 12, "Router"),
        ("Firewall", 9, "Firewall"),
        ("Camera", 99, "Network Device"),
    ] {
        let source = json!({ "uid": "d", "deviceType": { "category": "Network Device", "type": kind } }).to_string();
        let event = World::contoso().event(&record(RecordKind::Device, "d", Marker::Once, &source));
        assert_eq!((&event["device"]["type_id"], &event["device"]["type"]), (&json!(id), &json!(caption)), "{kind}");
        assert_eq!(event["unmapped"]["datto_rmm"]["deviceType"]["type"], kind);
    }
}

/// The agent and the description of a device are in its own event, not in every other one.
#[test]
fn only_its_own_event_describes_a_device() {
    let other = World::contoso().alert(json!({ "@class": "ping_ctx" }));
    assert_eq!(other["device"]["hostname"], "CDHQ-FS01");
    let own = World::contoso().event(&record(RecordKind::Device, SERVER, Marker::Once, DEVICE));
    for key in ["agent_list", "desc", "is_managed"] {
        assert!(other["device"].get(key).is_none() && own["device"].get(key).is_some(), "{key}");
    }
}
