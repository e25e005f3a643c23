//! Removes what must never be kept or told (event-schema.md section 10) from source records, before they reach the journal.
//!
//! One pass, no recursion over the nesting of the input, no decoding of what stays: every other value is copied byte by byte.

use std::borrow::Cow;

use serde_json::value::RawValue;

use self::key::{Rules, Verdict};
use super::json::{self, Json};
use super::udf::{NO_ID, Udfs};
use crate::record::RecordKind;

mod key;
mod payload;
mod text;

/// JSON inside a string inside JSON: an activity's `details` is one level; deeper than this is not looked into.
const MAX_NESTED_TEXTS: usize = 3;

/// `source` without its secrets, compact; every other value byte by byte. No user-defined field stays.
pub fn strip(kind: RecordKind, source: &RawValue) -> Box<RawValue> {
    strip_keeping(kind, source, &Udfs::NONE)
}

/// Like [`strip`], but these user-defined fields stay: those that the operator lists, and the one that holds a device's id if its
/// value is one. What is there instead of an id is replaced by an empty object.
pub fn strip_keeping(kind: RecordKind, source: &RawValue, udfs: &Udfs) -> Box<RawValue> {
    let stripped = match rewritten(kind, source.get(), udfs) {
        Cow::Borrowed(_) => None,
        Cow::Owned(text) => RawValue::from_string(text).ok(),
    };
    stripped.unwrap_or_else(|| source.to_owned())
}

/// `text`, which is not JSON (an answer cut off in the middle), with the value after every key that names a secret replaced, and
/// without what is secret in the addresses in it.
pub fn strip_text(text: &str) -> String {
    payload::strip(text)
}

/// [`strip_keeping`] for a record that was stripped before: borrowed unless some word in it could be that of a secret.
pub(crate) fn strip_again<'a>(kind: RecordKind, source: &'a RawValue, udfs: &Udfs) -> Cow<'a, RawValue> {
    if may_hold_a_secret(kind, source.get()) {
        Cow::Owned(strip_keeping(kind, source, udfs))
    } else {
        Cow::Borrowed(source)
    }
}

/// The text of [`strip_keeping`] for a record that was stripped before: borrowed, after one quick look, unless some word in it
/// could be that of a secret.
pub(crate) fn stripped_again<'a>(kind: RecordKind, source: &'a str, udfs: &Udfs) -> Cow<'a, str> {
    if may_hold_a_secret(kind, source) { rewritten(kind, source, udfs) } else { Cow::Borrowed(source) }
}

/// Whether a record that was stripped before, and so is compact, is worth another pass.
fn may_hold_a_secret(kind: RecordKind, source: &str) -> bool {
    key::may_name_a_secret(source) || (kind == RecordKind::Alert && source.contains(r#""responseActions":[{"#))
}

/// The text of [`strip_keeping`]; borrowed when there is nothing to change.
fn rewritten<'a>(kind: RecordKind, source: &'a str, udfs: &Udfs) -> Cow<'a, str> {
    let mut pass = Pass::new(Rules::of(kind, udfs), 0);
    pass.run(source);
    if pass.out == source { Cow::Borrowed(source) } else { Cow::Owned(pass.out) }
}

/// One pass over one JSON text.
struct Pass<'r> {
    rules: Rules<'r>,
    /// How many strings this text is inside of.
    nested: usize,
    out: String,
    open: Vec<Container>,
    /// What the key of the value that comes next says of a container.
    next: Inside,
    removed: bool,
}

/// What is around a value.
#[derive(Clone, Copy, Default)]
struct Inside {
    /// Proxy settings: a user name is a secret there only.
    proxy: bool,
    /// Texts that somebody else's template may have filled (`responseActions` of an alert): every key and every text counts.
    payload: bool,
}

/// A container that the pass is inside of.
struct Container {
    is_object: bool,
    inside: Inside,
    has_content: bool,
}

impl<'r> Pass<'r> {
    fn new(rules: Rules<'r>, nested: usize) -> Self {
        let next = Inside { proxy: false, payload: rules.is_payload() };
        Self { rules, nested, out: String::new(), open: Vec::new(), next, removed: false }
    }

    fn run(&mut self, source: &str) {
        self.out.reserve(source.len());
        let mut rest = source;
        let mut awaits_value = false;
        while let Some(byte) = rest.bytes().next() {
            let length = match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => 1,
                b'}' | b']' => {
                    self.open.pop();
                    self.out.push(char::from(byte));
                    1
                }
                b'"' if !awaits_value && self.in_object() => {
                    let (length, verdict) = self.member(rest);
                    awaits_value = verdict == Verdict::Keep;
                    length
                }
                _ => {
                    awaits_value = false;
                    self.value(rest, byte)
                }
            };
            rest = rest.get(length.max(1)..).unwrap_or_default();
        }
    }

    /// A key: copied, or passed over with its value. Returns the bytes done.
    fn member(&mut self, rest: &str) -> (usize, Verdict) {
        let key_length = json::string_length(rest.as_bytes());
        let (key, after) = rest.split_at_checked(key_length).unwrap_or((rest, ""));
        let value = after.trim_start_matches([' ', '\t', '\n', '\r', ':']);
        let name = json::decode(key);
        let inside = self.inside();
        let rules = if inside.payload { self.rules.of_payload() } else { self.rules };
        let verdict = rules.judge(&name, value, inside.proxy);
        if verdict != Verdict::Keep {
            self.removed = true;
            let value_length = json::value_length(value.as_bytes());
            let gap = after.len().saturating_sub(value.len());
            if verdict == Verdict::Replace {
                self.separate();
                self.out.push_str(key);
                self.out.push(':');
                self.out.push_str(NO_ID);
            }
            return (key_length.saturating_add(gap).saturating_add(value_length), verdict);
        }
        self.separate();
        self.out.push_str(key);
        self.out.push(':');
        self.next =
            Inside { proxy: self.rules.is_proxy(&name), payload: inside.payload || self.rules.holds_payloads(&name) };
        (key_length, verdict)
    }

    /// A scalar, copied whole, or the start of a container. Returns the bytes done.
    fn value(&mut self, rest: &str, first: u8) -> usize {
        if !self.in_object() {
            self.separate();
        }
        if matches!(first, b'{' | b'[') {
            let mut inside = self.next_inside();
            inside.payload |= self.inside().payload;
            self.open.push(Container { is_object: first == b'{', inside, has_content: false });
            self.out.push(char::from(first));
            return 1;
        }
        let length = json::value_length(rest.as_bytes());
        let token = rest.get(..length).unwrap_or(rest);
        match self.nested_text(token) {
            Some(text) => json::prune::write_text(&mut self.out, &text),
            None => self.out.push_str(token),
        }
        length
    }

    /// The stripped form of a string that holds JSON of its own (or the remains of some); `None` if nothing changes.
    fn nested_text(&mut self, token: &str) -> Option<String> {
        let in_payload = self.next_inside().payload || self.inside().payload;
        if !token.starts_with('"') || !(in_payload || self.rules.look_into_texts()) {
            return None;
        }
        let rules = if in_payload { self.rules.of_payload() } else { self.rules };
        let may_be_json = token.contains(['{', '[']);
        let (may_nest, is_plain_too) = (self.nested < MAX_NESTED_TEXTS, rules.is_payload());
        if !(is_plain_too || (may_nest && may_be_json)) {
            return None;
        }
        let text = json::decode(token);
        let stripped = match Json::parse(&text) {
            Ok(_) if may_be_json && may_nest => {
                let mut inner = Pass::new(rules, self.nested.saturating_add(1));
                inner.run(&text);
                inner.removed.then_some(inner.out)
            }
            Ok(_) | Err(_) => {
                let stripped = if is_plain_too { payload::strip(&text) } else { text::strip(&text) };
                Some(stripped).filter(|stripped| *stripped != text)
            }
        };
        self.removed |= stripped.is_some();
        stripped
    }

    /// What the key in front of this value says; once.
    fn next_inside(&mut self) -> Inside {
        std::mem::take(&mut self.next)
    }

    /// What the innermost open container is.
    fn inside(&self) -> Inside {
        self.open.last().map_or(Inside::default(), |container| container.inside)
    }

    fn in_object(&self) -> bool {
        self.open.last().is_some_and(|container| container.is_object)
    }

    /// A comma before all but the first of a container.
    fn separate(&mut self) {
        if let Some(container) = self.open.last_mut() {
            if container.has_content {
                self.out.push(',');
            }
            container.has_content = true;
        }
    }
}

#[cfg(test)]
mod tests;
