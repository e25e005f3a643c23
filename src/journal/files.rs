//! The files that a journal consists of.

use std::path::{Path, PathBuf};

/// What is appended to the journal's name: nothing, SQLite's files, the lock, the contents of a journal that was removed.
const SUFFIXES: [&str; 6] = ["", "-wal", "-shm", "-journal", "-lock", RESCUED];

/// Behind the name of the journal whose contents it has.
pub(super) const RESCUED: &str = "-rescued";

/// Every file that belongs to the journal at `path`, whether it exists now or not.
pub fn files(path: &Path) -> Vec<PathBuf> {
    // SQLite's files are beside the journal itself, not beside a link to it.
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    SUFFIXES.map(|suffix| beside(&real, suffix)).to_vec()
}

/// The file beside the journal with `suffix` behind its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
