//! Site → Cloud Resources Inventory Info 5023 (event-schema.md section 8): the nearest that OCSF has to a site inventory.

use super::captions;
use super::choice::{Choice, OTHER, Text};
use super::class::{Body, CloudResources};
use super::event::Draft;
use super::lifecycle;
use super::object::asset::{Cloud, Resource};
use super::object::identity::Account;
use super::scope::{Scope, text};
use super::severity;
use crate::normalize::json::fields::Fields;
use crate::normalize::json::prune;
use crate::normalize::notes::Notes;

/// Fields that describe the site, under Datto's own names.
const DATA: &[&str] = &[
    "description",
    "onDemand",
    "splashtopAutoInstall",
    "devicesStatus",
    "autotaskCompanyName",
    "autotaskCompanyId",
    "proxySettings",
];

/// The event of an inventory item.
pub(crate) fn draft<'a>(scope: &mut Scope<'a>, mut fields: Fields<'a>, notes: &mut Notes) -> Draft<'a> {
    let name = fields.take_text("name", notes);
    let uid = fields.take_text("uid", notes).or_else(|| text(&scope.envelope.native_id));
    scope.site.name = scope.site.name.take().or_else(|| name.clone());
    fields.drop_same("accountUid", Some(scope.envelope.account.as_str()));
    let title = name.as_deref().or(uid.as_deref()).unwrap_or_default();
    let message = if lifecycle::is_gone(scope) { format!("Site {title}") } else { message(title, &fields) };
    let label = if fields.flag("onDemand") == Some(true) { "on-demand" } else { "managed" };
    let uid_alt = fields.take_id("id", notes);
    let data = fields.take_all(DATA).into_iter().map(|(key, value)| match key {
        "proxySettings" => ("proxy", value),
        _ => (key, value),
    });
    let resource =
        Resource { uid, uid_alt, name, kind: "Datto RMM site", labels: vec![label], data: prune::object(data, notes) };
    let msp = scope.msp();
    let account =
        Account { uid: msp.uid, name: msp.name, type_id: OTHER, kind: "Datto RMM account", is_disabled: None };
    let cloud = Cloud { provider: "Datto RMM", region: text(scope.platform()), account };
    let body = Body::CloudResources(Box::new(CloudResources { cloud, resources: [resource] }));
    inventory(scope, &captions::CLOUD_RESOURCES_INVENTORY_INFO, body, "site", message, &fields, notes)
}

/// A draft as all inventory items but devices have it: collected when polled.
pub(crate) fn inventory<'a>(
    scope: &Scope<'a>,
    class: &'static captions::Class,
    body: Body<'a>,
    event_code: &'static str,
    message: String,
    left: &Fields<'a>,
    notes: &mut Notes,
) -> Draft<'a> {
    let activity = Choice::of(class.activities, 2);
    let severity = severity::of_event("inventory", 1, &scope.options().severities);
    let mut draft = Draft::new(class, activity, scope.polled_at(), severity, body);
    draft.message = message;
    lifecycle::tell(&mut draft, scope);
    draft.event_code = Text::Borrowed(event_code);
    draft.original_time = Some(Text::Owned(scope.polled_at().to_string()));
    draft.labels = vec!["inventory"];
    draft.residue.fields(left, notes);
    draft
}

fn message(name: &str, fields: &Fields<'_>) -> String {
    let status = fields.get("devicesStatus").and_then(|status| Fields::open(status, "devicesStatus."));
    let count = |key| status.as_ref().and_then(|status| status.peek(key));
    match (count("numberOfDevices"), count("numberOfOnlineDevices")) {
        (Some(all), Some(online)) => {
            format!("Site {name}: {all} device{}, {online} online", if all == "1" { "" } else { "s" })
        }
        _ => format!("Site {name}"),
    }
}
