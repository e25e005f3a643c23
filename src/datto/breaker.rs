//! A platform that blocks our address: everything to it stops, then one probe asks whether the block is still there.
//!
//! The block is by source address, so all accounts on one platform share a [`Platform`]. Whoever comes first after the
//! pause gets the probe; the others are told to come back a little later. The pause doubles while the block persists,
//! and again if it returns before any call succeeded. Its end and length survive a restart.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::{error, info, warn};
use url::Url;

use super::memory::{Memory, MemoryError};
use crate::clock::{Clock, Millis};

/// Longest pause of a block that persists.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// When those come back who meet a probe under way.
const PROBE_TIME: Duration = Duration::from_secs(10);
/// The pause after a probe that got no clear answer.
const UNCLEAR_PAUSE: Duration = Duration::from_mins(1);

/// The state of one platform, shared by all accounts on it.
pub struct Platform {
    host: String,
    key: String,
    base_pause: Duration,
    clock: Clock,
    memory: Arc<dyn Memory>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Length of the last pause, until a call succeeds.
    last_pause: Option<Duration>,
    /// Counts blocks: a 403 to a call of an earlier epoch is no news.
    epoch: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Blocked { until: Instant },
    Probing,
}

/// What is remembered of a block.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    until: Millis,
    pause_ms: u64,
}

/// What a call to the platform may do now.
pub(super) enum Entry {
    /// Go; the epoch belongs to a 403 that may come.
    Open(u64),
    /// Nothing, until then.
    Blocked(Millis),
    /// Ask with one probe first.
    Probe(Probe),
}

/// The right and duty to ask once whether the block is still there. Dropped, it goes to the next caller.
pub(super) struct Probe {
    platform: Arc<Platform>,
    settled: bool,
}

impl Platform {
    /// The platform at `api_url`, as the run before this one left it. `block_pause` is the first pause of a block.
    pub async fn open(
        api_url: &Url,
        block_pause: Duration,
        memory: Arc<dyn Memory>,
        clock: Clock,
    ) -> Result<Arc<Self>, MemoryError> {
        let host = host_and_port(api_url);
        let key = format!("datto.block.{host}");
        let stored = memory.recall(&key).await?.filter(|text| !text.is_empty());
        let mut state = State { phase: Phase::Open, last_pause: None, epoch: 0 };
        if let Some(text) = stored {
            let found: Remembered = serde_json::from_str(&text).map_err(|_| MemoryError::Damaged(key.clone()))?;
            let pause = Duration::from_millis(found.pause_ms).min(LONGEST_PAUSE);
            // A clock that was set back must not lengthen the pause.
            let left = found.until.since(clock.now()).min(pause);
            state.phase = Phase::Blocked { until: Instant::now() + left };
            state.last_pause = Some(pause);
        }
        Ok(Arc::new(Self { host, key, base_pause: block_pause, clock, memory, state: Mutex::new(state) }))
    }

    /// Host of the API, with the port if it is not the usual one.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Until when the platform's block pauses everything; `None` if there is none.
    pub fn blocked_until(&self) -> Option<Millis> {
        match self.lock().phase {
            Phase::Open => None,
            Phase::Blocked { until } => Some(self.wall(until)),
            Phase::Probing => Some(self.clock.now().plus(PROBE_TIME)),
        }
    }

    /// Like [`Self::enter`], but takes no probe: for looking ahead.
    pub(super) fn blocked_now(&self) -> Option<Millis> {
        match self.lock().phase {
            Phase::Blocked { until } if until > Instant::now() => Some(self.wall(until)),
            Phase::Probing => Some(self.clock.now().plus(PROBE_TIME)),
            Phase::Open | Phase::Blocked { .. } => None,
        }
    }

    /// Asks to send something.
    pub(super) fn enter(self: &Arc<Self>) -> Entry {
        let mut state = self.lock();
        match state.phase {
            Phase::Open => Entry::Open(state.epoch),
            Phase::Blocked { until } if until > Instant::now() => Entry::Blocked(self.wall(until)),
            Phase::Probing => Entry::Blocked(self.clock.now().plus(PROBE_TIME)),
            Phase::Blocked { .. } => {
                state.phase = Phase::Probing;
                Entry::Probe(Probe { platform: self.clone(), settled: false })
            }
        }
    }

    /// A call that entered in `epoch` met the block. Until when everything pauses.
    pub(super) async fn block(&self, epoch: u64) -> Millis {
        let begun = {
            let mut state = self.lock();
            if state.epoch == epoch { Some(self.begin_block(&mut state)) } else { None }
        };
        match begun {
            Some((until, pause)) => {
                self.tell_and_keep(until, pause).await;
                until
            }
            None => self.blocked_until().unwrap_or_else(|| self.clock.now()),
        }
    }

    /// A call succeeded: the next block starts with the shortest pause again.
    pub(super) async fn succeeded(&self) {
        let was_blocked = {
            let mut state = self.lock();
            state.phase == Phase::Open && state.last_pause.take().is_some()
        };
        if was_blocked {
            self.keep(String::new()).await;
        }
    }

    /// Writes down the block, if there is one: whoever met it may have been stopped before that was done.
    pub(super) async fn flush(&self) {
        let (phase, pause) = {
            let state = self.lock();
            (state.phase, state.last_pause)
        };
        if let (Phase::Blocked { until }, Some(pause)) = (phase, pause) {
            self.keep_block(self.wall(until), pause).await;
        }
    }

    fn begin_block(&self, state: &mut State) -> (Millis, Duration) {
        let pause = match state.last_pause {
            None => self.base_pause,
            Some(last) => last.saturating_mul(2),
        };
        let pause = pause.min(LONGEST_PAUSE.max(self.base_pause));
        let until = Instant::now() + pause;
        state.phase = Phase::Blocked { until };
        state.last_pause = Some(pause);
        state.epoch = state.epoch.wrapping_add(1);
        (self.wall(until), pause)
    }

    async fn tell_and_keep(&self, until: Millis, pause: Duration) {
        warn!(
            platform = self.host,
            %until,
            "the platform blocks this address: all traffic to it pauses, then one request asks whether it may go on; nothing \
             is lost, every stream goes on where it stood"
        );
        self.keep_block(until, pause).await;
    }

    async fn keep_block(&self, until: Millis, pause: Duration) {
        let remembered = Remembered { until, pause_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX) };
        match serde_json::to_string(&remembered) {
            Ok(text) => self.keep(text).await,
            Err(error) => error!(platform = self.host, %error, "a block cannot be written down"),
        }
    }

    async fn keep(&self, text: String) {
        if let Err(error) = self.memory.remember(vec![(self.key.clone(), text)]).await {
            warn!(platform = self.host, %error, "the state of the platform's block is not kept; a restart will forget it");
        }
    }

    fn wall(&self, at: Instant) -> Millis {
        self.clock.now().plus(at.saturating_duration_since(Instant::now()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Platform").field("host", &self.host).field("state", &self.state).finish_non_exhaustive()
    }
}

impl Probe {
    /// The platform answers again: everything goes on.
    pub(super) fn cleared(mut self) -> u64 {
        self.settled = true;
        let mut state = self.platform.lock();
        state.phase = Phase::Open;
        let epoch = state.epoch;
        drop(state);
        info!(platform = self.platform.host, "the platform answers this address again: collecting goes on");
        epoch
    }

    /// The block is still there: a longer pause. Until when.
    pub(super) async fn still_blocked(mut self) -> Millis {
        self.settled = true;
        let (until, pause) = {
            let mut state = self.platform.lock();
            self.platform.begin_block(&mut state)
        };
        self.platform.tell_and_keep(until, pause).await;
        until
    }

    /// No clear answer: the next probe a little later. When.
    pub(super) fn unclear(mut self, why: &str) -> Millis {
        self.settled = true;
        let until = Instant::now() + UNCLEAR_PAUSE.min(self.platform.base_pause);
        self.platform.lock().phase = Phase::Blocked { until };
        warn!(platform = self.platform.host, why, "no clear answer whether the platform still blocks this address");
        self.platform.wall(until)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if !self.settled {
            // The prober gave up. The pause is over all the same, so the next caller may probe.
            self.platform.lock().phase = Phase::Blocked { until: Instant::now() };
        }
    }
}

/// Names a platform in messages and in what is remembered, e.g. `merlot-api.centrastage.net` or `127.0.0.1:8080`.
fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
