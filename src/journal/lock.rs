//! The locks that keep a second instance out: one on the journal itself, under whatever name it is opened, and one on a file beside it,
//! which older versions of vintner look at.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::journal::JournalError;
use crate::journal::fail::unusable;
use crate::journal::files::beside;

/// Device and inode.
pub(super) type FileId = (u64, u64);

/// The journals that this process has locked. When a process closes any descriptor of a file, it loses the POSIX locks that SQLite
/// has on it: whoever wants to open a journal looks here first.
static LOCKED: Mutex<Vec<FileId>> = Mutex::new(Vec::new());

/// The lock on the file beside the journal. The system gives it back when this is dropped or the process dies.
#[derive(Debug)]
pub(super) struct Beside {
    file: File,
}

/// Both locks. To be dropped after the last connection to the journal.
#[derive(Debug)]
pub(super) struct Lock {
    /// `None` only while it is dropped.
    journal: Option<File>,
    id: FileId,
    _beside: Beside,
}

impl Beside {
    /// Takes the lock beside the journal at `path`, which need not exist.
    pub(super) fn take(path: &Path) -> Result<Self, JournalError> {
        let name = beside(path, "-lock");
        let failed =
            |e: std::io::Error| unusable(path, format!("its lock file {} cannot be used ({e})", name.display()));
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&name).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(locked(path, written_holder(&mut file))),
            Err(TryLockError::Error(e)) => Err(failed(e)),
        }
    }

    /// Locks the journal itself, and writes this process's id into the file beside it, for people.
    pub(super) fn with_journal(mut self, path: &Path) -> Result<Lock, JournalError> {
        let failed = |e: std::io::Error| unusable(path, format!("it cannot be opened ({e})"));
        let mut ours = locked_here();
        if ours.contains(&id(&path.metadata().map_err(failed)?)) {
            return Err(locked(path, Some(std::process::id().to_string())));
        }
        let journal = File::open(path).map_err(failed)?;
        let id = id(&journal.metadata().map_err(failed)?);
        match journal.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(locked(path, kernel_holder(id))),
            Err(TryLockError::Error(e)) => return Err(unusable(path, format!("it cannot be locked ({e})"))),
        }
        let file = &mut self.file;
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(|e| unusable(path, format!("its lock file cannot be written ({e})")))?;
        ours.push(id);
        Ok(Lock { journal: Some(journal), id, _beside: self })
    }
}

impl Lock {
    /// The journal. Never to be closed before its last connection, nor opened a second time.
    pub(super) fn journal(&self) -> Option<&File> {
        self.journal.as_ref()
    }

    /// Device and inode of the journal.
    pub(super) fn id(&self) -> FileId {
        self.id
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut ours = locked_here();
        drop(self.journal.take());
        ours.retain(|id| *id != self.id);
    }
}

/// Whether this process has locked the journal at `path`, under whatever name: then its file must not be opened and closed.
pub(super) fn is_ours(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| locked_here().contains(&id(&metadata)))
}

/// Device and inode of a file.
pub(super) fn id(metadata: &Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
}

fn locked_here() -> MutexGuard<'static, Vec<FileId>> {
    LOCKED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn locked(path: &Path, holder: Option<String>) -> JournalError {
    JournalError::Locked { path: path.to_path_buf(), holder: holder.unwrap_or_else(|| "unknown".into()) }
}

/// The process whose id is in the file beside the journal.
fn written_holder(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.take(20).read_to_string(&mut text).ok()?;
    process_id(text.trim())
}

/// The process that the kernel knows as the holder of a lock: nobody writes it into a file of another name.
fn kernel_holder((_, inode): FileId) -> Option<String> {
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let inode = format!(":{inode}");
    let holder = |line: &str| {
        // `1: FLOCK  ADVISORY  WRITE 4711 08:02:123456 0 EOF`
        let mut fields = line.split_whitespace().skip(1);
        let is_lock = fields.next() == Some("FLOCK");
        let mut fields = fields.skip(2);
        let (process, file) = (fields.next()?, fields.next()?);
        (is_lock && file.ends_with(&inode)).then(|| process_id(process)).flatten()
    };
    locks.lines().find_map(holder)
}

fn process_id(text: &str) -> Option<String> {
    // A process of another container is shown as 0.
    (!text.is_empty() && text != "0" && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(path: &Path) -> Result<Lock, JournalError> {
        Beside::take(path).and_then(|beside| beside.with_journal(path))
    }

    #[test]
    fn a_second_holder_is_refused_under_every_name_and_names_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let (path, linked) = (dir.path().join("vintner.db"), dir.path().join("other.db"));
        std::fs::write(&path, "").unwrap();
        std::fs::hard_link(&path, &linked).unwrap();
        let first = take(&path).unwrap();
        let refused = |path: &Path| {
            let error = take(path).unwrap_err().to_string();
            assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        };
        refused(&path);
        refused(&linked);
        std::fs::remove_file(beside(&path, "-lock")).unwrap();
        refused(&path);
        assert!(is_ours(&linked));
        drop(first);
        assert!(!is_ours(&linked));
        drop(take(&linked).unwrap());
        take(&path).unwrap();
    }

    #[test]
    fn the_kernel_names_the_holder_of_a_lock() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("file")).unwrap();
        let id = id(&file.metadata().unwrap());
        assert_eq!(kernel_holder(id), None);
        file.try_lock().unwrap();
        assert_eq!(kernel_holder(id), Some(std::process::id().to_string()));
    }
}
