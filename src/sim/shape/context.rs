//! Alert contexts: every `@class` of datto-rmm-api.md section 9, under the names of the wire.

use fastrand::Rng;
use serde_json::{Value, json};

use crate::clock::Millis;
use crate::sim::dice::{pick, weighted};
use crate::sim::names;

/// A class, how often it occurs, and what makes its fields.
struct Class {
    names: &'static [&'static str],
    weight: u32,
    fields: fn(&mut Rng, Millis) -> Value,
}

/// The names of the contract's schemas in derived form, their other names, and those that no contract mentions.
const CLASSES: &[Class] = &[
    Class { names: &["comp_script_ctx"], weight: 20, fields: script },
    Class { names: &["eventlog_ctx"], weight: 16, fields: event_log },
    Class { names: &["perf_resource_usage_ctx"], weight: 12, fields: performance },
    Class { names: &["perf_disk_usage_ctx", "disk_usage_ctx"], weight: 12, fields: disk_usage },
    Class { names: &["online_offline_status_ctx"], weight: 10, fields: online_status },
    Class { names: &["srvc_status_ctx"], weight: 8, fields: service_status },
    Class { names: &["patch_ctx"], weight: 6, fields: patch },
    Class { names: &["antivirus_ctx"], weight: 5, fields: antivirus },
    Class { names: &["process_status_ctx", "status_ctx"], weight: 4, fields: process_status },
    Class { names: &["process_resource_usage_ctx", "resource_usage_ctx"], weight: 4, fields: process_usage },
    Class { names: &["srvc_resource_usage_ctx"], weight: 3, fields: service_usage },
    Class { names: &["fs_object_ctx", "filesystem_ctx"], weight: 3, fields: file_system },
    Class { names: &["custom_snmp_ctx"], weight: 3, fields: custom_snmp },
    Class { names: &["endpoint_security_threat_ctx"], weight: 3, fields: threat },
    Class { names: &["endpoint_security_windows_defender_ctx"], weight: 2, fields: threat },
    Class { names: &["ransomware_ctx"], weight: 2, fields: ransomware },
    Class { names: &["sw_action_ctx", "action_ctx"], weight: 3, fields: software },
    Class { names: &["security_management_ctx", "sec_management_ctx"], weight: 2, fields: security_management },
    Class { names: &["seccenter_ctx"], weight: 2, fields: security_center },
    Class { names: &["backup_management_ctx"], weight: 2, fields: backup },
    Class { names: &["disk_health_ctx", "fan_ctx", "psu_ctx"], weight: 3, fields: host_hardware },
    Class { names: &["temperature_ctx"], weight: 1, fields: temperature },
    Class { names: &["network_monitor_ctx"], weight: 1, fields: network },
    Class { names: &["ping_ctx"], weight: 2, fields: ping },
    Class { names: &["printer_ctx"], weight: 1, fields: printer },
    Class { names: &["snmp_probe_ctx"], weight: 1, fields: snmp_probe },
    Class { names: &["perf_mon_ctx", "windows_performance_ctx"], weight: 2, fields: counter },
    Class { names: &["wmi_ctx"], weight: 1, fields: wmi },
];

/// A context of a drawn class for an alert that opened at `opened`.
pub(crate) fn draw(rng: &mut Rng, opened: Millis) -> Value {
    let Some(class) = weighted(rng, CLASSES, |class| class.weight) else { return Value::Null };
    let name = pick(rng, class.names);
    tagged(name, (class.fields)(rng, opened))
}

/// A context of the class `name`; fields of the script class if nobody knows it.
pub(crate) fn of_class(rng: &mut Rng, opened: Millis, name: &str) -> Value {
    let known = CLASSES.iter().find(|class| class.names.contains(&name));
    tagged(name, known.map_or(script as fn(&mut Rng, Millis) -> Value, |class| class.fields)(rng, opened))
}

/// Shapes that no document promises. `None`: the alert has no `alertContext` at all.
pub(crate) fn odd(rng: &mut Rng, opened: Millis) -> Option<Value> {
    match rng.u8(0..6) {
        0 => None,
        1 => Some(Value::Null),
        2 => Some(json!({"samples": {"Status": "no class here"}})),
        3 => {
            Some(tagged("comp_script_ctx", json!({"samples": {"": "said without a name", "alert": "a", "Alert": "A"}})))
        }
        4 => Some(tagged(
            "esxi_datastore_ctx",
            json!({"datastoreName": "vol–1", "nested": {"deep": [1, null, {"x": 1.50}]}}),
        )),
        _ => Some(tagged("eventlog_ctx", nulls(event_log(rng, opened)))),
    }
}

/// All class names that [`draw`] can give.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    CLASSES.iter().flat_map(|class| class.names.iter().copied())
}

fn tagged(name: &str, mut fields: Value) -> Value {
    if let Value::Object(map) = &mut fields {
        map.insert("@class".to_owned(), json!(name));
    }
    fields
}

fn nulls(mut fields: Value) -> Value {
    if let Value::Object(map) = &mut fields {
        map.values_mut().for_each(|value| *value = Value::Null);
    }
    fields
}

fn script(rng: &mut Rng, _: Millis) -> Value {
    let key = pick(rng, &["Alert", "alert", "Status", "STATUS", "Result"]);
    let text = pick(
        rng,
        &[
            "BSODView Command has Failed: access denied",
            "private profile is disabled",
            "Domain Zone DISABLED!",
            "Manual Maintenance",
            "Sicherung älter als 3 Tage",
        ],
    );
    match rng.u8(0..8) {
        0 => json!({"samples": {}}),
        1 => json!({"samples": {key: text, "Detail": "line 1\nline 2", "Code": "-2147467259"}}),
        _ => json!({"samples": {key: text}}),
    }
}

fn event_log(rng: &mut Rng, opened: Millis) -> Value {
    json!({
        "logName": pick(rng, &["Security", "System", "Application"]),
        "code": pick(rng, &["4625", "4740", "7036", "1102", "41"]),
        "type": pick(rng, &["ERROR", "WARNING", "INFORMATION", "AUDIT_FAILURE"]),
        "source": pick(rng, &["Microsoft-Windows-Security-Auditing", "Service Control Manager", "Eventlog"]),
        "description": "An account failed to log on.\r\n\r\nSubject:\r\n\tAccount Name:\tä.mustermann\r\n",
        "triggerCount": rng.u8(1..200),
        "lastTriggered": opened.0,
        "causedSuspension": rng.u8(0..10) == 0,
    })
}

fn performance(rng: &mut Rng, _: Millis) -> Value {
    json!({"percentage": decimal(rng, 1000, 10.0), "type": pick(rng, &["CPU", "MEMORY", "SNMP_THROUGHPUT"])})
}

fn disk_usage(rng: &mut Rng, _: Millis) -> Value {
    json!({
        "diskName": pick(rng, &["C:", "D:", "/var", "Volume Ü"]),
        "totalVolume": 249_378_812.0,
        "freeSpace": decimal(rng, 249_378_812, 1.0),
        "unitOfMeasure": pick(rng, &["PERCENT", "USED", "FREE"]),
        "diskNameDesignation": pick(rng, &["ANY_VOLUME", "ALL_VOLUMES", "SINGLE_VOLUME"]),
    })
}

fn online_status(rng: &mut Rng, _: Millis) -> Value {
    json!({"status": pick(rng, &["OFFLINE", "OFFLINE", "ONLINE"])})
}

fn service_status(rng: &mut Rng, _: Millis) -> Value {
    json!({"serviceName": pick(rng, &["Spooler", "MSSQLSERVER", "wuauserv"]), "status": "STOPPED"})
}

fn patch(rng: &mut Rng, _: Millis) -> Value {
    json!({
        "patchUid": text_uid(rng),
        "policyUid": text_uid(rng),
        "result": pick(rng, &["FAILURE", "SUCCESS", "REBOOT_REQUIRED"]),
        "info": "Error 0x80240022 - KB5063878",
    })
}

fn antivirus(rng: &mut Rng, _: Millis) -> Value {
    json!({"status": pick(rng, &["NOTDETECTED", "NOTRUNNING", "RUNNINGNOTUPTODATE"]), "productName": "Windows Defender"})
}

fn process_status(rng: &mut Rng, _: Millis) -> Value {
    json!({"processName": "vssvc.exe", "status": pick(rng, &["STOPPED", "RUNNING", "PAUSED", "STARTPENDING"])})
}

fn process_usage(rng: &mut Rng, _: Millis) -> Value {
    json!({"processName": "sqlservr.exe", "sample": decimal(rng, 1000, 10.0), "type": pick(rng, &["CPU", "MEMORY"])})
}

fn service_usage(rng: &mut Rng, _: Millis) -> Value {
    json!({"serviceName": "MSSQLSERVER", "type": pick(rng, &["CPU", "MEMORY"]), "sample": decimal(rng, 1000, 10.0)})
}

fn file_system(rng: &mut Rng, _: Millis) -> Value {
    let kind = if rng.bool() { Value::Null } else { json!("FILE") };
    let condition = if rng.bool() { Value::Null } else { json!("ABOVE_THRESHOLD") };
    json!({"sample": 5_368_709_120.5, "threshold": 1024.0, "path": "C:\\Temp\\größer.log", "objectType": kind, "condition": condition})
}

fn custom_snmp(rng: &mut Rng, _: Millis) -> Value {
    json!({"displayName": "ifInErrors", "currentValue": rng.u16(..).to_string(), "monitorInstance": "ge-0/0/1"})
}

fn threat(rng: &mut Rng, _: Millis) -> Value {
    json!({"esAlertId": rng.u32(..).to_string(), "description": "Trojan:Win32/Wacatac.B!ml detected in C:\\Users\\Ä\\Downloads\\invoice.exe"})
}

fn ransomware(rng: &mut Rng, opened: Millis) -> Value {
    json!({
        "state": rng.u8(0..4),
        "confidenceFactor": rng.u8(50..=100),
        "affectedDirectories": ["C:\\Users\\Public\\Documents", "D:\\Projekte\\Entwürfe"],
        "watchPaths": ["C:\\Users"],
        "rwextension": ".lockbit",
        "metaAlertTime": opened.0,
        "alertTime": opened.0.saturating_add(1),
    })
}

fn software(rng: &mut Rng, _: Millis) -> Value {
    let (action, previous) = match rng.u8(0..3) {
        0 => ("INSTALLED", Value::Null),
        1 => ("UNINSTALLED", Value::Null),
        _ => ("VERSION_CHANGED", json!("128.0.1")),
    };
    json!({"packageName": "Mozilla Firefox", "actionType": action, "prevVersion": previous, "version": "129.0"})
}

fn security_management(rng: &mut Rng, _: Millis) -> Value {
    json!({
        "status": rng.u8(0..5),
        "productName": "Webroot SecureAnywhere",
        "infoTime": 1_795_000_000_u32,
        "virusName": pick(rng, &["W32.Malware.Gen", ""]),
        "infectedFiles": ["C:\\temp\\a.exe"],
        "productNotUpdatedForDays": rng.u8(0..30),
        "systemRemainsInfectedForHours": 0,
        "expiryLicenseForDays": null,
    })
}

fn security_center(rng: &mut Rng, _: Millis) -> Value {
    json!({"productName": "Windows Defender", "alertType": pick(rng, &["DISABLED", "NOT_UPTODATE"])})
}

fn backup(rng: &mut Rng, _: Millis) -> Value {
    json!({"errorMessage": "backup did not finish", "timeout": rng.u16(1..1440)})
}

fn host_hardware(rng: &mut Rng, _: Millis) -> Value {
    json!({"reason": "sensor reports degraded", "type": pick(rng, &["FAN", "DISKHEALTH", "PSU"])})
}

fn temperature(rng: &mut Rng, _: Millis) -> Value {
    json!({"degree": decimal(rng, 900, 10.0), "type": "TEMPERATURE"})
}

fn network(_: &mut Rng, _: Millis) -> Value {
    json!({"description": "device 192.0.2.77 is new on the network"})
}

fn ping(rng: &mut Rng, _: Millis) -> Value {
    json!({"instanceName": "192.0.2.1", "roundtripTime": rng.u16(0..4000), "reasons": ["TIMEOUT", "PACKET_LOSS"]})
}

fn printer(rng: &mut Rng, _: Millis) -> Value {
    json!({"ipAddress": "192.0.2.40", "macAddress": "00005E005301", "markerSupplyIndex": 1, "currentLevel": rng.u8(0..100)})
}

fn snmp_probe(rng: &mut Rng, _: Millis) -> Value {
    json!({
        "ipAddress": "192.0.2.9",
        "OID": "1.3.6.1.2.1.1.3.0",
        "oid": "1.3.6.1.2.1.1.3",
        "ruleName": "uptime",
        "responseValue": rng.u32(..).to_string(),
        "deviceName": "core switch",
        "monitorName": "Uptime",
    })
}

fn counter(rng: &mut Rng, _: Millis) -> Value {
    json!({"value": decimal(rng, 100_000, 1000.0)})
}

fn wmi(rng: &mut Rng, _: Millis) -> Value {
    json!({"value": names::hostname(rng, "WMI", 1)})
}

fn decimal(rng: &mut Rng, below: u32, divisor: f64) -> f64 {
    f64::from(rng.u32(0..below)) / divisor
}

fn text_uid(rng: &mut Rng) -> String {
    uuid::Builder::from_random_bytes(rng.u128(..).to_be_bytes()).into_uuid().to_string()
}
