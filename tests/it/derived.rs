//! A row that removes devices of several customers: one event of the row, and one of each device in its customer's tenant.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::simulated::Simulated;
use crate::workplace::{Workplace, ids};

fn is_derived(event: &&Value) -> bool {
    event["metadata"]["labels"].as_array().is_some_and(|labels| labels.contains(&json!("derived")))
}

#[test]
fn removed_devices_are_seen_by_their_customers_and_by_nobody_else() {
    let world = json!({
        "sites": 4, "devices": 12, "open_alerts": 0, "resolved_alerts": 0, "activity_history": 0, "alert_rate_per_hour": 0.0,
        "resolve_rate_per_hour": 0.0, "update_rate_per_hour": 0.0, "activity_rate_per_hour": 0.0,
        "inventory_rate_per_hour": 0.0, "activity_delay_max_ms": 0
    });
    let simulated = Simulated::start(&world);
    let place = Workplace::new(&simulated, "");
    place.once();
    // The clocks may differ by a second.
    std::thread::sleep(Duration::from_secs(3));
    let truth = simulated.get("/sim/truth");
    let devices = truth["devices"].as_array().unwrap();
    let mut events: Vec<Value> =
        devices.iter().map(|device| json!({ "kind": "remove_device", "device": device["uid"] })).collect();
    let uids: Vec<&str> = devices.iter().map(|device| device["uid"].as_str().unwrap()).collect();
    let details = json!({ "data.device_list": json!(uids).to_string(), "source.forwarded_ip": "198.51.100.23" });
    events.push(
        json!({ "kind": "write_activity", "category": "device", "action": "delete", "details": details.to_string() }),
    );
    let roles = json!({ "data.user_id": 7, "data.user_name": "sam.lee", "data.new_roles": "[\"Administrator\"]" });
    events.push(
        json!({ "kind": "write_activity", "category": "user", "action": "create", "details": roles.to_string() }),
    );
    simulated.post("/sim/events", &json!(events));

    let news = place.once();
    assert!(ids(&news).values().all(|n| *n == 1), "an event came twice");
    let rows: Vec<&Value> =
        news.iter().filter(|event| event["metadata"]["event_code"] == "USER.device.delete").collect();
    let (derived, whole): (Vec<&Value>, Vec<&Value>) = rows.into_iter().partition(is_derived);
    assert_eq!(
        (whole.len(), &whole[0]["count"], &whole[0]["metadata"]["tenant_uid"]),
        (1, &json!(uids.len()), &json!("msp"))
    );
    let told: BTreeMap<&str, (&str, &str)> = derived
        .iter()
        .map(|event| {
            let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap();
            assert_eq!(event["metadata"]["original_event_uid"], whole[0]["metadata"]["original_event_uid"]);
            assert_eq!((&event["class_uid"], &event["activity_id"]), (&json!(3004), &json!(4)));
            assert!(!event.to_string().contains(&uids.join("\\\",\\\"")), "the list names devices of others");
            (text("/entity/uid"), (text("/entity/name"), text("/metadata/tenant_uid")))
        })
        .collect();
    let expected: BTreeMap<&str, (&str, &str)> = devices
        .iter()
        .map(|device| {
            let text = |key: &str| device[key].as_str().unwrap();
            (text("uid"), (text("hostname"), text("site")))
        })
        .collect();
    assert_eq!((told, derived.len()), (expected, uids.len()));

    let made: Vec<(&Value, &Value, bool)> = news
        .iter()
        .filter(|event| event["metadata"]["event_code"] == "USER.user.create")
        .map(|event| (&event["class_uid"], &event["activity_id"], is_derived(&event)))
        .collect();
    assert_eq!(made, [(&json!(3001), &json!(1), false), (&json!(3005), &json!(1), true)]);

    let output = place.run(&["explain", derived[0]["metadata"]["uid"].as_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let repeated = place.once();
    assert_eq!(repeated.iter().filter(|event| event["metadata"]["log_name"] == "datto_rmm.activity").count(), 0);
}
