//! The items of a page: cut out one by one and bounded in number, and what identifies each.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::model::object::Text;
use super::Flaw;

/// Most items of a page: ten times what the API gives (datto-rmm-api.md section 5.1). Each costs memory beyond its bytes.
pub(crate) const MAX_ITEMS: usize = 2500;

/// The items of a list, undecoded.
pub(super) fn read(list: &RawValue, array: &str) -> Result<Vec<Box<RawValue>>, Flaw> {
    let Items { items, count } = serde_json::from_str(list.get()).map_err(|_| format!("`{array}` is not a list"))?;
    if count > MAX_ITEMS {
        let reason = format!(
            "`{array}` has {count} items in one page: the API gives at most 250, and at most {MAX_ITEMS} are taken"
        );
        return Err(Flaw { reason, is_lasting: true });
    }
    Ok(items)
}

/// What identifies an item: the JSON of its id, else its whole text. Nothing of it is kept in memory but the answer.
pub(crate) fn identity<'a>(item: &'a RawValue, field: &str) -> &'a str {
    let found = serde_json::Deserializer::from_str(item.get()).deserialize_map(Id(field));
    found.ok().flatten().filter(|id| !matches!(id.get(), "null" | "\"\"")).map_or(item.get(), RawValue::get)
}

/// At most [`MAX_ITEMS`] items, and how many there are.
struct Items {
    items: Vec<Box<RawValue>>,
    count: usize,
}

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Items;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Items, A::Error> {
                let mut items = Vec::new();
                while items.len() < MAX_ITEMS
                    && let Some(item) = list.next_element()?
                {
                    items.push(item);
                }
                let mut count = items.len();
                while list.next_element::<IgnoredAny>()?.is_some() {
                    count = count.saturating_add(1);
                }
                Ok(Items { items, count })
            }
        }
        deserializer.deserialize_seq(Collect)
    }
}

/// Finds one field of an object.
struct Id<'f>(&'f str);

impl<'de> Visitor<'de> for Id<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(Text(key)) = map.next_key()? {
            if found.is_none() && key == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn a_page_of_too_many_items_is_an_error_that_names_the_numbers() {
        let list = |count: usize| raw(&format!("[{}]", vec!["{}"; count].join(",")));
        assert_eq!(read(&list(MAX_ITEMS), "alerts").unwrap().len(), MAX_ITEMS);
        let flaw = read(&list(MAX_ITEMS + 7), "alerts").unwrap_err();
        assert_eq!(
            flaw.reason,
            "`alerts` has 2507 items in one page: the API gives at most 250, and at most 2500 are taken"
        );
        assert!(flaw.is_lasting);
        assert_eq!(read(&raw("{}"), "alerts").unwrap_err(), "`alerts` is not a list".to_owned().into());
    }

    #[test]
    fn an_item_is_identified_by_its_id_else_by_its_text() {
        let of = |json: &str| identity(&raw(json), "uid").to_owned();
        assert_eq!(of(r#"{"a":{"uid":1},"uid":"x","uid":"y","z":"\ud800"}"#), r#""x""#);
        assert_eq!(of(r#"{"u\u0069d":17}"#), "17");
        for json in [r#"{"uid":null,"a":1}"#, r#"{"uid":""}"#, r#"{"a":"uid"}"#, "[]", "7", "null"] {
            assert_eq!(of(json), json);
        }
        let deep = format!(r#"{{"x":{}{},"uid":"d"}}"#, "[".repeat(50_000), "]".repeat(50_000));
        assert_eq!(of(&deep), r#""d""#);
    }
}
