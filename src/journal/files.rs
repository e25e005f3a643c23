//! The files that a journal consists of.

use std::path::{Path, PathBuf};

/// What is appended to the journal's name: nothing, SQLite's files, the lock.
const SUFFIXES: [&str; 5] = ["", "-wal", "-shm", "-journal", "-lock"];

/// Every file that belongs to the journal at `path`, whether it exists now or not.
pub fn files(path: &Path) -> Vec<PathBuf> {
    // SQLite's files are beside the journal itself, not beside a link to it.
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let with = |suffix: &str| {
        let mut name = real.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    SUFFIXES.map(with).to_vec()
}
