//! Monitors of what is up and reachable.

use serde_json::{Value, json};

use super::{Row, check};

#[test]
fn online_status() {
    let row = Row {
        classes: &["online_offline_status_ctx"],
        label: "availability",
        analytic: ("Online status monitor", 1),
        types: json!(["Availability"]),
        title: "Device offline",
        message: "CDHQ-FS01 is offline",
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
            title: "Ping failed or slow",
            message: &format!("Ping of {target} from CDHQ-FS01 failed or was slow"),
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
        title: "Network alert",
        message: "CDHQ-FS01: Port 443 closed",
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
        title: "Process stopped",
        message: "sqlservr.exe is stopped on CDHQ-FS01",
        evidence: json!([{ "name": "Process", "data": { "processName": "sqlservr.exe", "status": "STOPPED" } }]),
    };
    let event = check(&row, json!({ "processName": "sqlservr.exe", "status": "STOPPED" }));
    let points = event["observables"].as_array().unwrap();
    assert!(points.iter().any(|o| o["name"] == "evidences[0].data.processName" && o["type_id"] == 9));
    row.classes = &["srvc_status_ctx"];
    row.analytic.0 = "Service status monitor";
    row.types = json!(["Service"]);
    (row.title, row.message) = ("Service stopped", "Spooler is stopped on CDHQ-FS01");
    row.evidence = json!([{ "name": "Service", "data": { "serviceName": "Spooler", "status": "STOPPED" } }]);
    check(&row, json!({ "serviceName": "Spooler", "status": "STOPPED" }));
}

/// A service that protects the device is a matter of its posture.
#[test]
fn a_security_service_that_is_stopped() {
    for name in ["WinDefend", "CSFalconService", "Sophos Endpoint Defense Service"] {
        let row = Row {
            classes: &["srvc_status_ctx"],
            label: "posture",
            analytic: ("Service status monitor", 1),
            types: json!(["Service", "Security service"]),
            title: "Service stopped",
            message: &format!("{name} is stopped on CDHQ-FS01"),
            evidence: json!([{ "name": "Service", "data": { "serviceName": name, "status": "STOPPED" } }]),
        };
        check(&row, json!({ "serviceName": name, "status": "STOPPED" }));
    }
}
