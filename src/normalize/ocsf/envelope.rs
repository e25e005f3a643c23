//! `metadata` as the record's envelope alone fixes it (event-schema.md sections 4 and 5).

use super::choice::Text;
use super::object::metadata::{Feature, Metadata, Product, Reporter, Transformation};
use super::scope::Scope;
use super::version;
use crate::record::{EventId, RecordKind};

/// The part of `metadata` that follows from the envelope alone.
pub(crate) fn metadata<'a>(id: EventId, scope: &Scope<'a>) -> Metadata<'a> {
    let envelope = scope.envelope;
    let (feature, log_name) = feature(envelope.kind);
    let datto = Product {
        name: "Datto RMM",
        vendor_name: Some("Datto"),
        version: None,
        feature: Some(Feature { name: feature }),
    };
    let vintner =
        Product { name: "vintner", vendor_name: None, version: Some(env!("CARGO_PKG_VERSION")), feature: None };
    Metadata {
        version: version::OCSF,
        uid: id.to_string(),
        original_event_uid: Text::Borrowed(&envelope.native_id),
        correlation_uid: None,
        product: datto,
        source: "Datto RMM",
        kind: envelope.kind.as_str(),
        event_code: Text::Borrowed(""),
        log_name,
        log_provider: "Datto RMM API v2",
        log_source: &envelope.path,
        log_format: "JSON",
        original_time: None,
        logged_time: scope.polled_at(),
        processed_time: scope.context.processed_at.as_i64(),
        tenant_uid: &scope.context.tenant.id,
        reporter: reporter(scope),
        profiles: Vec::new(),
        labels: Vec::new(),
        tags: Vec::new(),
        transformation_info_list: [Transformation { name: "datto-rmm-ocsf", uid: version::MAPPING, product: vintner }],
        debug: Vec::new(),
        is_truncated: None,
        untruncated_size: None,
    }
}

/// Datto's name of the feature that made the record, and the consumer-side name of the log.
fn feature(kind: RecordKind) -> (&'static str, &'static str) {
    match kind {
        RecordKind::Alert => ("Alerts", "datto_rmm.alert"),
        RecordKind::ActivityDevice | RecordKind::ActivityUser => ("Activity Log", "datto_rmm.activity"),
        RecordKind::Device | RecordKind::DevicePosture => ("Devices", "datto_rmm.device"),
        RecordKind::Site => ("Sites", "datto_rmm.site"),
        RecordKind::User => ("Users", "datto_rmm.user"),
        RecordKind::Software => ("Device audit", "datto_rmm.software"),
    }
}

fn reporter<'a>(scope: &Scope<'a>) -> Reporter<'a> {
    let name = match scope.platform() {
        "" => "Datto RMM".to_owned(),
        platform => format!("Datto RMM {platform}"),
    };
    let hostname = scope.account.map(|account| account.api_host.as_str()).filter(|host| !host.is_empty());
    Reporter { name, hostname, org: scope.msp() }
}
