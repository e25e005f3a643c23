//! The read connections: all that will ever be needed, opened with the journal, so that a lack of descriptors later stops no read.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::journal::JournalError;
use crate::journal::fail::{Done, unusable};
use crate::journal::schema;
use crate::journal::tx::Ground;

/// Read connections, and most readers at once. A reader beyond it waits for a place: each connection costs a few descriptors and a page
/// cache, and more than a few at once only wait for the disk.
pub(super) const MOST: usize = 8;

/// The pool.
pub(super) struct Readers {
    ground: Arc<Ground>,
    places: Arc<Semaphore>,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    connections: Vec<Connection>,
    is_closed: bool,
}

impl Readers {
    /// A pool with `connections`, which more are opened beside as they are needed.
    pub(super) fn new(ground: Arc<Ground>, connections: Vec<Connection>) -> Self {
        let idle = Idle { connections, is_closed: false };
        Self { ground, places: Arc::new(Semaphore::new(MOST)), idle: Mutex::new(idle) }
    }

    /// As many connections as there are places, with every file open that they need.
    pub(super) fn open_all(ground: &Ground) -> Done<Vec<Connection>> {
        (0..MOST).map(|_| open(ground)).collect()
    }

    /// A place among those that read at the same time; waits for one. It is to be kept until the connection is given back.
    pub(super) async fn place(&self) -> Result<OwnedSemaphorePermit, JournalError> {
        self.places.clone().acquire_owned().await.map_err(|_| self.closed())
    }

    /// Waits until nobody reads any more; whoever comes later gets an error.
    pub(super) async fn finish(&self) {
        drop(self.close());
        let all = u32::try_from(MOST).unwrap_or(u32::MAX);
        // An error means that nobody can get a place any more, which is as good.
        drop(self.places.acquire_many(all).await);
    }

    /// A connection for somebody who has a place. Opening one takes time: the pool is not locked meanwhile.
    pub(super) fn take(&self) -> Result<Connection, JournalError> {
        {
            let mut idle = self.lock();
            if idle.is_closed {
                return Err(self.closed());
            }
            if let Some(connection) = idle.connections.pop() {
                return Ok(connection);
            }
        }
        let path = &self.ground.path;
        self.ground.patience.open(path, || open(&self.ground)).map_err(|e| e.into_error(path))
    }

    /// Keeps a connection for the next reader, unless its transaction could not be ended.
    pub(super) fn keep(&self, connection: Connection) {
        let mut idle = self.lock();
        if !idle.is_closed && connection.is_autocommit() {
            idle.connections.push(connection);
        }
    }

    /// Nobody gets a connection any more; returns those that nobody uses.
    pub(super) fn close(&self) -> Vec<Connection> {
        let mut idle = self.lock();
        idle.is_closed = true;
        std::mem::take(&mut idle.connections)
    }

    fn closed(&self) -> JournalError {
        unusable(&self.ground.path, "the journal is closed")
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

/// A connection that has read something: only then the log is open too.
fn open(ground: &Ground) -> Done<Connection> {
    let connection = schema::read_only(&ground.path)?;
    schema::id(&connection)?;
    Ok(connection)
}
