//! Monitors of threats and of the security state.

use serde_json::{Value, json};

use super::{Row, check};
use crate::normalize::tests::world::World;

#[test]
fn antivirus() {
    let row = Row {
        classes: &["antivirus_ctx"],
        label: "posture",
        analytic: ("Antivirus status monitor", 1),
        types: json!(["Antivirus status"]),
        title: "Antivirus not running",
        message: "Antivirus Datto AV is not running on CDHQ-FS01",
        evidence: json!([{ "name": "Antivirus", "data": { "productName": "Datto AV", "status": "NOTRUNNING" } }]),
    };
    let event = check(&row, json!({ "status": "NOTRUNNING", "productName": "Datto AV" }));
    assert!(event.get("malware").is_none(), "a status is not malware");
}

#[test]
fn ransomware() {
    let directories: Vec<String> = (0..22).map(|n| format!("C:\\Shares\\{n}\\")).collect();
    let mut evidence: Vec<Value> = directories
        .iter()
        .take(20)
        .enumerate()
        .map(|(n, path)| {
            json!({ "name": "Affected directory",
            "file": { "name": n.to_string(), "path": path, "type_id": 2, "type": "Folder" } })
        })
        .collect();
    evidence.push(json!({ "name": "Affected directories", "data": { "affectedDirectories": &directories[20..] } }));
    let row = Row {
        classes: &["ransomware_ctx"],
        label: "security",
        analytic: ("Ransomware monitor", 2),
        types: json!(["Ransomware", "Malware"]),
        title: "Ransomware detected",
        message: "Ransomware detected on CDHQ-FS01 (Contoso Dental - HQ): extension .lockbit, confidence 34",
        evidence: evidence.into(),
    };
    let event = check(
        &row,
        json!({ "state": 1, "confidenceFactor": 34, "affectedDirectories": directories, "watchPaths": ["C:\\"],
            "rwextension": ".lockbit", "metaAlertTime": 1_795_212_300_000_i64, "alertTime": "2026-11-20T22:05:40Z" }),
    );
    assert_eq!((&event["confidence_score"], &event["confidence_id"]), (&json!(34), &json!(2)));
    assert_eq!(event["malware"][0]["name"], "Ransomware (.lockbit)");
    assert_eq!(event["malware"][0]["classification_ids"], json!([10]));
    assert_eq!(event["finding_info"]["first_seen_time"], 1_795_212_340_000_i64);
    // A time in another form than the event's own keeps its text.
    assert_eq!(event["unmapped"]["datto_rmm"]["context"]["RANSOMWARE_CTX"]["alertTime"], "2026-11-20T22:05:40Z");
}

#[test]
fn endpoint_security() {
    for (class, analytic) in [
        ("endpoint_security_threat_ctx", "Endpoint security (Datto)"),
        ("endpoint_security_windows_defender_ctx", "Endpoint security (Windows Defender)"),
    ] {
        let row = Row {
            classes: &[class],
            label: "security",
            analytic: (analytic, 0),
            types: json!(["Threat"]),
            title: "Threat found",
            message: "CDHQ-FS01: Mimikatz was blocked",
            evidence: json!([{ "name": "Threat", "data": { "description": "Mimikatz was blocked", "esAlertId": "es-77" } }]),
        };
        let event = check(&row, json!({ "esAlertId": "es-77", "description": "Mimikatz was blocked" }));
        assert_eq!(event["finding_info"]["uid_alt"], "es-77");
    }
}

/// The threat is a fact of its own where the description says which one was found where; any other text stays a text.
#[test]
fn endpoint_security_names_the_threat() {
    let of = |description: &str| {
        World::contoso()
            .alert(json!({ "@class": "endpoint_security_threat_ctx", "esAlertId": "7", "description": description }))
    };
    let path = "C:\\Users\\Ä\\Downloads\\invoice.exe";
    for verb in ["detected", "blocked", "was quarantined"] {
        let event = of(&format!("Trojan:Win32/Wacatac.B!ml {verb} in {path}"));
        let malware = &event["malware"][0];
        assert_eq!(
            (&malware["name"], &malware["classification_ids"]),
            (&json!("Trojan:Win32/Wacatac.B!ml"), &json!([0]))
        );
        assert_eq!((&malware["files"][0]["path"], &malware["files"][0]["name"]), (&json!(path), &json!("invoice.exe")));
        let points = event["observables"].as_array().unwrap();
        assert!(points.iter().any(|o| o["name"] == "malware[0].files[0].path" && o["value"] == path));
        assert_eq!(event["evidences"][0]["data"]["description"], format!("Trojan:Win32/Wacatac.B!ml {verb} in {path}"));
    }
    for text in [
        "A scan was detected in the network",
        "Scan of C:\\ in progress",
        "detected in C:\\x",
        "x found in C:\\x",
        "x detected in",
    ] {
        assert!(of(text).get("malware").is_none(), "{text}");
    }
}

#[test]
fn security_management_with_a_virus() {
    let files: Vec<String> = (0..25).map(|n| format!("/tmp/{n}.exe")).collect();
    let row = Row {
        classes: &["security_management_ctx", "sec_management_ctx"],
        label: "security",
        analytic: ("Security management monitor", 1),
        types: json!(["Malware"]),
        title: "Malware found",
        message: "EICAR was found on CDHQ-FS01",
        evidence: json!([{ "name": "Infected files", "data": { "infectedFiles": &files[20..] } }]),
    };
    let event =
        check(&row, json!({ "status": 2, "productName": "Webroot", "virusName": "EICAR", "infectedFiles": files }));
    let malware = &event["malware"][0];
    assert_eq!((&malware["name"], &malware["provider"]), (&json!("EICAR"), &json!("Webroot")));
    assert_eq!((&malware["classification_ids"], &malware["num_infected"]), (&json!([0]), &json!(25)));
    assert_eq!(malware["files"].as_array().unwrap().len(), 20);
    assert_eq!(
        malware["files"][3],
        json!({ "name": "3.exe", "path": "/tmp/3.exe", "type_id": 1, "type": "Regular File" })
    );
    let points = event["observables"].as_array().unwrap();
    assert!(points.iter().any(|o| o["name"] == "malware[0].files[19].path" && o["type_id"] == 45));
}

#[test]
fn security_management_without_a_virus() {
    let row = Row {
        classes: &["security_management_ctx", "sec_management_ctx"],
        label: "posture",
        analytic: ("Security management monitor", 1),
        types: json!(["Antivirus status"]),
        title: "Security product status",
        message: "Webroot on CDHQ-FS01 has status 4",
        evidence: json!([{ "name": "Security product",
            "data": { "productName": "Webroot", "status": 4, "infoTime": 3, "productNotUpdatedForDays": 9 } }]),
    };
    let fields = json!({ "status": 4, "productName": "Webroot", "infoTime": 3, "virusName": "", "infectedFiles": [],
        "productNotUpdatedForDays": 9 });
    assert!(check(&row, fields).get("malware").is_none());
    let files_only = json!({ "@class": "sec_management_ctx", "productName": "W", "infectedFiles": ["/a"] });
    let event = World::contoso().alert(files_only);
    assert_eq!(event["metadata"]["labels"], json!(["security"]));
    assert_eq!(event["evidences"][0]["data"]["infectedFiles"], json!(["/a"]));
}

#[test]
fn security_center() {
    let row = Row {
        classes: &["seccenter_ctx"],
        label: "posture",
        analytic: ("Windows Security Center monitor", 1),
        types: json!(["Antivirus status"]),
        title: "Security product not up to date",
        message: "Defender is not up to date on CDHQ-FS01",
        evidence: json!([{ "name": "Security product", "data": { "productName": "Defender", "alertType": "NOT_UPTODATE" } }]),
    };
    check(&row, json!({ "productName": "Defender", "alertType": "NOT_UPTODATE" }));
}

#[test]
fn event_log() {
    for (log, label) in [
        ("Security", "security"),
        ("System", "operational"),
        ("Microsoft-Windows-Windows Defender/Operational", "security"),
    ] {
        let data = json!({ "logName": log, "code": "4625", "type": "AUDIT_FAILURE", "source": "Auditing", "description": "An account\nfailed" });
        let row = Row {
            classes: &["eventlog_ctx"],
            label,
            analytic: ("Windows event log monitor", 1),
            types: json!(["Windows event log"]),
            title: "Windows event 4625",
            message: &format!("Auditing logged event 4625 in {log} on CDHQ-FS01"),
            evidence: json!([{ "name": "Windows event", "data": data }]),
        };
        let mut fields = data.clone();
        fields["triggerCount"] = json!(7);
        fields["lastTriggered"] = json!(1_795_212_344_000_i64);
        fields["causedSuspension"] = json!(false);
        let event = check(&row, fields);
        assert_eq!(
            (&event["count"], &event["finding_info"]["last_seen_time"]),
            (&json!(7), &json!(1_795_212_344_000_i64))
        );
    }
}

/// What tells of an intrusion in a log that holds other things too.
#[test]
fn event_log_by_code() {
    let label = |code: &str, source: &str| {
        let context = json!({ "@class": "eventlog_ctx", "logName": "System", "code": code, "source": source });
        World::contoso().alert(context)["metadata"]["labels"][0].clone()
    };
    assert_eq!(label("7045", "Service Control Manager"), "security");
    assert_eq!(label("104", "Microsoft-Windows-Eventlog"), "security");
    assert_eq!(
        (label("7036", "Service Control Manager"), label("104", "Some Program")),
        (json!("operational"), json!("operational"))
    );
}

#[test]
fn patch() {
    let data = json!({ "patchUid": "p", "policyUid": "q", "result": "3", "info": "KB5070884 failed" });
    let row = Row {
        classes: &["patch_ctx"],
        label: "posture",
        analytic: ("Patch monitor", 1),
        types: json!(["Patch"]),
        title: "Patch alert",
        message: "Patch on CDHQ-FS01: KB5070884 failed",
        evidence: json!([{ "name": "Patch", "data": data }]),
    };
    check(&row, data.clone());
}

#[test]
fn software() {
    let data = json!({ "packageName": "7-Zip", "actionType": "INSTALLED", "prevVersion": "23", "version": "24.08" });
    let row = Row {
        classes: &["action_ctx", "sw_action_ctx"],
        label: "posture",
        analytic: ("Software monitor", 1),
        types: json!(["Software change"]),
        title: "Software installed",
        message: "7-Zip 24.08 installed on CDHQ-FS01",
        evidence: json!([{ "name": "Software", "data": data }]),
    };
    check(&row, data.clone());
}
