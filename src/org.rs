//! Which organization a site belongs to: rules and their evaluation. Pure: no I/O, no clock.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub mod audit;
pub mod changes;
mod claims;
pub mod directory;
mod filter;
pub mod names;
pub mod stay;
mod verdicts;
mod view;

/// Everything that decides where a record may go. Stored in the journal under a version; a change of it is one transaction.
/// `Default` is the policy of a configuration without `[orgs]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The rules of `[orgs]`; `None` without that section: every site is its own organization (id = site uid).
    pub orgs: Option<Rules>,
    /// Filters and the organization of account-level records, by the name of the `[accounts.<name>]` table.
    pub accounts: BTreeMap<String, AccountPolicy>,
}

/// The `[orgs]` section (contract.md sections 2 and 4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Organizations in file order.
    pub list: Vec<Org>,
    /// Sites never to be mapped or collected: uids or exact names.
    pub ignore: Vec<String>,
    /// A site whose name equals an organization's name is mapped to it.
    pub auto_match: bool,
    /// A site's Autotask company becomes its organization.
    pub autotask: bool,
    /// What happens to records of sites that no rule maps.
    pub unmapped: Unmapped,
}

/// One organization of `[orgs.list.<id>]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Org {
    /// Its id, `[A-Za-z0-9._-]{1,100}`, as events carry it.
    pub id: String,
    /// Its display name.
    pub name: String,
    /// Only sites of these accounts (by configured name); `None`: of all.
    pub accounts: Option<Vec<String>>,
    /// Sites by uid or exact name.
    pub sites: Vec<String>,
    /// Labels that travel into events.
    pub labels: BTreeMap<String, String>,
}

/// The policy for records of sites that no rule maps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unmapped {
    /// Journal only, delivered once mapped.
    Hold,
    /// Not collected, counted.
    Drop,
    /// Goes to this organization id.
    Default(String),
}

/// What the configuration says about one account's records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountPolicy {
    /// Where records that name no site go; `None`: the account's uid.
    pub user_activity_org: Option<String>,
    /// What is not collected at all.
    pub filter: Filter,
}

/// `[accounts.<name>.filter]`: acts before the journal, and is counted. Records without a site pass site filters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Site name globs or uids; `None`: all.
    pub include_sites: Option<Vec<String>>,
    /// Site name globs or uids.
    pub exclude_sites: Vec<String>,
    /// Only these types; `None`: all.
    pub site_types: Option<Vec<crate::inventory::SiteType>>,
    /// Alerts only: the lowest priority that is told, as severity id (1 Informational … 5 Critical).
    pub min_severity: Option<u8>,
}
