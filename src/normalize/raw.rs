//! The source record with its envelope, for consumers that map it themselves.

use serde::Serialize;
use serde_json::value::RawValue;

use super::json::decodable;
use super::{Context, Unmappable, redact};
use crate::record::{EventId, Record};

/// One record as it is written. `received_at` is in epoch milliseconds.
#[derive(Serialize)]
struct RawRecord<'a> {
    account_uid: &'a str,
    platform: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    id: String,
    tenant_uid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    site_uid: Option<&'a str>,
    received_at: i64,
    marker: String,
    path: &'a str,
    record: &'a RawValue,
}

/// The record as one JSON object; `site_uid` as the event's pivots have it.
pub(crate) fn encode(
    record: &Record,
    id: EventId,
    context: &Context<'_>,
    site_uid: Option<&str>,
) -> Result<String, Unmappable> {
    let envelope = &record.envelope;
    let source = decodable(redact::strip_again(envelope.kind, &record.source, context.udfs(record)));
    let raw = RawRecord {
        account_uid: envelope.account.as_str(),
        platform: context.directory.account(&envelope.account).map_or("", |account| &account.platform),
        kind: envelope.kind.as_str(),
        id: id.to_string(),
        tenant_uid: &context.tenant.id,
        site_uid,
        received_at: envelope.received_at.as_i64(),
        marker: envelope.marker.to_string(),
        path: &envelope.path,
        record: &source,
    };
    serde_json::to_string(&raw).map_err(|error| Unmappable(error.to_string()))
}
