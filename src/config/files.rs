//! File sinks against the file system: whether a sink's file is one that events may be written to.

use std::path::Path;

use crate::config::places::{Problems, join};
use crate::config::settings::{Config, SinkKind};
use crate::diagnostic::Severity;
use crate::journal::files::files;
use crate::sink::file::identity::Identity;
use crate::sink::file::problem;

/// Adds what is wrong with the files of sinks; `foreign` is the severity of a file that holds something else than events.
pub(crate) fn check(config: &Config, foreign: Severity, problems: &Problems) {
    let reserved = files(&config.journal.path);
    let mut seen: Vec<(Identity, &str, &Path)> = Vec::new();
    for sink in &config.sinks {
        let SinkKind::File { path } = &sink.kind else { continue };
        let key = join(&join(&join("sinks", sink.kind.as_str()), &sink.name), "path");
        if let Some(problem) = problem::of(path, &reserved) {
            let message = format!("{}: {}", path.display(), problem.reason);
            if problem.is_permanent || (foreign == Severity::Error && !problem.is_no_folder) {
                problems.error_at(&key, message, None);
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
