//! The inventory: sites and devices, read whole and slowly, for names, organizations and enrichment; what is new or changed in it
//! is told (architecture.md section 5, event-schema.md section 8).

use std::collections::HashSet;
use std::time::Duration;

use crate::collect::alerts::Thoroughness;
use crate::collect::count::{CountedList, ListCount};
use crate::collect::inventory::look::look;
use crate::collect::inventory::sight::{Origin, Sight, Unusable};
use crate::collect::item;
use crate::collect::proof;
use crate::collect::source::{PassError, SharedSource, Source};
use crate::collect::walk::Walk;
use crate::datto::lane::Lane;
use crate::datto::page::PageRequest;
use crate::journal::JournalError;
use crate::journal::items::{ItemIntake, ItemKind, ItemLook, ItemPage};
use crate::record::Stream;
use crate::record::place::SiteRef;

pub mod absent;
pub mod look;
pub mod posture;
pub mod sight;
pub mod watched;

/// How often a full journal is looked at again, and how often in all before the next pass.
const ROOM_RETRY: Duration = Duration::from_secs(5);
const ROOM_RETRIES: u32 = 12;

/// The inventory of one account.
#[derive(Debug)]
pub struct InventoryStream {
    source: SharedSource,
}

/// What a pass found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassReport {
    /// Requests that it cost.
    pub requests: u64,
    /// Records that the journal had no room for: another pass tells them.
    pub postponed: u64,
}

/// What a walk over one list showed.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// Requests that it cost.
    pub requests: u64,
    /// Records that the journal had no room for.
    pub postponed: u64,
    /// Uids of its items.
    pub seen: HashSet<String>,
    /// Uids of items that a look-up must find, the latest last.
    pub known: Vec<String>,
    /// Distinct rows, those that cannot be used included.
    pub rows: u64,
    /// The smallest `totalCount` of its pages.
    pub total_count: Option<u64>,
    /// Of the site list: how many devices its sites say that they have.
    pub devices: Option<u64>,
    /// Whether it was read to its end without losing its place.
    pub is_complete: bool,
}

impl InventoryStream {
    /// A stream over the sites and devices of `source`.
    pub fn new(source: SharedSource) -> Self {
        Self { source }
    }

    /// Reads all sites, then all devices, and looks up what a whole list no longer shows.
    pub async fn pass(&mut self, thoroughness: Thoroughness) -> Result<PassReport, PassError> {
        let before = self.account_devices().await?;
        let sites = self.source.refresh_sites().await?;
        let of_sites = sites.devices.filter(|_| sites.is_complete);
        let count = ListCount::of_pages(CountedList::Sites, sites.rows, sites.total_count);
        let mut report = self.looked_up(ItemKind::Site, sites, count, thoroughness).await?;
        let devices = self.refresh_devices().await?;
        let count = ListCount::of_pages(CountedList::Devices, devices.rows, devices.total_count);
        let count = count.with_devices((before, self.account_devices().await?), of_sites);
        let devices = self.looked_up(ItemKind::Device, devices, count, thoroughness).await?;
        report.requests += devices.requests + 2;
        report.postponed += devices.postponed;
        if report.postponed > 0 {
            self.wait_for_room(report.postponed).await?;
        }
        Ok(report)
    }

    /// The account's own number of devices; `None` if it does not say.
    async fn account_devices(&self) -> Result<Option<u64>, PassError> {
        Ok(proof::account(&self.source).await?.and_then(|account| account.devices))
    }

    async fn looked_up(
        &self,
        kind: ItemKind,
        listed: Listed,
        count: ListCount,
        thoroughness: Thoroughness,
    ) -> Result<PassReport, PassError> {
        let mut report = PassReport { requests: listed.requests, postponed: listed.postponed };
        if !listed.is_complete {
            return Ok(report);
        }
        let source = &self.source;
        source.note_list(Stream::Inventory, count);
        if count.may_prove_absence() {
            let missing = source.journal.missing_items(&source.account.uid, kind, listed.seen).await?;
            report.requests += absent::look_up(source, kind, missing, listed.known, thoroughness).await?;
        }
        Ok(report)
    }

    async fn refresh_devices(&self) -> Result<Listed, PassError> {
        let source = &self.source;
        let mut list = Walk::new(PageRequest::list(sight::DEVICES, "devices"));
        let (mut listed, mut unusable) = (Listed::default(), 0);
        loop {
            let sent = source.api_time();
            let Some(page) = list.page(&source.client, Lane::Lookup).await? else { break };
            let received = source.api_time();
            let origin = Origin { account: &source.account.uid, path: sight::DEVICES, received_at: page.received_at };
            let (mut sights, mut rejected, mut here) = (Vec::new(), Vec::new(), HashSet::new());
            for item in &page.items {
                match sight::device(item, origin, &source.inventory.udfs) {
                    Ok(sight) => {
                        if here.insert(sight.uid.clone()) {
                            sights.push(sight);
                        }
                    }
                    Err(unusable) => rejected.push(*unusable),
                }
            }
            if !sights.is_empty() {
                listed.known = sights.iter().map(|sight| sight.uid.clone()).collect();
            }
            unusable += rejected.len() as u64;
            listed.seen.extend(here);
            let seen = sights.iter().filter_map(|sight| sight.observation(sent, received)).collect();
            source.journal.observe_devices(&source.account.uid, seen).await?;
            listed.postponed += take(source, ItemKind::Device, sights, rejected).await?.postponed;
        }
        listed.requests = list.requests;
        listed.rows = listed.seen.len() as u64 + unusable;
        listed.total_count = list.least_total;
        listed.is_complete = !list.is_looped && !list.has_hole;
        Ok(listed)
    }

    /// Rows go on while the journal is full, records wait: until there is room, but not so long that the rows grow old.
    async fn wait_for_room(&self, postponed: u64) -> Result<(), PassError> {
        let source = &self.source;
        let causes = source.journal.causes().await?;
        let (cause, hint) = (causes.to_string(), causes.hint());
        tracing::error!(
            account = source.account.name,
            postponed,
            cause,
            hint,
            "the journal is full: changes of the inventory are emitted once it has room"
        );
        source.status.set_waiting(Stream::Inventory, "the journal is full");
        for _ in 0..ROOM_RETRIES {
            if !source.journal.is_full() {
                break;
            }
            tokio::time::sleep(ROOM_RETRY).await;
        }
        Ok(())
    }
}

/// Compares what a page showed with what is known and commits the difference; each item is shown once.
pub async fn take(
    source: &Source,
    kind: ItemKind,
    sights: Vec<Sight>,
    rejected: Vec<Unusable>,
) -> Result<ItemIntake, PassError> {
    if kind == ItemKind::Device {
        let (looks, _) = looks(source, kind, &sights).await?;
        let named = looks.iter().filter_map(|look| look.records.first());
        let sites: Vec<&SiteRef> = named.map(|record| &record.envelope.site).collect();
        source.know_sites(&sites).await?;
    }
    settle(source, kind, sights, rejected).await
}

/// Like [`take`], where the site list is what is being read.
pub async fn settle(
    source: &Source,
    kind: ItemKind,
    sights: Vec<Sight>,
    rejected: Vec<Unusable>,
) -> Result<ItemIntake, PassError> {
    loop {
        let (looks, failed) = looks(source, kind, &sights).await?;
        let rejected = [rejected.clone(), failed].concat();
        if looks.is_empty() && rejected.is_empty() {
            return Ok(ItemIntake::default());
        }
        match source.commit_items(ItemPage { looks, rejected }).await {
            Ok(intake) => return Ok(intake),
            // A held record was dropped meanwhile, which made its item untold: look again.
            Err(JournalError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What the items tell, and those that make vintner panic.
async fn looks(source: &Source, kind: ItemKind, sights: &[Sight]) -> Result<(Vec<ItemLook>, Vec<Unusable>), PassError> {
    let account = &source.account.uid;
    let uids = sights.iter().map(|sight| sight.uid.clone()).collect();
    let known = source.journal.item_states(account, kind, uids).await?;
    let (mut looks, mut unusable) = (Vec::new(), Vec::new());
    for sight in sights {
        let looked = item::guarded(&sight.path, &sight.source, || {
            look(account, known.get(&sight.uid), sight, &source.inventory)
        });
        match looked {
            Ok(look) => looks.extend(look),
            Err(rejected) => unusable.push(sight::panicked(kind, &sight.source, rejected)),
        }
    }
    Ok((looks, unusable))
}
