//! The inventory: sites and devices, read whole and slowly, for names, organizations and enrichment.

use crate::collect::source::{PassError, SharedSource};
use crate::collect::walk::Walk;
use crate::datto::lane::Lane;
use crate::datto::model::device;
use crate::datto::page::PageRequest;
use crate::normalize::redact;
use crate::record::RecordKind;

/// The inventory of one account.
#[derive(Debug)]
pub struct InventoryStream {
    source: SharedSource,
}

impl InventoryStream {
    /// A stream over the sites and devices of `source`.
    pub fn new(source: SharedSource) -> Self {
        Self { source }
    }

    /// Reads all sites, then all devices; gives the number of requests that it cost.
    pub async fn pass(&mut self) -> Result<u64, PassError> {
        let sites = self.source.refresh_sites().await?;
        let devices = self.refresh_devices().await?;
        Ok(sites + devices)
    }

    async fn refresh_devices(&self) -> Result<u64, PassError> {
        let source = &self.source;
        let mut list = Walk::new(PageRequest::list("/v2/account/devices", "devices"));
        while let Some(page) = list.page(&source.client, Lane::Lookup).await? {
            let (mut devices, mut unusable) = (Vec::new(), 0_u32);
            for item in &page.items {
                match device::decode(&redact::strip(RecordKind::Device, item), &source.account.uid) {
                    Ok(device) => devices.push(device),
                    Err(_) => unusable += 1,
                }
            }
            if unusable > 0 {
                tracing::warn!(account = source.account.name, unusable, "devices without a usable uid were left out");
            }
            source.journal.store_devices(&source.account.uid, devices).await?;
        }
        Ok(list.requests)
    }
}
