//! Where the value ends that follows the name of a secret: when in doubt, later rather than sooner.

use super::lexeme::Lexeme;

/// What stands where a secret stood.
pub(super) const REMOVED: &str = "(removed)";

/// How far behind its start a value is searched for the beginning of a key in PEM form.
const PEM_REACH: usize = 40;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// The member of a JSON object: its key is in quotes, a colon follows.
    Member,
    /// `key=value` and `key: value`.
    Free,
    /// A header whose value holds commas and semicolons of its own: up to the end of the line.
    Line,
    /// The content of an XML element.
    Element,
    /// The content of a form's part.
    Part,
}

/// The end of the value that begins at `start`, at most `limit`. `depth` is that of the sign before it: what is encoded more
/// often belongs to the value.
pub(super) fn end(chars: &[Lexeme], start: usize, style: Style, depth: usize, limit: usize) -> usize {
    if let Some(end) = removed_end(chars, start) {
        return end.min(limit);
    }
    let end = match (style, char_at(chars, start)) {
        (Style::Element, _) => find(chars, start, limit, |c| c == '<'),
        (Style::Part, _) => {
            (start..limit).find(|at| starts_with(chars, *at, "\r\n--") || starts_with(chars, *at, "\n--"))
        }
        (Style::Member | Style::Free, Some('"')) => closing_quote(chars, start, limit).map(|at| at.saturating_add(1)),
        (Style::Member | Style::Free, Some('{' | '[')) => container_end(chars, start, limit),
        (Style::Member | Style::Free | Style::Line, _) => {
            let from = pem_end(chars, start, limit).unwrap_or(start);
            (from..limit).find(|at| is_end(chars, *at, style, depth))
        }
    };
    end.unwrap_or(limit)
}

/// Whether a value without quotes ends before the character at `at`.
fn is_end(chars: &[Lexeme], at: usize, style: Style, depth: usize) -> bool {
    let Some(lexeme) = chars.get(at).filter(|lexeme| lexeme.depth <= depth) else { return false };
    let next = at.saturating_add(1);
    match lexeme.c {
        // A line that begins with white space goes on with the one before it.
        '\n' | '\r' => {
            let is_pair = lexeme.c == '\r' && char_at(chars, next) == Some('\n');
            let line = next.saturating_add(usize::from(is_pair));
            !matches!(char_at(chars, line), Some(' ' | '\t'))
        }
        _ if style == Style::Line => false,
        '&' | ',' | ';' => is_assignment(chars, next),
        '}' | ']' if style == Style::Member => {
            let after = skip(chars, next, char::is_whitespace);
            matches!(char_at(chars, after), None | Some(',' | '}' | ']' | '"'))
        }
        _ => false,
    }
}

/// Whether a key and a sign begin at `at`.
fn is_assignment(chars: &[Lexeme], at: usize) -> bool {
    let key = skip(chars, at, |c| c.is_whitespace() || matches!(c, '"' | '\'' | '{' | '['));
    let end = skip(chars, key, is_key_char);
    let sign = skip(chars, end, |c| c.is_whitespace() || matches!(c, '"' | '\'' | ']'));
    end > key && matches!(char_at(chars, sign), Some(':' | '='))
}

/// The quote that closes the string which begins at `start`. A quote within a broken string is not taken for its end.
fn closing_quote(chars: &[Lexeme], start: usize, limit: usize) -> Option<usize> {
    let depth = chars.get(start)?.depth;
    let from = start.saturating_add(1);
    (from..limit).find(|at| {
        let closes = chars.get(*at).is_some_and(|lexeme| lexeme.c == '"' && lexeme.depth <= depth);
        closes && {
            let after = skip(chars, at.saturating_add(1), |c| matches!(c, ' ' | '\t'));
            let delimiters = ",}]);:&<|\"\r\n";
            char_at(chars, after).is_none_or(|c| delimiters.contains(c))
        }
    })
}

/// The end of a container, by the brackets outside of its strings.
fn container_end(chars: &[Lexeme], start: usize, limit: usize) -> Option<usize> {
    let (mut open, mut at) = (0_usize, start);
    while at < limit {
        match char_at(chars, at)? {
            '"' => at = closing_quote(chars, at, limit)?,
            '{' | '[' => open = open.saturating_add(1),
            '}' | ']' => open = open.saturating_sub(1),
            _ => {}
        }
        at = at.saturating_add(1);
        if open == 0 {
            return Some(at);
        }
    }
    None
}

/// The end of a key in PEM form that begins near `start`; `limit` if it is cut off.
fn pem_end(chars: &[Lexeme], start: usize, limit: usize) -> Option<usize> {
    let reach = start.saturating_add(PEM_REACH).min(limit);
    let begin = (start..reach).find(|at| starts_with(chars, *at, "-----BEGIN"))?;
    Some((begin..limit).find(|at| starts_with(chars, *at, "-----END")).unwrap_or(limit))
}

/// The end of a value that was removed before, if nothing of it is left.
fn removed_end(chars: &[Lexeme], start: usize) -> Option<usize> {
    let end = start.saturating_add(REMOVED.len());
    let is_whole = || char_at(chars, end).is_none_or(|c| c.is_whitespace() || ",}]);&<\"'\\#".contains(c));
    (starts_with(chars, start, REMOVED) && is_whole()).then_some(end)
}

pub(super) fn char_at(chars: &[Lexeme], at: usize) -> Option<char> {
    chars.get(at).map(|lexeme| lexeme.c)
}

/// The first place from `at` on whose character is not one of these.
pub(super) fn skip(chars: &[Lexeme], at: usize, is_one: impl Fn(char) -> bool) -> usize {
    let rest = chars.get(at..).unwrap_or_default();
    at.saturating_add(rest.iter().take_while(|lexeme| is_one(lexeme.c)).count())
}

pub(super) fn starts_with(chars: &[Lexeme], at: usize, text: &str) -> bool {
    let rest = chars.get(at..).unwrap_or_default();
    let mut found = rest.iter().map(|lexeme| lexeme.c);
    text.chars().all(|c| found.next() == Some(c))
}

pub(super) fn is_key_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-')
}

fn find(chars: &[Lexeme], from: usize, limit: usize, is_one: impl Fn(char) -> bool) -> Option<usize> {
    (from..limit).find(|at| char_at(chars, *at).is_some_and(&is_one))
}
