//! The one thread that writes a stream of lines.
//!
//! A blocked pipe must keep neither the runtime nor the process from stopping, so the thread is never joined: it goes with the
//! process.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::OnError;
use crate::diagnostic::panics::caught;
use crate::output::descriptor::{Writable, write_chunk, write_from};
use crate::sink::Trouble;
use crate::sink::lines::Lines;

/// Pauses before a write that failed is tried again: each is twice as long as the one before it.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A handle of the thread. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    queue: mpsc::Sender<Job>,
    trouble: Trouble,
}

/// Lines to write.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) lines: Lines,
    pub(super) on_error: OnError,
}

/// A batch was not written to its end.
#[derive(Debug, thiserror::Error)]
#[error("standard output cannot be written: {error}")]
pub(super) struct Failed {
    pub(super) error: std::io::Error,
    /// Lines at the front of the batch that were accepted whole.
    pub(super) accepted: usize,
}

#[derive(Debug)]
struct Job {
    batch: Batch,
    done: Done,
}

/// Where somebody waits for the outcome of a batch.
type Done = oneshot::Sender<Result<(), Failed>>;

/// What the thread knows.
struct Thread<W> {
    writer: W,
    trouble: Trouble,
    /// The rest of a line that was torn by an error. It comes before everything else.
    torn: Vec<u8>,
}

impl Owner {
    /// Starts the thread on `writer`.
    pub(super) fn start(writer: impl Writable + Send + 'static) -> std::io::Result<Self> {
        let (queue, mut jobs) = mpsc::channel::<Job>(1);
        let trouble = Trouble::default();
        let mut thread = Thread { writer, trouble: trouble.clone(), torn: Vec::new() };
        std::thread::Builder::new().name("stdout".into()).spawn(move || {
            while let Some(Job { batch, done }) = jobs.blocking_recv() {
                let outcome = thread.serve(&batch, &done);
                // The deliverer may have been stopped meanwhile; then nobody waits for the outcome.
                drop(done.send(outcome));
            }
        })?;
        Ok(Self { queue, trouble })
    }

    pub(super) fn is_running(&self) -> bool {
        !self.queue.is_closed()
    }

    #[cfg(test)]
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.queue.same_channel(&other.queue)
    }

    pub(super) fn trouble(&self) -> Trouble {
        self.trouble.clone()
    }

    /// Writes a batch behind everything that was begun before. If this future is dropped, the line in hand is still ended, and
    /// nothing more of the batch is written.
    pub(super) async fn write(&self, batch: Batch) -> Result<(), Failed> {
        let gone = || Failed { error: std::io::Error::other("the thread that writes it has ended"), accepted: 0 };
        let (done, outcome) = oneshot::channel();
        self.queue.send(Job { batch, done }).await.map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }
}

impl<W: Writable> Thread<W> {
    /// Writes a batch to its end. A panic fails the batch, and the thread goes on with the next one.
    fn serve(&mut self, Batch { lines, on_error }: &Batch, done: &Done) -> Result<(), Failed> {
        let mut place = 0;
        let written = caught(|| self.write(lines, *on_error, &mut place, done));
        self.trouble.clear();
        let outcome = written.unwrap_or_else(|panicked| Err(std::io::Error::other(panicked)));
        outcome.map_err(|error| {
            self.torn.extend_from_slice(lines.rest_of_line(place));
            Failed { error, accepted: lines.whole(place) }
        })
    }

    fn write(&mut self, lines: &Lines, on_error: OnError, place: &mut usize, done: &Done) -> std::io::Result<()> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.advance(lines, place, done) {
                Ok(Progress::Done) => return Ok(()),
                Ok(Progress::More) => pause = FIRST_PAUSE,
                Err(error) if error.kind() == ErrorKind::BrokenPipe || on_error == OnError::Fail => return Err(error),
                Err(error) => {
                    self.trouble.set(format!("standard output cannot be written: {error}"));
                    std::thread::sleep(pause);
                    pause = LONGEST_PAUSE.min(pause.saturating_mul(2));
                }
            }
        }
    }

    /// Writes one chunk, or finds that nothing is left to write.
    fn advance(&mut self, lines: &Lines, place: &mut usize, done: &Done) -> std::io::Result<Progress> {
        if !self.torn.is_empty() {
            let mut ended = 0;
            let outcome = write_from(&mut self.writer, &self.torn, &mut ended);
            self.torn.drain(..ended.min(self.torn.len()));
            outcome?;
        }
        // What nobody waits for any more is repeated by whoever comes next: only a line that was begun is ended.
        let end =
            if done.is_closed() { place.saturating_add(lines.rest_of_line(*place).len()) } else { lines.bytes.len() };
        if *place >= end {
            self.writer.flush()?;
            return Ok(Progress::Done);
        }
        write_chunk(&mut self.writer, lines.bytes.get(..end).unwrap_or_default(), place)?;
        Ok(Progress::More)
    }
}

enum Progress {
    More,
    Done,
}
