//! What several commands open first: the configuration, and the journal to look at.

use std::path::{Path, PathBuf};

use crate::app::{AppError, names};
use crate::cli::{ConfigFile, Reported, environment, logging};
use crate::clock::Clock;
use crate::config::files::Severities;
use crate::config::load::{self, Loaded, ProcessEnvironment};
use crate::config::settings::Config;
use crate::diagnostic::{Diagnostic, Severity, words};
use crate::journal::sqlite::Journal;
use crate::org::directory::Directory;

/// The variable that names the configuration file where no option does.
const CONFIG: &str = "VINTNER_CONFIG";

/// What the command is about to do with the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Look only: secrets are not needed.
    Look,
    /// Check: everything is told, secrets that cannot be read are warnings.
    Check,
    /// Log in and deliver: secrets must be readable, and everything configured must be part of this version.
    Act,
}

/// Loads the configuration; prints every problem and warning to stderr.
pub(crate) fn configuration(file: &ConfigFile, purpose: Purpose) -> anyhow::Result<Config> {
    Ok(loaded(file, purpose)?.1.config)
}

/// The configuration file that the options, the environment or the known places name.
pub(crate) fn find(file: &ConfigFile) -> Result<PathBuf, Box<Diagnostic>> {
    let named = file.config.clone().or_else(|| environment::variable(CONFIG).map(PathBuf::from));
    load::find(named.as_deref(), environment::user_folder().as_deref())
}

/// The same, with the file that was read and the places of what it says.
pub(crate) fn loaded(file: &ConfigFile, purpose: Purpose) -> anyhow::Result<(PathBuf, Loaded)> {
    let path = find(file).map_err(|problem| {
        logging::complain(&problem.to_string());
        Reported(2)
    })?;
    let (loaded, found) = examined(&path, purpose);
    for problem in &found {
        logging::complain(&problem.to_string());
    }
    match loaded {
        Some(loaded) => Ok((path, loaded)),
        None => {
            logging::complain(&errors_in(&path, &found));
            Err(Reported(2).into())
        }
    }
}

/// The configuration unless it has errors, and everything that is wrong or odd about it for this purpose, of all kinds at once.
pub(crate) fn examined(path: &Path, purpose: Purpose) -> (Option<Loaded>, Vec<Diagnostic>) {
    let loaded = match load::examine(path) {
        Ok(loaded) => loaded,
        Err(found) => return (None, found),
    };
    let mut found = [loaded.found.clone(), problems_for(&loaded, purpose)].concat();
    let files: Vec<String> = found.iter().map(|problem| problem.file.clone()).collect();
    let place = |problem: &Diagnostic| problem.place.as_ref().map(|place| (place.line, place.column));
    found.sort_by_key(|problem| (files.iter().position(|file| *file == problem.file), place(problem)));
    (Some(loaded).filter(|_| !load::has_errors(&found)), found)
}

/// `2 errors in vintner.toml`
pub(crate) fn errors_in(path: &Path, found: &[Diagnostic]) -> String {
    let errors = found.iter().filter(|problem| problem.severity == Severity::Error).count();
    format!("{} in {}", words::count(u64::try_from(errors).unwrap_or(u64::MAX), "error"), path.display())
}

fn problems_for(loaded: &Loaded, purpose: Purpose) -> Vec<Diagnostic> {
    let secrets = || loaded.secrets(&ProcessEnvironment);
    match purpose {
        Purpose::Look => Vec::new(),
        Purpose::Act => {
            [loaded.unbuilt(), secrets(), loaded.certificates(), loaded.files(Severities::START, &[])].concat()
        }
        Purpose::Check => {
            let secrets = secrets().into_iter().map(|problem| problem.with_severity(Severity::Warning));
            let others = [loaded.certificates(), loaded.files(Severities::CHECK, &[])].concat();
            loaded.unbuilt().into_iter().chain(secrets).chain(others).collect()
        }
    }
}

/// Accounts and sites of the journal under the mapping of the file, also where no instance has taken it over yet.
pub(crate) async fn directory(journal: &Journal, config: &Config) -> anyhow::Result<Directory> {
    let stored = journal.directory().await.map_err(AppError::Journal)?;
    Ok(stored.under(config.policy.clone()))
}

/// Checks an organization that an option names: by the mapping in force, or by that of the file.
pub(crate) async fn organization(journal: &Journal, config: &Config, id: &str) -> anyhow::Result<()> {
    let stored = journal.directory().await.map_err(AppError::Journal)?;
    if names::organization(&stored, id).is_err() {
        names::organization(&stored.under(config.policy.clone()), id)?;
    }
    Ok(())
}

/// Opens the journal to look at, beside a running instance or not.
pub(crate) fn reader(path: &Path) -> anyhow::Result<Journal> {
    Ok(Journal::open_reader(path, Clock::system()).map_err(AppError::Journal)?)
}
