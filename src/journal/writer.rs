//! Group commit: everything that waits is written in one transaction, with one fsync.
//!
//! Whoever finds no drain under way starts one on the blocking pool; the others only queue. It must be that pool and no
//! thread of our own, since a simulation's paused clock stands still while the pool is at work.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::diagnostic::panics::{Panicked, caught};
use crate::journal::JournalError;
use crate::journal::fail::{Done, Fail, unusable};
use crate::journal::space;
use crate::journal::tx::{Ground, Tx};

/// Most pieces of work that wait; callers beyond it wait for a place.
const QUEUE: usize = 256;
/// Most pieces of work in one transaction, so that the first answer is not delayed without bound.
const GROUP: usize = 64;

/// The one writing connection and the work that waits for it.
pub(super) struct Writer {
    ground: Arc<Ground>,
    changed: watch::Sender<u64>,
    places: Arc<Semaphore>,
    queue: Mutex<Queue>,
    /// `None` once the journal is closed.
    connection: Mutex<Option<Connection>>,
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

/// A piece of work and the one who waits for its result.
trait Work: Send {
    /// Does it; an error, or a panic, means that nothing of it may be kept.
    fn run(&mut self, tx: &Tx<'_>) -> Done<Ran>;
    /// Answers: with what `run` found, or with `error`.
    fn answer(self: Box<Self>, error: Option<JournalError>);
}

/// How a piece of work ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ran {
    ToItsEnd,
    /// Its caller panics in its place: that is no fault of the journal.
    Panicked,
}

struct Piece<T, F> {
    work: Option<F>,
    result: Option<Result<T, Panicked>>,
    reply: oneshot::Sender<Result<Result<T, Panicked>, JournalError>>,
}

impl<T, F> Work for Piece<T, F>
where
    T: Send,
    F: FnOnce(&Tx<'_>) -> Done<T> + Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> Done<Ran> {
        let Some(work) = self.work.take() else { return Ok(Ran::ToItsEnd) };
        let result = caught(|| work(tx)).map_or_else(|panicked| Ok(Err(panicked)), |done| done.map(Ok))?;
        let ran = if result.is_ok() { Ran::ToItsEnd } else { Ran::Panicked };
        self.result = Some(result);
        Ok(ran)
    }

    fn answer(self: Box<Self>, error: Option<JournalError>) {
        let answer = match (error, self.result) {
            (Some(error), _) => Err(error),
            (None, Some(result)) => Ok(result),
            (None, None) => return,
        };
        // A caller that went away does not need the answer; its work is done all the same.
        drop(self.reply.send(answer));
    }
}

impl Writer {
    pub(super) fn new(ground: Arc<Ground>, connection: Connection) -> Self {
        Self {
            ground,
            changed: watch::Sender::new(0),
            places: Arc::new(Semaphore::new(QUEUE)),
            queue: Mutex::default(),
            connection: Mutex::new(Some(connection)),
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
        let work = Box::new(Piece { work: Some(work), result: None, reply });
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

    /// Writes everything back into the file, ends the connection; nothing can be written any more.
    pub(super) fn close(&self) -> Result<(), JournalError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(connection) = connection else { return Ok(()) };
        space::truncate_wal(&connection).map_err(|e| e.into_error(&self.ground.path))?;
        connection.close().map_err(|(_, e)| Fail::Sql(e).into_error(&self.ground.path))
    }

    /// Gives the connection away; nothing can be written here any more.
    pub(super) fn give_up(&self) -> Option<Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).take()
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
            let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
            match connection.as_ref() {
                Some(connection) => self.write(connection, group),
                None => answer_all(group, &|| unusable(&self.ground.path, "the journal is closed")),
            }
        }
    }

    /// One transaction: each piece of work in a savepoint of its own, so that a refused one takes no other with it.
    fn write(&self, connection: &Connection, mut group: Vec<Box<dyn Work>>) {
        let tx = Tx::new(connection, &self.ground);
        let mut refused = Vec::new();
        match transaction(&tx, &mut group, &mut refused) {
            Ok(()) => {
                tx.committed();
                self.note_fullness(connection);
                if tx.has_news() {
                    self.changed.send_modify(|count| *count = count.wrapping_add(1));
                }
                for (work, fail) in group.into_iter().zip(refused) {
                    work.answer(fail.map(|fail| fail.into_error(&self.ground.path)));
                }
            }
            Err(fail) => {
                // A failed rollback leaves a connection on which the next BEGIN fails, with the same consequence.
                drop(connection.execute_batch("ROLLBACK"));
                let text = fail.into_error(&self.ground.path);
                answer_all(group, &|| again(&text));
            }
        }
        self.keep_wal_small(connection);
    }

    /// The write-ahead log counts for `max_bytes`; past a quarter of it, it goes back into the file. A reader may be in the way:
    /// then the next commit tries again.
    fn keep_wal_small(&self, connection: &Connection) {
        if !space::wal_is_large(&self.ground) {
            return;
        }
        match space::truncate_wal(connection) {
            Ok(_) => self.note_fullness(connection),
            Err(error) => tracing::warn!(error = ?error, "the journal's write-ahead log cannot be written back"),
        }
    }

    fn note_fullness(&self, connection: &Connection) {
        if let Err(error) = space::note_fullness(connection, &self.ground) {
            tracing::warn!(error = ?error, "the journal's counters cannot be read");
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
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let mut changed = false;
    for work in group {
        let before = connection.total_changes();
        connection.execute_batch("SAVEPOINT work")?;
        match work.run(tx) {
            Ok(Ran::ToItsEnd) => {
                connection.execute_batch("RELEASE work")?;
                changed |= connection.total_changes() != before;
                refused.push(None);
            }
            Ok(Ran::Panicked) => {
                connection.execute_batch("ROLLBACK TO work; RELEASE work")?;
                tx.undone();
                refused.push(None);
            }
            Err(fail) if fail.ends_transaction() => return Err(fail),
            Err(fail) => {
                connection.execute_batch("ROLLBACK TO work; RELEASE work")?;
                tx.undone();
                refused.push(Some(fail));
            }
        }
    }
    connection.execute_batch(if changed { "COMMIT" } else { "ROLLBACK" })?;
    Ok(())
}

fn answer_all(group: Vec<Box<dyn Work>>, error: &dyn Fn() -> JournalError) {
    for work in group {
        work.answer(Some(error()));
    }
}

/// The same error for another caller.
fn again(error: &JournalError) -> JournalError {
    match error {
        JournalError::Conflict => JournalError::Conflict,
        JournalError::Full { used, limit } => JournalError::Full { used: *used, limit: *limit },
        JournalError::Locked { path, holder } => JournalError::Locked { path: path.clone(), holder: holder.clone() },
        JournalError::Unusable { path, reason } => {
            JournalError::Unusable { path: path.clone(), reason: reason.clone() }
        }
    }
}
