//! Why no events can be written to a path, as far as that shows without writing.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::sink::file::events::{self, Ending};
use crate::sink::file::identity::{Identity, folder};

/// What is wrong with a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// In words.
    pub reason: String,
    /// The path must be another one: nothing that happens to the file would help.
    pub is_permanent: bool,
    /// Only the folder is missing.
    pub is_no_folder: bool,
}

impl Problem {
    fn permanent(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_permanent: true, is_no_folder: false }
    }
}

/// What is wrong with `path`, if anything is; `reserved` are files of vintner that must not be written to.
pub fn of(path: &Path, reserved: &[PathBuf]) -> Option<Problem> {
    let identity = Identity::of(path);
    if let Some(own) = reserved.iter().find(|own| Identity::of(own).is_same(&identity)) {
        return Some(Problem::permanent(format!("this is the journal's own file {}", own.display())));
    }
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => {}
        Ok(metadata) => {
            let kind = metadata.file_type();
            let what = match () {
                () if kind.is_dir() => "a directory",
                () if kind.is_fifo() => "a named pipe",
                () if kind.is_char_device() || kind.is_block_device() => "a device",
                () => "a socket or another special file",
            };
            return Some(Problem::permanent(format!("this is {what}, and a file sink needs a regular file")));
        }
        Err(error) if error.kind() == ErrorKind::NotFound && !folder(path).exists() => {
            let reason = format!("its folder {} does not exist", folder(path).display());
            return Some(Problem { reason, is_permanent: false, is_no_folder: true });
        }
        // Opening it reports why it cannot be looked at.
        Err(_) => return None,
    }
    match File::open(path).and_then(|mut file| events::ending(&mut file)).ok()? {
        Ending::Whole | Ending::Torn(_) => None,
        Ending::Foreign(reason) => Some(Problem { reason, is_permanent: false, is_no_folder: false }),
    }
}
