//! What an administrator did, as a sentence for people.

use super::row::{Row, present};

/// Names of devices in a sentence.
const MAX_NAMED: usize = 3;

/// The sentence about an action on `about`, a thing of the row's category; the row's own words where they are not understood.
pub(super) fn managed(row: &Row<'_>, who: &str, about: Option<&str>) -> String {
    let subject = about.map(|about| format!(" {about}")).unwrap_or_default();
    let did = row.tokens.iter().find_map(|token| past(row, token));
    let (Some(did), false) = (did, row.failed) else { return plain(row, who, about) };
    let has = |words: &[&str]| row.has_token(words);
    let noun = noun(&row.category);
    if has(&["settings"]) {
        let of = about.map(|about| format!(" of {about}")).unwrap_or_default();
        let noun = if row.category == "account" { "account" } else { &noun };
        return format!("{who} {did} {noun} settings{of}{}", settings(row));
    }
    if has(&["push"]) {
        return match did {
            "pushed" => format!("{who} pushed changes of {noun}{subject}"),
            _ => format!("{who} {did} {noun}{subject} and pushed it"),
        };
    }
    if did == "ran" {
        return format!("{who} ran {noun}{subject} again");
    }
    if let ("agent", Some(device)) = (row.category.as_str(), about) {
        return format!("{who} {did} the agent of {device}");
    }
    let origin = if has(&["comstore"]) { " from the ComStore" } else { "" };
    format!("{who} {did} {noun}{subject}{origin}")
}

/// The sentence about an action on several devices.
pub(super) fn devices(row: &Row<'_>, who: &str, about: Option<&str>, names: &[String]) -> String {
    let count = names.len();
    let list: Vec<&str> = names.iter().take(MAX_NAMED).map(String::as_str).collect();
    let more = if count > MAX_NAMED { " …" } else { "" };
    let list = format!("{}{more}", list.join(", "));
    match row.tokens.iter().find_map(|token| past(row, token)) {
        Some(did) if !row.failed && matches!(row.category.as_str(), "device" | "agent") => {
            format!("{who} {did} {count} devices: {list}")
        }
        Some(did) if !row.failed => {
            let subject = about.map(|about| format!(" {about}")).unwrap_or_default();
            let again = if did == "ran" { " again" } else { "" };
            format!("{who} {did} {}{subject}{again} for {count} devices: {list}", noun(&row.category))
        }
        Some(_) | None => plain(row, who, Some(&format!("{count} devices: {list}"))),
    }
}

/// The row's own words.
fn plain(row: &Row<'_>, who: &str, about: Option<&str>) -> String {
    let about = about.map(|about| format!(" ({about})")).unwrap_or_default();
    format!("{who}: {} {}{about}", row.category, row.plain_action())
}

/// Which settings the details speak of.
fn settings(row: &Row<'_>) -> &'static str {
    let has = |key| row.details.get(key).is_some_and(|value| !value.is_blank());
    match (has("data.access_control"), has("data.variable")) {
        (true, true) => ": access control, a variable",
        (true, false) => ": access control",
        (false, true) => ": a variable",
        (false, false) => "",
    }
}

fn noun(category: &str) -> String {
    match category {
        "authuser" => "user".to_owned(),
        "account" => "the account".to_owned(),
        other => other.replace('.', " "),
    }
}

/// The past tense of a word of an action; `None` for a word that is no known verb.
fn past(row: &Row<'_>, token: &str) -> Option<&'static str> {
    let known = |verb: &str| {
        Some(match verb {
            "create" | "new" => "created",
            "add" => "added",
            "import" => "imported",
            "view" => "viewed",
            "read" => "read",
            "export" => "exported",
            "download" => "downloaded",
            "edit" => "edited",
            "update" => "updated",
            "change" => "changed",
            "set" => "set",
            "rename" => "renamed",
            "push" => "pushed",
            "delete" => "deleted",
            "remove" => "removed",
            "uninstall" => "uninstalled",
            "retire" => "retired",
            "move" => "moved",
            "approve" => "approved",
            "enroll" => "enrolled",
            "enable" => "enabled",
            "disable" => "disabled",
            "activate" => "activated",
            "deactivate" => "deactivated",
            "suspend" => "suspended",
            "pause" => "paused",
            "resume" => "resumed",
            "rerun" => "ran",
            "toggle" => match row.details.flag("data.active") {
                Some(true) => "switched on",
                Some(false) => "switched off",
                None => "toggled",
            },
            _ => return None,
        })
    };
    known(token).or_else(|| present(token).find_map(known))
}
