//! Text in columns of a terminal: an accent that combines takes none, many characters of Asia take two.

use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A terminal that does not say how wide it is has so many columns.
const USUAL: u16 = 80;
/// Text is fitted to no terminal that is narrower.
const NARROWEST: usize = 40;

/// How wide the terminal behind standard output is now; `None`: there is none.
pub(crate) fn of_stdout() -> Option<usize> {
    use std::io::IsTerminal as _;
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    Some(usize::from(of(stdout)).max(NARROWEST))
}

/// How wide a terminal is now.
pub(crate) fn of(terminal: impl AsFd) -> u16 {
    tcgetwinsize(terminal).ok().map(|size| size.ws_col).filter(|columns| *columns > 0).unwrap_or(USUAL)
}

/// The columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The text, padded with blanks to `columns`.
pub(crate) fn padded(text: &str, columns: usize) -> String {
    let blanks = " ".repeat(columns.saturating_sub(width(text)));
    format!("{text}{blanks}")
}

/// The beginning of a text that fits into `columns`; `…` stands for what is missing.
pub(crate) fn cropped(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(1);
    format!("{}…", text.get(..fitting(text, room)).unwrap_or_default().trim_end())
}

/// The text in lines of at most `columns`, broken between words; a longer word is broken behind a mark such as `.` or `-`, or
/// anywhere.
pub(crate) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let (mut lines, mut line) = (Vec::new(), String::new());
    for mut word in text.split(' ').filter(|word| !word.is_empty()) {
        let joined = width(&line).saturating_add(1).saturating_add(width(word));
        if !line.is_empty() && joined > columns {
            lines.push(std::mem::take(&mut line));
        }
        while width(word) > columns {
            // At least one character a line, or this would not end.
            let first = word.chars().next().map_or(0, char::len_utf8);
            let (head, tail) = word.split_at_checked(breaking(word, columns).max(first)).unwrap_or((word, ""));
            lines.push(head.to_owned());
            word = tail;
        }
        if !line.is_empty() && !word.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// The lines of a cell of a table that is `columns` wide, indented as the cell is; a cell that fits is one line, as it is.
pub(crate) fn fitted(text: &str, columns: usize) -> Vec<String> {
    if width(text) <= columns {
        return vec![text.to_owned()];
    }
    let indent = text.len().saturating_sub(text.trim_start_matches(' ').len());
    let blanks = " ".repeat(indent);
    wrapped(text, columns.saturating_sub(indent)).into_iter().map(|line| format!("{blanks}{line}")).collect()
}

/// Where a word that is longer than `columns` is broken.
fn breaking(word: &str, columns: usize) -> usize {
    let longest = fitting(word, columns);
    let head = word.get(..longest).unwrap_or_default();
    head.rfind(['.', '-', '/', '_', ',', '[']).map_or(longest, |mark| mark.saturating_add(1))
}

/// Bytes of the longest beginning of a text that fits into `columns`. What combines with a character stays with it.
fn fitting(text: &str, columns: usize) -> usize {
    let mut taken: usize = 0;
    for (start, c) in text.char_indices() {
        taken = taken.saturating_add(c.width().unwrap_or(0));
        if taken > columns {
            return start;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_measured_in_columns_of_a_terminal() {
        assert_eq!((width("cafe\u{301}"), width("状態"), width("Ärzte")), (4, 4, 5));
        assert_eq!(padded("状態", 6), "状態  ");
        assert_eq!(padded("e\u{301}", 2), "e\u{301} ");
    }

    #[test]
    fn cropped_text_fits_and_keeps_its_accents() {
        assert_eq!(cropped("DESKTOP-00031", 13), "DESKTOP-00031");
        assert_eq!(cropped("DESKTOP-00031", 8), "DESKTOP…");
        assert_eq!(cropped("状態状態", 6), "状態…");
        assert_eq!(cropped("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
        assert_eq!(cropped("x", 0), "…");
    }

    #[test]
    fn lines_break_between_words_and_long_words_anywhere() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a 状態状態 b", 4), ["a", "状態", "状態", "b"]);
        assert_eq!(wrapped("alertSourceInfo.deviceName", 20), ["alertSourceInfo.", "deviceName"]);
        assert_eq!(fitted("  one two", 6), ["  one", "  two"], "an indent is kept");
        assert_eq!(wrapped("", 10), [""]);
        assert_eq!(wrapped("状", 1), ["状"]);
    }
}
