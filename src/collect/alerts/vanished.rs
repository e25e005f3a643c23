//! Alerts that left the open list and are not in the resolved list: looked up one by one, below the alerts lane.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::collect::alerts::Thoroughness;
use crate::collect::alerts::look::Rules;
use crate::collect::alerts::page::{Shown, looked, read, take};
use crate::collect::source::{PassError, Source};
use crate::datto::endpoint::segment;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::diagnostic::causes;
use crate::journal::{self, JournalError, Page, Seen};
use crate::record::Stream;

/// Look-ups of one pass; the rest comes with the next, so that no open pass is late.
const PER_PASS: usize = 60;

/// An alert that is still open though no list shows it is looked up again after this, then less and less often.
const AGAIN: Duration = Duration::from_secs(60);
const AGAIN_AT_MOST: Duration = Duration::from_secs(3600);

/// Alerts found open by a look-up, and when to ask again.
#[derive(Debug, Default)]
pub struct LookUps {
    later: HashMap<String, (Instant, Duration)>,
}

/// What a round of look-ups did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookedUp {
    /// Requests that it cost.
    pub requests: u64,
    /// Alerts left for the next pass.
    pub left: usize,
}

impl LookUps {
    /// Looks `uids` up, as many as `thoroughness` allows.
    pub async fn run(
        &mut self,
        source: &Source,
        rules: Rules,
        uids: HashSet<String>,
        thoroughness: Thoroughness,
    ) -> Result<LookedUp, PassError> {
        self.later.retain(|uid, _| uids.contains(uid));
        let now = Instant::now();
        let mut due: Vec<String> =
            uids.into_iter().filter(|uid| self.later.get(uid).is_none_or(|(at, _)| *at <= now)).collect();
        due.sort_unstable();
        let most = if thoroughness == Thoroughness::Whole { due.len() } else { PER_PASS };
        let left = due.len().saturating_sub(most);
        let mut looked = LookedUp { requests: 0, left };
        for uid in due.into_iter().take(most) {
            self.look_up(source, rules, uid).await?;
            looked.requests += 1;
        }
        Ok(looked)
    }

    async fn look_up(&mut self, source: &Source, rules: Rules, uid: String) -> Result<(), PassError> {
        let path = format!("/v2/alert/{}", segment(&uid));
        match source.client.get(Lane::Lookup, &path, &[]).await {
            Ok(answer) => {
                let (items, received_at) = (vec![answer.json], answer.received_at);
                let page = take(source, rules, Shown { path, seen: Seen::Open, received_at, items }).await?;
                if !page.has_news() {
                    self.ask_later(uid);
                }
                Ok(())
            }
            Err(ClientError::NotFound { .. }) => close(source, rules, &uid, &path).await,
            // One alert that cannot be looked up must not stop the others.
            Err(
                error @ (ClientError::Failed { .. } | ClientError::Forbidden { .. } | ClientError::ForeignPage { .. }),
            ) => {
                let error = causes::line(&error);
                tracing::warn!(
                    account = source.account.name,
                    error,
                    "an alert cannot be looked up; it is asked for again later"
                );
                self.ask_later(uid);
                Ok(())
            }
            Err(error @ (ClientError::Blocked { .. } | ClientError::Rejected { .. } | ClientError::Stopped)) => {
                Err(error.into())
            }
        }
    }

    fn ask_later(&mut self, uid: String) {
        let wait = self.later.get(&uid).map_or(AGAIN, |(_, wait)| (*wait * 2).min(AGAIN_AT_MOST));
        self.later.insert(uid, (Instant::now() + wait, wait));
    }
}

/// All that is left of an alert whose last source is not kept any more.
fn only_its_uid(uid: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(serde_json::json!({ "alertUid": uid }).to_string()).ok()
}

/// Tells that an alert is gone, from what was last seen of it.
async fn close(source: &Source, rules: Rules, uid: &str, path: &str) -> Result<(), PassError> {
    let account = &source.account.uid;
    loop {
        let known = source.journal.alert_states(account, vec![uid.to_owned()]).await?;
        let Some(state) = known.get(uid) else { return Ok(()) };
        let last = source.journal.last_source(account, uid).await?;
        let Some(last) = last.or_else(|| only_its_uid(uid)) else { return Ok(()) };
        let received_at = source.clock.now();
        let shown = Shown { path: path.to_owned(), seen: Seen::Vanished, received_at, items: vec![last] };
        let Some(sighting) = read(&shown).0.pop() else { return Ok(()) };
        let (look, rejected) = match looked(account, Some(state), &sighting, rules) {
            Ok(Some(look)) => (Some(look), None),
            Ok(None) => return Ok(()),
            Err(unusable) => (None, Some(unusable)),
        };
        let page = Page {
            account: account.clone(),
            stream: Stream::Alerts,
            lane: journal::Lane::Live,
            received_at,
            cursors: Vec::new(),
            alerts: look.into_iter().collect(),
            records: Vec::new(),
            rejected: rejected.into_iter().collect(),
        };
        match source.commit(page).await {
            Ok(_) => return Ok(()),
            Err(JournalError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
