//! Where events go. One contract for all sinks: a batch is accepted whole, or the refused events are named, or it failed
//! and will be repeated (architecture.md section 7).

use std::future::Future;

use crate::event::Event;

pub mod file;
pub mod lines;
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
}

/// What a sink accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Events that the destination will never accept: their index in the batch and the reason in words, without secrets.
    pub refused: Vec<(usize, String)>,
}

/// Why a batch was not delivered, by what the deliverer does next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// The sink is down or busy: the same batch is tried again, without end.
    #[error("{0}")]
    Retry(String),
    /// The reader has closed its end for good (`vintner … | head`): `accepted` events of this batch were written, nothing
    /// more can be. Ends the program quietly.
    #[error("the reader closed the pipe")]
    Closed {
        /// Events at the front of the batch that were written whole.
        accepted: usize,
    },
}
