//! `metadata` as the record's envelope alone fixes it (event-schema.md sections 4 and 5).

use super::choice::Text;
use super::object::metadata::{Feature, Metadata, Product, Reporter, Transformation};
use super::scope::Scope;
use super::version;
use crate::record::{EventId, RecordKind};

/// The part of `metadata` that follows from the envelope alone.
pub(crate) fn metadata<'a>(id: EventId, scope: &Scope<'a>) -> Metadata<'a> {
    let envelope = scope.envelope;
    let vintner =
        Product { name: "vintner", vendor_name: None, version: Some(env!("CARGO_PKG_VERSION")), feature: None };
    let origin = origin(envelope.kind, &vintner);
    Metadata {
        version: version::OCSF,
        uid: id.to_string(),
        original_event_uid: Text::Borrowed(&envelope.native_id),
        correlation_uid: None,
        product: origin.product,
        source: origin.source,
        kind: envelope.kind.as_str(),
        event_code: Text::Borrowed(""),
        log_name: origin.log_name,
        log_provider: origin.log_provider,
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
        transformation_info_list: vec![Transformation {
            name: "datto-rmm-ocsf",
            uid: Text::Borrowed(version::MAPPING),
            product: Some(vintner),
        }],
        debug: Vec::new(),
        is_truncated: None,
        untruncated_size: None,
    }
}

/// Who made a record.
struct Origin {
    product: Product,
    source: &'static str,
    log_provider: &'static str,
    /// The consumer-side name of the log.
    log_name: &'static str,
}

/// The producer of the record: Datto RMM, but for what vintner tells of itself.
fn origin(kind: RecordKind, vintner: &Product) -> Origin {
    let (feature, log_name) = match kind {
        RecordKind::Alert => ("Alerts", "datto_rmm.alert"),
        RecordKind::ActivityDevice | RecordKind::ActivityUser => ("Activity Log", "datto_rmm.activity"),
        RecordKind::Device | RecordKind::DevicePosture => ("Devices", "datto_rmm.device"),
        RecordKind::Site => ("Sites", "datto_rmm.site"),
        RecordKind::User => ("Users", "datto_rmm.user"),
        RecordKind::Software => ("Device audit", "datto_rmm.software"),
        RecordKind::Own(_) => {
            return Origin {
                product: vintner.clone(),
                source: "vintner",
                log_provider: "vintner",
                log_name: "vintner",
            };
        }
    };
    let product = Product {
        name: "Datto RMM",
        vendor_name: Some("Datto"),
        version: None,
        feature: Some(Feature { name: feature }),
    };
    Origin { product, source: "Datto RMM", log_provider: "Datto RMM API v2", log_name }
}

fn reporter<'a>(scope: &Scope<'a>) -> Reporter<'a> {
    let name = match scope.platform() {
        "" => "Datto RMM".to_owned(),
        platform => format!("Datto RMM {platform}"),
    };
    let hostname = scope.account.map(|account| account.api_host.as_str()).filter(|host| !host.is_empty());
    Reporter { name, hostname, org: scope.msp() }
}
