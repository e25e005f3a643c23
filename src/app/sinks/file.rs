//! Whether a file sink could write, found out without leaving a trace.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::diagnostic::panics::why_ended;

/// Opens the file for appending, as its sink does. A file that does not exist is made and removed again.
pub(crate) async fn try_open(path: PathBuf) -> std::io::Result<()> {
    let tried = tokio::task::spawn_blocking(move || try_open_now(&path)).await;
    tried.map_err(|ended| std::io::Error::other(why_ended(ended)))?
}

fn try_open_now(path: &Path) -> std::io::Result<()> {
    match path.metadata() {
        // A pipe or a device may wait for its other end, or act on being opened.
        Ok(found) if !found.is_file() => Err(std::io::Error::other("it is no regular file")),
        Ok(_) => OpenOptions::new().read(true).append(true).open(path).map(drop),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            drop(File::create_new(path)?);
            std::fs::remove_file(path)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_sink_could_open_is_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (new, old) = (folder.path().join("new"), folder.path().join("old"));
        std::fs::write(&old, "line\nto").unwrap();
        try_open(new.clone()).await.unwrap();
        try_open(old.clone()).await.unwrap();
        assert!(!new.exists());
        assert_eq!(std::fs::read(&old).unwrap(), b"line\nto");
        for wrong in [folder.path().join("none/new"), folder.path().to_owned(), old.join("beneath"), "/dev/null".into()]
        {
            assert!(try_open(wrong.clone()).await.is_err(), "{wrong:?}");
        }
    }
}
