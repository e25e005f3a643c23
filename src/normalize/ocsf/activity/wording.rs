//! What an administrator did, as a sentence for people.

use super::row::{Row, present};

/// Names of devices in a sentence.
const MAX_NAMED: usize = 3;

/// The sentence about an action on `about`, a thing of the row's category; the row's own words where they are not understood.
pub(super) fn managed(row: &Row<'_>, who: &str, about: Option<&str>) -> String {
    let did = row.tokens.iter().find_map(|token| past(row, token));
    let (Some(did), false) = (did, row.failed) else { return plain(row, who, about) };
    let has = |words: &[&str]| row.has_token(words);
    if has(&["settings"]) {
        let of = about.map(|about| format!(" of {}", named(about))).unwrap_or_default();
        return format!("{who} {did} {} settings{of}{}", noun(&row.category), settings(row));
    }
    let thing = thing(&row.category, about);
    if has(&["push"]) {
        return match did {
            "pushed" => format!("{who} pushed changes of {thing}"),
            _ => format!("{who} {did} {thing} and pushed it"),
        };
    }
    if did == "ran" {
        return format!("{who} ran {thing} again");
    }
    if let ("agent", Some(device)) = (row.category.as_str(), about) {
        return format!("{who} {did} the agent of {}", named(device));
    }
    let origin = if has(&["comstore"]) { " from the ComStore" } else { "" };
    format!("{who} {did} {thing}{origin}")
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
            let again = if did == "ran" { " again" } else { "" };
            format!("{who} {did} {}{again} for {count} devices: {list}", thing(&row.category, about))
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

/// A thing of a category in a sentence: with its name, else with an article.
fn thing(category: &str, about: Option<&str>) -> String {
    let noun = noun(category);
    match about {
        Some(about) => format!("{noun} {}", named(about)),
        // There is one of them.
        None if matches!(category, "account" | "branding") => format!("the {noun}"),
        None if noun.ends_with('s') => noun,
        None if noun.starts_with(['a', 'e', 'i', 'o']) => format!("an {noun}"),
        None => format!("a {noun}"),
    }
}

/// A name in a sentence: in quotes if it has several words.
pub(super) fn named(name: &str) -> String {
    if name.contains(char::is_whitespace) { format!("\"{name}\"") } else { name.to_owned() }
}

fn noun(category: &str) -> String {
    match category {
        "authuser" => "user".to_owned(),
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
