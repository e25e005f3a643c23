//! A normalized event, ready for any sink: the encoded body and the few pivots that sinks put beside it.

use crate::clock::Millis;
use crate::record::{EventId, Stream};

/// One event in its final form.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The same on every delivery; sinks expose it as the dedupe key.
    pub id: EventId,
    /// The body: one compact JSON object in the sink's format, without a line end.
    pub json: String,
    /// What sinks use beside the body.
    pub pivots: Pivots,
    /// 0, or the number of the request that sends it again on purpose.
    pub replay: u64,
}

/// The values of an event that keys, headers, topics, routes and attributes are made of (event-schema.md sections 11 and 12).
#[derive(Clone, Debug, PartialEq)]
pub struct Pivots {
    /// Stream of the record.
    pub stream: Stream,
    /// The organization's id (`metadata.tenant_uid`).
    pub tenant_uid: String,
    /// The organization's name, where one is known.
    pub tenant_name: Option<String>,
    /// The account's uid.
    pub account_uid: String,
    /// Site uid, where there is one.
    pub site_uid: Option<String>,
    /// `device.uid`, else `entity.device.uid`.
    pub device_uid: Option<String>,
    /// OCSF `class_uid`.
    pub class_uid: u32,
    /// OCSF class name in snake case, e.g. `detection_finding`.
    pub class_name: &'static str,
    /// Caption of the activity, e.g. `Create`.
    pub activity_name: String,
    /// OCSF `activity_id`.
    pub activity_id: u32,
    /// OCSF `severity_id`.
    pub severity_id: u8,
    /// `metadata.labels`.
    pub labels: Vec<&'static str>,
    /// When it happened.
    pub time: Millis,
    /// When vintner took it in.
    pub logged_time: Millis,
    /// `finding_info.uid`, else `device.uid`, else `metadata.original_event_uid`.
    pub subject: String,
}

impl Pivots {
    /// What orders this event: the alert or item that it tells of, and its device. Of events that share one of these, the
    /// earlier must reach a sink first.
    pub fn order_keys(&self) -> impl Iterator<Item = &str> {
        [Some(self.subject.as_str()), self.device_uid.as_deref()].into_iter().flatten()
    }
}
