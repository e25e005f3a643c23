//! Strips what is not JSON by key name: broken JSON, JSON within text, forms, headers, web addresses, `key=value`.

use std::ops::Range;

use super::address;
use super::key::{is_header, is_name_of_names, is_name_of_values, is_secret_of_address, is_secret_of_text};
use super::lexeme::{self, Lexeme};
use super::value::{self, REMOVED, Style, char_at, is_key_char, skip, starts_with};

/// Bytes of a text that are read; what is beyond is removed.
const MAX_BYTES: usize = 1024 * 1024;
/// Longest key in quotes, in characters.
const MAX_KEY: usize = 100;
/// Fewest characters of credentials after `Bearer` or `Basic`.
const MIN_CREDENTIALS: usize = 8;

/// `text` with the value after every key that names a secret replaced, whatever quotes, escapes or encodings are around the two.
/// When in doubt about where a value ends, more is removed rather than less.
pub(super) fn strip(text: &str) -> String {
    let head = text.get(..text.floor_char_boundary(MAX_BYTES)).unwrap_or(text);
    let chars = lexeme::read(head);
    let mut scan = Scan {
        chars: &chars,
        at: 0,
        before: None,
        address_end: 0,
        is_named: false,
        unnamed: None,
        secrets: Vec::new(),
    };
    scan.run();
    let mut stripped = without(head, &chars, scan.secrets);
    if head.len() < text.len() {
        stripped.push_str(REMOVED);
    }
    stripped
}

/// `text` with these parts, by character, replaced.
fn without(text: &str, chars: &[Lexeme], mut secrets: Vec<Range<usize>>) -> String {
    secrets.sort_unstable_by_key(|range| range.start);
    let mut out = String::with_capacity(text.len());
    let (mut copied, mut done) = (0, 0);
    for range in secrets {
        let first = chars.get(range.start.max(done));
        let last = range.end.checked_sub(1).and_then(|at| chars.get(at));
        if let (Some(first), Some(last), true) = (first, last, range.start.max(done) < range.end) {
            // A part that goes on where another ended is one with it.
            if copied == 0 || first.start > copied {
                out.push_str(text.get(copied..first.start).unwrap_or_default());
                out.push_str(REMOVED);
            }
            copied = last.end;
            done = range.end;
        }
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    out
}

/// One pass over the characters of a text.
struct Scan<'c> {
    chars: &'c [Lexeme],
    at: usize,
    /// The word before this one, if only one space is between them.
    before: Option<Range<usize>>,
    /// Where the address ends that the pass is inside of.
    address_end: usize,
    /// A name of a secret was found as a value: `{"name":"token","value":…`.
    is_named: bool,
    /// The value that such a name behind it would make a secret.
    unnamed: Option<Range<usize>>,
    secrets: Vec<Range<usize>>,
}

/// A value and how it is written.
struct Assigned {
    start: usize,
    style: Style,
    depth: usize,
}

impl Scan<'_> {
    fn run(&mut self) {
        while let Some(c) = char_at(self.chars, self.at) {
            if is_key_char(c) {
                self.word();
            } else if starts_with(self.chars, self.at, "://") {
                let address = address::read(self.chars, self.at);
                self.secrets.extend(address.secrets);
                self.address_end = address.end;
                self.at = address.query.max(self.at.saturating_add(1));
            } else {
                if matches!(c, '{' | '}') {
                    self.unnamed = None;
                }
                self.at = self.at.saturating_add(1);
            }
        }
    }

    fn word(&mut self) {
        let start = self.at;
        let word = start..skip(self.chars, start, is_key_char);
        let before = self.before.replace(word.clone());
        let names = self.names(&word, before);
        self.at = word.end;
        let is_secret = names.iter().any(|name| self.is_secret(name));
        match self.assigned(&word, is_secret) {
            Some(value) if is_secret => {
                let is_header = names.iter().any(|name| is_header(name));
                let style = if is_header && value.style == Style::Free { Style::Line } else { value.style };
                let range = self.value_of(&Assigned { style, ..value });
                self.at = range.end.max(self.at);
                self.secrets.push(range);
            }
            Some(value) => self.part_of_pair(&names, &value),
            None => {
                if is_secret {
                    self.is_named = true;
                    self.secrets.extend(self.unnamed.take());
                }
                self.credentials(&word);
            }
        }
    }

    /// What the word may name: itself, itself without the letter of an escape, with the word before it, or all between quotes.
    fn names(&self, word: &Range<usize>, before: Option<Range<usize>>) -> Vec<String> {
        let mut names = vec![self.text(word.clone())];
        let is_escaped = word.start.checked_sub(1).and_then(|at| char_at(self.chars, at)) == Some('\\');
        if is_escaped && matches!(char_at(self.chars, word.start), Some('n' | 'r' | 't' | 'b' | 'f')) {
            names.push(self.text(word.start.saturating_add(1)..word.end));
        }
        if let Some(before) = before.filter(|before| before.end.saturating_add(1) == word.start) {
            names.push(self.text(before.start..word.end));
        }
        if let Some(close) = self.chars.get(word.end).filter(|lexeme| lexeme.c == '"') {
            let first = word.start.saturating_sub(MAX_KEY);
            let is_open =
                |at: &usize| self.chars.get(*at).is_some_and(|open| open.c == '"' && open.depth == close.depth);
            if let Some(open) = (first..word.start).rev().find(is_open) {
                names.push(self.text(open.saturating_add(1)..word.end));
            }
        }
        names
    }

    fn is_secret(&self, name: &str) -> bool {
        is_secret_of_text(name) || (self.at <= self.address_end && is_secret_of_address(name))
    }

    /// The value that is assigned to `word`, if one is.
    fn assigned(&self, word: &Range<usize>, is_secret: bool) -> Option<Assigned> {
        let closed = skip(self.chars, word.end, |c| matches!(c, '"' | '\'' | ']'));
        if is_secret && let Some(content) = self.content(word, closed) {
            return Some(content);
        }
        let sign = skip(self.chars, closed, |c| c.is_whitespace() || c == '+');
        let lexeme = self.chars.get(sign).filter(|lexeme| matches!(lexeme.c, ':' | '=')).or_else(|| {
            // `--token value`
            let is_flag = starts_with(self.chars, word.start, "--") && sign > closed;
            self.chars.get(sign.saturating_sub(1)).filter(|_| is_flag)
        })?;
        if starts_with(self.chars, sign, "://") {
            return None;
        }
        let is_sign = char_at(self.chars, sign).is_some_and(|c| matches!(c, ':' | '='));
        let after = if is_sign { sign.saturating_add(1) } else { sign };
        let start = skip(self.chars, after, |c| c.is_whitespace() || matches!(c, '=' | '>' | ':'));
        let is_member = closed > word.end && lexeme.c == ':' && char_at(self.chars, word.end) == Some('"');
        let style = if is_member { Style::Member } else { Style::Free };
        (start < self.chars.len()).then_some(Assigned { start, style, depth: lexeme.depth })
    }

    /// The content of an XML element or of a form's part that `word` names.
    fn content(&self, word: &Range<usize>, closed: usize) -> Option<Assigned> {
        let is_at = |at: usize, c: char| char_at(self.chars, at) == Some(c);
        let opens = word.start.checked_sub(1).is_some_and(|at| is_at(at, '<'));
        let tag_end = if is_at(word.end, '>') {
            Some(word.end)
        } else {
            let reach = word.end.saturating_add(MAX_KEY);
            (word.end..reach).find(|at| is_at(*at, '>')).filter(|_| opens && !is_at(word.end, '='))
        };
        if let Some(tag_end) = tag_end {
            return Some(Assigned { start: tag_end.saturating_add(1), style: Style::Element, depth: 0 })
                .filter(|value| value.start < self.chars.len());
        }
        let gap = skip(self.chars, closed, |c| matches!(c, '\r' | '\n'));
        let lines = (closed..gap).filter(|at| is_at(*at, '\n')).count();
        (closed > word.end && lines > 1).then_some(Assigned { start: gap, style: Style::Part, depth: 0 })
    }

    /// A key that names no secret: perhaps one half of `{"name": …, "value": …}`.
    fn part_of_pair(&mut self, names: &[String], value: &Assigned) {
        if names.iter().any(|name| is_name_of_names(name)) {
            self.is_named = false;
        }
        if names.iter().any(|name| is_name_of_values(name)) {
            let range = self.value_of(value);
            if std::mem::take(&mut self.is_named) {
                self.at = range.end.max(self.at);
                self.secrets.push(range);
            } else {
                self.unnamed = Some(range);
            }
        }
    }

    /// Credentials without a key: `Bearer …`.
    fn credentials(&mut self, word: &Range<usize>) {
        let scheme = self.text(word.clone()).to_ascii_lowercase();
        if !matches!(scheme.as_str(), "bearer" | "basic") {
            return;
        }
        let start = skip(self.chars, word.end, |c| matches!(c, ' ' | '+'));
        let end = skip(self.chars, start, |c| c.is_ascii_alphanumeric() || "._~+/=-".contains(c));
        let is_word = (start..end).all(|at| char_at(self.chars, at).is_some_and(|c| c.is_ascii_lowercase()));
        let is_long = end.saturating_sub(start) >= MIN_CREDENTIALS;
        if start > word.end && is_long && !(is_word && scheme == "basic") {
            self.secrets.push(start..end);
            self.at = end;
        }
    }

    fn value_of(&self, value: &Assigned) -> Range<usize> {
        let is_in_address = value.start < self.address_end;
        let limit = if is_in_address { self.address_end } else { self.chars.len() };
        value.start..value::end(self.chars, value.start, value.style, value.depth, limit)
    }

    fn text(&self, range: Range<usize>) -> String {
        self.chars.get(range).unwrap_or_default().iter().map(|lexeme| lexeme.c).collect()
    }
}
