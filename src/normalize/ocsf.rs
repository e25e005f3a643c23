//! Records as OCSF events (event-schema.md): mapping, envelope, limits.

use self::event::{Draft, Finished, OcsfEvent};
use self::scope::Scope;
use super::json::fields::Fields;
use super::json::{Json, text};
use super::notes::{MAX_STRING, Notes};
use super::{Context, Unmappable, redact};
use crate::event::Pivots;
use crate::org::directory::Tenant;
use crate::record::{EventId, Record, RecordKind};

pub(crate) mod activity;
mod alert;
#[rustfmt::skip]
mod captions;
pub(super) mod choice;
pub(super) mod class;
pub(super) mod device;
mod envelope;
pub(super) mod event;
#[cfg(test)]
pub(crate) mod full;
mod lens;
mod lifecycle;
pub(super) mod object;
mod own;
mod posture;
mod residue;
mod scope;
pub mod severity;
mod site;
mod software;
mod user;
pub(crate) mod version;

/// Kafka's default limit of a message is 1 MB; this leaves room for its headers (event-schema.md section 10).
const MAX_EVENT: usize = 900 * 1024;
/// Room for what most events have besides residue and raw data.
const USUAL_EVENT: usize = 6 * 1024;
/// The limit of any string in an event that stays over [`MAX_EVENT`] without everything that can go.
const TIGHT_STRING: usize = 1024;

/// Writes a finished event in the form that a sink wants.
pub(crate) type Render = fn(&OcsfEvent<'_>, &Tenant) -> Result<String, Unmappable>;

/// The event in its final form, and its pivots. `acting`: names of the acting user, where the record does not hold them.
pub(crate) fn encode(
    record: &Record,
    id: EventId,
    acting: Option<&[String]>,
    context: &Context<'_>,
    render: Render,
) -> Result<(String, Pivots), Unmappable> {
    let input = Input::new(record, id, context);
    let scope = Scope { acting_users: acting, ..Scope::new(&record.envelope, context) };
    let (finished, pivots) = input.build(&scope, MAX_STRING)?;
    let write = |event: &OcsfEvent<'_>| render(event, context.tenant);
    let json = write(&finished.event)?;
    if finished.cut == 0 && json.len() <= MAX_EVENT {
        return Ok((json, pivots));
    }
    let untruncated = json.len().saturating_add(finished.cut);
    let fitted = match shrink(finished.event, untruncated, write)? {
        Some(json) => Some(json),
        None => shrink(input.build(&scope, TIGHT_STRING)?.0.event, untruncated, write)?,
    };
    let json =
        fitted.ok_or_else(|| Unmappable("it is too large for an event even without what can be left out".into()))?;
    Ok((json, pivots))
}

/// The pivots alone, for formats that do not carry the event.
pub(crate) fn pivots(
    record: &Record,
    id: EventId,
    acting: Option<&[String]>,
    context: &Context<'_>,
) -> Result<Pivots, Unmappable> {
    let scope = Scope { acting_users: acting, ..Scope::new(&record.envelope, context) };
    Ok(Input::new(record, id, context).build(&scope, MAX_STRING)?.1)
}

/// Whether the table of monitors has this `@class`.
pub(crate) fn knows_class(class: &str) -> bool {
    alert::knows_class(class)
}

/// Every `@class` of the table of monitors.
#[cfg(test)]
pub(crate) fn known_classes() -> impl Iterator<Item = &'static str> {
    alert::known_classes()
}

/// The rule of the mapping that makes the event of a record.
pub(crate) fn rule(record: &Record, context: &Context<'_>) -> Result<&'static str, Unmappable> {
    let input = Input::new(record, record.envelope.event_id(), context);
    let mut scope = Scope::new(&record.envelope, context);
    let fields = Fields::open(Json::trusted(&input.source), "");
    let fields = fields.ok_or_else(|| Unmappable("its source is not a JSON object".into()))?;
    Ok(input.draft(&mut scope, fields, &mut Notes::default()).rule)
}

/// What an event borrows from: the record without secrets, and its details decoded.
struct Input<'a> {
    record: &'a Record,
    id: EventId,
    source: std::borrow::Cow<'a, str>,
    details: Option<String>,
}

impl<'a> Input<'a> {
    fn new(record: &'a Record, id: EventId, context: &Context<'_>) -> Self {
        // The journal holds records without secrets already; an operator may since have shortened the list of what is told.
        let source = redact::stripped_again(record.envelope.kind, record.source.get(), context.udfs(record));
        let is_activity = matches!(record.envelope.kind, RecordKind::ActivityDevice | RecordKind::ActivityUser);
        let details = if is_activity { details(&source) } else { None };
        Self { record, id, source, details }
    }

    /// Builds the event with strings of at most `max_string` bytes.
    fn build<'b>(&'b self, scope: &Scope<'b>, max_string: usize) -> Result<(Finished<'b>, Pivots), Unmappable> {
        let mut scope = scope.clone();
        let mut notes = Notes::within(max_string);
        let fields = Fields::open(Json::trusted(&self.source), "");
        let fields = fields.ok_or_else(|| Unmappable("its source is not a JSON object".into()))?;
        let draft = self.draft(&mut scope, fields, &mut notes);
        notes.add_cut_observables(draft.observables.surplus);
        let pivots = draft.pivots(&scope);
        Ok((draft.finish(self.id, &scope, &self.source, notes), pivots))
    }

    fn draft<'b>(&'b self, scope: &mut Scope<'b>, fields: Fields<'b>, notes: &mut Notes) -> Draft<'b> {
        let kind = self.record.envelope.kind;
        let mut draft = match kind {
            RecordKind::Alert => alert::draft(scope, fields, notes),
            RecordKind::ActivityDevice | RecordKind::ActivityUser => {
                activity::draft(scope, fields, self.details.as_deref(), notes)
            }
            RecordKind::Device => device::draft(scope, fields, notes),
            RecordKind::DevicePosture => posture::draft(scope, fields, notes),
            RecordKind::Site => site::draft(scope, fields, notes),
            RecordKind::User => user::draft(scope, fields, notes),
            RecordKind::Software => software::draft(scope, fields, notes),
            RecordKind::Own(kind) => own::draft(kind, scope, fields, notes),
        };
        if draft.rule.is_empty() {
            draft.rule = kind.as_str();
        }
        draft
    }
}

/// The text of an activity's details, decoded.
fn details(source: &str) -> Option<String> {
    let (_, details) = Json::trusted(source).members().find(|(key, _)| key == "details")?;
    details.string().map(std::borrow::Cow::into_owned)
}

/// The event within [`MAX_EVENT`], giving up ever more of it; `None` if even the least is too much.
fn shrink(
    mut event: OcsfEvent<'_>,
    untruncated: usize,
    write: impl Fn(&OcsfEvent<'_>) -> Result<String, Unmappable>,
) -> Result<Option<String>, Unmappable> {
    event.metadata.is_truncated = Some(true);
    event.metadata.untruncated_size = i32::try_from(untruncated.div_ceil(1024)).ok();
    let steps: [fn(&mut OcsfEvent<'_>); 4] = [
        |_| {},
        |event| event.raw_data = None,
        |event| event.unmapped = None,
        |event| {
            event.body.shed();
            // They point at what is gone now.
            event.observables.clear();
            event.metadata.debug.clear();
        },
    ];
    for step in steps {
        step(&mut event);
        let json = write(&event)?;
        if json.len() <= MAX_EVENT {
            return Ok(Some(json));
        }
    }
    Ok(None)
}

/// The event as OCSF's own JSON.
pub(crate) fn render(event: &OcsfEvent<'_>, _: &Tenant) -> Result<String, Unmappable> {
    let unmapped = event.unmapped.as_deref().map_or(0, str::len);
    let raw_data = event.raw_data.map_or(0, str::len);
    let guess = unmapped.saturating_add(raw_data).saturating_add(USUAL_EVENT);
    let mut out = Vec::with_capacity(guess);
    serde_json::to_writer(&mut out, event).map_err(|error| Unmappable(error.to_string()))?;
    // The object goes on: its last brace comes again below.
    out.pop();
    if let Some(unmapped) = &event.unmapped {
        out.extend_from_slice(b",\"unmapped\":{\"datto_rmm\":");
        out.extend_from_slice(unmapped.as_bytes());
        out.push(b'}');
    }
    if let Some(raw_data) = event.raw_data {
        out.extend_from_slice(b",\"raw_data\":");
        text::write(&mut out, raw_data);
    }
    out.push(b'}');
    String::from_utf8(out).map_err(|error| Unmappable(error.to_string()))
}
