//! Changes of who sees what, in the log: the same that vintner's own events tell (contract.md section 3).

use crate::org::audit::{About, Change};
use crate::org::directory::{Ambiguity, Directory};

/// Most changes that the log names one by one; the events tell all.
const MOST_TOLD: usize = 50;

/// Logs what changed; `directory` knows the configured names of accounts.
pub fn log(directory: &Directory, changes: &[Change]) {
    for change in changes.iter().take(MOST_TOLD) {
        let account = directory.account(&change.account);
        let account = account.map_or(change.account.as_str(), |account| account.name.as_str());
        one(account, &change.about);
    }
    if changes.len() > MOST_TOLD {
        tracing::info!(
            changes = changes.len(),
            "so many sites and devices changed; the rest is not logged: see `vintner orgs list`, and the events of the stream vintner"
        );
    }
}

/// Warns of sites that stay without an organization since rules or names do not tell them apart, unless `before` had the same.
pub fn warn_of_ambiguities(before: &[Ambiguity], directory: &Directory) {
    for ambiguity in directory.ambiguities().iter().filter(|ambiguity| !before.contains(ambiguity)) {
        let sites: Vec<&str> = ambiguity.sites.iter().map(|(_, uid)| uid.as_str()).take(MOST_TOLD).collect();
        tracing::warn!(
            name = ambiguity.name,
            sites = sites.join(", "),
            reason = ambiguity.reason,
            "these sites have no organization: what claims them does not tell them apart"
        );
    }
}

fn one(account: &str, about: &About) {
    match about {
        About::SiteCreated { site, to, why } => {
            tracing::info!(account, site = site.name, site_uid = site.uid, %to, why, "a site is new");
        }
        About::SiteRenamed { site, previous_name } => {
            tracing::info!(account, site = site.name, site_uid = site.uid, previous_name, "a site has another name");
        }
        About::SiteMoved { site, from, to, why } => {
            tracing::info!(
                account,
                site = site.name,
                site_uid = site.uid,
                %from,
                %to,
                why,
                "records of this site go elsewhere from now on"
            );
        }
        About::SiteRemoved { site, from } => {
            tracing::info!(account, site = site.name, site_uid = site.uid, %from, "a site is gone");
        }
        About::DeviceMoved { uid, hostname, from_site, to_site, from, to } => {
            tracing::info!(
                account,
                device = uid,
                hostname,
                from_site = from_site.name,
                to_site = to_site.name,
                %from,
                %to,
                "a device went to a site of another organization"
            );
        }
        About::MappingChanged { version, changed, moves, .. } => {
            let sites = moves.iter().map(|flow| flow.sites).fold(0, u64::saturating_add);
            tracing::info!(account, version, changed = changed.join(", "), sites, "the mapping changed");
        }
    }
}
