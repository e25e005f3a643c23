//! A sink that judges each event by the mapping in force, and fails as it is told.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;

use super::model::{ACCOUNTS, Model, Owner, Place, SITES, number, uid};
use crate::event::Event;
use crate::journal::sqlite::Journal;
use crate::sink::{Delivered, Sink, SinkError};

/// How a delivery goes wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// Nothing arrives.
    Retry,
    /// All arrives, the answer is lost.
    Lost,
    /// Nothing arrives, and nobody answers.
    Hang,
    /// All arrives, and nobody answers.
    AcceptAndHang,
    /// The first event is refused for good.
    Refuse,
    /// A site gets another organization (2: none) while the batch is on its way, and nothing arrives.
    RemapAndRetry(u8, u8),
    /// The same, and all arrives.
    RemapAndAccept(u8, u8),
}

/// What sinks, world and checker share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) model: Model,
    pub(super) faults: VecDeque<Fault>,
    /// What each sink got, in order: event id and kind.
    pub(super) got: HashMap<&'static str, Vec<(String, String)>>,
    /// What may come again, since the sink's answer was lost.
    excused: HashSet<(&'static str, String)>,
    /// The mapping of the delivery that was accepted in this turn.
    pub(super) accepted: Option<Model>,
    /// What vintner told of sites, and what it should have told.
    pub(super) changes: u64,
    /// Held records that a change of the mapping dropped.
    pub(super) dropped: u64,
}

/// A sink and the route that its deliverer follows.
pub(super) struct Judge {
    pub(super) name: &'static str,
    pub(super) orgs: Option<&'static [&'static str]>,
    pub(super) streams: Option<&'static [&'static str]>,
    pub(super) shared: Arc<Mutex<Shared>>,
    pub(super) journal: Journal,
}

impl Judge {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }

    /// Whether the sink's route names the stream and the organization.
    pub(super) fn wants(&self, stream: &str, org: &str) -> bool {
        let streams = self.streams.map_or(stream != "vintner", |streams| streams.contains(&stream));
        streams && self.orgs.is_none_or(|orgs| orgs.contains(&org))
    }

    /// No event reaches this sink that the mapping in force gives to another.
    fn judge(&self, event: &Event) {
        let raw: Value = serde_json::from_str(&event.json).unwrap();
        let owner = owner(&self.shared().model, &raw);
        let tenant = raw["tenant_uid"].as_str().unwrap();
        assert_eq!(Owner::Org(tenant_of(tenant)), owner, "ROUTE: {} gets {raw}", self.name);
        assert!(self.wants(stream(raw["type"].as_str().unwrap()), tenant), "ROUTE: {} gets {raw}", self.name);
    }

    fn accept(&self, events: &[Event], excused: bool) {
        let mut shared = self.shared();
        for event in events {
            let raw: Value = serde_json::from_str(&event.json).unwrap();
            let [id, kind] = ["id", "type"].map(|key| raw[key].as_str().unwrap().to_owned());
            let is_known = shared.got.entry(self.name).or_default().iter().any(|(known, _)| *known == id);
            let may = shared.excused.remove(&(self.name, id.clone()));
            assert!(!is_known || may, "ONCE: {} gets {raw} again", self.name);
            shared.got.entry(self.name).or_default().push((id.clone(), kind));
            if excused {
                shared.excused.insert((self.name, id));
            }
        }
    }

    /// The operator changes the mapping of a site by its uid.
    async fn remap(&self, site: u8, org: u8) {
        let policy = {
            let mut shared = self.shared();
            let place = (usize::from(site) / SITES, usize::from(site) % SITES);
            let mut next = shared.model.clone();
            if org < 2 {
                next.by_uid.insert(place, usize::from(org))
            } else {
                next.by_uid.remove(&place)
            };
            shared.changes += moved(&shared.model, &next);
            shared.model = next;
            shared.model.policy()
        };
        let change = self.journal.set_policy(policy).await.unwrap();
        self.shared().dropped += change.dropped;
    }
}

impl Sink for Judge {
    async fn deliver(&mut self, events: &[Event]) -> Result<Delivered, SinkError> {
        events.iter().for_each(|event| self.judge(event));
        let (fault, model) = {
            let mut shared = self.shared();
            shared.accepted = None;
            (shared.faults.pop_front(), shared.model.clone())
        };
        let again = || Err(SinkError::Retry("not now".into()));
        match fault {
            Some(Fault::Retry) => return again(),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::AcceptAndHang) => {
                self.accept(events, true);
                std::future::pending().await
            }
            Some(Fault::Lost) => {
                self.accept(events, true);
                return again();
            }
            Some(Fault::RemapAndRetry(site, org)) => {
                self.remap(site, org).await;
                return again();
            }
            Some(Fault::Refuse) => {
                self.accept(&events[1..], false);
                self.shared().accepted = Some(model);
                return Ok(Delivered { refused: vec![(0, "never".into())], ..Delivered::default() });
            }
            Some(Fault::RemapAndAccept(site, org)) => {
                self.accept(events, false);
                self.remap(site, org).await;
            }
            None => self.accept(events, false),
        }
        self.shared().accepted = Some(model);
        Ok(Delivered::default())
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Whose a record is, from its raw form alone: the site that its source names, or the account's own.
pub(super) fn owner(model: &Model, raw: &Value) -> Owner {
    let account = ACCOUNTS.iter().position(|(uid, ..)| raw["account_uid"] == *uid).unwrap();
    let source = &raw["record"];
    if raw["type"].as_str().unwrap().starts_with("vintner.") {
        return Owner::Org(ACCOUNTS[account].2);
    }
    let site = (0..SITES).find(|site| source["siteUid"] == uid((account, *site)) || source["site"] == number(*site));
    let Some(site) = site else { return Owner::Org(ACCOUNTS[account].2) };
    let place: Place = (account, site);
    // A number means a site only once the list shows it.
    if source["siteUid"].is_null() && !model.sites.contains_key(&place) {
        return Owner::Nobody;
    }
    model.owner(place)
}

/// How many sites that the journal knows change their owner.
pub(super) fn moved(before: &Model, after: &Model) -> u64 {
    let both = before.sites.keys().filter(|place| after.sites.contains_key(place));
    let standing = |model: &Model, place| {
        let owner = model.owner(place);
        let drops = model.drops && owner == Owner::Nobody;
        (owner, drops)
    };
    both.filter(|place| standing(before, **place) != standing(after, **place)).count() as u64
}

pub(super) fn stream(kind: &str) -> &'static str {
    match kind {
        "alert" => "alerts",
        kind if kind.starts_with("activity") => "activity",
        kind if kind.starts_with("vintner.") => "vintner",
        _ => "inventory",
    }
}

fn tenant_of(id: &str) -> &'static str {
    ["x", "y", "msp-a", "msp-b"].into_iter().find(|known| *known == id).unwrap_or("an organization that nobody has")
}
