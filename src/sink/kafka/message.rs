//! An event as a Kafka message (event-schema.md section 12): key, value, time, CloudEvents headers.

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;

use super::topic::topic_of;
use super::{MessageTime, Settings};
use crate::event::{Event, Pivots};
use crate::normalize::Format;
use crate::normalize::ocsf::version;

/// A message, ready for the client library.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message {
    /// Where it goes.
    pub(super) topic: String,
    /// Which partition, where the key must not decide.
    pub(super) partition: Option<i32>,
    /// Its key.
    pub(super) key: String,
    /// Its value.
    pub(super) payload: String,
    /// Its time in milliseconds; `None`: the moment of sending.
    pub(super) timestamp: Option<i64>,
    /// Its headers.
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Message {
    /// The message of an event; an error is a reason to refuse the event.
    pub(super) fn of(event: &Event, settings: &Settings) -> Result<Self, String> {
        let pivots = &event.pivots;
        let time = match settings.timestamp {
            MessageTime::Logged => pivots.logged_time,
            MessageTime::Event => pivots.time,
        };
        Ok(Self {
            topic: topic_of(&settings.topic, event)?,
            partition: None,
            key: key(pivots).to_owned(),
            payload: event.json.clone(),
            timestamp: Some(time.as_i64()),
            headers: headers(event, settings.format),
        })
    }

    /// As the client library wants it; `index` comes back with its report.
    pub(super) fn record(&self, index: usize) -> BaseRecord<'_, str, str, usize> {
        let mut headers = OwnedHeaders::new_with_capacity(self.headers.len());
        for (key, value) in &self.headers {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut record =
            BaseRecord::with_opaque_to(&self.topic, index).key(self.key.as_str()).payload(self.payload.as_str());
        if let Some(partition) = self.partition {
            record = record.partition(partition);
        }
        if let Some(timestamp) = self.timestamp {
            record = record.timestamp(timestamp);
        }
        if self.headers.is_empty() { record } else { record.headers(headers) }
    }
}

/// One device's events share a key, so they stay in order.
pub(super) fn key(pivots: &Pivots) -> &str {
    pivots.device_uid.as_deref().or(pivots.site_uid.as_deref()).unwrap_or(&pivots.account_uid)
}

fn headers(event: &Event, format: Format) -> Vec<(&'static str, String)> {
    let pivots = &event.pivots;
    let activity = pivots.activity_name.to_lowercase().replace(' ', "_");
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", event.id.to_string()),
        ("ce_time", pivots.time.to_string()),
        ("ce_source", format!("/datto-rmm/{}", pivots.account_uid)),
        ("ce_type", format!("io.ocsf.{}.{activity}", pivots.class_name)),
        ("ce_subject", pivots.subject.clone()),
        ("ce_partitionkey", key(pivots).to_owned()),
        ("ce_ocsfclassuid", pivots.class_uid.to_string()),
        ("ce_ocsfseverityid", pivots.severity_id.to_string()),
        ("ce_tenantuid", pivots.tenant_uid.clone()),
        ("ce_mappingversion", version::MAPPING.to_owned()),
    ];
    if format == Format::Ocsf {
        let schema = format!("https://schema.ocsf.io/{}/classes/{}", version::OCSF, pivots.class_name);
        headers.push(("ce_dataschema", schema));
    }
    if event.replay > 0 {
        headers.push(("vintner-replay", "1".to_owned()));
    }
    headers
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::sink::kafka::tests::settings;
    use crate::sink::lines::tests::event;

    #[test]
    fn the_key_is_the_device_else_the_site_else_the_account() {
        let mut pivots = event("{}").pivots;
        assert_eq!(key(&pivots), "ab1");
        pivots.site_uid = Some("site".into());
        assert_eq!(key(&pivots), "site");
        pivots.device_uid = Some("device".into());
        assert_eq!(key(&pivots), "device");
    }

    #[test]
    fn headers_are_cloud_events_and_mark_a_replay() {
        let mut event = event("{}");
        event.pivots.activity_name = "Assign Privileges".into();
        let settings = settings("127.0.0.1:1");
        let message = Message::of(&event, &settings).unwrap();
        let header = |name: &str| message.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        assert_eq!(header("ce_type"), Some("io.ocsf.detection_finding.assign_privileges"));
        assert_eq!(header("ce_dataschema"), Some("https://schema.ocsf.io/1.8.0/classes/detection_finding"));
        assert_eq!(header("ce_mappingversion"), Some("2"));
        assert_eq!(header("ce_time"), Some("1970-01-01T00:00:00.000Z"));
        assert_eq!(header("vintner-replay"), None);
        event.replay = 3;
        let again = Message::of(&event, &settings).unwrap();
        assert_eq!(again.headers.last(), Some(&("vintner-replay", "1".to_owned())));
    }
}
