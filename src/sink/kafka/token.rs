//! Access tokens for OAUTHBEARER: the OAuth 2.0 client credentials grant, by the one HTTP client.

use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use serde::Deserialize;
use tokio::runtime::Handle;
use url::Url;

use super::{Token, Tokens};
use crate::clock::Clock;
use crate::diagnostic::causes;
use crate::net::{Egress, EgressError, host_and_port};
use crate::secret::Secret;

/// Limit on one request.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Lifetime of a token whose server names none.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);
/// Longest lifetime that is believed.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// Most that is read of an answer.
const MAX_ANSWER: usize = 256 * 1024;
/// The most characters that a server's reason is told with.
const LONGEST_REASON: usize = 300;

/// A token endpoint.
pub struct TokenServer {
    /// Its address.
    pub url: Url,
    /// The client's id.
    pub client_id: String,
    /// The client's secret, read for each request.
    pub client_secret: Box<dyn Fn() -> Result<Secret, String> + Send + Sync>,
    /// The scope, if the server wants one.
    pub scope: Option<String>,
    /// How requests leave this machine, asked for each of them.
    pub egress: Box<dyn Fn() -> Result<Egress, EgressError> + Send + Sync>,
    /// Wall time.
    pub clock: Clock,
    /// Where requests run.
    pub runtime: Handle,
}

/// The part of an answer that matters (RFC 6749 section 5.1).
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<Seconds>,
}

/// A number, which some servers write as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

/// What a server says that refuses (RFC 6749 section 5.2).
#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

impl Tokens for TokenServer {
    fn token(&self) -> Result<Token, String> {
        let from = || host_and_port(&self.url);
        self.runtime.block_on(self.fetch()).map_err(|why| format!("no access token from {}: {why}", from()))
    }
}

impl TokenServer {
    async fn fetch(&self) -> Result<Token, String> {
        let secret = (self.client_secret)()?;
        // The only error means that a provider is already set, which serves as well.
        let _already_set = rustls::crypto::ring::default_provider().install_default();
        let egress = (self.egress)().map_err(|error| causes::line(&error))?;
        let builder = reqwest::Client::builder()
            .user_agent(concat!("vintner/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            // A gateway in front of the token server may still fold headers.
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .timeout(TIMEOUT);
        let client = egress.apply(builder).map_err(|error| causes::line(&error))?.build().map_err(words)?;
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        let request = client.post(self.url.clone()).basic_auth(&self.client_id, Some(secret.expose())).form(&form);
        let asked_at = self.clock.now();
        let answer = request.send().await.map_err(words)?;
        let status = answer.status();
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("nothing");
        let kind: String = kind.chars().take(LONGEST_REASON).collect();
        let body = beginning(answer).await?;
        if !status.is_success() {
            return Err(refused(status, &body, &secret));
        }
        let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&body);
        let answer: Answer = serde_json::from_slice(body)
            .map_err(|_| format!("it answers {kind}, not JSON with an access_token: check `token_url`"))?;
        let seconds = answer.expires_in.and_then(|seconds| match seconds {
            Seconds::Number(number) => Some(number),
            Seconds::Text(text) => text.parse().ok(),
        });
        let lifetime = seconds.map_or(DEFAULT_LIFETIME, Duration::from_secs).min(MAX_LIFETIME);
        let text = Secret::new(&answer.access_token);
        Ok(Token { text, principal: self.client_id.clone(), expires: asked_at.plus(lifetime) })
    }
}

/// The answer, if it is no longer than any that is one.
async fn beginning(mut answer: reqwest::Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(words)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER {
            return Err(format!("its answer is over {MAX_ANSWER} bytes: check `token_url`"));
        }
    }
    Ok(body)
}

/// Why there is no answer, without the address.
fn words(error: reqwest::Error) -> String {
    causes::root(&error.without_url())
}

/// What a refusal says; never the secret, should the server repeat it.
fn refused(status: StatusCode, body: &[u8], secret: &Secret) -> String {
    let status = status.as_u16();
    let advice = match status {
        400 | 401 | 403 => "check `client_id`, `client_secret` and `scope`",
        300..=399 | 404 | 405 => "check `token_url`",
        _ => "it is asked again",
    };
    let why = serde_json::from_slice::<Refusal>(body).map_or_else(
        |_| String::new(),
        |Refusal { error, error_description }| match error_description {
            Some(description) => format!(", {error}: {description}"),
            None => format!(", {error}"),
        },
    );
    let why: String = why.replace(secret.expose(), "****").chars().take(LONGEST_REASON).collect();
    format!("it answers HTTP {status}{why}: {advice}")
}

impl fmt::Debug for TokenServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenServer").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_with_its_reason_and_without_the_secret() {
        let secret = Secret::new("s3cr3t");
        let told = |status: StatusCode, body: &str| refused(status, body.as_bytes(), &secret);
        assert_eq!(
            told(StatusCode::UNAUTHORIZED, r#"{"error": "invalid_client", "error_description": "s3cr3t is wrong"}"#),
            "it answers HTTP 401, invalid_client: **** is wrong: check `client_id`, `client_secret` and `scope`"
        );
        assert_eq!(told(StatusCode::FOUND, "<html>"), "it answers HTTP 302: check `token_url`");
        assert_eq!(told(StatusCode::BAD_GATEWAY, ""), "it answers HTTP 502: it is asked again");
        let long = format!(r#"{{"error": "{}s3cr3t"}}"#, "x".repeat(LONGEST_REASON - 4));
        assert!(!told(StatusCode::BAD_REQUEST, &long).contains("s3c"));
    }
}
