//! The mapping file of `[orgs] file`: TOML of the section's own shape, or rows of a PSA's export in CSV or JSON. All three become
//! the same table with the places of its keys, so that one reader checks them and every problem names its line.

use std::path::Path;

use toml::de::DeTable;

use crate::config::places::Problems;

mod csv;
mod json;
mod rows;

/// The form of a mapping file, by the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Toml,
    Csv,
    Json,
}

impl Form {
    /// The form of the file at `path`; `None` if its name does not tell.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "toml" => Some(Self::Toml),
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// The table that rows in CSV spell. Problems go to `problems`, at the file of index `file`.
pub(crate) fn from_csv(text: &str, file: usize, problems: &Problems) -> DeTable<'static> {
    rows::table(csv::rows(text, file, problems), file, problems)
}

/// The table that JSON spells: a list of rows, or an object of the section's own shape.
pub(crate) fn from_json(text: &str, file: usize, problems: &Problems) -> DeTable<'static> {
    match json::read(text, file, problems) {
        json::Read::Table(table) => table,
        json::Read::Rows(rows) => rows::table(rows, file, problems),
        json::Read::Nothing => DeTable::new(),
    }
}
