//! The styles of colored output. Whether there is color at all is decided once, for the whole process, by the command line.

use anstyle::{AnsiColor, Style};

/// Headings of tables and of help.
pub(crate) const HEADING: Style = Style::new().bold();
/// What matters less than the rest of its line.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// Commands and options in help.
pub(crate) const LITERAL: Style = AnsiColor::Cyan.on_default();
/// Errors.
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// Warnings.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// What is as it should be.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();

/// Whether output has color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// By escape sequences of a terminal.
    Ansi,
    /// None: no escape sequence at all.
    None,
}

impl Paint {
    /// The text in a style; the text alone where there is no color.
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        match self {
            Self::Ansi if style != Style::new() => format!("{style}{text}{style:#}"),
            Self::Ansi | Self::None => text.to_owned(),
        }
    }
}

/// The style of an OCSF `severity_id`.
pub(crate) fn of_severity(id: u8) -> Style {
    match id {
        5 | 6 => ERROR,
        4 => AnsiColor::Red.on_default(),
        3 => AnsiColor::Yellow.on_default(),
        2 => AnsiColor::Cyan.on_default(),
        _ => Style::new(),
    }
}
