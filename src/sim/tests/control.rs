//! `/sim/…`, as tests in other languages use it.

use serde_json::json;

use super::*;

fn post(client: &Client, path: &str, body: &Value) -> (u16, Value) {
    let reply = client.sim.handle(&Request {
        method: "POST".to_owned(),
        path_and_query: path.to_owned(),
        body: body.to_string().into_bytes(),
        ..Request::default()
    });
    (reply.status, serde_json::from_slice(&reply.body).unwrap())
}

#[tokio::test(start_paused = true)]
async fn events_faults_truth_and_requests_work_over_http() {
    let mut client = Client::new(Options::quiet());
    let uid = "0f6c1d1e-7a43-4a2e-9c55-3d2f0f6b8a10";
    let open =
        json!({"kind": "open_alert", "uid": uid, "class": "ransomware_ctx", "priority": "Critical", "date_ms": 5});
    assert_eq!(post(&client, "/sim/events", &open), (200, json!([{"uid": uid}])));
    let alert = client.json(&format!("/api/v2/alert/{uid}"));
    assert_eq!((&alert["alertContext"]["@class"], &alert["timestamp"]), (&json!("ransomware_ctx"), &json!(5)));
    let several = json!([
        {"kind": "resolve_alert", "uid": uid, "by": "ada.quist"},
        {"kind": "update_alert", "uid": uid, "what": "priority"},
        {"kind": "rename_site", "site": "nowhere"},
        {"kind": "add_site", "name": "Neu & Söhne"},
        {"kind": "write_activity", "delay_ms": 60_000, "details": "{broken"},
    ]);
    let (status, results) = post(&client, "/sim/events", &several);
    assert_eq!(status, 409);
    assert_eq!(results[1], json!({"error": "this cannot happen to it now"}));
    assert_eq!(results[2], json!({"error": "name is missing"}));
    assert!(results[3]["uid"].is_string() && results[4]["uid"].is_string());
    assert_eq!(client.json(&format!("/api/v2/alert/{uid}"))["resolvedBy"], "ada.quist");

    let rule = json!({"kind": "status", "status": 503, "times": 1, "path": "/api/v2/account/alerts/open"});
    assert_eq!(post(&client, "/sim/faults", &json!([rule])).0, 200);
    assert_eq!(client.get("/api/v2/account/alerts/open").status, 503);
    assert_eq!(client.get("/api/v2/account/alerts/open").status, 200);
    assert_eq!(post(&client, "/sim/faults", &json!({"rules": [{"kind": "reset"}]})).0, 200);
    assert_eq!(client.get("/api/v2/account").status, 0);
    assert_eq!(post(&client, "/sim/faults", &json!({})).0, 200);
    assert_eq!(post(&client, "/sim/faults", &json!({"rulez": []})).0, 400);

    client.token.clear();
    let truth = client.json("/sim/truth");
    assert_eq!(truth["alerts"][0]["history"], json!([{"at": START.0, "what": "resolved"}]));
    assert_eq!(truth["activities"][0]["visible_from"], START.0 + 60_000);
    let requests = client.json("/sim/requests");
    assert_eq!(requests["requests"], 6, "nothing below /sim/ counts");
    assert_eq!(requests["max_in_window"], 6);
    assert_eq!(requests["paths"]["/api/v2/account/alerts/open"]["statuses"], json!({"200": 1, "503": 1}));
    assert_eq!(client.get("/sim/nothing").status, 404);
    assert_eq!(client.get("/sim/faults").status, 405);
}

#[tokio::test(start_paused = true)]
async fn a_row_has_the_user_and_a_device_the_antivirus_state_that_a_test_gives_them() {
    let client = Client::new(Options::quiet());
    let devices = client.json("/api/v2/account/devices")["devices"].clone();
    let device = devices.as_array().unwrap().iter().find(|device| device["antivirus"]["antivirusStatus"].is_string());
    let uid = device.unwrap()["uid"].as_str().unwrap();
    let user = json!({"id": 6001, "userName": "sam.lee", "firstName": null, "lastName": null});
    let commands = json!([
        {"kind": "write_activity", "entity": "DEVICE", "category": "job", "device": uid, "user": user},
        {"kind": "change_posture", "device": uid, "antivirus": "NotDetected"},
    ]);
    assert_eq!(post(&client, "/sim/events", &commands).0, 200);
    assert_eq!(client.json("/api/v2/activity-logs")["activities"][0]["user"], user);
    assert_eq!(client.json(&format!("/api/v2/device/{uid}"))["antivirus"]["antivirusStatus"], "NotDetected");
}

#[tokio::test(start_paused = true)]
async fn the_quota_and_the_block_can_be_caused() {
    let client = Client::new(Options::quiet());
    post(&client, "/sim/events", &json!({"kind": "set_foreign_rate", "rate": 597}));
    assert_eq!(client.get("/api/v2/account").delay, Duration::from_secs(1));
    assert_eq!(client.json("/api/v2/system/request_rate")["accountCount"], 600);
    assert_eq!(client.get("/api/v2/account").status, 429);
    post(&client, "/sim/events", &json!({"kind": "block"}));
    assert_eq!(client.get("/api/v2/account").status, 403);
}

/// Whatever comes in, an answer goes out.
#[tokio::test(start_paused = true)]
async fn nothing_that_is_asked_makes_it_panic() {
    let client =
        Client::new(Options { request_limit: u32::MAX, activity_history: 50, open_alerts: 20, ..Options::quiet() });
    let mut rng = fastrand::Rng::with_seed(11);
    let paths = [
        "account/alerts/open",
        "account/sites",
        "account/devices",
        "activity-logs",
        "alert/x",
        "site/%00/devices",
        "device/id/",
    ];
    let names =
        ["page", "max", "size", "from", "until", "searchAfter", "order", "muted", "entities", "siteName", "%ff"];
    let values = [
        "-1",
        "0",
        "1",
        "2147483647",
        "99999999999999999999",
        "%00",
        "é",
        "",
        "9223372036854775807,x",
        "next",
        "previous",
        "-9223372036854775808,00000000-0000-0000-0000-000000000000",
        "asc",
        "9999-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
    ];
    for _ in 0..3_000 {
        let pairs =
            (0..rng.usize(0..5)).map(|_| format!("{}={}", rng.choice(names).unwrap(), rng.choice(values).unwrap()));
        let query: Vec<String> = pairs.collect();
        let reply = client.get(&format!("/api/v2/{}?{}", rng.choice(paths).unwrap(), query.join("&")));
        assert!([200, 400, 404].contains(&reply.status), "{}", reply.status);
        let length = rng.usize(0..40);
        let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(length).collect();
        let path = ["/sim/events", "/sim/faults", "/auth/oauth/token"][rng.usize(0..3)];
        let body =
            Request { method: "POST".to_owned(), path_and_query: path.to_owned(), body: bytes, ..Request::default() };
        assert!(client.sim.handle(&body).status >= 400);
    }
}
