//! Items that a whole pass did not show. Absence proves nothing (pages shift while they are read), so each is looked up by its uid:
//! only what the API does not know any more is told as gone.

use serde_json::value::RawValue;

use crate::clock::Millis;
use crate::collect::alerts::Thoroughness;
use crate::collect::inventory::look::gone;
use crate::collect::inventory::sight::{self, Origin, Sight, Unusable};
use crate::collect::inventory::take;
use crate::collect::source::{PassError, Source};
use crate::datto::endpoint::segment;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::diagnostic::causes;
use crate::journal::JournalError;
use crate::journal::items::{ItemKind, ItemPage};
use crate::record::DeviceRef;

/// Look-ups of one pass; the rest comes with the next.
const PER_PASS: usize = 250;

/// Looks `uids` up, as many as `thoroughness` allows; gives the number of requests.
pub async fn look_up(
    source: &Source,
    kind: ItemKind,
    uids: Vec<String>,
    thoroughness: Thoroughness,
) -> Result<u64, PassError> {
    let most = if thoroughness == Thoroughness::Whole { uids.len() } else { PER_PASS };
    let mut requests = 0;
    for uid in uids.into_iter().take(most) {
        requests += 1;
        if !look_up_one(source, kind, &uid).await? {
            break;
        }
    }
    Ok(requests)
}

/// Looks one item up; says whether it makes sense to go on with the next.
async fn look_up_one(source: &Source, kind: ItemKind, uid: &str) -> Result<bool, PassError> {
    let path = match kind {
        ItemKind::Device => format!("/v2/device/{}", segment(uid)),
        ItemKind::Site => format!("/v2/site/{}", segment(uid)),
    };
    match source.client.get(Lane::Lookup, &path, &[]).await {
        Ok(answer) => {
            let seen = read(source, kind, &answer.json, &path, answer.received_at);
            let (sights, rejected) = match seen {
                // An answer about another item says nothing about this one.
                Ok(sight) if sight.uid != uid => (Vec::new(), Vec::new()),
                Ok(sight) => (vec![sight], Vec::new()),
                Err(unusable) => (Vec::new(), vec![*unusable]),
            };
            take(source, kind, sights, rejected).await?;
            Ok(true)
        }
        Err(ClientError::NotFound { .. }) => {
            close(source, kind, uid, &path).await?;
            Ok(true)
        }
        Err(error @ (ClientError::Failed { .. } | ClientError::Forbidden { .. } | ClientError::ForeignPage { .. })) => {
            let error = causes::line(&error);
            tracing::warn!(
                account = source.account.name,
                error,
                "what the inventory no longer lists cannot be looked up; it is asked for again in the next pass"
            );
            Ok(false)
        }
        Err(error @ (ClientError::Blocked { .. } | ClientError::Rejected { .. } | ClientError::Stopped)) => {
            Err(error.into())
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
