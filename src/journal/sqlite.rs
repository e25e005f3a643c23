//! The handle of a journal in an SQLite file: opening, closing, and the two ways into it, a read and a write transaction.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;
use uuid::Uuid;

use crate::clock::Clock;
use crate::diagnostic::panics::Panicked;
use crate::journal::JournalError;
use crate::journal::fail::{Done, unusable};
use crate::journal::guard::Guard;
use crate::journal::lock::{Beside, Lock};
use crate::journal::readers::Readers;
use crate::journal::schema;
use crate::journal::space;
use crate::journal::tx::{Ground, Steps, Tx, View};
use crate::journal::wait::Patience;
use crate::journal::writer::{Opened, Writer};
use crate::record::AccountUid;

/// Pages of SQLite's default size.
const PAGE_BYTES: u64 = 4096;

/// What the configuration says about the journal (contract.md section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Delivered records are kept this long for replay.
    pub retain: Duration,
    /// At this size, in bytes, collectors of records pause.
    pub max_bytes: u64,
    /// Held records are kept this long.
    pub hold_for: Duration,
}

/// An open journal. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Journal {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) ground: Arc<Ground>,
    /// Accounts that this process has opened, by uid, with their configured name.
    pub(super) open_accounts: Mutex<HashMap<AccountUid, String>>,
    id: Uuid,
    /// Dropped before the writer, which has the lock.
    pub(super) readers: Readers,
    /// `None` for a journal that is only looked at.
    pub(super) writer: Option<Arc<Writer>>,
}

impl Journal {
    /// Opens the journal at `path` for writing, makes it if there is none, and keeps every other instance out until it is closed.
    ///
    /// A file that is damaged, foreign or of a newer vintner is refused and not touched.
    pub fn open(path: &Path, options: Options, clock: Clock) -> Result<Self, JournalError> {
        Self::open_with(path, options, clock, Steps::default())
    }

    /// The same, with other bounds of what one transaction does.
    pub(super) fn open_with(path: &Path, options: Options, clock: Clock, steps: Steps) -> Result<Self, JournalError> {
        let asked = path;
        let path = real_path(asked)?;
        let beside = Beside::take(&path)?;
        if !exists(&path)? {
            schema::create(&path)?;
        }
        let lock = beside.with_journal(&path)?;
        schema::inspect_log(&path)?;
        schema::inspect(&path, lock.journal())?;
        let ground = Arc::new(Ground::new(path, options, clock, steps, Patience::endless()));
        let opened = open_writer(&ground, asked, lock).map_err(|e| e.into_error(&ground.path));
        let (id, opened) = opened?;
        let connections = Readers::open_all(&ground).map_err(|e| e.into_error(&ground.path))?;
        let writer = Arc::new(Writer::new(ground.clone(), opened));
        Ok(Self::new(ground, id, Some(writer), connections))
    }

    /// Opens the journal at `path` only to look, beside a running instance or without one. Nothing is created or changed;
    /// what would write (but [`Journal::ask`]) ends with [`JournalError::Unusable`].
    pub fn open_reader(path: &Path, clock: Clock) -> Result<Self, JournalError> {
        let path = real_path(path)?;
        if !exists(&path)? {
            return Err(unusable(&path, "there is no journal: `vintner run` makes one"));
        }
        schema::inspect(&path, None)?;
        let connection = schema::read_only(&path).map_err(|e| e.into_error(&path))?;
        schema::require_newest(&connection, &path)?;
        let id = schema::id(&connection).map_err(|e| e.into_error(&path))?;
        let options = Options { retain: Duration::MAX, max_bytes: u64::MAX, hold_for: Duration::MAX };
        let ground = Arc::new(Ground::new(path, options, clock, Steps::default(), Patience::of(schema::BUSY)));
        Ok(Self::new(ground, id, None, vec![connection]))
    }

    /// The journal's random id, made at its creation.
    pub fn id(&self) -> Uuid {
        self.inner.id
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.inner.ground.path
    }

    /// The clock that it was opened with.
    pub fn clock(&self) -> &Clock {
        &self.inner.ground.clock
    }

    /// Changes after each commit of this process that appended records, replays or requests. A journal that is only looked at never
    /// says anything.
    pub fn changed(&self) -> watch::Receiver<u64> {
        match &self.inner.writer {
            Some(writer) => writer.changed(),
            None => watch::Sender::new(0).subscribe(),
        }
    }

    /// Whether it is the journal at `path`, however that is spelled.
    pub fn is_at(&self, path: &Path) -> bool {
        real_path(path).is_ok_and(|real| real == self.path())
    }

    /// The same journal under other options: no other instance gets in between. This handle and its clones are closed.
    pub async fn under(&self, options: Options) -> Result<Self, JournalError> {
        if self.inner.ground.options == options {
            return Ok(self.clone());
        }
        let inner = self.inner.clone();
        self.blocking(move || {
            let path = inner.ground.path.clone();
            let writer = inner.writer.as_ref().ok_or_else(|| unusable(&path, "it was opened only to look"))?;
            let opened = writer.give_up()?;
            let connections = inner.readers.close();
            let (clock, steps) = (inner.ground.clock.clone(), inner.ground.steps);
            let ground = Arc::new(Ground::new(path, options, clock, steps, Patience::endless()));
            let connection = &opened.connection;
            let settled = size_log(&ground, connection).and_then(|()| space::note_fullness(connection, &ground));
            settled.map_err(|e| e.into_error(&ground.path))?;
            let writer = Arc::new(Writer::new(ground.clone(), opened));
            Ok(Self::new(ground, inner.id, Some(writer), connections))
        })
        .await
    }

    /// Writes everything into the one file, removes the log beside it and lets other instances in. Later calls, also of
    /// clones, end with [`JournalError::Unusable`].
    pub async fn close(&self) -> Result<(), JournalError> {
        let inner = self.inner.clone();
        inner.ground.patience.close();
        inner.readers.finish().await;
        self.blocking(move || inner.writer.as_ref().map_or(Ok(()), |writer| writer.close())).await
    }

    /// Looks whether the names of its files still lead to the files that are open. If one was removed, moved or replaced, the journal
    /// has ended, its contents are saved as far as possible, and the error says what to do; every later call ends with it too. To be
    /// called every few seconds. Returns whether the journal has a second name.
    pub async fn inspect_files(&self) -> Result<bool, JournalError> {
        let inner = self.inner.clone();
        self.blocking(move || inner.writer.as_ref().map_or(Ok(false), |writer| writer.inspect())).await
    }

    /// Ends every wait for other programs, now and later, with an error: a stop has no more time.
    pub fn stop_waiting(&self) {
        self.inner.ground.patience.close();
    }

    /// What the journal waits for at this moment, or why it has ended. Reads no file.
    pub fn trouble(&self) -> Option<String> {
        let ground = &self.inner.ground;
        let lost = ground.lost().map(|error| error.to_string());
        lost.or_else(|| ground.patience.obstacle().map(|obstacle| obstacle.to_string()))
    }

    /// Does `work` in a write transaction and answers once it is durable.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Done<T> + Send + 'static,
    {
        match &self.inner.writer {
            Some(writer) => writer.submit(work).await,
            None => Err(unusable(self.path(), "it was opened only to look")),
        }
    }

    /// Does `work` in a read transaction.
    pub(super) async fn look<T, F>(&self, work: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnOnce(&View<'_>) -> Done<T> + Send + 'static,
    {
        let inner = self.inner.clone();
        let place = inner.readers.place().await?;
        self.blocking(move || {
            if let Some(lost) = inner.ground.lost() {
                return Err(lost);
            }
            let connection = inner.readers.take()?;
            let (found, is_clean) = in_read(&connection, &inner.ground, work);
            if is_clean {
                inner.readers.keep(connection);
            }
            drop(place);
            found.map_err(|e| e.into_error(&inner.ground.path))
        })
        .await
    }

    /// Whether this handle may write.
    pub(super) fn writes(&self) -> bool {
        self.inner.writer.is_some()
    }

    /// Runs `work` on the blocking pool.
    pub(super) async fn blocking<T, F>(&self, work: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, JournalError> + Send + 'static,
    {
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(ended) => match Panicked::of_task(ended) {
                // A panic is no fault of the journal: it goes on in the task that asked.
                Some(panicked) => std::panic::resume_unwind(Box::new(panicked)),
                None => Err(unusable(self.path(), "a read of it has stopped")),
            },
        }
    }

    fn new(ground: Arc<Ground>, id: Uuid, writer: Option<Arc<Writer>>, readers: Vec<Connection>) -> Self {
        let readers = Readers::new(ground.clone(), readers);
        let inner = Inner { ground, open_accounts: Mutex::default(), id, readers, writer };
        Self { inner: Arc::new(inner) }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The work in hand may keep the writer for a moment longer, and with it the lock, which must outlive every connection.
        drop(self.readers.close());
        if let Some(writer) = &self.writer {
            writer.abandon();
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("path", &self.inner.ground.path).field("id", &self.inner.id).finish()
    }
}

#[cfg(test)]
impl Inner {
    pub(super) fn idle_readers(&self) -> usize {
        self.readers.idle()
    }
}

/// What `work` found in a transaction, and whether the connection is as it was before. One that is not would answer later reads from
/// an old moment, and keep the write-ahead log from being cut.
fn in_read<T>(connection: &Connection, ground: &Ground, work: impl FnOnce(&View<'_>) -> Done<T>) -> (Done<T>, bool) {
    // Reading something takes the moment that all that follows is of; after that no lock is in the way.
    if let Err(fail) = ground.patience.begin(connection, "BEGIN; SELECT 1 FROM meta", &ground.path) {
        return (Err(fail), connection.is_autocommit());
    }
    let found = work(&View { connection, ground });
    (found, connection.execute_batch("ROLLBACK").is_ok())
}

fn open_writer(ground: &Ground, asked: &Path, lock: Lock) -> Done<(Uuid, Opened)> {
    let connection = schema::read_write(&ground.path)?;
    size_log(ground, &connection)?;
    schema::migrate(&connection, &ground.path, &ground.patience)?;
    space::note_fullness(&connection, ground)?;
    let id = schema::id(&connection)?;
    // The log exists by now.
    let guard = Guard::new(asked, &ground.path, lock);
    Ok((id, Opened { connection, guard }))
}

/// A large log saves writing pages that change again soon; a small journal needs a small one, since it counts.
fn size_log(ground: &Ground, connection: &Connection) -> Done<()> {
    let pages = (ground.options.max_bytes / 16 / PAGE_BYTES).clamp(16, 4096);
    Ok(connection.pragma_update(None, "wal_autocheckpoint", pages)?)
}

/// The path without symbolic links, so that two names of one journal share its lock.
fn real_path(path: &Path) -> Result<PathBuf, JournalError> {
    let missing = |e: std::io::Error| unusable(path, format!("its directory cannot be used ({e})"));
    let name = path.file_name().ok_or_else(|| unusable(path, "it names no file"))?;
    match std::fs::canonicalize(path) {
        Ok(real) => Ok(real),
        Err(_) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Ok(std::fs::canonicalize(parent).map_err(missing)?.join(name))
        }
    }
}

fn exists(path: &Path) -> Result<bool, JournalError> {
    path.try_exists().map_err(|e| unusable(path, format!("it cannot be looked at ({e})")))
}
