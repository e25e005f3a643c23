//! Activity log → the most specific class whose needs the record meets (event-schema.md section 7).

use self::row::Row;
use super::captions;
use super::choice::{Choice, Text};
use super::class::{Base, Body};
use super::event::Draft;
use super::lens;
use super::scope::Scope;
use super::severity;
use crate::normalize::json::fields::Fields;
use crate::normalize::notes::Notes;

mod access;
pub(crate) mod derive;
mod entity;
mod look;
mod person;
mod row;
mod rules;
mod session;
mod tool;
mod wording;
mod work;

/// An event code in a note takes no more characters.
const MAX_CODE: usize = 100;

/// The event of an activity record. `details` is the decoded text of the record's `details`, where that is a text.
pub(crate) fn draft<'a>(
    scope: &mut Scope<'a>,
    fields: Fields<'a>,
    details: Option<&'a str>,
    notes: &mut Notes,
) -> Draft<'a> {
    let mut row = Row::open(fields, details, notes);
    row.enclose(scope.envelope);
    row.name_site(scope, notes);
    let event_code = row.event_code(notes);
    let hits = row.hits(scope);
    let mut draft = rules::apply(&mut row, scope, notes).unwrap_or_else(|| base(&row, scope, notes));
    lens::mark(&mut draft, &hits, scope);
    if row.part.is_some() {
        draft.labels.push("derived");
    }
    draft.event_code = event_code;
    draft.original_time = row.original_time.clone();
    row.leave(&mut draft.residue, notes);
    draft
}

/// A draft of a class with what every activity has: time, outcome, severity, label.
fn start<'a>(
    row: &Row<'a>,
    scope: &Scope<'a>,
    class: &'static captions::Class,
    activity: Choice<'a>,
    body: Body<'a>,
) -> Draft<'a> {
    let (key, severity, status) = match (row.failed, row.has_unknown_outcome()) {
        (true, _) => ("activity.failed", 2, 2),
        (false, true) => ("activity", 1, 0),
        (false, false) => ("activity", 1, 1),
    };
    let severity = severity::of_event(key, severity, &scope.options().severities);
    let mut draft = Draft::new(class, activity, row.time(scope), severity, body);
    draft.status = Some(Choice::of(class.statuses, status));
    draft.labels = vec!["audit"];
    draft
}

/// The last resort, for a record without a category: nothing can be said of it but what it holds.
fn base<'a>(row: &Row<'a>, scope: &Scope<'a>, notes: &mut Notes) -> Draft<'a> {
    let event_code = row.event_code(notes);
    notes.add(format!("no rule for {}", event_code.chars().take(MAX_CODE).collect::<String>()));
    let activity = Choice::other(Text::Borrowed("unmapped record"));
    let mut draft = start(row, scope, &captions::BASE_EVENT, activity, Body::Base(Base {}));
    draft.status = None;
    draft.message = "Datto RMM record that no rule maps".to_owned();
    draft.rule = "activity: no rule";
    draft.labels = vec!["audit", "unmapped"];
    draft
}
