//! The members of one source object, of which a mapping *takes* what it places: what remains is the event's residue, so
//! that no value can be forgotten.

use std::borrow::Cow;

use super::{Json, Kind};
use crate::normalize::notes::Notes;
use crate::normalize::{number, time};

/// Room for what most objects of the API have.
const USUAL_MEMBERS: usize = 16;

/// The members of an object that no attribute took yet, in source order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields<'a> {
    /// Where the object stands in the record, for notes: `""`, `alertContext.` …
    place: &'static str,
    members: Vec<(Cow<'a, str>, Json<'a>)>,
}

impl<'a> Fields<'a> {
    /// Opens `json`; `None` if it is not an object. `place` ends in a dot unless it is empty.
    pub(crate) fn open(json: Json<'a>, place: &'static str) -> Option<Self> {
        if json.kind() != Kind::Object {
            return None;
        }
        let mut members = Vec::with_capacity(USUAL_MEMBERS);
        members.extend(json.members());
        Some(Self { place, members })
    }

    /// The value of `key`, left in place.
    pub(crate) fn get(&self, key: &str) -> Option<Json<'a>> {
        self.members.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    /// The text of a scalar, left in place; `None` where there is none or it is empty.
    pub(crate) fn peek(&self, key: &str) -> Option<Cow<'a, str>> {
        self.get(key)?.scalar().filter(|text| !text.is_empty())
    }

    /// The text that [`Self::take_id`] would take, left in place.
    pub(crate) fn peek_id(&self, key: &str) -> Option<Cow<'a, str>> {
        match self.get(key)?.kind() {
            Kind::Number(token) => Some(number::id(token)),
            Kind::String => self.peek(key),
            Kind::Null | Kind::Bool | Kind::Array | Kind::Object => None,
        }
    }

    /// Like [`Self::peek`], within the limit of a string: for attributes that repeat a value.
    pub(crate) fn copy(&self, key: &str, notes: &mut Notes) -> Option<Cow<'a, str>> {
        self.peek(key).map(|text| notes.limit(text))
    }

    /// Takes the value of `key`.
    pub(crate) fn take(&mut self, key: &str) -> Option<Json<'a>> {
        let at = self.members.iter().position(|(name, _)| name == key)?;
        Some(self.members.remove(at).1)
    }

    /// Takes a text; anything else stays, with a note.
    pub(crate) fn take_text(&mut self, key: &str, notes: &mut Notes) -> Option<Cow<'a, str>> {
        let value = self.told(key)?;
        let Some(text) = value.string() else {
            self.note(key, "expected text", notes);
            return None;
        };
        self.take(key);
        Some(notes.limit(text))
    }

    /// Takes a text or a number as text: Datto is not firm about the type of ids. Of a whole number in an unusual spelling the
    /// token stays too, so that the source's own text is not lost.
    pub(crate) fn take_id(&mut self, key: &str, notes: &mut Notes) -> Option<Cow<'a, str>> {
        match self.told(key)?.kind() {
            Kind::Number(token) => {
                let id = number::id(token);
                if id == token {
                    self.take(key);
                }
                Some(notes.limit(id))
            }
            Kind::Null | Kind::Bool | Kind::String | Kind::Array | Kind::Object => self.take_text(key, notes),
        }
    }

    /// Takes an integer of 32 bits (OCSF `integer_t`). One in an unusual spelling or in quotes stays too; anything else stays, with
    /// a note.
    pub(crate) fn take_i32(&mut self, key: &str, notes: &mut Notes) -> Option<i32> {
        let value = self.told(key)?;
        let number = match value.kind() {
            Kind::Number(_) | Kind::String => value.scalar().and_then(|text| number::whole(&text)),
            Kind::Null | Kind::Bool | Kind::Array | Kind::Object => None,
        };
        let number = number.and_then(|number| i32::try_from(number).ok());
        match number {
            Some(number) if value.source() == number.to_string() => drop(self.take(key)),
            Some(_) => {}
            None => self.note(key, "expected an integer of 32 bits", notes),
        }
        number
    }

    /// A boolean, left in place; the texts `true` and `false` count.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        match self.peek(key)?.as_ref() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// Takes a point in time as epoch milliseconds. A token in another form than the milliseconds themselves stays too, so that
    /// the source's own text is not lost; what is not a time stays with a note.
    pub(crate) fn take_time(&mut self, key: &str, notes: &mut Notes) -> Option<i64> {
        let ms = self.time(key, notes)?;
        if self.get(key).is_some_and(|value| value.source() == ms.to_string()) {
            self.take(key);
        }
        Some(ms)
    }

    /// A point in time as epoch milliseconds, left in place.
    pub(crate) fn time(&self, key: &str, notes: &mut Notes) -> Option<i64> {
        match time::parse(&self.told(key)?.scalar().unwrap_or_else(|| "not a scalar".into())) {
            time::Moment::At(ms) => Some(ms),
            time::Moment::Never => None,
            time::Moment::NotATime => {
                self.note(key, "not a time", notes);
                None
            }
        }
    }

    /// Takes an object and opens it; anything else stays, with a note.
    pub(crate) fn take_object(&mut self, key: &str, place: &'static str, notes: &mut Notes) -> Option<Self> {
        let value = self.told(key)?;
        let opened = Self::open(value, place);
        match opened {
            Some(_) => drop(self.take(key)),
            None => self.note(key, "expected an object", notes),
        }
        opened
    }

    /// Takes the members with these keys, in this order.
    pub(crate) fn take_all(&mut self, keys: &'static [&'static str]) -> Vec<(&'static str, Json<'a>)> {
        keys.iter().filter_map(|key| Some((*key, self.take(key)?))).collect()
    }

    /// Takes a list of texts, at most `max` of them; other items and those beyond `max` stay.
    pub(crate) fn take_texts(&mut self, key: &'static str, max: usize, notes: &mut Notes) -> TextList<'a> {
        let Some(value) = self.told(key).filter(|value| value.kind() == Kind::Array) else {
            if self.told(key).is_some() {
                self.note(key, "expected a list", notes);
            }
            return TextList::default();
        };
        let mut list = TextList::default();
        for item in value.items() {
            list.total = list.total.saturating_add(1);
            match item.string() {
                Some(text) if list.taken.len() < max && !text.is_empty() => list.taken.push(notes.limit(text)),
                _ => list.left.push(item),
            }
        }
        self.take(key);
        list
    }

    /// Removes `key` if it is a scalar with exactly this text, which the event already holds elsewhere.
    pub(crate) fn drop_same(&mut self, key: &str, text: Option<&str>) {
        let same = text.is_some_and(|text| self.get(key).and_then(Json::scalar).is_some_and(|own| own == text));
        if same {
            self.take(key);
        }
    }

    /// Takes every member whose key begins with `prefix`, the prefix removed.
    pub(crate) fn take_prefixed(&mut self, prefix: &str, place: &'static str) -> Self {
        let (taken, left) = self.members.drain(..).partition(|(key, _)| key.starts_with(prefix));
        self.members = left;
        let shorten = |(key, value): (Cow<'a, str>, Json<'a>)| {
            let name = key.strip_prefix(prefix).unwrap_or_default().to_owned();
            (Cow::Owned(name), value)
        };
        let taken: Vec<(Cow<'a, str>, Json<'a>)> = taken;
        Self { place, members: taken.into_iter().map(shorten).collect() }
    }

    /// What is left, in source order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Json<'a>)> {
        self.members.iter().map(|(key, value)| (key.as_ref(), *value))
    }

    /// Notes something about a field of this object.
    pub(crate) fn note(&self, key: &str, what: &str, notes: &mut Notes) {
        notes.add(format!("{}{key}: {what}", self.place));
    }

    /// The value of `key` if it says anything.
    fn told(&self, key: &str) -> Option<Json<'a>> {
        self.get(key).filter(|value| !value.is_blank())
    }
}

/// A list of texts, taken.
#[derive(Debug, Default)]
pub(crate) struct TextList<'a> {
    pub(crate) taken: Vec<Cow<'a, str>>,
    /// What was no text or too many: still to be told.
    pub(crate) left: Vec<Json<'a>>,
    /// How many items the list had.
    pub(crate) total: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_taken_stays_and_wrong_types_are_noted() {
        let source = r#"{"a":"x","b":7,"c":{"d":1},"e":"","big":99999999999,"t":"2026-11-20T22:05:45Z"}"#;
        let mut fields = Fields::open(Json::parse(source).unwrap(), "p.").unwrap();
        let mut notes = Notes::default();
        assert_eq!(fields.take_text("a", &mut notes).as_deref(), Some("x"));
        assert_eq!(fields.take_text("b", &mut notes), None);
        assert_eq!(fields.take_id("b", &mut notes).as_deref(), Some("7"));
        assert_eq!(fields.take_text("e", &mut notes), None);
        assert_eq!(fields.take_i32("big", &mut notes), None);
        assert_eq!(fields.take_time("t", &mut notes), Some(1_795_212_345_000));
        let left: Vec<_> = fields.iter().map(|(key, _)| key).collect();
        assert_eq!(left, ["c", "e", "big", "t"]);
        assert_eq!(notes.into_debug(), ["p.b: expected text", "p.big: expected an integer of 32 bits"]);
    }

    #[test]
    fn prefixed_members_move_together() {
        let json = Json::parse(r#"{"job.id":1,"x":2,"job.name":"n"}"#).unwrap();
        let mut fields = Fields::open(json, "").unwrap();
        let job = fields.take_prefixed("job.", "job.");
        assert_eq!(job.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["id", "name"]);
        assert_eq!(fields.iter().count(), 1);
    }
}
