//! Items that a whole pass did not show. Absence proves nothing (pages shift while they are read), so each is looked up by its uid:
//! only what the API itself does not know any more is gone, and only once this pass has found an item that it knows ([`Proof`]).

use serde_json::value::RawValue;

use crate::clock::Millis;
use crate::collect::alerts::Thoroughness;
use crate::collect::inventory::look::gone;
use crate::collect::inventory::sight::{self, Origin, Sight, Unusable};
use crate::collect::inventory::take;
use crate::collect::proof::{self, Proof, Step};
use crate::collect::source::{PassError, Source};
use crate::datto::client::Answer;
use crate::datto::endpoint::segment;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::diagnostic::causes;
use crate::journal::JournalError;
use crate::journal::items::{ItemKind, ItemPage};
use crate::record::place::DeviceRef;

/// Look-ups of one pass; the rest comes with the next.
const PER_PASS: usize = 250;

/// Look-ups in a row that fail, at which the rest is left for the next pass: each may have used up its tries.
const FAILURES: u32 = 3;

/// How one look-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The item is there, or gone.
    Settled,
    /// It could not be looked up.
    Failed,
    /// It was not found, but neither was an item that must be there.
    Unproven,
}

/// Looks `uids` up, as many as `thoroughness` allows; gives the number of requests. `known` are items that this pass has just
/// seen in the list.
pub async fn look_up(
    source: &Source,
    kind: ItemKind,
    uids: Vec<String>,
    known: Vec<String>,
    thoroughness: Thoroughness,
) -> Result<u64, PassError> {
    let most = if thoroughness == Thoroughness::Whole { uids.len() } else { PER_PASS };
    let (mut proof, mut failures, mut requests) = (Proof::new(known), 0, 0);
    for uid in uids.into_iter().take(most) {
        requests += 1;
        let outcome = look_up_one(source, kind, &uid, &mut proof).await?;
        failures = if outcome == Outcome::Failed { failures + 1 } else { 0 };
        if outcome == Outcome::Unproven || failures == FAILURES {
            break;
        }
    }
    Ok(requests + proof.requests)
}

async fn look_up_one(source: &Source, kind: ItemKind, uid: &str, proof: &mut Proof) -> Result<Outcome, PassError> {
    let path = path(kind, uid);
    match source.client.get(Lane::Lookup, &path, &[]).await {
        Ok(answer) => {
            take_answer(source, kind, uid, &path, &answer).await?;
            Ok(Outcome::Settled)
        }
        Err(ClientError::NotFound { .. }) => {
            if !is_proven(source, kind, proof).await? {
                proof::warn(source, kind.as_str());
                return Ok(Outcome::Unproven);
            }
            close(source, kind, uid, &path).await?;
            Ok(Outcome::Settled)
        }
        Err(error) if error.is_of_account() => Err(error.into()),
        Err(error) => {
            let error = causes::line(&error);
            tracing::warn!(
                account = source.account.name,
                error,
                "what the inventory no longer lists cannot be looked up; it is asked for again in the next pass"
            );
            Ok(Outcome::Failed)
        }
    }
}

fn path(kind: ItemKind, uid: &str) -> String {
    match kind {
        ItemKind::Device => format!("/v2/device/{}", segment(uid)),
        ItemKind::Site => format!("/v2/site/{}", segment(uid)),
    }
}

/// Commits what a look-up showed; says whether it showed the item that was asked for.
async fn take_answer(
    source: &Source,
    kind: ItemKind,
    uid: &str,
    path: &str,
    answer: &Answer,
) -> Result<bool, PassError> {
    let (sights, rejected) = match read(source, kind, &answer.json, path, answer.received_at) {
        // An answer about another item says nothing about this one.
        Ok(sight) if sight.uid != uid => (Vec::new(), Vec::new()),
        Ok(sight) => (vec![sight], Vec::new()),
        Err(unusable) => (Vec::new(), vec![*unusable]),
    };
    let is_shown = !sights.is_empty();
    take(source, kind, sights, rejected).await?;
    Ok(is_shown)
}

/// Whether look-ups find an item that must be there.
async fn is_proven(source: &Source, kind: ItemKind, proof: &mut Proof) -> Result<bool, PassError> {
    loop {
        let is_found = match proof.step() {
            Step::Done(verdict) => return Ok(verdict),
            Step::AskAccount => proof::account(source).await?.is_some(),
            Step::LookUp(uid) => {
                let path = path(kind, &uid);
                match proof::find(source, &path).await? {
                    Some(answer) => take_answer(source, kind, &uid, &path, &answer).await?,
                    None => false,
                }
            }
        };
        if is_found {
            proof.found();
        }
    }
}

/// Tells that an item is gone, from what was last seen of it.
async fn close(source: &Source, kind: ItemKind, uid: &str, path: &str) -> Result<(), PassError> {
    let account = &source.account.uid;
    loop {
        let known = source.journal.item_states(account, kind, vec![uid.to_owned()]).await?;
        let Some(state) = known.get(uid) else { return Ok(()) };
        let Some(last) = last_seen(source, kind, uid, path).await? else { return Ok(()) };
        let Some(look) = gone(account, state, &last) else { return Ok(()) };
        match source.commit_items(ItemPage { looks: vec![look], rejected: Vec::new() }).await {
            Ok(_) => return Ok(()),
            Err(JournalError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

async fn last_seen(source: &Source, kind: ItemKind, uid: &str, path: &str) -> Result<Option<Sight>, PassError> {
    let account = &source.account.uid;
    let stored = match kind {
        ItemKind::Device => {
            let device = source.journal.device(account, &DeviceRef::Uid(uid.to_owned())).await?;
            device.and_then(|device| RawValue::from_string(device.source.to_string()).ok())
        }
        ItemKind::Site => source.journal.site_source(account, uid).await?,
    };
    Ok(stored.and_then(|stored| read(source, kind, &stored, path, source.clock.now()).ok()))
}

fn read(
    source: &Source,
    kind: ItemKind,
    item: &RawValue,
    path: &str,
    received_at: Millis,
) -> Result<Sight, Box<Unusable>> {
    let origin = Origin { account: &source.account.uid, path, received_at };
    match kind {
        ItemKind::Device => sight::device(item, origin, &source.inventory.udfs),
        ItemKind::Site => sight::site(item, origin),
    }
}
