//! What commands print on stdout: data.

use std::io::ErrorKind;

use crate::app::AppError;
use crate::cli::color::{self, Output};
use crate::cli::plain::{self, Layout};
use crate::output::descriptor::{Descriptor, write_from};
use crate::output::style::{self, Paint};
use crate::output::width;

/// A column that gives way on a narrow terminal keeps so many columns.
const LEAST: usize = 10;

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

/// Rows under headings, each column as wide as its widest cell. On a terminal that is too narrow, the widest columns give way and
/// their cells take several lines.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    part(Some(headings), rows, &mut vec![0; headings.len()])
}

/// A part of a long table; the first has the headings. A column is as wide as its widest cell so far, which `widths` keeps.
pub(crate) fn part(headings: Option<&[&str]>, rows: &[Vec<String>], widths: &mut [usize]) -> String {
    lay_out(headings, rows, widths, width::of_stdout(), color::paint(Output::Stdout))
}

fn lay_out(
    headings: Option<&[&str]>,
    rows: &[Vec<String>],
    widths: &mut [usize],
    columns: Option<usize>,
    paint: Paint,
) -> String {
    let widths_count = widths.len();
    let headings: Option<Vec<String>> =
        headings.map(|headings| headings.iter().map(|heading| (*heading).to_owned()).collect());
    let printed: Vec<Vec<String>> =
        headings.iter().chain(rows).map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    // A row of one cell is a heading of the rows below it: it is as long as it is.
    let is_of_columns = |row: &&Vec<String>| row.len() == widths_count || row.len() > 1;
    for row in printed.iter().filter(is_of_columns) {
        for (cell, widest) in row.iter().zip(&mut *widths) {
            *widest = width::width(cell).max(*widest);
        }
    }
    let fitted = columns.map_or_else(|| widths.to_vec(), |columns| fitted(widths, columns));
    let mut text = String::new();
    for (number, row) in printed.iter().enumerate() {
        let is_heading = number == 0 && headings.is_some();
        let rows = if is_of_columns(&row) { lines(row, &fitted) } else { row.clone() };
        for line in rows {
            text += &if is_heading { paint.paint(style::HEADING, &line) } else { line };
            text.push('\n');
        }
    }
    text
}

/// The lines of one row.
fn lines(row: &[String], widths: &[usize]) -> Vec<String> {
    let cells: Vec<Vec<String>> = row.iter().zip(widths).map(|(cell, width)| width::fitted(cell, *width)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(1);
    let line = |number: usize| {
        let cells = cells.iter().zip(widths);
        let padded = cells
            .map(|(lines, columns)| width::padded(lines.get(number).map(String::as_str).unwrap_or_default(), *columns));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    (0..height).map(line).collect()
}

/// Widths with which a row fits into `columns`: the widest columns give way, none below the least that can be read.
fn fitted(widths: &[usize], columns: usize) -> Vec<usize> {
    let mut fitted = widths.to_vec();
    let gaps = fitted.len().saturating_sub(1).saturating_mul(2);
    while fitted.iter().sum::<usize>().saturating_add(gaps) > columns {
        let Some(widest) = fitted.iter_mut().max().filter(|widest| **widest > LEAST) else { break };
        *widest = widest.saturating_sub(1);
    }
    fitted
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

    #[test]
    fn wide_characters_and_accents_do_not_shift_columns() {
        let rows = [["状態", "1"], ["cafe\u{301}", "2"], ["abcd", "3"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&["NAME", "N"], &rows), "NAME  N\n状態  1\ncafe\u{301}  2\nabcd  3\n");
    }

    #[test]
    fn on_a_narrow_terminal_the_widest_column_takes_several_lines() {
        let rows = [["Contoso Ltd", "listed by its uid in the mapping file"], ["x", "-"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        let at = |columns| lay_out(Some(&["SITE", "WHY"]), &rows, &mut [0, 0], columns, Paint::None);
        assert_eq!(
            at(Some(32)),
            "SITE         WHY\nContoso Ltd  listed by its uid\n             in the mapping file\nx            -\n"
        );
        assert_eq!(at(None), at(Some(200)));
        assert!(at(Some(1)).lines().all(|line| width::width(line) <= 2 * LEAST + 2), "{}", at(Some(1)));
        let colored = lay_out(Some(&["SITE", "WHY"]), &rows, &mut [0, 0], None, Paint::Ansi);
        assert!(colored.starts_with("\u{1b}[1mSITE         WHY\u{1b}[0m\n"), "{colored:?}");
    }
}
