//! Lists inside `details`: an array, or a text that holds the JSON of one. Datto writes both (datto-rmm-api.md section 10.1).

use std::borrow::Cow;

use super::{Json, Kind};
use crate::normalize::number;

/// Texts that say that there is nothing.
pub(crate) const NOTHING: [&str; 4] = ["", "null", "[]", "{}"];

/// The texts of a list, or the one text that stands in its place. Empty for null, blanks and empty lists in either form.
pub(crate) fn texts(value: Json<'_>) -> Vec<Cow<'_, str>> {
    match value.kind() {
        Kind::Null | Kind::Bool => Vec::new(),
        Kind::Array => value.items().filter_map(item).collect(),
        Kind::Number(_) | Kind::Object => item(value).into_iter().collect(),
        Kind::String => {
            let Some(text) = item(value) else { return Vec::new() };
            match written(&text) {
                Some(list) => list.items().filter_map(item).map(|text| Cow::Owned(text.into_owned())).collect(),
                None => vec![text],
            }
        }
    }
}

/// The list that a text holds as JSON.
pub(crate) fn written(text: &str) -> Option<Json<'_>> {
    Json::parse(text.trim()).ok().filter(|list| list.kind() == Kind::Array)
}

/// The ids of a list in any form, also of a text such as `[a, b]` that is no JSON; each once, in order.
pub(crate) fn ids(value: Json<'_>) -> Vec<String> {
    let separator = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '[' | ']' | '"' | '\'');
    let is_id = |word: &&str| !NOTHING.contains(word) && !word.contains(['{', '}', ':']);
    let mut ids: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for text in texts(value).iter().filter(|text| !text.trim_start().starts_with('{')) {
        let words = text.split(separator).filter(is_id).map(|word| number::id(word).into_owned());
        ids.extend(words.filter(|id| seen.insert(id.clone())));
    }
    ids
}

fn item(value: Json<'_>) -> Option<Cow<'_, str>> {
    let text = value.scalar().unwrap_or(value.source().into());
    (!value.is_blank() && !NOTHING.contains(&text.trim())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str) -> Vec<String> {
        texts(Json::parse(source).unwrap()).into_iter().map(Cow::into_owned).collect()
    }

    #[test]
    fn a_list_is_the_same_as_an_array_and_as_text() {
        for list in [r#"["Administrator","Help, desk"]"#, r#""[\"Administrator\", \"Help, desk\"]""#] {
            assert_eq!(of(list), ["Administrator", "Help, desk"], "{list}");
        }
        assert_eq!(of(r#""Administrator""#), ["Administrator"]);
        assert_eq!(of(r#""[Administrator""#), ["[Administrator"], "no JSON: as it is");
        for nothing in ["null", "[]", "{}", "\"\"", "\" \"", "\"[]\"", "\"null\"", "\"{}\"", "\"[ ]\"", "[null,\"\"]"] {
            assert_eq!(of(nothing), Vec::<String>::new(), "{nothing}");
        }
    }

    #[test]
    fn ids_are_read_from_every_form() {
        let ids = |source: &str| ids(Json::parse(source).unwrap());
        for list in ["[12,13.0,12]", "\"[12, 13]\"", "\"[\\\"12\\\",\\\"13\\\"]\"", "\"12;13\"", "\"12 13\""] {
            assert_eq!(ids(list), ["12", "13"], "{list}");
        }
        assert_eq!(ids("\"[9c1b7f52-0d3e, b]\""), ["9c1b7f52-0d3e", "b"]);
        for nothing in ["null", "[]", "\"[]\"", "\"null\"", "\"{}\"", "[{\"a\":1}]"] {
            assert_eq!(ids(nothing), Vec::<String>::new(), "{nothing}");
        }
    }
}
