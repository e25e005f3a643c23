//! What commands print on stdout: data.

use std::io::ErrorKind;

use crate::app::AppError;
use crate::cli::plain::{self, Layout};
use crate::output::descriptor::{Descriptor, write_from};

/// Writes data to stdout, and waits while it takes none; a reader that has gone ends the command quietly.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    match Descriptor::stdout().and_then(|mut stdout| write_from(&mut stdout, text.as_bytes(), &mut 0)) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(AppError::Closed.into()),
        Err(error) => Err(AppError::Failed(format!("standard output cannot be written: {error}")).into()),
    }
}

/// A value as JSON on one line that does nothing to a terminal.
pub(crate) fn json_line(value: &impl serde::Serialize) -> serde_json::Result<String> {
    Ok(plain::json(&serde_json::to_string(value)?, Layout::OneLine) + "\n")
}

/// Writes one JSON object a line.
pub(crate) fn print_lines(rows: &[impl serde::Serialize]) -> anyhow::Result<()> {
    let lines = rows.iter().map(json_line);
    print(&lines.collect::<Result<String, serde_json::Error>>()?)
}

/// Rows under headings, each column as wide as its widest cell.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    part(Some(headings), rows, &mut vec![0; headings.len()])
}

/// A part of a long table; the first has the headings. A column is as wide as its widest cell so far, which `widths` keeps.
pub(crate) fn part(headings: Option<&[&str]>, rows: &[Vec<String>], widths: &mut [usize]) -> String {
    let headings: Option<Vec<String>> =
        headings.map(|headings| headings.iter().map(|heading| (*heading).to_owned()).collect());
    for row in headings.iter().chain(rows) {
        for (cell, width) in row.iter().zip(&mut *widths) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in headings.iter().chain(rows) {
        let cells = row.iter().zip(&*widths).map(|(cell, width)| {
            let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
            format!("{}{padding}", printable(cell))
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Names come from the network: nothing hostile must reach a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if plain::is_hostile(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_control_characters_are_replaced() {
        let rows = [vec!["a".to_owned(), "x\u{1b}[31m\u{202e}".to_owned()], vec!["bbb".to_owned(), "y".to_owned()]];
        assert_eq!(table(&["ID", "NAME"], &rows), "ID   NAME\na    x\u{fffd}[31m\u{fffd}\nbbb  y\n");
    }
}
