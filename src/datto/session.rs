//! The account's standing with the API: its token, and the API's own count of requests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::answer::{Meaning, meaning};
use super::auth::{Auth, Held};
use super::count::Count;
use super::credential::{CredentialSource, Credentials};
use super::endpoint::api_url;
use super::error::ClientError;
use super::exchange::{Answered, BlockedUntil, Link, Outcome};
use super::lane::Lane;
use super::reach::Reach;
use super::redact::excerpt;
use super::retry::Patience;
use super::state::Login;
use crate::clock::Millis;
use crate::secret::Secret;

/// How often a question is asked that only 429s answer; calls must not wait for it for ever.
const MAX_QUESTIONS: usize = 3;

/// Token and count of one account.
pub(super) struct Session {
    pub(super) link: Link,
    pub(super) auth: Auth,
    /// The platform's name, for messages.
    pub(super) platform_name: String,
    pub(super) source: Arc<dyn CredentialSource>,
    /// Whether the API has answered a call.
    pub(super) has_answered: AtomicBool,
    pub(super) reach: Reach,
    /// The credentials of the last login, so that they can be kept out of messages.
    pub(super) used: Mutex<Option<Credentials>>,
    pub(super) count: Mutex<Count>,
    /// One permit: only one asks for the count at a time. Like the login's, it guards a duty and not data.
    pub(super) count_turn: Semaphore,
}

impl Session {
    pub(super) fn new(link: Link, platform_name: String, source: Arc<dyn CredentialSource>) -> Self {
        Self {
            link,
            auth: Auth::new(),
            platform_name,
            source,
            has_answered: AtomicBool::new(false),
            reach: Reach::default(),
            used: Mutex::default(),
            count: Mutex::new(Count::new()),
            count_turn: Semaphore::new(1),
        }
    }

    /// How often a call is tried now.
    pub(super) fn patience(&self) -> Patience {
        let is_over = self.link.patience == Patience::OnceAtFirst && self.has_answered.load(Ordering::Relaxed);
        if is_over { Patience::Usual } else { self.link.patience }
    }

    /// What an answer means; its texts hold none of the account's secrets.
    pub(super) fn meaning(&self, answered: &Answered) -> Meaning {
        self.with_secrets(|known| meaning(&answered.response, known))
    }

    /// A text of the API's without the account's secrets.
    pub(super) fn excerpt(&self, text: &str) -> String {
        self.with_secrets(|known| excerpt(text.as_bytes(), known))
    }

    /// The error of a blocked platform.
    pub(super) fn blocked(&self, until: Millis) -> ClientError {
        ClientError::Blocked { host: self.link.platform.host().to_owned(), until }
    }

    /// Whether the account is logged in.
    pub(super) fn login_state(&self) -> Login {
        if let Some(left) = self.auth.expires_in() {
            return Login::Until(self.link.clock.now().plus(left));
        }
        match self.auth.held() {
            Held::Refused(refusal) => Login::Refused { retry_at: self.wall(refusal.until), text: refusal.text },
            Held::Fresh(_) | Held::Ageing(_) | Held::Nothing => Login::None,
        }
    }

    /// One question in the first lane, asked again a few times after a 429 only. The inner error tells why there is no
    /// answer.
    pub(super) async fn ask(&self, path: &str, auth: super::Auth) -> Result<Result<Answered, String>, ClientError> {
        let url = match api_url(&self.link.api_url, path, &[]) {
            Ok(url) => url,
            Err(error) => return Ok(Err(error.to_string())),
        };
        for _ in 0..MAX_QUESTIONS {
            let outcome = self.link.exchange(Lane::Token, &url, auth.clone()).await;
            match outcome.map_err(|BlockedUntil(until)| self.blocked(until))? {
                Outcome::Answer(answered) => return Ok(Ok(answered)),
                Outcome::Lost(error) => return Ok(Err(error.to_string())),
                Outcome::Throttled => {}
            }
        }
        Ok(Err("429 again and again".to_owned()))
    }

    pub(super) fn with_secrets<T>(&self, read: impl FnOnce(&[&str]) -> T) -> T {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let tokens = self.auth.secrets();
        let credentials = used.iter().flat_map(|c| [c.key.expose(), c.secret.expose()]);
        let known: Vec<&str> = credentials.chain(tokens.iter().map(Secret::expose)).collect();
        read(&known)
    }

    pub(super) fn wall(&self, at: Instant) -> Millis {
        self.link.clock.now().plus(at.saturating_duration_since(Instant::now()))
    }
}
