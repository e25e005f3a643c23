//! One test per row of the table of monitors (event-schema.md section 6), under every name of the row.

use serde_json::{Value, json};

use super::recover::missing;
use super::world::*;

/// What a row promises.
struct Row<'a> {
    classes: &'a [&'a str],
    label: &'a str,
    analytic: (&'a str, u32),
    types: Value,
    title: &'a str,
    /// `evidences`.
    evidence: Value,
}

/// Maps the context under each name, in odd case too, checks the row and that no value of the record is lost. Returns the
/// last event.
#[track_caller]
fn check(row: &Row<'_>, fields: Value) -> Value {
    let mut event = Value::Null;
    for class in row.classes.iter().flat_map(|class| [(*class).to_owned(), class.to_uppercase()]) {
        let mut context = fields.clone();
        context["@class"] = json!(class);
        let record = alert(context);
        event = World::contoso().event(&record);
        let info = &event["finding_info"];
        assert_eq!(event["metadata"]["labels"][0], row.label, "{class}");
        assert_eq!(event["metadata"]["event_code"], class);
        assert_eq!(info["analytic"]["name"], row.analytic.0, "{class}");
        assert_eq!(info["analytic"]["type_id"], row.analytic.1, "{class}");
        assert_eq!(info["analytic"]["uid"], class);
        assert_eq!(info["analytic"]["category"], row.label);
        assert_eq!(info["types"], row.types, "{class}");
        assert_eq!(info["title"], row.title, "{class}");
        assert_eq!(info["data_sources"], json!([format!("Datto RMM monitor: {class}")]));
        assert_eq!(event["evidences"], row.evidence, "{class}");
        let source = serde_json::from_str(record.source.get()).unwrap();
        assert_eq!(missing(&source, &event), Vec::<String>::new(), "{class}");
    }
    event
}

#[test]
fn antivirus() {
    let row = Row {
        classes: &["antivirus_ctx"],
        label: "posture",
        analytic: ("Antivirus status monitor", 1),
        types: json!(["Antivirus status"]),
        title: "Antivirus NOTRUNNING: Datto AV on CDHQ-FS01",
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
        title: "Ransomware detected on CDHQ-FS01",
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
            title: "Mimikatz was blocked",
            evidence: json!([{ "name": "Threat", "data": { "description": "Mimikatz was blocked", "esAlertId": "es-77" } }]),
        };
        let event = check(&row, json!({ "esAlertId": "es-77", "description": "Mimikatz was blocked" }));
        assert_eq!(event["finding_info"]["uid_alt"], "es-77");
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
        title: "EICAR on CDHQ-FS01",
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
        title: "Webroot: status 4",
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
        title: "Defender: NOT_UPTODATE on CDHQ-FS01",
        evidence: json!([{ "name": "Security product", "data": { "productName": "Defender", "alertType": "NOT_UPTODATE" } }]),
    };
    check(&row, json!({ "productName": "Defender", "alertType": "NOT_UPTODATE" }));
}

#[test]
fn event_log() {
    for (log, label) in [("Security", "security"), ("System", "operational")] {
        let data = json!({ "logName": log, "code": "4625", "type": "AUDIT_FAILURE", "source": "Auditing", "description": "An account\nfailed" });
        let row = Row {
            classes: &["eventlog_ctx"],
            label,
            analytic: ("Windows event log monitor", 1),
            types: json!(["Windows event log"]),
            title: &format!("Auditing event 4625 in {log} on CDHQ-FS01"),
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

#[test]
fn patch() {
    let data = json!({ "patchUid": "p", "policyUid": "q", "result": "3", "info": "KB5070884 failed" });
    let row = Row {
        classes: &["patch_ctx"],
        label: "posture",
        analytic: ("Patch monitor", 1),
        types: json!(["Patch"]),
        title: "Patch: KB5070884 failed on CDHQ-FS01",
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
        title: "7-Zip 24.08 INSTALLED on CDHQ-FS01",
        evidence: json!([{ "name": "Software", "data": data }]),
    };
    check(&row, data.clone());
}

#[test]
fn online_status() {
    let row = Row {
        classes: &["online_offline_status_ctx"],
        label: "availability",
        analytic: ("Online status monitor", 1),
        types: json!(["Availability"]),
        title: "CDHQ-FS01 is OFFLINE",
        evidence: Value::Null,
    };
    let event = check(&row, json!({ "status": "OFFLINE" }));
    let context = &event["unmapped"]["datto_rmm"]["context"];
    assert_eq!(context, &json!({ "ONLINE_OFFLINE_STATUS_CTX": { "status": "OFFLINE" } }));
}

#[test]
fn ping() {
    for (target, endpoint) in
        [("192.0.2.9", json!({ "ip": "192.0.2.9" })), ("gw.local", json!({ "hostname": "gw.local" }))]
    {
        let row = Row {
            classes: &["ping_ctx"],
            label: "availability",
            analytic: ("Ping monitor", 1),
            types: json!(["Availability"]),
            title: &format!("Ping of {target} from CDHQ-FS01"),
            evidence: json!([{ "name": "Ping target", "dst_endpoint": endpoint,
                "data": { "roundtripTime": 812, "reasons": ["slow"] } }]),
        };
        check(&row, json!({ "instanceName": target, "roundtripTime": 812, "reasons": ["slow", ""] }));
    }
}

#[test]
fn network() {
    let row = Row {
        classes: &["network_monitor_ctx"],
        label: "availability",
        analytic: ("Network monitor", 1),
        types: json!(["Availability"]),
        title: "Port 443 closed",
        evidence: json!([{ "name": "Network", "data": { "description": "Port 443 closed" } }]),
    };
    check(&row, json!({ "description": "Port 443 closed" }));
}

#[test]
fn process_and_service_status() {
    let mut row = Row {
        classes: &["status_ctx", "process_status_ctx"],
        label: "availability",
        analytic: ("Process status monitor", 1),
        types: json!(["Process"]),
        title: "sqlservr.exe is STOPPED on CDHQ-FS01",
        evidence: json!([{ "name": "Process", "data": { "processName": "sqlservr.exe", "status": "STOPPED" } }]),
    };
    let event = check(&row, json!({ "processName": "sqlservr.exe", "status": "STOPPED" }));
    let points = event["observables"].as_array().unwrap();
    assert!(points.iter().any(|o| o["name"] == "evidences[0].data.processName" && o["type_id"] == 9));
    row.classes = &["srvc_status_ctx"];
    row.analytic.0 = "Service status monitor";
    row.types = json!(["Service"]);
    row.title = "Spooler is STOPPED on CDHQ-FS01";
    row.evidence = json!([{ "name": "Service", "data": { "serviceName": "Spooler", "status": "STOPPED" } }]);
    check(&row, json!({ "serviceName": "Spooler", "status": "STOPPED" }));
}

#[test]
fn resource_usage_of_the_device() {
    let data = json!({ "type": "CPU", "percentage": 97.5 });
    let row = Row {
        classes: &["perf_resource_usage_ctx"],
        label: "operational",
        analytic: ("CPU usage monitor", 1),
        types: json!(["Performance"]),
        title: "CPU at 97.5% on CDHQ-FS01",
        evidence: json!([{ "name": "Resource", "data": data }]),
    };
    check(&row, data.clone());
    let event = World::contoso().alert(json!({ "@class": "perf_resource_usage_ctx", "percentage": 97 }));
    assert_eq!(event["finding_info"]["analytic"]["name"], "Resource usage monitor");
    assert_eq!(event["finding_info"]["title"], "perf_resource_usage_ctx on CDHQ-FS01");
}

#[test]
fn resource_usage_of_a_process_or_service() {
    let data = json!({ "processName": "java", "type": "MEMORY", "sample": 812.25 });
    let mut row = Row {
        classes: &["resource_usage_ctx", "process_resource_usage_ctx"],
        label: "operational",
        analytic: ("Process usage monitor", 1),
        types: json!(["Performance"]),
        title: "java MEMORY 812.25 on CDHQ-FS01",
        evidence: json!([{ "name": "Process", "data": data }]),
    };
    check(&row, data.clone());
    let data = json!({ "serviceName": "Spooler", "type": "CPU", "sample": 12 });
    row.classes = &["srvc_resource_usage_ctx"];
    row.analytic.0 = "Service usage monitor";
    row.title = "Spooler CPU 12 on CDHQ-FS01";
    row.evidence = json!([{ "name": "Service", "data": data }]);
    check(&row, data.clone());
}

#[test]
fn disk_usage() {
    let row = Row {
        classes: &["disk_usage_ctx", "perf_disk_usage_ctx"],
        label: "operational",
        analytic: ("Disk usage monitor", 1),
        types: json!(["Capacity"]),
        title: "Disk C: on CDHQ-FS01 has 7.5% free",
        evidence: json!([{ "name": "Volume",
            "data": { "diskName": "C:", "totalVolume": 536_240_128.0, "freeSpace": 40_055_603.2 } }]),
    };
    let fields = json!({ "diskName": "C:", "totalVolume": 536_240_128.0, "freeSpace": 40_055_603.2,
        "unitOfMeasure": "PERCENT", "diskNameDesignation": "SINGLE_VOLUME" });
    check(&row, fields);
    for (free, total) in [(1.0, 0.0), (0.0, 0.0), (5.0, 1.0), (-1.0, 1.0)] {
        let context = json!({ "@class": "disk_usage_ctx", "diskName": "C:", "totalVolume": total, "freeSpace": free });
        assert_eq!(World::contoso().alert(context)["finding_info"]["title"], "disk_usage_ctx on CDHQ-FS01");
    }
}

#[test]
fn file_system() {
    for (kind, id, caption) in
        [(json!("DIRECTORY"), 2, "Folder"), (json!("FILE"), 1, "Regular File"), (Value::Null, 1, "Regular File")]
    {
        let row = Row {
            classes: &["filesystem_ctx", "fs_object_ctx"],
            label: "operational",
            analytic: ("File/folder size monitor", 1),
            types: json!(["File system"]),
            title: "D:\\Logs: ABOVE_THRESHOLD on CDHQ-FS01",
            evidence: json!([{ "name": "File or folder",
                "file": { "name": "Logs", "path": "D:\\Logs", "type_id": id, "type": caption },
                "data": { "condition": "ABOVE_THRESHOLD", "sample": 12.5, "threshold": 10.0 } }]),
        };
        let fields = json!({ "sample": 12.5, "threshold": 10.0, "path": "D:\\Logs", "objectType": kind,
            "condition": "ABOVE_THRESHOLD" });
        check(&row, fields);
    }
}

#[test]
fn performance_counter() {
    let row = Row {
        classes: &["windows_performance_ctx", "perf_mon_ctx"],
        label: "operational",
        analytic: ("Performance counter monitor", 1),
        types: json!(["Performance"]),
        title: "Performance counter 42.1 on CDHQ-FS01",
        evidence: json!([{ "name": "Performance counter", "data": { "value": 42.1 } }]),
    };
    check(&row, json!({ "value": 42.1 }));
}

#[test]
fn wmi() {
    let row = Row {
        classes: &["wmi_ctx"],
        label: "custom",
        analytic: ("WMI monitor", 1),
        types: json!(["Custom"]),
        title: "WMI: Degraded on CDHQ-FS01",
        evidence: json!([{ "name": "WMI query", "data": { "value": "Degraded" } }]),
    };
    check(&row, json!({ "value": "Degraded" }));
}

#[test]
fn component() {
    let long = "x".repeat(130);
    let row = Row {
        classes: &["comp_script_ctx", "comp_script_v2_ctx"],
        label: "custom",
        analytic: ("Component monitor", 1),
        types: json!(["Custom"]),
        title: &"x".repeat(120),
        evidence: json!([{ "name": "Component output", "data": { "samples": [
            { "value": long }, { "name": "Status", "value": "Manual" }, { "name": "a.b", "value": "7" } ] } }]),
    };
    // The classes begin alike; serde_json sorts the samples' names.
    let row = Row { classes: &row.classes[..1], ..row };
    check(&row, json!({ "samples": { "": long, "Status": "Manual", "a.b": 7, "c": null } }));
    let other =
        World::contoso().alert(json!({ "@class": "comp_script_ctx_v2", "samples": { "Alert": "Disk\nfailed" } }));
    assert_eq!(other["finding_info"]["title"], "Disk failed");
    assert_eq!(other["finding_info"]["analytic"]["name"], "Component monitor");
    let bare = World::contoso().alert(json!({ "@class": "comp_script_ctx", "samples": {} }));
    assert_eq!(bare["finding_info"]["title"], "comp_script_ctx on CDHQ-FS01");
}

#[test]
fn backup() {
    let row = Row {
        classes: &["backup_management_ctx"],
        label: "operational",
        analytic: ("Backup monitor", 1),
        types: json!(["Backup"]),
        title: "Backup: VSS failed on CDHQ-FS01",
        evidence: json!([{ "name": "Backup", "data": { "errorMessage": "VSS failed", "timeout": 30 } }]),
    };
    check(&row, json!({ "errorMessage": "VSS failed", "timeout": 30 }));
}

#[test]
fn snmp() {
    let probe =
        json!({ "OID": "1.3.6", "oid": "1.3.7", "ruleName": "Toner", "responseValue": "3", "monitorName": "Printers" });
    let row = Row {
        classes: &["snmp_probe_ctx"],
        label: "operational",
        analytic: ("Printers", 1),
        types: json!(["SNMP"]),
        title: "Toner: 3 on CDHQ-FS01",
        evidence: json!([{ "name": "SNMP value", "dst_endpoint": { "ip": "192.0.2.7", "hostname": "prn-1" }, "data": probe }]),
    };
    let mut fields = probe.clone();
    fields["ipAddress"] = json!("192.0.2.7");
    fields["deviceName"] = json!("prn-1");
    check(&row, fields);
    let custom = json!({ "displayName": "UPS load", "currentValue": "91", "monitorInstance": "1" });
    let row = Row {
        classes: &["custom_snmp_ctx"],
        analytic: ("SNMP monitor", 1),
        title: "UPS load: 91 on CDHQ-FS01",
        evidence: json!([{ "name": "SNMP value", "data": custom }]),
        ..row
    };
    check(&row, custom.clone());
}

#[test]
fn printer() {
    let row = Row {
        classes: &["printer_ctx"],
        label: "operational",
        analytic: ("Printer supply monitor", 1),
        types: json!(["Printer"]),
        title: "Printer supply at 4 on CDHQ-FS01",
        evidence: json!([{ "name": "Printer", "dst_endpoint": { "ip": "192.0.2.7", "mac": "00:15:5D:01:0A:1F" },
            "data": { "markerSupplyIndex": 2, "currentLevel": 4 } }]),
    };
    let fields =
        |mac| json!({ "ipAddress": "192.0.2.7", "macAddress": mac, "markerSupplyIndex": 2, "currentLevel": 4 });
    let event = check(&row, fields("00-15-5d-01-0a-1f"));
    assert_eq!(event["unmapped"]["datto_rmm"]["context"]["PRINTER_CTX"]["macAddress"], "00-15-5d-01-0a-1f");
    check(&row, fields("00:15:5D:01:0A:1F"));
    let bad = World::contoso().alert(json!({ "@class": "printer_ctx", "ipAddress": "n/a", "macAddress": "n/a" }));
    assert_eq!(
        bad["unmapped"]["datto_rmm"]["context"]["printer_ctx"],
        json!({ "ipAddress": "n/a", "macAddress": "n/a" })
    );
    assert_eq!(bad["metadata"]["debug"], json!(["alertContext.ipAddress: not an IP address"]));
}

#[test]
fn hardware_health() {
    let row = Row {
        classes: &["fan_ctx", "psu_ctx", "disk_health_ctx"],
        label: "operational",
        analytic: ("Hardware health monitor", 1),
        types: json!(["Hardware"]),
        title: "FAN: too slow on CDHQ-FS01",
        evidence: json!([{ "name": "Hardware", "data": { "type": "FAN", "reason": "too slow" } }]),
    };
    check(&row, json!({ "type": "FAN", "reason": "too slow" }));
    let row = Row {
        classes: &["temperature_ctx"],
        title: "TEMPERATURE: 71.5 on CDHQ-FS01",
        evidence: json!([{ "name": "Hardware", "data": { "type": "TEMPERATURE", "degree": 71.5 } }]),
        ..row
    };
    check(&row, json!({ "type": "TEMPERATURE", "degree": 71.5 }));
}

#[test]
fn a_context_that_nobody_has_described() {
    let row = Row {
        classes: &["esxi_datastore_ctx"],
        label: "operational",
        analytic: ("Monitor", 0),
        types: json!(["Other"]),
        title: "ESXI_DATASTORE_CTX on CDHQ-FS01",
        evidence: json!([{ "name": "Context", "data": { "a": { "b": [1.50] }, "": "x", "c.d": true } }]),
    };
    let fields = json!({ "a": { "b": [1.50, null] }, "": "x", "c.d": true, "e": [] });
    let row = Row { title: "esxi_datastore_ctx on CDHQ-FS01", classes: &row.classes[..0], ..row };
    check(&row, fields.clone());
    let mut context = fields;
    context["@class"] = json!("esxi_datastore_ctx");
    let event = World::contoso().alert(context);
    assert_eq!(event["finding_info"]["title"], row.title);
    assert_eq!(event["evidences"], row.evidence);
    assert_eq!(event["finding_info"]["analytic"]["type_id"], 0);
}

#[test]
fn a_context_without_a_class_or_none_at_all() {
    let event = World::contoso().alert(json!({ "status": "odd" }));
    assert_eq!(event["finding_info"]["title"], "Alert on CDHQ-FS01");
    assert_eq!(event["metadata"]["event_code"], "alert");
    assert_eq!(event["evidences"][0]["data"]["status"], "odd");
    for context in [Value::Null, json!({}), json!("text"), json!([1]), json!(7), json!({ "@class": { "x": 1 } })] {
        let record = alert(context);
        let event = World::contoso().event(&record);
        let source = serde_json::from_str(record.source.get()).unwrap();
        assert_eq!(missing(&source, &event), Vec::<String>::new());
    }
}
