//! The rules of event-schema.md section 7 in their order: the first that matches and whose needs are met makes the event.

use super::row::Row;
use super::{access, entity, session, work};
use crate::normalize::notes::Notes;
use crate::normalize::ocsf::event::Draft;
use crate::normalize::ocsf::scope::Scope;
use crate::record::part::Part;

/// One rule.
struct Rule {
    /// For explanations.
    name: &'static str,
    matches: fn(&Row<'_>) -> bool,
    /// `None`, with nothing taken from the record, where a need is not met.
    make: for<'a> fn(&mut Row<'a>, &mut Scope<'a>, &mut Notes) -> Option<Draft<'a>>,
}

const RULES: [Rule; 9] = [
    Rule { name: "activity 1: remote session", matches: is_remote, make: session::tunnel },
    Rule {
        name: "activity 2: patch",
        matches: |row| row.entity == "device" && row.category == "patch" && !row.has_token(&["audit"]),
        make: work::patch,
    },
    Rule { name: "activity 3: job", matches: |row| row.category == "job", make: work::job },
    Rule {
        name: "activity 4: log-in",
        matches: |row| row.is_user() && row.has_token(&session::LOGONS),
        make: session::logon,
    },
    Rule {
        name: "activity 4: log-out",
        matches: |row| row.is_user() && row.has_token(&session::LOGOFFS),
        make: session::logoff,
    },
    Rule {
        name: "activity 5: roles",
        matches: |row| row.is_user() && row.category == "user" && is_of_roles(row),
        make: access::privileges,
    },
    Rule {
        name: "activity 6: portal user",
        matches: |row| row.is_user() && matches!(row.category.as_str(), "user" | "authuser"),
        make: access::account_change,
    },
    Rule {
        name: "activity 7: device move",
        matches: |row| row.category == "device" && row.tokens == ["move", "device"],
        make: entity::device_move,
    },
    Rule { name: "activity 8 and 9: managed entity", matches: |row| !row.category.is_empty(), make: entity::managed },
];

/// The draft of the first rule that fits; `None` for a record that no rule can map.
pub(super) fn apply<'a>(row: &mut Row<'a>, scope: &mut Scope<'a>, notes: &mut Notes) -> Option<Draft<'a>> {
    RULES
        .iter()
        .filter(|rule| (rule.matches)(row))
        .collect::<Vec<_>>()
        .into_iter()
        .find_map(|rule| Some(Draft { rule: rule.name, ..(rule.make)(row, scope, notes)? }))
}

/// Whether the record tells the roles of a row. A row that does more to a user has a derived record for them.
fn is_of_roles(row: &Row<'_>) -> bool {
    row.part == Some(Part::Roles) || !access::changes_account(row)
}

/// Remote sessions, and remote tools used from the portal's agent browser.
fn is_remote(row: &Row<'_>) -> bool {
    const TOOLS: [&str; 4] = ["rs", "file", "event", "shot"];
    let is_web_remote = row.category.starts_with("web.remote");
    row.category == "remote"
        || (row.is_user() && is_web_remote)
        || (row.is_user() && row.category == "agent" && row.has_token(&TOOLS))
}
