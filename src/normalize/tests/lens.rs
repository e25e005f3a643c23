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
use crate::normalize::lens::Lens;
use crate::normalize::lens::read;
use crate::record::{Marker, Record, RecordKind};

/// Tags that only the lens and its rules set.
fn is_mark(name: &str) -> bool {
    name.starts_with("attack.") || name.starts_with("lens.") || matches!(name, "vintner.self" | "mark")
}

fn without_marks(mut event: Value) -> Value {
    event["metadata"]["tags"].as_array_mut().unwrap().retain(|tag| !is_mark(tag["name"].as_str().unwrap()));
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
fn activity_carries_techniques_actor_address_and_organization() {
    let world = seen_through(Lens::shipped());
    let details = json!({ "job.name": "x", "source.forwarded_ip": "junk, 198.51.100.23" });
    let event = world.activity(device_row("job", "deployment", details));
    assert_eq!(tags(&event, "lens.rule"), ["job-run"]);
    assert_eq!(tags(&event, "attack.technique"), ["T1072"]);
    assert_eq!(tags(&event, "attack.technique_name"), ["Software Deployment Tools"]);
    assert_eq!(
        (tags(&event, "lens.actor"), tags(&event, "lens.src_ip")),
        (vec!["jane.doe".into()], vec!["198.51.100.23".into()])
    );
    assert_eq!(event["metadata"]["tenant_uid"], "org-contoso");
    assert!(event.get("attacks").is_none() && event["metadata"].get("profiles").is_none());
    let quiet = world.activity(user_row("filter", "create", json!({})));
    assert!(quiet["metadata"]["tags"].as_array().unwrap().iter().all(|tag| !is_mark(tag["name"].as_str().unwrap())));
}

#[test]
fn findings_carry_techniques_the_ocsf_way() {
    let event = seen_through(Lens::shipped()).event(&open_alert(json!({ "@class": "Ransomware_ctx" })));
    let page = "https://attack.mitre.org/techniques/T1486/";
    let technique = json!({ "uid": "T1486", "name": "Data Encrypted for Impact", "src_url": page });
    assert_eq!(event["finding_info"]["attacks"], json!([{ "technique": technique, "version": "18.0" }]));
    assert_eq!((tags(&event, "lens.rule"), tags(&event, "attack.technique").len()), (vec!["ransomware".into()], 0));
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
