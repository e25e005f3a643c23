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
