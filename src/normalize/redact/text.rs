//! Strips what is not JSON by key name.

use super::key::is_any_secret;
use crate::normalize::json;

/// What stands where a secret stood.
pub(super) const REMOVED: &str = "(removed)";

/// `text` with the value after every key that names a secret replaced: `"key": value`, `key=value` and the same with
/// escaped quotes. When in doubt about where a value ends, more is removed rather than less.
pub(super) fn strip(text: &str) -> String {
    strip_keys(text, is_any_secret)
}

/// The same for the keys that `is_secret` says.
pub(super) fn strip_keys(text: &str, is_secret: fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_key_char) {
        let (before, word) = rest.split_at_checked(start).unwrap_or((rest, ""));
        out.push_str(before);
        let end = word.find(|c| !is_key_char(c)).unwrap_or(word.len());
        let (key, after) = word.split_at_checked(end).unwrap_or((word, ""));
        out.push_str(key);
        rest = after;
        let Some(gap) = assignment(after).filter(|_| is_secret(key)) else { continue };
        let (sign, value) = after.split_at_checked(gap).unwrap_or((after, ""));
        out.push_str(sign);
        out.push_str(REMOVED);
        rest = value.get(value_end(value)..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

fn is_key_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// Bytes up to the value, if `after` (what follows a key) assigns one: closing quotes, white space, a colon or `=`.
fn assignment(after: &str) -> Option<usize> {
    let value = after
        .trim_start_matches(['\\', '"', '\''])
        .trim_start()
        .strip_prefix([':', '='])?
        .trim_start_matches([' ', '\t', '\r', '\n']);
    after.len().checked_sub(value.len())
}

/// Where the value at the start of `value` ends; at the end of the text if nothing closes it.
fn value_end(value: &str) -> usize {
    let escapes = value.len().saturating_sub(value.trim_start_matches('\\').len());
    let unescaped = value.get(escapes..).unwrap_or_default();
    match unescaped.bytes().next() {
        Some(b'"') if escapes == 0 => json::string_length(value.as_bytes()),
        Some(b'"') => escaped_string_end(value, escapes),
        Some(b'{' | b'[') => container_end(value),
        _ => value.find([',', '}', ']', ';', '&', '\n', '\r']).unwrap_or(value.len()),
    }
}

/// The end of a string whose quotes are themselves escaped: the next quote with as few backslashes before it.
fn escaped_string_end(value: &str, escapes: usize) -> usize {
    let mut backslashes = 0_usize;
    for (at, byte) in value.bytes().enumerate().skip(escapes.saturating_add(1)) {
        match byte {
            b'\\' => backslashes = backslashes.saturating_add(1),
            b'"' if backslashes <= escapes => return at.saturating_add(1),
            _ => backslashes = 0,
        }
    }
    value.len()
}

/// The end of a container by its brackets alone: quotes may be escaped to any depth here.
fn container_end(value: &str) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at.saturating_add(1);
        }
    }
    value.len()
}
