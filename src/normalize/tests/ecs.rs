//! Records in, ECS documents out: judged by ECS's own fields, with the values of event-schema.md section 13, and nothing lost.

use proptest::prelude::*;
use serde_json::{Value, json};

use self::judge::complaints;
use super::property;
use super::recover::missing;
use super::world::*;
use crate::clock::Millis;
use crate::normalize::{Format, redact};
use crate::record::{Marker, Record, RecordKind};

mod detections;
mod judge;

fn elastic(mut world: World) -> World {
    world.options.format = Format::Ecs;
    world
}

/// The document of a record: judged, and holding every value of the record.
#[track_caller]
fn document(world: World, record: &Record) -> Value {
    let json = elastic(world).try_event(record).unwrap().json;
    assert_eq!(complaints(&json), Vec::<String>::new(), "{json}");
    let document: Value = serde_json::from_str(&json).unwrap();
    let told = redact::strip(record.envelope.kind, &record.source);
    assert_eq!(missing(&serde_json::from_str(told.get()).unwrap(), &searchable(&document)), Vec::<String>::new());
    document
}

/// The document for the search of lost values: without the record's own text, and with its times as the record has them.
fn searchable(document: &Value) -> Value {
    let mut document = document.clone();
    let event = document["event"].as_object_mut().unwrap();
    event.remove("original");
    for key in ["start", "end"] {
        if let Some(time) = event.get(key).and_then(Value::as_str) {
            let ms = time.parse::<jiff::Timestamp>().unwrap().as_millisecond();
            event.insert(format!("{key}_ms"), ms.into());
        }
    }
    document
}

#[track_caller]
fn opened(context: Value) -> Value {
    document(World::contoso(), &alert(context))
}

/// `event.kind`, `category`, `type`, `action` and `outcome`.
fn kind(document: &Value) -> Value {
    let event = &document["event"];
    json!([event["kind"], event["category"], event["type"], event["action"], event["outcome"]])
}

#[test]
fn fields_of_an_alert() {
    let context = json!({ "@class": "ransomware_ctx", "state": 1, "confidenceFactor": 87, "rwextension": ".lockbit",
        "affectedDirectories": ["C:\\Shares\\Patients", "C:\\Shares\\Finance"], "alertTime": 1_795_212_340_000_i64 });
    let mut world = World::contoso();
    world.options.alert_url = Some("https://{platform}.rmm.example/alert/{alert_uid}".into());
    world.tenant.labels.insert("tier".into(), "gold".into());
    let record = alert(context);
    let ecs = document(world, &record);
    let ocsf = World::contoso().try_event(&record).unwrap();
    let mut told = ecs.clone();
    let (details, original) = (told["datto_rmm"].take(), told["event"]["original"].take());
    assert_eq!(original, record.source.get());
    let expected = json!({
        "@timestamp": "2026-11-20T22:05:45.000Z",
        "message": "Ransomware detected on CDHQ-FS01 (Contoso Dental - HQ): extension .lockbit, confidence 87",
        "ecs": { "version": "9.4.0" },
        "event": {
            "id": ocsf.id.to_string(), "kind": "alert", "category": ["malware"], "type": ["info"], "action": "alert-created",
            "code": "ransomware_ctx", "provider": "Datto RMM", "module": "datto_rmm", "dataset": "datto_rmm.alert",
            "created": "2026-11-20T22:06:11.250Z",
            "start": "2026-11-20T22:05:45.000Z", "severity": 47, "original": null, "hash": ecs["event"]["hash"],
            "reference": "https://vidal.rmm.example/alert/b7d0c7b2-51d4-4d0f-8a4e-0d0b5d3f9c77",
        },
        "log": { "level": "medium" },
        "rule": { "id": "ransomware_ctx", "name": "Ransomware monitor", "category": "security", "ruleset": "Datto RMM monitors" },
        "organization": { "id": "org-contoso", "name": "Contoso Dental" },
        "observer": { "vendor": "Datto", "product": "Datto RMM", "type": "rmm", "name": "vidal",
            "hostname": "vidal-api.centrastage.net", "version": env!("CARGO_PKG_VERSION") },
        "host": { "id": SERVER, "hostname": "CDHQ-FS01", "name": "cdhq-fs01", "ip": ["10.20.0.5"], "domain": "contoso.local",
            "type": "Server", "os": { "full": "Microsoft Windows Server 2022 Standard 10.0.20348",
                "name": "Microsoft Windows Server 2022 Standard", "type": "windows", "platform": "windows", "version": "10.0.20348" } },
        "file": { "path": "C:\\Shares\\Patients", "type": "dir" },
        "related": { "hosts": ["CDHQ-FS01"], "ip": ["10.20.0.5"] },
        "labels": { "datto_account_uid": "ab1c0002", "datto_site_uid": SITE, "datto_site_name": "Contoso Dental - HQ",
            "org_tier": "gold" },
        "tags": ["datto-rmm", "security"],
        "datto_rmm": null,
    });
    assert_eq!(told, expected);
    assert_eq!(details["priority"], "Moderate", "Datto's own names");
    let own = &details["ocsf"];
    assert_eq!(own["finding_info"]["uid"], "b7d0c7b2-51d4-4d0f-8a4e-0d0b5d3f9c77");
    assert_eq!(own["evidences"]["ransomware_ctx"][1]["file"]["path"], "C:\\Shares\\Finance");
    assert_eq!(
        (&own["class_uid"], &own["status"], &own["confidence_score"]),
        (&json!(2004), &json!("New"), &json!(87))
    );
}

#[test]
fn id_and_pivots_are_those_of_every_format() {
    for record in [alert(json!({ "@class": "wmi_ctx" })), activity(user_row("user", "create", json!({})))] {
        let ocsf = World::contoso().try_event(&record).unwrap();
        let ecs = elastic(World::contoso()).try_event(&record).unwrap();
        assert_eq!((ecs.id, ecs.pivots), (ocsf.id, ocsf.pivots));
    }
}

#[test]
fn life_of_an_alert() {
    let mut record =
        alert(json!({ "@class": "sw_action_ctx", "actionType": "INSTALLED", "packageName": "x", "version": "1" }));
    assert_eq!(
        kind(&document(World::contoso(), &record)),
        json!(["alert", ["package"], ["installation"], "alert-created", null])
    );
    record.envelope.marker = Marker::Update(1, "0123456789ab".into());
    record.envelope.changed = vec!["muted".into()];
    let update = document(World::contoso(), &record);
    assert_eq!(kind(&update), json!(["event", ["package"], ["info"], "alert-updated", null]));
    assert_eq!(update["event"]["reason"], "muted");
    let mut source: Value = serde_json::from_str(record.source.get()).unwrap();
    (source["resolved"], source["resolvedBy"]) = (json!(true), json!("jane.doe"));
    source["resolvedOn"] = json!(1_795_219_545_000_i64);
    record.source = serde_json::value::to_raw_value(&source).unwrap();
    record.envelope.marker = Marker::Resolved(Some(Millis(1_795_219_545_000)));
    let close = document(World::contoso(), &record);
    assert_eq!(kind(&close), json!(["event", ["package"], ["info"], "alert-resolved", null]));
    assert_eq!(close["event"]["duration"], 7_200_000_000_000_i64, "nanoseconds");
    assert_eq!(
        (&close["@timestamp"], &close["event"]["end"]),
        (&json!("2026-11-21T00:05:45.000Z"), &json!("2026-11-21T00:05:45.000Z"))
    );
    assert_eq!(close["datto_rmm"]["ocsf"]["status"], "Resolved");
}

#[test]
fn categories_of_alerts() {
    let rows = [
        ("ransomware_ctx", "malware"),
        ("endpoint_security_threat_ctx", "intrusion_detection"),
        ("endpoint_security_windows_defender_ctx", "intrusion_detection"),
        ("patch_ctx", "package"),
        ("action_ctx", "package"),
        ("process_status_ctx", "process"),
        ("process_resource_usage_ctx", "process"),
        ("fs_object_ctx", "file"),
        ("ping_ctx", "network"),
        ("network_monitor_ctx", "network"),
        ("custom_snmp_ctx", "network"),
        ("antivirus_ctx", "host"),
        ("online_offline_status_ctx", "host"),
        ("srvc_status_ctx", "host"),
        ("eventlog_ctx", "host"),
        ("comp_script_ctx", "host"),
        ("never_heard_of_ctx", "host"),
    ];
    for (class, category) in rows {
        let ecs = opened(json!({ "@class": class, "monitorName": "m", "status": "x" }));
        let is_alert = ["security", "posture", "custom"].contains(&ecs["rule"]["category"].as_str().unwrap());
        let as_kind = if is_alert { "alert" } else { "event" };
        assert_eq!(kind(&ecs), json!([as_kind, [category], ["info"], "alert-created", null]), "{class}");
    }
    let virus =
        opened(json!({ "@class": "security_management_ctx", "virusName": "EICAR", "infectedFiles": ["C:\\e.com"] }));
    assert_eq!((&virus["event"]["category"], &virus["file"]["path"]), (&json!(["malware"]), &json!("C:\\e.com")));
    let status = opened(json!({ "@class": "security_management_ctx", "productName": "AV", "status": 3 }));
    assert_eq!(status["event"]["category"], json!(["host"]));
    for (action, expected) in [("UNINSTALLED", "deletion"), ("VERSION_CHANGED", "change"), ("MOVED", "info")] {
        let ecs = opened(json!({ "@class": "action_ctx", "actionType": action, "packageName": "7-Zip" }));
        assert_eq!(ecs["event"]["type"], json!([expected]), "{action}");
    }
}

#[test]
fn evidence_in_fields_of_its_own() {
    let ecs = opened(json!({ "@class": "srvc_status_ctx", "serviceName": "Spooler", "status": "STOPPED" }));
    assert!(ecs.get("service").is_none(), "in ECS that is the service that data comes from");
    let evidence = &ecs["datto_rmm"]["ocsf"]["evidences"]["srvc_status_ctx"][0];
    assert_eq!(evidence["data"], json!({ "serviceName": "Spooler", "status": "STOPPED" }));
    let ecs = opened(json!({ "@class": "process_status_ctx", "processName": "sqlservr.exe", "status": "STOPPED" }));
    assert_eq!(ecs["process"], json!({ "name": "sqlservr.exe" }));
    let ecs = opened(
        json!({ "@class": "action_ctx", "packageName": "7-Zip", "version": "24.08", "actionType": "INSTALLED" }),
    );
    assert_eq!(ecs["package"], json!({ "name": "7-Zip", "version": "24.08" }));
    let ecs = opened(json!({ "@class": "ping_ctx", "instanceName": "192.0.2.1" }));
    assert_eq!(ecs["destination"], json!({ "address": "192.0.2.1", "ip": "192.0.2.1" }));
    let ecs = opened(json!({ "@class": "ping_ctx", "instanceName": "gw.contoso.local" }));
    assert_eq!(ecs["destination"], json!({ "address": "gw.contoso.local" }));
    assert_eq!(ecs["related"]["hosts"], json!(["CDHQ-FS01", "gw.contoso.local"]));
    let ecs = opened(json!({ "@class": "printer_ctx", "ipAddress": "10.0.0.9", "macAddress": "00:15:5d:01:0a:1f" }));
    assert_eq!(ecs["destination"]["mac"], "00-15-5D-01-0A-1F");
}

#[track_caller]
fn user(category: &str, action: &str, details: Value) -> Value {
    document(World::msp(), &activity(user_row(category, action, details)))
}

#[track_caller]
fn device(category: &str, action: &str, details: Value) -> Value {
    document(World::contoso(), &activity(device_row(category, action, details)))
}

#[test]
fn log_in_and_out() {
    let login = user(
        "account",
        "login",
        json!({ "source.forwarded_ip": "198.51.100.23, 203.0.113.9", "user.email": "j@n.example" }),
    );
    assert_eq!(kind(&login), json!(["event", ["authentication"], ["start"], "login", "success"]));
    assert_eq!(
        login["user"],
        json!({ "id": "5521", "name": "jane.doe", "full_name": "Jane Doe", "email": "j@n.example" })
    );
    assert_eq!(login["source"], json!({ "address": "198.51.100.23", "ip": "198.51.100.23" }));
    assert_eq!(
        login["related"],
        json!({ "ip": ["198.51.100.23", "203.0.113.9"], "user": ["jane.doe", "j@n.example"] })
    );
    assert_eq!((&login["event"]["severity"], &login["log"]["level"]), (&json!(0), &json!("informational")));
    assert!(login.get("host").is_none() && login.get("rule").is_none());
    let logout = user("account", "logout.failed", json!({}));
    assert_eq!(kind(&logout), json!(["event", ["authentication"], ["end"], "logout", "failure"]));
    assert_eq!(logout["event"]["severity"], 21);
}

#[test]
fn portal_users() {
    let target = json!({ "data.user_id": 6001, "data.user_name": "sam.lee" });
    for (action, types) in [("create", "creation"), ("delete", "deletion"), ("lock", "change"), ("frob", "change")] {
        let ecs = user("user", action, target.clone());
        assert_eq!(kind(&ecs), json!(["event", ["iam"], ["user", types], action, "success"]));
        assert_eq!(ecs["user"]["name"], "jane.doe");
        assert_eq!(ecs["user"]["target"], json!({ "id": "6001", "name": "sam.lee" }));
    }
    let roles =
        user("user", "edit", json!({ "data.user_name": "sam.lee", "data.new_roles": ["Administrator", "Operator"] }));
    assert_eq!(kind(&roles), json!(["event", ["iam"], ["user", "change"], "edit", "success"]));
    assert_eq!(roles["user"]["target"], json!({ "name": "sam.lee", "roles": ["Administrator", "Operator"] }));
}

#[test]
fn console_actions() {
    let policy = user("policy", "edit", json!({ "data.policy_id": 4412, "data.policy_name": "AV" }));
    assert_eq!(kind(&policy), json!(["event", ["configuration"], ["change"], "edit", "success"]));
    assert_eq!(policy["datto_rmm"]["ocsf"]["entity"]["name"], "AV");
    let moved = device("device", "move.device", json!({ "device.uid": SERVER, "data.to_site_uid": NORTH }));
    assert_eq!(kind(&moved), json!(["event", ["configuration", "host"], ["change"], "move.device", "success"]));
    assert_eq!(moved["host"]["id"], SERVER);
    let deleted = device("device", "delete", json!({ "device.uid": SERVER }));
    assert_eq!(kind(&deleted), json!(["event", ["configuration"], ["deletion"], "delete", "success"]));
    let read = device("device", "view", json!({ "device.uid": SERVER }));
    assert_eq!(kind(&read), json!(["event", ["configuration", "host"], ["access"], "view", "success"]));
    let other = user("integrations", "frobnicate", json!({}));
    assert_eq!(kind(&other), json!(["event", ["configuration"], ["info"], "frobnicate", "success"]));
    let unmapped = user("", "", json!({}));
    assert_eq!(kind(&unmapped), json!(["event", null, null, "unmapped-record", null]));
}

#[test]
fn jobs_patches_and_sessions() {
    let job = json!({ "job.id": 9, "job.name": "Reboot", "device.uid": SERVER });
    for (action, category, types) in
        [("create", "configuration", "creation"), ("deployment", "host", "start"), ("delete", "host", "change")]
    {
        let ecs = device("job", action, job.clone());
        assert_eq!(kind(&ecs), json!(["event", [category], [types], format!("job-{action}"), "success"]));
    }
    let patch = json!({ "device.uid": SERVER, "patch_update.uid": "p", "patch_activity.success": false });
    let patch = device("patch", "install", patch);
    assert_eq!(kind(&patch), json!(["event", ["package"], ["installation"], "install", "failure"]));
    let session = json!({ "remote_session.id": 1, "remote_session.type": "jrto", "device.uid": SERVER, "source.forwarded_ip": "::1" });
    let opened = device("remote", "jrto", session);
    assert_eq!(kind(&opened), json!(["event", ["session"], ["start"], "remote-jrto", "success"]));
    assert_eq!(opened["destination"], json!({ "address": "10.20.0.5", "ip": "10.20.0.5" }));
    assert_eq!((&opened["source"]["ip"], &opened["host"]["name"]), (&json!("::1"), &json!("cdhq-fs01")));
    let ended = user("agent", "rs", json!({ "data.device_uid": SERVER, "data.end": 1_795_214_060_000_i64 }));
    assert_eq!(kind(&ended), json!(["event", ["session"], ["start"], "remote-rs", "success"]));
}

#[test]
fn inventory() {
    let item =
        |kind, source: &str| document(World::contoso(), &record(kind, "x", Marker::Item(1, "0".into(), None), source));
    let device = item(RecordKind::Device, DEVICE);
    assert_eq!(kind(&device), json!(["asset", ["host"], ["info"], "device-inventory", "success"]));
    assert_eq!(
        (&device["host"]["id"], &device["related"]["ip"]),
        (&json!(SERVER), &json!(["10.20.0.5", "203.0.113.17"]))
    );
    assert_eq!(
        kind(&item(RecordKind::Site, "{}")),
        json!(["asset", ["configuration"], ["info"], "site-inventory", "success"])
    );
    let user = item(RecordKind::User, r#"{"username":"jane.doe","disabled":true}"#);
    assert_eq!(kind(&user), json!(["asset", ["iam"], ["info"], "user-inventory", "success"]));
    assert_eq!(user["user"], json!({ "name": "jane.doe" }));
    assert_eq!(
        kind(&item(RecordKind::Software, "{}")),
        json!(["asset", ["package"], ["info"], "software-inventory", "success"])
    );
    let marker = Marker::Posture("antivirus".into(), "NotRunning".into(), Millis(1_795_216_300_000));
    let posture = document(World::contoso(), &record(RecordKind::DevicePosture, SERVER, marker, "{}"));
    assert_eq!(kind(&posture), json!(["event", ["host", "configuration"], ["change"], "posture-changed", "success"]));
    assert_eq!(posture["datto_rmm"]["ocsf"]["security_level"], "At Risk");
}

#[test]
fn systems() {
    let rows = [
        ("Ubuntu 24.04.1", "linux", "linux"),
        ("macOS 15.1", "macos", "darwin"),
        ("iOS 18.0", "ios", "ios"),
        ("Android 15.0", "android", "android"),
    ];
    for (system, kind, platform) in rows {
        let source = json!({ "uid": "d", "operatingSystem": system }).to_string();
        let ecs = document(World::contoso(), &record(RecordKind::Device, "d", Marker::Once, &source));
        assert_eq!(
            (&ecs["host"]["os"]["type"], &ecs["host"]["os"]["platform"]),
            (&json!(kind), &json!(platform)),
            "{system}"
        );
        assert!(system.starts_with(ecs["host"]["os"]["name"].as_str().unwrap()));
    }
    let other = record(RecordKind::Device, "d", Marker::Once, r#"{"uid":"d","operatingSystem":"16.9.4"}"#);
    let other = document(World::contoso(), &other);
    assert_eq!(other["host"]["os"], json!({ "full": "16.9.4", "name": "16.9.4", "version": "16.9.4" }));
}

#[test]
fn a_huge_record_fits() {
    let many: Vec<String> = (0..8_000).map(|n| format!("{n} {}", "x".repeat(100))).collect();
    let record = alert(json!({ "@class": "x_ctx", "x": many, "y": many }));
    let json = elastic(World::contoso()).try_event(&record).unwrap().json;
    assert!(json.len() <= 900 * 1024 && complaints(&json).is_empty());
    let ecs: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(ecs["datto_rmm"]["ocsf"]["metadata"]["is_truncated"], true);
}

/// The document of any record: every leaf outside `datto_rmm` is a field of ECS with a right value, and no value is lost.
fn check(kind: RecordKind, marker: Marker, source: &Value) -> Result<(), TestCaseError> {
    let record = record(kind, "native-id", marker, &source.to_string());
    let json = elastic(World::contoso()).try_event(&record).unwrap().json;
    let found = complaints(&json);
    prop_assert!(found.is_empty(), "{found:#?}\n{json}");
    let document = serde_json::from_str(&json).unwrap();
    let told = serde_json::from_str(redact::strip(kind, &record.source).get()).unwrap();
    let lost = missing(&told, &searchable(&document));
    prop_assert!(lost.is_empty(), "{lost:#?}\n{document}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_alert(source in property::alert(), marker in property::marker()) {
        check(RecordKind::Alert, marker, &source)?;
    }

    #[test]
    fn any_activity(source in property::activity(), is_device in any::<bool>()) {
        check(if is_device { RecordKind::ActivityDevice } else { RecordKind::ActivityUser }, Marker::Once, &source)?;
    }

    #[test]
    fn any_inventory_item(device in property::object(property::DEVICE, property::value()),
        site in property::object(property::SITE, property::value()),
        user in property::object(property::USER, property::value()), marker in property::marker()) {
        check(RecordKind::Device, marker.clone(), &device)?;
        check(RecordKind::DevicePosture, marker.clone(), &device)?;
        check(RecordKind::Site, marker.clone(), &site)?;
        check(RecordKind::User, marker.clone(), &user)?;
        check(RecordKind::Software, marker, &user)?;
    }
}
