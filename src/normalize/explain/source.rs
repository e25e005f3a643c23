//! The values of a source text, each with its place, and other values to put there.

use std::borrow::Cow;
use std::ops::Range;

use crate::normalize::json::{Json, Kind};

/// A container nested deeper is taken as one value.
const MAX_DEPTH: usize = 32;

/// A value of a source text.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaf {
    /// Its path; values in the JSON text of an activity's `details` are below `details.`.
    pub(super) path: String,
    /// Its text, decoded.
    pub(super) text: String,
    /// Null, empty.
    pub(super) says_nothing: bool,
    kind: Type,
    range: Range<usize>,
    /// Where it stands in a text inside the source: the range of that text's literal, and the text.
    within: Option<(Range<usize>, String)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Type {
    #[default]
    Other,
    Bool,
    Number,
    Text,
}

/// All values of a source text, in its order.
pub(super) fn leaves(source: &str) -> Vec<Leaf> {
    let mut found = Vec::new();
    walk(source, Json::trusted(source), String::new(), 0, &mut found);
    let inside: Vec<Leaf> = found.iter().filter(|leaf| leaf.path == "details").flat_map(nested).collect();
    if !inside.is_empty() {
        found.retain(|leaf| leaf.path != "details");
        found.extend(inside);
    }
    found
}

/// The values of an activity's details, which are JSON in a text.
fn nested(leaf: &Leaf) -> Vec<Leaf> {
    if leaf.kind != Type::Text || Json::parse(&leaf.text).map(Json::kind).ok() != Some(Kind::Object) {
        return Vec::new();
    }
    let mut found = Vec::new();
    walk(&leaf.text, Json::trusted(&leaf.text), "details".to_owned(), 0, &mut found);
    for inner in &mut found {
        inner.within = Some((leaf.range.clone(), leaf.text.clone()));
    }
    found
}

fn walk(source: &str, value: Json<'_>, path: String, depth: usize, found: &mut Vec<Leaf>) {
    let opens = depth < MAX_DEPTH && !value.is_blank();
    let below = depth.saturating_add(1);
    let kind = match value.kind() {
        Kind::Object if opens => {
            let place = if path.is_empty() { String::new() } else { format!("{path}.") };
            value.members().for_each(|(key, member)| walk(source, member, format!("{place}{key}"), below, found));
            return;
        }
        Kind::Array if opens => {
            let items = value.items().enumerate();
            items.for_each(|(index, item)| walk(source, item, format!("{path}[{index}]"), below, found));
            return;
        }
        Kind::String => Type::Text,
        Kind::Number(_) => Type::Number,
        Kind::Bool => Type::Bool,
        Kind::Null | Kind::Array | Kind::Object => Type::Other,
    };
    let start = value.source().as_ptr().addr().saturating_sub(source.as_ptr().addr());
    found.push(Leaf {
        path,
        text: value.scalar().unwrap_or(Cow::Borrowed(value.source())).into_owned(),
        says_nothing: value.is_blank(),
        kind,
        range: start..start.saturating_add(value.source().len()),
        within: None,
    });
}

impl Leaf {
    /// The source with other values in this place, each with the text that was put there; at last with none at all.
    pub(super) fn variants(&self, source: &str) -> Vec<(String, Option<String>)> {
        if self.says_nothing {
            return Vec::new();
        }
        let mut literals: Vec<(String, Option<String>)> = Vec::new();
        match self.kind {
            Type::Bool => literals.push(((self.text != "true").to_string(), None)),
            Type::Number => {
                let near = [bumped(&self.text, Place::Last), bumped(&self.text, Place::Middle)];
                literals.extend(near.into_iter().flatten().map(|text| (text.clone(), Some(text))));
            }
            Type::Text => {
                let near = [bumped(&self.text, Place::Last), bumped(&self.text, Place::Middle)];
                let texts = near.into_iter().flatten().chain([format!("{}~", self.text)]);
                literals.extend(texts.map(|text| (literal(&text), Some(text))));
            }
            Type::Other => {}
        }
        literals.push(("null".to_owned(), None));
        literals.into_iter().map(|(put, text)| (self.spliced(source, &put), text)).collect()
    }

    fn spliced(&self, source: &str, put: &str) -> String {
        match &self.within {
            None => splice(source, &self.range, put),
            Some((outer, text)) => splice(source, outer, &literal(&splice(text, &self.range, put))),
        }
    }
}

/// Which digit or letter is changed.
#[derive(Clone, Copy)]
enum Place {
    Last,
    Middle,
}

/// The text with one digit (or, without digits, one letter) changed, so that a time stays a time and an address an address.
fn bumped(text: &str, place: Place) -> Option<String> {
    let mantissa =
        text.find(['e', 'E']).filter(|_| text.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(text.len());
    let digits: Vec<usize> =
        text.bytes().take(mantissa).enumerate().filter(|(_, b)| b.is_ascii_digit()).map(|(n, _)| n).collect();
    let letters: Vec<usize> =
        text.bytes().enumerate().filter(|(_, b)| b.is_ascii_alphabetic()).map(|(n, _)| n).collect();
    let places = if digits.is_empty() { &letters } else { &digits };
    let at = match place {
        Place::Last => places.last()?,
        Place::Middle => places.get(places.len().checked_div(2)?)?,
    };
    let other = match text.as_bytes().get(*at)? {
        b'9' => '8',
        b'z' => 'y',
        b'Z' => 'Y',
        byte => char::from(byte.saturating_add(1)),
    };
    let end = at.checked_add(1)?;
    Some(format!("{}{other}{}", text.get(..*at)?, text.get(end..)?))
}

fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn splice(text: &str, range: &Range<usize>, put: &str) -> String {
    let before = text.get(..range.start).unwrap_or_default();
    format!("{before}{put}{}", text.get(range.end..).unwrap_or_default())
}
