//! An OCSF event as ECS, the Elastic Common Schema (event-schema.md section 13).
//!
//! What ECS has no field for stands under `datto_rmm`, so that nothing of the record is lost: Datto's own fields as in OCSF's
//! `unmapped.datto_rmm`, and under `datto_rmm.ocsf` what OCSF has an attribute for.

use self::details::Details;
use self::document::Document;
use self::typed::Typed;
use super::Unmappable;
use super::json::Json;
use super::ocsf::event::OcsfEvent;
use crate::org::directory::Tenant;

mod details;
mod document;
mod evidence;
mod host;
mod kind;
mod threat;
mod typed;
mod user;

/// The version of ECS that every event names.
const VERSION: &str = "9.4.0";
/// What the product is called in `event.module`, and the namespace of what ECS has no field for.
const MODULE: &str = "datto_rmm";
/// Names of vintner's own under `datto_rmm`, which Datto's fields must not have.
const OWN_NAMES: [&str; 5] = ["finding", "entity", "job", "posture", "ocsf"];
/// Room for what most events have besides residue and raw data.
const USUAL_EVENT: usize = 4 * 1024;

/// The event as ECS JSON.
pub(crate) fn render(event: &OcsfEvent<'_>, tenant: &Tenant) -> Result<String, Unmappable> {
    let unmapped = Unmapped::of(event);
    let guess = unmapped.members.len().saturating_add(event.raw_data.map_or(0, str::len)).saturating_add(USUAL_EVENT);
    let mut out = Vec::with_capacity(guess);
    write(&mut out, &Document::of(event, tenant, unmapped.action()))?;
    // The document goes on: its last brace comes again below.
    out.pop();
    out.extend_from_slice(b",\"datto_rmm\":{");
    unmapped.write(&mut out)?;
    let typed = Typed::of(event);
    if !typed.is_empty() {
        let start = out.len();
        write(&mut out, &typed)?;
        // Its members go on in this object: a comma in place of each brace.
        out.remove(start);
        out.pop();
        out.push(b',');
    }
    out.extend_from_slice(b"\"ocsf\":");
    write(&mut out, &Details::of(event))?;
    out.extend_from_slice(b"}}");
    String::from_utf8(out).map_err(|error| Unmappable(error.to_string()))
}

fn write(out: &mut Vec<u8>, value: &impl serde::Serialize) -> Result<(), Unmappable> {
    serde_json::to_writer(out, value).map_err(|error| Unmappable(error.to_string()))
}

/// What OCSF has no attribute for: the members of `unmapped.datto_rmm`.
struct Unmapped<'e> {
    object: Json<'e>,
    /// The members' text without the braces around it.
    members: &'e str,
}

impl<'e> Unmapped<'e> {
    fn of(event: &'e OcsfEvent<'_>) -> Self {
        let object = Json::trusted(event.unmapped.as_deref().unwrap_or_default());
        let members = object.source().strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default();
        Self { object, members }
    }

    /// An activity's action as received.
    fn action(&self) -> Option<std::borrow::Cow<'e, str>> {
        let (_, action) = self.object.members().find(|(key, _)| key == "action")?;
        action.scalar().filter(|action| !action.is_empty())
    }

    /// The members, each with a comma behind it. One that has a name of vintner's is `source_<name>`: a name has one type.
    fn write(&self, out: &mut Vec<u8>) -> Result<(), Unmappable> {
        if !self.object.members().any(|(key, _)| OWN_NAMES.contains(&key.as_ref())) {
            if !self.members.is_empty() {
                out.extend_from_slice(self.members.as_bytes());
                out.push(b',');
            }
            return Ok(());
        }
        for (key, value) in self.object.members() {
            let name = if OWN_NAMES.contains(&key.as_ref()) { self.free_name(&key).into() } else { key };
            write(out, &name)?;
            out.push(b':');
            out.extend_from_slice(value.source().as_bytes());
            out.push(b',');
        }
        Ok(())
    }

    /// `source_<name>`, with underscores where Datto has a field of that name.
    fn free_name(&self, name: &str) -> String {
        let mut free = format!("source_{name}");
        while self.object.members().any(|(key, _)| key == free) {
            free.push('_');
        }
        free
    }
}
