//! Records that name a device and no site, or a name that several sites have: they wait in the journal until an observation of the
//! device after their own time settles in which site it was (contract.md section 4).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Millis;
use crate::collect::activity::row::{self, Row};
use crate::collect::alerts::Thoroughness;
use crate::collect::alerts::page::{self, Shown};
use crate::collect::inventory::look::Telling;
use crate::collect::inventory::sight::{self, Origin, Sight};
use crate::collect::inventory::take;
use crate::collect::proof::{self, Proof, Step};
use crate::collect::source::{PassError, Source};
use crate::datto::endpoint::segment;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::diagnostic::causes;
use crate::journal::items::{ItemKind, ItemRow};
use crate::journal::stays::Unsettled;
use crate::journal::{Seen, UNDATED};
use crate::org::directory::Directory;
use crate::org::stay::{Stay, Whereabouts, whereabouts};
use crate::record::place::{DeviceRef, SiteRef};
use crate::record::{Envelope, Record, RecordKind};

/// Look-ups of one pass; the rest comes with the next, so that the quota is there for passes.
const PER_PASS: u64 = 30;

/// Records that are read at once.
const AT_ONCE: usize = 500;

/// A record so young that it can be settled within this is waited for.
const PATIENCE: Duration = Duration::from_secs(12);

/// A record, and what it says about its site besides its device.
struct Claim {
    seq: u64,
    /// Its own time; `None`: it has none.
    at: Option<Millis>,
    /// A name that several sites have.
    name: Option<String>,
}

/// Whether a device may be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asking {
    /// Not in this pass.
    No,
    /// If that settles something now.
    AtOnce,
    /// If that settles something soon.
    Patiently,
}

/// What a look-up of a device found.
enum Found {
    /// Its uid.
    Device(String),
    /// The API does not know it.
    Nothing,
    /// The look-up failed; later ones may not.
    Failed,
}

/// What is remembered between passes.
#[derive(Debug, Default)]
pub struct Settling {
    /// Set while known devices are not found either.
    is_unproven: bool,
}

/// Whether a 404 means that there is no such device, by the path of the look-up; made when it is needed.
#[derive(Default)]
struct Proofs {
    by_uid: Option<Proof>,
    by_id: Option<Proof>,
    verdict: Option<bool>,
}

/// Settles what can be settled, with as many look-ups as `thoroughness` allows; gives the number of look-ups.
pub async fn settle(source: &Source, thoroughness: Thoroughness) -> Result<u64, PassError> {
    // An observation under a time that may be wrong proves nothing.
    if source.api_time().is_none() {
        return Ok(0);
    }
    let mut settling = match thoroughness {
        Thoroughness::Whole => source.settling.lock().await,
        // The other stream is at it.
        Thoroughness::Bounded => match source.settling.try_lock() {
            Ok(settling) => settling,
            Err(_) => return Ok(0),
        },
    };
    let mut proofs = Proofs::default();
    let requests = settle_all(source, thoroughness, &mut proofs).await?;
    if let Some(is_proven) = proofs.verdict {
        settling.report(source, is_proven);
    }
    let of_proofs: u64 = [proofs.by_uid, proofs.by_id].iter().flatten().map(|proof| proof.requests).sum();
    Ok(requests + of_proofs)
}

async fn settle_all(source: &Source, thoroughness: Thoroughness, proofs: &mut Proofs) -> Result<u64, PassError> {
    let (mut after, mut requests) = (0, 0);
    loop {
        let waiting = source.journal.unsettled(&source.account.uid, after, AT_ONCE).await?;
        let Some(last) = waiting.last() else { return Ok(requests) };
        after = last.seq;
        let mut devices: BTreeMap<DeviceRef, Vec<Claim>> = BTreeMap::new();
        for Unsettled { seq, record } in waiting {
            let claim = claim(seq, &record);
            devices.entry(record.envelope.device).or_default().push(claim);
        }
        for (device, claims) in devices {
            let asking = match thoroughness {
                _ if proofs.verdict == Some(false) => Asking::No,
                Thoroughness::Whole => Asking::Patiently,
                Thoroughness::Bounded if requests < PER_PASS => Asking::AtOnce,
                Thoroughness::Bounded => Asking::No,
            };
            requests += settle_device(source, &device, claims, asking, proofs).await?;
        }
    }
}

impl Settling {
    /// Logs when 404s begin to settle nothing, and when they count again.
    fn report(&mut self, source: &Source, is_proven: bool) {
        let was_unproven = std::mem::replace(&mut self.is_unproven, !is_proven);
        if !is_proven && !was_unproven {
            proof::warn(source, "device");
        }
        if is_proven && was_unproven {
            tracing::info!(account = source.account.name, "look-ups of devices find what is there again");
        }
    }
}

/// Settles the records of one device; gives the number of look-ups.
async fn settle_device(
    source: &Source,
    device: &DeviceRef,
    claims: Vec<Claim>,
    asking: Asking,
    proofs: &mut Proofs,
) -> Result<u64, PassError> {
    let account = &source.account.uid;
    let uid = match device {
        DeviceRef::Uid(uid) => Some(uid.clone()),
        DeviceRef::Id(_) => source.journal.device(account, device).await?.map(|device| device.uid),
        DeviceRef::None => None,
    };
    let mut stays = match &uid {
        Some(uid) => source.journal.stays(account, uid).await?,
        None => Vec::new(),
    };
    let (mut requests, mut is_nobody) = (0, false);
    if is_due(source, &stays, &claims, asking).await {
        requests += 1;
        match look_up(source, device, uid.as_deref()).await? {
            Found::Device(uid) => stays = source.journal.stays(account, &uid).await?,
            Found::Nothing => {
                is_nobody = is_proven(source, uid.as_deref(), proofs).await?;
                if !is_nobody {
                    return Ok(requests);
                }
            }
            Found::Failed => return Ok(requests),
        }
    } else if stays.is_empty() {
        return Ok(requests);
    }
    let directory = source.journal.directory().await?;
    let mut settled = Vec::new();
    for claim in claims {
        let (seq, place) = (claim.seq, claim.place(&stays));
        settled.extend(site(source, &directory, place, claim, is_nobody).map(|site| (seq, site)));
    }
    if !settled.is_empty() {
        let done = source.journal.settle_sites(account, settled).await?;
        let name = &source.account.name;
        tracing::debug!(account = name, released = done.released, dropped = done.dropped, "sites of devices settled");
    }
    Ok(requests)
}

/// Whether a look-up of the device would settle one of its records now. Waits for that if it is soon and `asking` has the patience.
async fn is_due(source: &Source, stays: &[Stay], claims: &[Claim], asking: Asking) -> bool {
    if asking == Asking::No || stays.is_empty() {
        return asking != Asking::No;
    }
    let times: Vec<Millis> = claims.iter().filter_map(|claim| claim.place(stays).later()).collect();
    let now = source.api_now();
    let wait = times.iter().map(|time| time.since(now)).filter(|wait| *wait <= PATIENCE).max();
    match wait {
        Some(wait) if asking == Asking::Patiently => tokio::time::sleep(wait).await,
        Some(_) | None => {}
    }
    let now = source.api_now();
    times.iter().any(|time| *time <= now)
}

impl Claim {
    fn place(&self, stays: &[Stay]) -> Whereabouts {
        self.at.map_or(Whereabouts::Unknown, |at| whereabouts(stays, at))
    }
}

/// The site of a record; `None` while it waits. `is_nobody`: the API does not know its device.
fn site(source: &Source, directory: &Directory, place: Whereabouts, claim: Claim, is_nobody: bool) -> Option<SiteRef> {
    match (place, claim.name) {
        (Whereabouts::In(uid), None) => Some(SiteRef::Uid(uid)),
        (Whereabouts::In(uid), Some(name)) => {
            let is_one_of_them = directory.sites_named(&source.account.uid, &name).contains(&uid.as_str());
            Some(if is_one_of_them { SiteRef::Uid(uid) } else { SiteRef::Name(name) })
        }
        (Whereabouts::Later(_), _) if !is_nobody => None,
        (Whereabouts::Later(_) | Whereabouts::Unknown, Some(name)) => Some(SiteRef::Name(name)),
        (Whereabouts::Later(_) | Whereabouts::Unknown, None) if is_nobody => Some(SiteRef::None),
        (Whereabouts::Later(_) | Whereabouts::Unknown, None) => Some(SiteRef::Unknown),
    }
}

/// What a record says about its site, read from its source once more.
fn claim(seq: u64, record: &Record) -> Claim {
    let Envelope { account, kind, path, received_at, .. } = &record.envelope;
    let (site, at) = match kind {
        RecordKind::Alert => {
            let (path, items) = (path.clone(), vec![record.source.clone()]);
            let shown = Shown { path, seen: Seen::Open, received_at: *received_at, items };
            page::read(&shown).0.pop().map_or((SiteRef::None, None), |sighting| (sighting.site, sighting.opened_on))
        }
        RecordKind::ActivityDevice | RecordKind::ActivityUser => match row::read(account, &record.source, *received_at)
        {
            Row::Record(dated, _) => (dated.record.envelope.site, Some(dated.dated).filter(|at| *at != UNDATED)),
            Row::Rejected(_) => (SiteRef::None, None),
        },
        RecordKind::Device
        | RecordKind::DevicePosture
        | RecordKind::Site
        | RecordKind::User
        | RecordKind::Software
        | RecordKind::Own(_) => (SiteRef::None, None),
    };
    let name = if let SiteRef::Name(name) = site { Some(name) } else { None };
    Claim { seq, at, name }
}

/// Looks a device up, which is an observation of it.
async fn look_up(source: &Source, device: &DeviceRef, uid: Option<&str>) -> Result<Found, PassError> {
    let path = match (uid, device) {
        (Some(uid), _) => format!("/v2/device/{}", segment(uid)),
        (None, DeviceRef::Id(id)) => format!("/v2/device/id/{id}"),
        (None, DeviceRef::Uid(_) | DeviceRef::None) => return Ok(Found::Failed),
    };
    let sent = source.api_time();
    match source.client.get(Lane::Lookup, &path, &[]).await {
        Ok(answer) => {
            let origin = Origin { account: &source.account.uid, path: &path, received_at: answer.received_at };
            // An answer about another item, or one that cannot be read, says nothing about this one.
            let Ok(sight) = sight::device(&answer.json, origin, &source.inventory.udfs) else {
                return Ok(Found::Failed);
            };
            if !is_about(&sight, device, uid) {
                return Ok(Found::Failed);
            }
            let found = sight.uid.clone();
            let seen = sight.observation(sent, source.api_time()).into_iter().collect();
            source.journal.observe_devices(&source.account.uid, seen).await?;
            keep(source, sight).await?;
            Ok(Found::Device(found))
        }
        Err(ClientError::NotFound { .. }) => Ok(Found::Nothing),
        Err(error) if error.is_of_account() => Err(error.into()),
        Err(error) => {
            let error = causes::line(&error);
            tracing::warn!(account = source.account.name, error, "device look-up failed: records wait for its site");
            Ok(Found::Failed)
        }
    }
}

/// Whether look-ups by the same kind of path find a device that must be there. `uid`: of the device that was not found, if it was
/// looked up by it.
async fn is_proven(source: &Source, uid: Option<&str>, proofs: &mut Proofs) -> Result<bool, PassError> {
    let proof = if uid.is_some() { &mut proofs.by_uid } else { &mut proofs.by_id };
    let proof = match proof {
        Some(proof) => proof,
        None => proof.insert(Proof::new(source.journal.observed_lately(&source.account.uid, proof::TRIES).await?)),
    };
    loop {
        let is_found = match proof.step() {
            Step::Done(verdict) => {
                proofs.verdict = Some(verdict);
                return Ok(verdict);
            }
            Step::AskAccount => proof::account(source).await?.is_some(),
            Step::LookUp(known) => finds(source, &known, uid.is_some()).await?,
        };
        if is_found {
            proof.found();
        }
    }
}

/// Whether a look-up finds a device that the journal knows: by its uid, else by its number.
async fn finds(source: &Source, known: &str, is_by_uid: bool) -> Result<bool, PassError> {
    let account = &source.account.uid;
    let path = if is_by_uid {
        format!("/v2/device/{}", segment(known))
    } else {
        let device = source.journal.device(account, &DeviceRef::Uid(known.to_owned())).await?;
        let Some(id) = device.and_then(|device| device.id) else { return Ok(false) };
        format!("/v2/device/id/{id}")
    };
    let Some(answer) = proof::find(source, &path).await? else { return Ok(false) };
    let origin = Origin { account, path: &path, received_at: answer.received_at };
    let sight = sight::device(&answer.json, origin, &source.inventory.udfs);
    Ok(sight.is_ok_and(|sight| sight.uid == known))
}

fn is_about(sight: &Sight, device: &DeviceRef, uid: Option<&str>) -> bool {
    match (&sight.row, uid, device) {
        (_, Some(uid), _) => sight.uid == uid,
        (ItemRow::Device(row), None, DeviceRef::Id(id)) => row.id == Some(*id),
        (ItemRow::Device(_) | ItemRow::Site(..), None, _) => false,
    }
}

/// Keeps what a look-up showed of a device, as a pass over the inventory would.
async fn keep(source: &Source, sight: Sight) -> Result<(), PassError> {
    match source.inventory.telling {
        Telling::Records => drop(take(source, ItemKind::Device, vec![sight], Vec::new()).await?),
        Telling::Nothing => {
            if let ItemRow::Device(row) = sight.row {
                source.journal.store_devices(&source.account.uid, vec![row]).await?;
            }
        }
    }
    Ok(())
}
