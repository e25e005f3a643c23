//! The mapping as the checker understands it, written from contract.md section 4 without the code that it judges.

use std::collections::{BTreeMap, BTreeSet};

use crate::inventory::{Account, Site, SiteType};
use crate::org::{AccountPolicy, Org, Policy, Rules, Unmapped};
use crate::record::AccountUid;

/// Names that sites get: of organizations, nearly theirs, and others.
pub(super) const NAMES: [&str; 6] = ["Contoso", "Contoso East", "contoso", "Fabrikam", "Fabrikam ", "Plain"];
/// Accounts by uid, configured name, and the organization of their records without a site.
pub(super) const ACCOUNTS: [(&str, &str, &str); 2] = [("a1", "acme", "msp-a"), ("b2", "beta", "msp-b")];
/// Organizations by id and name.
pub(super) const ORGS: [(&str, &str); 2] = [("x", "Contoso"), ("y", "Fabrikam")];
/// Sites of an account.
pub(super) const SITES: usize = 3;

/// A site: the account's index and its own.
pub(super) type Place = (usize, usize);

/// Where a record belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Org(&'static str),
    Ignored,
    Nobody,
}

/// Sites as the journal knows them, and the rules in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Model {
    /// Known sites with their names.
    pub(super) sites: BTreeMap<Place, &'static str>,
    /// Sites listed by uid: the organization's index.
    pub(super) by_uid: BTreeMap<Place, usize>,
    /// Sites listed by name.
    pub(super) by_name: BTreeMap<&'static str, usize>,
    /// The one account that an organization may have sites of.
    pub(super) scope: BTreeMap<usize, usize>,
    pub(super) ignored: BTreeSet<Place>,
    pub(super) drops: bool,
}

/// What the highest rule says of a site by itself.
#[derive(PartialEq, Eq)]
enum Claim {
    Ignored,
    Uid(usize),
    Name(usize),
    OwnName(usize),
    None,
}

pub(super) fn uid(place: Place) -> String {
    format!("{}-site-{}", ACCOUNTS[place.0].0, place.1)
}

/// The numeric id by which the activity log names a site.
pub(super) fn number(site: usize) -> i64 {
    100 + site as i64
}

impl Model {
    /// Whose the records of a site are; of one that no list shows, its uid alone says it.
    pub(super) fn owner(&self, place: Place) -> Owner {
        let org = match self.claim(place) {
            Claim::Ignored => return Owner::Ignored,
            Claim::None => return Owner::Nobody,
            Claim::Uid(org) => org,
            // A name that several sites share tells none of them apart.
            named @ (Claim::Name(org) | Claim::OwnName(org)) => {
                let alike = |other: &&Place| {
                    self.sites[other] == self.sites[&place] || same(self.sites[other], self.sites[&place])
                };
                let sharing = self.sites.keys().filter(alike).filter(|other| self.claim(**other) == named).count();
                if sharing > 1 {
                    return Owner::Nobody;
                }
                org
            }
        };
        Owner::Org(ORGS[org].0)
    }

    fn claim(&self, place: Place) -> Claim {
        let may = |org: &usize| self.scope.get(org).is_none_or(|account| *account == place.0);
        if self.ignored.contains(&place) {
            return Claim::Ignored;
        }
        if let Some(org) = self.by_uid.get(&place).filter(|org| may(org)) {
            return Claim::Uid(*org);
        }
        let Some(name) = self.sites.get(&place) else { return Claim::None };
        let listed = self.by_name.iter().find(|(listed, _)| same(listed, name)).map(|(_, org)| org);
        if let Some(org) = listed.filter(|org| may(org)) {
            return Claim::Name(*org);
        }
        let own = (0..ORGS.len()).find(|org| same(ORGS[*org].1, name) && may(org));
        own.map_or(Claim::None, Claim::OwnName)
    }

    /// The same rules in the program's form.
    pub(super) fn policy(&self) -> Policy {
        let org = |index: usize| {
            let uids = self.by_uid.iter().filter(|(_, org)| **org == index).map(|(place, _)| uid(*place));
            let names = self.by_name.iter().filter(|(_, org)| **org == index).map(|(name, _)| (*name).to_owned());
            Org {
                id: ORGS[index].0.into(),
                name: ORGS[index].1.into(),
                accounts: self.scope.get(&index).map(|account| vec![ACCOUNTS[*account].1.to_owned()]),
                sites: uids.chain(names).collect(),
                labels: BTreeMap::new(),
            }
        };
        let rules = Rules {
            list: (0..ORGS.len()).map(org).collect(),
            ignore: self.ignored.iter().map(|place| uid(*place)).collect(),
            auto_match: true,
            autotask: false,
            unmapped: if self.drops { Unmapped::Drop } else { Unmapped::Hold },
        };
        let own = |org: &str| AccountPolicy { user_activity_org: Some(org.to_owned()), ..AccountPolicy::default() };
        Policy { orgs: Some(rules), accounts: ACCOUNTS.map(|(_, name, org)| (name.to_owned(), own(org))).into() }
    }

    /// The site list of an account.
    pub(super) fn list(&self, account: usize) -> Vec<Site> {
        let of = self.sites.iter().filter(|((of, _), _)| *of == account);
        of.map(|(place, name)| Site {
            account: AccountUid::new(ACCOUNTS[account].0),
            uid: uid(*place),
            id: Some(number(place.1)),
            name: (*name).to_owned(),
            site_type: SiteType::Managed,
            autotask: None,
        })
        .collect()
    }
}

/// Names match after trimming, exactly.
fn same(a: &str, b: &str) -> bool {
    a.trim() == b.trim()
}

pub(super) fn account(index: usize) -> Account {
    let (uid, name, _) = ACCOUNTS[index];
    Account {
        uid: AccountUid::new(uid),
        name: name.into(),
        display_name: String::new(),
        platform: "vidal".into(),
        api_host: "vidal-api.centrastage.net".into(),
    }
}
