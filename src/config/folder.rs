//! A folder of TOML files as one configuration: their tables are merged, and no key may stand in two of them.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::config::places::{At, Problems, join};

/// The files of a folder that are read, in the order of their names: those that end in `.toml`, hidden ones apart.
pub(crate) fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_toml = path.extension().is_some_and(|extension| extension == "toml");
        // What cannot be looked at is read, which says why.
        if is_toml && !is_hidden && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Adds the tables of `from` to those of `into`; a key that both have is an error at the second place, with the first one in its text.
pub(crate) fn merge<'a>(into: &mut DeTable<'a>, from: DeTable<'a>, path: &str, problems: &Problems) {
    for (key, value) in from {
        let (at, place) = (key.span(), join(path, key.get_ref()));
        let first = into.get_key_value(&key).map(|(first, _)| first.span());
        match (into.get_mut(&key).map(Spanned::get_mut), first) {
            (Some(DeValue::Table(known)), _) if matches!(value.get_ref(), DeValue::Table(_)) => {
                if let DeValue::Table(more) = value.into_inner() {
                    merge(known, more, &place, problems);
                }
            }
            (Some(_), Some(first)) => {
                let first = problems.place_of(&At::new(0, first));
                let hint = "each key stands in one file of the folder".to_owned();
                problems.error(At::new(0, at), format!("`{place}` stands at {first} already"), Some(hint));
            }
            _ => {
                into.insert(key, value);
            }
        }
    }
}

/// The table with all its places moved by `by`.
pub(crate) fn moved<'a>(table: DeTable<'a>, by: usize) -> DeTable<'a> {
    table
        .into_iter()
        .map(|(key, value)| {
            let key = Spanned::new(range(key.span(), by), key.into_inner());
            (key, value_moved(value, by))
        })
        .collect()
}

fn value_moved<'a>(value: Spanned<DeValue<'a>>, by: usize) -> Spanned<DeValue<'a>> {
    let span = range(value.span(), by);
    let value = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(moved(table, by)),
        DeValue::Array(items) => {
            let mut array = DeArray::new();
            items.into_iter().for_each(|item| array.push(value_moved(item, by)));
            DeValue::Array(array)
        }
        other @ (DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)) => other,
    };
    Spanned::new(span, value)
}

fn range(range: Range<usize>, by: usize) -> Range<usize> {
    range.start.saturating_add(by)..range.end.saturating_add(by)
}
