//! Logging in: once for all who wait, ahead of the token's end, and slowly after a refusal.

use std::sync::PoisonError;

use tokio::time::sleep;
use tracing::{info, warn};

use super::answer::Meaning;
use super::auth::{Held, LoginWords, Refusal, Token, read_grant, read_words};
use super::endpoint::{TOKEN_PATH, portal_url, token_url};
use super::error::ClientError;
use super::exchange::{Answered, BlockedUntil, Outcome};
use super::lane::Lane;
use super::retry::{Patience, waits};
use super::session::Session;
use super::state::Counters;
use super::{Auth as Authorization, TransportError};

/// What to look at when a login gets an answer that is none.
const LOGIN_HINT: &str = "check platform or api_url; the API itself may have trouble";

impl Session {
    /// A token to send with, by a login if need be. One login at a time, whoever waits for it.
    pub(super) async fn token(&self) -> Result<Token, ClientError> {
        match self.auth.held() {
            Held::Fresh(token) => Ok(token),
            Held::Refused(refusal) => Err(self.rejected(&refusal)),
            Held::Ageing(token) => Ok(self.renew_ahead(token).await),
            Held::Nothing => {
                let _turn = self.auth.login_turn.acquire().await.map_err(|_| ClientError::Stopped)?;
                match self.auth.held() {
                    Held::Fresh(token) | Held::Ageing(token) => Ok(token),
                    Held::Refused(refusal) => Err(self.rejected(&refusal)),
                    Held::Nothing => self.login(self.patience()).await,
                }
            }
        }
    }

    async fn renew_ahead(&self, old: Token) -> Token {
        let Ok(_turn) = self.auth.login_turn.try_acquire() else { return old };
        // The old token still serves.
        match self.login(Patience::Once).await {
            Ok(token) => token,
            Err(error) => {
                if !matches!(error, ClientError::Rejected { .. }) {
                    warn!(account = self.link.account, %error, "the token is not renewed ahead; the old one still serves");
                    self.auth.postpone_renewal();
                }
                old
            }
        }
    }

    async fn login(&self, patience: Patience) -> Result<Token, ClientError> {
        let url = token_url(&self.link.api_url);
        let mut waits = waits(patience);
        let mut attempts: usize = 0;
        loop {
            let credentials = match self.source.credentials() {
                Ok(credentials) => credentials,
                Err(error) => {
                    let text = format!("account `{}` cannot log in: {error}", self.link.account);
                    return Err(self.refuse(text));
                }
            };
            *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Some(credentials.clone());
            let auth = Authorization::Password { username: credentials.key, password: credentials.secret };
            let outcome = self.link.exchange(Lane::Token, &url, auth).await;
            attempts = attempts.saturating_add(1);
            let (reason, hint, lost) = match outcome.map_err(|BlockedUntil(until)| self.blocked(until))? {
                Outcome::Throttled => {
                    attempts = attempts.saturating_sub(1);
                    continue;
                }
                Outcome::Lost(error) => (error.to_string(), error.hint(), Some(error)),
                Outcome::Answer(answered) => match self.read_login(&answered).await? {
                    Ok(token) => return Ok(token),
                    Err(reason) => (format!("the login fails: {reason}"), LOGIN_HINT, None),
                },
            };
            let wait = waits.next().filter(|_| lost.as_ref().is_none_or(TransportError::is_retryable));
            match (wait, lost) {
                (Some(wait), _) => {
                    self.lost(&reason, hint, Some(wait));
                    sleep(wait).await;
                }
                (None, Some(error)) => return Err(self.unreachable(&error, attempts)),
                (None, None) => {
                    self.lost(&reason, hint, None);
                    return Err(ClientError::Failed { path: TOKEN_PATH.to_owned(), reason, attempts });
                }
            }
        }
    }

    /// A token, or why to try again.
    async fn read_login(&self, answered: &Answered) -> Result<Result<Token, String>, ClientError> {
        let response = &answered.response;
        let meaning = self.meaning(answered);
        match response.status {
            // Whatever its body says: the token endpoint knows no permissions (datto-rmm-api.md section 4).
            403 => Err(self.blocked(self.link.platform.block(answered.epoch).await)),
            400..=499 => Err(self.refuse(self.refusal_text(response.status, &read_words(&response.body)))),
            200..=299 if meaning == Meaning::Success => Ok(match read_grant(&response.body) {
                Ok(grant) => {
                    let token = self.auth.granted(grant);
                    self.reached();
                    let is_first = Counters::add(&self.link.counters.logins) == 0;
                    if is_first && self.link.patience != Patience::Once {
                        info!(account = self.link.account, platform = self.platform_name, "logged in");
                    }
                    Ok(token)
                }
                Err(reason) => Err(reason.to_owned()),
            }),
            _ => Ok(Err(meaning.describe())),
        }
    }

    fn refuse(&self, text: String) -> ClientError {
        let refusal = self.auth.refused(text);
        // Where nothing is tried again, the caller reports it.
        if self.patience() == Patience::Usual {
            let retry_at = self.wall(refusal.until);
            warn!(account = self.link.account, %retry_at, "{}", refusal.text);
        }
        self.rejected(&refusal)
    }

    fn refusal_text(&self, status: u16, words: &LoginWords) -> String {
        let mut said = format!("status {status}");
        for part in [&words.error, &words.description].into_iter().flatten() {
            said.push_str(", ");
            said.push_str(&self.excerpt(part));
        }
        let platform = &self.platform_name;
        let portal = portal_url(platform).map_or_else(String::new, |url| format!(", portal {url}"));
        format!(
            "Datto RMM refused the login of account `{}` on platform {platform} ({said}); usual causes: API access is \
             switched off, the user's API key was regenerated, or the account lives on another platform than {platform} \
             (login at {}{portal})",
            self.link.account,
            token_url(&self.link.api_url),
        )
    }

    fn rejected(&self, refusal: &Refusal) -> ClientError {
        ClientError::Rejected { text: refusal.text.clone(), retry_at: self.wall(refusal.until) }
    }
}
