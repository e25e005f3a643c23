//! Events as OTLP requests: one resource per account, bounded in bytes.

use std::borrow::Cow;
use std::ops::Range;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::Body;
use super::record::{Fields, log_record};
use super::value::{pair, text};
use crate::event::Event;
use crate::normalize::json::Json;

/// Largest request before compression. Receivers count after decompression, and 4 MiB is where gRPC servers refuse.
const MAX_BYTES: usize = 3 * 1024 * 1024;

/// Events made ready, so that a part of them can be sent again without making them anew.
pub(super) struct Prepared {
    records: Vec<Ready>,
}

/// One record and the account that its resource names.
struct Ready {
    record: LogRecord,
    account: String,
    platform: String,
    bytes: usize,
}

impl Prepared {
    /// Makes the records of `events`, in order.
    pub(super) fn new(events: &[Event], body: Body) -> Self {
        let ready = |event: &Event| {
            let fields = Fields::of(event);
            let record = log_record(event, &fields, body);
            let bytes = record.encoded_len();
            Ready { record, account: event.pivots.account_uid.clone(), platform: platform(&fields), bytes }
        };
        Self { records: events.iter().map(ready).collect() }
    }

    /// Ranges of records that fit into one request each; a record that is too large stands alone.
    pub(super) fn requests(&self) -> Vec<Range<usize>> {
        let mut ranges = Vec::new();
        let (mut start, mut bytes) = (0, 0_usize);
        for (index, ready) in self.records.iter().enumerate() {
            if index > start && bytes.saturating_add(ready.bytes) > MAX_BYTES {
                ranges.push(start..index);
                (start, bytes) = (index, 0);
            }
            bytes = bytes.saturating_add(ready.bytes);
        }
        if start < self.records.len() {
            ranges.push(start..self.records.len());
        }
        ranges
    }

    /// The encoded request of a range.
    pub(super) fn encode(&self, range: Range<usize>) -> Vec<u8> {
        let mut request = ExportLogsServiceRequest::default();
        let mut last: Option<(&str, &str)> = None;
        for ready in self.records.get(range).unwrap_or_default() {
            let owner = (ready.account.as_str(), ready.platform.as_str());
            if last != Some(owner) {
                request.resource_logs.push(resource_logs(owner));
                last = Some(owner);
            }
            let scope = request.resource_logs.last_mut().and_then(|logs| logs.scope_logs.last_mut());
            if let Some(scope) = scope {
                scope.log_records.push(ready.record.clone());
            }
        }
        request.encode_to_vec()
    }
}

fn resource_logs((account, platform): (&str, &str)) -> ResourceLogs {
    let mut attributes = vec![
        pair("service.name", text("datto-rmm")),
        pair("service.namespace", text("datto")),
        pair("datto.account.uid", text(account)),
    ];
    if !platform.is_empty() {
        attributes.push(pair("datto.platform", text(platform)));
    }
    let scope = InstrumentationScope {
        name: "vintner".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    ResourceLogs {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_logs: vec![ScopeLogs { scope: Some(scope), ..ScopeLogs::default() }],
        schema_url: String::new(),
    }
}

/// The platform that the event's tags name, if they do.
fn platform(fields: &Fields<'_>) -> String {
    let member = |tag: Json<'_>, key: &str| {
        let value = tag.members().find(|(name, _)| name == key)?.1;
        value.string().map(Cow::into_owned)
    };
    let mut tags = fields.find("metadata.tags").into_iter().flat_map(Json::items);
    let named = tags.find(|tag| member(*tag, "name").as_deref() == Some("datto.platform"));
    named.and_then(|tag| member(tag, "value")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::lines::tests::event;

    fn of(account: &str, json: &str) -> Event {
        let mut event = event(json);
        event.pivots.account_uid = account.into();
        event
    }

    #[test]
    fn each_account_has_its_resource_and_order_is_kept() {
        let tagged = r#"{"metadata":{"tags":[{"name":"datto.platform","value":"vidal"}]}}"#;
        let events = [of("a", tagged), of("a", tagged), of("b", "{}"), of("a", tagged)];
        let bytes = Prepared::new(&events, Body::Json).encode(0..4);
        let request = ExportLogsServiceRequest::decode(bytes.as_slice()).unwrap();
        let counts: Vec<_> = request.resource_logs.iter().map(|logs| logs.scope_logs[0].log_records.len()).collect();
        assert_eq!(counts, [2, 1, 1]);
        let resource = format!("{:?}", request.resource_logs[0].resource);
        assert!(resource.contains("datto.platform") && resource.contains("vidal"), "{resource}");
        assert!(!format!("{:?}", request.resource_logs[1].resource).contains("datto.platform"));
    }

    #[test]
    fn a_request_stays_below_what_receivers_take() {
        let large = format!("\"{}\"", "x".repeat(MAX_BYTES / 2));
        let events =
            [of("a", &large), of("a", "1"), of("a", &large), of("a", &"9".repeat(MAX_BYTES + 1)), of("a", "2")];
        let prepared = Prepared::new(&events, Body::Json);
        assert_eq!(prepared.requests(), [0..2, 2..3, 3..4, 4..5]);
    }
}
