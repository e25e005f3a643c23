//! Standard output: one event a line, nothing else.
//!
//! A thread of its own writes, since a blocked pipe must keep neither the runtime nor the process from stopping: the thread
//! is never joined, it goes with the process.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};

use crate::diagnostic::panics::caught;
use crate::event::Event;
use crate::sink::lines::Lines;
use crate::sink::{Delivered, Sink, SinkError};

/// Bytes handed to the pipe at once: small enough that progress is known closely.
const CHUNK_BYTES: usize = 64 * 1024;

/// Standard output, or any writer that blocks.
#[derive(Debug)]
pub struct Stdout {
    writer: mpsc::Sender<Job>,
}

/// One batch for the writing thread.
#[derive(Debug)]
struct Job {
    lines: Lines,
    written: Arc<AtomicUsize>,
    done: oneshot::Sender<std::io::Result<()>>,
}

impl Stdout {
    /// Starts the writing thread on the process's standard output, without the buffer that would hide what was accepted.
    pub fn new() -> std::io::Result<Self> {
        Self::on(File::from(std::io::stdout().as_fd().try_clone_to_owned()?))
    }

    /// Starts the writing thread on `writer`.
    pub fn on(mut writer: impl Write + Send + 'static) -> std::io::Result<Self> {
        let (sender, mut jobs) = mpsc::channel::<Job>(1);
        std::thread::Builder::new().name("stdout".into()).spawn(move || {
            while let Some(job) = jobs.blocking_recv() {
                // A panic makes the sink down; the thread goes on with the next attempt.
                let outcome =
                    caught(|| write(&mut writer, &job)).unwrap_or_else(|panicked| Err(std::io::Error::other(panicked)));
                // The deliverer may have been stopped meanwhile; then nobody waits for the outcome.
                drop(job.done.send(outcome));
            }
        })?;
        Ok(Self { writer: sender })
    }
}

impl Sink for Stdout {
    async fn deliver(&mut self, events: &[Event]) -> Result<Delivered, SinkError> {
        let lines = Lines::encode(events);
        let ends = Lines { bytes: Vec::new(), ends: lines.ends.clone() };
        let written = Arc::new(AtomicUsize::new(0));
        let (done, outcome) = oneshot::channel();
        let job = Job { lines, written: Arc::clone(&written), done };
        let gone = || SinkError::Retry("the thread that writes standard output has ended".into());
        self.writer.send(job).await.map_err(|_| gone())?;
        match outcome.await.map_err(|_| gone())? {
            Ok(()) => Ok(Delivered::default()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                Err(SinkError::Closed { accepted: ends.whole(written.load(Ordering::Acquire)) })
            }
            Err(error) => Err(SinkError::Retry(format!("standard output cannot be written: {error}"))),
        }
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

fn write(writer: &mut impl Write, job: &Job) -> std::io::Result<()> {
    let mut rest = job.lines.bytes.as_slice();
    while !rest.is_empty() {
        let (chunk, _) = rest.split_at_checked(CHUNK_BYTES).unwrap_or((rest, &[]));
        // What each call accepted counts, also when the next one finds the reader gone.
        let written = match writer.write(chunk) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        job.written.fetch_add(written, Ordering::Release);
        rest = rest.split_at_checked(written).map_or(&[], |(_, rest)| rest);
    }
    writer.flush()
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;
    use crate::sink::contract::{self, Arrived, Cannot};
    use crate::sink::lines::tests::event;

    /// A pipe whose reader goes away after `room` bytes.
    #[derive(Clone)]
    struct Pipe {
        room: usize,
        seen: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut seen = self.seen.lock().unwrap();
            let taken = bytes.len().min(self.room - seen.len());
            if taken == 0 {
                return Err(ErrorKind::BrokenPipe.into());
            }
            seen.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_closed_pipe_names_what_was_accepted() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut stdout = Stdout::on(Pipe { room: 2 * CHUNK_BYTES + 5, seen: Arc::clone(&seen) }).unwrap();
        let long = event(&"x".repeat(CHUNK_BYTES - 1));
        let batch = [long.clone(), long.clone(), long];
        assert_eq!(stdout.deliver(&batch).await, Err(SinkError::Closed { accepted: 2 }));
        assert_eq!(seen.lock().unwrap().len(), 2 * CHUNK_BYTES + 5);
    }

    #[tokio::test]
    async fn events_are_lines() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut stdout = Stdout::on(Pipe { room: 1000, seen: Arc::clone(&seen) }).unwrap();
        stdout.deliver(&[event("{}"), event("[]")]).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), b"{}\n[]\n");
    }

    /// A reader that can stop reading.
    #[derive(Clone, Default)]
    struct Reader {
        seen: Arc<Mutex<Vec<u8>>>,
        gate: Arc<(Mutex<bool>, Condvar)>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let closed = self.gate.0.lock().unwrap();
            drop(self.gate.1.wait_while(closed, |is_closed| *is_closed).unwrap());
            self.seen.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Reader {
        fn close(&self, is_closed: bool) {
            *self.gate.0.lock().unwrap() = is_closed;
            self.gate.1.notify_all();
        }
    }

    impl contract::Destination for Reader {
        type Sink = Stdout;

        fn sink(&self) -> Stdout {
            Stdout::on(self.clone()).unwrap()
        }

        async fn arrived(&self) -> Vec<Arrived> {
            let seen = self.seen.lock().unwrap();
            std::str::from_utf8(&seen).unwrap().lines().map(contract::of_line).collect()
        }

        fn poisoned(&self, _: Event) -> Result<Event, Cannot> {
            Err(Cannot("a pipe takes every line"))
        }

        async fn lose_answers(&self) -> Result<(), Cannot> {
            Err(Cannot("the answer of a pipe is the end of the system call"))
        }

        async fn stand_still(&self) -> Result<(), Cannot> {
            self.close(true);
            Ok(())
        }

        async fn go_away(&self) -> Result<&'static str, Cannot> {
            Err(Cannot("a reader that has gone does not come back: the program ends"))
        }

        async fn recover(&self) {
            self.close(false);
        }
    }

    #[tokio::test]
    async fn it_keeps_the_contract_of_sinks() {
        contract::check(&Reader::default()).await;
    }
}
