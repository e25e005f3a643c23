//! Files of the configuration against the file system: whether the journal's folder is there, and whether a sink's file is one that
//! events may be written to.

use std::path::Path;

use crate::config::places::{Problems, join};
use crate::config::settings::{Config, SinkConfig, SinkKind};
use crate::diagnostic::Severity;
use crate::journal::files::files;
use crate::sink::file::identity::{Identity, folder};
use crate::sink::file::problem;

/// How bad it is that a file cannot be written to now, though it may be later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Severities {
    /// The file holds something else than events.
    pub foreign: Severity,
    /// Its folder does not exist.
    pub no_folder: Severity,
}

impl Severities {
    /// For `check`: both are errors.
    pub const CHECK: Self = Self { foreign: Severity::Error, no_folder: Severity::Error };
    /// For a start: the sink is down until that is mended.
    pub const START: Self = Self { foreign: Severity::Warning, no_folder: Severity::Warning };
    /// For a reload, which is refused for a folder that does not exist.
    pub const RELOAD: Self = Self { foreign: Severity::Warning, no_folder: Severity::Error };
}

/// Adds what is wrong with the journal's folder and the files of sinks. A path that no change of the file system can mend is always an error; the folder of a
/// sink that runs already (`running`) may have vanished, which makes that sink down and no configuration wrong.
pub(crate) fn check(config: &Config, running: &[SinkConfig], severities: Severities, problems: &Problems) {
    let reserved = files(&config.journal.path);
    let home = folder(&config.journal.path);
    if !home.exists() {
        let message = format!("{}: its folder {} does not exist", config.journal.path.display(), home.display());
        problems.error_at("journal.path", message, Some("make the folder, or write another path".to_owned()));
    }
    let mut seen: Vec<(Identity, &str, &Path)> = Vec::new();
    for sink in &config.sinks {
        let SinkKind::File { path } = &sink.kind else { continue };
        let key = join(&join(&join("sinks", sink.kind.as_str()), &sink.name), "path");
        if let Some(problem) = problem::of(path, &reserved) {
            let message = format!("{}: {}", path.display(), problem.reason);
            let runs = running.iter().any(|known| known.kind == sink.kind);
            let severity = match (problem.is_no_folder, runs) {
                (true, true) => Severity::Warning,
                (true, false) => severities.no_folder,
                (false, _) => severities.foreign,
            };
            if problem.is_permanent || severity == Severity::Error {
                let hint = problem.is_no_folder.then(|| "make the folder, or write another path".to_owned());
                problems.error_at(&key, message, hint);
            } else {
                problems.warn_at(&key, message, Some("the sink is down until that is mended".to_owned()));
            }
        }
        let identity = Identity::of(path);
        if let Some((_, name, other)) = seen.iter().find(|(other, ..)| other.is_same(&identity)) {
            let message = format!("the sink `{name}` writes to this file already, as {}", other.display());
            problems.error_at(&key, message, None);
        }
        seen.push((identity, &sink.name, path));
    }
}
