//! Where every key stands, and every problem found so far.
//!
//! Problems are gathered as byte ranges and made into diagnostics at the end, when all ranges that must not be shown are known.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use crate::diagnostic::source::{Source, printable};
use crate::diagnostic::{Diagnostic, Severity};

/// Most problems that are told at once.
pub(crate) const MOST_TOLD: usize = 200;

/// A byte range of one of the files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct At {
    /// Index of the file, in the order of [`Problems::open`].
    pub(crate) file: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A problem that is not rendered yet.
#[derive(Debug)]
struct Problem {
    severity: Severity,
    at: Option<At>,
    message: String,
    hint: Option<String>,
}

/// The files of a configuration, the places of all its keys, and what is wrong with them. One reader fills it through shared
/// references; no borrow of its cells outlives a method.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    files: RefCell<Vec<(String, Source)>>,
    /// Where each file of a folder begins in the one table that is made of them; see [`Problems::append`].
    begins: RefCell<Vec<usize>>,
    places: RefCell<BTreeMap<String, At>>,
    found: RefCell<Vec<Problem>>,
}

impl At {
    pub(crate) fn new(file: usize, span: Range<usize>) -> Self {
        Self { file, start: span.start, end: span.end }
    }
}

impl Problems {
    /// Adds a file; its index is used by [`At`].
    pub(crate) fn open(&self, name: &str, text: &str) -> usize {
        let mut files = self.files.borrow_mut();
        files.push((name.to_owned(), Source::new(text.to_owned())));
        files.len().saturating_sub(1)
    }

    /// Adds a file of a folder, whose ranges follow those of the files before it: in [`At`] they all count as file 0. Returns its
    /// index, and where its ranges begin.
    pub(crate) fn append(&self, name: &str, text: &str) -> (usize, usize) {
        let begin = self.files.borrow().iter().map(|(_, source)| source.text().len().saturating_add(1)).sum();
        self.begins.borrow_mut().push(begin);
        (self.open(name, text), begin)
    }

    /// The same range in the file that it lies in.
    fn resolved(&self, at: &At) -> At {
        let begins = self.begins.borrow();
        let file = begins.partition_point(|begin| *begin <= at.start).saturating_sub(1);
        match begins.get(file) {
            Some(begin) if at.file == 0 => {
                At { file, start: at.start.saturating_sub(*begin), end: at.end.saturating_sub(*begin) }
            }
            Some(_) | None => at.clone(),
        }
    }

    /// Remembers where a key stands, by its path.
    pub(crate) fn remember(&self, path: &str, at: At) {
        self.places.borrow_mut().insert(path.to_owned(), at);
    }

    /// Whether the configuration has this key or table.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.places.borrow().contains_key(path)
    }

    /// Names of the tables directly below this one.
    pub(crate) fn names_below(&self, table: &str) -> Vec<String> {
        let prefix = format!("{table}.");
        let places = self.places.borrow();
        let below = places.range(prefix.clone()..).map_while(|(path, _)| path.strip_prefix(&prefix));
        below.filter(|name| !name.contains('.')).map(str::to_owned).collect()
    }

    /// Never shows this range.
    pub(crate) fn mask(&self, at: &At) {
        let at = self.resolved(at);
        if let Some((_, source)) = self.files.borrow_mut().get_mut(at.file) {
            source.mask(at.start..at.end);
        }
    }

    pub(crate) fn error(&self, at: At, message: impl Into<String>, hint: Option<String>) {
        self.add(Severity::Error, Some(at), message.into(), hint);
    }

    /// An error of the whole first file.
    pub(crate) fn error_of_file(&self, message: &str, hint: &str) {
        self.add(Severity::Error, None, message.to_owned(), Some(hint.to_owned()));
    }

    /// An error at a key that was read.
    pub(crate) fn error_at(&self, path: &str, message: impl Into<String>, hint: Option<String>) {
        self.add(Severity::Error, self.at(path), message.into(), hint);
    }

    /// A warning at a key that was read.
    pub(crate) fn warn_at(&self, path: &str, message: impl Into<String>, hint: Option<String>) {
        self.add(Severity::Warning, self.at(path), message.into(), hint);
    }

    /// Whether anything is wrong so far, warnings apart.
    pub(crate) fn has_errors(&self) -> bool {
        self.found.borrow().iter().any(|problem| problem.severity == Severity::Error)
    }

    /// `file:line:column` of a key, for messages that name a second place.
    pub(crate) fn place(&self, path: &str) -> String {
        self.at(path).map_or_else(|| path.to_owned(), |at| self.place_of(&at))
    }

    /// `file:line:column` of a range.
    pub(crate) fn place_of(&self, at: &At) -> String {
        let (files, at) = (self.files.borrow(), self.resolved(at));
        let Some((name, source)) = files.get(at.file) else { return String::new() };
        let (line, column) = source.line_and_column(at.start);
        format!("{name}:{line}:{column}")
    }

    /// Everything found so far, in the order of the files, each once; later problems start anew.
    pub(crate) fn take(&self) -> Vec<Diagnostic> {
        let mut found = self.found.take();
        found.iter_mut().for_each(|problem| problem.at = problem.at.as_ref().map(|at| self.resolved(at)));
        found.sort_by(|a, b| a.at.cmp(&b.at));
        let mut told = HashSet::new();
        found.retain(|problem| told.insert((problem.at.clone(), problem.message.clone())));
        let rest = found.split_off(found.len().min(MOST_TOLD));
        let files = self.files.borrow();
        let mut diagnostics: Vec<Diagnostic> = found.into_iter().map(|problem| render(&files, problem)).collect();
        if let Some(severity) = rest.iter().map(|problem| problem.severity).min() {
            let message = format!("there are more problems than these {MOST_TOLD}");
            diagnostics.push(render(&files, Problem { severity, at: None, message, hint: None }));
        }
        diagnostics
    }

    /// The place of a key; the longest part of its path that is there, for a key that is not.
    fn at(&self, path: &str) -> Option<At> {
        let places = self.places.borrow();
        let mut path = path;
        loop {
            if let Some(at) = places.get(path) {
                return Some(at.clone());
            }
            path = path.rsplit_once('.')?.0;
        }
    }

    fn add(&self, severity: Severity, at: Option<At>, message: String, hint: Option<String>) {
        let problem = Problem { severity, at, message: printable(&message), hint: hint.map(|hint| printable(&hint)) };
        self.found.borrow_mut().push(problem);
    }
}

/// The path of a key in a table; quoted as TOML wants it.
pub(crate) fn join(table: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if table.is_empty() { key } else { format!("{table}.{key}") }
}

fn render(files: &[(String, Source)], problem: Problem) -> Diagnostic {
    let Problem { severity, at, message, hint } = problem;
    let file = at.as_ref().map_or(0, |at| at.file);
    let (name, source) = files.get(file).map_or(("", None), |(name, source)| (name.as_str(), Some(source)));
    let place = at.and_then(|at| Some(source?.place(&(at.start..at.end))));
    Diagnostic { severity, file: name.to_owned(), place, message, hint }
}
