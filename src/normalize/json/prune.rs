//! Copies JSON values into an event: without what says nothing, within limits, and readable by every decoder.

use serde_json::value::RawValue;

use super::{Json, Kind, mend_surrogates};
use crate::normalize::notes::Notes;

/// Below this a container is kept as text: common decoders give up at 128 levels, and an event adds a few of its own.
const MAX_DEPTH: usize = 32;

/// Appends `value` to `out` without nulls, empty strings, arrays and objects (event-schema.md section 4, general rules).
/// Returns whether anything was left to append.
pub(crate) fn write(out: &mut String, value: Json<'_>, notes: &mut Notes) -> bool {
    write_at(out, value, 0, notes)
}

/// The object of `members` on its own; `None` if they say nothing.
pub(crate) fn object<'k, 'a>(
    members: impl IntoIterator<Item = (&'k str, Json<'a>)>,
    notes: &mut Notes,
) -> Option<Box<RawValue>> {
    let mut out = String::new();
    write_members(&mut out, members, 0, notes);
    // What was copied from valid JSON is valid JSON.
    RawValue::from_string(out).ok()
}

/// Appends the object of `members`; returns whether anything was left to append.
pub(crate) fn write_members<'k, 'a>(
    out: &mut String,
    members: impl IntoIterator<Item = (impl AsRef<str> + 'k, Json<'a>)>,
    depth: usize,
    notes: &mut Notes,
) -> bool {
    let start = out.len();
    let mut before = '{';
    for (key, item) in members {
        let mark = out.len();
        out.push(before);
        write_text(out, key.as_ref());
        out.push(':');
        if write_at(out, item, depth.saturating_add(1), notes) {
            before = ',';
        } else {
            out.truncate(mark);
        }
    }
    close(out, start, '}')
}

/// Appends `text` as a JSON string.
pub(crate) fn write_text(out: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
        return;
    }
    // Serializing text into memory cannot fail; an empty string stands for the impossible.
    out.push_str(&serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned()));
}

fn write_at(out: &mut String, value: Json<'_>, depth: usize, notes: &mut Notes) -> bool {
    match value.kind() {
        Kind::Null => false,
        Kind::Bool | Kind::Number(_) => {
            out.push_str(value.source());
            true
        }
        Kind::String => write_string(out, value, notes),
        Kind::Array | Kind::Object if depth >= MAX_DEPTH => {
            notes.add(format!("a value nested deeper than {MAX_DEPTH} levels is kept as text"));
            write_text(out, &notes.limit(value.source().into()));
            true
        }
        Kind::Array => write_array(out, value, depth, notes),
        Kind::Object => write_members(out, value.members(), depth, notes),
    }
}

fn write_string(out: &mut String, value: Json<'_>, notes: &mut Notes) -> bool {
    if value.is_blank() {
        return false;
    }
    if notes.fits(value.source()) {
        out.push_str(&mend_surrogates(value.source()));
    } else {
        write_text(out, &notes.limit(value.string().unwrap_or_default()));
    }
    true
}

fn write_array(out: &mut String, value: Json<'_>, depth: usize, notes: &mut Notes) -> bool {
    let start = out.len();
    let mut before = '[';
    for item in value.items() {
        let mark = out.len();
        out.push(before);
        if write_at(out, item, depth.saturating_add(1), notes) {
            before = ',';
        } else {
            out.truncate(mark);
        }
    }
    close(out, start, ']')
}

/// Ends a container that began at `start`; one without content was never opened.
fn close(out: &mut String, start: usize, bracket: char) -> bool {
    let has_content = out.len() > start;
    if has_content {
        out.push(bracket);
    }
    has_content
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pruned(source: &str) -> Option<String> {
        let mut out = String::new();
        write(&mut out, Json::parse(source).unwrap(), &mut Notes::default()).then_some(out)
    }

    #[test]
    fn drops_what_says_nothing_and_keeps_the_rest_byte_by_byte() {
        assert_eq!(
            pruned(r#"{"a":null,"b":1.50,"c":[null,"",{},0],"d":{"e":[]},"":false}"#).as_deref(),
            Some(r#"{"b":1.50,"c":[0],"":false}"#)
        );
        assert_eq!(pruned(r#"{"a":{"b":[null,{"c":""}]}}"#), None);
        assert_eq!(pruned(r#"["\ud800"]"#).as_deref(), Some(r#"["\uFFFD"]"#));
    }

    #[test]
    fn deep_nesting_becomes_text() {
        let deep = format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000));
        let out = pruned(&deep).unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok());
        assert!(out.len() < 40_000);
    }
}
