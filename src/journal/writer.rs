//! Group commit: everything that waits is written in one transaction, with one fsync.
//!
//! Whoever finds no drain under way starts one on the blocking pool; the others only queue. It must be that pool and no
//! thread of our own, since a simulation's paused clock stands still while the pool is at work.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::diagnostic::causes;
use crate::journal::JournalError;
use crate::journal::fail::{Done, Fail, unusable};
use crate::journal::guard::{Guard, Loss};
use crate::journal::rescue;
use crate::journal::space;
use crate::journal::tx::{Ground, Tx};
use crate::journal::work::{Piece, Ran, Work, Written, answer_all};

/// Most pieces of work that wait; callers beyond it wait for a place.
const QUEUE: usize = 256;
/// Most pieces of work in one transaction, so that the first answer is not delayed without bound.
const GROUP: usize = 64;

/// How often, and how long each time, an inspection waits for the writer to be idle.
const INSPECTIONS: usize = 100;
const MOMENT: Duration = Duration::from_millis(10);

/// The one writing connection and the work that waits for it.
pub(super) struct Writer {
    ground: Arc<Ground>,
    changed: watch::Sender<u64>,
    places: Arc<Semaphore>,
    queue: Mutex<Queue>,
    slot: Mutex<Slot>,
}

/// The journal's one writing connection, and the lock on it, which must outlive the connection.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) guard: Guard,
}

enum Slot {
    Open(Opened),
    /// A file of it was removed, moved or replaced; the lock still keeps other instances out.
    Lost {
        _guard: Guard,
    },
    Closed,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    draining: bool,
}

struct Waiting {
    work: Box<dyn Work>,
    _place: OwnedSemaphorePermit,
}

impl Writer {
    pub(super) fn new(ground: Arc<Ground>, opened: Opened) -> Self {
        Self {
            ground,
            changed: watch::Sender::new(0),
            places: Arc::new(Semaphore::new(QUEUE)),
            queue: Mutex::default(),
            slot: Mutex::new(Slot::Open(opened)),
        }
    }

    /// Counts the commits that brought something new.
    pub(super) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Does `work` in the next transaction and answers once that is durable; panics if `work` does, and nothing of it is kept. A caller that is cancelled while it waits for a
    /// place has asked nothing; afterwards its work is done whole.
    pub(super) async fn submit<T, F>(self: &Arc<Self>, work: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Done<T> + Send + 'static,
    {
        let stopped = || unusable(&self.ground.path, "its writer has stopped");
        let place = self.places.clone().acquire_owned().await.map_err(|_| stopped())?;
        let (reply, answer) = oneshot::channel();
        let work = Box::new(Piece::new(work, reply));
        if self.push(Waiting { work, _place: place }) {
            let writer = self.clone();
            // The task ends by itself when the queue is empty; whoever waits for an answer waits for it.
            drop(tokio::task::spawn_blocking(move || writer.drain()));
        }
        match answer.await.map_err(|_| stopped())?? {
            Ok(result) => Ok(result),
            Err(panicked) => std::panic::resume_unwind(Box::new(panicked)),
        }
    }

    /// Writes everything back into the file, ends the connection, lets other instances in; nothing can be written any more.
    pub(super) fn close(&self) -> Result<(), JournalError> {
        self.ground.patience.close();
        let mut slot = self.slot();
        self.look_after(&mut slot);
        let Slot::Open(Opened { connection, guard }) = std::mem::replace(&mut *slot, Slot::Closed) else {
            return Ok(());
        };
        let written = space::truncate_wal(&connection);
        let closed = connection.close().map_err(|(_, e)| Fail::Sql(e));
        drop(guard);
        written.map(drop).and(closed).map_err(|e| e.into_error(&self.ground.path))
    }

    /// Gives the connection away; nothing can be written here any more.
    pub(super) fn give_up(&self) -> Result<Opened, JournalError> {
        let mut slot = self.slot();
        self.look_after(&mut slot);
        match std::mem::replace(&mut *slot, Slot::Closed) {
            Slot::Open(opened) => Ok(opened),
            other @ (Slot::Lost { .. } | Slot::Closed) => {
                *slot = other;
                Err(self.closed())
            }
        }
    }

    /// An error if a file of the journal was removed, moved or replaced; else whether the journal has a second name. While the writer is
    /// at work it looks itself.
    pub(super) fn inspect(&self) -> Result<bool, JournalError> {
        let Some(mut slot) = (0..INSPECTIONS).find_map(|_| self.try_slot()) else { return Ok(false) };
        self.look_after(&mut slot);
        match &*slot {
            Slot::Open(opened) => Ok(opened.guard.has_other_names()),
            Slot::Lost { .. } => Err(self.closed()),
            Slot::Closed => Ok(false),
        }
    }

    /// Writes the write-ahead log back and cuts it if it is large; says whether it did.
    pub(super) fn shorten_wal(&self) -> Result<bool, JournalError> {
        let slot = self.slot();
        let Slot::Open(Opened { connection, .. }) = &*slot else { return Ok(false) };
        if !space::wal_is_large(&self.ground) {
            return Ok(false);
        }
        let cut = space::truncate_wal(connection).and_then(|cut| {
            space::note_fullness(connection, &self.ground)?;
            Ok(cut)
        });
        cut.map_err(|e| e.into_error(&self.ground.path))
    }

    /// The slot, unless the writer is at work for longer than a moment.
    fn try_slot(&self) -> Option<MutexGuard<'_, Slot>> {
        match self.slot.try_lock() {
            Ok(slot) => Some(slot),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(MOMENT);
                None
            }
        }
    }

    /// Lets other instances in at once, for a journal that nobody has any more and that was not closed.
    pub(super) fn abandon(&self) {
        self.ground.patience.close();
        *self.slot() = Slot::Closed;
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing can be written.
    fn closed(&self) -> JournalError {
        self.ground.lost().unwrap_or_else(|| unusable(&self.ground.path, "the journal is closed"))
    }

    /// Ends the journal if a file of it was removed, moved or replaced.
    fn look_after(&self, slot: &mut Slot) {
        let Slot::Open(opened) = slot else { return };
        let Some(loss) = opened.guard.loss() else { return };
        let Slot::Open(opened) = std::mem::replace(slot, Slot::Closed) else { return };
        *slot = Slot::Lost { _guard: self.lose(opened, &loss) };
    }

    fn lose(&self, opened: Opened, loss: &Loss) -> Guard {
        let Opened { connection, guard } = opened;
        let text = rescue::end(connection, &guard, &self.ground.path, loss);
        self.ground.set_lost(text);
        guard
    }

    /// Queues; says whether nobody drains, so that the caller must.
    fn push(&self, waiting: Waiting) -> bool {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.push_back(waiting);
        !std::mem::replace(&mut queue.draining, true)
    }

    /// The next group; `None` ends the drain, under the same lock that a newcomer takes, so that none is overlooked.
    fn next_group(&self) -> Option<Vec<Box<dyn Work>>> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let size = queue.waiting.len().min(GROUP);
        queue.draining = size > 0;
        (size > 0).then(|| queue.waiting.drain(..size).map(|waiting| waiting.work).collect())
    }

    fn drain(&self) {
        let _abandon = Abandon(self);
        while let Some(group) = self.next_group() {
            let mut slot = self.slot();
            self.look_after(&mut slot);
            let written = match &*slot {
                Slot::Open(opened) => self.write(&opened.connection, group),
                Slot::Lost { .. } | Slot::Closed => {
                    answer_all(group, &|| self.closed());
                    continue;
                }
            };
            // What was written to a file that was removed meanwhile must not be confirmed.
            self.look_after(&mut slot);
            match &*slot {
                Slot::Open(opened) => {
                    written.answer(&self.ground);
                    self.keep_wal_small(&opened.connection);
                }
                Slot::Lost { .. } | Slot::Closed => answer_all(written.group, &|| self.closed()),
            }
        }
    }

    /// One transaction: each piece of work in a savepoint of its own, so that a refused one takes no other with it.
    fn write(&self, connection: &Connection, mut group: Vec<Box<dyn Work>>) -> Written {
        let tx = Tx::new(connection, &self.ground);
        let mut refused = Vec::new();
        match transaction(&tx, &mut group, &mut refused) {
            Ok(()) => {
                tx.committed();
                self.note_fullness(connection);
                if tx.has_news() {
                    self.changed.send_modify(|count| *count = count.wrapping_add(1));
                }
                Written { group, outcome: Ok(refused) }
            }
            Err(fail) => {
                if !connection.is_autocommit() {
                    // A failed rollback leaves a connection on which the next BEGIN fails, with the same consequence.
                    drop(connection.execute_batch("ROLLBACK"));
                }
                Written { group, outcome: Err(fail) }
            }
        }
    }

    /// The write-ahead log counts for `max_bytes`; past a quarter of it, it goes back into the file. A reader may be in the way:
    /// then the next commit tries again.
    fn keep_wal_small(&self, connection: &Connection) {
        if !space::wal_is_large(&self.ground) {
            return;
        }
        match space::truncate_wal(connection) {
            Ok(_) => self.note_fullness(connection),
            Err(error) => {
                let error = error.into_error(&self.ground.path);
                tracing::warn!(error = causes::line(&error), "the journal's write-ahead log cannot be written back");
            }
        }
    }

    fn note_fullness(&self, connection: &Connection) {
        if let Err(error) = space::note_fullness(connection, &self.ground) {
            let error = error.into_error(&self.ground.path);
            tracing::warn!(error = causes::line(&error), "the journal's counters cannot be read");
        }
    }
}

/// Ends a drain that did not end by itself (a panic): callers get an error instead of waiting for ever.
struct Abandon<'a>(&'a Writer);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.draining = false;
            queue.waiting.clear();
        }
    }
}

/// Runs the group and commits; `refused` gets one entry for each piece of work. Where nothing changed, nothing is written.
fn transaction(tx: &Tx<'_>, group: &mut [Box<dyn Work>], refused: &mut Vec<Option<Fail>>) -> Done<()> {
    let connection = tx.connection;
    tx.ground.patience.begin(connection, "BEGIN IMMEDIATE", &tx.ground.path)?;
    let mut changed = false;
    for work in group {
        let before = connection.total_changes();
        connection.execute_batch("SAVEPOINT work")?;
        let fail = match work.run(tx) {
            // After some errors the engine ends the transaction by itself: what follows would only hide the first error.
            Err(fail) if fail.ends_transaction() || connection.is_autocommit() => return Err(fail),
            _ if connection.is_autocommit() => return Err(Fail::damaged("a transaction has ended before its end")),
            Ok(Ran::ToItsEnd) => {
                connection.execute_batch("RELEASE work")?;
                changed |= connection.total_changes() != before;
                refused.push(None);
                continue;
            }
            Ok(Ran::Panicked) => None,
            Err(fail) => Some(fail),
        };
        connection.execute_batch("ROLLBACK TO work; RELEASE work")?;
        tx.undone();
        refused.push(fail);
    }
    connection.execute_batch(if changed { "COMMIT" } else { "ROLLBACK" })?;
    Ok(())
}
