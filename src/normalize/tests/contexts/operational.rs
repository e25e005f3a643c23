//! Monitors of resources, hardware, backups and scripts.

use serde_json::{Value, json};

use super::{Row, check};
use crate::normalize::tests::world::World;

#[test]
fn resource_usage_of_the_device() {
    let data = json!({ "type": "CPU", "percentage": 97.5 });
    let row = Row {
        classes: &["perf_resource_usage_ctx"],
        label: "operational",
        analytic: ("CPU usage monitor", 1),
        types: json!(["Performance"]),
        title: "CPU usage high",
        message: "CPU is at 97.5% on CDHQ-FS01",
        evidence: json!([{ "name": "Resource", "data": data }]),
    };
    check(&row, data.clone());
    let event = World::contoso().alert(json!({ "@class": "perf_resource_usage_ctx", "percentage": 97 }));
    assert_eq!(event["finding_info"]["analytic"]["name"], "Resource usage monitor");
    assert_eq!(event["finding_info"]["title"], "Alert of perf_resource_usage_ctx");
    assert_eq!(event["message"], "perf_resource_usage_ctx on CDHQ-FS01");
}

#[test]
fn resource_usage_of_a_process_or_service() {
    let data = json!({ "processName": "java", "type": "MEMORY", "sample": 812.25 });
    let mut row = Row {
        classes: &["resource_usage_ctx", "process_resource_usage_ctx"],
        label: "operational",
        analytic: ("Process usage monitor", 1),
        types: json!(["Performance"]),
        title: "Process memory usage high",
        message: "java uses 812.25 memory on CDHQ-FS01",
        evidence: json!([{ "name": "Process", "data": data }]),
    };
    check(&row, data.clone());
    let data = json!({ "serviceName": "Spooler", "type": "CPU", "sample": 12 });
    row.classes = &["srvc_resource_usage_ctx"];
    row.analytic.0 = "Service usage monitor";
    (row.title, row.message) = ("Service CPU usage high", "Spooler uses 12 CPU on CDHQ-FS01");
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
        title: "Disk space low",
        message: "Disk C: on CDHQ-FS01 has 7.5% free",
        evidence: json!([{ "name": "Volume",
            "data": { "diskName": "C:", "totalVolume": 536_240_128.0, "freeSpace": 40_055_603.2 } }]),
    };
    let fields = json!({ "diskName": "C:", "totalVolume": 536_240_128.0, "freeSpace": 40_055_603.2,
        "unitOfMeasure": "PERCENT", "diskNameDesignation": "SINGLE_VOLUME" });
    check(&row, fields);
    for (free, total) in [(1.0, 0.0), (0.0, 0.0), (5.0, 1.0), (-1.0, 1.0)] {
        let context = json!({ "@class": "disk_usage_ctx", "diskName": "C:", "totalVolume": total, "freeSpace": free });
        assert_eq!(World::contoso().alert(context)["message"], "Disk space low on CDHQ-FS01");
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
            title: "File or folder size",
            message: "D:\\Logs on CDHQ-FS01 is above threshold",
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
        title: "Performance counter",
        message: "A performance counter is at 42.1 on CDHQ-FS01",
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
        title: "WMI query result",
        message: "A WMI query returned Degraded on CDHQ-FS01",
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
        title: "Component alert",
        message: &format!("Component monitor on CDHQ-FS01: {}", "x".repeat(120)),
        evidence: json!([{ "name": "Component output", "data": { "samples": [
            { "value": long }, { "name": "Status", "value": "Manual" }, { "name": "a.b", "value": "7" } ] } }]),
    };
    // The classes begin alike; serde_json sorts the samples' names.
    let row = Row { classes: &row.classes[..1], ..row };
    check(&row, json!({ "samples": { "": long, "Status": "Manual", "a.b": 7, "c": null } }));
    let other =
        World::contoso().alert(json!({ "@class": "comp_script_ctx_v2", "samples": { "Alert": "Disk\nfailed" } }));
    assert_eq!(other["finding_info"]["title"], "Component alert");
    assert_eq!(other["message"], "Component monitor on CDHQ-FS01: Alert: Disk failed");
    assert_eq!(other["finding_info"]["analytic"]["name"], "Component monitor");
    let bare = World::contoso().alert(json!({ "@class": "comp_script_ctx", "samples": {} }));
    assert_eq!(bare["message"], "Component alert on CDHQ-FS01");
}

#[test]
fn backup() {
    let row = Row {
        classes: &["backup_management_ctx"],
        label: "operational",
        analytic: ("Backup monitor", 1),
        types: json!(["Backup"]),
        title: "Backup failed",
        message: "Backup of CDHQ-FS01 failed: VSS failed",
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
        title: "SNMP Toner",
        message: "Toner is 3 on CDHQ-FS01",
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
        title: "SNMP UPS load",
        message: "UPS load is 91 on CDHQ-FS01",
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
        title: "Printer supply low",
        message: "Printer supply is at 4 on CDHQ-FS01",
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
        title: "Fan problem",
        message: "Fan problem on CDHQ-FS01: too slow",
        evidence: json!([{ "name": "Hardware", "data": { "type": "FAN", "reason": "too slow" } }]),
    };
    check(&row, json!({ "type": "FAN", "reason": "too slow" }));
    let row = Row {
        classes: &["temperature_ctx"],
        title: "Temperature problem",
        message: "Temperature problem on CDHQ-FS01: 71.5",
        evidence: json!([{ "name": "Hardware", "data": { "type": "TEMPERATURE", "degree": 71.5 } }]),
        ..row
    };
    check(&row, json!({ "type": "TEMPERATURE", "degree": 71.5 }));
}
