//! The shape of every endpoint.

use super::*;
use crate::sim::failure::ErrorBody;

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn every_list_has_its_array_and_its_page_details() {
    let client = Client::new(Options::default());
    let lists = [
        ("/api/v2/account/sites", "sites", true),
        ("/api/v2/account/devices", "devices", true),
        ("/api/v2/account/users", "users", true),
        ("/api/v2/account/alerts/open", "alerts", false),
        ("/api/v2/account/alerts/resolved", "alerts", false),
        ("/api/v2/activity-logs", "activities", false),
    ];
    for (path, array, total) in lists {
        let page = client.json(path);
        let details = &page["pageDetails"];
        assert_eq!(details["count"], page[array].as_array().unwrap().len(), "{path}");
        assert_eq!(details.get("totalCount").is_some(), total, "{path}");
        assert_eq!(details["prevPageUrl"], Value::Null, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_of_a_list_can_be_asked_for_alone() {
    let client = Client::new(Options::default());
    let devices = client.walk("/api/v2/account/devices", "devices");
    assert_eq!(devices.len(), 150);
    for device in &devices {
        assert_eq!(&client.json(&format!("/api/v2/device/{}", device["uid"].as_str().unwrap())), device);
        assert_eq!(device["udf"].as_object().unwrap().len(), 300);
    }
    let device = &devices[0];
    assert_eq!(&client.json(&format!("/api/v2/device/id/{}", device["id"])), device);
    for site in client.walk("/api/v2/account/sites", "sites") {
        assert_eq!(client.json(&format!("/api/v2/site/{}", site["uid"].as_str().unwrap())), site);
    }
    for alert in client.walk("/api/v2/account/alerts/open", "alerts") {
        assert_eq!(client.json(&format!("/api/v2/alert/{}", alert["alertUid"].as_str().unwrap())), alert);
    }
}

#[tokio::test(start_paused = true)]
async fn lists_of_a_site_and_a_device_are_parts_of_the_whole() {
    let client = Client::new(Options { request_limit: 10_000, ..Options::default() });
    let all = client.walk("/api/v2/account/alerts/open", "alerts").len();
    let (mut of_sites, mut devices_of_sites) = (0, 0);
    for site in client.walk("/api/v2/account/sites", "sites") {
        let uid = site["uid"].as_str().unwrap();
        of_sites += client.walk(&format!("/api/v2/site/{uid}/alerts/open"), "alerts").len();
        let devices = client.walk(&format!("/api/v2/site/{uid}/devices?max=7"), "devices");
        assert_eq!(site["devicesStatus"]["numberOfDevices"], devices.len());
        devices_of_sites += devices.len();
        assert_eq!(client.get(&format!("/api/v2/device/{uid}/alerts/open")).status, 404);
    }
    assert_eq!((of_sites, devices_of_sites), (all, 150));
}

#[tokio::test(start_paused = true)]
async fn small_endpoints_and_errors() {
    let client = Client::new(Options { foreign_rate_per_minute: 40, ..Options::quiet() });
    assert_eq!(client.json("/api/v2/system/pagination"), serde_json::json!({"max": 250}));
    assert_eq!(keys(&client.json("/api/v2/system/status")), ["started", "status", "version"]);
    let rate = client.json("/api/v2/system/request_rate");
    // The login, three calls, and those of the others.
    assert_eq!((rate["accountCount"].as_i64(), rate["accountRateLimit"].as_i64()), (Some(44), Some(600)));
    assert_eq!(rate["slidingTimeWindowSizeSeconds"], 60);
    for unknown in
        ["/api/v2/alert/nobody", "/api/v2/site/x", "/api/v2/device/x", "/api/v2/device/id/x", "/api/v2/x", "/"]
    {
        let reply = client.get(unknown);
        assert_eq!(reply.status, 404, "{unknown}");
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        let is_no_path = body["errorMessage"].as_str().unwrap().contains("No static resource");
        assert_eq!(is_no_path, ["/api/v2/x", "/"].contains(&unknown), "{body}");
    }
    for bad in ["account/sites?page=-1", "account/sites?max=x", "account/users?max=0", "activity-logs?from=yesterday"] {
        assert_eq!(client.get(&format!("/api/v2/{bad}")).status, 400, "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_has_the_form_that_is_asked_for() {
    for (error_body, expected) in [
        (ErrorBody::ErrorMessage, serde_json::json!({"errorMessage": "alert not found"})),
        (ErrorBody::Message, serde_json::json!({"status": 404, "message": "alert not found"})),
    ] {
        let client = Client::new(Options { error_body, ..Options::quiet() });
        let reply = client.get("/api/v2/alert/nobody");
        assert_eq!(serde_json::from_slice::<Value>(&reply.body).unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_device_list_of_the_account_may_be_shorter_than_its_counts() {
    for (unlisted_are_counted, total) in [(true, 12), (false, 7)] {
        let client = Client::new(Options { unlisted_devices: 5, unlisted_are_counted, ..Options::quiet() });
        let page = client.json("/api/v2/account/devices");
        assert_eq!((page["devices"].as_array().unwrap().len(), &page["pageDetails"]["totalCount"]), (7, &total.into()));
        assert_eq!(client.json("/api/v2/account")["devicesStatus"]["numberOfDevices"], 12);
        let mut of_sites = 0;
        for site in client.walk("/api/v2/account/sites", "sites") {
            let uid = site["uid"].as_str().unwrap();
            of_sites += client.walk(&format!("/api/v2/site/{uid}/devices"), "devices").len();
        }
        assert_eq!(of_sites, 12);
    }
}

#[tokio::test(start_paused = true)]
async fn devices_show_every_class_format_and_gap() {
    let client = Client::new(Options { devices: 600, ..Options::default() });
    let devices = client.walk("/api/v2/account/devices", "devices");
    let any = |wanted: &dyn Fn(&Value) -> bool| devices.iter().any(wanted);
    for class in ["device", "printer", "esxihost", "rmmnetworkdevice", "unknown"] {
        assert!(any(&|device| device["deviceClass"] == class), "{class}");
    }
    assert!(any(&|device| device["lastSeen"].is_i64()) && any(&|device| device["lastSeen"].is_string()));
    assert!(
        any(&|device| device["antivirus"].is_null())
            && any(&|device| device["antivirus"]["antivirusStatus"].is_string())
    );
    assert!(any(&|device| device["deleted"] == true));
    let sites = client.walk("/api/v2/account/sites", "sites");
    assert!(sites.iter().any(|site| site["onDemand"] == true));
    assert!(sites.iter().any(|site| site["proxySettings"]["password"].is_string()));
    assert!(sites.iter().any(|site| uuid::Uuid::parse_str(site["uid"].as_str().unwrap()).is_err()));
}

#[tokio::test(start_paused = true)]
async fn filters_match_parts_of_names() {
    let client = Client::new(Options::default());
    let sites = client.walk("/api/v2/account/sites?siteName=FABRIKAM&max=1", "sites");
    assert_eq!(uids(&sites, "name"), ["Fabrikam HQ", "Fabrikam Warehouse"]);
    let devices = client.walk("/api/v2/account/devices?deviceType=serv&unknown=1", "devices");
    assert!(!devices.is_empty() && devices.iter().all(|device| device["deviceType"]["category"] == "Server"));
}

#[tokio::test(start_paused = true)]
async fn secrets_are_there_to_be_found() {
    let client = Client::new(Options::default());
    let text = String::from_utf8(client.get("/api/v2/account/devices").body).unwrap();
    assert!(text.matches("planted-secret").count() > 200, "web remote URLs and user-defined fields");
    let text = String::from_utf8(client.get("/api/v2/account/sites").body).unwrap();
    assert!(text.contains("planted-secret-proxy"));
}
