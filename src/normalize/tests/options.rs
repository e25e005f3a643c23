//! Life cycle, incident profile and the operator's options.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::world::*;
use crate::clock::Millis;
use crate::event::Event;
use crate::normalize::ocsf::severity::Overrides;
use crate::normalize::udf::Udfs;
use crate::normalize::{Format, RawData};
use crate::record::{Marker, Record, RecordKind, Stream};

/// An alert whose source has these members changed.
fn changed(changes: Value, marker: Marker) -> Record {
    let mut record = alert(json!({ "@class": "antivirus_ctx", "status": "NOTRUNNING", "productName": "AV" }));
    let mut source: Value = serde_json::from_str(record.source.get()).unwrap();
    for (key, value) in changes.as_object().unwrap() {
        source[key] = value.clone();
    }
    record.source = serde_json::value::to_raw_value(&source).unwrap();
    record.envelope.marker = marker;
    record
}

#[test]
fn life_of_an_alert() {
    let (opened, resolved) = (1_795_212_345_000_i64, 1_795_219_545_000_i64);
    let world = World::contoso();
    let create = world.event(&changed(json!({}), Marker::Open));
    assert_eq!(
        (&create["activity_id"], &create["status_id"], &create["is_alert"]),
        (&json!(1), &json!(1), &json!(true))
    );
    assert_eq!((&create["time"], &create["start_time"]), (&json!(opened), &json!(opened)));
    assert!(create["finding_info"].get("modified_time").is_none() && create.get("end_time").is_none());

    let mut update = changed(json!({ "ticketNumber": "T1" }), Marker::Update(1, "0123456789ab".into()));
    update.envelope.changed = vec!["ticketNumber".into(), "priority".into()];
    let update = world.event(&update);
    assert_eq!(
        (&update["activity_id"], &update["status_id"], &update["is_alert"]),
        (&json!(2), &json!(1), &json!(false))
    );
    assert_eq!((&update["time"], &update["start_time"]), (&json!(POLLED_AT), &json!(opened)));
    assert_eq!(update["status_detail"], "ticketNumber, priority");
    assert_eq!(update["finding_info"]["modified_time"], POLLED_AT);

    let closed = json!({ "resolved": true, "resolvedBy": "jane.doe", "resolvedOn": resolved });
    let close = world.event(&changed(closed, Marker::Resolved(Some(Millis(resolved)))));
    assert_eq!((&close["activity_id"], &close["status_id"], &close["is_alert"]), (&json!(3), &json!(4), &json!(false)));
    assert_eq!(
        (&close["time"], &close["end_time"], &close["duration"]),
        (&json!(resolved), &json!(resolved), &json!(7_200_000))
    );
    assert_eq!(close["status_detail"], "Resolved by jane.doe");
    assert_eq!(close["metadata"]["original_time"], resolved.to_string());

    let untimed = world.event(&changed(json!({ "resolved": true }), Marker::Resolved(None)));
    assert_eq!((&untimed["time"], &untimed["status_id"]), (&json!(POLLED_AT), &json!(4)));
    assert!(untimed.get("end_time").is_none() && untimed.get("status_detail").is_none());

    let vanished = world.event(&changed(json!({}), Marker::Vanished(1)));
    assert_eq!(
        (&vanished["activity_id"], &vanished["status_id"], &vanished["status"]),
        (&json!(3), &json!(99), &json!("Vanished"))
    );
    assert_eq!(vanished["time"], POLLED_AT);
    let uids: Vec<&Value> = [&create, &update, &close, &vanished].map(|event| &event["finding_info"]["uid"]).to_vec();
    assert!(uids.iter().all(|uid| **uid == uids[0].as_str().unwrap()));
    assert!([&create, &update, &close, &vanished].iter().all(|event| event["severity_id"] == 3));
}

#[test]
fn an_alert_that_ended_before_it_began_has_no_duration() {
    let source = json!({ "resolvedOn": 1_795_212_300_000_i64 });
    let close = World::contoso().event(&changed(source, Marker::Resolved(None)));
    assert!(close.get("duration").is_none());
    assert_eq!(close["end_time"], 1_795_212_300_000_i64);
}

#[test]
fn times_that_are_none_or_nonsense() {
    let world = World::contoso();
    let never = world.event(&changed(json!({ "timestamp": -62_135_596_800_000_i64 }), Marker::Open));
    assert_eq!(never["time"], POLLED_AT);
    assert!(never["metadata"].get("debug").is_none() && never.get("start_time").is_none());
    for token in [json!("soon"), json!(12), json!({ "x": 1 }), json!(4_102_444_800_001_i64)] {
        let odd = world.event(&changed(json!({ "timestamp": token }), Marker::Open));
        assert_eq!(odd["time"], POLLED_AT);
        assert_eq!(odd["metadata"]["debug"], json!(["timestamp: not a time"]));
        assert_eq!(odd["unmapped"]["datto_rmm"]["timestamp"], token);
    }
    let iso = world.event(&changed(json!({ "timestamp": "2026-11-20T22:05:45Z" }), Marker::Open));
    assert_eq!(
        (&iso["time"], &iso["metadata"]["original_time"]),
        (&json!(1_795_212_345_000_i64), &json!("2026-11-20T22:05:45Z"))
    );
}

#[test]
fn incident_profile_if_and_only_if_there_is_a_ticket() {
    let world = World::contoso();
    let action = |kind: &str, reference: Value| {
        json!({ "responseActions": [{ "actionType": "EMAIL_SENT" },
        { "actionTime": 1_795_212_350_000_i64, "actionType": kind, "actionReference": reference }] })
    };
    let plain = world.event(&changed(action("TICKET_PENDING", json!("T9")), Marker::Open));
    for absent in ["priority_id", "priority", "tickets"] {
        assert!(plain.get(absent).is_none(), "{absent}");
    }
    assert!(plain["metadata"].get("profiles").is_none());
    let ticket = json!([{ "uid": "T9", "type_id": 2, "type": "External" }]);
    for changes in [json!({ "ticketNumber": "T9" }), action("TICKET_CREATED", json!("T9"))] {
        let event = world.event(&changed(changes, Marker::Open));
        assert_eq!((&event["metadata"]["profiles"], &event["tickets"]), (&json!(["incident"]), &ticket));
        assert_eq!((&event["priority_id"], &event["priority"]), (&json!(2), &json!("Medium")));
    }
    let bare = world.event(&changed(action("TICKET_CREATED", Value::Null), Marker::Open));
    assert_eq!(bare["metadata"]["profiles"], json!(["incident"]));
    assert!(bare.get("tickets").is_none());
    let number = world.event(&changed(json!({ "ticketNumber": 20_261_120 }), Marker::Open));
    assert_eq!(number["tickets"][0]["uid"], "20261120");
}

#[test]
fn muted_and_synthesized_are_labels() {
    let mut record = changed(json!({ "muted": true }), Marker::Open);
    record.envelope.synthesized = true;
    let event = World::contoso().event(&record);
    assert_eq!(event["metadata"]["labels"], json!(["posture", "muted", "synthesized"]));
    assert_eq!((&event["status_id"], &event["unmapped"]["datto_rmm"]["muted"]), (&json!(1), &json!(true)));
}

#[test]
fn severities_that_the_operator_chose() {
    let mut world = World::contoso();
    world.options.severities =
        Overrides(BTreeMap::from([("moderate".into(), 4), ("activity".into(), 2), ("inventory".into(), 0)]));
    let event = world.event(&changed(json!({ "ticketNumber": "T1" }), Marker::Open));
    assert_eq!(
        (&event["severity_id"], &event["severity"], &event["priority_id"]),
        (&json!(4), &json!("High"), &json!(2))
    );
    assert_eq!(event["unmapped"]["datto_rmm"]["priority"], "Moderate");
    assert_eq!(world.activity(user_row("policy", "edit", json!({})))["severity_id"], 2);
    let device = record(RecordKind::Device, SERVER, Marker::Item(1, "0".into(), None), DEVICE);
    assert_eq!(world.event(&device)["severity_id"], 0);
    let odd = World::contoso().event(&changed(json!({ "priority": "Urgent" }), Marker::Open));
    assert_eq!((&odd["severity_id"], &odd["severity"]), (&json!(99), &json!("Urgent")));
}

#[test]
fn address_of_an_alert_from_the_operator_s_template() {
    let mut world = World::contoso();
    world.options.alert_url = Some("https://{platform}.rmm.datto.com/alert/{alert_uid}?d={device_uid}".into());
    let mut record = changed(json!({}), Marker::Open);
    record.envelope.native_id = "a b/?&".into();
    let url = format!("https://vidal.rmm.datto.com/alert/a%20b%2F%3F%26?d={SERVER}");
    assert_eq!(world.event(&record)["finding_info"]["src_url"], url);
    let bare = changed(json!({ "alertSourceInfo": null }), Marker::Open);
    assert!(world.event(&bare)["finding_info"].get("src_url").is_none(), "no device to fill in");
}

#[test]
fn raw_data_by_mode() {
    let device = record(RecordKind::Device, SERVER, Marker::Item(1, "0".into(), None), DEVICE);
    let alert = changed(json!({}), Marker::Open);
    for (mode, of_alert, of_device) in
        [(RawData::Off, false, false), (RawData::Findings, true, false), (RawData::All, true, true)]
    {
        let mut world = World::contoso();
        world.options.raw_data = mode;
        for (record, wanted) in [(&alert, of_alert), (&device, of_device)] {
            let event = world.event(record);
            for key in ["raw_data", "raw_data_size", "raw_data_hash"] {
                assert_eq!(event.get(key).is_some(), wanted, "{mode:?} {key}");
            }
        }
    }
    let event = World::contoso().event(&alert);
    assert_eq!(event["raw_data"], alert.source.get());
    assert_eq!(event["raw_data_size"], alert.source.get().len());
}

#[test]
fn user_defined_fields_only_where_listed() {
    let device = record(RecordKind::Device, SERVER, Marker::Item(1, "0".into(), None), DEVICE);
    let mut world = World::contoso();
    world.options.raw_data = RawData::All;
    world.list_udfs(&[1, 3, 7]);
    let event = world.try_event(&device).unwrap();
    super::judge::assert_valid(&event.json);
    assert!(event.json.contains(r#"{"name":"datto.udf1","value":"Server room A"}"#));
    for secret in ["s3cr3t", "remote/secret", "webRemoteUrl", "udf2"] {
        assert!(!event.json.contains(secret), "{secret}");
    }
    world.options.udfs.clear();
    assert!(!world.try_event(&device).unwrap().json.contains("Server room A"));
}

const ENTRA_ID: &str = "0f6c1d1e-7a43-4a2e-9c55-3d2f0f6b8a10";

/// A world in which `udf3` is named as the field with the id in Entra, and its device with `value` there.
fn entra_world(value: &str, listed: Vec<u16>) -> (World, Record) {
    let mut world = World::contoso();
    world.options.udfs = [("northwind".to_owned(), Udfs { listed, entra_device_id: Some(3) })].into();
    world.options.raw_data = RawData::All;
    let known = DEVICE.replace("\"udf3\":null", &format!("\"udf3\":\"{value}\""));
    world.device.as_mut().unwrap().source = known.as_str().into();
    (world, record(RecordKind::Device, SERVER, Marker::Item(1, "0".into(), None), &known))
}

fn entra_tag(event: &Value) -> Option<String> {
    let tags = event["metadata"]["tags"].as_array().unwrap();
    let mut found = tags.iter().filter(|tag| tag["name"] == "datto.entra_device_id");
    let value = found.next().map(|tag| tag["value"].as_str().unwrap().to_owned());
    assert!(found.next().is_none(), "{tags:?}");
    value
}

/// Other events about the device of [`entra_world`].
fn events_about_the_device() -> [Record; 4] {
    let row = device_row("device", "move.device", json!({ "device.uid": SERVER }));
    let job = device_row("job", "deployment", json!({ "device.uid": SERVER, "job.name": "Install" }));
    let source = json!({ "uid": SERVER, "hostname": "CDHQ-FS01", "rebootRequired": true,
        "previous": { "rebootRequired": false } });
    let posture = Marker::Posture("reboot".into(), "true".into(), Millis(POLLED_AT));
    let posture = record(RecordKind::DevicePosture, SERVER, posture, &source.to_string());
    [posture, changed(json!({}), Marker::Open), activity(row), activity(job)]
}

/// Every event about a device carries its id in Entra: the device's own, and those that the inventory enriches.
#[test]
fn the_entra_id_of_a_device_is_a_tag_of_every_event_about_it() {
    let (mut world, own) = entra_world(&format!(" {{{}}}", ENTRA_ID.to_uppercase()), Vec::new());
    let records: Vec<Record> = std::iter::once(own).chain(events_about_the_device()).collect();
    for record in &records {
        world.options.format = Format::Ocsf;
        let event = world.event(record);
        assert_eq!(entra_tag(&event).as_deref(), Some(ENTRA_ID), "{event}");
        assert!(event["unmapped"]["datto_rmm"]["udf"].is_null(), "told once: {event}");
        world.options.format = Format::Ecs;
        let document: Value = serde_json::from_str(&world.try_event(record).unwrap().json).unwrap();
        assert_eq!(document["labels"]["datto_entra_device_id"], ENTRA_ID);
        let hosts = document["related"]["hosts"].as_array().unwrap();
        assert!(hosts.contains(&json!(ENTRA_ID)) && hosts.contains(&json!("CDHQ-FS01")), "{hosts:?}");
        assert!(!document.to_string().contains("s3cr3t"));
    }
    world.options.format = Format::Ocsf;
    for udfs in [Udfs { entra_device_id: Some(4), ..Udfs::NONE }, Udfs::NONE] {
        world.options.udfs = [("northwind".to_owned(), udfs)].into();
        for record in &records {
            let json = world.try_event(record).unwrap().json.to_lowercase();
            assert!(!json.contains(ENTRA_ID) && !json.contains("s3cr3t"), "another field, or none: {json}");
        }
    }
    let login = World::msp().event(&activity(user_row("account", "login", json!({}))));
    assert_eq!(entra_tag(&login), None);
}

/// What is no id is noted in the device's own event by the name of its field, and told nowhere, unless the field is listed too.
#[test]
fn what_is_no_entra_id_is_noted_and_not_told() {
    let (world, own) = entra_world("hunter2", Vec::new());
    let event = world.event(&own);
    assert_eq!(event["metadata"]["debug"], json!(["udf.udf3: not the id of a device in Entra"]));
    for record in events_about_the_device().iter().chain([&own]) {
        let json = world.try_event(record).unwrap().json;
        assert!(!json.contains("hunter2") && !json.contains("entra_device_id"), "{json}");
    }
    for (value, id) in [(ENTRA_ID, Some(ENTRA_ID)), ("a word", None)] {
        let (world, own) = entra_world(value, vec![3]);
        let event = world.event(&own);
        assert_eq!(entra_tag(&event).as_deref(), id);
        assert_eq!(event["metadata"]["debug"].is_null(), id.is_some());
        let listed = json!({ "name": "datto.udf3", "value": value });
        assert!(event["metadata"]["tags"].as_array().unwrap().contains(&listed), "{event}");
    }
}

#[test]
fn pivots_say_what_the_event_says() {
    let record = changed(json!({}), Marker::Open);
    let Event { id, json, pivots, replay: _ } = World::contoso().try_event(&record).unwrap();
    let event: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(event["metadata"]["uid"], id.to_string());
    assert_eq!(id, record.envelope.event_id());
    assert_eq!((pivots.stream, pivots.class_uid, pivots.class_name), (Stream::Alerts, 2004, "detection_finding"));
    assert_eq!((pivots.activity_id, pivots.activity_name.as_str(), pivots.severity_id), (1, "Create", 3));
    assert_eq!((pivots.tenant_uid.as_str(), pivots.account_uid.as_str()), ("org-contoso", "ab1c0002"));
    assert_eq!((pivots.site_uid.as_deref(), pivots.device_uid.as_deref()), (Some(SITE), Some(SERVER)));
    assert_eq!((pivots.time.0, pivots.logged_time.0), (1_795_212_345_000, POLLED_AT));
    assert_eq!(pivots.subject, event["finding_info"]["uid"].as_str().unwrap());
    let moved = device_row("device", "move.device", json!({ "device.uid": SERVER }));
    let pivots = World::contoso().try_event(&activity(moved)).unwrap().pivots;
    // A managed entity is the key, not the subject.
    assert_eq!((pivots.device_uid.as_deref(), pivots.subject.as_str()), (Some(SERVER), "2f0a6b8c"));
    let login = World::msp().try_event(&activity(user_row("account", "login", json!({})))).unwrap().pivots;
    assert_eq!((login.device_uid, login.site_uid, login.subject.as_str()), (None, None, "1f0a6b8c"));
}

#[test]
fn the_raw_format_is_the_record_with_its_envelope() {
    let record = changed(json!({}), Marker::Update(2, "0123456789ab".into()));
    let mut world = World::contoso();
    let ocsf = world.try_event(&record).unwrap();
    world.options.format = Format::Raw;
    let raw = world.try_event(&record).unwrap();
    assert_eq!((raw.id, &raw.pivots), (ocsf.id, &ocsf.pivots));
    let expected = format!(
        "{{\"account_uid\":\"ab1c0002\",\"platform\":\"vidal\",\"type\":\"alert\",\"id\":\"{}\",\"tenant_uid\":\"org-contoso\",\
         \"site_uid\":\"{SITE}\",\"received_at\":{POLLED_AT},\"marker\":\"update:2:0123456789ab\",\
         \"path\":\"/v2/account/alerts/open\",\"record\":{}}}",
        ocsf.id,
        record.source.get()
    );
    assert_eq!(raw.json, expected);
    let device = super::world::record(RecordKind::Device, SERVER, Marker::Item(1, "0".into(), None), DEVICE);
    assert!(!world.try_event(&device).unwrap().json.contains("s3cr3t"));
}
