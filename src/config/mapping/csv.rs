//! Rows in CSV, as spreadsheets and PSAs write them: a heading, then a row for each site.

use std::ops::Range;

use csv::{ReaderBuilder, StringRecord};

use crate::config::mapping::rows::{Cell, DOUBLED_HINT, Role, Row, doubled, roles, told_headings};
use crate::config::places::{At, Problems};

/// What may stand between two cells.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// A record and the part of the file that spells it.
struct Line {
    record: StringRecord,
    span: Range<usize>,
}

/// The rows of `text`. A bad row is told and left out; so is a file whose heading names no organization id.
pub(super) fn rows(text: &str, file: usize, problems: &Problems) -> Vec<Row> {
    let mut lines = lines(text).into_iter();
    let Some(heading) = lines.next() else {
        problems.error(At::new(file, 0..0), "this file is empty", Some(told_headings().to_owned()));
        return Vec::new();
    };
    let headings: Vec<&str> = heading.record.iter().collect();
    let roles = roles(&headings);
    if let Some((index, message)) = doubled(&headings, &roles) {
        let span = places(text, &heading).nth(index).flatten().unwrap_or_else(|| heading.span.clone());
        problems.error(At::new(file, span), message, Some(DOUBLED_HINT.to_owned()));
        return Vec::new();
    }
    if !roles.contains(&Some(Role::Id)) {
        let message = "the first line names no column with the organization's id";
        problems.error(At::new(file, heading.span), message, Some(told_headings().to_owned()));
        return Vec::new();
    }
    let good = lines.filter(|line| is_whole(text, line, headings.len(), file, problems));
    good.map(|line| row(text, &line, &roles)).collect()
}

/// All records; the last one may be cut off, which [`is_whole`] sees.
fn lines(text: &str) -> Vec<Line> {
    let Preamble { length, separator } = preamble(text);
    let rows = text.get(length..).unwrap_or_default();
    let separator = separator.unwrap_or_else(|| usual_separator(rows));
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(rows.as_bytes());
    let records: Vec<StringRecord> = reader.records().filter_map(Result::ok).collect();
    let start = |record: &StringRecord| {
        let byte = record.position().and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(0);
        byte.saturating_add(length)
    };
    let starts: Vec<usize> = records.iter().map(start).chain([text.len()]).collect();
    let spans = starts.iter().zip(starts.iter().skip(1)).map(|(start, end)| trimmed(text, *start..*end));
    records.into_iter().zip(spans).map(|(record, span)| Line { record, span }).collect()
}

/// A span without the line ends and white space around it.
fn trimmed(text: &str, span: Range<usize>) -> Range<usize> {
    let part = text.get(span.clone()).unwrap_or_default();
    let start = span.start.saturating_add(part.len().saturating_sub(part.trim_start().len()));
    start..start.saturating_add(part.trim().len())
}

/// What programs write before the heading.
#[derive(Default)]
struct Preamble {
    /// Its bytes.
    length: usize,
    /// The separator that it names.
    separator: Option<u8>,
}

/// Reads `sep=;`, which Excel writes and reads, and `#TYPE …`, which PowerShell's `Export-Csv` writes.
fn preamble(text: &str) -> Preamble {
    let mut preamble = Preamble::default();
    for line in text.split_inclusive('\n') {
        let words = line.trim_end_matches(['\r', '\n']);
        let named = words.get(..4).filter(|start| start.eq_ignore_ascii_case("sep=")).and_then(|_| words.get(4..));
        match named.map(str::as_bytes) {
            Some([separator]) if separator.is_ascii() => preamble.separator = Some(*separator),
            _ if words.trim_start_matches('"').starts_with("#TYPE ") => {}
            _ => break,
        }
        preamble.length = preamble.length.saturating_add(line.len());
    }
    preamble
}

/// The separator that the heading has most of.
fn usual_separator(rows: &str) -> u8 {
    let heading = rows.lines().next().unwrap_or_default();
    let count = |separator: u8| heading.bytes().filter(|byte| *byte == separator).count();
    SEPARATORS.into_iter().rev().max_by_key(|separator| count(*separator)).unwrap_or(b',')
}

/// Whether a row has as many cells as the heading, and whole quotes.
fn is_whole(text: &str, line: &Line, cells: usize, file: usize, problems: &Problems) -> bool {
    let found = line.record.len();
    if found == 1 && line.record.get(0).is_some_and(|cell| cell.trim().is_empty()) {
        return false;
    }
    let source = text.get(line.span.clone()).unwrap_or_default();
    let first_line = line.span.start..line.span.start.saturating_add(source.lines().next().unwrap_or_default().len());
    if source.matches('"').count() % 2 == 1 {
        let hint = "close it; within quotes a quote is written twice".to_owned();
        problems.error(
            At::new(file, first_line),
            "a quote is not closed: the rest of the file belongs to this row",
            Some(hint),
        );
        return false;
    }
    if found != cells {
        let message = format!("this row has {found} cells, the heading has {cells}");
        let hint = "put a cell that holds the separator in quotes".to_owned();
        problems.error(At::new(file, first_line), message, Some(hint));
        return false;
    }
    true
}

fn row(text: &str, line: &Line, roles: &[Option<Role>]) -> Row {
    let mut row = Row { span: line.span.clone(), ..Row::default() };
    for ((cell, role), span) in line.record.iter().zip(roles).zip(places(text, line)) {
        if let Some(role) = role {
            let span = span.filter(|span| !span.is_empty()).unwrap_or_else(|| line.span.clone());
            row.take(role, Cell { text: cell.to_owned(), span });
        }
    }
    row
}

/// Where each cell of a line stands; `None` for one that cannot be found.
fn places<'a>(text: &'a str, line: &'a Line) -> impl Iterator<Item = Option<Range<usize>>> + 'a {
    let mut from = line.span.start;
    line.record.iter().map(move |cell| {
        let span = place(text, cell, from..line.span.end);
        from = span.as_ref().map_or(from, |span| span.end);
        span
    })
}

/// Where a cell stands, unless quotes in it are written twice.
fn place(text: &str, cell: &str, within: Range<usize>) -> Option<Range<usize>> {
    let found = text.get(within.clone())?.find(cell)?;
    let start = within.start.checked_add(found)?;
    Some(start..start.checked_add(cell.len())?)
}
