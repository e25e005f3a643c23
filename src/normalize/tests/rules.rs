//! One test per rule of the activity log (event-schema.md section 7), and one for each need that is not met.

use serde_json::{Value, json};

use super::recover::missing;
use super::world::*;
use crate::record::{Marker, RecordKind};

/// Class and activity of an event.
fn kind(event: &Value) -> (u64, u64) {
    (event["class_uid"].as_u64().unwrap(), event["activity_id"].as_u64().unwrap())
}

/// The event of a DEVICE row on the examples' server, judged, with nothing lost.
#[track_caller]
fn device(category: &str, action: &str, details: Value) -> Value {
    whole(&World::contoso(), device_row(category, action, details))
}

/// The event of a USER row, judged, with nothing lost.
#[track_caller]
fn user(category: &str, action: &str, details: Value) -> Value {
    whole(&World::msp(), user_row(category, action, details))
}

#[track_caller]
fn whole(world: &World, source: Value) -> Value {
    let event = world.activity(source.clone());
    assert_eq!(missing(&source, &event), Vec::<String>::new());
    assert_eq!(event["metadata"]["labels"][0], "audit");
    event
}

fn observable(event: &Value, path: &str) -> Value {
    let list = event["observables"].as_array().cloned().unwrap_or_default();
    list.into_iter().find(|observable| observable["name"] == path).unwrap_or_default()
}

#[test]
fn rule_1_remote_session() {
    let details = json!({ "remote_session.id": 55120, "remote_session.type": "jrto",
        "remote_session.start_date": 1_795_215_890_000_i64, "remote_session.details": [{ "action": "connect", "n": 1 }],
        "device.uid": SERVER, "device.hostname": "CDHQ-FS01", "source.forwarded_ip": "198.51.100.23", "user.id": 5521 });
    let event = device("remote", "jrto", details);
    assert_eq!(kind(&event), (4014, 1));
    assert_eq!((&event["tunnel_type_id"], &event["tunnel_type"]), (&json!(99), &json!("jrto")));
    assert_eq!(event["session"]["uid"], "55120");
    assert_eq!(event["metadata"]["correlation_uid"], "55120");
    assert_eq!((&event["device"]["uid"], &event["dst_endpoint"]["uid"]), (&json!(SERVER), &json!(SERVER)));
    assert_eq!(event["user"]["name"], "jane.doe");
    assert_eq!(event["src_endpoint"]["ip"], "198.51.100.23");
    assert_eq!(event["unmapped"]["datto_rmm"]["remote_session"]["details"], json!([{ "action": "connect", "n": 1 }]));
    assert_eq!(observable(&event, "device.uid")["value"], SERVER);
}

#[test]
fn rule_1_one_record_is_one_whole_session_or_use_of_a_tool() {
    let details = json!({ "data.device_id": 1_048_576, "data.device_uid": SERVER, "data.device_name": "CDHQ-FS01",
        "data.direct": true, "data.start": 1_795_214_000_000_i64, "data.end": "1795214060000" });
    let event = user("agent", "shot", details.clone());
    assert_eq!((kind(&event), &event["activity_name"]), ((4014, 99), &json!("Screenshot")));
    assert_eq!(
        (&event["start_time"], &event["end_time"]),
        (&json!(1_795_214_000_000_i64), &json!(1_795_214_060_000_i64))
    );
    assert_eq!((&event["duration"], &event["tunnel_type"]), (&json!(60_000), &json!("shot")));
    assert_eq!((&event["device"]["uid"], &event["device"]["uid_alt"]), (&json!(SERVER), &json!("1048576")));
    assert!(event.get("session").is_none());
    let session = user("agent", "rs", details.clone());
    assert_eq!((kind(&session), &session["duration"]), ((4014, 1), &json!(60_000)), "it opened, though it has an end");
    assert_eq!(session["time"], 1_795_214_400_125_i64, "the record's own date");
    for (category, action, activity, app) in [
        ("web.remote", "rto", "Open", "Datto RMM Web Remote"),
        ("web.remote.chat", "session", "Chat", "Datto RMM Chat"),
        ("remote", "chat", "Chat", "Datto RMM Chat"),
        ("remote", "jrto", "Open", "Datto RMM Web Remote"),
        ("agent", "event", "Event Viewer", "Datto RMM Event Viewer"),
        ("agent", "file", "File Manager", "Datto RMM File Manager"),
        ("agent", "rs", "Open", "Datto RMM Remote Support"),
    ] {
        let event = user(category, action, json!({}));
        assert_eq!(
            (&event["activity_name"], &event["app_name"]),
            (&json!(activity), &json!(app)),
            "{category} {action}"
        );
    }
    assert_eq!(kind(&user("agent", "uninstall", details)).0, 3004, "no remote tool");
    assert_eq!(kind(&device("agent", "shot", json!({}))).0, 3004, "no USER row");
}

#[test]
fn rule_2_patch() {
    let mut details = json!({ "patch_update.uid": "p-1", "patch_update.title": "KB5070884", "device.uid": SERVER,
        "patch_activity.success": false, "patch_activity.patch_install_start": 1_795_214_000_000_i64,
        "patch_activity.patch_install_end": 1_795_214_090_000_i64, "patch_update.id": 7 });
    let event = device("patch", "install", details.clone());
    assert_eq!(kind(&event), (5004, 1));
    let patch = &event["kb_article_list"][0];
    assert_eq!(
        (&patch["uid"], &patch["title"], &patch["install_state_id"]),
        (&json!("p-1"), &json!("KB5070884"), &json!(2))
    );
    assert_eq!((&event["status_id"], &event["severity_id"]), (&json!(2), &json!(2)));
    assert_eq!((&event["duration"], &event["metadata"]["correlation_uid"]), (&json!(90_000), &json!("p-1")));
    assert!(event.get("actor").is_none(), "needs the profile host");
    assert_eq!(event["unmapped"]["datto_rmm"]["user"]["userName"], "jane.doe");
    details["patch_activity.success"] = json!(true);
    assert_eq!(device("patch", "install", details.clone())["kb_article_list"][0]["install_state_id"], 1);
    assert_eq!(kind(&device("patch", "audit", details.clone())).0, 3004, "an audit installs nothing");
    let mut world = World::contoso();
    world.device = None;
    assert_eq!(kind(&whole(&world, device_row("patch", "install", details.clone()))).0, 3004, "no OS version");
    details.as_object_mut().unwrap().remove("patch_update.uid");
    assert_eq!(kind(&device("patch", "install", details)).0, 3004, "no patch");
}

#[test]
fn rule_3_job() {
    for (action, id) in [
        ("create", 1),
        ("edit", 2),
        ("update", 2),
        ("delete", 3),
        ("retire", 3),
        ("deployment", 6),
        ("rerun", 6),
        ("note", 99),
    ] {
        let event =
            device("job", action, json!({ "job.id": 9, "job.uid": "j-1", "job.status": "active", "note": "by hand" }));
        assert_eq!(kind(&event), (1006, id), "{action}");
        assert_eq!(event["job"]["name"], "job 9");
        assert_eq!((&event["job"]["run_state_id"], &event["job"]["user"]["uid"]), (&json!(3), &json!("5521")));
        assert_eq!(event["metadata"]["correlation_uid"], "j-1");
        assert_eq!(event["unmapped"]["datto_rmm"]["job"]["status"], "active");
        assert_eq!(event["status_detail"], "by hand");
    }
    let failed = device("job", "deployment", json!({ "job.name": "Reboot", "note": "Access denied." }));
    assert_eq!(
        (&failed["status_id"], &failed["severity_id"], &failed["job"]["name"]),
        (&json!(2), &json!(2), &json!("Reboot"))
    );
    for (status, id) in [("Completed", 4), ("running", 3), ("pending", 2), ("queued", 2), ("scheduled", 1), ("odd", 99)]
    {
        assert_eq!(device("job", "note", json!({ "job.status": status }))["job"]["run_state_id"], id, "{status}");
    }
    assert_eq!(kind(&user("job", "create", json!({ "job.id": 9 }))), (3004, 1), "no device: rule 9");
}

#[test]
fn rule_4_log_in_and_out() {
    for (action, id) in
        [("login", 1), ("user.logon", 1), ("sso_signin", 1), ("logout", 2), ("logoff", 2), ("signout", 2)]
    {
        let event = user("account", action, json!({ "source.forwarded_ip": "198.51.100.23, 10.0.0.1, junk" }));
        assert_eq!(kind(&event), (3002, id), "{action}");
        assert_eq!(event["service"], json!({ "name": "Datto RMM", "uid": "vidal" }));
        assert_eq!(event["src_endpoint"], json!({ "ip": "198.51.100.23", "intermediate_ips": ["10.0.0.1"] }));
        assert_eq!(event["is_remote"], true);
        assert_eq!(event["user"]["full_name"], "Jane Doe");
    }
    let failed = user("account", "login.failed", json!({}));
    assert_eq!((&failed["status_id"], &failed["severity_id"]), (&json!(2), &json!(2)));
    let mut anonymous = user_row("account", "login", json!({}));
    anonymous["user"] = Value::Null;
    assert_eq!(kind(&whole(&World::msp(), anonymous)).0, 3004, "no user");
}

#[test]
fn rule_5_roles() {
    let target =
        json!({ "data.user_id": 6001, "data.user_name": "sam.lee", "data.user_email": "sam@northwind.example" });
    let with = |given: Value, taken: Value| {
        let mut details = target.clone();
        details["data.new_roles"] = given;
        details["data.deleted_roles"] = taken;
        details
    };
    let event = user("user", "edit", with(json!(["Administrator", "Auditor"]), json!(["Guest"])));
    assert_eq!(kind(&event), (3005, 1));
    assert_eq!(event["privileges"], json!(["Administrator", "Auditor"]));
    assert_eq!((&event["user"]["uid"], &event["actor"]["user"]["uid"]), (&json!("6001"), &json!("5521")));
    assert_eq!(event["user"]["email_addr"], "sam@northwind.example");
    let left = &event["unmapped"]["datto_rmm"]["details"];
    assert_eq!(left, &json!([{ "name": "data.deleted_roles", "value": "[\"Guest\"]" }]));
    let revoked = user("user", "edit", with(json!([]), json!("Guest")));
    assert_eq!((kind(&revoked), &revoked["privileges"]), ((3005, 2), &json!(["Guest"])));
    assert_eq!(kind(&user("user", "edit", with(json!([]), Value::Null))), (3001, 99), "no role");
    assert_eq!(kind(&user("user", "edit", json!({ "data.new_roles": ["A"] }))).0, 3004, "no target");
    let many: Vec<String> = (0..150).map(|n| format!("role {n}")).collect();
    assert_eq!(user("user", "edit", with(json!(many), Value::Null))["privileges"].as_array().unwrap().len(), 100);
}

#[test]
fn rule_6_account_change() {
    let target = json!({ "data.user_id": 6001, "data.user_name": "sam.lee" });
    let cases = [
        ("create", 1),
        ("add", 1),
        ("invite", 1),
        ("password.change", 3),
        ("password.reset", 4),
        ("delete", 6),
        ("remove", 6),
        ("lock", 9),
        ("mfa.enable", 10),
        ("2fa_enable", 10),
        ("totp.disable", 11),
        ("totp.reset", 11),
        ("unlock", 12),
        ("edit", 99),
        ("generate.api.keys", 99),
    ];
    for (action, id) in cases {
        let event = user("user", action, target.clone());
        assert_eq!(kind(&event), (3001, id), "{action}");
        assert_eq!((&event["user"]["name"], &event["actor"]["user"]["name"]), (&json!("sam.lee"), &json!("jane.doe")));
        assert_eq!(event["activity_name"] == action, id == 99, "{action}");
    }
    for (enabled, id) in [(json!(true), 2), (json!("false"), 5)] {
        let mut details = target.clone();
        details["data.user_enabled"] = enabled;
        assert_eq!(kind(&user("user", "edit", details)), (3001, id));
    }
    let keys = user("authUser", "generate.api.keys", json!({ "data.for_user": "sam.lee" }));
    assert_eq!((kind(&keys), &keys["user"]["name"]), ((3001, 99), &json!("sam.lee")));
    let own = user("authUser", "generate.api.keys", json!({}));
    assert_eq!((kind(&own), &own["user"]["name"]), ((3001, 99), &json!("jane.doe")));
    assert_eq!(kind(&user("user", "delete", json!({}))), (3004, 4), "no target: rule 9");
}

#[test]
fn rule_7_device_move() {
    let details = json!({ "device.uid": SERVER, "data.from_site_id": 884_411, "data.from_site_uid": SITE,
        "data.from_site_name": "Contoso Dental - HQ", "data.to_site_id": 884_412, "data.to_site_uid": NORTH,
        "data.to_site_name": "Contoso Dental - North", "site.name": "Contoso Dental - HQ" });
    for event in [device("device", "move.device", details.clone()), user("device", "move.device", details.clone())] {
        assert_eq!(kind(&event), (3004, 5));
        assert_eq!(event["entity"]["device"]["org"]["ou_uid"], SITE);
        assert_eq!(event["entity_result"]["device"]["org"]["ou_uid"], NORTH);
        assert_eq!(event["entity_result"]["device"]["org"]["uid"], NORTH);
        assert!(event["metadata"]["tags"].to_string().contains("datto.to_tenant_uid"));
    }
    let mut unknown = details;
    unknown["data.to_site_uid"] = json!("nobody-knows");
    let event = device("device", "move.device", unknown);
    assert!(event.get("entity_result").is_none(), "an organization that nobody knows is not named");
    assert!(event["unmapped"]["datto_rmm"]["details"].to_string().contains("nobody-knows"));
    assert!(!event["metadata"]["tags"].to_string().contains("datto.to_tenant_uid"));
    let nameless = user("device", "move.device", json!({}));
    assert_eq!((kind(&nameless), &nameless["entity"]["uid"]), ((3004, 5), &json!("1f0a6b8c")), "no device: rule 9");
}

#[test]
fn rule_8_alert_resolved_in_the_portal() {
    let one = user("monitor", "resolve.alert", json!({ "data.alert_uid_list": "[\"a-1\"]", "data.monitor_id": 4 }));
    assert_eq!((kind(&one), &one["activity_name"]), ((3004, 99), &json!("resolve.alert")));
    assert_eq!(one["entity"], json!({ "type_id": 99, "type": "alert", "uid": "a-1" }));
    assert_eq!(one["metadata"]["correlation_uid"], "a-1");
    let many = user("monitor", "resolve.alert", json!({ "data.alert_uid_list": "a-1, a-2" }));
    assert_eq!(many["entity"]["uid"], "a-1");
    assert!(many["metadata"].get("correlation_uid").is_none());
    let array = user("monitor", "resolve.alert", json!({ "data.alert_uid_list": ["a-1", "a-2"] }));
    assert_eq!(array["entity"]["uid"], "a-1");
    assert_eq!((&array["count"], array["entity"].get("name")), (&json!(2), None));
    assert_eq!(user("monitor", "resolve.alert", json!({}))["entity"]["uid"], "1f0a6b8c");
}

#[test]
fn rule_9_verbs() {
    let cases = [
        ("create.and.push.changes", 1),
        ("add.from.comstore", 1),
        ("new", 1),
        ("import", 1),
        ("view", 2),
        ("read", 2),
        ("export", 2),
        ("download", 2),
        ("edit.and.push.changes", 3),
        ("update", 3),
        ("change.settings", 3),
        ("set", 3),
        ("toggle", 3),
        ("rename", 3),
        ("push.changes", 3),
        ("delete", 4),
        ("remove", 4),
        ("retire", 4),
        ("move", 5),
        ("approved", 6),
        ("approve", 6),
        ("enroll", 6),
        ("unenroll", 7),
        ("enable", 8),
        ("disable", 9),
        ("activate", 10),
        ("deactivate", 11),
        ("suspend", 12),
        ("pause", 12),
        ("resume", 13),
        ("Frob-Nicate", 99),
    ];
    for (action, id) in cases {
        let event = user("component", action, json!({ "data.component_uid": "c-1", "data.component_name": "Cleanup" }));
        assert_eq!(kind(&event), (3004, id), "{action}");
        assert_eq!(event["entity"], json!({ "type_id": 99, "type": "component", "uid": "c-1", "name": "Cleanup" }));
        assert_eq!(event["activity_name"] == action, id == 99, "{action}");
    }
}

#[test]
fn rule_9_entities() {
    let entity = |category: &str, details: Value| user(category, "edit", details)["entity"].clone();
    let site = entity("site", json!({ "data.site_uid": SITE, "data.site_id": 884_411, "data.site_name": "HQ" }));
    assert_eq!((&site["type_id"], &site["org"]), (&json!(4), &json!({ "uid": SITE, "name": "HQ" })));
    let policy = entity("policy", json!({ "data.policy_id": 4412 }));
    assert_eq!((&policy["type_id"], &policy["policy"]), (&json!(5), &json!({ "uid": "4412" })));
    assert_eq!(entity("monitor", json!({ "data.monitor_id": 7 }))["type_id"], 5);
    let filter = entity("filter", json!({ "data.id": 3, "data.name": "Servers" }));
    assert_eq!((&filter["type_id"], &filter["group"]), (&json!(3), &json!({ "uid": "3", "name": "Servers" })));
    assert_eq!(entity("security.level", json!({}))["type_id"], 3);
    let msp = json!({ "uid": "ab1c0002", "name": "Northwind IT Services" });
    let account = json!({ "type_id": 4, "type": "Organization", "uid": msp["uid"], "name": msp["name"], "org": msp });
    assert_eq!(entity("account", json!({})), account);
    let job = entity("job", json!({ "job.uid": "j-1", "job.name": "Reboot" }));
    assert_eq!(job, json!({ "type_id": 99, "type": "job", "uid": "j-1", "name": "Reboot" }));
    let server = entity("device", json!({ "data.device_uid": SERVER, "data.device_hostname": "CDHQ-FS01" }));
    assert_eq!((&server["type_id"], &server["device"]["hostname"]), (&json!(1), &json!("CDHQ-FS01")));
    assert_eq!(entity("branding", json!({})), json!({ "type_id": 99, "type": "branding", "uid": "1f0a6b8c" }));
}

#[test]
fn a_record_without_a_category_is_a_base_event() {
    for (category, action) in [(Value::Null, Value::Null), (json!(""), json!("edit")), (json!({ "x": 1 }), json!(7))] {
        let mut source = user_row("", "", json!({ "a": 1 }));
        (source["category"], source["action"]) = (category, action);
        let event = whole(&World::msp(), source);
        assert_eq!((kind(&event), &event["activity_name"]), ((0, 99), &json!("unmapped record")));
        assert_eq!(event["metadata"]["labels"], json!(["audit", "unmapped"]));
        assert!(event["raw_data"].is_string());
    }
}

#[test]
fn details_that_are_no_json_object_are_kept() {
    for text in ["{broken", "plain words", "[1,2]", "null", "7", "\"x\"", "{\"a\":1} trailing", " "] {
        let mut source = user_row("policy", "edit", json!({}));
        source["details"] = json!(text);
        let event = World::msp().activity(source);
        assert_eq!(event["unmapped"]["datto_rmm"]["details_text"], text);
        assert!(event["metadata"]["debug"][0].as_str().unwrap().starts_with("details: not "), "{text}");
    }
    let mut source = user_row("policy", "edit", json!({}));
    source["details"] = json!({ "data.policy_id": 4412 });
    assert_eq!(World::msp().activity(source)["entity"]["uid"], "4412", "an object in place of its text");
    let mut source = user_row("policy", "edit", json!({}));
    source["details"] = json!([{ "x": 1 }]);
    assert_eq!(World::msp().activity(source)["unmapped"]["datto_rmm"]["details"], json!([{ "x": 1 }]));
}

#[test]
fn what_happened_when_is_read_from_the_decimal_text() {
    for (token, ms) in [
        ("1689072497.714", 1_689_072_497_714_i64),
        ("1.689072497714E9", 1_689_072_497_714),
        ("1795214400", 1_795_214_400_000),
    ] {
        let source = format!(r#"{{"id":"x","entity":"USER","category":"policy","action":"edit","date":{token}}}"#);
        let record = record(RecordKind::ActivityUser, "x", Marker::Once, &source);
        let event = World::msp().event(&record);
        assert_eq!((&event["time"], &event["metadata"]["original_time"]), (&json!(ms), &json!(token)));
    }
    let record =
        record(RecordKind::ActivityUser, "x", Marker::Once, r#"{"entity":"USER","category":"policy","date":12}"#);
    let event = World::msp().event(&record);
    assert_eq!((&event["time"], &event["metadata"]["debug"]), (&json!(POLLED_AT), &json!(["date: not a time"])));
    assert_eq!(event["unmapped"]["datto_rmm"]["date"], 12);
}
