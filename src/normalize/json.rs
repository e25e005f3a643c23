//! JSON in its source text: a value stays a slice of what Datto sent, so that every number keeps its digits.
//!
//! The text was judged valid by serde_json before it comes here (a [`RawValue`], or [`Json::parse`]), so the scanner only has
//! to find ends. It never panics on anything else, and it does not recurse: nesting cannot exhaust the stack.

use std::borrow::Cow;

use serde_json::value::RawValue;

pub(crate) mod fields;
pub(crate) mod list;
pub(crate) mod prune;
pub(crate) mod text;

/// One JSON value as a slice of its source text, without white space around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Json<'a>(&'a str);

/// What a value is; a number as its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    Null,
    Bool,
    Number(&'a str),
    String,
    Array,
    Object,
}

impl<'a> Json<'a> {
    /// The value of a slice that serde_json has already judged.
    pub(crate) fn of(raw: &'a RawValue) -> Self {
        Self::trusted(raw.get())
    }

    /// The value of a text that was made from judged ones.
    pub(crate) fn trusted(text: &'a str) -> Self {
        Self(text.trim_ascii())
    }

    /// The value of a text that nobody has judged yet.
    pub(crate) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<&RawValue>(text).map(Self::of)
    }

    /// The source text.
    pub(crate) fn source(self) -> &'a str {
        self.0
    }

    /// What it is.
    pub(crate) fn kind(self) -> Kind<'a> {
        match self.0.as_bytes().first() {
            Some(b'"') => Kind::String,
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'-' | b'0'..=b'9') => Kind::Number(self.0),
            _ => Kind::Null,
        }
    }

    /// The text of a string, decoded; `None` for anything else. A surrogate without its other half becomes U+FFFD.
    pub(crate) fn string(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
            return Some(Cow::Borrowed(inner));
        }
        let whole = mend_surrogates(self.0);
        Some(Cow::Owned(serde_json::from_str(&whole).unwrap_or_else(|_| inner.to_owned())))
    }

    /// The text of a scalar: a string decoded, a number or boolean as it stands; `None` for null and containers.
    pub(crate) fn scalar(self) -> Option<Cow<'a, str>> {
        match self.kind() {
            Kind::String => self.string(),
            Kind::Bool | Kind::Number(_) => Some(Cow::Borrowed(self.0)),
            Kind::Null | Kind::Array | Kind::Object => None,
        }
    }

    /// Whether it says nothing: null, an empty string, an empty array or object.
    pub(crate) fn is_blank(self) -> bool {
        match self.kind() {
            Kind::Null => true,
            Kind::String => self.0 == "\"\"",
            Kind::Array | Kind::Object => self.items().next().is_none(),
            Kind::Bool | Kind::Number(_) => false,
        }
    }

    /// The members of an object; none for anything else.
    pub(crate) fn members(self) -> Members<'a> {
        let inner = if self.kind() == Kind::Object { self.0.get(1..).unwrap_or_default() } else { "" };
        Members(inner)
    }

    /// The items of an array (of an object: its keys and values in turn); none for anything else.
    pub(crate) fn items(self) -> Items<'a> {
        let is_container = matches!(self.kind(), Kind::Array | Kind::Object);
        Items(if is_container { self.0.get(1..).unwrap_or_default() } else { "" })
    }
}

/// Iterator over the members of an object.
pub(crate) struct Members<'a>(&'a str);

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, Json<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = next_value(&mut self.0)?.string()?;
        Some((key, next_value(&mut self.0)?))
    }
}

/// Iterator over the items of an array.
pub(crate) struct Items<'a>(&'a str);

impl<'a> Iterator for Items<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        next_value(&mut self.0)
    }
}

/// The text of a string literal (with its quotes), decoded; the literal itself if it is none.
pub(crate) fn decode(literal: &str) -> Cow<'_, str> {
    Json(literal).string().unwrap_or(Cow::Borrowed(literal))
}

/// Takes the next value from `rest`, past white space and separators; `None` at the end of the container.
fn next_value<'a>(rest: &mut &'a str) -> Option<Json<'a>> {
    let separator = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':');
    let start = rest.bytes().position(|b| !separator(&b))?;
    let text = rest.get(start..)?;
    let length = value_length(text.as_bytes());
    let (value, after) = text.split_at_checked(length)?;
    *rest = after;
    (!value.is_empty()).then_some(Json(value))
}

/// Bytes of the value that `bytes` begins with; 0 where none begins.
pub(crate) fn value_length(bytes: &[u8]) -> usize {
    match bytes.first() {
        Some(b'"') => string_length(bytes),
        Some(b'{' | b'[') => container_length(bytes),
        _ => bytes
            .iter()
            .position(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' | b']' | b'}'))
            .unwrap_or(bytes.len()),
    }
}

/// Bytes of the string that `bytes` begins with, both quotes included.
pub(crate) fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        let end = at.saturating_add(found);
        if bytes.get(end) == Some(&b'"') {
            return end.saturating_add(1);
        }
        // Past the backslash and what it escapes.
        at = end.saturating_add(2);
    }
    bytes.len()
}

fn container_length(bytes: &[u8]) -> usize {
    let mut depth: usize = 0;
    let mut at: usize = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = at.saturating_add(string_length(bytes.get(at..).unwrap_or_default()));
                continue;
            }
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at = at.saturating_add(1);
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

/// The same JSON text with every surrogate escape that lacks its other half replaced by `\uFFFD`: such a text is legal JSON,
/// but decoders of strings refuse it.
pub(crate) fn mend_surrogates(text: &str) -> Cow<'_, str> {
    let has_escapes = memchr::memchr(b'\\', text.as_bytes()).is_some();
    if !has_escapes || !(text.contains("\\ud") || text.contains("\\uD")) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        let length = match (surrogate(escape), surrogate(escape.get(6..).unwrap_or_default())) {
            (Some(Half::High), Some(Half::Low)) => 12,
            (Some(_), _) => {
                out.push_str("\\uFFFD");
                rest = escape.get(6..).unwrap_or_default();
                continue;
            }
            (None, _) => 2,
        };
        let (kept, after) = escape.split_at_checked(length).unwrap_or((escape, ""));
        out.push_str(kept);
        rest = after;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// A record as every decoder takes it: see [`mend_surrogates`].
pub(crate) fn decodable(raw: Cow<'_, RawValue>) -> Cow<'_, RawValue> {
    let mended = match mend_surrogates(raw.get()) {
        Cow::Borrowed(_) => return raw,
        Cow::Owned(text) => RawValue::from_string(text),
    };
    mended.map_or(raw, Cow::Owned)
}

enum Half {
    High,
    Low,
}

/// Which half of a pair the escape at the start of `text` is, if it is one.
fn surrogate(text: &str) -> Option<Half> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    match u32::from_str_radix(digits, 16).ok()? {
        0xD800..=0xDBFF => Some(Half::High),
        0xDC00..=0xDFFF => Some(Half::Low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_members_in_order_and_keeps_number_text() {
        let json = Json::parse(r#" { "a" : 1.50 , "b\"c":[1,{"d":"]}"},[]], "":null } "#).unwrap();
        let members: Vec<_> = json.members().map(|(k, v)| (k.into_owned(), v.source())).collect();
        assert_eq!(members[0], ("a".into(), "1.50"));
        assert_eq!(members[1], ("b\"c".into(), r#"[1,{"d":"]}"},[]]"#));
        assert_eq!(members[2], (String::new(), "null"));
        let items: Vec<_> = Json(members[1].1).items().map(Json::source).collect();
        assert_eq!(items, ["1", r#"{"d":"]}"}"#, "[]"]);
    }

    #[test]
    fn half_surrogates_are_mended_and_pairs_are_kept() {
        let text = |source| Json::parse(source).unwrap().string().unwrap().into_owned();
        assert_eq!(text(r#""a\ud800b""#), "a\u{fffd}b");
        assert_eq!(text(r#""\udc00\uD83D\uDE00\ud83d""#), "\u{fffd}\u{1f600}\u{fffd}");
        assert_eq!(text(r#""\\ud800 \n""#), "\\ud800 \n");
    }

    #[test]
    fn blank_values_say_nothing() {
        for blank in ["null", r#""""#, "[ ]", "{}"] {
            assert!(Json::parse(blank).unwrap().is_blank(), "{blank}");
        }
        for told in ["0", "false", r#"" ""#, "[null]", r#"{"":0}"#] {
            assert!(!Json::parse(told).unwrap().is_blank(), "{told}");
        }
    }

    #[test]
    fn broken_text_never_panics() {
        for text in ["", "{", "[", "\"", "{\"a", "{\"a\":", "[1,", "\"\\", "\"\\u", "}", "\\ud8", "é"] {
            let json = Json(text);
            let _ = (json.kind(), json.string(), json.scalar(), json.is_blank());
            let _ = (json.members().count(), json.items().count(), mend_surrogates(text));
        }
    }
}
