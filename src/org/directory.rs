//! Policy, accounts and sites together: the answer to "whose is this record, and may it be collected at all".

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::inventory::{Account, Site};
use crate::org::Policy;
use crate::record::{AccountUid, SiteRef};

/// Policy, accounts and sites of one moment. Everything is decided when it is built; look-ups are cheap.
#[derive(Clone, Debug)]
pub struct Directory {
    /// Counts every change of policy, accounts or sites; a batch is decided under one version.
    pub version: u64,
    policy: Arc<Policy>,
    accounts: HashMap<AccountUid, Account>,
    sites: HashMap<(AccountUid, String), Site>,
    by_id: HashMap<(AccountUid, i64), String>,
}

/// The organization of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// `metadata.tenant_uid`.
    pub id: String,
    /// Its display name; the site's name where a site is its own organization; `None` where none is known.
    pub name: Option<String>,
    /// Labels of the organization.
    pub labels: BTreeMap<String, String>,
    /// The rule that decided.
    pub rule: Rule,
}

/// The rule that decided on a site, in order of precedence (contract.md section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Listed by uid.
    Uid,
    /// Listed by exact name.
    Name,
    /// The site's name equals the organization's name.
    AutoMatch,
    /// The site's Autotask company.
    Autotask,
    /// The policy `unmapped = "default"`.
    Default,
    /// No `[orgs]`: the site itself.
    OwnSite,
    /// The record names no site: `user_activity_org`, else the account.
    Account,
}

/// What the policy says about a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It belongs to this organization.
    Org(Arc<Tenant>),
    /// It is on the ignore list.
    Ignored,
    /// No rule maps it, and the policy is `drop`.
    Dropped,
    /// No rule maps it (or nobody knows it), and the policy is `hold`; why, for people.
    Held(String),
}

/// Whether a record may be collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// Into its lane.
    Take,
    /// Into `held`.
    Hold,
    /// Not at all.
    Drop(DropReason),
}

/// Why a record is not collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The account's filter.
    Filtered,
    /// The ignore list.
    Ignored,
    /// Unmapped, under the policy `drop`.
    Unmapped,
}

impl Directory {
    /// Decides everything once.
    pub fn new(version: u64, policy: Arc<Policy>, accounts: Vec<Account>, sites: Vec<Site>) -> Self {
        let by_id = sites.iter().filter_map(|s| Some(((s.account.clone(), s.id?), s.uid.clone()))).collect();
        let sites = sites.into_iter().map(|s| ((s.account.clone(), s.uid.clone()), s)).collect();
        let accounts = accounts.into_iter().map(|a| (a.uid.clone(), a)).collect();
        Self { version, policy, accounts, sites, by_id }
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The account of a uid.
    pub fn account(&self, uid: &AccountUid) -> Option<&Account> {
        self.accounts.get(uid)
    }

    /// All known sites, in no order.
    pub fn sites(&self) -> impl Iterator<Item = &Site> {
        self.sites.values()
    }

    /// The site that a record names, if the inventory knows it.
    pub fn site(&self, account: &AccountUid, site: &SiteRef) -> Option<&Site> {
        let uid = match site {
            SiteRef::Uid(uid) => uid,
            SiteRef::Id(id) => self.by_id.get(&(account.clone(), *id))?,
            SiteRef::None | SiteRef::Name(_) => return None,
        };
        self.sites.get(&(account.clone(), uid.clone()))
    }

    /// Whose a record of this site is.
    pub fn decide(&self, account: &AccountUid, site: &SiteRef) -> Decision {
        let (id, name, rule) = match (site, self.site(account, site)) {
            (SiteRef::None, _) => (account.to_string(), None, Rule::Account),
            (_, Some(site)) => (site.uid.clone(), Some(site.name.clone()), Rule::OwnSite),
            (unknown, None) => return Decision::Held(format!("{unknown} is not in the site list")),
        };
        Decision::Org(Arc::new(Tenant { id, name, labels: BTreeMap::new(), rule }))
    }

    /// Whether a record of this site may be collected. `severity`: severity id of an alert not told before, for `min_priority`.
    pub fn intake(&self, account: &AccountUid, site: &SiteRef, severity: Option<u8>) -> Intake {
        let _ = severity;
        match self.decide(account, site) {
            Decision::Org(_) => Intake::Take,
            Decision::Held(_) => Intake::Hold,
            Decision::Ignored => Intake::Drop(DropReason::Ignored),
            Decision::Dropped => Intake::Drop(DropReason::Unmapped),
        }
    }
}
