//! Every value of every golden event is explained, and no explanation is a guess.

use serde_json::{Value, json};

use super::pairs;
use super::world::{World, activity, alert, user_row};
use crate::clock::Millis;
use crate::normalize::explain::{Explained, Explanation, How, explain};
use crate::normalize::{Context, redact};
use crate::record::Record;

fn explained(world: &World, record: &Record, received: Option<&str>) -> Explanation {
    let context = Context {
        directory: &world.directory,
        tenant: &world.tenant,
        device: None,
        processed_at: Millis(record.envelope.received_at.0 + 4),
        options: &world.options,
    };
    explain(record, &context, world.device.as_ref(), received).unwrap()
}

#[track_caller]
fn leaf<'e>(explanation: &'e Explanation, path: &str) -> &'e Explained {
    explanation.leaves.iter().find(|leaf| leaf.path == path).unwrap_or_else(|| panic!("{path}: {explanation:#?}"))
}

/// Every text of the record that could not be there by chance.
fn distinctive(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.values().for_each(|member| distinctive(member, found)),
        Value::Array(items) => items.iter().for_each(|item| distinctive(item, found)),
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner @ Value::Object(_)) => distinctive(&inner, found),
            _ if text.len() > 8 && text.contains(|c: char| c.is_ascii_digit()) => found.push(text.clone()),
            _ => {}
        },
        Value::Number(number) if number.to_string().len() > 6 => found.push(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Guarantees: each value of an event has an explanation; what is said to be copied holds a value of its source or surroundings;
/// what is said to be vintner's own holds nothing of the record.
#[test]
fn every_value_of_every_pair_is_explained() {
    let mut wrong = Vec::new();
    for pair in pairs::all() {
        let explanation = explained(&pair.world, &pair.record, None);
        let mut own = Vec::new();
        distinctive(&serde_json::from_str(pair.record.source.get()).unwrap(), &mut own);
        assert!(!explanation.rule.is_empty() && explanation.leaves.len() > 25, "{}", pair.name);
        for leaf in &explanation.leaves {
            let text = leaf.value.as_str().map_or_else(|| leaf.value.to_string(), str::to_owned);
            let is_explained = match leaf.how {
                How::Copied | How::Derived => !leaf.from.is_empty(),
                // The name of a detail is told by its path already.
                How::Unmapped => !leaf.from.is_empty() || leaf.path.ends_with(".name"),
                How::Given => own.iter().all(|own| !text.contains(own.as_str())),
            };
            if !is_explained || leaf.rule.is_empty() {
                wrong.push(format!("{}: {leaf:?}", pair.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} values:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn an_alert_is_explained_field_by_field() {
    let context = json!({ "@class": "ransomware_ctx", "confidenceFactor": 87, "rwextension": ".lockbit", "state": 1,
        "affectedDirectories": ["D:\\Shares\\HR"], "alertTime": "2026-11-20T22:05:45Z" });
    let explanation = explained(&World::contoso(), &alert(context), None);
    assert_eq!((explanation.rule, explanation.class_name.as_str()), ("ransomware_ctx", "Detection Finding"));
    let score = leaf(&explanation, "confidence_score");
    assert_eq!(
        (score.how, &score.from, score.rule),
        (How::Copied, &vec!["alertContext.confidenceFactor".into()], "ransomware_ctx")
    );
    let severity = leaf(&explanation, "severity_id");
    assert_eq!((severity.how, &severity.from), (How::Derived, &vec!["priority".to_owned()]));
    assert_eq!(leaf(&explanation, "evidences[0].file.name").from, ["alertContext.affectedDirectories[0]"]);
    assert_eq!(leaf(&explanation, "finding_info.first_seen_time").from, ["alertContext.alertTime"]);
    assert_eq!(leaf(&explanation, "device.hostname").from, ["alertSourceInfo.deviceName"]);
    assert_eq!(leaf(&explanation, "device.domain").from, ["inventory.domain"]);
    assert_eq!(leaf(&explanation, "device.org.name").from, ["organization.name"]);
    assert_eq!(leaf(&explanation, "metadata.logged_time").from, ["envelope.received_at"]);
    assert_eq!(leaf(&explanation, "metadata.version").how, How::Given);
    assert_eq!(leaf(&explanation, "class_uid").how, How::Given);
    let state = leaf(&explanation, "unmapped.datto_rmm.context.ransomware_ctx.state");
    assert_eq!(
        (state.how, &state.from, state.rule),
        (How::Unmapped, &vec!["alertContext.state".to_owned()], "residue")
    );
    assert!(explanation.silent.contains(&"ticketNumber".to_owned()));
}

#[test]
fn an_activity_is_explained_down_to_its_details() {
    let details = json!({ "data.user_id": 6001, "data.user_name": "sam.lee", "data.api_secret": "hunter2", "user.id": 5521,
        "source.forwarded_ip": "198.51.100.23", "data.note": "hello" });
    let source = user_row("user", "create", details);
    let record = activity(source.clone());
    let stripped = redact::strip(record.envelope.kind, &record.source);
    let record = Record { source: stripped, ..record };
    let explanation = explained(&World::msp(), &record, Some(&source.to_string()));
    assert_eq!(explanation.rule, "activity 6: portal user");
    assert_eq!(leaf(&explanation, "user.uid").from, ["details.data.user_id"]);
    assert_eq!(leaf(&explanation, "actor.user.full_name").from, ["user.firstName", "user.lastName"]);
    assert_eq!(leaf(&explanation, "src_endpoint.ip").from, ["details.source.forwarded_ip"]);
    assert_eq!(leaf(&explanation, "time").from, ["date"]);
    assert_eq!(leaf(&explanation, "unmapped.datto_rmm.details[data.note].value").from, ["details.data.note"]);
    assert_eq!(explanation.redacted, ["details.data.api_secret"]);
    assert!(explanation.repeated.contains(&"details.user.id".to_owned()), "{:?}", explanation.repeated);
    assert!(!serde_json::to_string(&explanation).unwrap().contains("hunter2"));
}
