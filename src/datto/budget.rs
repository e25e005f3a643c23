//! The account's share of the request quota: who may send, and when.
//!
//! A call takes a slot and keeps it until 60 s after its answer ([`window`]). The number of slots is the ceiling
//! ([`ceiling`]), they are handed out by lane ([`queue`]) and spread a little ([`pace`]). A 429 pauses everything.
//!
//! There is no task: whoever is next in the queue sleeps until its slot can be free and is woken when that changes; all
//! others sleep until they are next. The lock is held for a few instructions, never across an await.

mod ceiling;
mod pace;
mod queue;
#[cfg(test)]
mod tests;
mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use self::ceiling::Ceiling;
use self::pace::Pace;
use self::queue::Queue;
use self::window::Window;
use super::lane::Lane;
use super::model::rate::RateStatus;
use super::retry::USUAL_PAUSE;
use super::state::Rate;
use crate::clock::Millis;

/// The budget of one account.
#[derive(Debug)]
pub(super) struct Budget {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    window: Window,
    ceiling: Ceiling,
    pace: Pace,
    queue: Queue,
    paused_until: Option<Instant>,
    /// When the present or last pause was called for: answers to calls sent earlier belong to the same 429.
    paused_since: Option<Instant>,
    knows_foreign: Calibration,
}

/// Whether the API's count was ever compared with ours since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Calibration {
    Never,
    Done,
}

/// What a 429 led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// The first of its kind: a pause began.
    Began,
    /// An answer to a call that was sent before the pause began.
    Known,
}

/// The right to send one call. Dropped without an answer (the caller gave up), it counts as answered then: the server may
/// have seen it.
#[derive(Debug)]
pub(super) struct Slot {
    budget: Arc<Budget>,
    id: Option<u64>,
}

/// When a call was under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// When it was sent.
    pub(super) sent: Instant,
    /// When its answer came.
    pub(super) answered: Instant,
}

enum Turn {
    Taken(u64),
    At(Instant),
    NotNext,
}

impl Budget {
    /// A budget of a share (0 to 1) of the account's limit.
    pub(super) fn new(share: f64) -> Arc<Self> {
        let now = Instant::now();
        let mut ceiling = Ceiling::new(share);
        let pace = Pace::new(ceiling.per_minute(now), now);
        Arc::new(Self {
            state: Mutex::new(State {
                window: Window::default(),
                ceiling,
                pace,
                queue: Queue::default(),
                paused_until: None,
                paused_since: None,
                knows_foreign: Calibration::Never,
            }),
        })
    }

    /// Waits for a slot. Cancel-safe: who gives up leaves the queue.
    pub(super) async fn acquire(self: &Arc<Self>, lane: Lane) -> Slot {
        let place = Place::join(self, lane);
        loop {
            match self.try_turn(&place) {
                Turn::Taken(id) => return Slot { budget: self.clone(), id: Some(id) },
                Turn::At(instant) => {
                    // Woken earlier or not: it looks again either way.
                    let _woken = timeout_at(instant, place.wake.notified()).await;
                }
                Turn::NotNext => place.wake.notified().await,
            }
        }
    }

    /// Pauses the whole account for `wait` after a 429 to a call that was sent at `sent`.
    pub(super) fn pause(&self, wait: Duration, sent: Instant) -> Pause {
        let now = Instant::now();
        let mut state = self.lock();
        // Told so again right after a pause: the API's own advice was too short.
        let again = state.paused_until.is_some_and(|ended| now < ended + USUAL_PAUSE);
        let wait = if again { wait.max(USUAL_PAUSE) } else { wait };
        if state.paused_since.is_some_and(|since| sent <= since) {
            let until = state.paused_until.map_or(now + wait, |until| until.max(now + wait));
            state.paused_until = Some(until);
            return Pause::Known;
        }
        state.paused_until = Some(now + wait);
        state.paused_since = Some(now);
        state.ceiling.penalize(now);
        let used = state.window.used(now);
        let ceiling = state.ceiling.per_minute(now);
        state.pace.follow(ceiling, used);
        state.pace.drain(u32::MAX);
        Pause::Began
    }

    /// Takes in the API's own count: what is not ours is others'. Right after a start it is taken as ours, since a process
    /// before this one may have sent it (also when the stored send times or the clock tell nothing of it).
    pub(super) fn calibrate(&self, status: RateStatus, span: Span) {
        let Some(count) = status.count else { return };
        let mut state = self.lock();
        let ours = state.window.surely_counted(span.sent, span.answered).saturating_add(1);
        let surplus = count.saturating_sub(ours);
        let foreign = match state.knows_foreign {
            Calibration::Never => {
                state.window.add_unknown(surplus, Instant::now());
                0
            }
            Calibration::Done => surplus,
        };
        state.knows_foreign = Calibration::Done;
        state.ceiling.calibrate(status.limit, foreign);
        let used = state.window.used(span.answered);
        let ceiling = state.ceiling.per_minute(span.answered);
        state.pace.follow(ceiling, used);
        state.queue.wake_next();
    }

    /// The budget now; `wall` is the same moment in wall time.
    pub(super) fn rate(&self, wall: Millis) -> Rate {
        let now = Instant::now();
        let mut state = self.lock();
        Rate {
            ceiling: state.ceiling.per_minute(now),
            used: state.window.used(now),
            foreign: state.ceiling.foreign(),
            limit: state.ceiling.limit(),
            paused_until: state.paused_until.filter(|until| *until > now).map(|until| wall.plus(until - now)),
            lowered: state.ceiling.is_lowered(),
            waiting: state.queue.len(),
        }
    }

    /// The send times of the last minute in wall time, for [`Self::restore`] after a restart.
    pub(super) fn snapshot(&self, wall: Millis) -> Vec<(i64, u32)> {
        self.lock().window.snapshot(Instant::now(), wall)
    }

    /// Takes in the send times and the pause of the process before this one.
    pub(super) fn restore(&self, log: &[(i64, u32)], pause: Option<Duration>, wall: Millis) {
        let now = Instant::now();
        let mut state = self.lock();
        state.window.restore(log, now, wall);
        let used = state.window.used(now);
        state.pace.drain(used);
        if let Some(pause) = pause.filter(|pause| !pause.is_zero()) {
            state.paused_until = Some(now + pause);
            state.paused_since = Some(now);
            state.ceiling.penalize(now);
        }
    }

    fn try_turn(&self, place: &Place<'_>) -> Turn {
        let now = Instant::now();
        let mut state = self.lock();
        if !state.queue.is_next(place.id) {
            return Turn::NotNext;
        }
        if let Some(until) = state.paused_until.filter(|until| *until > now) {
            return Turn::At(until);
        }
        let ceiling = state.ceiling.per_minute(now);
        let used = state.window.used(now);
        if used >= ceiling {
            // Without a known time an answer must come first, and that wakes the next.
            return state.window.free_at(ceiling).map_or(Turn::NotNext, Turn::At);
        }
        state.pace.follow(ceiling, used);
        if let Err(wait) = state.pace.check() {
            return Turn::At(now + wait);
        }
        state.queue.served(place.lane, place.id);
        let id = state.window.send(now);
        state.queue.wake_next();
        Turn::Taken(id)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// The answer came.
    pub(super) fn answered(mut self) -> Span {
        let answered = Instant::now();
        let sent = self.id.take().and_then(|id| self.budget.settle(id, answered));
        Span { sent: sent.unwrap_or(answered), answered }
    }

    /// Nothing was sent.
    pub(super) fn unsent(mut self) {
        if let Some(id) = self.id.take() {
            let mut state = self.budget.lock();
            state.window.unsent(id);
            state.queue.wake_next();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.budget.settle(id, Instant::now());
        }
    }
}

impl Budget {
    fn settle(&self, id: u64, now: Instant) -> Option<Instant> {
        let mut state = self.lock();
        let sent = state.window.answered(id, now);
        state.queue.wake_next();
        sent
    }
}

/// A place in the queue; dropped, it is given up.
struct Place<'a> {
    budget: &'a Budget,
    lane: Lane,
    id: u64,
    wake: Arc<Notify>,
}

impl<'a> Place<'a> {
    fn join(budget: &'a Budget, lane: Lane) -> Self {
        let wake = Arc::new(Notify::new());
        let mut state = budget.lock();
        let id = state.queue.join(lane, wake.clone());
        // A better lane takes the turn from who waits now; that one looks again, and learns that it is not next.
        state.queue.wake_next();
        Self { budget, lane, id, wake }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        state.queue.leave(self.lane, self.id);
        state.queue.wake_next();
    }
}
