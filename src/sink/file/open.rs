//! The open file of a sink: its one writer, and a whole line at its end.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::sink::file::events::{self, Ending};
use crate::sink::file::identity::{self, Identity};
use crate::sink::file::{failed, problem};

/// Appends bytes to a file.
pub(super) type Append = Box<dyn Fn(&mut File, &[u8]) -> std::io::Result<()> + Send + Sync>;

/// An open file that ends with a whole line. No other sink, of this process or another one, has it open.
#[derive(Debug)]
pub(super) struct Open {
    file: File,
}

impl Open {
    /// Opens or creates the file and cuts a torn line off, which a kill can leave. The error follows the path.
    pub(super) fn at(path: &Path, reserved: &[PathBuf]) -> Result<Self, String> {
        // Before it is opened: a pipe would wait, and a file that must not be there would be created.
        if let Some(problem) = problem::of(path, reserved).filter(|problem| !problem.is_no_folder) {
            return Err(format!("is refused: {}", problem.reason));
        }
        let is_new = !path.exists();
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        if is_new {
            sync_folder(path).map_err(failed)?;
        }
        let mut open = Self { file };
        open.lock(path)?;
        let id = identity::of_file(&open.file).map_err(failed)?;
        if reserved.iter().any(|other| Identity::of(other).has(id)) || identity::own_streams().contains(&id) {
            return Err("is refused: vintner writes to this file already".to_owned());
        }
        match events::ending(&mut open.file).map_err(failed)? {
            Ending::Whole => {}
            Ending::Torn(whole) => {
                open.file.set_len(whole).and_then(|()| open.file.sync_data()).map_err(failed)?;
            }
            Ending::Foreign(reason) => return Err(format!("is refused: {reason}")),
        }
        Ok(open)
    }

    /// Keeps every other writer out as long as the file is open: the sink that this one replaces may still be writing.
    fn lock(&self, path: &Path) -> Result<(), String> {
        match self.file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err("is written to by another sink, perhaps the one that this one \
                 replaces, or by another process"
                .to_owned()),
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                tracing::warn!(
                    file = %path.display(), hint = "see that nothing else writes to this file",
                    "file system has no locks"
                );
                Ok(())
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Whether the path leads to this file. A file that was removed is found by no path, and nobody else gets its inode while it is open.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        match (self.file.metadata(), path.metadata()) {
            (Ok(own), Ok(named)) => identity::of(&own) == identity::of(&named),
            (Err(_), _) | (_, Err(_)) => false,
        }
    }

    /// Appends whole lines and waits until they are on the disk. A failed attempt leaves no part of them behind.
    pub(super) fn append(&mut self, bytes: &[u8], append: &Append) -> std::io::Result<()> {
        let start = self.file.metadata()?.len();
        let written = append(&mut self.file, bytes).and_then(|()| self.file.sync_data());
        if written.is_err() {
            self.file.set_len(start)?;
        }
        written
    }
}

/// Makes the new file's name durable.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(identity::folder(path))?.sync_all()
}
