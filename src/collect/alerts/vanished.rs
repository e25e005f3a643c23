//! Alerts that left the open list and are not in the resolved list: looked up one by one, below the alerts lane.
//!
//! An alert is closed only on the API's own 404, and only once this pass has found an alert that it knows ([`Proof`]).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::collect::alerts::Thoroughness;
use crate::collect::alerts::look::Rules;
use crate::collect::alerts::page::{Shown, looked, read, take};
use crate::collect::proof::{self, Proof, Step};
use crate::collect::source::{PassError, Source};
use crate::datto::endpoint::segment;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::model::alert;
use crate::diagnostic::causes;
use crate::journal::{self, JournalError, Page, Seen};
use crate::record::Stream;

/// Look-ups of one pass; the rest comes with the next, so that no open pass is late.
const PER_PASS: usize = 60;

/// An alert that is still open though no list shows it is looked up again after this, then less and less often.
const AGAIN: Duration = Duration::from_secs(60);
const AGAIN_AT_MOST: Duration = Duration::from_secs(3600);

/// Look-ups in a row that fail, at which the rest is left for the next pass: each may have used up its tries.
const FAILURES: u32 = 3;

/// Alerts found open by a look-up, and when to ask again.
#[derive(Debug, Default)]
pub struct LookUps {
    later: HashMap<String, (Instant, Duration)>,
    /// Set while known alerts are not found either.
    is_unproven: bool,
}

/// What a round of look-ups did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookedUp {
    /// Requests that it cost.
    pub requests: u64,
    /// Alerts left for the next pass.
    pub left: usize,
}

/// How one look-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The alert is there, or closed.
    Settled,
    /// It could not be looked up.
    Failed,
    /// It was not found, but neither was an alert that must be there.
    Unproven,
}

impl LookUps {
    /// Looks `uids` up, as many as `thoroughness` allows. `known` are alerts that this pass has just seen in a list.
    pub async fn run(
        &mut self,
        source: &Source,
        rules: Rules,
        uids: HashSet<String>,
        known: Vec<String>,
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
        let (mut proof, mut failures) = (Proof::new(known), 0);
        for uid in due.into_iter().take(most) {
            let outcome = self.look_up(source, rules, uid, &mut proof).await?;
            looked.requests += 1;
            failures = if outcome == Outcome::Failed { failures + 1 } else { 0 };
            if outcome == Outcome::Unproven || failures == FAILURES {
                break;
            }
        }
        looked.requests += proof.requests;
        Ok(looked)
    }

    async fn look_up(
        &mut self,
        source: &Source,
        rules: Rules,
        uid: String,
        proof: &mut Proof,
    ) -> Result<Outcome, PassError> {
        let path = path(&uid);
        match source.client.get(Lane::Lookup, &path, &[]).await {
            Ok(answer) => {
                let (items, received_at) = (vec![answer.json], answer.received_at);
                let page = take(source, rules, Shown { path, seen: Seen::Open, received_at, items }).await?;
                if !page.has_news() {
                    self.ask_later(uid);
                }
                Ok(Outcome::Settled)
            }
            Err(ClientError::NotFound { .. }) => {
                let is_proven = is_proven(source, proof).await?;
                self.report(source, is_proven);
                if !is_proven {
                    self.ask_later(uid);
                    return Ok(Outcome::Unproven);
                }
                close(source, rules, &uid, &path).await?;
                Ok(Outcome::Settled)
            }
            Err(error) if error.is_of_account() => Err(error.into()),
            // One alert that cannot be looked up must not stop the others.
            Err(error) => {
                let error = causes::line(&error);
                tracing::warn!(
                    account = source.account.name,
                    error,
                    "an alert cannot be looked up; it is asked for again later"
                );
                self.ask_later(uid);
                Ok(Outcome::Failed)
            }
        }
    }

    /// Logs when 404s begin to close nothing, and when they count again.
    fn report(&mut self, source: &Source, is_proven: bool) {
        let was_unproven = std::mem::replace(&mut self.is_unproven, !is_proven);
        if !is_proven && !was_unproven {
            proof::warn(source, "alert");
        }
        if is_proven && was_unproven {
            tracing::info!(account = source.account.name, "look-ups of alerts find what is there again");
        }
    }

    fn ask_later(&mut self, uid: String) {
        let wait = self.later.get(&uid).map_or(AGAIN, |(_, wait)| (*wait * 2).min(AGAIN_AT_MOST));
        self.later.insert(uid, (Instant::now() + wait, wait));
    }
}

fn path(uid: &str) -> String {
    format!("/v2/alert/{}", segment(uid))
}

/// Whether look-ups find an alert that must be there.
async fn is_proven(source: &Source, proof: &mut Proof) -> Result<bool, PassError> {
    loop {
        let is_found = match proof.step() {
            Step::Done(verdict) => return Ok(verdict),
            Step::AskAccount => proof::account(source).await?.is_some(),
            Step::LookUp(uid) => {
                let answer = proof::find(source, &path(&uid)).await?;
                answer.is_some_and(|answer| alert::decode(&answer.json).is_ok_and(|alert| alert.uid == uid))
            }
        };
        if is_found {
            proof.found();
        }
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
