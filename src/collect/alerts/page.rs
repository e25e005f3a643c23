//! One page of alerts, from items to a commit: the same for the open list, the resolved list and a look-up.

use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;

use crate::clock::Millis;
use crate::collect::alerts::look::{Rules, Sighting, look};
use crate::collect::item;
use crate::collect::source::{PassError, Source};
use crate::datto::model::alert::{self, Alert};
#[cfg(test)]
use crate::diagnostic::planted;
use crate::journal::{AlertLook, AlertState, Intake, JournalError, Lane, Page, Rejected, Seen, Told};
use crate::normalize::ocsf::severity;
use crate::normalize::redact;
use crate::record::place::{DeviceRef, SiteRef};
use crate::record::{AccountUid, RecordKind, Stream};

/// A page as it was received.
#[derive(Debug)]
pub struct Shown {
    /// API path of the list.
    pub path: String,
    /// What being in this list means.
    pub seen: Seen,
    /// When the answer was received.
    pub received_at: Millis,
    /// The items, undecoded.
    pub items: Vec<Box<RawValue>>,
}

/// What a page held.
#[derive(Clone, Debug, Default)]
pub struct PageSeen {
    /// Its alerts in order, each once.
    pub uids: Vec<String>,
    /// For each, whether the journal knew it as resolved before.
    pub was_resolved: Vec<bool>,
    /// For each, `resolvedOn`.
    pub resolved_on: Vec<Option<Millis>>,
    /// When the latest of its alerts that were not in this list before came into it; an undated one just now.
    pub last_entry: Option<Millis>,
    /// Rows that no alert could be read from.
    pub unusable: u64,
    /// What became of it.
    pub intake: Intake,
}

impl PageSeen {
    /// Whether it held an alert that is new or has changed.
    pub fn has_news(&self) -> bool {
        self.intake.changed > 0
    }
}

/// Compares a page with what is known and commits the difference.
pub async fn take(source: &Source, rules: Rules, shown: Shown) -> Result<PageSeen, PassError> {
    let (mut sightings, malformed) = read(&shown);
    let uids: Vec<String> = sightings.iter().map(|sighting| sighting.uid.clone()).collect();
    loop {
        let known = source.journal.shown_alerts(&source.account.uid, uids.clone()).await?;
        let (mut looks, mut rejected): (Vec<AlertLook>, _) = (Vec::new(), malformed.clone());
        for sighting in oldest_first(&sightings, &known) {
            match looked(&source.account.uid, known.get(&sighting.uid), sighting, rules) {
                Ok(look) => looks.extend(look),
                Err(unusable) => rejected.push(unusable),
            }
        }
        let sites: Vec<&SiteRef> =
            looks.iter().filter(|look| is_first_decision(look)).map(|look| &look.told.site).collect();
        source.know_sites(&sites).await?;
        let named = sightings.iter_mut().map(|sighting| (&mut sighting.site, &sighting.device));
        if source.leave_to_devices(named).await? {
            continue;
        }
        let mut page = PageSeen {
            was_resolved: uids.iter().map(|uid| known.get(uid).is_some_and(|state| state.seen != Seen::Open)).collect(),
            resolved_on: sightings.iter().map(|sighting| sighting.resolved_on).collect(),
            uids: uids.clone(),
            last_entry: last_entry(&sightings, &known, shown.received_at),
            unusable: malformed.len() as u64,
            intake: Intake::default(),
        };
        if looks.is_empty() && rejected.is_empty() {
            return Ok(page);
        }
        let commit = Page {
            account: source.account.uid.clone(),
            stream: Stream::Alerts,
            lane: Lane::Live,
            received_at: shown.received_at,
            cursors: Vec::new(),
            alerts: looks,
            records: Vec::new(),
            rejected,
        };
        match source.commit(commit).await {
            Ok(intake) => {
                page.intake = intake;
                return Ok(page);
            }
            // A held record was dropped meanwhile, which set its alert back: look again.
            Err(JournalError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The alerts of a page by the time of the events that they may bring, oldest first: lists begin with the newest. A change of a
/// known open alert happened when the page was received; so did what has no date.
fn oldest_first<'s>(sightings: &'s [Sighting], known: &HashMap<String, AlertState>) -> Vec<&'s Sighting> {
    let mut sorted: Vec<&Sighting> = sightings.iter().collect();
    sorted.sort_by_key(|sighting| {
        let at = match sighting.seen {
            Seen::Open if known.contains_key(&sighting.uid) => None,
            Seen::Open => sighting.opened_on,
            Seen::Resolved | Seen::Vanished => sighting.resolved_on,
        };
        at.unwrap_or(sighting.received_at)
    });
    sorted
}

/// When the latest of those that were not known as `seen` before came to be so.
fn last_entry(sightings: &[Sighting], known: &HashMap<String, AlertState>, now: Millis) -> Option<Millis> {
    let is_new = |sighting: &&Sighting| known.get(&sighting.uid).is_none_or(|state| state.seen != sighting.seen);
    let entered = |sighting: &Sighting| match sighting.seen {
        Seen::Open if known.contains_key(&sighting.uid) => now,
        Seen::Open => sighting.opened_on.unwrap_or(now),
        Seen::Resolved | Seen::Vanished => sighting.resolved_on.unwrap_or(now),
    };
    sightings.iter().filter(is_new).map(entered).max()
}

/// Whether the look brings records that were not filtered, ignored or dropped at an earlier look: only then is it worth
/// asking for the site list.
fn is_first_decision(look: &AlertLook) -> bool {
    let was_stopped = look.expected.as_ref().is_some_and(|state| state.told == Told::Nothing);
    !look.records.is_empty() && !was_stopped
}

/// Decodes item by item: a malformed one is a dead letter, the rest of the page goes on.
pub fn read(shown: &Shown) -> (Vec<Sighting>, Vec<Rejected>) {
    let (mut sightings, mut rejected, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for item in &shown.items {
        match item::guarded(&shown.path, item, || decode(item, shown)).flatten() {
            Ok(sighting) => {
                if seen.insert(sighting.uid.clone()) {
                    sightings.push(sighting);
                }
            }
            Err(unusable) => rejected.push(unusable),
        }
    }
    (sightings, rejected)
}

fn decode(item: &RawValue, shown: &Shown) -> Result<Sighting, Rejected> {
    let alert = alert::decode(item).map_err(|reason| item::rejected(&shown.path, &reason.to_string(), item))?;
    #[cfg(test)]
    planted::visit("alert", &alert.uid);
    Ok(sighting(alert, item, shown))
}

/// [`look`] on an alert that may make it panic: then the alert is rejected as it was seen.
pub fn looked(
    account: &AccountUid,
    known: Option<&AlertState>,
    sighting: &Sighting,
    rules: Rules,
) -> Result<Option<AlertLook>, Rejected> {
    item::guarded(&sighting.path, &sighting.source, || {
        #[cfg(test)]
        planted::visit("alert look", &sighting.uid);
        look(account, known, sighting, rules)
    })
}

fn sighting(alert: Alert<'_>, item: &RawValue, shown: &Shown) -> Sighting {
    // The record's own word counts for more than the list that showed it: lists move.
    let seen = if alert.resolved == Some(true) { Seen::Resolved } else { shown.seen };
    let is_by_device = alert.site == SiteRef::None && alert.device != DeviceRef::None;
    Sighting {
        uid: alert.uid,
        site: if is_by_device { SiteRef::Device } else { alert.site },
        device: alert.device,
        opened_on: alert.timestamp,
        resolved_on: alert.resolved_on,
        severity: severity::id_of_priority(alert.priority.as_deref()),
        seen,
        source: redact::strip(RecordKind::Alert, item),
        path: shown.path.clone(),
        received_at: shown.received_at,
    }
}

#[cfg(test)]
mod tests;
