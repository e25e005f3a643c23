//! A file of lines: appended, confirmed after `fdatasync`, reopened when its name leads to another file or on request, so that
//! logrotate can move it away.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::diagnostic::panics::why_ended;
use crate::event::Event;
use crate::sink::file::open::{Append, Open};
use crate::sink::lines::Lines;
use crate::sink::{Delivered, Sink, SinkError};

mod events;
pub mod identity;
mod open;
pub mod problem;

/// A file that is replaced so often while one batch is written is not written to any further in this attempt.
const REOPENINGS: usize = 3;

/// A file that events are appended to.
pub struct FileSink {
    file: Arc<Named>,
    /// Held by the work that goes on, also if nobody waits for it any more: nothing else is written meanwhile.
    open: Arc<Mutex<Option<Open>>>,
    /// Whether the file must be opened anew, though its name may still lead to it.
    is_stale: bool,
}

/// What is opened, and how it is written.
struct Named {
    path: PathBuf,
    /// Files of vintner that must not be written to.
    reserved: Vec<PathBuf>,
    append: Append,
}

impl FileSink {
    /// A sink on `path`; the file is opened, and created, by the first delivery or health check. It is refused if it is one of
    /// `reserved` by another name, or holds something else than events.
    pub fn new(path: PathBuf, reserved: Vec<PathBuf>) -> Self {
        Self::with(path, reserved, Box::new(|file: &mut File, bytes: &[u8]| file.write_all(bytes)))
    }

    fn with(path: PathBuf, reserved: Vec<PathBuf>, append: Append) -> Self {
        Self { file: Arc::new(Named { path, reserved, append }), open: Arc::default(), is_stale: false }
    }

    /// The same with another way to append: tests write a part, or fail.
    #[cfg(test)]
    pub(crate) fn appending(
        path: PathBuf,
        reserved: Vec<PathBuf>,
        append: impl Fn(&mut File, &[u8]) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::with(path, reserved, Box::new(append))
    }

    /// Works on the file in a thread that may block. After an error the file is opened anew, which cuts a torn line off.
    async fn blocking(
        &mut self,
        work: impl FnOnce(&Named, &mut Option<Open>) -> Result<(), String> + Send + 'static,
    ) -> Result<(), SinkError> {
        let mut open = Arc::clone(&self.open).lock_owned().await;
        if std::mem::take(&mut self.is_stale) {
            *open = None;
        }
        let file = Arc::clone(&self.file);
        let done = tokio::task::spawn_blocking(move || {
            let outcome = work(&file, &mut open);
            if outcome.is_err() {
                *open = None;
            }
            outcome.map_err(|reason| SinkError::Retry(format!("{} {reason}", file.path.display())))
        });
        done.await
            .unwrap_or_else(|ended| Err(SinkError::Retry(format!("the file writer failed: {}", why_ended(ended)))))
    }
}

impl Sink for FileSink {
    async fn deliver(&mut self, events: &[Event]) -> Result<Delivered, SinkError> {
        let lines = Lines::encode(events);
        self.blocking(move |named, open| named.deliver(open, &lines.bytes)).await?;
        Ok(Delivered::default())
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        self.blocking(|named, open| named.current(open).map(drop)).await
    }

    fn reopen(&mut self) {
        self.is_stale = true;
    }
}

impl Named {
    /// Appends whole lines. They are confirmed once they are on the disk, in the file that has the name.
    fn deliver(&self, open: &mut Option<Open>, bytes: &[u8]) -> Result<(), String> {
        for _ in 0..REOPENINGS {
            let file = self.current(open)?;
            file.append(bytes, &self.append).map_err(failed)?;
            if file.is_at(&self.path) {
                return Ok(());
            }
            // Removed or replaced meanwhile: nobody may ever read what was written.
        }
        Err("is removed or replaced again and again".to_owned())
    }

    /// The file that has the name now, opened if it is not yet.
    fn current<'a>(&self, open: &'a mut Option<Open>) -> Result<&'a mut Open, String> {
        if open.as_ref().is_some_and(|file| !file.is_at(&self.path)) {
            tracing::info!(file = %self.path.display(), "file was moved or removed: reopened");
            *open = None;
        }
        match open {
            Some(file) => Ok(file),
            None => Ok(open.insert(Open::at(&self.path, &self.reserved)?)),
        }
    }
}

fn failed(error: std::io::Error) -> String {
    format!("cannot be written: {error}")
}

impl std::fmt::Debug for FileSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSink").field("path", &self.file.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
