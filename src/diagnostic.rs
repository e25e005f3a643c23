//! What is wrong, where, and what mends it: the form in which every problem of a file is told.
//!
//! Color carries no meaning here: severity and hint are words.

use std::error::Error;
use std::fmt;

pub mod causes;
pub mod panics;
#[cfg(test)]
pub(crate) mod planted;
pub mod source;
pub mod words;

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it stops.
    pub severity: Severity,
    /// The file, as the user named it.
    pub file: String,
    /// The place in the file; `None` if the problem is the file itself.
    pub place: Option<Place>,
    /// What is wrong: lowercase, without a full stop.
    pub message: String,
    /// What mends it.
    pub hint: Option<String>,
}

/// Whether a problem stops vintner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It does.
    Error,
    /// It does not.
    Warning,
}

/// A place in a file, with the line as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1; a tab counts as one.
    pub column: usize,
    /// The line, ready to print: cropped, without control characters, secrets masked.
    pub text: String,
    /// Terminal columns before the caret.
    pub indent: usize,
    /// Terminal columns under which carets stand; at least 1.
    pub width: usize,
}

impl Diagnostic {
    /// A problem of the file as a whole.
    pub fn of_file(file: &str, message: &str, hint: Option<&str>) -> Self {
        Self {
            severity: Severity::Error,
            file: file.to_owned(),
            place: None,
            message: message.to_owned(),
            hint: hint.map(str::to_owned),
        }
    }

    /// The same problem with another severity.
    pub fn with_severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }
}

/// Several lines without a final line end: `file:line:column: error: …`, the line, the caret, `hint: …`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, file, place, message, hint } = self;
        match place {
            Some(place) => {
                let Place { line, column, text, indent, width } = place;
                let number = line.to_string();
                let gutter = " ".repeat(number.len());
                writeln!(f, "{file}:{line}:{column}: {severity}: {message}")?;
                writeln!(f, "{}", format!("{number} | {text}").trim_end())?;
                write!(f, "{gutter} | {}{}", " ".repeat(*indent), "^".repeat(*width))?;
            }
            None => write!(f, "{file}: {severity}: {message}")?,
        }
        hint.as_ref().map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// An error with all its sources, each text once, and a hint: several lines without a final line end.
pub fn chain(error: &(dyn Error + 'static), hint: Option<&str>) -> String {
    let mut text = format!("error: {error}");
    let mut last = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let told = source.to_string();
        // A foreign error may end with the text of its own source.
        if !last.ends_with(&told) {
            text.push_str("\n  caused by: ");
            text.push_str(&told);
        }
        last = told;
        next = source.source();
    }
    if let Some(hint) = hint {
        text.push_str("\nhint: ");
        text.push_str(hint);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    #[test]
    fn a_chain_tells_every_source_once() {
        let inner = Link { text: "no such file", source: None };
        let middle = Link { text: "cannot read it: no such file", source: Some(Box::new(inner)) };
        let outer = Link { text: "cannot open the journal", source: Some(Box::new(middle)) };
        let expected = "error: cannot open the journal\n  caused by: cannot read it: no such file\nhint: create it";
        assert_eq!(chain(&outer, Some("create it")), expected);
    }

    #[test]
    fn a_problem_of_the_file_has_no_place() {
        let diagnostic = Diagnostic::of_file("a.toml", "it is a directory", None).with_severity(Severity::Warning);
        assert_eq!(diagnostic.to_string(), "a.toml: warning: it is a directory");
    }
}
