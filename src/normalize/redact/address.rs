//! Secrets within a web address: user and password, and the paths of webhooks, which are secrets in themselves.

use std::ops::Range;

use super::lexeme::Lexeme;
use super::value::{char_at, skip};

/// Ends of hosts whose addresses admit whoever knows them.
const HOOK_HOSTS: [&str; 6] = [
    "api.telegram.org",
    "chat.googleapis.com",
    "events.pagerduty.com",
    "maker.ifttt.com",
    ".logic.azure.com",
    ".api.powerplatform.com",
];
/// Ends of Datto's own hosts: ids in their paths are those of alerts and devices.
const DATTO_HOSTS: [&str; 2] = [".datto.com", ".centrastage.net"];
/// A segment of a path with at least so many characters may be a secret.
const SECRET_SEGMENT: usize = 20;

/// What of an address is a secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// Where reading goes on: at its query, else at its end.
    pub(super) query: usize,
    /// Where it ends.
    pub(super) end: usize,
    /// The secret parts.
    pub(super) secrets: Vec<Range<usize>>,
}

/// The address whose `://` begins at `at`.
pub(super) fn read(chars: &[Lexeme], at: usize) -> Address {
    let start = at.saturating_add(3);
    let end = skip(chars, start, |c| !c.is_whitespace() && !matches!(c, '"' | '\'' | '<' | '>' | '`' | '|' | '\\'));
    let authority = skip(chars, start, |c| !matches!(c, '/' | '?' | '#')).min(end);
    let query = skip(chars, authority, |c| !matches!(c, '?' | '#')).min(end);
    let mut secrets = Vec::new();
    let user_end = (start..authority).rev().find(|at| char_at(chars, *at) == Some('@'));
    if let Some(user_end) = user_end {
        secrets.push(start..user_end);
    }
    let host = text(chars, user_end.map_or(start, |at| at.saturating_add(1))..authority);
    let path = authority.saturating_add(1)..query;
    if is_hook(&host, &text(chars, path.clone())) {
        secrets.push(authority.saturating_add(1)..end);
        return Address { query: end, end, secrets };
    }
    if !DATTO_HOSTS.iter().any(|own| host.ends_with(own)) {
        secrets.extend(secret_segments(chars, path));
    }
    Address { query, end, secrets }
}

fn is_hook(host: &str, path: &str) -> bool {
    let is_service = HOOK_HOSTS.iter().any(|end| host.ends_with(end));
    is_service || host.contains("hook") || path.contains("hook")
}

/// Segments as long as a secret, with letters and digits.
fn secret_segments(chars: &[Lexeme], path: Range<usize>) -> Vec<Range<usize>> {
    let mut secrets = Vec::new();
    let mut start = path.start;
    while start < path.end {
        let end = skip(chars, start, |c| c != '/').min(path.end);
        let segment = text(chars, start..end);
        let has = |is_one: fn(&char) -> bool| segment.chars().any(|c| is_one(&c));
        let is_long = segment.chars().count() >= SECRET_SEGMENT;
        if is_long && has(char::is_ascii_digit) && has(char::is_ascii_alphabetic) {
            secrets.push(start..end);
        }
        start = end.saturating_add(1);
    }
    secrets
}

/// The characters in lower case.
fn text(chars: &[Lexeme], range: Range<usize>) -> String {
    chars.get(range).unwrap_or_default().iter().map(|lexeme| lexeme.c.to_ascii_lowercase()).collect()
}
