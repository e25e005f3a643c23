//! Rows in JSON, or the tables of `[orgs]` in JSON, with the place of every value.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::mapping::rows::{Cell, DOUBLED_HINT, Role, Row, doubled, key, roles, spanned, told_headings};
use crate::config::places::{At, Problems};

/// Deeper than this nothing is nested that makes sense here.
const DEEPEST: usize = 6;

/// What a file holds.
pub(super) enum Read {
    Table(DeTable<'static>),
    Rows(Vec<Row>),
    /// Something else, which was told.
    Nothing,
}

/// The members of an object in their order, with every key that occurs twice.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A text of the file while it is read.
struct Reader<'a> {
    text: &'a str,
    file: usize,
    problems: &'a Problems,
}

/// Reads a whole file.
pub(super) fn read(text: &str, file: usize, problems: &Problems) -> Read {
    let reader = Reader { text, file, problems };
    let root: &RawValue = match serde_json::from_str(text) {
        Ok(root) => root,
        Err(error) => {
            let at = offset(text, error.line(), error.column());
            let words = error.to_string();
            let words = words.split(" at line ").next().unwrap_or_default().to_owned();
            problems.error(At::new(file, at..at), format!("this is not JSON: {words}"), None);
            return Read::Nothing;
        }
    };
    match root.get().as_bytes().first() {
        Some(b'[') => Read::Rows(reader.rows(root)),
        Some(b'{') => reader.object(root),
        _ => {
            reader.error(&reader.span(root), "this is neither a list of rows nor an object", Some(told_headings()));
            Read::Nothing
        }
    }
}

/// The byte of a line and column, both from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    before.saturating_add(column.saturating_sub(1)).min(text.len())
}

impl Reader<'_> {
    /// An object is the section's own shape, or holds its rows under `organizations`.
    fn object(&self, root: &RawValue) -> Read {
        let members = self.members(root);
        match members.iter().find(|(name, _)| name.text == "organizations") {
            Some((_, rows)) if members.len() == 1 && rows.get().starts_with('[') => Read::Rows(self.rows(rows)),
            _ => Read::Table(self.table(&members, 1)),
        }
    }

    fn rows(&self, list: &RawValue) -> Vec<Row> {
        let items: Vec<&RawValue> = serde_json::from_str(list.get()).unwrap_or_default();
        items.into_iter().filter_map(|item| self.row(item)).collect()
    }

    fn row(&self, item: &RawValue) -> Option<Row> {
        if !item.get().starts_with('{') {
            self.error(&self.span(item), "this row is no object", Some(told_headings()));
            return None;
        }
        let members = self.members(item);
        let headings: Vec<&str> = members.iter().map(|(name, _)| name.text.as_str()).collect();
        let mut row = Row { span: self.span(item), ..Row::default() };
        let roles = roles(&headings);
        if let Some((index, message)) = doubled(&headings, &roles) {
            let span = members.get(index).map_or_else(|| row.span.clone(), |(name, _)| name.span.clone());
            self.error(&span, &message, Some(DOUBLED_HINT));
            return None;
        }
        for ((name, value), role) in members.iter().zip(roles) {
            match role {
                Some(role) => self.fill(&mut row, &role, value),
                None if name.text == "labels" => self.labels(&mut row, value),
                None => {}
            }
        }
        Some(row)
    }

    /// A member with a role: a scalar, or a list of scalars where several make sense.
    fn fill(&self, row: &mut Row, role: &Role, value: &RawValue) {
        let takes_list = matches!(role, Role::Sites | Role::Account);
        if takes_list && value.get().starts_with('[') {
            let items: Vec<&RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
            items.into_iter().filter_map(|item| self.scalar(item)).for_each(|cell| row.take(role, cell));
        } else if let Some(cell) = self.scalar(value) {
            row.take(role, cell);
        }
    }

    fn labels(&self, row: &mut Row, value: &RawValue) {
        if !value.get().starts_with('{') {
            self.error(&self.span(value), "labels are an object of texts", None);
            return;
        }
        for (name, value) in self.members(value) {
            if let Some(cell) = self.scalar(value) {
                row.labels.push((name, cell));
            }
        }
    }

    /// A text, number or flag as text; null says nothing.
    fn scalar(&self, value: &RawValue) -> Option<Cell> {
        let span = self.span(value);
        match value.get().as_bytes().first() {
            Some(b'"') => match serde_json::from_str(value.get()) {
                Ok(text) => Some(Cell { text, span }),
                Err(_) => {
                    self.error(&span, "this is no text: half of a character is missing", None);
                    None
                }
            },
            Some(b'[' | b'{') => {
                self.error(&span, "this must be a text", None);
                None
            }
            Some(b'n') | None => None,
            Some(_) => Some(Cell { text: value.get().to_owned(), span }),
        }
    }

    fn table(&self, members: &[(Cell, &RawValue)], depth: usize) -> DeTable<'static> {
        let mut table = DeTable::new();
        for (name, value) in members {
            if let Some(value) = self.value(value, depth) {
                table.insert(key(name), value);
            }
        }
        table
    }

    /// A value as TOML has it; a number is a text, since ids are.
    fn value(&self, value: &RawValue, depth: usize) -> Option<Spanned<DeValue<'static>>> {
        let span = self.span(value);
        if depth > DEEPEST {
            self.error(&span, "this is nested too deeply", None);
            return None;
        }
        let deeper = depth.saturating_add(1);
        let made = match value.get().as_bytes().first() {
            Some(b'{') => DeValue::Table(self.table(&self.members(value), deeper)),
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
                DeValue::Array(items.into_iter().filter_map(|item| self.value(item, deeper)).collect())
            }
            Some(b't') => DeValue::Boolean(true),
            Some(b'f') => DeValue::Boolean(false),
            _ => DeValue::String(Cow::Owned(self.scalar(value)?.text)),
        };
        Some(spanned(span, made))
    }

    /// The members of an object, each key once; a second one is told.
    fn members<'b>(&self, object: &'b RawValue) -> Vec<(Cell, &'b RawValue)> {
        let Members(all) = match serde_json::from_str(object.get()) {
            Ok(all) => all,
            Err(_) => {
                self.error(&self.span(object), "a key of this object is no text", None);
                return Vec::new();
            }
        };
        let mut members: Vec<(Cell, &RawValue)> = Vec::new();
        let mut from = self.span(object).start;
        for (name, value) in all {
            let value_span = self.span(value);
            let quote = self.text.get(from..value_span.start).and_then(|between| between.find('"'));
            let start = from.saturating_add(quote.unwrap_or(0));
            let span = start..start.saturating_add(name.len()).saturating_add(2).min(value_span.start.max(start));
            from = value_span.end;
            if members.iter().any(|(known, _)| known.text == name) {
                self.error(&span, "this key stands here a second time", None);
                continue;
            }
            members.push((Cell { text: name.into_owned(), span }, value));
        }
        members
    }

    /// Where a value stands. Every value borrows from the one text, so that its address tells.
    fn span(&self, value: &RawValue) -> Range<usize> {
        let start = (value.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        start..start.saturating_add(value.get().len())
    }

    fn error(&self, span: &Range<usize>, message: &str, hint: Option<&str>) {
        self.problems.error(At::new(self.file, span.clone()), message, hint.map(str::to_owned));
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            members.push((Cow::Owned(name), map.next_value()?));
        }
        Ok(Members(members))
    }
}
