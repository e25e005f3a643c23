//! A scripted API for tests in paused time: it answers by rules, notes every request, and counts like the real one.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};
use url::Url;

use super::breaker::Platform;
use super::client::{Client, Settings};
use super::credential::Credentials;
use super::memory::{Memory, ProcessMemory};
use super::retry::Patience;
use super::{Auth, Request, Response, Transport, TransportError};
use crate::clock::{Clock, Millis};
use crate::secret::Secret;

/// When tests begin.
pub(super) const START: Millis = Millis(1_795_212_345_000);
/// The secret that must never show.
pub(super) const SECRET: &str = "s3cr3t-of-tests";
pub(super) const LOGIN: &str = "/auth/oauth/token";
pub(super) const RATE: &str = "/api/v2/system/request_rate";
pub(super) const STATUS: &str = "/api/v2/system/status";
pub(super) const OPEN_ALERTS: &str = "/api/v2/account/alerts/open";

/// What the scripted API does with one request.
pub(super) type Reply = Result<Response, TransportError>;

/// A request as the API saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) at: Instant,
    /// Scheme, host and port.
    pub(super) origin: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) token: Option<String>,
}

/// The scripted API. Rules for a path are used up one by one, then the usual answer follows.
#[derive(Default)]
pub(super) struct Script {
    rules: Mutex<Vec<(String, VecDeque<Reply>)>>,
    always: Mutex<Vec<(String, Response)>>,
    seen: Mutex<Vec<Seen>>,
    latency: Mutex<Duration>,
    foreign: Mutex<u32>,
    logins: Mutex<u32>,
}

impl Script {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// The next answers to `path`, in order.
    pub(super) fn next(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        lock(&self.rules).push((path.to_owned(), replies.into_iter().collect()));
    }

    /// The answer to every path that starts with `path`, once its scripted answers are used up; `None` for the usual one.
    pub(super) fn always(&self, path: &str, reply: Option<Response>) {
        let mut always = lock(&self.always);
        always.retain(|(known, _)| known != path);
        always.extend(reply.map(|reply| (path.to_owned(), reply)));
    }

    /// How long every answer takes.
    pub(super) fn latency(&self, latency: Duration) {
        *lock(&self.latency) = latency;
    }

    /// Calls of others in every minute.
    pub(super) fn foreign(&self, calls: u32) {
        *lock(&self.foreign) = calls;
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }

    /// Paths of all requests so far, in order.
    pub(super) fn paths(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.path).collect()
    }

    pub(super) fn count(&self, path: &str) -> usize {
        self.paths().iter().filter(|seen| *seen == path).count()
    }

    fn answer(&self, path: &str) -> Reply {
        let scripted =
            lock(&self.rules).iter_mut().filter(|(p, _)| p == path).find_map(|(_, replies)| replies.pop_front());
        if let Some(reply) = scripted {
            return reply;
        }
        if let Some((_, reply)) = lock(&self.always).iter().find(|(p, _)| path.starts_with(p.as_str())) {
            return Ok(reply.clone());
        }
        Ok(match path {
            LOGIN => {
                let mut logins = lock(&self.logins);
                *logins += 1;
                json(200, &format!(r#"{{"access_token":"token-{logins}","expires_in":360000}}"#))
            }
            RATE => {
                let now = Instant::now();
                let ours = lock(&self.seen).iter().rev().take_while(|s| now - s.at < Duration::from_secs(60)).count();
                let count = ours + *lock(&self.foreign) as usize;
                json(200, &format!(r#"{{"accountCount":{count},"accountRateLimit":600}}"#))
            }
            STATUS => json(200, r#"{"status":"OK"}"#),
            _ => json(200, r#"{"pageDetails":{"count":1,"nextPageUrl":null},"alerts":[{"alertUid":"a"}]}"#),
        })
    }
}

impl Transport for Script {
    fn send(&self, request: Request) -> Pin<Box<dyn Future<Output = Reply> + Send + '_>> {
        Box::pin(async move {
            let token = match &request.auth {
                Auth::Bearer(token) => Some(token.expose().to_owned()),
                Auth::None | Auth::Password { .. } => None,
            };
            let path = request.url.path().to_owned();
            let query = request.url.query().unwrap_or_default().to_owned();
            let origin = request.url.origin().ascii_serialization();
            lock(&self.seen).push(Seen { at: Instant::now(), origin, path: path.clone(), query, token });
            let latency = *lock(&self.latency);
            let answer = self.answer(&path);
            sleep(latency).await;
            answer
        })
    }
}

/// Everything that a client needs, with a memory that outlives it.
pub(super) struct World {
    pub(super) script: Arc<Script>,
    pub(super) memory: Arc<dyn Memory>,
    pub(super) clock: Clock,
    pub(super) settings: Settings,
}

impl World {
    pub(super) fn new() -> Self {
        let credentials = Credentials { key: Secret::new("AK-of-tests"), secret: Secret::new(SECRET) };
        let settings = Settings {
            account_name: "acme".to_owned(),
            platform: "merlot".to_owned(),
            api_url: Url::parse("https://merlot-api.centrastage.net/").expect("an address"),
            credentials: Arc::new(credentials),
            budget: 0.8,
            max_body: 1 << 20,
            timeout: Duration::from_secs(30),
            patience: Patience::Usual,
        };
        Self {
            script: Script::new(),
            memory: Arc::new(ProcessMemory::default()),
            clock: Clock::manual(START),
            settings,
        }
    }

    pub(super) async fn platform(&self) -> Arc<Platform> {
        let pause = Duration::from_mins(5);
        Platform::open(&self.settings.api_url, pause, self.memory.clone(), self.clock.clone())
            .await
            .expect("a platform")
    }

    /// A client of a new process whose API is at `root`.
    pub(super) async fn client_at(&self, root: &str) -> Client {
        let api_url = Url::parse(root).expect("an address");
        let settings = Settings { api_url, ..self.settings.clone() };
        let platform =
            Platform::open(&settings.api_url, Duration::from_mins(5), self.memory.clone(), self.clock.clone());
        let platform = platform.await.expect("a platform");
        Client::open(settings, platform, self.script.clone(), self.memory.clone(), self.clock.clone())
            .await
            .expect("a client")
    }

    /// A client of a new process.
    pub(super) async fn client(&self) -> Client {
        let platform = self.platform().await;
        self.client_on(platform, "acme").await
    }

    pub(super) async fn client_on(&self, platform: Arc<Platform>, account: &str) -> Client {
        let settings = Settings { account_name: account.to_owned(), ..self.settings.clone() };
        Client::open(settings, platform, self.script.clone(), self.memory.clone(), self.clock.clone())
            .await
            .expect("a client")
    }
}

pub(super) fn json(status: u16, body: &str) -> Response {
    reply(status, "application/json", body)
}

pub(super) fn html(status: u16) -> Response {
    reply(status, "text/html", "<html><body>no</body></html>")
}

pub(super) fn throttled(retry_after: Option<&str>) -> Response {
    Response { retry_after: retry_after.map(str::to_owned), ..json(429, "{}") }
}

fn reply(status: u16, content_type: &str, body: &str) -> Response {
    let body = Bytes::copy_from_slice(body.as_bytes());
    Response { status, content_type: Some(content_type.to_owned()), retry_after: None, date: None, body }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
