//! An event as an OTLP log record (event-schema.md section 11).

use std::borrow::Cow;
use std::collections::HashMap;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::logs::v1::LogRecord;

use super::Body;
use super::value::{list_of_one, pair, text, value};
use crate::clock::Millis;
use crate::event::Event;
use crate::normalize::json::{Json, Kind};

/// An event's members, found once: the event is long, and many of its values are looked up.
pub(super) struct Fields<'a> {
    whole: Json<'a>,
    members: HashMap<Cow<'a, str>, Json<'a>>,
}

/// Attributes that hold a value of the event under its own path, after the prefix `ocsf.`.
const OCSF_PATHS: [&str; 9] = [
    "metadata.version",
    "category_uid",
    "class_uid",
    "type_uid",
    "activity_id",
    "severity_id",
    "status_id",
    "metadata.tenant_uid",
    "finding_info.uid",
];
/// Attributes of the conventions, each with the paths of which the first that exists is taken.
const CONVENTIONS: [(&str, &[&str]); 10] = [
    ("host.id", &["device.uid", "entity.device.uid"]),
    ("host.name", &["device.hostname", "device.name", "entity.device.hostname"]),
    ("host.ip", &["device.ip", "entity.device.ip"]),
    ("user.id", &["actor.user.uid", "user.uid"]),
    ("user.name", &["actor.user.name", "user.name"]),
    ("user.email", &["actor.user.email_addr", "user.email_addr"]),
    ("source.address", &["src_endpoint.ip"]),
    ("source.port", &["src_endpoint.port"]),
    ("security_rule.name", &["finding_info.analytic.name"]),
    ("security_rule.category", &["finding_info.analytic.category"]),
];

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
    for (key, paths) in CONVENTIONS {
        if let Some(found) = paths.iter().find_map(|path| fields.find(path)) {
            let found = value(found);
            attributes.push(pair(key, if key == "host.ip" { list_of_one(found) } else { found }));
        }
    }
    attributes
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
    use opentelemetry_proto::tonic::common::v1::AnyValue;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;

    use super::*;
    use crate::sink::lines::tests::event;

    /// A text value.
    fn as_text(value: &AnyValue) -> Option<&str> {
        match &value.value {
            Some(Value::StringValue(text)) => Some(text),
            Some(_) | None => None,
        }
    }

    fn record(body: Body) -> LogRecord {
        let event = event(FINDING);
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

    #[test]
    fn a_managed_device_is_the_host() {
        let event = event(
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
