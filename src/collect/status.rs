//! How the streams of one account do, for `status`, health and logs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::collect::activity::user_rows::UserRows;
use crate::collect::count::ListCount;
use crate::journal::Intake;
use crate::record::Stream;

/// Shared by an account's streams and whoever asks.
#[derive(Clone, Debug, Default)]
pub struct Status(Arc<Mutex<BTreeMap<Stream, StreamState>>>);

/// A moment of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamState {
    /// What it does: `starting`, `polling`, `idle`, `waiting`, `failing`, `forbidden`.
    pub phase: Phase,
    /// Why it waits or fails.
    pub reason: Option<String>,
    /// The panic that ended the stream's task, until a pass is complete again.
    pub panic: Option<String>,
    /// When its account began to collect; of a stream that is polled.
    pub since: Option<Millis>,
    /// Passes in a row that failed.
    pub failures: u32,
    /// Begin of the last complete pass.
    pub completed: Option<Millis>,
    /// How long that pass took.
    pub took: Duration,
    /// Requests that it cost.
    pub requests: u64,
    /// The interval in force, where the configured one had to be stretched.
    pub stretched_to: Option<Duration>,
    /// Records taken in since the start.
    pub taken: u64,
    /// Records held since the start.
    pub held: u64,
    /// What the activity log showed of USER and DEVICE rows; of that stream only.
    pub user_rows: Option<UserRows>,
    /// How long its lists were when each was last read to its end.
    pub lists: Vec<ListCount>,
    /// Records that the account's filter stopped since the start.
    pub filtered: u64,
    /// Records of sites on the ignore list since the start.
    pub ignored: u64,
    /// Records of unmapped sites that were dropped since the start.
    pub dropped: u64,
    /// Items since the start that no record could be made of.
    pub rejected: u64,
}

/// What a stream does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// No pass yet.
    #[default]
    Starting,
    /// A pass is under way.
    Polling,
    /// Between two passes.
    Idle,
    /// It may not go on at present; the reason says why.
    Waiting,
    /// The last pass failed; the reason says why.
    Failing,
    /// The API user lacks a right; asked again hourly.
    Forbidden,
}

/// The last complete pass of a stream, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastPass {
    /// When it began.
    pub began: Millis,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Requests that it cost.
    pub requests: u64,
    /// How long its lists were.
    #[serde(default)]
    pub lists: Vec<ListCount>,
}

impl LastPass {
    /// That of a stream which has one behind it.
    pub fn of(state: &StreamState) -> Option<Self> {
        let took_ms = u64::try_from(state.took.as_millis()).unwrap_or(u64::MAX);
        Some(Self { began: state.completed?, took_ms, requests: state.requests, lists: state.lists.clone() })
    }

    /// Name of the cursor that keeps it.
    pub fn cursor(stream: Stream) -> String {
        format!("pass.{}", stream.as_str())
    }
}

impl Status {
    /// All streams that have a state.
    pub fn get(&self) -> BTreeMap<Stream, StreamState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The stream is polled from now on: its lag counts from here until its first pass is complete.
    pub fn expect(&self, stream: Stream, now: Millis) {
        self.change(stream, |state| state.since = state.since.or(Some(now)));
    }

    /// A pass failed because of `reason`.
    pub fn failed(&self, stream: Stream, reason: &str) {
        self.enter(stream, Phase::Failing, reason);
        self.change(stream, |state| state.failures = state.failures.saturating_add(1));
    }

    /// A pass begins.
    pub fn begin(&self, stream: Stream) {
        self.change(stream, |state| state.phase = Phase::Polling);
    }

    /// A pass is complete.
    pub fn complete(&self, stream: Stream, began: Millis, took: Duration, requests: u64) {
        self.change(stream, |state| {
            state.phase = Phase::Idle;
            state.reason = None;
            state.panic = None;
            state.failures = 0;
            state.completed = Some(began);
            state.took = took;
            state.requests = requests;
        });
    }

    /// The stream may not go on at present.
    pub fn set_waiting(&self, stream: Stream, reason: &str) {
        self.enter(stream, Phase::Waiting, reason);
    }

    /// The stream is in `phase` because of `reason`.
    pub fn enter(&self, stream: Stream, phase: Phase, reason: &str) {
        self.change(stream, |state| {
            state.phase = phase;
            state.reason = Some(reason.to_owned());
        });
    }

    /// The stream's task panicked.
    pub fn panicked(&self, stream: Stream, reason: &str) {
        self.enter(stream, Phase::Failing, reason);
        self.change(stream, |state| state.panic = Some(reason.to_owned()));
    }

    /// The interval had to be stretched (`None`: no longer).
    pub fn stretch(&self, stream: Stream, to: Option<Duration>) {
        self.change(stream, |state| state.stretched_to = to);
    }

    /// What the activity log showed of USER and DEVICE rows.
    pub fn set_user_rows(&self, rows: UserRows) {
        self.change(Stream::Activity, |state| state.user_rows = Some(rows));
    }

    /// Counts what became of a page.
    pub fn count(&self, stream: Stream, intake: &Intake) {
        self.change(stream, |state| {
            state.taken = state.taken.saturating_add(intake.taken);
            state.held = state.held.saturating_add(intake.held);
            state.filtered = state.filtered.saturating_add(intake.filtered);
            state.ignored = state.ignored.saturating_add(intake.ignored);
            state.dropped = state.dropped.saturating_add(intake.dropped);
            state.rejected = state.rejected.saturating_add(intake.rejected);
        });
    }

    /// A list was read to its end; gives how long it was the time before.
    pub fn set_list(&self, stream: Stream, count: ListCount) -> Option<ListCount> {
        let mut before = None;
        self.change(stream, |state| {
            let place = state.lists.iter().position(|known| known.list == count.list);
            before = place.map(|place| state.lists.swap_remove(place));
            state.lists.push(count);
            state.lists.sort_by_key(|known| known.list);
        });
        before
    }

    fn change(&self, stream: Stream, change: impl FnOnce(&mut StreamState)) {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(stream).or_default());
    }
}

impl StreamState {
    /// Whether a pass was complete, or ended early: nothing more is known before the next one.
    pub fn is_past_first_pass(&self) -> bool {
        match self.phase {
            Phase::Waiting | Phase::Failing | Phase::Forbidden => true,
            Phase::Starting | Phase::Polling | Phase::Idle => self.completed.is_some(),
        }
    }
}

impl Phase {
    /// The word that `status` shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Polling => "polling",
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Failing => "failing",
            Self::Forbidden => "forbidden",
        }
    }
}
