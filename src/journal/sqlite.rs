//! The handle of a journal in an SQLite file: opening, closing, and the two ways into it, a read and a write transaction.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;
use uuid::Uuid;

use crate::clock::Clock;
use crate::diagnostic::panics::Panicked;
use crate::journal::JournalError;
use crate::journal::fail::{Done, unusable};
use crate::journal::lock::Lock;
use crate::journal::schema;
use crate::journal::tx::{Ground, KnownDirectory, Tx, View};
use crate::journal::writer::Writer;
use crate::record::AccountUid;

/// Read connections that are kept for the next read.
const IDLE_READERS: usize = 4;
/// Pages of SQLite's default size.
const PAGE_BYTES: u64 = 4096;

/// What the configuration says about the journal (contract.md section 2).
#[derive(Clone, Debug)]
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
    /// `None` for a journal that is only looked at.
    writer: Option<Arc<Writer>>,
    readers: Mutex<Readers>,
    /// Given back after the connections are closed: fields are dropped in this order.
    lock: Mutex<Option<Lock>>,
}

#[derive(Default)]
struct Readers {
    idle: Vec<Connection>,
    closed: Closed,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Closed {
    #[default]
    No,
    Yes,
}

impl Journal {
    /// Opens the journal at `path` for writing, makes it if there is none, and keeps every other instance out until it is closed.
    ///
    /// A file that is damaged, foreign or of a newer vintner is refused and not touched.
    pub fn open(path: &Path, options: Options, clock: Clock) -> Result<Self, JournalError> {
        let path = real_path(path)?;
        let lock = Lock::take(&path)?;
        if !exists(&path)? {
            schema::create(&path)?;
        }
        schema::inspect(&path)?;
        let ground = Arc::new(Ground { path, options, clock, known: KnownDirectory::default() });
        let opened = open_writer(&ground).map_err(|e| e.into_error(&ground.path));
        let (id, connection) = opened?;
        let writer = Arc::new(Writer::new(ground.clone(), connection));
        Ok(Self::new(ground, id, Some(writer), Some(lock)))
    }

    /// Opens the journal at `path` only to look, beside a running instance or without one. Nothing is created or changed;
    /// what would write (but [`Journal::ask`]) ends with [`JournalError::Unusable`].
    pub fn open_reader(path: &Path, clock: Clock) -> Result<Self, JournalError> {
        let path = real_path(path)?;
        if !exists(&path)? {
            return Err(unusable(&path, "there is no journal: `vintner run` makes one"));
        }
        schema::inspect(&path)?;
        let connection = schema::read_only(&path).map_err(|e| e.into_error(&path))?;
        schema::require_newest(&connection, &path)?;
        let id = schema::id(&connection).map_err(|e| e.into_error(&path))?;
        let options = Options { retain: Duration::MAX, max_bytes: u64::MAX, hold_for: Duration::MAX };
        let ground = Arc::new(Ground { path, options, clock, known: KnownDirectory::default() });
        let journal = Self::new(ground, id, None, None);
        journal.inner.put_reader(connection);
        Ok(journal)
    }

    /// The journal's random id, made at its creation.
    pub fn id(&self) -> Uuid {
        self.inner.id
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.inner.ground.path
    }

    /// Changes after each commit of this process that appended records, replays or requests. A journal that is only looked at never
    /// says anything.
    pub fn changed(&self) -> watch::Receiver<u64> {
        match &self.inner.writer {
            Some(writer) => writer.changed(),
            None => watch::Sender::new(0).subscribe(),
        }
    }

    /// Writes everything into the one file, removes the log beside it and lets other instances in. Later calls, also of
    /// clones, end with [`JournalError::Unusable`].
    pub async fn close(&self) -> Result<(), JournalError> {
        let inner = self.inner.clone();
        self.blocking(move || {
            {
                let mut readers = inner.readers.lock().unwrap_or_else(PoisonError::into_inner);
                readers.closed = Closed::Yes;
                readers.idle.clear();
            }
            let closed = inner.writer.as_ref().map_or(Ok(()), |writer| writer.close());
            inner.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
            closed
        })
        .await
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
        self.blocking(move || {
            let connection = inner.take_reader()?;
            let (found, is_clean) = in_read(&connection, &inner.ground, work);
            if is_clean {
                inner.put_reader(connection);
            }
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

    fn new(ground: Arc<Ground>, id: Uuid, writer: Option<Arc<Writer>>, lock: Option<Lock>) -> Self {
        let inner = Inner {
            ground,
            open_accounts: Mutex::default(),
            id,
            writer,
            readers: Mutex::default(),
            lock: Mutex::new(lock),
        };
        Self { inner: Arc::new(inner) }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("path", &self.inner.ground.path).field("id", &self.inner.id).finish()
    }
}

impl Inner {
    fn take_reader(&self) -> Result<Connection, JournalError> {
        let path = &self.ground.path;
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.closed == Closed::Yes {
            return Err(unusable(path, "the journal is closed"));
        }
        match readers.idle.pop() {
            Some(connection) => Ok(connection),
            None => schema::read_only(path).map_err(|e| e.into_error(path)),
        }
    }

    #[cfg(test)]
    pub(super) fn idle_readers(&self) -> usize {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).idle.len()
    }

    fn put_reader(&self, connection: Connection) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.closed == Closed::No && readers.idle.len() < IDLE_READERS {
            readers.idle.push(connection);
        }
    }
}

/// What `work` found in a transaction, and whether the connection is as it was before. One that is not would answer later reads from
/// an old moment, and keep the write-ahead log from being cut.
fn in_read<T>(connection: &Connection, ground: &Ground, work: impl FnOnce(&View<'_>) -> Done<T>) -> (Done<T>, bool) {
    if let Err(error) = connection.execute_batch("BEGIN") {
        return (Err(error.into()), false);
    }
    let found = work(&View { connection, ground });
    (found, connection.execute_batch("ROLLBACK").is_ok())
}

fn open_writer(ground: &Ground) -> Done<(Uuid, Connection)> {
    let mut connection = schema::read_write(&ground.path)?;
    // A large log saves writing pages that change again soon; a small journal needs a small one, since it counts.
    let pages = (ground.options.max_bytes / 16 / PAGE_BYTES).clamp(16, 4096);
    connection.pragma_update(None, "wal_autocheckpoint", pages)?;
    schema::migrate(&mut connection)?;
    Ok((schema::id(&connection)?, connection))
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
