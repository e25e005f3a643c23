//! Finds what makes an item unusable as a whole, at any depth, in one pass over text that is known to be valid JSON: a key that
//! occurs twice in one object, and more values than a record can have.
//!
//! A visitor of serde would refuse what JSON allows (half of a surrogate pair in a text, nesting deeper than its limit),
//! and an item must not be lost for that. So this reads the bytes: strings and brackets are all that matters.

use std::borrow::Cow;
use std::collections::HashSet;

use super::object::text_of;
use super::{MAX_VALUES, Malformed};

/// Longest part of a key that a message shows, in characters.
const SHOWN_KEY_CHARS: usize = 40;

enum Level<'a> {
    Object { keys: HashSet<Cow<'a, str>>, expects_key: bool },
    Array,
}

/// Whether `json` has more than [`MAX_VALUES`] values. It need not be valid JSON.
pub(super) fn has_too_many_values(json: &str) -> bool {
    has_more_values_than(json, MAX_VALUES)
}

/// Whether `json` has more than `most` values. It need not be valid JSON.
pub(super) fn has_more_values_than(json: &str, most: usize) -> bool {
    // A value and the sign before it have two bytes at least.
    if json.len() / 2 < most {
        return false;
    }
    let (mut values, mut rest) = (0_usize, json);
    while let Some(at) = rest.find(['"', '{', '[', ',']) {
        let (_, here) = rest.split_at(at);
        let is_string = here.starts_with('"');
        values = values.saturating_add(usize::from(!is_string));
        if values > most {
            return true;
        }
        rest = here.get(if is_string { string_end(here) } else { 1 }..).unwrap_or_default();
    }
    false
}

/// The first key that repeats one of its own object, or that there are too many values. `json` must be valid JSON.
pub(super) fn find_flaw(json: &str) -> Option<Malformed> {
    if has_too_many_values(json) {
        return Some(Malformed::TooManyValues);
    }
    let mut levels: Vec<Level<'_>> = Vec::new();
    let mut rest = json;
    while let Some(at) = rest.find(['"', '{', '}', '[', ']', ',']) {
        let (_, here) = rest.split_at(at);
        let (sign, after) = here.split_at(1);
        rest = after;
        match sign {
            "{" => levels.push(Level::Object { keys: HashSet::new(), expects_key: true }),
            "[" => levels.push(Level::Array),
            "}" | "]" => drop(levels.pop()),
            "," => {
                if let Some(Level::Object { expects_key, .. }) = levels.last_mut() {
                    *expects_key = true;
                }
            }
            _ => {
                let string = here.get(..string_end(here)).unwrap_or(here);
                rest = here.get(string.len()..).unwrap_or_default();
                let depth = levels.len();
                let Some(Level::Object { keys, expects_key }) = levels.last_mut() else { continue };
                if !std::mem::replace(expects_key, false) {
                    continue;
                }
                let key = key_of(string);
                if keys.contains(&key) {
                    let key = key.chars().take(SHOWN_KEY_CHARS).flat_map(char::escape_debug).collect();
                    return Some(Malformed::DuplicateKey { key, depth });
                }
                keys.insert(key);
            }
        }
    }
    None
}

/// Length of the string token that `text` starts with, quotes included.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at.saturating_add(1),
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// The key that a string token spells: `"\u0061"` is `a`.
fn key_of(string: &str) -> Cow<'_, str> {
    if string.contains('\\') {
        return text_of(string).unwrap_or(Cow::Borrowed(string));
    }
    Cow::Borrowed(string.strip_prefix('"').and_then(|s| s.strip_suffix('"')).unwrap_or(string))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str) -> Option<(String, usize)> {
        match find_flaw(json)? {
            Malformed::DuplicateKey { key, depth } => Some((key, depth)),
            other @ (Malformed::NotAnObject | Malformed::TooManyValues | Malformed::LongId(_) | Malformed::NoId(_)) => {
                panic!("not about keys: {other}")
            }
        }
    }

    #[test]
    fn duplicates_are_found_at_any_depth() {
        assert_eq!(found(r#"{"a":1,"b":2,"a":3}"#), Some(("a".into(), 1)));
        assert_eq!(found(r#"{"a":[{"b":{"c":1,"d":"}","c":2}}]}"#), Some(("c".into(), 4)));
        assert_eq!(found(r#"{"":1,"":2}"#), Some((String::new(), 1)));
        assert_eq!(found(r#"{"@class":1,"\u0040class":2}"#), Some(("@class".into(), 1)));
        assert_eq!(found(r#"{"a\"":1,"a\"":2}"#), Some((r#"a\""#.into(), 1)));
        assert_eq!(
            found(r#"{"$serde_json::private::Number":"1","$serde_json::private::Number":"2"}"#).map(|f| f.1),
            Some(1)
        );
    }

    #[test]
    fn equal_keys_of_different_objects_and_equal_values_are_fine() {
        assert_eq!(found(r#"{"a":{"a":[{"a":1},{"a":2}]},"b":"a","c":"a","d":["a","a","b"]}"#), None);
        assert_eq!(found(r#"{"a":"{\"x\":1,\"x\":2}","x":"\\","y":",\"x\":"}"#), None);
        assert_eq!(found(r#"{"OID":1,"oid":2}"#), None);
        assert_eq!(found("[]"), None);
        assert_eq!(found("12"), None);
    }

    #[test]
    fn halves_of_surrogates_and_deep_nesting_do_no_harm() {
        assert_eq!(found(r#"{"a":"\ud800","b":"\udc00x"}"#), None);
        let deep = format!("{}{{\"k\":1,\"k\":2}}{}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(found(&deep), Some(("k".into(), 5001)));
    }

    #[test]
    fn more_values_than_a_record_can_have_are_found_in_every_form() {
        let (most, more) = (MAX_VALUES, MAX_VALUES + 1);
        let list = |values: usize| format!("[{}]", vec!["1"; values].join(","));
        let keys = |count: usize| {
            let members: Vec<String> = (0..count).map(|n| format!("\"{n}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        for (fits, exceeds) in [(list(most), list(more)), (keys(most), keys(more)), (nested(most), nested(more))] {
            assert_eq!(find_flaw(&fits), None);
            assert_eq!(find_flaw(&exceeds), Some(Malformed::TooManyValues));
            assert!(!has_too_many_values(&fits) && has_too_many_values(&exceeds));
        }
        let text = format!(r#"{{"a":"{}"}}"#, r#",{[\""#.repeat(more));
        assert_eq!(find_flaw(&text), None, "signs within a text are no values");
        assert!(has_too_many_values(&format!("{{\"a\":{}", "[".repeat(more * 2))), "cut off");
    }

    proptest::proptest! {
        /// Agrees with a reference that builds the objects, for arbitrary keys and nesting.
        #[test]
        fn agrees_with_building_the_object(keys in proptest::collection::vec("[ab\"\\\\,{}\\[é]{0,2}", 0..6)) {
            let fields: Vec<String> =
                keys.iter().map(|k| format!("{}: [{{\"v\": {}}}]", serde_json::json!(k), serde_json::json!(k))).collect();
            let json = format!("{{{}}}", fields.join(", "));
            let distinct: HashSet<&String> = keys.iter().collect();
            proptest::prop_assert_eq!(found(&json).is_some(), distinct.len() < keys.len());
        }
    }
}
