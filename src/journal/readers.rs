//! The read connections: a bounded number, opened when they are needed and kept for the next read.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::journal::JournalError;
use crate::journal::fail::unusable;
use crate::journal::schema;

/// Most read connections. A reader beyond it waits for a place: each connection costs a few open files and a page cache, and more
/// than a few at once only wait for the disk.
const MOST: usize = 8;

/// The pool.
pub(super) struct Readers {
    path: PathBuf,
    places: Arc<Semaphore>,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    connections: Vec<Connection>,
    is_closed: bool,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), places: Arc::new(Semaphore::new(MOST)), idle: Mutex::default() }
    }

    /// A place among those that read at the same time; waits for one. It is to be kept until the connection is given back.
    pub(super) async fn place(&self) -> Result<OwnedSemaphorePermit, JournalError> {
        self.places.clone().acquire_owned().await.map_err(|_| unusable(&self.path, "the journal is closed"))
    }

    /// A connection for somebody who has a place. Opening one takes time: the pool is not locked meanwhile.
    pub(super) fn take(&self) -> Result<Connection, JournalError> {
        {
            let mut idle = self.lock();
            if idle.is_closed {
                return Err(unusable(&self.path, "the journal is closed"));
            }
            if let Some(connection) = idle.connections.pop() {
                return Ok(connection);
            }
        }
        schema::read_only(&self.path).map_err(|e| e.into_error(&self.path))
    }

    /// Keeps a connection for the next reader, unless its transaction could not be ended.
    pub(super) fn keep(&self, connection: Connection) {
        let mut idle = self.lock();
        if !idle.is_closed && connection.is_autocommit() {
            idle.connections.push(connection);
        }
    }

    /// Closes all connections; nobody gets one any more.
    pub(super) fn close(&self) {
        let connections = {
            let mut idle = self.lock();
            idle.is_closed = true;
            std::mem::take(&mut idle.connections)
        };
        drop(connections);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connections that wait for a reader.
    #[cfg(test)]
    pub(super) fn idle(&self) -> usize {
        self.lock().connections.len()
    }
}
