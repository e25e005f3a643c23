//! The account's token: who holds it, when it is renewed, and how long a refused login keeps quiet.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::model::Malformed;
use super::model::object::Object;
use crate::secret::Secret;

/// Longest life of a token that is believed: the platform's usual 100 h (datto-rmm-api.md section 2).
const LONGEST_LIFE: Duration = Duration::from_hours(100);
/// Life of a token that came without a sane one.
const ASSUMED_LIFE: Duration = Duration::from_hours(1);
/// A token is renewed after this part of its life, up to [`JITTER`] earlier.
const RENEW_AT: f64 = 0.8;
const JITTER: f64 = 0.05;
/// When an early renewal that failed is tried again; the old token serves meanwhile.
const RENEW_AGAIN: Duration = Duration::from_mins(5);
/// First and longest silence after a refused login.
const FIRST_SILENCE: Duration = Duration::from_mins(5);
const LONGEST_SILENCE: Duration = Duration::from_mins(15);
/// Longest token that is taken.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// Longest part of the platform's own words about a refused login that is shown, in characters.
const MAX_WORDS: usize = 200;

/// Token state of one account.
#[derive(Debug)]
pub(super) struct Auth {
    state: Mutex<State>,
    /// One permit: only one login at a time. It guards a duty, not data, so holding it across an await is what it is for.
    pub(super) login_turn: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    /// The token before: an answer may still echo it.
    last: Option<Token>,
    renew_at: Option<Instant>,
    expires_at: Option<Instant>,
    generation: u64,
    refusal: Option<Refusal>,
    refusals: u32,
}

/// A token and the number of its login.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) secret: Secret,
    pub(super) generation: u64,
}

/// A refused login.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) text: String,
    pub(super) until: Instant,
}

/// What there is to use now.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// A token.
    Fresh(Token),
    /// A token that works but should be renewed.
    Ageing(Token),
    /// None: log in.
    Nothing,
    /// None, and no login before the refusal's end.
    Refused(Refusal),
}

/// What a login gave.
pub(super) struct Grant {
    token: Secret,
    life: Duration,
}

/// The platform's words about a refused login; never the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LoginWords {
    pub(super) error: Option<String>,
    pub(super) description: Option<String>,
}

impl Auth {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), login_turn: Semaphore::new(1) }
    }

    /// What there is to use now.
    pub(super) fn held(&self) -> Held {
        let now = Instant::now();
        let state = self.lock();
        let live = state.token.clone().filter(|_| state.expires_at.is_some_and(|end| now < end));
        match (live, &state.refusal) {
            (Some(token), _) if state.renew_at.is_some_and(|at| now < at) => Held::Fresh(token),
            (Some(token), _) => Held::Ageing(token),
            (None, Some(refusal)) if now < refusal.until => Held::Refused(refusal.clone()),
            (None, _) => Held::Nothing,
        }
    }

    /// Takes in a new token.
    pub(super) fn granted(&self, grant: Grant) -> Token {
        let now = Instant::now();
        let part = RENEW_AT - JITTER * fastrand::f64();
        let mut state = self.lock();
        state.generation = state.generation.wrapping_add(1);
        let token = Token { secret: grant.token, generation: state.generation };
        state.last = state.token.replace(token.clone()).or_else(|| state.last.take());
        state.renew_at = Some(now + grant.life.mul_f64(part));
        state.expires_at = Some(now + grant.life);
        state.refusal = None;
        state.refusals = 0;
        token
    }

    /// The login was refused: no other one for a while.
    pub(super) fn refused(&self, text: String) -> Refusal {
        let mut state = self.lock();
        let silence = FIRST_SILENCE.saturating_mul(state.refusals.saturating_add(1)).min(LONGEST_SILENCE);
        state.refusals = state.refusals.saturating_add(1);
        let refusal = Refusal { text, until: Instant::now() + silence };
        state.refusal = Some(refusal.clone());
        state.renew_at = state.renew_at.map(|_| refusal.until);
        refusal
    }

    /// The API does not know this token any more. A newer one is kept.
    pub(super) fn discard(&self, token: &Token) {
        let mut state = self.lock();
        if state.token.as_ref().is_some_and(|held| held.generation == token.generation) {
            state.last = state.token.take();
        }
    }

    /// An early renewal failed: the old token serves a little longer.
    pub(super) fn postpone_renewal(&self) {
        self.lock().renew_at = Some(Instant::now() + RENEW_AGAIN);
    }

    /// How long the token is still good; `None` without one.
    pub(super) fn expires_in(&self) -> Option<Duration> {
        let state = self.lock();
        state.token.as_ref()?;
        state.expires_at?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// This token and the one before, so that both can be kept out of messages.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        let state = self.lock();
        [&state.token, &state.last].into_iter().flatten().map(|token| token.secret.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the answer of a successful login.
pub(super) fn read_grant(body: &[u8]) -> Result<Grant, &'static str> {
    let raw: &RawValue = serde_json::from_slice(body).map_err(|_| "the login's answer is not JSON")?;
    let object = Object::parse(raw).map_err(|error| match error {
        Malformed::NotAnObject => "the login's answer is not an object",
        Malformed::TooManyValues => "the login's answer holds too many values",
        Malformed::DuplicateKey { .. } | Malformed::LongId(_) | Malformed::NoId(_) => {
            "the login's answer names a key twice"
        }
    })?;
    let token = object.text("access_token").ok_or("the login's answer holds no token")?;
    if token.is_empty() || token.len() > MAX_TOKEN_BYTES || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("the login's answer holds a token that cannot be sent");
    }
    let life = object.integer("expires_in").and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0);
    let life = life.map_or(ASSUMED_LIFE, |s| Duration::from_secs(s).min(LONGEST_LIFE));
    Ok(Grant { token: Secret::new(&token), life })
}

/// Reads why a login was refused: `error` and a short `error_description`, nothing else.
pub(super) fn read_words(body: &[u8]) -> LoginWords {
    let Ok(raw) = serde_json::from_slice::<&RawValue>(body) else { return LoginWords::default() };
    let Ok(object) = Object::parse(raw) else { return LoginWords::default() };
    let words = |name: &str| object.id(name).map(|text| text.chars().take(MAX_WORDS).collect());
    LoginWords { error: words("error"), description: words("error_description") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(json: &str) -> Grant {
        read_grant(json.as_bytes()).expect("a grant")
    }

    #[test]
    fn a_token_lives_as_long_as_is_sane() {
        let life = |expires: &str| grant(&format!(r#"{{"access_token":"t","expires_in":{expires}}}"#)).life.as_secs();
        assert_eq!(life("360000"), 360_000);
        assert_eq!(life("\"7200\""), 7200);
        assert_eq!(life("99999999999"), 360_000);
        for odd in ["null", "0", "-5", "\"soon\"", "99999999999999999999999", "{}"] {
            assert_eq!(life(odd), 3600, "{odd}");
        }
    }

    #[test]
    fn only_a_token_that_can_be_sent_is_taken() {
        for body in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"access_token":null}"#,
            r#"{"access_token":"a\r\nb"}"#,
            r#"{"access_token":""}"#,
        ] {
            assert!(read_grant(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_renewed_ahead_and_ends() {
        let auth = Auth::new();
        assert!(matches!(auth.held(), Held::Nothing));
        auth.granted(grant(r#"{"access_token":"t","expires_in":360000}"#));
        tokio::time::advance(Duration::from_hours(74)).await;
        assert!(matches!(auth.held(), Held::Fresh(_)));
        tokio::time::advance(Duration::from_hours(7)).await;
        assert!(matches!(auth.held(), Held::Ageing(_)));
        auth.postpone_renewal();
        assert!(matches!(auth.held(), Held::Fresh(_)));
        tokio::time::advance(Duration::from_hours(20)).await;
        assert!(matches!(auth.held(), Held::Nothing));
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_401_does_not_discard_a_new_token() {
        let auth = Auth::new();
        let old = auth.granted(grant(r#"{"access_token":"old"}"#));
        auth.granted(grant(r#"{"access_token":"new"}"#));
        auth.discard(&old);
        assert!(matches!(auth.held(), Held::Fresh(token) if token.secret.expose() == "new"));
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_keep_quiet_longer_each_time_and_a_grant_forgives() {
        let auth = Auth::new();
        for minutes in [5, 10, 15, 15] {
            let refusal = auth.refused("no".to_owned());
            assert_eq!(refusal.until - Instant::now(), Duration::from_mins(minutes));
            assert!(matches!(auth.held(), Held::Refused(_)));
            tokio::time::advance(Duration::from_mins(minutes)).await;
            assert!(matches!(auth.held(), Held::Nothing));
        }
        auth.granted(grant(r#"{"access_token":"t"}"#));
        auth.discard(&auth.granted(grant(r#"{"access_token":"t"}"#)));
        assert_eq!(auth.refused("no".to_owned()).until - Instant::now(), FIRST_SILENCE);
    }
}
