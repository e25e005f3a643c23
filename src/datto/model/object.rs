//! An item's fields by name, with readings that never fail the item.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::duplicates::find_flaw;
use super::{MAX_ID_BYTES, MAX_VALUES, Malformed};
use crate::clock::Millis;
use crate::normalize::number;
use crate::normalize::time::{self, Moment};

/// The fields of an object, undecoded.
#[derive(Debug)]
pub(in crate::datto) struct Object<'a>(Fields<'a>);

impl<'a> Object<'a> {
    /// The fields of an item; refuses what is not an object, more than [`MAX_VALUES`] values,
    /// and any key that occurs twice, at any depth.
    pub(in crate::datto) fn parse(raw: &'a RawValue) -> Result<Self, Malformed> {
        let flaw = find_flaw(raw.get());
        if flaw == Some(Malformed::TooManyValues) {
            return Err(Malformed::TooManyValues);
        }
        let fields: Fields<'a> = serde_json::from_str(raw.get()).map_err(|_| Malformed::NotAnObject)?;
        flaw.map_or(Ok(Self(fields)), Err)
    }

    /// The value of a field; `None` if it is missing or null.
    pub(in crate::datto) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let (_, value) = self.0.0.iter().find(|(key, _)| key == name)?;
        (value.get() != "null").then_some(*value)
    }

    /// A nested object; `None` if the field is something else.
    pub(in crate::datto) fn object(&self, name: &str) -> Option<Self> {
        serde_json::from_str(self.raw(name)?.get()).ok().map(Self)
    }

    /// Whether every field is null.
    pub(in crate::datto) fn is_blank(&self) -> bool {
        self.0.0.iter().all(|(_, value)| value.get() == "null")
    }

    /// A text; a number counts as its digits.
    pub(in crate::datto) fn text(&self, name: &str) -> Option<String> {
        let json = self.raw(name)?.get();
        if is_number(json) {
            return Some(json.to_owned());
        }
        text_of(json).map(Cow::into_owned)
    }

    /// An identifying text: like [`Self::text`], but neither empty nor blank. A whole number is its usual digits, whatever its spelling.
    pub(in crate::datto) fn id(&self, name: &str) -> Option<String> {
        let json = self.raw(name)?.get();
        if is_number(json) {
            return Some(number::id(json).into_owned());
        }
        self.text(name).filter(|text| !text.trim().is_empty())
    }

    /// The text that identifies the object itself.
    pub(in crate::datto) fn own_id(&self, name: &'static str) -> Result<String, Malformed> {
        let id = self.id(name).ok_or(Malformed::NoId(name))?;
        if id.len() > MAX_ID_BYTES { Err(Malformed::LongId(name)) } else { Ok(id) }
    }

    /// A truth value; the texts `true` and `false` count too.
    pub(in crate::datto) fn truth(&self, name: &str) -> Option<bool> {
        match self.raw(name)?.get() {
            "true" | "\"true\"" => Some(true),
            "false" | "\"false\"" => Some(false),
            _ => None,
        }
    }

    /// A whole number in any spelling, also in quotes.
    pub(in crate::datto) fn integer(&self, name: &str) -> Option<i64> {
        number::whole(&self.text(name)?)
    }

    /// A point in time (datto-rmm-api.md section 7); `None` also for what is not a time.
    pub(in crate::datto) fn time(&self, name: &str) -> Option<Millis> {
        let json = self.raw(name)?.get();
        let text = text_of(json).or_else(|| is_number(json).then_some(Cow::Borrowed(json)))?;
        match time::parse(&text) {
            Moment::At(ms) => Some(Millis(ms)),
            Moment::Never | Moment::NotATime => None,
        }
    }
}

/// The text that a JSON string spells; half of a surrogate pair becomes U+FFFD. `None` if `json` is not a string.
pub(in crate::datto) fn text_of(json: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(json).ok().map(|text| text.0)
}

fn is_number(json: &str) -> bool {
    json.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

/// Fields in their order, with every key that occurs twice still there twice; at most [`MAX_VALUES`].
#[derive(Debug)]
pub(in crate::datto) struct Fields<'a>(pub(in crate::datto) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((Text(key), value)) = map.next_entry()? {
                    if fields.len() == MAX_VALUES {
                        return Err(A::Error::custom(format_args!("more than {MAX_VALUES} fields")));
                    }
                    fields.push((key, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// A string read as bytes, the one way in which serde_json takes half of a surrogate pair.
pub(in crate::datto) struct Text<'a>(pub(in crate::datto) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                Ok(Text(String::from_utf8_lossy(bytes)))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(String::from_utf8_lossy(bytes).into_owned())))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_bytes(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).expect("valid JSON")
    }

    #[test]
    fn wrong_types_cost_only_their_field() {
        let item = raw(
            r#"{"a":7,"b":"x","c":null,"d":[1],"e":{"f":1},"g":"true","h":" 12 ","i":1e3,"j":"","k":9007199254740993}"#,
        );
        let object = Object::parse(&item).expect("an object");
        assert_eq!(object.text("a").as_deref(), Some("7"));
        assert_eq!(object.id("b").as_deref(), Some("x"));
        assert_eq!((object.text("c"), object.text("d"), object.text("e"), object.text("z")), (None, None, None, None));
        assert_eq!((object.truth("g"), object.truth("b")), (Some(true), None));
        assert_eq!(
            (object.integer("h"), object.integer("i"), object.integer("k")),
            (Some(12), Some(1000), Some(9_007_199_254_740_993))
        );
        assert_eq!(object.id("j"), None);
        assert!(object.object("e").is_some() && object.object("d").is_none());
    }

    #[test]
    fn an_id_is_no_longer_than_ids_are() {
        let item = |length: usize| raw(&format!(r#"{{"uid":"{}"}}"#, "x".repeat(length)));
        let own_id = |length| Object::parse(&item(length)).and_then(|object| object.own_id("uid"));
        assert_eq!(own_id(MAX_ID_BYTES).map(|id| id.len()), Ok(MAX_ID_BYTES));
        assert_eq!(own_id(MAX_ID_BYTES + 1), Err(Malformed::LongId("uid")));
        assert_eq!(own_id(0), Err(Malformed::NoId("uid")));
    }

    #[test]
    fn odd_texts_are_still_texts() {
        let item = raw(r#"{"\ud83c\udf47":"a\ud800b","n":"\u00e9\n"}"#);
        let object = Object::parse(&item).expect("an object");
        assert_eq!(object.text("n").as_deref(), Some("é\n"));
        assert!(object.text("🍇").is_some_and(|t| t.starts_with('a') && t.ends_with('b') && t.contains('\u{fffd}')));
    }

    #[test]
    fn what_is_not_one_object_is_malformed() {
        for json in ["null", "1", "\"x\"", "[]", "[{}]", "true"] {
            assert_eq!(Object::parse(&raw(json)).err(), Some(Malformed::NotAnObject), "{json}");
        }
        let twice = Object::parse(&raw(r#"{"alertUid":"a","x":{"y":1,"y":2}}"#)).err();
        assert_eq!(twice, Some(Malformed::DuplicateKey { key: "y".into(), depth: 2 }));
    }
}
