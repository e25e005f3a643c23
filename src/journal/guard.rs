//! Whether the names of the journal's files still lead to the files that are open: what is written to a removed file is lost with it.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::journal::files::beside;
use crate::journal::lock::{self, FileId, Lock};

/// The files that SQLite keeps open beside the journal while anyone has it open.
const LOGS: [&str; 2] = ["-wal", "-shm"];

/// The files of an open journal, and the lock on it.
#[derive(Debug)]
pub(super) struct Guard {
    /// As the configuration names it.
    asked: PathBuf,
    /// Without symbolic links.
    path: PathBuf,
    logs: Vec<(PathBuf, FileId)>,
    lock: Lock,
}

/// What happened to a file of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The journal has no name any more, and nothing is in its place.
    Removed,
    /// The journal has another name, and nothing is in its place.
    Moved,
    /// Another file is in the journal's place.
    Replaced,
    /// The configured path leads to another file, or to none; the journal is where it was.
    Redirected,
    /// This file beside the journal was removed.
    LogRemoved(PathBuf),
    /// Another file is in the place of this one beside the journal.
    LogReplaced(PathBuf),
}

impl Guard {
    /// Remembers the files of the journal at `path`, which is open, has been read from, and is locked by `lock`.
    pub(super) fn new(asked: &Path, path: &Path, lock: Lock) -> Self {
        let known = |suffix| {
            let name = beside(path, suffix);
            let id = lock::id(&name.metadata().ok()?);
            Some((name, id))
        };
        let logs = LOGS.into_iter().filter_map(known).collect();
        Self { asked: asked.to_owned(), path: path.to_owned(), logs, lock }
    }

    /// What happened to the files, if anything did. Costs a few look-ups of names.
    pub(super) fn loss(&self) -> Option<Loss> {
        let journal = self.lock.journal().and_then(|file| file.metadata().ok())?;
        match found(&self.path, self.lock.id()) {
            Found::Same => {}
            Found::Missing if journal.nlink() == 0 => return Some(Loss::Removed),
            Found::Missing => return Some(Loss::Moved),
            Found::Other => return Some(Loss::Replaced),
        }
        if found(&self.asked, self.lock.id()) != Found::Same {
            return Some(Loss::Redirected);
        }
        self.logs.iter().find_map(|(name, id)| match found(name, *id) {
            Found::Same => None,
            Found::Missing => Some(Loss::LogRemoved(name.clone())),
            Found::Other => Some(Loss::LogReplaced(name.clone())),
        })
    }

    /// Whether the journal has a second name. A program that opens it by that name does not find the log beside it.
    pub(super) fn has_other_names(&self) -> bool {
        self.lock.journal().and_then(|file| file.metadata().ok()).is_some_and(|metadata| metadata.nlink() > 1)
    }

    /// The files beside the journal that are still the journal's own.
    pub(super) fn own_logs(&self) -> impl Iterator<Item = &Path> {
        self.logs.iter().filter(|(name, id)| found(name, *id) == Found::Same).map(|(name, _)| name.as_path())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Same,
    Other,
    Missing,
}

/// What is at `path`, where a file was.
fn found(path: &Path, was: FileId) -> Found {
    match path.metadata().as_ref().map(lock::id) {
        Ok(id) if id == was => Found::Same,
        Ok(_) => Found::Other,
        Err(error) if error.kind() == ErrorKind::NotFound => Found::Missing,
        // A folder that may not be searched any more proves nothing about the file.
        Err(_) => Found::Same,
    }
}
