//! Removes what must never be kept or told (event-schema.md section 10) from source records, before they reach the journal.
//!
//! One pass, no recursion over the nesting of the input, no decoding of what stays: every other value is copied byte by byte.

use std::borrow::Cow;

use serde_json::value::RawValue;

use self::key::{Rules, Verdict};
use super::json::{self, Json};
use super::udf::{NO_ID, Udfs};
use crate::record::RecordKind;

mod address;
mod key;
mod lexeme;
mod text;
mod value;

/// JSON inside a string inside JSON: an activity's `details` is one level; what is deeper than this is stripped as text.
const MAX_NESTED_TEXTS: usize = 3;
/// Containers around an object beyond which its members are no longer looked at before they are read one by one.
const MAX_PAIR_DEPTH: usize = 32;

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

/// `text`, of which nobody knows what it is (an answer cut off in the middle, an item that no record can be made of), with the
/// value after every key that may name a secret replaced.
pub fn strip_text(text: &str) -> String {
    text::strip(text)
}

/// [`strip_keeping`] for a record that was stripped before: borrowed unless some word in it could be that of a secret.
pub(crate) fn strip_again<'a>(kind: RecordKind, source: &'a RawValue, udfs: &Udfs) -> Cow<'a, RawValue> {
    if key::may_name_a_secret(source.get()) {
        Cow::Owned(strip_keeping(kind, source, udfs))
    } else {
        Cow::Borrowed(source)
    }
}

/// The text of [`strip_keeping`] for a record that was stripped before: borrowed, after one quick look, unless some word in it
/// could be that of a secret.
pub(crate) fn stripped_again<'a>(kind: RecordKind, source: &'a str, udfs: &Udfs) -> Cow<'a, str> {
    if key::may_name_a_secret(source) { rewritten(kind, source, udfs) } else { Cow::Borrowed(source) }
}

/// The text of [`strip_keeping`]; borrowed when there is nothing to change.
fn rewritten<'a>(kind: RecordKind, source: &'a str, udfs: &Udfs) -> Cow<'a, str> {
    let mut pass = Pass::new(Rules::of(kind, udfs), 0, false);
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
    /// The key of the value that comes next is that of proxy settings.
    next_is_proxy: bool,
    /// What comes next may have been sent to a third party.
    next_is_sent: bool,
    removed: bool,
}

/// A container that the pass is inside of.
struct Container {
    is_object: bool,
    is_proxy: bool,
    /// What it holds may have been sent to a third party.
    is_sent: bool,
    /// A pair whose name is that of a secret.
    is_secret_pair: bool,
    has_content: bool,
}

impl<'r> Pass<'r> {
    fn new(rules: Rules<'r>, nested: usize, is_sent: bool) -> Self {
        let (out, open) = (String::new(), Vec::new());
        Self { rules, nested, out, open, next_is_proxy: false, next_is_sent: is_sent, removed: false }
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
        let around = self.open.last();
        let in_proxy = around.is_some_and(|container| container.is_proxy);
        let is_sent = around.is_some_and(|container| container.is_sent);
        let verdict = match self.rules.judge(&name, value, in_proxy) {
            Verdict::Keep if is_sent => Rules::judge_strictly(&name, value),
            verdict @ (Verdict::Keep | Verdict::Remove | Verdict::Replace | Verdict::Mark) => verdict,
        };
        let is_secret_pair = around.is_some_and(|container| container.is_secret_pair);
        let verdict = if is_secret_pair && key::is_name_of_values(&name) { Verdict::Remove } else { verdict };
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
            if verdict == Verdict::Mark {
                self.separate();
                json::prune::write_text(&mut self.out, &format!("{name}_changed"));
                self.out.push_str(":true");
            }
            return (key_length.saturating_add(gap).saturating_add(value_length), verdict);
        }
        self.separate();
        match is_sent.then(|| strip_text(&name)).filter(|stripped| *stripped != name) {
            Some(stripped) => {
                self.removed = true;
                json::prune::write_text(&mut self.out, &stripped);
            }
            None => self.out.push_str(key),
        }
        self.out.push(':');
        self.next_is_proxy = self.rules.is_proxy(&name);
        self.next_is_sent = is_sent || Rules::is_of_responses(&name);
        (key_length, verdict)
    }

    /// A scalar, copied whole, or the start of a container. Returns the bytes done.
    fn value(&mut self, rest: &str, first: u8) -> usize {
        if !self.in_object() {
            self.separate();
        }
        let is_sent =
            std::mem::take(&mut self.next_is_sent) || self.open.last().is_some_and(|container| container.is_sent);
        if matches!(first, b'{' | b'[') {
            let is_proxy = std::mem::take(&mut self.next_is_proxy);
            let is_object = first == b'{';
            let is_secret_pair = is_sent && is_object && self.open.len() < MAX_PAIR_DEPTH && is_secret_pair(rest);
            self.open.push(Container { is_object, is_proxy, is_sent, is_secret_pair, has_content: false });
            self.out.push(char::from(first));
            return 1;
        }
        let length = json::value_length(rest.as_bytes());
        let token = rest.get(..length).unwrap_or(rest);
        match self.nested_text(token, is_sent) {
            Some(text) => json::prune::write_text(&mut self.out, &text),
            None => self.out.push_str(token),
        }
        length
    }

    /// The stripped form of a string that holds JSON of its own (or the remains of some), or of any string that may have been
    /// sent to a third party; `None` if nothing changes.
    fn nested_text(&mut self, token: &str, is_sent: bool) -> Option<String> {
        let may_nest = self.rules.look_into_texts() && token.contains(['{', '[']);
        if !token.starts_with('"') || !(may_nest || is_sent) {
            return None;
        }
        let text = json::decode(token);
        let is_json = self.nested < MAX_NESTED_TEXTS && Json::parse(&text).is_ok();
        let stripped = if is_json {
            let mut inner = Pass::new(self.rules, self.nested.saturating_add(1), is_sent);
            inner.run(&text);
            inner.removed.then_some(inner.out)
        } else {
            Some(strip_text(&text)).filter(|stripped| *stripped != text)
        };
        self.removed |= stripped.is_some();
        stripped
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

/// Whether the object that `rest` begins with is a pair whose name is that of a secret: `{"name":"X-Api-Key","value":…}`.
fn is_secret_pair(rest: &str) -> bool {
    let object = rest.get(..json::value_length(rest.as_bytes())).unwrap_or(rest);
    Json::trusted(object).members().any(|(name, value)| {
        key::is_name_of_names(&name) && value.string().is_some_and(|text| key::is_secret_of_text(&text))
    })
}

#[cfg(test)]
mod tests;
