//! The published examples (event-schema.md section 16), made again from their records. Every difference is listed with its
//! reason; `observables` is left out, since the examples list only a part of those that section 4 asks for.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::recover::missing;
use super::world::*;
use crate::clock::Millis;
use crate::record::*;

/// Rows say whether they have output, and the site's numeric id is told nowhere else: the examples leave both out.
const OF_A_DEVICE_ROW: [&str; 3] = [
    "/unmapped/datto_rmm/hasStdErr: false ≠ null",
    "/unmapped/datto_rmm/hasStdOut: false ≠ null",
    "/unmapped/datto_rmm/site: {\"id\":884411} ≠ null",
];
const OF_A_USER_ROW: [&str; 2] = [OF_A_DEVICE_ROW[0], OF_A_DEVICE_ROW[1]];

/// What version 2 of the mapping does otherwise in every event; the examples are of version 1.
const OF_VERSION_2: [&str; 5] = [
    "/metadata/transformation_info_list/0/uid: \"2\" ≠ \"1\"",
    // Only the device's own event describes its agent.
    "/device/agent_list: null ≠",
    "/device/desc: null ≠",
    "/device/is_managed: null ≠",
    // It repeats `analytic.uid`.
    "/finding_info/data_sources: null ≠",
];

/// Makes the example's event from `record` and compares: all differences are `expected`, in order of their paths.
#[track_caller]
fn check(world: &World, name: &str, record: Record, expected: &[&str]) {
    check_within(world, name, record, &["/observables"], expected);
}

/// Like [`check`], for an inventory item, whose published example does not tell the marker that its id is made of.
#[track_caller]
fn check_item(world: &World, name: &str, record: Record, expected: &[&str]) {
    check_within(world, name, record, &["/observables", "/metadata/uid"], expected);
}

#[track_caller]
fn check_within(world: &World, name: &str, mut record: Record, left_out: &[&str], expected: &[&str]) {
    let example = &examples()[name];
    let metadata = &example["metadata"];
    record.envelope.native_id = metadata["original_event_uid"].as_str().unwrap().into();
    record.envelope.received_at = Millis(metadata["logged_time"].as_i64().unwrap());
    record.envelope.path = metadata["log_source"].as_str().unwrap().into();
    let made = world.event(&record);
    let mut found = Vec::new();
    differences("", &made, example, &mut found);
    let left_out: Vec<&str> = left_out.iter().chain(&OF_VERSION_2).copied().collect();
    found.retain(|difference| !left_out.iter().any(|path| difference.starts_with(path)));
    assert_eq!(found, expected, "{name}");
    let source: Value = serde_json::from_str(record.source.get()).unwrap();
    assert_eq!(missing(&without_secrets(source), &made), Vec::<String>::new(), "{name}");
}

fn examples() -> Map<String, Value> {
    serde_json::from_str(include_str!("../../../tests/fixtures/ocsf/examples.json")).unwrap()
}

fn from_raw_data(name: &str, kind: RecordKind, marker: Marker) -> Record {
    record(kind, "", marker, examples()[name]["raw_data"].as_str().unwrap())
}

fn without_secrets(mut source: Value) -> Value {
    for key in ["udf", "webRemoteUrl"] {
        source.as_object_mut().unwrap().remove(key);
    }
    source
}

/// Every `path: made ≠ published`.
pub(super) fn differences(path: &str, made: &Value, published: &Value, out: &mut Vec<String>) {
    match (made, published) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let (a, b) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                differences(&format!("{path}/{key}"), a, b, out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().for_each(|(n, (a, b))| differences(&format!("{path}/{n}"), a, b, out));
        }
        _ if made == published => {}
        _ => out.push(format!("{path}: {made} ≠ {published}")),
    }
}

/// Host and value are in the message.
const TITLE: &str = "/finding_info/title: \"Ransomware detected\" ≠ \"Ransomware detected on CDHQ-FS01\"";

#[test]
fn alert_opened() {
    let record = from_raw_data("detection_finding.create", RecordKind::Alert, Marker::Open);
    // `resolved` is a value of the record too while it is false.
    let expected = [TITLE, "/unmapped/datto_rmm/resolved: false ≠ null"];
    check(&World::contoso(), "detection_finding.create", record, &expected);
}

#[test]
fn alert_resolved() {
    let marker = Marker::Resolved(Some(Millis(1_795_219_545_000)));
    let record = from_raw_data("detection_finding.close", RecordKind::Alert, marker);
    // The table of section 6 knows `modified_time` for the end of an alert, and no `last_seen_time`.
    let expected = ["/finding_info/last_seen_time: null ≠ 1795219545000", TITLE];
    check(&World::contoso(), "detection_finding.close", record, &expected);
}

#[test]
fn operational_alert() {
    let source = json!({
        "alertUid": "b7d0c7b2-51d4-4d0f-8a4e-0d0b5d3f9c77", "priority": "Moderate", "diagnostics": "C: below 10% free",
        "resolved": false, "muted": false, "timestamp": 1_795_213_000_000_i64, "autoresolveMins": 60,
        "alertMonitorInfo": { "sendsEmails": false, "createsTicket": false },
        "alertContext": { "@class": "perf_disk_usage_ctx", "diskName": "C:", "totalVolume": 536_240_128.0,
            "freeSpace": 40_055_603.2, "unitOfMeasure": "PERCENT", "diskNameDesignation": "SINGLE_VOLUME" },
        "alertSourceInfo": { "deviceUid": SERVER, "deviceName": "CDHQ-FS01", "siteUid": SITE, "siteName": "Contoso Dental - HQ" },
    });
    let mut world = World::contoso();
    world.options.raw_data = crate::normalize::RawData::Off;
    let record = record(RecordKind::Alert, "", Marker::Open, &source.to_string());
    let expected = [
        "/finding_info/title: \"Disk space low\" ≠ \"Disk C: on CDHQ-FS01 has 7.5% free\"",
        // A full disk is no alert of a SOC.
        "/is_alert: false ≠ true",
        "/unmapped/datto_rmm/resolved: false ≠ null",
    ];
    check(&world, "detection_finding.operational", record, &expected);
}

#[test]
fn log_in() {
    let record = from_raw_data("authentication", RecordKind::ActivityUser, Marker::Once);
    check(&World::msp(), "authentication", record, &OF_A_USER_ROW);
}

#[test]
fn device_move() {
    let mut world = World::contoso();
    let mut laptop = world.device.take().unwrap();
    laptop.uid = "77b0a1c9-3d8e-4c4b-9f1a-2c5d6e7f8a90".into();
    laptop.source =
        r#"{"uid":"77b0a1c9-3d8e-4c4b-9f1a-2c5d6e7f8a90","deviceType":{"category":"Desktop"},"deviceClass":"x"}"#
            .into();
    world.device = Some(laptop);
    let record = from_raw_data("entity_management.move", RecordKind::ActivityDevice, Marker::Once);
    let tags = examples()["entity_management.move"]["metadata"]["tags"].to_string();
    let with_tag = tags.replace("}]", &format!("}},{{\"name\":\"datto.to_tenant_uid\",\"value\":\"{NORTH}\"}}]"));
    let moved = format!("/metadata/tags: {with_tag} ≠ {tags}");
    let mut expected = vec![
        // The record of the example has no address.
        "/actor/user/email_addr: null ≠ \"jane.doe@northwind.example\"",
        // Both sites belong to one organization there; here the second is its own, which a tag says too.
        "/entity_result/device/org/name: \"Contoso Dental - North\" ≠ \"Contoso Dental\"",
        "/entity_result/device/org/uid: \"c2a1e7d4-8f3b-4b61-b0c9-91d2f5a3e822\" ≠ \"org-contoso\"",
        // Names of several words stand in quotes since mapping version 2.
        "/message: \"jane.doe moved device CDHQ-WS14 from site \\\"Contoso Dental - HQ\\\" to \\\"Contoso Dental - North\\\"\" ≠ \"jane.doe moved device CDHQ-WS14 from site Contoso Dental - HQ to Contoso Dental - North\"",
        &moved,
    ];
    expected.extend(OF_A_DEVICE_ROW);
    check(&world, "entity_management.move", record, &expected);
}

#[test]
fn user_rows() {
    let row = |id: &str, category: &str, action: &str, date: &str, details: Value| {
        let mut details = details;
        details["user.email"] = json!("jane.doe@northwind.example");
        let source = format!(
            r#"{{"id":"{id}","entity":"USER","category":"{category}","action":"{action}","date":{date},
            "user":{{"id":5521,"userName":"jane.doe","firstName":"Jane","lastName":"Doe"}},"details":{}}}"#,
            Value::from(details.to_string())
        );
        record(RecordKind::ActivityUser, id, Marker::Once, &source)
    };
    let mut world = World::msp();
    world.options.raw_data = crate::normalize::RawData::Off;
    let frobnicate =
        row("6fa04b31-73e6-3d20-98cb-2c4fadf0b106", "integrations", "frobnicate", "1795215400.0", json!({}));
    // A thing without a name is known by its record; an audit entry is a completed action (section 7), here as everywhere.
    let expected = [
        "/entity/name: null ≠ \"integrations\"",
        "/entity/uid: \"6fa04b31-73e6-3d20-98cb-2c4fadf0b106\" ≠ null",
        "/status: \"Success\" ≠ null",
        "/status_id: 1 ≠ null",
    ];
    check(&world, "entity_management.fallback", frobnicate, &expected);
    let policy = json!({ "data.policy_id": 4412, "data.policy_name": "Workstation AV policy", "source.forwarded_ip": "198.51.100.23" });
    let policy = row("5e9f3a20-62d5-3c1f-87ba-1b3e9c8fa105", "policy", "edit", "1795215300.0", policy);
    // Sentences since mapping version 2.
    let expected = [
        "/message: \"jane.doe edited policy \\\"Workstation AV policy\\\"\" ≠ \"jane.doe: policy edit (Workstation AV policy)\"",
    ];
    check(&world, "entity_management.policy", policy, &expected);
    let created = json!({ "data.user_id": 6001, "data.user_name": "sam.lee", "source.forwarded_ip": "198.51.100.23" });
    let created = row("27d0a4c2-0c31-39d5-8d39-6d4a1de0f102", "user", "create", "1795214700.5", created);
    check(&world, "account_change", created, &[]);
    let roles = json!({ "data.user_id": 6001, "data.user_name": "sam.lee", "data.new_roles": ["Administrator"],
        "data.deleted_roles": [], "source.forwarded_ip": "198.51.100.23" });
    let roles = row("3b6c2fd6-4a0c-3a4e-a1e4-7a31e2f9b103", "user", "edit", "1795214800.0", roles);
    // A portal user belongs to the MSP (section 5), also as the one acted on.
    let expected = [
        "/message: \"jane.doe gave sam.lee the role Administrator\" ≠ \"jane.doe gave sam.lee: Administrator\"",
        "/user/org: {\"name\":\"Northwind IT Services\",\"uid\":\"ab1c0002\"} ≠ null",
        // Who is given the security level Administrator is one.
        "/user/type: \"Admin\" ≠ \"User\"",
        "/user/type_id: 2 ≠ 1",
    ];
    check(&world, "user_access", roles, &expected);
}

#[test]
fn job() {
    let details = json!({ "job.id": 90211, "job.uid": "8d0e4a7c-1b5f-4f1e-9d2c-3b4a5c6d7e8f", "job.name": "Patch Tuesday reboot",
        "job.status": "completed", "job.deployment_id": 771_203, "job.scheduled_job_id": 90210, "note": "Success",
        "device.uid": SERVER, "user.email": "jane.doe@northwind.example" });
    let mut source = device_row("job", "deployment", details);
    source["id"] = examples()["scheduled_job_activity"]["metadata"]["original_event_uid"].clone();
    source["date"] = serde_json::from_str("1795215500.25").unwrap();
    let mut world = World::contoso();
    world.options.raw_data = crate::normalize::RawData::Off;
    let record = record(RecordKind::ActivityDevice, "", Marker::Once, &source.to_string());
    // The example has the flags of the output, and the note where mapping version 1 had it.
    let expected =
        ["/status_detail: \"Success\" ≠ null", "/unmapped/datto_rmm/note: null ≠ \"Success\"", OF_A_DEVICE_ROW[2]];
    check(&world, "scheduled_job_activity", record, &expected);
}

#[test]
fn remote_session() {
    let record = from_raw_data("tunnel_activity", RecordKind::ActivityDevice, Marker::Once);
    let [err, out, site] = OF_A_DEVICE_ROW;
    let expected = [
        // jrto is Jump Remote Take Over.
        "/message: \"jane.doe took over the screen of CDHQ-FS01 from 198.51.100.23\" ≠ \"jane.doe opened a jrto remote session to CDHQ-FS01 from 198.51.100.23\"",
        err,
        out,
        // It is `tunnel_type` already.
        "/unmapped/datto_rmm/remote_session/type: null ≠ \"jrto\"",
        site,
        // The record of the example has no address.
        "/user/email_addr: null ≠ \"jane.doe@northwind.example\"",
    ];
    check(&World::contoso(), "tunnel_activity", record, &expected);
}

#[test]
fn patch() {
    let details = json!({ "device.uid": SERVER, "patch_update.uid": "a9d2f3b4-5c6d-4e7f-8a9b-0c1d2e3f4a5b",
        "patch_update.title": "2026-11 Cumulative Update for Windows Server 2022 (KB5070884)",
        "patch_activity.patch_install_start": 1_795_216_200_000_i64, "patch_activity.patch_install_end": 1_795_216_350_000_i64,
        "patch_activity.result": "0", "patch_activity.policy_uid": "3d0f6b8a-10aa-4c1c-8d2e-7b1a9c3e5f77" });
    let mut source = device_row("patch", "install", details);
    source["id"] = examples()["patch_state"]["metadata"]["original_event_uid"].clone();
    source["date"] = serde_json::from_str("1795216350.5").unwrap();
    source["user"] = Value::Null;
    let mut world = World::contoso();
    world.options.raw_data = crate::normalize::RawData::Off;
    let record = record(RecordKind::ActivityDevice, "", Marker::Once, &source.to_string());
    let mut expected = vec![
        // Since mapping version 2: a sentence, and Datto's result as the code of the status.
        "/message: \"2026-11 Cumulative Update for Windows Server 2022 (KB5070884) installed on CDHQ-FS01\" ≠ \"CDHQ-FS01: 2026-11 Cumulative Update for Windows Server 2022 (KB5070884) installed\"",
        "/status_code: \"0\" ≠ null",
        "/unmapped/datto_rmm/details: [{\"name\":\"patch_activity.policy_uid\",\"value\":\"3d0f6b8a-10aa-4c1c-8d2e-7b1a9c3e5f77\"}] ≠ [{\"name\":\"patch_activity.result\",\"value\":\"0\"},{\"name\":\"patch_activity.policy_uid\",\"value\":\"3d0f6b8a-10aa-4c1c-8d2e-7b1a9c3e5f77\"}]",
    ];
    expected.extend(OF_A_DEVICE_ROW);
    check(&world, "patch_state", record, &expected);
}

#[test]
fn device() {
    let mut world = World::contoso();
    world.list_udfs(&[1]);
    let record = record(RecordKind::Device, SERVER, Marker::Item(1, "00000000".into(), None), DEVICE);
    let expected = [
        // The example has these from the device audit.
        "/device/hw_info: null ≠ {\"bios_ver\":\"1.9.2\",\"cpu_cores\":8,\"ram_size\":32768,\"serial_number\":\"7QX2KD3\"}",
        "/device/model: null ≠ \"PowerEdge T350\"",
        // The table of section 8.
        "/device/modified_time: 1795150000000 ≠ null",
        "/device/network_interfaces: null ≠ [{\"ip\":\"10.20.0.5\",\"mac\":\"00:15:5D:01:0A:1F\",\"name\":\"Ethernet\",\"type\":\"Wired\",\"type_id\":1}]",
        "/device/vendor_name: null ≠ \"Dell Inc.\"",
        "/unmapped/datto_rmm/displayVersion: \"4.4.2306\" ≠ null",
        // Taking it apart cannot be undone.
        "/unmapped/datto_rmm/lastLoggedInUser: \"CONTOSO\\\\svc_backup\" ≠ null",
        "/unmapped/datto_rmm/siteId: 884411 ≠ null",
    ];
    check_item(&world, "inventory_info", record, &expected);
}

#[test]
fn posture() {
    let source = json!({ "uid": SERVER, "hostname": "CDHQ-FS01",
        "antivirus": { "antivirusProduct": "Datto AV", "antivirusStatus": "NotRunning" },
        "previous": { "antivirusStatus": "RunningAndUpToDate" } });
    let marker = Marker::Posture("antivirus".into(), "NotRunning".into(), Millis(1_795_216_300_000));
    let record = record(RecordKind::DevicePosture, "", marker, &source.to_string());
    check(&World::contoso(), "device_config_state_change", record, &[]);
}

#[test]
fn site() {
    let source = json!({ "id": 884_411, "uid": SITE, "accountUid": "ab1c0002", "name": "Contoso Dental - HQ",
        "description": "Main practice", "onDemand": false, "splashtopAutoInstall": true,
        "devicesStatus": { "numberOfDevices": 42, "numberOfOnlineDevices": 39, "numberOfOfflineDevices": 3 },
        "autotaskCompanyName": "Contoso Dental", "autotaskCompanyId": "29683",
        "proxySettings": { "host": "proxy.contoso.local", "port": 8080, "type": "http" } });
    let record = record(RecordKind::Site, SITE, Marker::Item(1, "00000000".into(), None), &source.to_string());
    check_item(&World::contoso(), "cloud_resources_inventory_info", record, &[]);
}

#[test]
fn portal_user() {
    let source = json!({ "id": 5521, "firstName": "Jane", "lastName": "Doe", "username": "jane.doe", "telephone": "+1-555-0100",
        "email": "jane.doe@northwind.example", "status": "active", "created": 1_690_000_000_000_i64,
        "lastAccess": 1_795_214_400_000_i64, "disabled": false });
    let record = record(RecordKind::User, "jane.doe", Marker::Item(1, "00000000".into(), None), &source.to_string());
    check_item(&World::msp(), "user_inventory", record, &[]);
}

#[test]
fn software() {
    let source = json!({ "deviceUid": SERVER, "hostname": "CDHQ-FS01", "lastAuditDate": 1_795_146_400_000_i64,
        "software": [{ "name": "7-Zip 24.08 (x64)", "version": "24.08" }, { "name": "Datto AV", "version": "1.0.40" }] });
    let record = record(RecordKind::Software, SERVER, Marker::Item(1, "00000000".into(), None), &source.to_string());
    let expected = [
        // The time of the poll, as for all inventory; the example has the time of the audit.
        "/metadata/original_time: \"1795216600000\" ≠ \"1795150000000\"",
        "/unmapped: {\"datto_rmm\":{\"lastAuditDate\":1795146400000}} ≠ null",
    ];
    check_item(&World::contoso(), "software_info", record, &expected);
}

#[test]
fn record_that_no_rule_maps() {
    let record = from_raw_data("base_event", RecordKind::ActivityUser, Marker::Once);
    let expected = [
        "/metadata/debug/0: \"details: not JSON (at column 2)\" ≠ \"details: not JSON (expected value at column 2)\"",
        // vintner's kinds are `activity.device` and, for every other entity, `activity.user`; the id follows from the kind.
        "/metadata/type: \"activity.user\" ≠ \"activity.site\"",
        "/metadata/uid: \"edb2318c-bfd0-5d60-8c7c-c3d71de1210f\" ≠ \"78dacaaf-ddfb-5336-946c-408fd7ad61a8\"",
        "/unmapped: {\"datto_rmm\":{\"details_text\":\"{broken\",\"entity\":\"SITE\"}} ≠ null",
    ];
    check(&World::msp(), "base_event", record, &expected);
}

/// The ids of all published examples, recomputed from account, type, native id and marker (event-schema.md section 4). The
/// four inventory examples do not tell the hex digits of their markers, so only their form can be looked at.
#[test]
fn ids_of_all_examples_follow_the_recipe() {
    let (mut computed, mut untold) = (0, Vec::new());
    for (name, example) in examples() {
        let metadata = &example["metadata"];
        let text = |key: &str| metadata[key].as_str().unwrap();
        let time = Millis(example["time"].as_i64().unwrap());
        let (kind, marker) = match text("type") {
            "alert" if example["activity_id"] == 1 => (RecordKind::Alert, Marker::Open),
            "alert" => (RecordKind::Alert, Marker::Resolved(Some(time))),
            "activity.device" => (RecordKind::ActivityDevice, Marker::Once),
            "device.posture" => {
                let state = example["unmapped"]["datto_rmm"]["antivirus"]["antivirusStatus"].as_str().unwrap();
                (RecordKind::DevicePosture, Marker::Posture(text("event_code").into(), state.into(), time))
            }
            // The kind of every other entity is `activity.user` here; the published id has the entity's own.
            "activity.user" | "activity.site" => (RecordKind::ActivityUser, Marker::Once),
            _ => {
                untold.push(name);
                assert_eq!(uuid::Uuid::parse_str(text("uid")).unwrap().get_version_num(), 5);
                continue;
            }
        };
        let record = record(kind, text("original_event_uid"), marker, "{}");
        assert_eq!(record.envelope.account.as_str(), metadata["reporter"]["org"]["uid"]);
        let is_same = record.envelope.event_id().to_string() == text("uid");
        assert_eq!(is_same, text("type") == kind.as_str(), "{name}");
        computed += 1;
    }
    let items = ["cloud_resources_inventory_info", "inventory_info", "software_info", "user_inventory"];
    assert_eq!((computed, untold), (17, items.map(str::to_owned).to_vec()));
}
