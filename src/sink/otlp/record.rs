//! An event as an OTLP log record (event-schema.md section 11).

use std::borrow::Cow;
use std::collections::HashMap;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;

use super::Body;
use super::value::{list, pair, text, value};
use crate::clock::Millis;
use crate::event::Event;
use crate::normalize::json::{Json, Kind};

/// An event's members, found once: the event is long, and many of its values are looked up.
pub(super) struct Fields<'a> {
    whole: Json<'a>,
    members: HashMap<Cow<'a, str>, Json<'a>>,
}

/// Attributes that hold a value of the event under its own path, after the prefix `ocsf.`.
const OCSF_PATHS: [&str; 10] = [
    "metadata.version",
    "category_uid",
    "class_uid",
    "type_uid",
    "activity_id",
    "severity_id",
    "status_id",
    "metadata.tenant_uid",
    "metadata.event_code",
    "finding_info.uid",
];
/// Attributes of the conventions, each with the paths of which the first that exists is taken.
const CONVENTIONS: [(&str, &[&str]); 8] = [
    ("host.id", &["device.uid", "entity.device.uid"]),
    ("host.name", &["device.hostname", "device.name", "entity.device.hostname"]),
    ("host.ip", &["device.ip", "entity.device.ip"]),
    ("source.address", &["src_endpoint.ip"]),
    ("source.port", &["src_endpoint.port"]),
    ("security_rule.uuid", &["finding_info.analytic.uid"]),
    ("security_rule.name", &["finding_info.analytic.name"]),
    ("security_rule.category", &["finding_info.analytic.category"]),
];
/// Attributes of the acting user, each with its name in a user of OCSF.
const USER: [(&str, &str); 4] =
    [("user.id", "uid"), ("user.name", "name"), ("user.full_name", "full_name"), ("user.email", "email_addr")];
/// Classes in which `user` is who acted (Authentication, Tunnel Activity); in others it is who was acted on.
const ACTING: [&str; 2] = ["3002", "4014"];
/// What the monitors of Datto RMM are called as a set of rules.
const RULESET: &str = "Datto RMM monitors";

/// The record of an event.
pub(super) fn log_record(event: &Event, fields: &Fields<'_>, body: Body) -> LogRecord {
    let is_ocsf = fields.find("class_uid").is_some();
    let mut attributes = attributes(event, fields);
    let body = match body {
        Body::Structured => value(fields.whole),
        Body::Json => text(event.json.as_str()),
        Body::Message => {
            leaves("ocsf", fields.whole, &mut attributes);
            fields.find("message").map_or_else(|| text(event.json.as_str()), value)
        }
    };
    LogRecord {
        time_unix_nano: nanos(event.pivots.time),
        observed_time_unix_nano: nanos(event.pivots.logged_time),
        severity_number: severity_number(event.pivots.severity_id),
        severity_text: fields.text("severity").unwrap_or_default(),
        event_name: if is_ocsf { format!("ocsf.{}", event.pivots.class_name) } else { String::new() },
        body: Some(body),
        attributes,
        ..LogRecord::default()
    }
}

impl<'a> Fields<'a> {
    /// The members of an event.
    pub(super) fn of(event: &'a Event) -> Self {
        let whole = Json::trusted(&event.json);
        Self { whole, members: whole.members().collect() }
    }

    /// The value at a path of keys joined by dots.
    pub(super) fn find(&self, path: &str) -> Option<Json<'a>> {
        let mut keys = path.split('.');
        let mut at = *self.members.get(keys.next()?)?;
        for key in keys {
            at = at.members().find(|(name, _)| name == key)?.1;
        }
        (at.kind() != Kind::Null).then_some(at)
    }

    /// The text at a path.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        self.find(path)?.string().map(Cow::into_owned)
    }
}

fn attributes(event: &Event, fields: &Fields<'_>) -> Vec<KeyValue> {
    let mut attributes = vec![pair("log.record.uid", text(event.id.to_string()))];
    for path in OCSF_PATHS {
        if let Some(found) = fields.find(path) {
            let key = if path == "metadata.version" { "version" } else { path };
            attributes.push(pair(&format!("ocsf.{key}"), value(found)));
        }
    }
    let version = fields.find("metadata.transformation_info_list").and_then(|list| list.items().next());
    let version = version.and_then(|entry| member(entry, "uid"));
    attributes.extend(version.map(|version| pair("ocsf.mapping", value(version))));
    let techniques = techniques(fields);
    if !techniques.is_empty() {
        attributes.push(pair("ocsf.attacks", list(techniques)));
    }
    for (key, paths) in CONVENTIONS {
        if let Some(found) = paths.iter().find_map(|path| fields.find(path)) {
            let found = value(found);
            attributes.push(pair(key, if key == "host.ip" { list(vec![found]) } else { found }));
        }
    }
    if fields.find("finding_info.analytic").is_some() {
        attributes.push(pair("security_rule.ruleset.name", text(RULESET)));
    }
    let is_acting = fields.find("class_uid").is_some_and(|class| ACTING.contains(&class.source()));
    for (key, name) in USER {
        let of = |user: &str| fields.find(&format!("{user}.{name}"));
        let found = of("actor.user").or_else(|| of("user").filter(|_| is_acting));
        attributes.extend(found.map(|found| pair(key, value(found))));
    }
    attributes
}

/// Ids of the techniques, of a sub-technique its own.
fn techniques(fields: &Fields<'_>) -> Vec<AnyValue> {
    let found = fields.find("attacks").or_else(|| fields.find("finding_info.attacks"));
    let attacks = found.into_iter().flat_map(Json::items);
    let uid = |attack: Json<'_>| {
        let part = member(attack, "sub_technique").or_else(|| member(attack, "technique"))?;
        member(part, "uid").map(value)
    };
    attacks.filter_map(uid).collect()
}

fn member<'a>(json: Json<'a>, key: &str) -> Option<Json<'a>> {
    json.members().find(|(name, _)| name == key).map(|(_, value)| value)
}

/// Every scalar below `json` as an attribute named by its path; items of arrays by their index.
fn leaves(path: &str, json: Json<'_>, attributes: &mut Vec<KeyValue>) {
    let mut open = vec![(path.to_owned(), json)];
    while let Some((path, json)) = open.pop() {
        match json.kind() {
            Kind::Null => {}
            Kind::Object => {
                let members: Vec<_> = json.members().map(|(key, value)| (format!("{path}.{key}"), value)).collect();
                open.extend(members.into_iter().rev());
            }
            Kind::Array => {
                let items: Vec<_> =
                    json.items().enumerate().map(|(index, item)| (format!("{path}.{index}"), item)).collect();
                open.extend(items.into_iter().rev());
            }
            Kind::Bool | Kind::Number(_) | Kind::String => {
                if attributes.iter().all(|attribute| attribute.key != path) {
                    attributes.push(pair(&path, value(json)));
                }
            }
        }
    }
}

fn nanos(time: Millis) -> u64 {
    u64::try_from(time.as_i64()).unwrap_or(0).saturating_mul(1_000_000)
}

/// As the specification's own table ranks OCSF's severities.
fn severity_number(severity_id: u8) -> i32 {
    match severity_id {
        1 => 9,
        2 => 10,
        3 => 13,
        4 => 17,
        5 => 18,
        6 => 21,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;

    use super::*;
    use crate::sink::lines::tests::event as event_of;

    /// A text value.
    fn as_text(value: &AnyValue) -> Option<&str> {
        match &value.value {
            Some(Value::StringValue(text)) => Some(text),
            Some(_) | None => None,
        }
    }

    fn record(body: Body) -> LogRecord {
        let event = event_of(FINDING);
        log_record(&event, &Fields::of(&event), body)
    }

    const FINDING: &str = r#"{"class_uid":2004,"severity_id":4,"severity":"High","message":"disk","device":{"uid":"d1","hostname":"pc","ip":"10.0.0.1"},"metadata":{"version":"1.8.0","tenant_uid":"contoso"},"unmapped":{"a":[1,{"b":true}],"n":null}}"#;

    fn attribute<'a>(record: &'a LogRecord, key: &str) -> Option<&'a AnyValue> {
        record.attributes.iter().find(|pair| pair.key == key)?.value.as_ref()
    }

    #[test]
    fn a_record_names_its_event_its_host_and_its_organization() {
        let record = record(Body::Structured);
        assert_eq!(record.event_name, "ocsf.detection_finding");
        assert_eq!((record.severity_number, record.severity_text.as_str()), (9, "High"));
        let shown = |key: &str| attribute(&record, key).and_then(as_text);
        assert_eq!(shown("log.record.uid"), Some("00000000-0000-0000-0000-000000000000"));
        assert_eq!(shown("ocsf.version"), Some("1.8.0"));
        assert_eq!(shown("ocsf.metadata.tenant_uid"), Some("contoso"));
        assert_eq!((shown("host.id"), shown("host.name")), (Some("d1"), Some("pc")));
        assert!(matches!(attribute(&record, "host.ip").unwrap().value, Some(Value::ArrayValue(_))));
        assert!(matches!(record.body.unwrap().value, Some(Value::KvlistValue(_))));
    }

    /// Every value of an attribute, which has one or a list.
    fn shown(event: &str, key: &str) -> Vec<String> {
        let event = event_of(event);
        let record = log_record(&event, &Fields::of(&event), Body::Json);
        let of = |value: &AnyValue| as_text(value).map(str::to_owned);
        match attribute(&record, key).and_then(|value| value.value.clone()) {
            Some(Value::ArrayValue(list)) => list.values.iter().filter_map(of).collect(),
            Some(value) => of(&AnyValue { value: Some(value) }).into_iter().collect(),
            None => Vec::new(),
        }
    }

    #[test]
    fn what_detections_ask_for_is_an_attribute() {
        let managed = r#"{"class_uid":3004,"entity":{"device":{"uid":"d7","hostname":"srv","ip":"10.0.0.7"}},
            "actor":{"user":{"uid":"5","name":"jane","full_name":"Jane Doe"}},
            "attacks":[{"technique":{"uid":"T1098"},"sub_technique":{"uid":"T1098.001"}},{"technique":{"uid":"T1072"}}],
            "metadata":{"event_code":"USER.device.delete","transformation_info_list":[{"uid":"2"},{"uid":"ab12"}]}}"#;
        for (key, values) in [
            ("host.id", &["d7"][..]),
            ("host.name", &["srv"]),
            ("host.ip", &["10.0.0.7"]),
            ("user.name", &["jane"]),
            ("user.full_name", &["Jane Doe"]),
            ("ocsf.attacks", &["T1098.001", "T1072"]),
            ("ocsf.metadata.event_code", &["USER.device.delete"]),
            ("ocsf.mapping", &["2"]),
        ] {
            assert_eq!(shown(managed, key), values, "{key}");
        }
        let finding = r#"{"class_uid":2004,"finding_info":{"analytic":{"uid":"ransomware_ctx","name":"Ransomware monitor"},
            "attacks":[{"technique":{"uid":"T1486"}}]}}"#;
        assert_eq!(shown(finding, "ocsf.attacks"), ["T1486"]);
        assert_eq!(shown(finding, "security_rule.uuid"), ["ransomware_ctx"]);
        assert_eq!(shown(finding, "security_rule.ruleset.name"), ["Datto RMM monitors"]);
        assert_eq!(shown(managed, "security_rule.ruleset.name"), Vec::<String>::new());
    }

    #[test]
    fn user_attributes_are_of_the_acting_user_only() {
        let of = |class: u32, actor: &str| {
            shown(&format!(r#"{{"class_uid":{class},{actor}"user":{{"name":"sam"}}}}"#), "user.name")
        };
        assert_eq!(of(3001, ""), Vec::<String>::new(), "the user who was acted on did not act");
        assert_eq!(of(3001, r#""actor":{"user":{"name":"jane"}},"#), ["jane"]);
        assert_eq!((of(3002, ""), of(4014, "")), (vec!["sam".to_owned()], vec!["sam".to_owned()]));
    }

    #[test]
    fn a_managed_device_is_the_host() {
        let event = event_of(
            r#"{"class_uid":3004,"severity_id":1,"message":"x","entity":{"type_id":1,"device":{"uid":"d1","hostname":"pc","ip":"10.0.0.1"}},"metadata":{"version":"1.8.0"}}"#,
        );
        let record = log_record(&event, &Fields::of(&event), Body::Structured);
        let shown = |key: &str| attribute(&record, key).and_then(as_text);
        assert_eq!((shown("host.id"), shown("host.name")), (Some("d1"), Some("pc")));
        assert!(matches!(attribute(&record, "host.ip").unwrap().value, Some(Value::ArrayValue(_))));
    }

    #[test]
    fn the_message_mode_makes_every_leaf_an_attribute_once() {
        let record = record(Body::Message);
        assert_eq!(record.body.as_ref().and_then(as_text), Some("disk"));
        assert!(attribute(&record, "ocsf.unmapped.a.1.b").is_some());
        assert!(attribute(&record, "ocsf.unmapped.n").is_none());
        let mut keys: Vec<_> = record.attributes.iter().map(|pair| &pair.key).collect();
        let all = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), all);
    }

    #[test]
    fn the_json_mode_carries_the_same_bytes_as_a_file_would() {
        let record = record(Body::Json);
        assert_eq!(record.body.as_ref().and_then(as_text), Some(FINDING));
    }
}
