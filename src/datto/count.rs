//! The API's own count of the account's requests: asked about once a minute, first of all after a start and after a 429,
//! and as the witness that tells a missing right from a block.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::Instant;
use tracing::debug;

use super::Auth as Authorization;
use super::answer::{Meaning, is_from_api};
use super::auth::Token;
use super::endpoint::{RATE_PATH, STATUS_PATH};
use super::error::ClientError;
use super::exchange::Answered;
use super::model;
use super::redact::excerpt;
use super::session::Session;

/// How often the API's count is asked while there is anything to do.
const CALIBRATE_EVERY: Duration = Duration::from_secs(60);
/// When it is asked again after it could not be told.
const CALIBRATE_AGAIN: Duration = Duration::from_secs(15);

/// When the API's count is asked next, and whether it may be read at all.
#[derive(Debug)]
pub(super) struct Count {
    due: Instant,
    urgency: Urgency,
    access: CountAccess,
}

/// Whether a call may go before the count is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Urgency {
    /// It may.
    Usual,
    /// It must wait: after a start, and after a 429.
    First,
}

/// What the answers so far say about reading the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CountAccess {
    /// Nothing against it.
    Open,
    /// A JSON 403, and nothing else was asked since.
    Refused,
    /// A JSON 403, and then another path was answered: so it is this user's missing right, and no block.
    NotForUs,
}

impl Count {
    /// Nothing is known yet.
    pub(super) fn new() -> Self {
        Self { due: Instant::now(), urgency: Urgency::First, access: CountAccess::Open }
    }
}

impl Session {
    /// Waits for the API's count where that must come first, else asks for it now and then.
    pub(super) async fn calibrate(&self, token: &Token) -> Result<(), ClientError> {
        let Some(urgency) = self.count_due() else { return Ok(()) };
        let _turn = match urgency {
            Urgency::Usual => match self.count_turn.try_acquire() {
                Ok(turn) => turn,
                Err(_) => return Ok(()),
            },
            Urgency::First => self.count_turn.acquire().await.map_err(|_| ClientError::Stopped)?,
        };
        if self.count_due().is_none() {
            return Ok(());
        }
        let answered = match self.ask(RATE_PATH, Authorization::Bearer(token.secret.clone())).await? {
            Ok(answered) => answered,
            Err(reason) => {
                self.count_failed(&reason);
                return Ok(());
            }
        };
        match self.meaning(&answered) {
            Meaning::Success => self.take_count(&answered),
            Meaning::Blocked => return Err(self.blocked(self.link.platform.block(answered.epoch).await)),
            // Not enough for a block: the user may lack just this right. The next call will tell.
            Meaning::Refused => {
                self.count(|count| count.access = CountAccess::Refused);
                self.count_failed("403");
            }
            other @ (Meaning::Unauthorized
            | Meaning::Throttled
            | Meaning::NotFound
            | Meaning::Passing(_)
            | Meaning::Lasting(_)) => {
                self.count_failed(&other.describe());
            }
        }
        Ok(())
    }

    /// Finds out what a JSON 403 on `path` means, by asking something that every user may read.
    pub(super) async fn judge_refusal(&self, path: &str, token: &Token, refused: &Answered) -> ClientError {
        let rate = match self.ask(RATE_PATH, Authorization::Bearer(token.secret.clone())).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(reason)) => return self.unclear_refusal(path, refused, &reason),
            Err(error) => return error,
        };
        match self.meaning(&rate) {
            Meaning::Success => {
                self.take_count(&rate);
                forbidden(path)
            }
            Meaning::Refused if self.count(|count| count.access) == CountAccess::NotForUs => {
                match self.ask(STATUS_PATH, Authorization::None).await {
                    Ok(Ok(status)) if is_from_api(&status.response) => forbidden(path),
                    Ok(Ok(_)) => self.blocked(self.link.platform.block(rate.epoch).await),
                    Ok(Err(reason)) => self.unclear_refusal(path, refused, &reason),
                    Err(error) => error,
                }
            }
            Meaning::Refused | Meaning::Blocked => self.blocked(self.link.platform.block(rate.epoch).await),
            other @ (Meaning::Unauthorized
            | Meaning::Throttled
            | Meaning::NotFound
            | Meaning::Passing(_)
            | Meaning::Lasting(_)) => self.unclear_refusal(path, refused, &other.describe()),
        }
    }

    /// A call was answered: the count's 403, if there was one, was no block; and neither is a block there any more.
    pub(super) async fn succeeded(&self) {
        self.count(|count| {
            if count.access == CountAccess::Refused {
                count.access = CountAccess::NotForUs;
            }
        });
        self.has_answered.store(true, Ordering::Relaxed);
        self.reached();
        self.link.platform.succeeded().await;
    }

    /// After a 429 nothing goes before the count is known.
    pub(super) fn count_first(&self) {
        self.count(|count| {
            count.due = Instant::now();
            count.urgency = Urgency::First;
        });
    }

    fn take_count(&self, answered: &Answered) {
        let raw = serde_json::from_slice::<&RawValue>(&answered.response.body);
        let Some(status) = raw.ok().and_then(|raw| model::rate::decode(raw).ok()) else {
            self.count_failed("it cannot be read");
            return;
        };
        self.link.budget.calibrate(status, answered.span);
        self.count(|count| {
            *count =
                Count { due: Instant::now() + CALIBRATE_EVERY, urgency: Urgency::Usual, access: CountAccess::Open };
        });
    }

    fn count_failed(&self, reason: &str) {
        debug!(account = self.link.account, reason, "the API did not tell its request count");
        self.count(|count| {
            count.due = Instant::now() + CALIBRATE_AGAIN;
            count.urgency = Urgency::Usual;
        });
    }

    fn count_due(&self) -> Option<Urgency> {
        self.count(|count| (count.due <= Instant::now()).then_some(count.urgency))
    }

    fn count<T>(&self, change: impl FnOnce(&mut Count) -> T) -> T {
        change(&mut self.count.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn unclear_refusal(&self, path: &str, refused: &Answered, reason: &str) -> ClientError {
        let body = self.with_secrets(|known| excerpt(&refused.response.body, known));
        let reason = format!("status 403: {body}; whether this is a missing right or a block is not clear: {reason}");
        ClientError::Failed { path: path.to_owned(), reason, attempts: 1 }
    }
}

fn forbidden(path: &str) -> ClientError {
    let needs = if path.contains("activity-logs") {
        "activity logs need an API user with the security level Administrator, there is no narrower right"
    } else {
        "its security level hides this from it"
    };
    ClientError::Forbidden { path: path.to_owned(), needs }
}
