//! One request and its answer, within the budget and past the breaker. Everything that is sent goes through here.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tracing::warn;
use url::Url;

use super::answer::is_from_api;
use super::breaker::{Entry, Platform, Probe};
use super::budget::{Budget, Pause, Slot, Span};
use super::endpoint::{STATUS_PATH, api_url};
use super::lane::Lane;
use super::retry::{Patience, pause_of};
use super::saver::Saver;
use super::skew;
use super::state::Counters;
use super::{Auth, Request, Response, Transport, TransportError};
use crate::clock::{Clock, Millis};

/// The way of one account to its platform.
pub(super) struct Link {
    pub(super) account: String,
    pub(super) api_url: Url,
    pub(super) max_body: u64,
    pub(super) timeout: Duration,
    pub(super) patience: Patience,
    pub(super) platform: Arc<Platform>,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) budget: Arc<Budget>,
    pub(super) saver: Saver,
    pub(super) clock: Clock,
    pub(super) counters: Counters,
}

/// What became of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// An answer, other than a 429.
    Answer(Answered),
    /// None.
    Lost(TransportError),
    /// A 429: the account is paused now. Send it again; the next slot comes after the pause.
    Throttled,
}

/// An answer and when it came.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) response: Response,
    pub(super) span: Span,
    pub(super) received_at: Millis,
    /// For [`Platform::block`].
    pub(super) epoch: u64,
}

/// The platform is blocked until then; nothing was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockedUntil(pub(super) Millis);

impl Link {
    /// Sends one request as soon as the budget allows, and reads its answer.
    pub(super) async fn exchange(&self, lane: Lane, url: &Url, auth: Auth) -> Result<Outcome, BlockedUntil> {
        if let Some(until) = self.platform.blocked_now() {
            return Err(BlockedUntil(until));
        }
        let (slot, epoch) = self.permission(lane).await?;
        let request = Request { url: url.clone(), auth, max_body: self.max_body, timeout: self.timeout };
        let (result, span) = self.send(request, slot).await;
        let received_at = self.clock.now();
        match result {
            Err(error) => Ok(Outcome::Lost(error)),
            Ok(response) if response.status == 429 => {
                self.pause(&response, span).await;
                Ok(Outcome::Throttled)
            }
            Ok(response) => Ok(Outcome::Answer(Answered { response, span, received_at, epoch })),
        }
    }

    /// A slot, and the platform's consent; after a block's pause, by way of a probe.
    async fn permission(&self, lane: Lane) -> Result<(Slot, u64), BlockedUntil> {
        let slot = self.budget.acquire(lane).await;
        match self.platform.enter() {
            Entry::Open(epoch) => Ok((slot, epoch)),
            Entry::Blocked(until) => {
                slot.unsent();
                Err(BlockedUntil(until))
            }
            Entry::Probe(probe) => {
                let epoch = self.probe(probe, slot).await?;
                Ok((self.budget.acquire(lane).await, epoch))
            }
        }
    }

    /// Asks with one request that needs no token (datto-rmm-api.md section 3) whether the block is still there.
    async fn probe(&self, probe: Probe, slot: Slot) -> Result<u64, BlockedUntil> {
        let url = match api_url(&self.api_url, STATUS_PATH, &[]) {
            Ok(url) => url,
            Err(error) => return Err(BlockedUntil(probe.unclear(&error.to_string()))),
        };
        let request = Request { url, auth: Auth::None, max_body: self.max_body, timeout: self.timeout };
        match self.send(request, slot).await.0 {
            Ok(response) if response.status == 403 => Err(BlockedUntil(probe.still_blocked().await)),
            Ok(response) if is_from_api(&response) => Ok(probe.cleared()),
            Ok(response) => Err(BlockedUntil(probe.unclear(&format!("status {}", response.status)))),
            Err(error) => Err(BlockedUntil(probe.unclear(&error.to_string()))),
        }
    }

    async fn send(&self, request: Request, slot: Slot) -> (Result<Response, TransportError>, Span) {
        Counters::add(&self.counters.requests);
        self.saver.note();
        let (limit, sent_at) = (request.timeout, Instant::now());
        let result = timeout(limit, self.transport.send(request)).await;
        let span = slot.answered();
        if let Ok(Ok(response)) = &result {
            // A check reports its clocks with its result.
            let logs = self.patience != Patience::Once;
            skew::note(&self.clock, &self.account, response.date.as_deref(), sent_at, logs);
        }
        (result.unwrap_or(Err(TransportError::Timeout(limit))), span)
    }

    async fn pause(&self, response: &Response, span: Span) {
        Counters::add(&self.counters.throttled);
        let wait = pause_of(response.retry_after.as_deref(), self.clock.now());
        let began = self.budget.pause(wait, span.sent);
        let rate = self.budget.rate(self.clock.now());
        let Some(until) = rate.paused_until else { return };
        if began == Pause::Began {
            let foreign = rate.foreign.map_or_else(|| "unknown".to_owned(), |calls| calls.to_string());
            warn!(
                account = self.account,
                wait_seconds = until.since(self.clock.now()).as_secs(),
                %until,
                calls_of_others_per_minute = foreign,
                own_calls_last_minute = rate.used,
                limit_per_minute = rate.limit,
                "the API answers 429 (too many requests): the account waits and then goes on more slowly; nothing is lost"
            );
        }
        self.saver.keep_pause(until).await;
    }
}
