//! Whether a 404 may close things: first something that must be there has to be found under the same kind of path.
//!
//! A path that is routed nowhere, or a gateway that lost its way, can answer 404 for everything. So before a pass closes its first
//! alert or item, it looks one up that it has just seen in a list. Where the lists are empty there is none; then the account itself
//! must answer, which shows that the platform and the base URL are right.

use crate::collect::source::{PassError, Source};
use crate::datto::client::Answer;
use crate::datto::lane::Lane;
use crate::datto::model::account::{self, AccountInfo};

/// Known things that are looked up at most: one may have gone since the list showed it.
pub const TRIES: usize = 3;

/// API path of the account.
pub const ACCOUNT: &str = "/v2/account";

/// The proof of one pass.
#[derive(Debug)]
pub struct Proof {
    known: Vec<String>,
    verdict: Option<bool>,
    /// Requests that it cost.
    pub requests: u64,
}

/// What to do for the proof.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// It is done: whether a 404 may close things.
    Done(bool),
    /// Look this uid up; if it is found, say so with [`Proof::found`].
    LookUp(String),
    /// Ask for the account; if it answers, say so with [`Proof::found`].
    AskAccount,
}

impl Proof {
    /// A proof by one of `known`: uids that a list has just shown, the latest last.
    pub fn new(mut known: Vec<String>) -> Self {
        let older = known.len().saturating_sub(TRIES);
        Self { known: known.split_off(older), verdict: None, requests: 0 }
    }

    /// What comes next. Each thing that is asked for counts as a request, and as not found until [`Self::found`].
    pub fn step(&mut self) -> Step {
        if let Some(verdict) = self.verdict {
            return Step::Done(verdict);
        }
        let may_ask_account = self.requests == 0;
        match self.known.pop() {
            Some(uid) => {
                self.requests += 1;
                Step::LookUp(uid)
            }
            None if may_ask_account => {
                self.requests += 1;
                Step::AskAccount
            }
            None => {
                self.verdict = Some(false);
                Step::Done(false)
            }
        }
    }

    /// What was asked for is there.
    pub fn found(&mut self) {
        self.verdict = Some(true);
    }
}

/// Looks something up; `None` if it is not found or cannot be read. What concerns the whole account is an error.
pub async fn find(source: &Source, path: &str) -> Result<Option<Answer>, PassError> {
    match source.client.get(Lane::Lookup, path, &[]).await {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_of_account() => Err(error.into()),
        Err(error) => {
            tracing::debug!(account = source.account.name, %error, "known item not found");
            Ok(None)
        }
    }
}

/// Warns that 404s of this kind of look-up close nothing.
pub fn warn(source: &Source, kind: &str) {
    tracing::warn!(
        account = source.account.name,
        kind,
        hint = "look-ups answer 404 also for what the lists show: nothing is reported as gone until they find it; \
                if this lasts, `vintner check --online` and the address of the platform show what answers",
        "404 proves nothing"
    );
}

/// What the account says of itself; `None` if it does not answer, or another account does.
pub async fn account(source: &Source) -> Result<Option<AccountInfo>, PassError> {
    let answer = find(source, ACCOUNT).await?;
    let info = answer.and_then(|answer| account::decode(&answer.json).ok());
    Ok(info.filter(|info| info.uid == source.account.uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(uids: &[&str]) -> Proof {
        Proof::new(uids.iter().map(|uid| (*uid).to_owned()).collect())
    }

    #[test]
    fn the_latest_known_things_are_looked_up_until_one_is_found() {
        let mut proof = known(&["a", "b", "c", "d"]);
        assert_eq!(proof.step(), Step::LookUp("d".to_owned()));
        assert_eq!(proof.step(), Step::LookUp("c".to_owned()));
        proof.found();
        assert_eq!((proof.step(), proof.step(), proof.requests), (Step::Done(true), Step::Done(true), 2));
    }

    #[test]
    fn what_is_found_nowhere_proves_nothing_for_the_whole_pass() {
        let mut proof = known(&["a", "b", "c", "d"]);
        let steps: Vec<Step> = (0..5).map(|_| proof.step()).collect();
        let looked_up = ["d", "c", "b"].map(|uid| Step::LookUp(uid.to_owned()));
        assert_eq!(steps, looked_up.into_iter().chain([Step::Done(false), Step::Done(false)]).collect::<Vec<_>>());
        assert_eq!(proof.requests, 3);
    }

    #[test]
    fn without_a_known_thing_the_account_must_answer() {
        let mut proof = known(&[]);
        assert_eq!((proof.step(), proof.step()), (Step::AskAccount, Step::Done(false)));
        let mut proof = known(&[]);
        assert_eq!(proof.step(), Step::AskAccount);
        proof.found();
        assert_eq!((proof.step(), proof.requests), (Step::Done(true), 1));
    }
}
