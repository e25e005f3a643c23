//! The site list: names and organizations hang on it, so a record of a site nobody has seen refreshes it first.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::collect::changes;
use crate::collect::inventory::look::Telling;
use crate::collect::inventory::sight::{self, Origin, Sight, Unusable};
use crate::collect::inventory::{Listed, settle};
use crate::collect::source::{PassError, Source};
use crate::collect::walk::Walk;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::model::site;
use crate::datto::page::PageRequest;
use crate::diagnostic::causes;
use crate::diagnostic::panics::caught_in;
use crate::inventory::SiteType;
use crate::journal::JournalError;
use crate::journal::items::{ItemKind, ItemRow};
use crate::journal::lists::WaitEnd;
use crate::journal::sqlite::Journal;
use crate::org::Unmapped;
use crate::org::directory::Directory;
use crate::record::place::{DeviceRef, SiteRef};

/// Unknown sites refresh the list at most this often.
const REFRESH: Duration = Duration::from_secs(60);

/// When the list was last asked for.
#[derive(Debug, Default)]
pub struct SiteList {
    asked_at: Option<Instant>,
}

impl Source {
    /// Refreshes the site list once if one of `sites` is not in it, at most once a minute. What stays unknown follows the
    /// unmapped policy.
    pub async fn know_sites(&self, sites: &[&SiteRef]) -> Result<(), PassError> {
        let directory = self.journal.directory().await?;
        let uid = &self.account.uid;
        let is_unknown = |site: &&SiteRef| {
            let is_named = !matches!(site, SiteRef::None | SiteRef::Device | SiteRef::Unknown);
            is_named && directory.site(uid, site).is_none()
        };
        if !sites.iter().any(is_unknown) {
            return Ok(());
        }
        let mut list = self.sites.lock().await;
        if list.asked_at.is_some_and(|at| at.elapsed() < REFRESH) {
            return Ok(());
        }
        match self.read_sites(&mut list).await {
            Ok(_) => Ok(()),
            Err(PassError::Client(error)) if self.may_go_on(&error, &directory) => {
                let error = causes::line(&error);
                tracing::warn!(
                    account = self.account.name,
                    error,
                    "the site list cannot be read: unknown sites follow the unmapped policy"
                );
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Leaves it to the device where a record names one and several sites have the name that it gives; says whether it did.
    pub async fn leave_to_devices(
        &self,
        named: impl Iterator<Item = (&mut SiteRef, &DeviceRef)>,
    ) -> Result<bool, PassError> {
        let (directory, mut has_left) = (self.journal.directory().await?, false);
        for (site, _) in named.filter(|(_, device)| **device != DeviceRef::None) {
            let SiteRef::Name(name) = &*site else { continue };
            if directory.sites_named(&self.account.uid, name).len() > 1 {
                (*site, has_left) = (SiteRef::Device, true);
            }
        }
        Ok(has_left)
    }

    /// Whether records of unknown sites may be decided without the list: always if it may not be read at all, else only if
    /// they are held, which nothing is lost by.
    fn may_go_on(&self, error: &ClientError, directory: &Directory) -> bool {
        let holds = directory.policy().orgs.as_ref().is_none_or(|rules| rules.unmapped == Unmapped::Hold);
        match error {
            ClientError::Forbidden { .. } | ClientError::NotFound { .. } => true,
            ClientError::Failed { .. }
            | ClientError::Unreachable { .. }
            | ClientError::ForeignPage { .. }
            | ClientError::Endless { .. } => holds,
            ClientError::Rejected { .. } | ClientError::Blocked { .. } | ClientError::Stopped => false,
        }
    }

    /// Reads the whole site list into the journal, and tells what is new or changed in it.
    pub async fn refresh_sites(&self) -> Result<Listed, PassError> {
        let mut list = self.sites.lock().await;
        self.read_sites(&mut list).await
    }

    /// Reads the site list if rules by name wait for it: for an account whose inventory is switched off.
    pub async fn show_sites(&self) -> Result<(), PassError> {
        if !self.journal.directory().await?.is_awaited(&self.account.name) {
            return Ok(());
        }
        match self.refresh_sites().await {
            Err(PassError::Client(error)) => {
                let error = causes::line(&error);
                tracing::warn!(
                    account = self.account.name,
                    error,
                    "the site list cannot be read: rules by name go on without it"
                );
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads the list; whether it was shown or not, rules by name wait for it no longer.
    async fn read_sites(&self, list: &mut SiteList) -> Result<Listed, PassError> {
        let read = ending_wait(&self.journal, &self.account.name, self.read_all(list)).await?;
        match &read {
            Ok(_) => end_wait(&self.journal, &self.account.name).await?,
            Err(PassError::Client(ClientError::Stopped) | PassError::Journal(_)) => {}
            Err(PassError::Client(_)) => end_wait(&self.journal, &self.account.name).await?,
        }
        read
    }

    /// All pages are stored at once: a name that two sites share must not map the first before the second is known.
    async fn read_all(&self, list: &mut SiteList) -> Result<Listed, PassError> {
        #[cfg(test)]
        crate::diagnostic::planted::visit("sites", &self.account.name);
        list.asked_at = Some(Instant::now());
        let mut walk = Walk::kept(PageRequest::list(sight::SITES, "sites"), &self.client);
        let (mut sights, mut rejected) = (BTreeMap::new(), Vec::new());
        let mut devices = BTreeMap::new();
        while let Some(page) = walk.page(&self.client, Lane::Lookup).await? {
            let origin = Origin { account: &self.account.uid, path: sight::SITES, received_at: page.received_at };
            for item in &page.items {
                match sight::site(item, origin) {
                    Ok(sight) => {
                        devices.insert(sight.uid.clone(), site::devices(item));
                        sights.insert(sight.uid.clone(), sight);
                    }
                    Err(unusable) => rejected.push(*unusable),
                }
            }
        }
        let seen = sights.keys().cloned().collect();
        let rows = (sights.len() + rejected.len()) as u64;
        // "Deleted Devices" has a uid that is no UUID, which a look-up need not know, and maybe devices that no list shows.
        let ordinary = || sights.values().filter(|sight| !is_deleted(sight));
        let known = ordinary().map(|sight| sight.uid.clone()).collect();
        let devices_of = |sight: &Sight| devices.get(&sight.uid).copied().flatten();
        let devices = ordinary().try_fold(0_u64, |sum, sight| sum.checked_add(devices_of(sight)?));
        let before = self.journal.directory().await?;
        let postponed = self.store_sites(sights.into_values().collect(), rejected).await?;
        changes::warn_of_ambiguities(before.ambiguities(), &*self.journal.directory().await?);
        let is_complete = !walk.is_looped && !walk.has_hole;
        let total_count = walk.least_total;
        Ok(Listed { requests: walk.requests, postponed, seen, known, rows, total_count, devices, is_complete })
    }

    /// Stores sites, with their records if the inventory is told; gives the number of records that must wait for room.
    async fn store_sites(&self, sights: Vec<Sight>, rejected: Vec<Unusable>) -> Result<u64, PassError> {
        let (released, dropped, postponed) = match self.inventory.telling {
            Telling::Records => {
                let done = settle(self, ItemKind::Site, sights, rejected).await?;
                (done.released, done.dropped, done.postponed)
            }
            Telling::Nothing => {
                let rows = sights.into_iter().filter_map(|sight| match sight.row {
                    ItemRow::Site(site, _) => Some(site),
                    ItemRow::Device(_) => None,
                });
                let change = self.journal.store_sites(&self.account.uid, rows.collect()).await?;
                self.log_changes(&change.changes).await?;
                (change.released, change.dropped, 0)
            }
        };
        if released > 0 || dropped > 0 {
            tracing::info!(account = self.account.name, released, dropped, "the site list decided on held records");
        }
        Ok(postponed)
    }
}

/// Whether it is the system site of deleted devices.
fn is_deleted(sight: &Sight) -> bool {
    matches!(&sight.row, ItemRow::Site(site, _) if site.site_type == SiteType::Deleted)
}

/// What `work` gives. If it panics, nothing waits any longer for the site list that it was to show, and the panic goes on.
pub async fn ending_wait<T>(
    journal: &Journal,
    account: &str,
    work: impl Future<Output = T>,
) -> Result<T, JournalError> {
    match caught_in(Box::pin(work)).await {
        Ok(output) => Ok(output),
        Err(panicked) => {
            end_wait(journal, account).await?;
            std::panic::resume_unwind(Box::new(panicked))
        }
    }
}

/// Ends the wait of rules by name for the site list of an account, by its configured name, and says what that decided.
pub async fn end_wait(journal: &Journal, account: &str) -> Result<(), JournalError> {
    let before = journal.directory().await?;
    if !before.is_awaited(account) {
        return Ok(());
    }
    let WaitEnd { released, dropped, changes: found } = journal.end_wait_for_sites(account).await?;
    let after = journal.directory().await?;
    if released > 0 || dropped > 0 {
        tracing::info!(account, released, dropped, "the site list decided on held records");
    }
    changes::log(&after, &found);
    changes::warn_of_ambiguities(before.ambiguities(), &after);
    Ok(())
}
