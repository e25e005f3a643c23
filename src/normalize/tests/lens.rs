//! The lens only adds: whatever the rules and the record, an event without its marks is the event without a lens.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use toml::de::DeTable;

use super::judge::complaints;
use super::property::{activity, alert, marker};
use super::world::{World, alert as open_alert, device_row, record, user_row};
use crate::clock::Millis;
use crate::normalize::lens::Lens;
use crate::normalize::lens::read;
use crate::record::{Marker, Record, RecordKind};

/// Tags that only the lens and its rules set.
fn is_mark(name: &str) -> bool {
    name.starts_with("lens.") || matches!(name, "vintner.self" | "mark")
}

fn without_marks(mut event: Value) -> Value {
    event["metadata"]["tags"].as_array_mut().unwrap().retain(|tag| !is_mark(tag["name"].as_str().unwrap()));
    let whole = event.as_object_mut().unwrap();
    ["attacks", "action_id", "action", "disposition_id", "disposition"].iter().for_each(|key| drop(whole.remove(*key)));
    let metadata = event["metadata"].as_object_mut().unwrap();
    metadata["transformation_info_list"].as_array_mut().unwrap().retain(|entry| entry["name"] != "vintner-lens");
    if let Some(profiles) = metadata.get_mut("profiles").and_then(Value::as_array_mut) {
        profiles.retain(|profile| profile != "security_control");
        if profiles.is_empty() {
            metadata.remove("profiles");
        }
    }
    if let Some(info) = event.get_mut("finding_info").and_then(Value::as_object_mut) {
        info.remove("attacks");
    }
    event
}

fn seen_through(lens: Lens) -> World {
    let mut world = World::contoso();
    world.options.lens = Arc::new(lens);
    world
}

/// The event with the lens differs from the one without in its marks alone, and is valid.
fn only_adds(lens: &Lens, record: &Record) -> Result<(), TestCaseError> {
    let plain = World::contoso().try_event(record).unwrap();
    let marked = seen_through(lens.clone()).try_event(record).unwrap();
    prop_assert_eq!((plain.id, &plain.pivots), (marked.id, &marked.pivots));
    let found = complaints(&marked.json);
    prop_assert!(found.is_empty(), "{found:#?}");
    let [plain, marked]: [Value; 2] = [&plain.json, &marked.json].map(|json| serde_json::from_str(json).unwrap());
    prop_assert_eq!(without_marks(marked), plain);
    Ok(())
}

/// Rules that often fit.
fn lens() -> impl Strategy<Value = Lens> {
    let condition = select(
        &[
            "category = '*'",
            "words = ['*']",
            "entity = ['user', 'device']",
            "by_api_user = false",
            "details = { 'data.user_id' = '*' }",
            "stream = 'alerts'\nclass = '*_ctx'",
            "stream = 'alerts'\ndetails = { status = '*' }",
            "except_words = 'login'",
            "except_details = { 'data.user_id' = '*' }",
            "stream = 'inventory'\nclass = '*'",
        ][..],
    );
    let rule = (condition, any::<bool>()).prop_map(|(condition, is_last)| {
        format!(
            "{condition}\ntechniques = ['T1098.001 Account Manipulation: Additional Cloud Credentials', 'T1072 x']\n\
             tags = {{ mark = 'y' }}\nlast = {is_last}\n"
        )
    });
    vec(rule, 0..4).prop_map(|rules| {
        let text: String = rules.iter().enumerate().map(|(n, rule)| format!("[rules.r{n}]\n{rule}")).collect();
        let (own, complaints) = read::rules(DeTable::parse(&text).unwrap().get_ref());
        assert_eq!(complaints, []);
        Lens::shipped().led_by(own)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_only_adds_to_any_event(lens in lens(), row in activity(), alert in alert(), marker in marker()) {
        only_adds(&lens, &record(RecordKind::ActivityUser, "native-id", Marker::Once, &row.to_string()))?;
        only_adds(&lens, &record(RecordKind::ActivityDevice, "native-id", Marker::Once, &row.to_string()))?;
        only_adds(&lens, &record(RecordKind::Alert, "native-id", marker, &alert.to_string()))?;
    }

    /// Guarantees: no rule file makes the reader panic, and every complaint has its place within the file.
    #[test]
    fn any_rule_file_is_answered(text in "(\\[rules\\.[ab]\\]\n|(words|class|details|techniques|tags|last|stream|x) = ('[a*]{0,3}'|\\['T1072 b'\\]|true|7|\\{ k = 'v' \\})\n){0,12}") {
        if let Ok(table) = DeTable::parse(&text) {
            let (_rules, complaints) = read::rules(table.get_ref());
            prop_assert!(complaints.iter().all(|complaint| text.get(complaint.span.clone()).is_some()));
        }
    }
}

/// The values of a tag.
fn tags(event: &Value, name: &str) -> Vec<String> {
    let tags = event["metadata"]["tags"].as_array().unwrap().iter().filter(|tag| tag["name"] == name);
    tags.map(|tag| tag["value"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn activity_carries_techniques_in_attacks() {
    let world = seen_through(Lens::shipped());
    let details = json!({ "job.name": "x", "source.forwarded_ip": "junk, 198.51.100.23" });
    let event = world.activity(device_row("job", "deployment", details));
    assert_eq!(
        (tags(&event, "lens.rule"), tags(&event, "lens.rank")),
        (vec!["job-run".into()], vec!["routine".into()])
    );
    assert_eq!(event["metadata"]["profiles"], json!(["security_control"]));
    assert_eq!((&event["action_id"], &event["action"]), (&json!(3), &json!("Observed")));
    assert_eq!((&event["disposition_id"], &event["disposition"]), (&json!(17), &json!("Logged")));
    let attack = json!({ "tactic": { "uid": "TA0002", "name": "Execution" },
        "technique": { "uid": "T1072", "name": "Software Deployment Tools" }, "version": "19.0" });
    assert_eq!(event["attacks"], json!([attack]));
    assert_eq!(event["metadata"]["transformation_info_list"][1]["name"], "vintner-lens");
    assert_eq!(event["metadata"]["tenant_uid"], "org-contoso");
    let keys = world.activity(user_row("user", "generate.api.keys", json!({ "data.user_name": "sam.lee" })));
    assert_eq!(keys["attacks"][0]["sub_technique"]["uid"], "T1098.001");
    assert_eq!(
        (&keys["attacks"][0]["technique"]["uid"], tags(&keys, "lens.rank")),
        (&json!("T1098"), vec!["rare".into()])
    );
    let quiet = world.activity(user_row("filter", "create", json!({})));
    assert!(quiet["metadata"]["tags"].as_array().unwrap().iter().all(|tag| !is_mark(tag["name"].as_str().unwrap())));
    assert!(
        quiet.get("attacks").is_none()
            && quiet.get("action_id").is_none()
            && quiet["metadata"].get("profiles").is_none()
    );
    assert_eq!(quiet["metadata"]["transformation_info_list"].as_array().unwrap().len(), 1);
}

/// A rule without techniques has no profile to apply.
#[test]
fn tags_alone_need_no_profile() {
    let world = seen_through(Lens { api_users: vec!["jane.doe".into()], ..Lens::shipped() });
    let event = world.activity(user_row("account", "login", json!({})));
    assert_eq!(
        (tags(&event, "vintner.self"), tags(&event, "lens.rank")),
        (vec!["true".into()], vec!["routine".into()])
    );
    assert!(event.get("attacks").is_none() && event["metadata"].get("profiles").is_none());
}

/// The rules that fit a row of a portal user.
fn rules_of(category: &str, action: &str, details: Value) -> Vec<String> {
    tags(&seen_through(Lens::shipped()).activity(user_row(category, action, details)), "lens.rule")
}

/// Rules that fired on daily work, and what they still find.
#[test]
fn noisy_rules_ask_for_more() {
    let none = Vec::<String>::new();
    let target = json!({ "data.user_id": 6001, "data.user_name": "sam.lee" });
    let with = |more: Value| {
        let mut details = target.clone();
        details.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        details
    };
    for nothing in [json!("[]"), json!([]), json!("null"), json!("{}"), json!("")] {
        let details = with(json!({ "data.new_roles": nothing, "data.deleted_roles": nothing }));
        assert_eq!(rules_of("user", "edit", details), none, "{nothing}");
    }
    let swap = with(json!({ "data.new_roles": "[\"Administrator\"]", "data.deleted_roles": "[\"Tech\"]" }));
    assert_eq!(rules_of("user", "edit", swap), ["roles-given"]);
    let taken = with(json!({ "data.new_roles": "[]", "data.deleted_roles": "[\"Tech\"]" }));
    assert_eq!(rules_of("user", "edit", taken), ["roles-taken"]);
    assert_eq!(rules_of("user", "password.change", json!({ "data.user_name": "jane.doe" })), none, "one's own");
    assert_eq!(rules_of("user", "password.change", target.clone()), ["password-changed"]);
    assert_eq!(rules_of("policy", "toggle", json!({ "data.active": "true" })), none);
    assert_eq!(rules_of("policy", "toggle", json!({ "data.active": "false" })), ["policy-weakened"]);
    assert_eq!(rules_of("account", "change.settings", json!({ "data.access_control": "enabled" })), none);
    assert_eq!(
        rules_of("account", "change.settings", json!({ "data.access_control": "disabled" })),
        ["access-control"]
    );
    let session = |details: Value| {
        let row = device_row("remote", "jrto", json!({ "remote_session.id": 7, "remote_session.details": details }));
        tags(&seen_through(Lens::shipped()).activity(row), "lens.rule")
    };
    assert_eq!(session(json!([{ "action": "connect", "detail": "user profile" }])), ["remote-session"]);
    assert_eq!(session(json!([{ "action": "file.transfer" }])), ["remote-session", "file-transfer-in-session"]);
    assert_eq!(rules_of("web.remote.chat", "session", json!({})), none);
}

/// What the lens did not see before.
#[test]
#[expect(clippy::too_many_lines, reason = "a list of rules")]
fn quiet_rules_find_what_was_not_marked() {
    let login = |api_users: Vec<String>| {
        let world = seen_through(Lens { api_users, ..Lens::shipped() });
        tags(&world.activity(user_row("account", "login", json!({ "data.source": "API" }))), "lens.rule")
    };
    assert_eq!(login(vec!["svc-vintner".into()]), ["api-login"]);
    assert_eq!(login(Vec::new()), Vec::<String>::new(), "nobody said which user is vintner's");
    assert_eq!(rules_of("email.recipient", "update", json!({})), ["recipients-changed"]);
    assert_eq!(rules_of("monitor", "resolve.alert", json!({ "data.alert_uid_list": "a,b" })), ["alerts-resolved"]);
    assert_eq!(rules_of("device", "approved", json!({ "data.device_id": 7 })), ["device-approved"]);
    assert_eq!(rules_of("account", "change.settings", json!({ "data.variable_changed": true })), ["variable-changed"]);
    let to = |uid: &str| {
        let details = json!({ "data.from_site_uid": "5b6f0a52-93c4-4d0b-8a7e-2f1f7f6f4c11", "data.to_site_uid": uid });
        tags(&seen_through(Lens::shipped()).activity(device_row("device", "move.device", details)), "lens.rule")
    };
    assert_eq!(to("c2a1e7d4-8f3b-4b61-b0c9-91d2f5a3e822"), ["device-to-other-customer"]);
    assert_eq!(to(""), Vec::<String>::new(), "to nowhere");
    let world = seen_through(Lens::shipped());
    for (context, rule, technique) in [
        (json!({ "@class": "antivirus_ctx", "status": "NOTRUNNING" }), "antivirus-off", "T1685"),
        (json!({ "@class": "seccenter_ctx", "alertType": "DISABLED" }), "security-center-off", "T1685"),
        (
            json!({ "@class": "srvc_status_ctx", "serviceName": "WinDefend", "status": "STOPPED" }),
            "security-service-stopped",
            "T1685",
        ),
        (json!({ "@class": "eventlog_ctx", "logName": "Security", "code": "1102" }), "log-cleared", "T1685.005"),
        (
            json!({ "@class": "eventlog_ctx", "logName": "Security", "code": "4720" }),
            "local-account-created",
            "T1136.001",
        ),
        (json!({ "@class": "eventlog_ctx", "logName": "Security", "code": "4732" }), "group-member-added", "T1098"),
        (json!({ "@class": "eventlog_ctx", "logName": "System", "code": "7045" }), "service-installed", "T1543.003"),
        (json!({ "@class": "eventlog_ctx", "logName": "Security", "code": "4698" }), "task-created", "T1053.005"),
        (json!({ "@class": "eventlog_ctx", "logName": "Security", "code": "4625" }), "logon-failed", "T1110"),
        (
            json!({ "@class": "sw_action_ctx", "actionType": "INSTALLED", "packageName": "Splashtop Streamer" }),
            "second-remote-tool",
            "T1219.002",
        ),
    ] {
        let event = world.alert(context);
        let attack = &event["finding_info"]["attacks"][0];
        let uid = attack.get("sub_technique").unwrap_or(&attack["technique"])["uid"].clone();
        assert_eq!((tags(&event, "lens.rule"), uid), (vec![rule.to_owned()], json!(technique)));
    }
    for tool in [
        "NinjaRMMAgent",
        "N-able Take Control",
        "Syncro",
        "Level",
        "PDQ Connect Agent",
        "Zoho Assist",
        "DWService Agent",
        "Bomgar Jump Client",
        "Supremo",
        "HopToDesk",
        "Getscreen.me",
        "Tactical RMM Agent",
        "Pulseway",
        "Chrome Remote Desktop Host",
        "Tailscale",
        "ngrok",
    ] {
        let event = world.alert(json!({ "@class": "action_ctx", "actionType": "INSTALLED", "packageName": tool }));
        assert_eq!(tags(&event, "lens.rule"), ["second-remote-tool"], "{tool}");
    }
    let quiet = world.alert(json!({ "@class": "srvc_status_ctx", "serviceName": "Spooler", "status": "STOPPED" }));
    assert_eq!(tags(&quiet, "lens.rule"), Vec::<String>::new());
}

#[test]
fn the_inventory_is_seen_too() {
    let world = seen_through(Lens::shipped());
    let posture = |to: &str| {
        let marker = Marker::Posture("antivirus".into(), to.into(), Millis(1_795_216_300_000));
        let source =
            json!({ "uid": "d", "hostname": "CDHQ-FS01", "previous": { "antivirusStatus": "RunningAndUpToDate" } });
        world.event(&record(RecordKind::DevicePosture, "d", marker, &source.to_string()))
    };
    let off = posture("NotRunning");
    assert_eq!(
        (tags(&off, "lens.rule"), &off["attacks"][0]["technique"]["uid"]),
        (vec!["antivirus-lost".into()], &json!("T1685"))
    );
    assert_eq!(off["metadata"]["profiles"], json!(["security_control"]));
    assert_eq!(tags(&posture("RunningAndUpToDate"), "lens.rule"), Vec::<String>::new());
    let device =
        |marker| world.event(&record(RecordKind::Device, "d", marker, r#"{"uid":"d","hostname":"CDHQ-FS01"}"#));
    let gone = device(Marker::Vanished(2));
    assert_eq!(
        (tags(&gone, "lens.rule"), tags(&gone, "lens.rank")),
        (vec!["device-vanished".into()], vec!["rare".into()])
    );
    assert_eq!(gone["attacks"][0]["technique"]["uid"], "T1685");
    assert!(device(Marker::Item(1, "00000000".into(), None)).get("attacks").is_none());
}

#[test]
fn findings_carry_techniques_the_ocsf_way() {
    let event = seen_through(Lens::shipped()).event(&open_alert(json!({ "@class": "Ransomware_ctx" })));
    let technique = json!({ "uid": "T1486", "name": "Data Encrypted for Impact" });
    let tactic = json!({ "uid": "TA0040", "name": "Impact" });
    let attack = json!({ "tactic": tactic, "technique": technique, "version": "19.0" });
    assert_eq!(event["finding_info"]["attacks"], json!([attack]));
    assert!(event.get("attacks").is_none() && event["metadata"].get("profiles").is_none());
    assert_eq!(
        (tags(&event, "lens.rule"), tags(&event, "lens.rank")),
        (vec!["ransomware".into()], vec!["rare".into()])
    );
    let tool = |name: &str| json!({ "@class": "sw_action_ctx", "packageName": name, "actionType": "INSTALLED" });
    let world = seen_through(Lens::shipped());
    assert_eq!(tags(&world.alert(tool("AnyDesk MSI")), "lens.rule"), ["second-remote-tool"]);
    assert_eq!(tags(&world.alert(tool("7-Zip")), "lens.rule"), Vec::<String>::new());
    let sub = "[rules.s]\nstream = 'alerts'\nclass = 'wmi_ctx'\ntechniques = 'T1562.001 Impair Defenses: Disable or Modify Tools'";
    let (rules, _) = read::rules(DeTable::parse(sub).unwrap().get_ref());
    let event = seen_through(Lens::default().led_by(rules)).alert(json!({ "@class": "wmi_ctx" }));
    let attack = &event["finding_info"]["attacks"][0];
    assert_eq!(attack["technique"], json!({ "uid": "T1562", "name": "Impair Defenses" }));
    assert_eq!(attack["sub_technique"]["uid"], "T1562.001");
}

#[test]
fn the_collector_s_own_doings_are_told_from_those_of_others_under_its_name() {
    let world = seen_through(Lens { api_users: vec!["jane.doe".into()], ..Lens::shipped() });
    let login = world.activity(user_row("account", "login", json!({})));
    assert_eq!(
        (tags(&login, "vintner.self"), tags(&login, "lens.rule")),
        (vec!["true".into()], vec!["collector".into()])
    );
    let other = world.activity(user_row("component", "create", json!({})));
    assert_eq!(tags(&other, "vintner.self"), Vec::<String>::new());
    assert_eq!(tags(&other, "lens.rule"), ["collector-misused", "component-changed"]);
    let nobody = seen_through(Lens::shipped()).activity(user_row("account", "login", json!({})));
    assert_eq!(tags(&nobody, "lens.rule"), Vec::<String>::new(), "no user is vintner's unless the operator says so");
}
