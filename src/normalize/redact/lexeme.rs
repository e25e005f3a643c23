//! Reads text that was encoded once or more often: each character with the source bytes that spell it.

/// One character of the decoded text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lexeme {
    /// The character that is meant.
    pub(super) c: char,
    /// Where its bytes begin in the source.
    pub(super) start: usize,
    /// Where they end.
    pub(super) end: usize,
    /// How often it was encoded: percent encodings, entities and backslashes before it, added up. A quote that closes a string
    /// is encoded no more often than the one that opened it.
    pub(super) depth: usize,
}

/// Entities that matter for finding keys and values, without their `&`.
const ENTITIES: [(&str, char); 8] = [
    ("quot;", '"'),
    ("#34;", '"'),
    ("#x22;", '"'),
    ("apos;", '\''),
    ("#39;", '\''),
    ("lt;", '<'),
    ("gt;", '>'),
    ("#61;", '='),
];
/// What a double encoding puts before an entity's name.
const AMP: &str = "amp;";

/// The characters of `text`, with percent encodings (`%22`, `%2522`), entities (`&quot;`) and JSON's escapes of quotes, slashes
/// and code points decoded. `\n` and the like stay as they are: `C:\new` is no line break.
pub(super) fn read(text: &str) -> Vec<Lexeme> {
    let plain = unencoded(text);
    let mut out = Vec::with_capacity(plain.len());
    let mut rest = plain.as_slice();
    while let Some((first, after)) = rest.split_first() {
        if first.c != '\\' {
            out.push(*first);
            rest = after;
            continue;
        }
        let slashes = rest.iter().take_while(|lexeme| lexeme.c == '\\').count();
        let (run, after) = rest.split_at_checked(slashes).unwrap_or((rest, &[]));
        match escaped(after) {
            Some((c, length)) => {
                let (spelled, after) = after.split_at_checked(length).unwrap_or((after, &[]));
                let end = spelled.last().map_or(first.end, |last| last.end);
                let depth = spelled.first().map_or(0, |last| last.depth).saturating_add(slashes);
                out.push(Lexeme { c, start: first.start, end, depth });
                rest = after;
            }
            None => {
                out.extend_from_slice(run);
                rest = after;
            }
        }
    }
    out
}

/// The character that backslashes before `after` make of its first ones, and how many those are.
fn escaped(after: &[Lexeme]) -> Option<(char, usize)> {
    match after.first()?.c {
        c @ ('"' | '\'' | '/') => Some((c, 1)),
        'u' => {
            let digits = after.get(1..5)?;
            let code = digits
                .iter()
                .try_fold(0_u32, |code, digit| code.checked_mul(16)?.checked_add(digit.c.to_digit(16)?))?;
            Some((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 5))
        }
        _ => None,
    }
}

/// The first step of [`read`]: percent encodings and entities.
fn unencoded(text: &str) -> Vec<Lexeme> {
    let mut out = Vec::with_capacity(text.len());
    let mut start = 0;
    while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
        let found = match rest.as_bytes().first() {
            Some(b'%') => percent(rest.as_bytes()),
            Some(b'&') => entity(rest),
            _ => None,
        };
        let first = rest.chars().next().unwrap_or_default();
        let (c, length, depth) = found.unwrap_or((first, first.len_utf8(), 0));
        let end = start.saturating_add(length.max(1));
        out.push(Lexeme { c, start, end, depth });
        start = end;
    }
    out
}

/// The character that `bytes` begin with, how many of them spell it, and how often it was encoded.
fn percent(bytes: &[u8]) -> Option<(char, usize, usize)> {
    let (mut at, mut depth) = (1_usize, 1_usize);
    let hex = |at: usize| -> Option<u8> {
        let digits = bytes.get(at..at.saturating_add(2))?;
        u8::from_str_radix(str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?, 16).ok()
    };
    while hex(at)? == b'%' && hex(at.saturating_add(2)).is_some() {
        at = at.saturating_add(2);
        depth = depth.saturating_add(1);
    }
    let byte = hex(at)?;
    let c = if byte.is_ascii() { char::from(byte) } else { char::REPLACEMENT_CHARACTER };
    Some((c, at.saturating_add(2), depth))
}

fn entity(text: &str) -> Option<(char, usize, usize)> {
    let name = text.strip_prefix('&')?;
    let mut inner = name;
    let mut depth = 1_usize;
    while let Some(after) = inner.strip_prefix(AMP) {
        inner = after;
        depth = depth.saturating_add(1);
    }
    let found = ENTITIES.iter().find(|(entity, _)| inner.starts_with(entity));
    match found {
        Some((entity, c)) => {
            let length = text.len().saturating_sub(inner.len()).saturating_add(entity.len());
            Some((*c, length, depth))
        }
        None if depth > 1 => Some(('&', text.len().saturating_sub(inner.len()), depth.saturating_sub(1))),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chars(text: &str) -> String {
        read(text).iter().map(|lexeme| lexeme.c).collect()
    }

    #[test]
    fn encodings_are_read_whatever_their_depth() {
        for text in
            ["\"a\"", "\\\"a\\\"", "\\\\\\\"a\\\\\\\"", "%22a%22", "%2522a%252522", "&quot;a&#34;", "&amp;quot;a&#x22;"]
        {
            assert_eq!(chars(text), "\"a\"", "{text}");
        }
        assert_eq!(chars("\\u0074o\\\\u006ben %5C%22 \\/ &amp;"), "token \" / &");
        assert_eq!(chars("100% C:\\new %zz %2"), "100% C:\\new %zz %2");
    }

    #[test]
    fn every_byte_belongs_to_one_character() {
        for text in ["é\\", "\\u12", "%", "%25", "%2525", "&amp;amp", "\\\\\\", "\\u00e9\\\"%C3%A9&quot;"] {
            let lexemes = read(text);
            let joined: String = lexemes.iter().map(|lexeme| &text[lexeme.start..lexeme.end]).collect();
            assert_eq!(joined, text);
        }
    }
}
