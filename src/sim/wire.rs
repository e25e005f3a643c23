//! Bodies as they travel: whole, cut short, or trickling in.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::sim::reply::Cut;

/// In how many parts a trickling body comes.
const PARTS: usize = 20;

/// What was sent must be on its way before the connection breaks: an error at once would take it back.
const BEFORE_BREAK: Duration = Duration::from_millis(20);

/// A body that is sent at a pace, and perhaps not to its end.
#[derive(Debug)]
pub(crate) struct Paced {
    rest: Bytes,
    part: usize,
    pause: Duration,
    timer: Pin<Box<Sleep>>,
    /// Whether the connection breaks after what is left.
    breaks: bool,
}

impl Paced {
    /// `body` up to `cut`, spread over `trickle`.
    pub(crate) fn new(body: Bytes, cut: Cut, trickle: Duration) -> Self {
        let (rest, breaks) = match cut {
            Cut::Truncate(bytes) if bytes < body.len() => (body.slice(..bytes), true),
            Cut::None | Cut::Reset | Cut::Truncate(_) => (body, false),
        };
        let parts = if trickle.is_zero() { 1 } else { PARTS };
        let part = rest.len().div_ceil(parts).max(1);
        let least = if breaks { BEFORE_BREAK } else { Duration::ZERO };
        let pause = (trickle / u32::try_from(parts).unwrap_or(1)).max(least);
        Self { rest, part, pause, timer: Box::pin(sleep_until(Instant::now() + pause)), breaks }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.rest.is_empty() && !self.breaks {
            return Poll::Ready(None);
        }
        if !self.pause.is_zero() {
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let next = Instant::now() + self.pause;
            self.timer.as_mut().reset(next);
        }
        if self.rest.is_empty() {
            self.breaks = false;
            return Poll::Ready(Some(Err(io::Error::other("the body is cut short on purpose"))));
        }
        let part = self.part.min(self.rest.len());
        let part = self.rest.split_to(part);
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && !self.breaks
    }
}
