//! The site list: names and organizations hang on it, so a record of a site nobody has seen refreshes it first.

use std::time::Duration;

use tokio::time::Instant;

use crate::collect::source::{PassError, Source};
use crate::datto::lane::Lane;
use crate::datto::model::site;
use crate::datto::page::PageRequest;
use crate::inventory::Site;
use crate::record::SiteRef;

/// Unknown sites refresh the list at most this often.
const REFRESH: Duration = Duration::from_secs(60);

/// When the list was last read.
#[derive(Debug, Default)]
pub struct SiteList {
    read_at: Option<Instant>,
}

impl Source {
    /// Refreshes the site list once if one of `sites` is not in it, at most once a minute. What stays unknown follows the
    /// unmapped policy. A refresh that fails fails the pass: the records are read again, not decided on old knowledge.
    pub async fn know_sites(&self, sites: &[&SiteRef]) -> Result<(), PassError> {
        let directory = self.journal.directory().await?;
        let uid = &self.account.uid;
        let is_unknown = |site: &&SiteRef| **site != SiteRef::None && directory.site(uid, site).is_none();
        if !sites.iter().any(is_unknown) {
            return Ok(());
        }
        let mut list = self.sites.lock().await;
        if list.read_at.is_some_and(|at| at.elapsed() < REFRESH) {
            return Ok(());
        }
        self.read_sites(&mut list).await.map(drop)
    }

    /// Reads the whole site list into the journal; gives the number of requests that it cost.
    pub async fn refresh_sites(&self) -> Result<u64, PassError> {
        let mut list = self.sites.lock().await;
        self.read_sites(&mut list).await
    }

    async fn read_sites(&self, list: &mut SiteList) -> Result<u64, PassError> {
        let mut next = Some(PageRequest::list("/v2/account/sites", "sites"));
        let mut visited = std::collections::HashSet::new();
        let mut requests = 0;
        while let Some(request) = next.filter(|request| visited.insert(request.key())) {
            let page = self.client.page(Lane::Lookup, &request).await?;
            requests += 1;
            let sites: Vec<Site> =
                page.items.iter().filter_map(|item| site::decode(item, &self.account.uid).ok()).collect();
            let change = self.journal.store_sites(&self.account.uid, sites).await?;
            if change.released > 0 || change.dropped > 0 {
                tracing::info!(
                    account = self.account.name, released = change.released, dropped = change.dropped,
                    "the site list decided on held records"
                );
            }
            next = page.next;
        }
        list.read_at = Some(Instant::now());
        Ok(requests)
    }
}
