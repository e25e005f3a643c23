//! One kind of monitor, and reading a context by it.

use super::reading::{Reading, Told};
use super::table::{COMPONENT, MONITORS, UNKNOWN};
use crate::normalize::json::fields::Fields;
use crate::normalize::ocsf::choice::Text;
use crate::normalize::ocsf::object::finding::Evidence;

/// One kind of monitor.
pub(super) struct Monitor {
    /// Names on the wire, in lower case; the API's documentation and its output use different ones for the same thing.
    pub(super) classes: &'static [&'static str],
    pub(super) label: &'static str,
    /// `analytic.name`; may be a template.
    pub(super) name: &'static str,
    /// `analytic.type_id`: 0 Unknown, 1 Rule, 2 Behavioral.
    pub(super) type_id: u32,
    pub(super) types: &'static [&'static str],
    /// Template of the title: what it is, without host and value, so that alerts of one kind share it.
    pub(super) title: &'static str,
    /// Template of the message; empty where `special` makes it.
    pub(super) message: &'static str,
    /// Name of the evidence and the context's fields in it; no fields, no evidence.
    pub(super) evidence: (&'static str, &'static [&'static str]),
    /// What a table cannot say.
    pub(super) special: Option<fn(&mut Reading<'_, '_>)>,
}

/// Reads a context by its class; returns what it told and what is left of it.
pub(super) fn read<'a>(class: Option<&str>, mut reading: Reading<'a, '_>) -> (Told<'a>, Fields<'a>) {
    let monitor = class.and_then(find).unwrap_or(&UNKNOWN);
    let told = &mut reading.told;
    (told.label, told.analytic_type, told.types) = (monitor.label, monitor.type_id, monitor.types);
    reading.told.rule = monitor.classes.first().copied().unwrap_or("alert: unknown @class");
    let analytic = reading.fill(monitor.name).map_or(Text::Borrowed(fallback_name(monitor)), Text::Owned);
    reading.told.analytic = reading.notes.limit(analytic);
    let filled = |template: &str| reading.fill(template).filter(|text| !text.trim().is_empty());
    (reading.told.title, reading.told.message) = (filled(monitor.title), filled(monitor.message));
    if let Some(special) = monitor.special {
        special(&mut reading);
    }
    let (name, data) = monitor.evidence;
    if !data.is_empty() {
        reading.add_evidence(Evidence { name, ..Evidence::default() }, data);
    }
    (reading.told, reading.context)
}

/// The name of a monitor whose own template cannot be filled.
fn fallback_name(monitor: &Monitor) -> &'static str {
    if monitor.types == ["SNMP"] { "SNMP monitor" } else { "Resource usage monitor" }
}

pub(super) fn find(class: &str) -> Option<&'static Monitor> {
    let name = class.trim().to_lowercase();
    let is_component = name.starts_with(COMPONENT);
    let name = if is_component { COMPONENT } else { name.as_str() };
    MONITORS.iter().find(|monitor| monitor.classes.contains(&name))
}
