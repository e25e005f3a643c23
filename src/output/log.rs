//! Lines on standard error, written by one thread behind a bounded queue.
//!
//! What people watch never stops the work: a line for which the queue has no room, or that cannot be written, is dropped and
//! counted, and the count is reported as soon as lines can be written again.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::output::descriptor::{Descriptor, Writable, write_from};

/// Most bytes that wait to be written.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// How long [`Log::flush`] waits while not one line is written, and at most.
const STALLED: Duration = Duration::from_millis(500);
const LONGEST_FLUSH: Duration = Duration::from_secs(5);

/// Standard error, from its first use on.
static STDERR: OnceLock<Option<Log>> = OnceLock::new();

thread_local! {
    /// On the writing thread, while it reports: how many dropped lines the report stands for.
    static REPORTING: Cell<u64> = const { Cell::new(0) };
}

/// Moves to the begin of a terminal's line and erases it.
pub const ERASE: &str = "\r\u{1b}[2K";

/// A handle of the queue. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Log(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Line>,
    /// Bytes of all lines, and of the line in hand.
    bytes: usize,
    /// Lines that were taken out of the queue and written or given up.
    finished: u64,
    dropped: u64,
    /// Whether the terminal's last line is one that lines replace.
    keeps_line: bool,
}

#[derive(Debug)]
struct Line {
    bytes: Vec<u8>,
    /// How many lines are lost if this one is: a report stands for those that it counts.
    worth: u64,
}

/// The process's standard error; `None` if it has none, or no thread can be had to write it.
pub fn stderr() -> Option<Log> {
    let report = |lines| {
        tracing::warn!(lines, hint = "whoever reads stderr was too slow, or its disk was full", "log lines dropped");
    };
    STDERR.get_or_init(|| Descriptor::stderr().and_then(|stderr| Log::start(stderr, report)).ok()).clone()
}

impl Log {
    /// Starts the thread on `writer`. `report` is called on it, with the number of lines that were dropped, once one could be
    /// written again; what it logs goes before everything that waits.
    pub fn start(mut writer: impl Writable + Send + 'static, report: fn(u64)) -> std::io::Result<Self> {
        let log = Self(Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new() }));
        let served = log.clone();
        std::thread::Builder::new().name("log".into()).spawn(move || served.serve(&mut writer, report))?;
        Ok(log)
    }

    /// Queues a line, or drops it if too much waits. Never blocks.
    pub fn push(&self, line: Vec<u8>) {
        let mut queue = self.lock();
        let reported = REPORTING.get();
        if reported > 0 {
            queue.bytes = queue.bytes.saturating_add(line.len());
            queue.lines.push_front(Line { bytes: line, worth: reported });
        } else if queue.has_room(line.len()) {
            queue.append(line);
            self.0.changed.notify_all();
        } else {
            queue.dropped = queue.dropped.saturating_add(1);
        }
    }

    /// From now on the terminal's last line is drawn by [`Self::redraw`], and every other line erases it first; `false`: no longer.
    pub(crate) fn keep_line(&self, keeps: bool) {
        self.lock().keeps_line = keeps;
    }

    /// Draws the terminal's last line anew, unless older output still waits: it would be old before it is seen. Never blocks.
    pub(crate) fn redraw(&self, drawn: Vec<u8>) {
        let mut queue = self.lock();
        if queue.bytes == 0 {
            queue.bytes = drawn.len();
            queue.lines.push_back(Line { bytes: drawn, worth: 0 });
            self.0.changed.notify_all();
        }
    }

    /// Queues a line, and waits for room first: for what a command was asked to say.
    pub fn push_patiently(&self, line: Vec<u8>) {
        let has_no_room = |queue: &mut Queue| !queue.has_room(line.len());
        let queue = self.0.changed.wait_while(self.lock(), has_no_room);
        queue.unwrap_or_else(PoisonError::into_inner).append(line);
        self.0.changed.notify_all();
    }

    /// Waits until everything is written, but not for a reader that takes nothing.
    pub fn flush(&self) {
        let (deadline, mut queue) = (Instant::now() + LONGEST_FLUSH, self.lock());
        while queue.bytes > 0 && Instant::now() < deadline {
            let before = queue.finished;
            let is_stuck = |queue: &mut Queue| queue.bytes > 0 && queue.finished == before;
            let waited = self.0.changed.wait_timeout_while(queue, STALLED, is_stuck);
            let (after, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() {
                return;
            }
            queue = after;
        }
    }

    /// Waits until everything is written.
    pub fn flush_patiently(&self) {
        drop(self.0.changed.wait_while(self.lock(), |queue| queue.bytes > 0));
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, writer: &mut impl Writable, report: fn(u64)) {
        let mut is_torn = false;
        loop {
            let line = self.next();
            let written = write_line(writer, &line.bytes, &mut is_torn);
            let dropped = {
                let mut queue = self.lock();
                if written.is_err() {
                    queue.dropped = queue.dropped.saturating_add(line.worth);
                }
                if written.is_ok() { std::mem::take(&mut queue.dropped) } else { 0 }
            };
            if dropped > 0 {
                REPORTING.set(dropped);
                report(dropped);
                REPORTING.set(0);
            }
            // Only now: whoever flushes waits for the report too.
            let mut queue = self.lock();
            queue.bytes = queue.bytes.saturating_sub(line.bytes.len());
            queue.finished = queue.finished.wrapping_add(1);
            self.0.changed.notify_all();
        }
    }

    fn next(&self) -> Line {
        let mut queue = self.lock();
        loop {
            match queue.lines.pop_front() {
                Some(line) => return line,
                None => queue = self.0.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl Queue {
    fn has_room(&self, bytes: usize) -> bool {
        self.bytes.saturating_add(bytes) <= MOST_BYTES || self.bytes == 0
    }

    fn append(&mut self, mut bytes: Vec<u8>) {
        if self.keeps_line {
            bytes.splice(0..0, ERASE.bytes());
        }
        self.bytes = self.bytes.saturating_add(bytes.len());
        self.lines.push_back(Line { bytes, worth: 1 });
    }
}

/// Each call is one line, as `tracing-subscriber` writes them; it never fails.
impl Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.push(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Writes a line; one that an error tore is ended first.
fn write_line(writer: &mut impl Writable, line: &[u8], is_torn: &mut bool) -> std::io::Result<()> {
    if *is_torn {
        write_from(writer, b"\n", &mut 0)?;
        *is_torn = false;
    }
    let mut place = 0;
    let written = write_from(writer, line, &mut place);
    *is_torn = written.is_err() && place > 0;
    written
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;
    use crate::output::descriptor::tests::{Act, Scripted};

    /// Takes nothing until the gate opens.
    struct Blocked(Scripted, Arc<(Mutex<bool>, Condvar)>);

    impl Write for Blocked {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            drop(self.1.1.wait_while(self.1.0.lock().unwrap(), |is_open| !*is_open).unwrap());
            self.0.write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Writable for Blocked {
        fn wait(&mut self) -> std::io::Result<()> {
            unreachable!("it blocks")
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_the_count_is_reported_when_they_can() {
        static LOG: OnceLock<Log> = OnceLock::new();
        let report = |dropped| LOG.get().unwrap().push(format!("{dropped} dropped\n").into_bytes());
        let full = Act::Fail(ErrorKind::StorageFull);
        // The second line is torn; the first report is lost, and what it counts is not.
        let script = [full, Act::Take(2), full, Act::Take(1), Act::Take(6), full];
        let target = Scripted::new(script);
        let log = LOG.get_or_init(|| Log::start(target.clone(), report).unwrap());
        for line in ["one\n", "two\n", "three\n"] {
            log.push(line.into());
            log.flush();
        }
        assert_eq!(target.text(), "tw\nthree\n");
        log.push(b"four\n".to_vec());
        log.flush();
        assert_eq!(target.text(), "tw\nthree\nfour\n2 dropped\n");
    }

    #[test]
    fn a_reader_that_takes_nothing_costs_lines_and_holds_nobody_up() {
        let (target, gate) = (Scripted::default(), Arc::new((Mutex::new(false), Condvar::new())));
        let log = Log::start(Blocked(target.clone(), Arc::clone(&gate)), |_| ()).unwrap();
        let line = vec![b'x'; 1 << 20];
        let began = Instant::now();
        (0..20).for_each(|_| log.push(line.clone()));
        log.flush();
        assert!(began.elapsed() < LONGEST_FLUSH, "{:?}", began.elapsed());
        assert_eq!(log.lock().dropped, 12, "the queue is bounded");
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
        log.flush();
        assert_eq!(target.seen.lock().unwrap().len(), 8 << 20);
    }

    #[test]
    fn what_a_command_was_asked_to_say_waits_for_its_reader() {
        let (target, gate) = (Scripted::default(), Arc::new((Mutex::new(false), Condvar::new())));
        let log = Log::start(Blocked(target.clone(), Arc::clone(&gate)), |_| ()).unwrap();
        let said = log.clone();
        let saying = std::thread::spawn(move || (0..20).for_each(|_| said.push_patiently(vec![b'x'; 1 << 20])));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!saying.is_finished());
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
        saying.join().unwrap();
        log.flush_patiently();
        assert_eq!(target.seen.lock().unwrap().len(), 20 << 20);
    }
}
