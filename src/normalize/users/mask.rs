//! Writes a record anew without what events must not say of users.

use super::{Users, hash};
use crate::normalize::json::{Json, Kind, prune};
use crate::record::RecordKind;

/// Keys of user names, without prefix, dots and underscores, in lower case.
const NAMES: [&str; 12] = [
    "username",
    "foruser",
    "resolvedby",
    "lastloggedinuser",
    "login",
    "loginname",
    "user",
    "createdby",
    "modifiedby",
    "updatedby",
    "requestedby",
    "closedby",
];
/// Keys of the parts of a full name.
const FULL_NAMES: [&str; 10] = [
    "firstname",
    "lastname",
    "fullname",
    "surname",
    "givenname",
    "userfirstname",
    "userlastname",
    "userfullname",
    "middlename",
    "familyname",
];
/// Keys of phone numbers.
const PHONES: [&str; 6] = ["telephone", "phone", "phonenumber", "mobile", "mobilephone", "cellphone"];
/// Deeper values than a record has are left out.
const MAX_DEPTH: usize = 64;
/// Shorter names are words of other texts too.
const MIN_IN_TEXT: usize = 3;

/// What a key says of a user.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Name,
    FullName,
    Email,
    Phone,
}

/// One record while it is written anew.
pub(super) struct Mask<'m> {
    users: &'m Users,
    /// Whether `details` is a text that holds JSON.
    has_details: bool,
    source: &'m str,
    /// What the record itself says of users, each with what stands for it, for texts that repeat it. Longest first.
    known: Vec<(String, String)>,
}

impl<'m> Mask<'m> {
    pub(super) fn new(users: &'m Users, kind: RecordKind, source: &'m str) -> Self {
        let has_details = matches!(kind, RecordKind::ActivityDevice | RecordKind::ActivityUser);
        let mut mask = Self { users, has_details, source, known: Vec::new() };
        let mut found = Vec::new();
        mask.find(Json::trusted(source), "", 0, &mut found);
        found.retain(|(text, _)| text.chars().count() >= MIN_IN_TEXT);
        found.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        found.dedup();
        mask.known = found;
        mask
    }

    /// The record's text.
    pub(super) fn write(&self) -> String {
        let mut out = String::with_capacity(self.source.len());
        self.value(&mut out, Json::trusted(self.source), "", 0);
        out
    }

    fn value(&self, out: &mut String, json: Json<'_>, key: &str, depth: usize) {
        if depth > MAX_DEPTH {
            out.push_str("null");
            return;
        }
        let below = depth.saturating_add(1);
        match json.kind() {
            Kind::Object => {
                out.push('{');
                let mut is_first = true;
                for (name, value) in json.members() {
                    let path = if key.is_empty() { name.to_string() } else { format!("{key}.{name}") };
                    if self.is_dropped(&path, value) {
                        continue;
                    }
                    separate(out, &mut is_first);
                    prune::write_text(out, &name);
                    out.push(':');
                    self.value(out, value, &path, below);
                }
                out.push('}');
            }
            Kind::Array => {
                out.push('[');
                let mut is_first = true;
                for item in json.items() {
                    separate(out, &mut is_first);
                    self.value(out, item, key, below);
                }
                out.push(']');
            }
            Kind::String => prune::write_text(out, &self.text(&json.string().unwrap_or_default(), key, below)),
            // A phone number may be written as a number.
            Kind::Number(digits) if said(key) == Some(Said::Phone) => {
                prune::write_text(out, &self.text(digits, key, below));
            }
            Kind::Bool | Kind::Number(_) | Kind::Null => out.push_str(json.source()),
        }
    }

    fn text(&self, text: &str, key: &str, depth: usize) -> String {
        if let Some(details) = self.details(text, key) {
            let mut out = String::with_capacity(text.len());
            self.value(&mut out, details, "", depth);
            return out;
        }
        match said(key) {
            Some(said) if !text.trim().is_empty() => self.replacement(said, text).unwrap_or_default(),
            Some(_) | None => {
                self.known.iter().fold(text.to_owned(), |text, (known, other)| replaced(&text, known, other))
            }
        }
    }

    /// The details of an activity, which are JSON in a text.
    fn details<'t>(&self, text: &'t str, key: &str) -> Option<Json<'t>> {
        let is_details = self.has_details && key == "details";
        is_details.then(|| Json::parse(text).ok()).flatten().filter(|json| json.kind() == Kind::Object)
    }

    /// Whether a member goes: a list of people's data counts as the data itself.
    fn is_dropped(&self, path: &str, value: Json<'_>) -> bool {
        let is_text = matches!(value.kind(), Kind::String | Kind::Array | Kind::Number(_));
        is_text && *self.users == Users::Name && said(path).is_some_and(|said| said != Said::Name)
    }

    /// What stands for something that is said of a user; `None`: nothing.
    fn replacement(&self, said: Said, text: &str) -> Option<String> {
        let Users::Hash(key) = self.users else { return (said == Said::Name).then(|| text.to_owned()) };
        Some(match (said, text.split_once('\\')) {
            (Said::Email, _) => format!("{}@hash.invalid", hash(key, text)),
            // The domain is the customer's, not the user's.
            (Said::Name, Some((domain, name))) if !name.is_empty() => format!("{domain}\\{}", hash(key, name)),
            (Said::Name | Said::FullName | Said::Phone, _) => hash(key, text),
        })
    }

    /// What the record says of users, with what stands for it in other texts.
    fn find(&self, json: Json<'_>, key: &str, depth: usize, found: &mut Vec<(String, String)>) {
        if depth > MAX_DEPTH {
            return;
        }
        let below = depth.saturating_add(1);
        match json.kind() {
            Kind::Object => {
                let mut names = [None, None];
                for (name, value) in json.members() {
                    let path = if key.is_empty() { name.to_string() } else { format!("{key}.{name}") };
                    match last(&path).as_str() {
                        "firstname" => names[0] = value.string(),
                        "lastname" => names[1] = value.string(),
                        _ => {}
                    }
                    self.find(value, &path, below, found);
                }
                if let [Some(first), Some(second)] = names {
                    let whole = format!("{first} {second}");
                    let other = [first, second].map(|name| self.replacement(Said::FullName, &name).unwrap_or_default());
                    found.push((whole, other.join(" ").trim().to_owned()));
                }
            }
            Kind::Array => json.items().for_each(|item| self.find(item, key, below, found)),
            Kind::String => {
                let text = json.string().unwrap_or_default();
                if let Some(details) = self.details(&text, key) {
                    self.find(details, "", below, found);
                } else if let Some(said @ (Said::Name | Said::Email)) = said(key) {
                    let other = self.replacement(said, &text).unwrap_or_default();
                    found.push((text.into_owned(), other));
                }
            }
            Kind::Bool | Kind::Number(_) | Kind::Null => {}
        }
    }
}

fn separate(out: &mut String, is_first: &mut bool) {
    if !std::mem::take(is_first) {
        out.push(',');
    }
}

/// The last part of a path without what separates its words.
fn last(path: &str) -> String {
    let part = path.rsplit('.').next().unwrap_or(path);
    part.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn said(path: &str) -> Option<Said> {
    let name = last(path);
    match name.as_str() {
        _ if name.contains("email") => Some(Said::Email),
        "name" if path.ends_with("user.name") => Some(Said::Name),
        part if NAMES.contains(&part) => Some(Said::Name),
        part if FULL_NAMES.contains(&part) => Some(Said::FullName),
        part if PHONES.contains(&part) => Some(Said::Phone),
        _ => None,
    }
}

/// `text` with `other` in place of `known`, where that is no part of a longer word.
fn replaced(text: &str, known: &str, other: &str) -> String {
    if known == other || !text.contains(known) {
        return text.to_owned();
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once(known) {
        out.push_str(before);
        let begins = !out.chars().next_back().is_some_and(char::is_alphanumeric);
        let ends = !after.chars().next().is_some_and(char::is_alphanumeric);
        out.push_str(if begins && ends { other } else { known });
        rest = after;
    }
    out + rest
}
