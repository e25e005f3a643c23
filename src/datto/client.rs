//! The door to one account: everything that is read from the API is asked for here.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};
use url::Url;

use super::answer::Meaning;
use super::breaker::Platform;
use super::budget::Budget;
use super::credential::CredentialSource;
use super::endpoint::{api_url, check_api_url};
use super::error::{ClientError, OpenError};
use super::exchange::{Answered, BlockedUntil, Link, Outcome};
use super::lane::Lane;
use super::memory::Memory;
use super::page::{Flaw, ListPage, PageRequest, slice};
use super::retry::{Patience, waits};
use super::saver::Saver;
use super::session::Session;
use super::state::{ClientState, Counters, Rate};
use super::{Auth, Transport, TransportError};
use crate::clock::api::{Comparison, SourceTime};
use crate::clock::{Clock, Millis};
use crate::diagnostic::words;

pub mod look;
#[cfg(test)]
mod tests;

/// What a client is made of.
#[derive(Clone)]
pub struct Settings {
    /// The name of the account's `[accounts.<name>]` table; send times and pauses are remembered under it.
    pub account_name: String,
    /// The platform's name, for messages; `custom` for an `api_url` of the operator's.
    pub platform: String,
    /// Host root of the API.
    pub api_url: Url,
    /// Key and secret, read at each login.
    pub credentials: Arc<dyn CredentialSource>,
    /// Share (0 to 1) of the account's request limit that this client may use.
    pub budget: f64,
    /// Largest body that is taken, also after decompression.
    pub max_body: u64,
    /// Bound on one request and its answer.
    pub timeout: Duration,
    /// How often a call is tried.
    pub patience: Patience,
}

/// The client of one account. Cheap to clone; all clones share token, budget and state.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    session: Session,
    stop: watch::Sender<bool>,
}

/// A successful answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its body, undecoded; for the decoders of [`super::model`].
    pub json: Box<RawValue>,
    /// When it was received.
    pub received_at: Millis,
}

/// How a try went, for the loop that may try again.
enum Try<T> {
    Done(T, Millis),
    Again(String),
    Over(ClientError),
    Renew,
}

impl Client {
    /// A client as the run before this one left it: send times, and the end of a pause.
    pub async fn open(
        settings: Settings,
        platform: Arc<Platform>,
        transport: Arc<dyn Transport>,
        memory: Arc<dyn Memory>,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        check_api_url(&settings.api_url)?;
        let budget = Budget::new(settings.budget);
        let saver = Saver::open(&settings.account_name, memory, budget.clone(), clock.clone()).await?;
        let link = Link {
            account: settings.account_name,
            api_url: settings.api_url,
            max_body: settings.max_body,
            timeout: settings.timeout,
            patience: settings.patience,
            platform,
            transport,
            budget,
            saver,
            clock,
            counters: Counters::default(),
        };
        let session = Session::new(link, settings.platform, settings.credentials);
        Ok(Self(Arc::new(Inner { session, stop: watch::Sender::new(false) })))
    }

    /// Reads one thing, e.g. `/v2/account`. Ids in the path must be encoded with [`super::endpoint::segment`].
    ///
    /// Waits for the budget and out every 429, logs in as needed, and tries again what may pass. Cancel-safe: nothing but
    /// the budget remembers a call that was given up.
    pub async fn get(&self, lane: Lane, path: &str, query: &[(String, String)]) -> Result<Answer, ClientError> {
        let read = |body: &str| {
            serde_json::from_str::<Box<RawValue>>(body)
                .map_err(|error| format!("the answer is not whole JSON: {error}").into())
        };
        let (json, received_at) = self.0.call(lane, path, query, read).await?;
        Ok(Answer { json, received_at })
    }

    /// Reads one page of a list, like [`Self::get`]. A page that names a next one elsewhere is still given; asking for
    /// that next one is the error [`ClientError::ForeignPage`].
    pub async fn page(&self, lane: Lane, request: &PageRequest) -> Result<ListPage, ClientError> {
        if let Some(target) = request.foreign_target() {
            return Err(ClientError::ForeignPage { path: request.path().to_owned(), target: target.to_owned() });
        }
        let root = &self.0.session.link.api_url;
        let read = |body: &str| slice(body, request, root);
        let (slice, received_at) = self.0.call(lane, request.path(), request.query(), read).await?;
        Ok(ListPage { items: slice.items, next: slice.next, total_count: slice.total_count, received_at })
    }

    /// The configured name of its account.
    pub fn account(&self) -> &str {
        &self.0.session.link.account
    }

    /// Largest body that is taken, in bytes.
    pub fn max_body(&self) -> u64 {
        self.0.session.link.max_body
    }

    /// The budget now.
    pub fn rate(&self) -> Rate {
        let link = &self.0.session.link;
        link.budget.rate(link.clock.now())
    }

    /// The time by the API's clock, as its answers showed it.
    pub fn source_time(&self) -> SourceTime {
        let link = &self.0.session.link;
        link.clock.source_time(&link.account)
    }

    /// How the API's clock and this machine's compare.
    pub fn clocks(&self) -> Comparison {
        let link = &self.0.session.link;
        link.clock.compare(&link.account)
    }

    /// The client now.
    pub fn state(&self) -> ClientState {
        let session = &self.0.session;
        ClientState {
            login: session.login_state(),
            blocked_until: session.link.platform.blocked_until(),
            outage: session.reach.outage(),
            rate: self.rate(),
            counts: session.link.counters.read(),
        }
    }

    /// Ends every call, now and later, with [`ClientError::Stopped`], and writes down what a restart must not forget.
    pub async fn close(&self) {
        self.0.stop.send_replace(true);
        self.0.session.link.saver.flush().await;
        self.0.session.link.platform.flush().await;
    }
}

impl Inner {
    async fn call<T>(
        &self,
        lane: Lane,
        path: &str,
        query: &[(String, String)],
        read: impl Fn(&str) -> Result<T, Flaw>,
    ) -> Result<(T, Millis), ClientError> {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            biased;
            // The sender lives as long as `self`, so this ends only when it was told to.
            _told = stop.wait_for(|stopped| *stopped) => Err(ClientError::Stopped),
            result = self.call_until_done(lane, path, query, read) => result,
        }
    }

    async fn call_until_done<T>(
        &self,
        lane: Lane,
        path: &str,
        query: &[(String, String)],
        read: impl Fn(&str) -> Result<T, Flaw>,
    ) -> Result<(T, Millis), ClientError> {
        let session = &self.session;
        let failed = |reason: String, attempts| ClientError::Failed { path: path.to_owned(), reason, attempts };
        let url = api_url(&session.link.api_url, path, query).map_err(|error| failed(error.to_string(), 0))?;
        let mut waits = waits(session.patience());
        let mut attempts: usize = 0;
        let mut renewed = false;
        loop {
            // Also for those who would only wait for another's login: all get to know of a block at once.
            if let Some(until) = session.link.platform.blocked_now() {
                return Err(session.blocked(until));
            }
            let token = session.token().await?;
            session.calibrate(&token).await?;
            let outcome = session.link.exchange(lane, &url, Auth::Bearer(token.secret.clone())).await;
            let outcome = outcome.map_err(|BlockedUntil(until)| session.blocked(until))?;
            attempts = attempts.saturating_add(1);
            let tried = match outcome {
                Outcome::Throttled => {
                    attempts = attempts.saturating_sub(1);
                    session.count_first();
                    continue;
                }
                Outcome::Lost(error @ TransportError::TooLarge(_)) => {
                    Try::Over(failed(format!("{error}; {}", error.hint()), attempts))
                }
                Outcome::Lost(error) => {
                    let Some(wait) = waits.next().filter(|_| error.is_retryable()) else {
                        return Err(session.unreachable(&error, attempts));
                    };
                    session.lost(&error.to_string(), error.hint(), Some(wait));
                    Counters::add(&session.link.counters.retries);
                    sleep(wait).await;
                    continue;
                }
                Outcome::Answer(answered) if answered.response.status == 403 => {
                    self.judge_403(path, &token, &answered).await
                }
                Outcome::Answer(answered) => self.judge(path, &answered, attempts, &read).await,
            };
            let reason = match tried {
                Try::Done(value, received_at) => return Ok((value, received_at)),
                Try::Over(error) => return Err(error),
                Try::Renew if renewed => return Err(failed("status 401 also with a new token".to_owned(), attempts)),
                Try::Renew => {
                    renewed = true;
                    session.auth.discard(&token);
                    continue;
                }
                Try::Again(reason) => reason,
            };
            let Some(wait) = waits.next() else { return Err(failed(reason, attempts)) };
            let retry_in = words::duration(wait);
            info!(account = session.link.account, path, reason, retry_in, "a call is tried again");
            Counters::add(&session.link.counters.retries);
            sleep(wait).await;
        }
    }

    async fn judge<T>(
        &self,
        path: &str,
        answered: &Answered,
        attempts: usize,
        read: &impl Fn(&str) -> Result<T, Flaw>,
    ) -> Try<T> {
        match self.session.meaning(answered) {
            Meaning::Success => match read(&self.text(path, &answered.response.body)) {
                Ok(value) => {
                    self.session.succeeded().await;
                    Try::Done(value, answered.received_at)
                }
                Err(flaw) => {
                    let reason = self.session.excerpt(&flaw.reason);
                    match flaw.is_lasting {
                        true => Try::Over(ClientError::Failed { path: path.to_owned(), reason, attempts }),
                        false => Try::Again(reason),
                    }
                }
            },
            Meaning::Unauthorized => Try::Renew,
            Meaning::NotFound => Try::Over(ClientError::NotFound { path: path.to_owned() }),
            Meaning::Passing(reason) => Try::Again(reason),
            Meaning::Lasting(reason) => Try::Over(ClientError::Failed { path: path.to_owned(), reason, attempts }),
            // Each of these has a status of its own that was met before.
            Meaning::Blocked | Meaning::Refused | Meaning::Throttled => Try::Again("an unexpected refusal".to_owned()),
        }
    }

    async fn judge_403<T>(&self, path: &str, token: &super::auth::Token, answered: &Answered) -> Try<T> {
        let session = &self.session;
        if session.meaning(answered) == Meaning::Refused {
            return Try::Over(session.judge_refusal(path, token, answered).await);
        }
        Try::Over(session.blocked(session.link.platform.block(answered.epoch).await))
    }

    /// The body as text. A body that is not UTF-8 is read with U+FFFD in the bad places: one bad item must not cost the
    /// whole page.
    fn text<'a>(&self, path: &str, body: &'a [u8]) -> std::borrow::Cow<'a, str> {
        let text = String::from_utf8_lossy(body);
        if matches!(text, std::borrow::Cow::Owned(_)) {
            let link = &self.session.link;
            if Counters::add(&link.counters.lossy_bodies) == 0 {
                warn!(account = link.account, path, "an answer is not UTF-8; bad bytes are read as U+FFFD (told once)");
            }
        }
        text
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("account", &self.0.session.link.account).finish_non_exhaustive()
    }
}
