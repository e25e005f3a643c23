//! Strips a text that somebody's template may have filled: a webhook's payload, a header, a form, an address.
//!
//! When in doubt more is removed rather than less. What is removed once is not touched again.

use super::key::is_secret_of_payload;
use super::text::{self, REMOVED};
use crate::org::names::is_uuid;

/// Words after which the next word is a credential (`Authorization: Bearer …`, also where the name of the header is lost).
const SCHEMES: [&str; 3] = ["bearer", "basic", "geniekey"];
/// Shortest part of a path that is taken for a credential if it looks like one.
const MIN_CREDENTIAL: usize = 16;
/// What ends an address in a text.
const ENDS_OF_ADDRESS: [char; 11] = ['"', '\'', '<', '>', ' ', '\t', '\n', '\r', '\\', ']', '}'];

/// `text` without the values of keys that name secrets, without credentials after their scheme, and without what is secret in
/// addresses: user and password, and the parts of a path that look like a credential.
pub(super) fn strip(text: &str) -> String {
    let named = text::strip_keys(text, is_secret_of_payload);
    without_credentials(&without_secrets_of_addresses(&named))
}

/// The word after `Bearer` and the like goes.
fn without_credentials(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(char::is_alphanumeric) {
        let (before, word_on) = rest.split_at_checked(start).unwrap_or((rest, ""));
        let end = word_on.find(|c: char| !c.is_alphanumeric()).unwrap_or(word_on.len());
        let (word, after) = word_on.split_at_checked(end).unwrap_or((word_on, ""));
        out.push_str(before);
        out.push_str(word);
        rest = after;
        let credential = after.trim_start_matches([' ', '\t', ':', '=']);
        let gap = after.len().saturating_sub(credential.len());
        if gap > 0 && SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme)) {
            let end = credential.find(|c: char| !is_credential_char(c)).unwrap_or(credential.len());
            out.push_str(after.get(..gap).unwrap_or_default());
            if end > 0 {
                out.push_str(REMOVED);
            }
            rest = credential.get(end..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

fn without_secrets_of_addresses(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // JSON may write a slash as `\/`.
    while let Some((at, length)) =
        ["://", ":\\/\\/"].iter().filter_map(|mark| Some((rest.find(mark)?, mark.len()))).min()
    {
        let (scheme, address) = rest.split_at_checked(at.saturating_add(length)).unwrap_or((rest, ""));
        out.push_str(scheme);
        let whole = address.get(..end_of_address(address)).unwrap_or(address);
        // An address may stand in parentheses, and so does what was removed before.
        let end = if whole.ends_with(REMOVED) { whole.len() } else { whole.trim_end_matches(')').len() };
        let (address, after) = address.split_at_checked(end).unwrap_or((address, ""));
        push_address(&mut out, address);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Bytes of the address at the start of `text`. A backslash ends it unless it escapes a slash.
fn end_of_address(text: &str) -> usize {
    let mut from = 0;
    loop {
        let tail = text.get(from..).unwrap_or_default();
        let Some(at) = tail.find(ENDS_OF_ADDRESS) else { return text.len() };
        if !tail.get(at..).unwrap_or_default().starts_with("\\/") {
            return from.saturating_add(at);
        }
        from = from.saturating_add(at).saturating_add(2);
    }
}

/// An address after its scheme: without user and password, and without what looks like a credential in its path. The path of a
/// webhook is its credential.
fn push_address(out: &mut String, address: &str) {
    let host_end = address.find(['/', '?', '#', '\\']).unwrap_or(address.len());
    let (authority, path) = address.split_at_checked(host_end).unwrap_or((address, ""));
    match authority.rsplit_once('@') {
        Some((_, host)) => {
            out.push_str(REMOVED);
            out.push('@');
            out.push_str(host);
        }
        None => out.push_str(authority),
    }
    let path_end = path.find(['?', '#']).unwrap_or(path.len());
    let (path, query) = path.split_at_checked(path_end).unwrap_or((path, ""));
    if path.len() > 1 && address.to_ascii_lowercase().contains("hook") {
        out.push('/');
        out.push_str(REMOVED);
    } else {
        for (place, part) in path.split('/').enumerate() {
            out.push_str(if place > 0 { "/" } else { "" });
            out.push_str(if is_like_a_credential(part) { REMOVED } else { part });
        }
    }
    out.push_str(query);
}

/// Long, of letters and digits, and no UUID (which Datto's own addresses hold) and no words.
fn is_like_a_credential(part: &str) -> bool {
    let has = |of: fn(&u8) -> bool| part.as_bytes().iter().any(of);
    part.len() >= MIN_CREDENTIAL
        && part.chars().all(is_credential_char)
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && !is_uuid(part)
}

fn is_credential_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '~' | '+' | '/' | '=' | ':' | '%')
}
