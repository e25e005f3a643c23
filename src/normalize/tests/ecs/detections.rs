//! What detections ask for in a document: kinds, techniques, typed fields, names that stay apart.

use std::sync::Arc;

use super::*;
use crate::normalize::Alerting;
use crate::normalize::lens::Lens;

/// A name has one type: Datto's fields give way to vintner's, whatever the event.
#[test]
fn names_of_vintner_s_own_are_source_names_where_datto_has_them() {
    let mut record = alert(json!({ "@class": "wmi_ctx" }));
    let mut source: Value = serde_json::from_str(record.source.get()).unwrap();
    (source["ocsf"], source["job"], source["finding"]) = (json!("theirs"), json!({ "x": 7 }), json!("f"));
    source["source_finding"] = json!("g");
    record.source = serde_json::value::to_raw_value(&source).unwrap();
    let own = document(World::contoso(), &record)["datto_rmm"].clone();
    assert_eq!((&own["source_ocsf"], &own["source_job"]), (&json!("theirs"), &json!({ "x": 7 })));
    assert_eq!((&own["source_finding"], &own["source_finding_"]), (&json!("g"), &json!("f")));
    assert_eq!((&own["ocsf"]["class_uid"], own.get("job")), (&json!(2004), None));
    let row = document(World::msp(), &activity(user_row("filter", "create", json!({ "data.filter_name": "F" }))));
    assert_eq!(row["datto_rmm"]["source_entity"], "USER");
    assert_eq!(row["datto_rmm"]["entity"]["type"], "Group");
    assert_eq!(row["datto_rmm"]["entity"]["name"], "F");
}

#[test]
fn labels_of_one_name_are_a_list() {
    let mut world = World::contoso();
    world.tenant.labels = [("a.b".to_owned(), "1".to_owned()), ("a_b".to_owned(), "2".to_owned())].into();
    let ecs = document(world, &alert(json!({ "@class": "wmi_ctx" })));
    assert_eq!(ecs["labels"]["org_a_b"], json!(["1", "2"]));
}

/// What detections ask for beyond ECS, as fields of a fixed type.
#[test]
fn typed_fields_beside_ecs() {
    let finding = opened(json!({ "@class": "wmi_ctx" }));
    assert_eq!(finding["datto_rmm"]["finding"], json!({ "uid": "b7d0c7b2-51d4-4d0f-8a4e-0d0b5d3f9c77" }));
    let details =
        json!({ "job.uid": "8d0e4a7c", "job.name": "Reboot", "job.status": "active", "job.deployment_id": 7 });
    let job = document(World::contoso(), &activity(device_row("job", "deployment", details)));
    assert_eq!(job["datto_rmm"]["job"], json!({ "uid": "8d0e4a7c", "name": "Reboot" }));
    let marker = Marker::Posture("antivirus".into(), "NotRunning".into(), Millis(1_795_216_300_000));
    let source = json!({ "uid": SERVER, "hostname": "h", "previous": { "antivirusStatus": "RunningAndUpToDate" } });
    let posture = record(RecordKind::DevicePosture, "d", marker, &source.to_string());
    let posture = document(World::contoso(), &posture);
    let expected = json!({ "aspect": "antivirus", "from": "RunningAndUpToDate", "to": "NotRunning" });
    assert_eq!(posture["datto_rmm"]["posture"], expected);
    for document in [finding, job, posture] {
        assert_eq!(document["datto_rmm"]["ocsf"]["metadata"]["mapping"], "2");
        assert_eq!(document["observer"]["version"], env!("CARGO_PKG_VERSION"));
        assert!(document["event"].get("ingested").is_none(), "the ingest node sets it");
    }
}

/// Techniques stand where Elastic looks for them, all of them.
#[test]
fn techniques_are_threat() {
    let mut world = World::contoso();
    world.options.lens = Arc::new(Lens::shipped());
    let ecs = document(world, &activity(user_row("agent", "file", json!({ "data.device_uid": SERVER }))));
    let expected = json!({
        "framework": "MITRE ATT&CK",
        "tactic": { "id": ["TA0011"], "name": ["Command and Control"] },
        "technique": { "id": ["T1219", "T1105"], "name": ["Remote Access Tools", "Ingress Tool Transfer"],
            "subtechnique": { "id": ["T1219.002"], "name": ["Remote Desktop Software"] } },
    });
    assert_eq!(ecs["threat"], expected);
    assert_eq!(ecs["labels"]["lens_rule"], json!(["remote-tool", "file-transfer"]));
    assert_eq!(ecs["labels"]["lens_rank"], "routine");
    let mut world = World::contoso();
    world.options.lens = Arc::new(Lens::shipped());
    let finding = document(world, &alert(json!({ "@class": "ransomware_ctx" })));
    assert_eq!(finding["threat"]["technique"]["id"], json!(["T1486"]));
    assert!(finding["threat"]["technique"].get("subtechnique").is_none());
}

#[test]
fn an_alert_that_vanished_was_not_resolved() {
    let mut record = alert(json!({ "@class": "ping_ctx" }));
    record.envelope.marker = Marker::Vanished(1);
    let ecs = document(World::contoso(), &record);
    assert_eq!((&ecs["event"]["action"], &ecs["event"]["kind"]), (&json!("alert-vanished"), &json!("event")));
    assert_eq!(ecs["event"]["reason"], "gone from both lists");
}

/// `event.kind` is `alert` for what the operator calls an alert.
#[test]
fn which_findings_are_alerts() {
    for (class, kind) in [
        ("ransomware_ctx", "alert"),
        ("antivirus_ctx", "alert"),
        ("wmi_ctx", "alert"),
        ("ping_ctx", "event"),
        ("printer_ctx", "event"),
    ] {
        let record = alert(json!({ "@class": class }));
        assert_eq!(document(World::contoso(), &record)["event"]["kind"], kind, "{class}");
        assert_eq!(World::contoso().event(&record)["is_alert"], kind == "alert", "{class}");
        let mut world = World::contoso();
        world.options.alerting = Alerting(vec!["availability"]);
        assert_eq!(world.event(&record)["is_alert"], class == "ping_ctx", "{class}");
    }
}
