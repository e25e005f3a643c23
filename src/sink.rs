//! Where events go. One contract for all sinks: a batch is accepted whole, or the refused events are named, or it failed
//! and will be repeated (architecture.md section 7).

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::event::Event;

#[cfg(test)]
pub(crate) mod contract;
pub mod file;
pub mod kafka;
pub mod lines;
pub mod otlp;
pub mod readable;
pub mod stdout;

/// A destination of events, owned by one deliverer.
pub trait Sink: Send + 'static {
    /// Delivers the events in order. When this returns `Ok`, every event but the refused ones is safe at the destination.
    ///
    /// A dropped future leaves the outcome open: the batch is then repeated, with the same event ids.
    fn deliver(&mut self, events: &[Event]) -> impl Future<Output = Result<Delivered, SinkError>> + Send;

    /// Whether the destination can be reached and would accept events, without sending any.
    fn healthcheck(&mut self) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Takes notice of a reload (SIGHUP): a file is reopened.
    fn reopen(&mut self) {}

    /// Where the sink says what goes wrong while a delivery is still going on.
    fn trouble(&self) -> Trouble {
        Trouble::default()
    }
}

/// A destination that keeps the position itself, in one transaction with the events: each event is there once
/// (architecture.md section 7, "Kafka, exactly once"). Owned by one deliverer.
pub trait TransactionalSink: Send + 'static {
    /// Shuts out every older instance, ends what was left open, and reads back every position that the destination has of this
    /// sink. Comes before the first commit, and again after [`TransactionError::Restart`].
    fn open(&mut self) -> impl Future<Output = Result<Vec<Position>, TransactionError>> + Send;

    /// Commits the events, in order, and the position that they end at: all or nothing. No events still commit the position.
    ///
    /// A dropped future leaves the outcome open: [`TransactionalSink::open`] tells it.
    fn commit(
        &mut self,
        events: &[Event],
        position: &Position,
    ) -> impl Future<Output = Result<(), TransactionError>> + Send;

    /// Where the sink says what goes wrong while a call is still going on.
    fn trouble(&self) -> Trouble;
}

/// A position that a destination keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The partition's name.
    pub partition: String,
    /// Its last sequence.
    pub seq: u64,
    /// The id of the batch that moved it there.
    pub id: Uuid,
}

/// The last thing that went wrong in a call that still tries; shared between the sink's threads and its deliverer.
#[derive(Clone, Debug, Default)]
pub struct Trouble(Arc<Mutex<Option<String>>>);

/// What a sink accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Events that the destination will never accept: their index in the batch and the reason in words, without secrets.
    pub refused: Vec<(usize, String)>,
    /// Parts of the batch of which the destination will never accept some events, and does not say which: the indexes of all that
    /// may be meant, ascending, and the reason.
    pub unnamed: Vec<(Vec<usize>, String)>,
}

/// Why a batch was not delivered, by what the deliverer does next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// The sink is down or busy: the same batch is tried again, without end.
    #[error("{0}")]
    Retry(String),
    /// The same, but not before the time that the destination asked for.
    #[error("{reason}")]
    Later {
        /// Why.
        reason: String,
        /// How long to wait at least.
        after: Duration,
    },
    /// The reader has closed its end for good (`vintner … | head`), or has all that it wanted: `accepted` events of this batch were
    /// written, nothing more can be. Ends the program quietly.
    #[error("the reader closed the pipe")]
    Closed {
        /// Events at the front of the batch that were written whole.
        accepted: usize,
    },
}

/// Why a transaction was not committed, by what the deliverer does next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// Nothing was committed, and the sink can go on: the batch is tried again.
    #[error("{0}")]
    Retry(String),
    /// Nothing was committed. The destination will never accept these events: their index in the batch and the reason.
    #[error("{} events are refused", .0.len())]
    Refused(Vec<(usize, String)>),
    /// Nothing was committed. Some event of the batch is refused, and nobody says which: smaller batches will tell.
    #[error("{0}")]
    Smaller(String),
    /// The outcome is not known, or the sink cannot go on as it is: it is opened again, which tells the outcome.
    #[error("{0}")]
    Restart(String),
    /// The sink must not go on until an operator has acted.
    #[error("{0}")]
    Stopped(String),
}

impl Trouble {
    /// What goes wrong, if anything does.
    pub fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Something goes wrong.
    pub fn set(&self, text: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }

    /// It works again.
    pub fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
