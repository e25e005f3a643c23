//! One look at what the API answers, whatever that is: for `check --online --probe`, which asks about the answers themselves.

use bytes::Bytes;

use super::super::answer::Meaning;
use super::super::endpoint::api_url;
use super::super::error::ClientError;
use super::super::exchange::{BlockedUntil, Outcome};
use super::super::lane::Lane;
use super::super::{Auth, TransportError};
use super::{Client, Inner};

/// An answer as it came.
#[derive(Clone, Debug)]
pub struct Looked {
    /// HTTP status; neither 401, 403 nor 429.
    pub status: u16,
    /// Its body, undecoded and unchecked.
    pub body: Bytes,
}

impl Client {
    /// Sends one request and gives its answer, errors too. Like [`Self::get`] it keeps within the budget, waits out a 429, logs in as
    /// needed and knows a block from a missing right; it does not try again.
    pub async fn look(&self, lane: Lane, path: &str, query: &[(String, String)]) -> Result<Looked, ClientError> {
        let mut stop = self.0.stop.subscribe();
        tokio::select! {
            biased;
            _stopped = stop.wait_for(|stopped| *stopped) => Err(ClientError::Stopped),
            result = self.0.look(lane, path, query) => result,
        }
    }
}

impl Inner {
    async fn look(&self, lane: Lane, path: &str, query: &[(String, String)]) -> Result<Looked, ClientError> {
        let session = &self.session;
        let failed = |reason: String| ClientError::Failed { path: path.to_owned(), reason, attempts: 1 };
        let url = api_url(&session.link.api_url, path, query).map_err(|error| failed(error.to_string()))?;
        let mut renewed = false;
        loop {
            let token = session.token().await?;
            session.calibrate(&token).await?;
            let outcome = session.link.exchange(lane, &url, Auth::Bearer(token.secret.clone())).await;
            let answered = match outcome.map_err(|BlockedUntil(until)| session.blocked(until))? {
                Outcome::Throttled => {
                    session.count_first();
                    continue;
                }
                Outcome::Lost(error @ TransportError::TooLarge(_)) => {
                    return Err(failed(format!("{error}; {}", error.hint())));
                }
                Outcome::Lost(error) => return Err(session.unreachable(&error, 1)),
                Outcome::Answer(answered) => answered,
            };
            match session.meaning(&answered) {
                Meaning::Unauthorized if renewed => return Err(failed("status 401 also with a new token".to_owned())),
                Meaning::Unauthorized => {
                    renewed = true;
                    session.auth.discard(&token);
                }
                Meaning::Refused => return Err(session.judge_refusal(path, &token, &answered).await),
                Meaning::Blocked => return Err(session.blocked(session.link.platform.block(answered.epoch).await)),
                Meaning::Success => {
                    session.succeeded().await;
                    return Ok(Looked { status: answered.response.status, body: answered.response.body });
                }
                Meaning::NotFound | Meaning::Passing(_) | Meaning::Lasting(_) | Meaning::Throttled => {
                    return Ok(Looked { status: answered.response.status, body: answered.response.body });
                }
            }
        }
    }
}
