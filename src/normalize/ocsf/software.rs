//! Software audit → Software Inventory Info 5020 (event-schema.md section 8). The source is the audit's answer: `software`, a
//! list of `{name, version}`, beside the device's own names.

use super::captions;
use super::choice::{OTHER, Text};
use super::class::{Body, SoftwareInventory};
use super::event::Draft;
use super::object::asset::{Component, Package, Sbom};
use super::scope::{DeviceNames, Scope, text};
use super::site;
use crate::clock::Millis;
use crate::normalize::json::fields::Fields;
use crate::normalize::json::{Json, Kind};
use crate::normalize::notes::Notes;

/// Components in one event; the collector splits longer audits, and what is over stays in the residue.
const MAX_COMPONENTS: usize = 500;

/// The event of an audit.
pub(crate) fn draft<'a>(scope: &mut Scope<'a>, mut fields: Fields<'a>, notes: &mut Notes) -> Draft<'a> {
    let uid = fields.take_text("deviceUid", notes).or_else(|| text(&scope.envelope.native_id));
    let names = DeviceNames { uid, hostname: fields.take_text("hostname", notes), id: None };
    let device = scope.device(names);
    let host = device.hostname.clone().or_else(|| device.uid.clone()).unwrap_or_default();
    let software = fields.get("software").filter(|list| list.kind() == Kind::Array);
    let parts: Vec<Json<'a>> = software.into_iter().flat_map(Json::items).collect();
    let components: Vec<Component<'a>> =
        parts.iter().filter_map(|item| component(*item, notes)).take(MAX_COMPONENTS).collect();
    if software.is_some() && components.len() == parts.len() {
        fields.take("software");
    }
    let message =
        format!("Software audit of {host}: {} package{}", parts.len(), if parts.len() == 1 { "" } else { "s" });
    let audited = fields.time("lastAuditDate", notes).unwrap_or_else(|| scope.polled_at());
    let package = Package {
        name: Text::Owned(format!("{host} software audit")),
        version: Text::Owned(Millis(audited).to_rfc3339_seconds()),
        type_id: OTHER,
        kind: "Software audit",
    };
    let sbom = (!components.is_empty()).then_some(Sbom { package, software_components: components });
    let body = Body::Software(Box::new(SoftwareInventory { device: device.clone(), sbom }));
    let mut draft = site::inventory(scope, &captions::SOFTWARE_INFO, body, "software", message, &fields, notes);
    draft.observables.add_device(&device);
    draft
}

/// A component, if the item is one and says nothing else.
fn component<'a>(item: Json<'a>, notes: &mut Notes) -> Option<Component<'a>> {
    let mut fields = Fields::open(item, "software.")?;
    let name = fields.take_text("name", notes)?;
    let version = fields.take_id("version", notes);
    let is_whole = fields.iter().all(|(_, value)| value.is_blank());
    is_whole.then(|| Component { name, version: version.unwrap_or(Text::Borrowed("unknown")) })
}
