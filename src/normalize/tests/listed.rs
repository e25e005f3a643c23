//! Rows whose details list things, and rows about several things, in every form that Datto writes lists in.

use serde_json::{Value, json};

use super::recover::missing;
use super::world::*;
use crate::record::Marker;
use crate::record::part::Part;

#[track_caller]
fn user(category: &str, action: &str, details: Value) -> Value {
    let source = user_row(category, action, details);
    let event = World::msp().activity(source.clone());
    assert_eq!(missing(&source, &event), Vec::<String>::new());
    event
}

/// The event of a part of a row on the examples' site.
#[track_caller]
fn part(part: Part, action: &str, details: Value) -> Value {
    let (category, mut world) = match part {
        Part::Device(_) => ("device", World::contoso()),
        Part::Roles => ("user", World::msp()),
    };
    world.options.lens = std::sync::Arc::new(crate::normalize::lens::Lens::shipped());
    let mut record = activity(user_row(category, action, details));
    record.envelope.marker = Marker::Derived(part);
    world.event(&record)
}

fn kind(event: &Value) -> (u64, u64) {
    (event["class_uid"].as_u64().unwrap(), event["activity_id"].as_u64().unwrap())
}

fn rules(event: &Value) -> Vec<String> {
    let tags = event["metadata"]["tags"].as_array().unwrap();
    tags.iter().filter(|tag| tag["name"] == "lens.rule").map(|tag| tag["value"].as_str().unwrap().to_owned()).collect()
}

fn with_roles(given: Value, taken: Value) -> Value {
    json!({ "data.user_id": 6001, "data.user_name": "sam.lee", "data.new_roles": given, "data.deleted_roles": taken })
}

#[test]
fn roles_are_the_same_as_an_array_and_as_text() {
    for given in [json!(["Administrator", "Auditor"]), json!("[\"Administrator\",\"Auditor\"]")] {
        let event = user("user", "edit", with_roles(given, json!("[]")));
        assert_eq!((kind(&event), &event["privileges"]), ((3005, 1), &json!(["Administrator", "Auditor"])));
        assert_eq!(
            (&event["message"], &event["user"]["type"]),
            (&json!("jane.doe gave sam.lee the roles Administrator, Auditor"), &json!("Admin"))
        );
    }
    for none in [json!("[]"), json!("null"), json!("{}"), json!(""), json!(" "), json!([]), Value::Null] {
        let taken = user("user", "edit", with_roles(none.clone(), json!("[\"Technician\"]")));
        assert_eq!((kind(&taken), &taken["privileges"]), ((3005, 2), &json!(["Technician"])), "{none}");
        let mut details = with_roles(none.clone(), none.clone());
        details["data.user_enabled"] = json!("false");
        assert_eq!(kind(&user("user", "edit", details)), (3001, 5), "{none}");
    }
}

#[test]
fn what_happens_to_an_account_wins_over_its_roles() {
    let text = json!("[\"Administrator\"]");
    for (action, id) in [("create", 1), ("delete", 6), ("lock", 9), ("password.reset", 4), ("2fa.disabled", 11)] {
        let event = user("user", action, with_roles(text.clone(), json!("[]")));
        assert_eq!(kind(&event), (3001, id), "{action}");
        assert_eq!(event["user"]["groups"], json!([{ "name": "Administrator", "type": "security level" }]));
        assert!(event["message"].as_str().unwrap().ends_with("sam.lee (Administrator)"), "{}", event["message"]);
        let roles = part(Part::Roles, action, with_roles(text.clone(), json!("[]")));
        assert_eq!((kind(&roles), &roles["privileges"]), ((3005, 1), &json!(["Administrator"])), "{action}");
        assert_eq!(roles["metadata"]["labels"], json!(["audit", "derived"]));
        assert_eq!(rules(&roles), ["roles-given"], "{action}");
        assert_eq!(roles["metadata"]["original_event_uid"], event["metadata"]["original_event_uid"]);
        assert_ne!(roles["metadata"]["uid"], event["metadata"]["uid"]);
    }
    let mut disabled = with_roles(text.clone(), Value::Null);
    disabled["data.user_enabled"] = json!(false);
    assert_eq!(kind(&user("user", "edit", disabled.clone())), (3001, 5));
    assert_eq!(kind(&part(Part::Roles, "edit", disabled)), (3005, 1));
}

#[test]
fn rows_in_the_past_tense_mean_the_same() {
    let target = json!({ "data.user_id": 6001, "data.user_name": "sam.lee" });
    for (action, id) in [("mfa.disabled", 11), ("user.2fa.disabled", 11), ("totp.enabled", 10), ("user.created", 1)] {
        assert_eq!(kind(&user("user", action, target.clone())), (3001, id), "{action}");
    }
    assert_eq!(user("user", "mfa.disabled", target)["user"]["has_mfa"], false);
    assert_eq!(kind(&user("account", "2fa.disable", json!({}))), (3004, 3), "the account itself is not disabled");
    assert_eq!(kind(&user("component", "deleted", json!({ "data.component_id": 1 }))), (3004, 4));
}

/// Factors and keys are added and removed, not users.
#[test]
fn what_happens_to_a_factor_or_a_key_does_not_happen_to_the_account() {
    let target = json!({ "data.user_id": 6001, "data.user_name": "sam.lee" });
    let cases = [
        ("2fa.remove", 11, Some(false)),
        ("mfa.deleted", 11, Some(false)),
        ("2fa.reset", 11, None),
        ("totp.add", 10, Some(true)),
        ("2fa.registered", 10, Some(true)),
        ("create.api.keys", 99, None),
        ("delete.api.key", 99, None),
        ("generate.api.keys", 99, None),
        ("remove", 6, None),
        ("add", 1, None),
    ];
    for (action, id, has_mfa) in cases {
        let event = user("user", action, target.clone());
        assert_eq!((kind(&event), event["user"]["has_mfa"].as_bool()), ((3001, id), has_mfa), "{action}");
    }
}

#[test]
fn one_listed_device_is_the_device_of_its_row() {
    for list in [json!([SERVER]), json!(format!("[{SERVER}]")), json!(format!("[\"{SERVER}\"]")), json!(SERVER)] {
        let details = json!({ "data.device_list": list });
        let source = user_row("device", "delete", details);
        let event = World::contoso().activity(source.clone());
        assert_eq!(missing(&source, &event), Vec::<String>::new());
        assert_eq!((&event["entity"]["type_id"], &event["entity"]["device"]["uid"]), (&json!(1), &json!(SERVER)));
        assert_eq!(event["message"], "jane.doe deleted device CDHQ-FS01");
        assert!(event.get("count").is_none());
    }
    for list in [json!([1_048_576]), json!("[1048576]"), json!("1048576"), json!(1_048_576)] {
        let event = World::contoso().activity(user_row("device", "remove", json!({ "data.device_list": list })));
        assert_eq!(
            (&event["entity"]["name"], &event["entity"]["device"]["uid_alt"]),
            (&json!("CDHQ-FS01"), &json!("1048576"))
        );
        let unknown = user("device", "remove", json!({ "data.device_list": list }));
        assert_eq!(unknown["entity"], json!({ "type_id": 1, "type": "Device", "uid": "1048576" }));
    }
}

#[test]
fn several_listed_devices_are_counted() {
    for list in [
        json!([11, 12, 13, 14]),
        json!("[11, 12, 13, 14]"),
        json!("11,12,13,14"),
        json!("[\"11\",\"12\",\"13\",\"14\"]"),
    ] {
        let event = user("device", "delete", json!({ "data.device_list": list }));
        assert_eq!((kind(&event), &event["count"]), ((3004, 4), &json!(4)));
        assert_eq!(event["message"], "jane.doe deleted 4 devices: 11, 12, 13 …");
        assert_eq!((&event["entity"]["type"], event["entity"].get("uid")), (&json!("Device"), None));
        assert_eq!(event["entity"]["org"]["uid"], "ab1c0002");
        assert_eq!(event["metadata"]["tenant_uid"], "ab1c0002");
    }
    let rerun =
        user("job", "rerun", json!({ "job.uid": "j-1", "job.name": "Reboot", "data.device_uids": [SERVER, "b"] }));
    assert_eq!((&rerun["count"], &rerun["metadata"]["correlation_uid"]), (&json!(2), &json!("j-1")));
    let retired = user("job", "retire", json!({ "data.retired_jobs_ids": "[7, 8]" }));
    assert_eq!((&retired["count"], &retired["entity"]["uid"]), (&json!(2), &json!("1f0a6b8c")));
    assert_eq!(user("job", "retire", json!({ "data.retired_jobs_ids": [7] }))["entity"]["uid"], "7");
}

#[test]
fn a_part_about_a_device_is_about_that_device_alone() {
    let event = part(Part::Device(SERVER.into()), "delete", json!({ "data.device_list": [SERVER] }));
    assert_eq!((kind(&event), event.get("count")), ((3004, 4), None));
    assert_eq!(
        (&event["entity"]["name"], &event["metadata"]["tenant_uid"]),
        (&json!("CDHQ-FS01"), &json!("org-contoso"))
    );
    assert_eq!(
        (&event["metadata"]["labels"], rules(&event)),
        (&json!(["audit", "derived"]), vec!["agent-removed".to_owned()])
    );
}

#[test]
fn a_toggled_policy_is_on_or_off() {
    let mut world = World::msp();
    world.options.lens = std::sync::Arc::new(crate::normalize::lens::Lens::shipped());
    let policy = |active: Value| {
        world.activity(user_row(
            "policy",
            "toggle",
            json!({ "data.policy_id": 4, "data.policy_name": "AV", "data.active": active }),
        ))
    };
    let cases =
        [(json!("true"), 8, "on"), (json!(true), 8, "on"), (json!("false"), 9, "off"), (json!(false), 9, "off")];
    for (active, id, word) in cases {
        let event = policy(active);
        assert_eq!(
            (kind(&event), &event["message"]),
            ((3004, id), &json!(format!("jane.doe switched {word} policy AV")))
        );
        assert_eq!(rules(&event).contains(&"policy-weakened".to_owned()), id == 9);
    }
    assert_eq!(kind(&policy(Value::Null)), (3004, 3));
    for (control, is_marked) in [("enabled", false), ("disabled", true)] {
        let event = world.activity(user_row("account", "change.settings", json!({ "data.access_control": control })));
        assert_eq!(rules(&event) == ["access-control"], is_marked, "{control}");
    }
}

#[test]
fn a_user_is_not_made_of_two() {
    let details = |id: Value, name: &str| json!({ "user.id": id, "user.username": name, "user.firstname": "Mallory", "user.email": "mallory.ops@northwind.example" });
    let other = user("policy", "edit", details(json!(7), "mallory.ops"));
    assert_eq!((&other["actor"]["user"]["name"], other["actor"]["user"].get("email_addr")), (&json!("jane.doe"), None));
    assert_eq!(other["actor"]["user"]["full_name"], "Jane Doe");
    assert!(other["unmapped"]["datto_rmm"]["details"].to_string().contains("mallory.ops@northwind.example"));
    assert!(!other["observables"].to_string().contains("mallory"));
    for same in [
        details(json!("5521"), "another"),
        details(json!(7), "Jane.Doe"),
        json!({ "user.email": "mallory.ops@northwind.example" }),
    ] {
        let event = user("policy", "edit", same);
        assert_eq!(event["actor"]["user"]["email_addr"], "mallory.ops@northwind.example");
    }
}

#[test]
fn a_device_in_the_details_is_the_entity_of_any_row_that_names_nothing_else() {
    let details = json!({ "data.device_id": 1_048_576, "data.device_uid": SERVER, "data.device_name": "CDHQ-FS01" });
    for (category, action) in [("agent", "uninstall"), ("agent", "update"), ("agentless", "scan"), ("device", "edit")] {
        let event = user(category, action, details.clone());
        assert_eq!(
            (&event["entity"]["type_id"], &event["entity"]["device"]["uid"]),
            (&json!(1), &json!(SERVER)),
            "{category}"
        );
        let paths: Vec<&str> =
            event["observables"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert!(paths.contains(&"entity.device.hostname") && paths.contains(&"entity.device.uid"), "{paths:?}");
        assert_eq!(event["metadata"]["event_code"], format!("USER.{category}.{action}"));
    }
    let mut policy = details;
    policy["data.policy_id"] = json!(9);
    assert_eq!(user("policy", "edit", policy)["entity"]["type_id"], 5, "a row about a policy stays one");
}
