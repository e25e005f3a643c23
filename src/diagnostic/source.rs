//! A text file whose places can be shown: line, column, the line itself with a caret below.

use std::fmt;
use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

use crate::diagnostic::Place;

/// What stands for a masked value.
const MASK: &str = "****";
/// Most terminal columns of a line that are shown, and how many of them may come before the caret.
const SHOWN: usize = 120;
const BEFORE: usize = 60;
/// Most bytes of a line on either side of a place that are looked at: a line may be as long as its file.
const WINDOW: usize = 1_000;

/// A text and the ranges of it that are never shown.
#[derive(Clone)]
pub struct Source {
    text: String,
    /// Where each line begins.
    lines: Vec<usize>,
    masks: Vec<Range<usize>>,
}

/// One character as it is printed.
struct Cell {
    shown: char,
    width: usize,
}

impl Source {
    /// Takes a text without byte order mark.
    pub fn new(text: String) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at.saturating_add(1));
        let lines = std::iter::once(0).chain(breaks).collect();
        Self { text, lines, masks: Vec::new() }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Never shows these bytes.
    pub fn mask(&mut self, range: Range<usize>) {
        self.masks.push(range);
    }

    /// Line and column of a byte, both from 1; of one outside the text, those of its end.
    pub fn line_and_column(&self, at: usize) -> (usize, usize) {
        let at = floor_boundary(&self.text, at).min(self.text.len());
        let line = self.lines.partition_point(|begin| *begin <= at);
        let begin = line.checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or(0);
        (line, self.text.get(begin..at).unwrap_or_default().chars().count().saturating_add(1))
    }

    /// The place of a byte range. A range that spans several lines is shown in its first; one that lies outside the text,
    /// at its end.
    pub fn place(&self, span: &Range<usize>) -> Place {
        let start = floor_boundary(&self.text, span.start);
        let (before, after) = self.text.split_at_checked(start).unwrap_or((&self.text, ""));
        let line_start = before.rfind('\n').map_or(0, |newline| newline.saturating_add(1));
        let line_end = start.saturating_add(after.find('\n').unwrap_or(after.len()));
        let (number, column) = self.line_and_column(start);
        let (text, indent, width) = self.shown(line_start..line_end, &(start..span.end.max(start)));
        Place { line: number, column, text, indent, width }
    }

    /// The part of a line around a span: text, columns before the carets, columns under them.
    fn shown(&self, line: Range<usize>, span: &Range<usize>) -> (String, usize, usize) {
        let from = floor_boundary(&self.text, span.start.saturating_sub(WINDOW)).max(line.start);
        let to = floor_boundary(&self.text, span.start.saturating_add(WINDOW)).min(line.end);
        let window = self.text.get(from..to).unwrap_or_default();
        let window = window.strip_suffix('\r').unwrap_or(window);
        let (cells, carets) = self.cells(window, from, span);
        let first = if cells.len() <= SHOWN { 0 } else { carets.start.saturating_sub(BEFORE) };
        let last = first.saturating_add(SHOWN).min(cells.len());
        let part = |range: Range<usize>| cells.get(range).unwrap_or_default();
        let width = |range: Range<usize>| part(range).iter().map(|cell| cell.width).sum::<usize>();
        let cut_before = if first > 0 || from > line.start { "…" } else { "" };
        let cut_after = if last < cells.len() || to < line.end { "…" } else { "" };
        let text: String = part(first..last).iter().map(|cell| cell.shown).collect();
        let indent = width(first..carets.start.min(last)).saturating_add(cut_before.chars().count());
        let carets = carets.start.min(last)..carets.end.min(last);
        (format!("{cut_before}{text}{cut_after}"), indent, width(carets).max(1))
    }

    /// The characters of a window as they are printed, and which of them the span covers.
    fn cells(&self, window: &str, window_start: usize, span: &Range<usize>) -> (Vec<Cell>, Range<usize>) {
        let window_end = window_start.saturating_add(window.len());
        let touches = |mask: &&Range<usize>| mask.start < window_end && mask.end > window_start;
        let masks: Vec<&Range<usize>> = self.masks.iter().filter(touches).collect();
        let mut cells = Vec::new();
        let (mut first, mut last) = (None, 0);
        let mut masked_before = false;
        for (offset, c) in window.char_indices() {
            let at = window_start.saturating_add(offset);
            let masked = masks.iter().any(|mask| mask.contains(&at));
            let from = cells.len();
            match (masked, masked_before) {
                (true, true) => {}
                (true, false) => cells.extend(MASK.chars().map(|shown| Cell { shown, width: 1 })),
                (false, _) => push(&mut cells, c),
            }
            if span.contains(&at) {
                // Inside a mask nothing is pushed, and its end is where the carets end.
                first.get_or_insert(if masked && masked_before { from.saturating_sub(MASK.len()) } else { from });
                last = cells.len();
            }
            masked_before = masked;
        }
        let first = first.unwrap_or(cells.len());
        (cells, first..last.max(first))
    }
}

/// Without the text, which may hold a secret that somebody wrote into a configuration.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("bytes", &self.text.len()).finish_non_exhaustive()
    }
}

/// A text without the characters that steer a terminal: what a message quotes from outside goes through here.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// Control characters, and those that change the direction of text or hide in it.
fn steers(c: char) -> bool {
    let hides = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    hides || c.is_control()
}

/// What steers a terminal is shown as U+FFFD, a tab as four spaces.
fn push(cells: &mut Vec<Cell>, c: char) {
    match c {
        '\t' => cells.extend((0..4).map(|_| Cell { shown: ' ', width: 1 })),
        c if steers(c) => cells.push(Cell { shown: '\u{fffd}', width: 1 }),
        c if is_combining_mark(c) => cells.push(Cell { shown: c, width: 0 }),
        c => cells.push(Cell { shown: c, width: if is_wide(c) { 2 } else { 1 } }),
    }
}

/// Whether terminals give it two columns (the main blocks of Unicode's East Asian Width W and F).
fn is_wide(c: char) -> bool {
    matches!(c,
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{303e}' | '\u{3041}'..='\u{a4cf}' | '\u{a960}'..='\u{a97f}'
        | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1f64f}' | '\u{1f680}'..='\u{1f6ff}' | '\u{1f900}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}')
}

/// The character boundary at or before `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str, part: &str) -> String {
        let start = text.find(part).unwrap();
        let place = Source::new(text.to_owned()).place(&(start..start + part.len()));
        let carets = "^".repeat(place.width);
        format!("{}:{}\n{}\n{}{carets}", place.line, place.column, place.text, " ".repeat(place.indent))
    }

    #[test]
    fn columns_are_characters_and_carets_follow_the_terminal() {
        assert_eq!(shown("a = 1\r\nbb = 22\r\n", "22"), "2:6\nbb = 22\n     ^^");
        assert_eq!(shown("\tname = \"x\"", "name"), "1:2\n    name = \"x\"\n    ^^^^");
        assert_eq!(shown("k = \"株式\", v", "v"), "1:11\nk = \"株式\", v\n            ^");
        assert_eq!(shown("k = \"株式\"", "株式"), "1:6\nk = \"株式\"\n     ^^^^");
        assert_eq!(shown("k = \"u\u{308}\", v", "v"), "1:11\nk = \"u\u{308}\", v\n         ^");
    }

    #[test]
    fn a_range_over_several_lines_shows_its_first() {
        assert_eq!(shown("k = [\n1,\n2]\n", "[\n1,\n2]"), "1:5\nk = [\n    ^");
    }

    #[test]
    fn what_steers_a_terminal_is_not_shown() {
        assert_eq!(shown("k = \"\u{1b}[2J\u{202e}\"", "k"), "1:1\nk = \"\u{fffd}[2J\u{fffd}\"\n^");
    }

    #[test]
    fn long_lines_are_cropped_around_the_caret() {
        for around in [500, 5_000] {
            cropped(around);
        }
    }

    fn cropped(around: usize) {
        let text = format!("{}needle{}", "a".repeat(around), "b".repeat(around));
        let expected =
            format!("1:{}\n…{}needle{}…\n{}^^^^^^", around + 1, "a".repeat(60), "b".repeat(54), " ".repeat(61));
        assert_eq!(shown(&text, "needle"), expected);
    }

    #[test]
    fn masked_bytes_are_never_shown() {
        let text = "k = { password = \"hunter2\", x = 1 }";
        let mut source = Source::new(text.to_owned());
        source.mask(17..26);
        let place = source.place(&(28..29));
        assert_eq!(place.text, "k = { password = ****, x = 1 }");
        assert_eq!((place.indent, place.width), (23, 1));
        let masked = source.place(&(17..26));
        assert_eq!((masked.indent, masked.width), (17, 4));
        assert_eq!(source.place(&(19..22)).indent, 17, "a place inside the mask is the mask");
    }

    #[test]
    fn an_empty_file_has_a_place() {
        let place = Source::new(String::new()).place(&(0..0));
        assert_eq!((place.line, place.column, place.width), (1, 1, 1));
    }

    proptest! {
        #[test]
        fn no_range_of_any_text_panics(text in "[\\PC\n\r\t]{0,60}", start in 0_usize..80, length in 0_usize..80) {
            let mut source = Source::new(text.clone());
            source.mask(start / 2..start);
            let place = source.place(&(start..start + length));
            prop_assert!(place.width >= 1 && place.line <= text.matches('\n').count() + 1);
        }
    }
}
