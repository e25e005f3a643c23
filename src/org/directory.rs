//! Policy, accounts and sites together: the answer to "whose is this record, and may it be collected at all".

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::inventory::{Account, Site};
use crate::org::Policy;
use crate::org::claims::Claims;
use crate::org::verdicts::{decide_all, decide_unknown, unmapped};
use crate::org::view::{View, own_account, own_site};
use crate::record::AccountUid;
use crate::record::place::SiteRef;

/// Policy, accounts and sites of one moment. Everything is decided when it is built; look-ups are cheap.
#[derive(Clone, Debug)]
pub struct Directory {
    /// Counts every change of policy, accounts or sites; a batch is decided under one version.
    pub version: u64,
    policy: Arc<Policy>,
    claims: Option<Claims>,
    accounts: HashMap<AccountUid, View>,
    ambiguities: Vec<Ambiguity>,
    /// Configured accounts whose site list is not known yet.
    awaited: BTreeSet<String>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// Sites that rules claim in a way that cannot be told apart. They stay unmapped until the rules are made exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguity {
    /// The name (or the Autotask organization id) that they share.
    pub name: String,
    /// The sites, sorted: account and uid.
    pub sites: Vec<(AccountUid, String)>,
    /// Why, and what mends it, for people.
    pub reason: String,
}

/// One row of `orgs list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteListing {
    /// The configured name of the account; its uid if it is not configured.
    pub account: String,
    /// The site.
    pub site: Site,
    /// Where its records go.
    pub decision: Decision,
    /// Which rule decided, for people.
    pub why: String,
    /// The account's filter stops its records, whatever the decision.
    pub filtered: bool,
}

impl Directory {
    /// Decides everything once. `sites` holds each pair of account and uid at most once.
    pub fn new(version: u64, policy: Arc<Policy>, accounts: Vec<Account>, sites: Vec<Site>) -> Self {
        Self::awaiting(version, policy, accounts, sites, BTreeSet::new())
    }

    /// The same while the site lists of some configured accounts are not known: sites that only a name would map are held until they
    /// are (contract.md section 4).
    pub fn awaiting(
        version: u64,
        policy: Arc<Policy>,
        accounts: Vec<Account>,
        sites: Vec<Site>,
        awaited: BTreeSet<String>,
    ) -> Self {
        let mut views: HashMap<AccountUid, View> = HashMap::new();
        for account in accounts {
            let uid = account.uid.clone();
            views.insert(uid.clone(), View::new(&policy, &uid, Some(account)));
        }
        let name_of = |uid: &AccountUid| views.get(uid)?.name();
        let claims = policy.orgs.as_ref().map(|rules| Claims::new(rules, &sites));
        let (verdicts, ambiguities) = match (&policy.orgs, &claims) {
            (Some(rules), Some(claims)) => decide_all(rules, claims, &sites, name_of, &awaited),
            _ => (sites.iter().map(own_site).collect(), Vec::new()),
        };
        for (site, verdict) in sites.into_iter().zip(verdicts) {
            let uid = site.account.clone();
            views.entry(uid.clone()).or_insert_with(|| View::new(&policy, &uid, None)).add(site, verdict);
        }
        Self { version, policy, claims, accounts: views, ambiguities, awaited }
    }

    /// The same accounts and sites under another policy: what a changed configuration would do.
    #[must_use]
    pub fn under(&self, policy: Policy) -> Self {
        let accounts = self.accounts.values().filter_map(|view| view.account().cloned()).collect();
        let awaited = self.awaited.iter().filter(|name| policy.accounts.contains_key(*name)).cloned().collect();
        Self::awaiting(self.version, Arc::new(policy), accounts, self.sites().cloned().collect(), awaited)
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// All accounts that were opened, in no order.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values().filter_map(View::account)
    }

    /// The account of a uid.
    pub fn account(&self, uid: &AccountUid) -> Option<&Account> {
        self.accounts.get(uid)?.account()
    }

    /// The configured name of an account, for people; its uid if it is not known.
    pub fn name_of<'a>(&'a self, uid: &'a AccountUid) -> &'a str {
        self.account(uid).map_or(uid.as_str(), |account| &account.name)
    }

    /// The account under the name of its `[accounts.<name>]` table.
    pub fn account_named(&self, name: &str) -> Option<&Account> {
        self.accounts.values().filter_map(View::account).find(|account| account.name == name)
    }

    /// All known sites, in no order.
    pub fn sites(&self) -> impl Iterator<Item = &Site> {
        self.accounts.values().flat_map(View::sites).map(|known| &known.site)
    }

    /// The site that a record names, if the inventory knows it. A name means a site only if exactly one site of the
    /// account has it.
    pub fn site(&self, account: &AccountUid, site: &SiteRef) -> Option<&Site> {
        self.accounts.get(account)?.known(site).map(|known| &known.site)
    }

    /// The uids of the account's sites that have this name, in no order.
    pub fn sites_named(&self, account: &AccountUid, name: &str) -> Vec<&str> {
        let view = self.accounts.get(account).filter(|_| !name.trim().is_empty());
        view.into_iter().flat_map(|view| view.named(name)).map(|known| known.site.uid.as_str()).collect()
    }

    /// Whose a record of this site is.
    pub fn decide(&self, account: &AccountUid, site: &SiteRef) -> Decision {
        match self.accounts.get(account).and_then(|view| view.known(site)) {
            Some(known) => known.verdict.decision.clone(),
            None => self.decide_unknown(account, site),
        }
    }

    /// Whether the site list of the account of this configured name is still to be read.
    pub fn is_awaited(&self, account: &str) -> bool {
        self.awaited.contains(account)
    }

    /// Whether the decision on this site stands only until all site lists are known that its name must be looked for in.
    pub fn waits(&self, account: &AccountUid, site: &SiteRef) -> bool {
        let known = self.accounts.get(account).and_then(|view| view.known(site));
        known.is_some_and(|known| known.verdict.is_waiting)
    }

    /// Whether a record of this site may be collected. `severity`: severity id of an alert not told before, for `min_priority`.
    pub fn intake(&self, account: &AccountUid, site: &SiteRef, severity: Option<u8>) -> Intake {
        if self.accounts.get(account).is_some_and(|view| view.filters(site, severity)) {
            return Intake::Drop(DropReason::Filtered);
        }
        match self.decide(account, site) {
            Decision::Org(_) => Intake::Take,
            Decision::Held(_) => Intake::Hold,
            Decision::Ignored => Intake::Drop(DropReason::Ignored),
            Decision::Dropped => Intake::Drop(DropReason::Unmapped),
        }
    }

    /// Sites that stay unmapped because several rules, or several sites, fit; sorted.
    pub fn ambiguities(&self) -> &[Ambiguity] {
        &self.ambiguities
    }

    /// Every known site, where it goes and why: sorted by account, name and uid.
    pub fn listing(&self) -> Vec<SiteListing> {
        let mut rows: Vec<SiteListing> = self.accounts.values().flat_map(View::listing).collect();
        rows.sort_by(|a, b| (&a.account, &a.site.name, &a.site.uid).cmp(&(&b.account, &b.site.name, &b.site.uid)));
        rows
    }

    /// Whose a record is that names a site which nobody knows, or none.
    fn decide_unknown(&self, account: &AccountUid, site: &SiteRef) -> Decision {
        let view = self.accounts.get(account);
        let unknown = || "site unknown: its device was not observed in one site before and after it".to_owned();
        let not_listed = || format!("{site} is not in the site list");
        match (site, &self.policy.orgs, &self.claims) {
            (SiteRef::None, ..) => match view {
                Some(view) => Decision::Org(Arc::clone(view.own())),
                None => Decision::Org(Arc::new(own_account(account))),
            },
            (SiteRef::Uid(uid), Some(rules), Some(claims)) => {
                decide_unknown(rules, claims, uid, view.and_then(View::name)).decision
            }
            (SiteRef::Id(_) | SiteRef::Name(_), Some(rules), _) => unmapped(rules, &not_listed()).decision,
            // Whatever the policy: once its site is settled, that decides.
            (SiteRef::Device, ..) => Decision::Held("its device is looked up".to_owned()),
            (SiteRef::Unknown, Some(rules), _) => unmapped(rules, &unknown()).decision,
            (SiteRef::Unknown, None, _) => Decision::Held(unknown()),
            (SiteRef::Uid(_) | SiteRef::Id(_) | SiteRef::Name(_), ..) => Decision::Held(not_listed()),
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
