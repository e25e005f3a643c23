//! Where a record of the journal was sent, as far as that can still be told: the event is made again, as the deliverer made it.
//!
//! What the event's topic and key are made of may have changed since: the organization of a site, and what the inventory knows of a
//! device that the record names by a number.

use std::collections::HashMap;

use super::compare::remains::Address;
use crate::clock::Millis;
use crate::deliver::route::Route;
use crate::diagnostic::panics::caught;
use crate::event::Event;
use crate::normalize::known::KnownDevice;
use crate::normalize::{Context, Options, normalize};
use crate::org::directory::{Decision, Directory, Rule, Tenant};
use crate::record::place::{DeviceRef, SiteRef};
use crate::record::{AccountUid, Envelope, OwnKind, Record, RecordKind};
use crate::sink::kafka::Settings;
use crate::sink::kafka::place::{Place, is_by_org};

/// When organizations changed, by what vintner told of itself.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// By account and uid of the site.
    sites: HashMap<(AccountUid, String), Millis>,
    /// Of records that name no site.
    accounts: HashMap<AccountUid, Millis>,
}

/// What decides where records go.
pub(super) struct Surroundings<'a> {
    pub(super) settings: &'a Settings,
    pub(super) route: &'a Route,
    pub(super) options: &'a Options,
    pub(super) directory: &'a Directory,
    pub(super) moves: &'a Moves,
}

impl Moves {
    /// Takes a record of the journal.
    pub(super) fn learn(&mut self, envelope: &Envelope) {
        let last = match envelope.kind {
            RecordKind::Own(OwnKind::SiteMoved) => {
                self.sites.entry((envelope.account.clone(), envelope.native_id.clone())).or_insert(envelope.received_at)
            }
            RecordKind::Own(OwnKind::MappingChanged) => {
                self.accounts.entry(envelope.account.clone()).or_insert(envelope.received_at)
            }
            RecordKind::Own(_)
            | RecordKind::Alert
            | RecordKind::ActivityDevice
            | RecordKind::ActivityUser
            | RecordKind::Device
            | RecordKind::DevicePosture
            | RecordKind::Site
            | RecordKind::User
            | RecordKind::Software => return,
        };
        *last = (*last).max(envelope.received_at);
    }

    /// Whether a record has had the same organization since it was taken in.
    fn are_before(&self, envelope: &Envelope, directory: &Directory) -> bool {
        let account = &envelope.account;
        let last = match &envelope.site {
            SiteRef::None => self.accounts.get(account),
            SiteRef::Uid(uid) => self.sites.get(&(account.clone(), uid.clone())),
            site @ (SiteRef::Id(_) | SiteRef::Name(_)) => match directory.site(account, site) {
                Some(site) => self.sites.get(&(account.clone(), site.uid.clone())),
                None => return false,
            },
            // Sent by the policy for records of unknown sites.
            SiteRef::Device | SiteRef::Unknown => return false,
        };
        last.is_none_or(|last| *last < envelope.received_at)
    }
}

impl Surroundings<'_> {
    /// Where a record was sent, and whether the route takes its event. `device`: the inventory's entry of the device that it names.
    pub(super) fn address(&self, record: &Record, device: Option<&KnownDevice>) -> (Address, bool) {
        let envelope = &record.envelope;
        let decision = self.directory.decide(&envelope.account, &envelope.site);
        let (tenant, is_decided) = match &decision {
            Decision::Org(tenant) => (tenant.as_ref().clone(), true),
            // Its key does not depend on the organization.
            Decision::Ignored | Decision::Dropped | Decision::Held(_) => (nobody(), false),
        };
        let mut events: Vec<Event> = Vec::new();
        // The inventory may not have known the device then.
        for device in device.map(|device| vec![Some(device), None]).unwrap_or_else(|| vec![None]) {
            let processed_at = envelope.received_at;
            let context =
                Context { directory: self.directory, tenant: &tenant, device, processed_at, options: self.options };
            let Ok(Ok(event)) = caught(|| normalize(record, &context)) else { return (Address::default(), false) };
            events.push(event);
        }
        let is_wanted = events.first().is_some_and(|event| {
            is_decided && self.route.names(envelope.kind.stream(), &tenant.id) && self.route.takes(&event.pivots)
        });
        let places: Option<Vec<Place>> = events.iter().map(|event| Place::of(event, self.settings)).collect();
        let Some(places) = places else { return (Address::default(), is_wanted) };
        let is_same_org = !is_by_org(self.settings) || is_decided && self.moves.are_before(envelope, self.directory);
        let topic = places.first().map(|place| place.topic.clone());
        let topic = topic.filter(|topic| is_same_org && places.iter().all(|place| place.topic == *topic));
        let keys = self.has_known_key(envelope, device, &events).then(|| {
            let mut keys: Vec<_> = places.iter().map(|place| place.key).collect();
            keys.dedup();
            keys
        });
        (Address { keys, topic }, is_wanted)
    }

    /// Whether the key then was one of those that `events` have now.
    fn has_known_key(&self, envelope: &Envelope, device: Option<&KnownDevice>, events: &[Event]) -> bool {
        let is_by_device = events.iter().all(|event| event.pivots.device_uid.is_some());
        // The inventory may have known it then.
        let is_forgotten = device.is_none() && matches!(envelope.device, DeviceRef::Id(_));
        let has_known_site = match &envelope.site {
            SiteRef::None | SiteRef::Uid(_) => true,
            site @ SiteRef::Id(_) => self.directory.site(&envelope.account, site).is_some(),
            // Sites change their names.
            SiteRef::Name(_) | SiteRef::Device | SiteRef::Unknown => false,
        };
        is_by_device || (has_known_site && !is_forgotten)
    }
}

fn nobody() -> Tenant {
    Tenant { id: String::new(), name: None, labels: std::collections::BTreeMap::new(), rule: Rule::Account }
}

#[cfg(test)]
mod tests;
