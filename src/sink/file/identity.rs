//! Which file a path leads to, however it is spelled.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// More links in a row lead nowhere.
const MOST_LINKS: usize = 40;

/// Device and inode.
pub type FileId = (u64, u64);

/// A file by device and inode if it exists, and by its place in its folder whether it does or not.
#[derive(Clone, Debug)]
pub struct Identity {
    file: Option<FileId>,
    entry: Option<(FileId, OsString)>,
}

impl Identity {
    /// What `path` leads to, through symbolic links, also those whose end does not exist yet.
    pub fn of(path: &Path) -> Self {
        let end = followed(path);
        let folder = folder(&end).metadata().ok().map(|metadata| of(&metadata));
        let entry = folder.zip(end.file_name().map(OsString::from));
        Self { file: path.metadata().ok().map(|metadata| of(&metadata)), entry }
    }

    /// Whether both are one file.
    pub fn is_same(&self, other: &Self) -> bool {
        let is_equal = |a: &Option<FileId>, b: &Option<FileId>| a.is_some() && a == b;
        is_equal(&self.file, &other.file) || (self.entry.is_some() && self.entry == other.entry)
    }

    /// Whether this file is there and has this device and inode.
    pub(super) fn has(&self, id: FileId) -> bool {
        self.file == Some(id)
    }
}

/// Device and inode of a file.
pub(super) fn of(metadata: &Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
}

/// Device and inode of an open file.
pub(super) fn of_file(file: &File) -> std::io::Result<FileId> {
    file.metadata().map(|metadata| of(&metadata))
}

/// What standard output and standard error of this process go to.
pub(super) fn own_streams() -> Vec<FileId> {
    let id = |stream: BorrowedFd<'_>| of_file(&File::from(stream.try_clone_to_owned().ok()?)).ok();
    [id(std::io::stdout().as_fd()), id(std::io::stderr().as_fd())].into_iter().flatten().collect()
}

/// The folder of a path, as a path that can be opened.
pub fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The path that symbolic links at its end lead to.
fn followed(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(target) = path.read_link() else { break };
        path = folder(&path).join(target);
    }
    path
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn one_file_is_known_by_every_name_that_leads_to_it() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        std::fs::create_dir(at("folder")).unwrap();
        symlink("folder", at("linked")).unwrap();
        symlink("db", at("folder/to-db")).unwrap();
        let same = |a: &str, b: &str| Identity::of(&at(a)).is_same(&Identity::of(&at(b)));
        let names = ["folder/db", "folder/../folder/./db", "linked/db", "folder/to-db", "linked/to-db"];
        for name in names {
            assert!(same("folder/db", name), "{name}, before it exists");
        }
        std::fs::write(at("folder/db"), "").unwrap();
        std::fs::hard_link(at("folder/db"), at("hard")).unwrap();
        for name in names.into_iter().chain(["hard"]) {
            assert!(same("folder/db", name), "{name}");
        }
        std::fs::write(at("other"), "").unwrap();
        assert!(!same("folder/db", "other") && !same("other", "nothing") && !same("no/folder/a", "no/folder/a"));
    }
}
