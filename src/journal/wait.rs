//! Waiting for what passes: another program's lock on the journal, and descriptors that are all in use.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use crate::diagnostic::words;
use crate::journal::fail::{Done, Fail};
use crate::journal::schema;

/// One attempt waits this long for a lock.
const ATTEMPT: Duration = Duration::from_secs(1);

/// Between two attempts to open a file.
const PAUSE: Duration = Duration::from_millis(250);

/// A wait is logged after this, and every minute.
const FIRST_WARNING: Duration = Duration::from_secs(5);
const NEXT_WARNING: Duration = Duration::from_secs(60);

/// What the journal waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// Another program has a lock on it.
    Lock,
    /// This process or the system has no descriptors left.
    Descriptors,
}

/// How long an open journal waits, and what for at this moment.
#[derive(Debug)]
pub(super) struct Patience {
    /// `None`: until it is closed.
    limit: Option<Duration>,
    is_closing: AtomicBool,
    /// How many wait for a lock, and for descriptors.
    waiting: [AtomicUsize; 2],
}

/// One who waits; counted until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Patience {
    /// Waits until the journal is closed.
    pub(super) fn endless() -> Self {
        Self { limit: None, is_closing: AtomicBool::new(false), waiting: Default::default() }
    }

    /// Waits that long.
    pub(super) fn of(limit: Duration) -> Self {
        Self { limit: Some(limit), ..Self::endless() }
    }

    /// Ends every wait, with the error that it waits for to pass.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
    }

    /// What is waited for, if anything.
    pub(super) fn obstacle(&self) -> Option<Obstacle> {
        [Obstacle::Lock, Obstacle::Descriptors].into_iter().find(|some| self.count(*some).load(Ordering::Relaxed) > 0)
    }

    fn count(&self, obstacle: Obstacle) -> &AtomicUsize {
        let [lock, descriptors] = &self.waiting;
        match obstacle {
            Obstacle::Lock => lock,
            Obstacle::Descriptors => descriptors,
        }
    }

    /// Begins a transaction with `sql`, whose last statement takes the lock.
    pub(super) fn begin(&self, connection: &Connection, sql: &str, path: &Path) -> Done<()> {
        connection.busy_timeout(ATTEMPT)?;
        let begun = self.until(path, ATTEMPT, || {
            let begun = connection.execute_batch(sql);
            if begun.is_err() && !connection.is_autocommit() {
                connection.execute_batch("ROLLBACK")?;
            }
            Ok(begun?)
        });
        connection.busy_timeout(schema::BUSY)?;
        begun
    }

    /// Opens a connection with `open`.
    pub(super) fn open(&self, path: &Path, open: impl FnMut() -> Done<Connection>) -> Done<Connection> {
        self.until(path, PAUSE, open)
    }

    /// Does `work` until it meets no obstacle any more. One attempt takes about `each`, or is followed by a pause of that length.
    fn until<T>(&self, path: &Path, each: Duration, mut work: impl FnMut() -> Done<T>) -> Done<T> {
        let (mut waited, mut next_warning) = (Duration::ZERO, FIRST_WARNING);
        let mut waiting = None;
        loop {
            let fail = match work() {
                Ok(done) => {
                    if waited >= FIRST_WARNING {
                        tracing::info!(journal = %path.display(), waited = words::duration(waited), "the journal can be used again");
                    }
                    return Ok(done);
                }
                Err(fail) => fail,
            };
            let is_over = self.is_closing.load(Ordering::Acquire) || self.limit.is_some_and(|limit| waited >= limit);
            let Some(obstacle) = obstacle(&fail).filter(|_| !is_over) else { return Err(fail) };
            if waiting.is_none() {
                waiting = Some(Waiting::new(self.count(obstacle)));
            }
            if obstacle == Obstacle::Descriptors {
                std::thread::sleep(PAUSE);
            }
            waited = waited.saturating_add(each);
            if waited >= next_warning {
                next_warning = waited.saturating_add(NEXT_WARNING);
                let waited = words::duration(waited);
                tracing::warn!(journal = %path.display(), waited, hint = obstacle.hint(), "{obstacle}: vintner waits");
            }
        }
    }
}

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Obstacle {
    fn hint(self) -> &'static str {
        match self {
            Self::Lock => "close what has it open (an SQLite shell, a backup tool); nothing is lost meanwhile",
            Self::Descriptors => "raise `ulimit -n` (systemd: LimitNOFILE); nothing is lost meanwhile",
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lock => "another program keeps the journal locked",
            Self::Descriptors => "no file descriptors are left for the journal",
        })
    }
}

/// What has to pass before the work that failed can be done.
fn obstacle(fail: &Fail) -> Option<Obstacle> {
    let Fail::Sql(error) = fail else { return None };
    let code = error.sqlite_error_code()?;
    let locked = [ErrorCode::DatabaseBusy, ErrorCode::DatabaseLocked, ErrorCode::FileLockingProtocolFailed];
    if locked.contains(&code) {
        return Some(Obstacle::Lock);
    }
    (code == ErrorCode::CannotOpen && are_descriptors_gone()).then_some(Obstacle::Descriptors)
}

/// Whether no file can be opened at all. (Another file than the journal: to close a descriptor of that costs SQLite's locks.)
fn are_descriptors_gone() -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    let opened = std::fs::File::open("/");
    opened.is_err_and(|error| matches!(error.raw_os_error(), Some(ENFILE | EMFILE)))
}
