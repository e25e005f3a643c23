//! One account as the directory sees it: its sites, decided, and the ways in which records name them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::inventory::{Account, Site};
use crate::org::directory::{Decision, Rule, SiteListing, Tenant};
use crate::org::filter::Compiled;
use crate::org::verdicts::{Verdict, tenant_by_id};
use crate::org::{Policy, names};
use crate::record::AccountUid;
use crate::record::place::SiteRef;

/// What is known of one account.
#[derive(Clone, Debug)]
pub(crate) struct View {
    account: Option<Account>,
    /// Whose the records without a site are.
    own: Arc<Tenant>,
    filter: Compiled,
    sites: HashMap<String, Known>,
    /// Uid by numeric id; `None` where two sites have one id.
    by_id: HashMap<i64, Option<String>>,
    /// Uid by name in its comparable form; `None` where two sites have one name.
    by_name: HashMap<String, Option<String>>,
}

/// A known site, decided.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) site: Site,
    pub(crate) verdict: Verdict,
    /// The account's filter stops its records.
    pub(crate) filtered: bool,
}

impl View {
    pub(crate) fn new(policy: &Policy, uid: &AccountUid, account: Option<Account>) -> Self {
        let settings = account.as_ref().and_then(|account| policy.accounts.get(&account.name));
        let org = settings.and_then(|settings| settings.user_activity_org.as_deref());
        let own = match (org, &policy.orgs) {
            (Some(id), Some(rules)) => tenant_by_id(rules, id, Rule::Account),
            (Some(id), None) => Tenant { id: id.to_owned(), ..own_account(uid) },
            (None, _) => {
                let name = account.as_ref().map(|a| a.display_name.clone()).filter(|name| !name.is_empty());
                Tenant { name, ..own_account(uid) }
            }
        };
        Self {
            account,
            own: Arc::new(own),
            filter: settings.map(|settings| Compiled::new(&settings.filter)).unwrap_or_default(),
            sites: HashMap::new(),
            by_id: HashMap::new(),
            by_name: HashMap::new(),
        }
    }

    pub(crate) fn add(&mut self, site: Site, verdict: Verdict) {
        if let Some(id) = site.id {
            self.by_id.entry(id).and_modify(|uid| *uid = None).or_insert_with(|| Some(site.uid.clone()));
        }
        let name = names::key(&site.name);
        self.by_name.entry(name).and_modify(|uid| *uid = None).or_insert_with(|| Some(site.uid.clone()));
        let filtered = self.filter.stops_site(&site);
        self.sites.insert(site.uid.clone(), Known { site, verdict, filtered });
    }

    pub(crate) fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// The organization of the account's records that name no site.
    pub(crate) fn own(&self) -> &Arc<Tenant> {
        &self.own
    }

    /// The sites of this name, in no order.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = &Known> {
        let key = names::key(name);
        self.sites.values().filter(move |known| names::key(&known.site.name) == key)
    }

    /// All known sites, in no order.
    pub(crate) fn sites(&self) -> impl Iterator<Item = &Known> {
        self.sites.values()
    }

    /// The account's configured name, if it is configured.
    pub(crate) fn name(&self) -> Option<&str> {
        self.account.as_ref().map(|account| account.name.as_str())
    }

    /// The site that a record names.
    pub(crate) fn known(&self, site: &SiteRef) -> Option<&Known> {
        let uid = match site {
            SiteRef::Uid(uid) => uid,
            SiteRef::Id(id) => self.by_id.get(id)?.as_ref()?,
            SiteRef::Name(name) => self.by_name.get(&names::key(name)).filter(|_| !name.trim().is_empty())?.as_ref()?,
            SiteRef::None | SiteRef::Device | SiteRef::Unknown => return None,
        };
        self.sites.get(uid)
    }

    /// Whether the account's filter stops a record of this site and, for an alert not told before, this severity id.
    pub(crate) fn filters(&self, site: &SiteRef, severity: Option<u8>) -> bool {
        let by_site = match (self.known(site), site) {
            (Some(known), _) => known.filtered,
            (None, SiteRef::Uid(uid)) => self.filter.stops_unknown(uid),
            (None, SiteRef::None | SiteRef::Id(_) | SiteRef::Name(_) | SiteRef::Device | SiteRef::Unknown) => false,
        };
        by_site || severity.is_some_and(|severity| self.filter.stops_severity(severity))
    }

    /// Rows of `orgs list`, in no order.
    pub(crate) fn listing(&self) -> impl Iterator<Item = SiteListing> {
        self.sites.values().map(|known| SiteListing {
            account: self.name().unwrap_or_else(|| known.site.account.as_str()).to_owned(),
            site: known.site.clone(),
            decision: known.verdict.decision.clone(),
            why: known.verdict.why.clone(),
            filtered: known.filtered,
        })
    }
}

/// Without `[orgs]`, a site is its own organization.
pub(crate) fn own_site(site: &Site) -> Verdict {
    let tenant =
        Tenant { id: site.uid.clone(), name: Some(site.name.clone()), labels: BTreeMap::new(), rule: Rule::OwnSite };
    Verdict {
        decision: Decision::Org(Arc::new(tenant)),
        why: "without [orgs] every site is its own organization".into(),
        is_waiting: false,
    }
}

/// An account as the organization of its records that name no site.
pub(crate) fn own_account(uid: &AccountUid) -> Tenant {
    Tenant { id: uid.to_string(), name: None, labels: BTreeMap::new(), rule: Rule::Account }
}
