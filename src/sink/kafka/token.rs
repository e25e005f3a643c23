//! Access tokens for OAUTHBEARER: the OAuth 2.0 client credentials grant, by the one HTTP client.

use std::fmt;
use std::time::Duration;

use reqwest::redirect::Policy;
use serde::Deserialize;
use tokio::runtime::Handle;
use url::Url;

use super::{Token, Tokens};
use crate::clock::Clock;
use crate::secret::Secret;

/// Limit on one request.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Lifetime of a token whose server names none.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);
/// Longest lifetime that is believed.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

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
    /// Wall time.
    pub clock: Clock,
    /// Where requests run.
    pub runtime: Handle,
}

/// The part of an answer that matters (RFC 6749 section 5.1).
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<u64>,
}

impl Tokens for TokenServer {
    fn token(&self) -> Result<Token, String> {
        self.runtime.block_on(self.fetch()).map_err(|why| {
            let host = self.url.host_str().unwrap_or_default();
            format!("no access token from {host}: {why}")
        })
    }
}

impl TokenServer {
    async fn fetch(&self) -> Result<Token, String> {
        let secret = (self.client_secret)()?;
        // The only error means that a provider is already set, which serves as well.
        let _already_set = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .user_agent(concat!("vintner/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| error.without_url().to_string())?;
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        let request = client.post(self.url.clone()).basic_auth(&self.client_id, Some(secret.expose())).form(&form);
        let asked_at = self.clock.now();
        let answer = request.send().await.map_err(|error| error.without_url().to_string())?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("it answered HTTP {}", status.as_u16()));
        }
        let body = answer.bytes().await.map_err(|error| error.without_url().to_string())?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| "its answer is no token".to_owned())?;
        let lifetime = answer.expires_in.map_or(DEFAULT_LIFETIME, Duration::from_secs).min(MAX_LIFETIME);
        let text = Secret::new(&answer.access_token);
        Ok(Token { text, principal: self.client_id.clone(), expires: asked_at.plus(lifetime) })
    }
}

impl fmt::Debug for TokenServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenServer").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}
