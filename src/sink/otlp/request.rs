//! Events as OTLP requests: one resource per account, bounded in bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::Body;
use super::record::{Fields, log_record};
use super::value::{pair, text};
use crate::diagnostic::panics::caught;
use crate::event::Event;
use crate::normalize::json::Json;

/// Largest request before compression. Receivers count after decompression, and 4 MiB is where gRPC servers refuse.
const MAX_BYTES: usize = 3 * 1024 * 1024;

// Keys of length-delimited fields (opentelemetry/proto/logs/v1/logs.proto).
/// `ExportLogsServiceRequest.resource_logs`.
const RESOURCE_LOGS: u8 = 1 << 3 | 2;
/// `ResourceLogs.scope_logs`.
const SCOPE_LOGS: u8 = 2 << 3 | 2;
/// `ScopeLogs.log_records`.
const LOG_RECORDS: u8 = 2 << 3 | 2;

/// Events of one lane made ready, so that a part of them can be sent again without encoding them anew.
pub(super) struct Prepared {
    records: Vec<Ready>,
    unmade: BTreeMap<usize, String>,
}

/// One record and the account that its resource names.
struct Ready {
    /// The encoded `LogRecord`.
    bytes: Vec<u8>,
    /// Its index in the delivery.
    origin: usize,
    account: String,
    platform: String,
}

impl Prepared {
    /// Makes the records of those `events` that are `members`, in order.
    pub(super) fn new(events: &[Event], members: &[usize], body: Body) -> Self {
        let (mut records, mut unmade) = (Vec::new(), BTreeMap::new());
        for (origin, event) in members.iter().filter_map(|origin| Some((*origin, events.get(*origin)?))) {
            match caught(|| Ready::of(event, origin, body)) {
                Ok(ready) => records.push(ready),
                Err(panicked) => drop(unmade.insert(origin, panicked.to_string())),
            }
        }
        Self { records, unmade }
    }

    /// Events that no record can be made of since that panics, by their index in the delivery, each with the reason.
    pub(super) fn unmade(&self) -> &BTreeMap<usize, String> {
        &self.unmade
    }

    /// The places of all records.
    pub(super) fn places(&self) -> Vec<usize> {
        (0..self.records.len()).collect()
    }

    /// Splits `places` into those that fit into one request each; a record that is too large stands alone.
    pub(super) fn requests(&self, places: Vec<usize>) -> Vec<Vec<usize>> {
        let (mut requests, mut request, mut bytes) = (Vec::new(), Vec::new(), 0_usize);
        for place in places {
            let length = self.records.get(place).map_or(0, |ready| ready.bytes.len());
            if !request.is_empty() && bytes.saturating_add(length) > MAX_BYTES {
                requests.push(std::mem::take(&mut request));
                bytes = 0;
            }
            request.push(place);
            bytes = bytes.saturating_add(length);
        }
        if !request.is_empty() {
            requests.push(request);
        }
        requests
    }

    /// The index in the delivery of a record.
    pub(super) fn origin(&self, place: usize) -> Option<usize> {
        self.records.get(place).map(|ready| ready.origin)
    }

    /// The encoded request of the records at `places`: an `ExportLogsServiceRequest` around records that are encoded already.
    pub(super) fn encode(&self, places: &[usize]) -> Vec<u8> {
        let mut request = Vec::new();
        let records: Vec<&Ready> = places.iter().filter_map(|place| self.records.get(*place)).collect();
        for same in records.chunk_by(|one, other| one.owner() == other.owner()) {
            let Some(first) = same.first() else { continue };
            let mut scope_logs = scope_logs().encode_to_vec();
            scope_logs.reserve(same.iter().map(|ready| ready.bytes.len().saturating_add(6)).sum());
            for ready in same {
                push(LOG_RECORDS, &ready.bytes, &mut scope_logs);
            }
            let mut resource_logs = resource_logs(first.owner()).encode_to_vec();
            push(SCOPE_LOGS, &scope_logs, &mut resource_logs);
            push(RESOURCE_LOGS, &resource_logs, &mut request);
        }
        request
    }
}

impl Ready {
    fn of(event: &Event, origin: usize, body: Body) -> Self {
        #[cfg(test)]
        crate::diagnostic::planted::visit("otlp", &event.id.to_string());
        let fields = Fields::of(event);
        let bytes = log_record(event, &fields, body).encode_to_vec();
        let (account, platform) = (event.pivots.account_uid.clone(), platform(&fields));
        Self { bytes, origin, account, platform }
    }

    fn owner(&self) -> (&str, &str) {
        (&self.account, &self.platform)
    }
}

/// Appends a length-delimited field. Protobuf lets the fields of a message stand in any order, and its parts be joined.
fn push(key: u8, bytes: &[u8], message: &mut Vec<u8>) {
    message.push(key);
    let mut length = bytes.len();
    while length > 0x7f {
        message.push(0x80 | (length & 0x7f) as u8);
        length >>= 7;
    }
    message.push(length as u8);
    message.extend_from_slice(bytes);
}

/// Everything of a `ScopeLogs` but its records.
fn scope_logs() -> ScopeLogs {
    let scope = InstrumentationScope {
        name: "vintner".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    ScopeLogs { scope: Some(scope), ..ScopeLogs::default() }
}

/// Everything of a `ResourceLogs` but its records.
fn resource_logs((account, platform): (&str, &str)) -> ResourceLogs {
    let mut attributes = vec![
        pair("service.name", text("datto-rmm")),
        pair("service.namespace", text("datto")),
        pair("datto.account.uid", text(account)),
    ];
    if !platform.is_empty() {
        attributes.push(pair("datto.platform", text(platform)));
    }
    ResourceLogs { resource: Some(Resource { attributes, ..Resource::default() }), ..ResourceLogs::default() }
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
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;

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
        let bytes = Prepared::new(&events, &[0, 1, 2, 3], Body::Json).encode(&[0, 1, 2, 3]);
        let request = ExportLogsServiceRequest::decode(bytes.as_slice()).unwrap();
        assert_eq!(request.encode_to_vec(), bytes, "as the library itself would encode it");
        let counts: Vec<_> = request.resource_logs.iter().map(|logs| logs.scope_logs[0].log_records.len()).collect();
        assert_eq!(counts, [2, 1, 1]);
        let resource = format!("{:?}", request.resource_logs[0].resource);
        assert!(resource.contains("datto.platform") && resource.contains("vidal"), "{resource}");
        assert!(!format!("{:?}", request.resource_logs[1].resource).contains("datto.platform"));
    }

    #[test]
    fn an_event_that_panics_is_named_and_the_others_go() {
        let mut events = [of("a", "1"), of("a", "2"), of("a", "3")];
        events[1].id = crate::record::EventId(uuid::Uuid::from_u128(0x0071_5000));
        crate::diagnostic::planted::plant("otlp", &events[1].id.to_string(), 1);
        let prepared = Prepared::new(&events, &[0, 1, 2], Body::Json);
        let origins: Vec<_> = (0..3).filter_map(|place| prepared.origin(place)).collect();
        assert_eq!((origins, prepared.unmade().keys().copied().collect::<Vec<_>>()), (vec![0, 2], vec![1]));
    }

    #[test]
    fn a_request_stays_below_what_receivers_take() {
        let large = format!("\"{}\"", "x".repeat(MAX_BYTES / 2));
        let events =
            [of("a", &large), of("a", "1"), of("a", &large), of("a", &"9".repeat(MAX_BYTES + 1)), of("a", "2")];
        let prepared = Prepared::new(&events, &[0, 1, 2, 3, 4], Body::Json);
        assert_eq!(prepared.requests(prepared.places()), [vec![0, 1], vec![2], vec![3], vec![4]]);
    }
}
