//! Standard output: one event a line, nothing else.
//!
//! The process has one stdout, so one thread writes it (`owner.rs`), whichever sink the lines come from: a sink that replaces
//! another one queues behind what that one has begun.

use std::io::ErrorKind;
use std::sync::{Mutex, PoisonError};

use crate::event::Event;
use crate::output::descriptor::{Descriptor, Writable};
use crate::sink::lines::Lines;
use crate::sink::readable::{self, Look};
use crate::sink::{Delivered, Sink, SinkError, Trouble};

mod owner;

use owner::{Batch, Owner};

/// The owner of the process's standard output, once something was written to it.
static OWNER: Mutex<Option<Owner>> = Mutex::new(None);

/// What becomes of a batch that cannot be written, for want of space for example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// It is tried again without end, from the byte on that was not accepted; [`Sink::trouble`] says why it waits.
    Wait,
    /// The delivery fails.
    Fail,
}

/// Standard output, or any writer that blocks.
#[derive(Debug)]
pub struct Stdout {
    owner: Owner,
    on_error: OnError,
    /// How many events it still takes; `None`: all.
    most: Option<u64>,
    /// How events are shown to people; `None`: as they are.
    look: Option<Look>,
}

impl Stdout {
    /// A sink on the process's standard output.
    pub fn new(on_error: OnError) -> std::io::Result<Self> {
        let mut owner = OWNER.lock().unwrap_or_else(PoisonError::into_inner);
        let running = match owner.take().filter(Owner::is_running) {
            Some(running) => running,
            None => Owner::start(Descriptor::stdout()?)?,
        };
        *owner = Some(running.clone());
        Ok(Self { owner: running, on_error, most: None, look: None })
    }

    /// A sink on `writer`, with an owner of its own.
    pub fn on(writer: impl Writable + Send + 'static) -> std::io::Result<Self> {
        Ok(Self { owner: Owner::start(writer)?, on_error: OnError::Wait, most: None, look: None })
    }

    /// Another sink on the same writer, as [`Stdout::new`] makes one: its lines queue behind those of this one.
    #[cfg(test)]
    pub(crate) fn beside(&self) -> Self {
        Self { owner: self.owner.clone(), on_error: self.on_error, most: None, look: self.look }
    }

    /// The same sink, which takes `most` events and then says that it is closed.
    #[must_use]
    pub fn closing_after(self, most: Option<u64>) -> Self {
        Self { most, ..self }
    }

    /// The same sink, which prints events as lines for people.
    #[must_use]
    pub fn looking(self, look: Option<Look>) -> Self {
        Self { look, ..self }
    }
}

impl Sink for Stdout {
    async fn deliver(&mut self, events: &[Event]) -> Result<Delivered, SinkError> {
        let most = self.most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        let events = events.get(..most).unwrap_or(events);
        let lines = self.look.map_or_else(|| Lines::encode(events), |look| readable::lines(events, look));
        let written = self.owner.write(Batch { lines, on_error: self.on_error }).await;
        let accepted = match written {
            Ok(()) => events.len(),
            Err(failed) if failed.error.kind() == ErrorKind::BrokenPipe => {
                return Err(SinkError::Closed { accepted: failed.accepted });
            }
            Err(failed) => return Err(SinkError::Retry(failed.to_string())),
        };
        if let Some(left) = &mut self.most {
            *left = left.saturating_sub(u64::try_from(accepted).unwrap_or(u64::MAX));
            if *left == 0 {
                return Err(SinkError::Closed { accepted });
            }
        }
        Ok(Delivered::default())
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn trouble(&self) -> Trouble {
        self.owner.trouble()
    }
}

#[cfg(test)]
mod tests;
