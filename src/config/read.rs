//! A table of the configuration while it is read: every key is asked for once, and whatever was not asked for is unknown.

use std::cell::RefCell;
use std::collections::HashSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::nearest::nearest;
use crate::config::places::{At, Problems, join};
use crate::config::values::Bad;

pub(crate) mod accounts;
pub(crate) mod events;
pub(crate) mod item;
pub(crate) mod kafka;
pub(crate) mod lens;
pub(crate) mod orgs;
pub(crate) mod otlp;
pub(crate) mod root;
pub(crate) mod sinks;

use item::Item;

/// Most known keys that a hint lists, and most that a misspelt key is compared with.
const MOST_LISTED: usize = 40;
const MOST_COMPARED: usize = 1_000;

/// A table, and what was asked of it.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    pub(crate) problems: &'a Problems,
    /// Its path; empty for the whole file.
    pub(crate) path: String,
    pub(crate) at: At,
    table: &'a DeTable<'a>,
    known: RefCell<Known>,
}

/// Keys that were asked for.
#[derive(Debug, Default)]
struct Known {
    /// In the order in which they were asked for, each once.
    order: Vec<String>,
    keys: HashSet<String>,
}

impl Known {
    fn add(&mut self, key: &str) {
        if self.keys.insert(key.to_owned()) {
            self.order.push(key.to_owned());
        }
    }

    /// The first of them, for a hint; a table whose keys are names of the user's may have very many.
    fn listed(&self) -> String {
        let filled: Vec<&str> = self.order.iter().map(String::as_str).filter(|key| !key.is_empty()).collect();
        let shown = filled.get(..filled.len().min(MOST_LISTED)).unwrap_or_default().join(", ");
        if filled.len() > MOST_LISTED { format!("{shown} …") } else { shown }
    }
}

impl<'a> Section<'a> {
    pub(crate) fn new(problems: &'a Problems, path: String, at: At, table: &'a DeTable<'a>) -> Self {
        problems.remember(&path, at.clone());
        Self { problems, path, at, table, known: RefCell::default() }
    }

    /// The value of a key, if it is there.
    pub(crate) fn item(&self, key: &str) -> Option<Item<'a>> {
        self.known.borrow_mut().add(key);
        let (key, value) = self.table.get_key_value(key)?;
        Some(self.make_item(key, value))
    }

    /// The value of a key that must be there.
    pub(crate) fn required(&self, key: &str, hint: &str) -> Option<Item<'a>> {
        let item = self.item(key);
        if item.is_none() {
            let table = if self.path.is_empty() { "the configuration".to_owned() } else { format!("[{}]", self.path) };
            self.problems.error(self.at.clone(), format!("{table} needs the key `{key}`"), Some(hint.to_owned()));
        }
        item
    }

    /// A value made of a text, if the key is there and the text is good.
    pub(crate) fn parse<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T, Bad>) -> Option<T> {
        self.item(key)?.parse(parse)
    }

    /// A table below this one.
    pub(crate) fn section(&self, key: &str) -> Option<Section<'a>> {
        self.item(key)?.section()
    }

    /// All entries in file order, for tables whose keys are names given by the user.
    pub(crate) fn entries(&self) -> Vec<(&'a str, Item<'a>)> {
        let mut entries: Vec<_> = self.table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let entry = |(key, value): (&'a Spanned<_>, _)| {
            let name: &'a str = text_of(key);
            self.known.borrow_mut().add(name);
            (name, self.make_item(key, value))
        };
        entries.into_iter().map(entry).collect()
    }

    /// Tables below this one that nobody asked for yet: their keys, and where those stand.
    pub(crate) fn peek_tables(&self) -> impl Iterator<Item = (&'a str, At)> {
        let tables = self.table.iter().filter(|(_, value)| value.get_ref().is_table());
        tables.map(|(key, _)| (text_of(key), At::new(self.at.file, key.span())))
    }

    /// A table below this one, without asking for it.
    pub(crate) fn peek(&self, key: &str) -> Option<&'a DeTable<'a>> {
        self.table.get(key)?.get_ref().as_table()
    }

    /// Counts a key as known, since it was reported already.
    pub(crate) fn know(&self, key: &str) {
        self.known.borrow_mut().add(key);
    }

    /// Reports every key that was not asked for.
    pub(crate) fn finish(self) {
        let known = self.known.borrow();
        let listed = known.listed();
        for (key, value) in self.table.iter().filter(|(key, _)| !known.keys.contains(text_of(key))) {
            let at = At::new(self.at.file, key.span());
            self.mask_unknown(&at, value);
            let near = nearest(text_of(key), known.order.iter().take(MOST_COMPARED).map(String::as_str));
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known keys here: {listed}"),
            };
            let table = if self.path.is_empty() { "at the top".to_owned() } else { format!("in [{}]", self.path) };
            self.problems.error(at, format!("unknown key `{}` {table}", text_of(key).escape_debug()), Some(hint));
        }
    }

    /// A misspelt key may stand before a secret. (The span of a table with a header of its own is that header.)
    fn mask_unknown(&self, key: &At, value: &Spanned<DeValue<'a>>) {
        if value.span().start >= key.end {
            self.problems.mask(&At::new(self.at.file, value.span()));
        }
    }

    fn make_item(&self, key: &Spanned<std::borrow::Cow<'a, str>>, value: &'a Spanned<DeValue<'a>>) -> Item<'a> {
        let path = join(&self.path, key.get_ref());
        let key = At::new(self.at.file, key.span());
        Item::new(self.problems, path, key, value)
    }
}

fn text_of<'a>(key: &'a Spanned<std::borrow::Cow<'_, str>>) -> &'a str {
    key.get_ref()
}
