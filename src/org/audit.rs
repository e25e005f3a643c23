//! What a change of mapping, sites or devices means for who sees what: the content of vintner's own events (contract.md section 3).

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use crate::inventory::{Device, Site};
use crate::org::Policy;
use crate::org::changes::Standing;
use crate::org::directory::{Decision, Directory};
use crate::record::place::SiteRef;
use crate::record::{AccountUid, OwnKind};

/// Entries of a list in one event; what is left out is counted.
const MOST_LISTED: usize = 500;

/// A change that vintner tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The account whose records it concerns.
    pub account: AccountUid,
    /// What changed.
    pub about: About,
}

/// What changed, as the event's record holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum About {
    /// The site list has a site that it did not have.
    SiteCreated {
        /// The site.
        #[serde(flatten)]
        site: Named,
        /// Whose its records are.
        to: Owner,
        /// Which rule decides, for people.
        why: String,
    },
    /// A site has another name.
    SiteRenamed {
        /// The site, with its new name.
        #[serde(flatten)]
        site: Named,
        /// The name that it had.
        previous_name: String,
    },
    /// A site's records go elsewhere.
    SiteMoved {
        /// The site.
        #[serde(flatten)]
        site: Named,
        /// Whose its records were.
        from: Owner,
        /// Whose they are from now on.
        to: Owner,
        /// Which rule decides now, for people.
        why: String,
    },
    /// A site is gone.
    SiteRemoved {
        /// The site.
        #[serde(flatten)]
        site: Named,
        /// Whose its records were.
        from: Owner,
    },
    /// A device went to a site of another owner.
    DeviceMoved {
        /// The device.
        uid: String,
        /// Its host name.
        #[serde(skip_serializing_if = "Option::is_none")]
        hostname: Option<String>,
        /// The site that it was in.
        from_site: Named,
        /// The site that it is in.
        to_site: Named,
        /// Whose its records were.
        from: Owner,
        /// Whose they are from now on.
        to: Owner,
    },
    /// The mapping or a filter was changed.
    MappingChanged {
        /// The version of all decisions from now on.
        version: u64,
        /// Which of its parts changed.
        changed: Vec<&'static str>,
        /// Sites that go elsewhere, counted by from and to.
        moves: Vec<Flow>,
        /// Who sees how many sites from now on.
        owners: Vec<Share>,
        /// Entries that these lists lack.
        #[serde(skip_serializing_if = "is_zero")]
        left_out: usize,
    },
}

/// A site by uid and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Its uid.
    pub uid: String,
    /// Its name, if it is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// Whose records are: an organization's, or in which state they are without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// The organization's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The organization's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `held`, `dropped` or `ignored`: they belong to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
}

/// The organization's id, or the state without one in brackets.
impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.uid {
            Some(uid) => f.write_str(uid),
            None => write!(f, "({})", self.state.unwrap_or("nobody")),
        }
    }
}

/// Sites that go from one owner to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// An organization's id, or a state in brackets.
    pub from: String,
    /// The same.
    pub to: String,
    /// How many.
    pub sites: u64,
}

/// The sites of one owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Share {
    /// An organization's id, or a state in brackets.
    pub owner: String,
    /// How many.
    pub sites: u64,
}

impl About {
    /// The kind of the record.
    pub fn kind(&self) -> OwnKind {
        match self {
            Self::SiteCreated { .. } => OwnKind::SiteCreated,
            Self::SiteRenamed { .. } => OwnKind::SiteRenamed,
            Self::SiteMoved { .. } => OwnKind::SiteMoved,
            Self::SiteRemoved { .. } => OwnKind::SiteRemoved,
            Self::DeviceMoved { .. } => OwnKind::DeviceMoved,
            Self::MappingChanged { .. } => OwnKind::MappingChanged,
        }
    }

    /// What it is about: the uid of a site or a device, or `mapping`.
    pub fn native_id(&self) -> &str {
        match self {
            Self::SiteCreated { site, .. }
            | Self::SiteRenamed { site, .. }
            | Self::SiteMoved { site, .. }
            | Self::SiteRemoved { site, .. } => &site.uid,
            Self::DeviceMoved { uid, .. } => uid,
            Self::MappingChanged { .. } => "mapping",
        }
    }
}

impl Owner {
    /// The owner by a decision.
    pub fn of(decision: &Decision) -> Self {
        let without = |state| Self { uid: None, name: None, state: Some(state) };
        match decision {
            Decision::Org(tenant) => Self { uid: Some(tenant.id.clone()), name: tenant.name.clone(), state: None },
            Decision::Held(_) => without("held"),
            Decision::Dropped => without("dropped"),
            Decision::Ignored => without("ignored"),
        }
    }
}

impl From<&Site> for Named {
    fn from(site: &Site) -> Self {
        Self { uid: site.uid.clone(), name: site.name.clone() }
    }
}

/// How the sites of both moments differ: created, renamed, moved. The first list of an account is where its changes start from, so
/// it creates nothing; of an account that was never opened nothing is told.
pub fn of_sites(before: &Directory, after: &Directory) -> Vec<Change> {
    let known: HashMap<_, _> = before.sites().map(|site| ((&site.account, site.uid.as_str()), site)).collect();
    let listed: HashSet<_> = before.sites().map(|site| &site.account).collect();
    let mut changes = Vec::new();
    for row in after.listing().into_iter().filter(|row| after.account(&row.site.account).is_some()) {
        let (site, account) = (Named::from(&row.site), row.site.account.clone());
        let Some(old) = known.get(&(&row.site.account, row.site.uid.as_str())) else {
            if listed.contains(&row.site.account) {
                let about = About::SiteCreated { site, to: Owner::of(&row.decision), why: row.why };
                changes.push(Change { account, about });
            }
            continue;
        };
        if old.name != row.site.name {
            let about = About::SiteRenamed { site: site.clone(), previous_name: old.name.clone() };
            changes.push(Change { account: account.clone(), about });
        }
        let was = before.decide(&account, &SiteRef::Uid(site.uid.clone()));
        if Standing::of(&was) != Standing::of(&row.decision) {
            let (from, to) = (Owner::of(&was), Owner::of(&row.decision));
            changes.push(Change { account, about: About::SiteMoved { site, from, to, why: row.why } });
        }
    }
    changes
}

/// What another policy means for each account that it concerns: who sees what from now on.
pub fn of_policy(before: &Directory, after: &Directory) -> Vec<Change> {
    let mut changes = Vec::new();
    for account in after.accounts() {
        let changed = changed_parts(before.policy(), after.policy(), &account.name);
        let (mut flows, mut shares) = (BTreeMap::<_, u64>::new(), BTreeMap::<_, u64>::new());
        for site in after.sites().filter(|site| site.account == account.uid) {
            let place = SiteRef::Uid(site.uid.clone());
            let [from, to] =
                [before, after].map(|directory| Standing::of(&directory.decide(&account.uid, &place)).to_string());
            *shares.entry(to.clone()).or_default() += 1;
            if from != to {
                *flows.entry((from, to)).or_default() += 1;
            }
        }
        if changed.is_empty() && flows.is_empty() {
            continue;
        }
        let left_out = flows.len().saturating_sub(MOST_LISTED) + shares.len().saturating_sub(MOST_LISTED);
        let flow = |((from, to), sites)| Flow { from, to, sites };
        let share = |(owner, sites)| Share { owner, sites };
        let about = About::MappingChanged {
            version: after.version,
            changed,
            moves: flows.into_iter().take(MOST_LISTED).map(flow).collect(),
            owners: shares.into_iter().take(MOST_LISTED).map(share).collect(),
            left_out,
        };
        changes.push(Change { account: account.uid.clone(), about });
    }
    changes
}

/// That a site is gone, under the decision in force; `None` for an account that was never opened.
pub fn of_removed(directory: &Directory, account: &AccountUid, uid: &str) -> Option<Change> {
    directory.account(account)?;
    let place = SiteRef::Uid(uid.to_owned());
    let from = Owner::of(&directory.decide(account, &place));
    Some(Change { account: account.clone(), about: About::SiteRemoved { site: named(directory, account, uid), from } })
}

/// That a device is in a site of another owner than before; `None` if it is the same owner's, or the account was never opened.
pub fn of_device(directory: &Directory, before: &Device, after: &Device) -> Option<Change> {
    let (account, from_uid, to_uid) = (&after.account, before.site_uid.as_deref()?, after.site_uid.as_deref()?);
    directory.account(account)?;
    let [was, is] = [from_uid, to_uid].map(|uid| directory.decide(account, &SiteRef::Uid(uid.to_owned())));
    if from_uid == to_uid || Standing::of(&was) == Standing::of(&is) {
        return None;
    }
    let about = About::DeviceMoved {
        uid: after.uid.clone(),
        hostname: after.hostname.clone(),
        from_site: named(directory, account, from_uid),
        to_site: named(directory, account, to_uid),
        from: Owner::of(&was),
        to: Owner::of(&is),
    };
    Some(Change { account: account.clone(), about })
}

fn named(directory: &Directory, account: &AccountUid, uid: &str) -> Named {
    let unknown = || Named { uid: uid.to_owned(), name: String::new() };
    directory.site(account, &SiteRef::Uid(uid.to_owned())).map_or_else(unknown, Named::from)
}

/// The parts of the policy that differ, as far as they concern the account of this configured name.
fn changed_parts(before: &Policy, after: &Policy, account: &str) -> Vec<&'static str> {
    let mut parts = Vec::new();
    match (&before.orgs, &after.orgs) {
        (Some(old), Some(new)) => {
            let differs = [
                ("organizations", old.list != new.list),
                ("ignore", old.ignore != new.ignore),
                ("auto_match", old.auto_match != new.auto_match),
                ("autotask", old.autotask != new.autotask),
                ("unmapped", old.unmapped != new.unmapped),
            ];
            parts.extend(differs.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part));
        }
        (None, None) => {}
        (Some(_), None) | (None, Some(_)) => parts.push("orgs"),
    }
    let of = |policy: &Policy| policy.accounts.get(account).cloned().unwrap_or_default();
    let (old, new) = (of(before), of(after));
    if old.filter != new.filter {
        parts.push("filter");
    }
    if old.user_activity_org != new.user_activity_org {
        parts.push("user_activity_org");
    }
    parts
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests;
