//! The site list: names and organizations hang on it, so a record of a site nobody has seen refreshes it first.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::collect::source::{PassError, Source};
use crate::collect::walk::Walk;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::model::site;
use crate::datto::page::PageRequest;
use crate::diagnostic::causes;
use crate::inventory::Site;
use crate::org::Unmapped;
use crate::org::directory::Directory;
use crate::record::SiteRef;

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
        let is_unknown = |site: &&SiteRef| **site != SiteRef::None && directory.site(uid, site).is_none();
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

    /// Whether records of unknown sites may be decided without the list: always if it may not be read at all, else only if
    /// they are held, which nothing is lost by.
    fn may_go_on(&self, error: &ClientError, directory: &Directory) -> bool {
        let holds = directory.policy().orgs.as_ref().is_none_or(|rules| rules.unmapped == Unmapped::Hold);
        match error {
            ClientError::Forbidden { .. } | ClientError::NotFound { .. } => true,
            ClientError::Failed { .. } | ClientError::ForeignPage { .. } => holds,
            ClientError::Rejected { .. } | ClientError::Blocked { .. } | ClientError::Stopped => false,
        }
    }

    /// Reads the whole site list into the journal; gives the number of requests that it cost.
    pub async fn refresh_sites(&self) -> Result<u64, PassError> {
        let mut list = self.sites.lock().await;
        self.read_sites(&mut list).await
    }

    /// All pages are stored at once: a name that two sites share must not map the first before the second is known.
    async fn read_sites(&self, list: &mut SiteList) -> Result<u64, PassError> {
        list.asked_at = Some(Instant::now());
        let mut walk = Walk::new(PageRequest::list("/v2/account/sites", "sites"));
        let mut sites: BTreeMap<String, Site> = BTreeMap::new();
        while let Some(page) = walk.page(&self.client, Lane::Lookup).await? {
            let decoded = page.items.iter().filter_map(|item| site::decode(item, &self.account.uid).ok());
            sites.extend(decoded.map(|site| (site.uid.clone(), site)));
        }
        let change = self.journal.store_sites(&self.account.uid, sites.into_values().collect()).await?;
        if change.released > 0 || change.dropped > 0 {
            tracing::info!(
                account = self.account.name,
                released = change.released,
                dropped = change.dropped,
                "the site list decided on held records"
            );
        }
        Ok(walk.requests)
    }
}
