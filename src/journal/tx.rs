//! What a piece of work inside a transaction may use.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rusqlite::{Connection, Params, Row};

use crate::clock::{Clock, Millis};
use crate::journal::JournalError;
use crate::journal::fail::{Done, unusable};
use crate::journal::policy;
use crate::journal::sqlite::Options;
use crate::journal::wait::Patience;
use crate::org::directory::Directory;

/// What all transactions of one open journal share.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) path: PathBuf,
    pub(super) options: Options,
    pub(super) clock: Clock,
    pub(super) known: KnownDirectory,
    pub(super) steps: Steps,
    /// How long it is waited for other programs.
    pub(super) patience: Patience,
    /// Why nothing may be read or written any more: a file of the journal was removed, moved or replaced.
    lost: OnceLock<String>,
    /// Whether the last commit left the journal full.
    full: AtomicBool,
    /// See [`Pinned`].
    pub(super) pinned: Pinned,
}

/// Rows that one bounded transaction takes at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    /// Held records that a release or an expiry looks at.
    pub(super) held: usize,
    /// Batches that a replay looks at, and dead letters that are sent again or dropped.
    pub(super) replay: usize,
    /// Batches that trimming looks at, and rows that it removes.
    pub(super) trim: usize,
}

/// By partition, the sequence below which every batch that is left is needed by a reference or a dead letter, as trimming last
/// found. It only saves looking at them again, and is forgotten at each maintenance.
#[derive(Debug, Default)]
pub(super) struct Pinned(Mutex<HashMap<i64, u64>>);

/// A write transaction; everything in it happens, or nothing.
pub(super) struct Tx<'a> {
    pub(super) connection: &'a Connection,
    pub(super) ground: &'a Ground,
    /// The directory of this transaction's own, not yet committed version.
    own: RefCell<Option<Arc<Directory>>>,
    /// Whether a deliverer or the server of requests has something new to look at.
    news: Cell<bool>,
}

/// A read transaction: one consistent moment.
pub(super) struct View<'a> {
    pub(super) connection: &'a Connection,
    pub(super) ground: &'a Ground,
}

/// The newest directory that was built from committed data.
#[derive(Debug, Default)]
pub(super) struct KnownDirectory(Mutex<Option<Arc<Directory>>>);

impl Default for Steps {
    fn default() -> Self {
        Self { held: 512, replay: 64, trim: 512 }
    }
}

impl Ground {
    pub(super) fn new(path: PathBuf, options: Options, clock: Clock, steps: Steps, patience: Patience) -> Self {
        Self {
            path,
            options,
            clock,
            known: KnownDirectory::default(),
            steps,
            patience,
            lost: OnceLock::new(),
            full: AtomicBool::new(false),
            pinned: Pinned::default(),
        }
    }

    /// The error of every read and write once a file of the journal was removed, moved or replaced.
    pub(super) fn lost(&self) -> Option<JournalError> {
        self.lost.get().map(|reason| unusable(&self.path, reason.as_str()))
    }

    pub(super) fn set_lost(&self, reason: String) {
        // There is one connection that can lose its file.
        drop(self.lost.set(reason));
    }

    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    pub(super) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }
}

impl Pinned {
    /// The first sequence of a partition that is worth looking at.
    pub(super) fn below(&self, partition: i64) -> u64 {
        let below = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        below.get(&partition).copied().unwrap_or(0)
    }

    pub(super) fn set(&self, partition: i64, below: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, below);
    }

    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl<'a> Tx<'a> {
    pub(super) fn new(connection: &'a Connection, ground: &'a Ground) -> Self {
        Self { connection, ground, own: RefCell::default(), news: Cell::new(false) }
    }

    /// The time under which something is stored; see [`Clock::stamp`].
    pub(super) fn now(&self) -> Millis {
        self.ground.clock.stamp()
    }

    /// Policy, accounts and sites as this transaction sees them.
    pub(super) fn directory(&self) -> Done<Arc<Directory>> {
        let version = policy::version(self.connection)?;
        if let Some(own) = self.own.borrow().as_ref().filter(|own| own.version == version) {
            return Ok(own.clone());
        }
        if let Some(known) = self.ground.known.get(version) {
            return Ok(known);
        }
        let built = Arc::new(policy::build(self.connection, version)?);
        self.own.replace(Some(built.clone()));
        Ok(built)
    }

    /// Forgets what was built from a change that did not happen.
    pub(super) fn undone(&self) {
        self.own.replace(None);
    }

    /// The directory that the commit made true, if it was built.
    pub(super) fn committed(&self) {
        if let Some(own) = self.own.borrow().as_ref() {
            self.ground.known.put(own);
        }
    }

    /// Says that there is something new for those who watch the journal.
    pub(super) fn announce(&self) {
        self.news.set(true);
    }

    /// Whether there is something new.
    pub(super) fn has_news(&self) -> bool {
        self.news.get()
    }

    /// Runs one statement whose text is kept prepared; returns the rows that it changed.
    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Done<usize> {
        Ok(self.connection.prepare_cached(sql)?.execute(params)?)
    }
}

impl View<'_> {
    /// Policy, accounts and sites as this transaction sees them.
    pub(super) fn directory(&self) -> Done<Arc<Directory>> {
        let version = policy::version(self.connection)?;
        if let Some(known) = self.ground.known.get(version) {
            return Ok(known);
        }
        let built = Arc::new(policy::build(self.connection, version)?);
        self.ground.known.put(&built);
        Ok(built)
    }
}

impl KnownDirectory {
    fn get(&self, version: u64) -> Option<Arc<Directory>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().filter(|known| known.version == version).cloned()
    }

    /// Keeps `directory` unless a newer one is known: a reader may be behind the writer.
    fn put(&self, directory: &Arc<Directory>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|known| known.version <= directory.version) {
            *known = Some(directory.clone());
        }
    }
}

/// All rows of a query whose text is kept prepared.
pub(super) fn rows<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Done<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = statement.query(params)?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

/// The first row of a query whose text is kept prepared.
pub(super) fn first<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Done<Option<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = statement.query(params)?;
    Ok(found.next()?.map(read).transpose()?)
}
