//! A file of lines: appended, confirmed after `fdatasync`, reopened on request so that logrotate can move it away.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::diagnostic::panics::why_ended;
use crate::event::Event;
use crate::sink::lines::Lines;
use crate::sink::{Delivered, Sink, SinkError};

/// How far back a line end is looked for at a time.
const SCAN_BYTES: u64 = 64 * 1024;

/// A file that events are appended to.
#[derive(Debug)]
pub struct FileSink {
    path: PathBuf,
    open: Option<Open>,
}

/// The open file; it ends with a whole line.
#[derive(Debug)]
struct Open {
    file: File,
}

impl FileSink {
    /// A sink on `path`; the file is opened, and created, by the first delivery or health check.
    pub fn new(path: PathBuf) -> Self {
        Self { path, open: None }
    }

    async fn blocking<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(Open) -> (std::io::Result<T>, Open) + Send + 'static,
    ) -> Result<T, SinkError> {
        let (path, open) = (self.path.clone(), self.open.take());
        let done = tokio::task::spawn_blocking(move || {
            let open = match open {
                Some(open) => open,
                None => Open::at(&path).map_err(|error| (path, error))?,
            };
            Ok(work(open))
        });
        let done: Result<_, (PathBuf, std::io::Error)> =
            done.await.map_err(|ended| SinkError::Retry(format!("the file writer failed: {}", why_ended(ended))))?;
        let (outcome, open) = done.map_err(|(path, error)| failed(&path, &error))?;
        // After an error the file is opened anew, which cuts a torn line off.
        let outcome = outcome.map_err(|error| failed(&self.path, &error))?;
        self.open = Some(open);
        Ok(outcome)
    }
}

impl Sink for FileSink {
    async fn deliver(&mut self, events: &[Event]) -> Result<Delivered, SinkError> {
        let lines = Lines::encode(events);
        self.blocking(move |mut open| {
            let outcome = open.append(&lines.bytes);
            (outcome, open)
        })
        .await?;
        Ok(Delivered::default())
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        self.blocking(|open| (Ok(()), open)).await
    }

    fn reopen(&mut self) {
        self.open = None;
    }
}

impl Open {
    /// Opens or creates the file and cuts it back to its last line end: a kill can have torn a line.
    fn at(path: &Path) -> std::io::Result<Self> {
        let is_new = !path.exists();
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        if is_new {
            sync_folder(path)?;
        }
        let length = file.metadata()?.len();
        let whole = last_line_end(&mut file, length)?;
        if whole < length {
            file.set_len(whole)?;
            file.sync_data()?;
        }
        Ok(Self { file })
    }

    /// Appends whole lines; they are confirmed once they are on the disk. A failed attempt leaves no part of them behind.
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let start = self.file.metadata()?.len();
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_data());
        if written.is_err() {
            self.file.set_len(start)?;
        }
        written
    }
}

fn failed(path: &Path, error: &std::io::Error) -> SinkError {
    SinkError::Retry(format!("{} cannot be written: {error}", path.display()))
}

/// Makes the new file's name durable.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// The offset behind the last `\n` in the first `length` bytes; 0 without one.
fn last_line_end(file: &mut File, length: u64) -> std::io::Result<u64> {
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(SCAN_BYTES);
        let mut block = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(file).take(end - start).read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::contract::{self, Arrived, Cannot};
    use crate::sink::lines::tests::event;

    #[tokio::test]
    async fn a_torn_line_is_cut_off_at_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.ndjson");
        std::fs::write(&path, format!("{{\"a\":1}}\n{{\"b\":{}", "9".repeat(100_000))).unwrap();
        let mut sink = FileSink::new(path.clone());
        sink.deliver(&[event("{\"c\":3}")]).await.unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "{\"a\":1}\n{\"c\":3}\n");
    }

    #[tokio::test]
    async fn reopening_follows_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("e"), folder.path().join("e.1"));
        let mut sink = FileSink::new(path.clone());
        sink.deliver(&[event("1")]).await.unwrap();
        std::fs::rename(&path, &moved).unwrap();
        sink.deliver(&[event("2")]).await.unwrap();
        sink.reopen();
        sink.deliver(&[event("3")]).await.unwrap();
        assert_eq!(std::fs::read_to_string(moved).unwrap(), "1\n2\n");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "3\n");
    }

    #[tokio::test]
    async fn a_missing_folder_is_a_sink_that_is_down() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = FileSink::new(folder.path().join("no/such/file"));
        let error = sink.deliver(&[event("1")]).await.unwrap_err();
        assert!(matches!(&error, SinkError::Retry(text) if text.contains("no/such/file")), "{error:?}");
    }

    /// A file in a folder that can be moved away.
    struct Folder {
        holder: tempfile::TempDir,
    }

    impl Folder {
        fn path(&self) -> PathBuf {
            self.holder.path().join("here/events.ndjson")
        }

        fn rename(&self, from: &str, to: &str) {
            let place = |name: &str| self.holder.path().join(name);
            if place(from).exists() {
                std::fs::rename(place(from), place(to)).unwrap();
            }
        }
    }

    impl contract::Destination for Folder {
        type Sink = FileSink;

        fn sink(&self) -> FileSink {
            FileSink::new(self.path())
        }

        async fn arrived(&self) -> Vec<Arrived> {
            std::fs::read_to_string(self.path()).unwrap().lines().map(contract::of_line).collect()
        }

        fn poisoned(&self, _: Event) -> Result<Event, Cannot> {
            Err(Cannot("a file takes every line"))
        }

        async fn lose_answers(&self) -> Result<(), Cannot> {
            Err(Cannot("the answer of a file is the end of the system call"))
        }

        async fn stand_still(&self) -> Result<(), Cannot> {
            Err(Cannot("a disk answers or fails"))
        }

        async fn go_away(&self) -> Result<&'static str, Cannot> {
            self.rename("here", "away");
            Ok("events.ndjson cannot be written")
        }

        async fn recover(&self) {
            self.rename("away", "here");
        }
    }

    #[tokio::test]
    async fn it_keeps_the_contract_of_sinks() {
        let folder = Folder { holder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(folder.holder.path().join("here")).unwrap();
        contract::check(&folder).await;
    }
}
