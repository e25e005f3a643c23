//! The rules applied to all known sites at once, in order of precedence (contract.md section 4).
//!
//! Names need two looks: which rule claims a site, then whether the same rule claims another site by the same name. A rule
//! of higher precedence takes its sites away before names are compared, so listing one of two equal names by uid settles both.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::inventory::Site;
use crate::org::claims::{Claims, autotask_org};
use crate::org::directory::{Ambiguity, Decision, Rule, Tenant};
use crate::org::{Org, Rules, Unmapped, names};
use crate::record::AccountUid;

/// A decision and the reason, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) decision: Decision,
    pub(crate) why: String,
    /// It stands only until the site lists that a name has to be looked for in are known.
    pub(crate) is_waiting: bool,
}

/// What the first look finds about a site.
enum Claim<'a> {
    Ignored(&'static str),
    Org(&'a Org, Rule),
    /// The organization's id; company id and name as received.
    Autotask(String, &'a str, &'a str),
    /// Several organizations claim it in the same way.
    Contested(Vec<&'a Org>, Rule),
    Nobody,
}

/// What a claim must be alone with, or share with nothing different.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    /// A name, the rule that claims it, and for whom (several: contested).
    Name(String, Rule, Vec<String>),
    /// An Autotask organization's id.
    Company(String),
}

/// Decides all known sites; one verdict for each of `sites`, in their order. `account_name`: configured name of an account. `awaited`:
/// configured accounts whose site list is not known yet, so that a name may fit a site there too.
pub(crate) fn decide_all<'a>(
    rules: &Rules,
    claims: &Claims,
    sites: &[Site],
    account_name: impl Fn(&AccountUid) -> Option<&'a str>,
    awaited: &BTreeSet<String>,
) -> (Vec<Verdict>, Vec<Ambiguity>) {
    let found: Vec<Claim> = sites.iter().map(|site| claim(rules, claims, site, account_name(&site.account))).collect();
    let mut groups: BTreeMap<Group, Vec<(&Site, &Claim)>> = BTreeMap::new();
    for (site, claim) in sites.iter().zip(&found) {
        if let Some(group) = group_of(site, claim) {
            groups.entry(group).or_default().push((site, claim));
        }
    }
    let ambiguities: Vec<Ambiguity> = groups.iter().filter_map(|(group, members)| ambiguity(group, members)).collect();
    let mut unsettled = HashMap::new();
    for ambiguity in &ambiguities {
        for site in &ambiguity.sites {
            unsettled.insert((&site.0, site.1.as_str()), ambiguity.reason.as_str());
        }
    }
    let verdicts =
        sites.iter().zip(found).map(|(site, claim)| match unsettled.get(&(&site.account, site.uid.as_str())) {
            Some(reason) => unmapped(rules, reason),
            None => match lists_before(rules, &claim, awaited) {
                Some(lists) => waiting(&lists),
                None => settled(rules, claim),
            },
        });
    (verdicts.collect(), ambiguities)
}

/// The accounts, if any, whose site lists must be known before this claim counts: those of which the organization may have sites.
fn lists_before(rules: &Rules, claim: &Claim<'_>, awaited: &BTreeSet<String>) -> Option<String> {
    let accounts = match claim {
        Claim::Org(org, Rule::Name | Rule::AutoMatch) => &org.accounts,
        Claim::Autotask(id, ..) => rules.list.iter().find(|org| org.id == *id).map_or(&None, |org| &org.accounts),
        Claim::Org(..) | Claim::Ignored(_) | Claim::Contested(..) | Claim::Nobody => return None,
    };
    let is_meant = |name: &&str| accounts.as_ref().is_none_or(|listed| listed.iter().any(|account| account == name));
    let lists: Vec<&str> = awaited.iter().map(String::as_str).filter(is_meant).collect();
    (!lists.is_empty()).then(|| lists.join(", "))
}

/// Held whatever the unmapped policy: neither a guess nor a loss.
fn waiting(lists: &str) -> Verdict {
    let why = format!("a rule by name waits for the site list of {lists}, where another site may have that name");
    Verdict { decision: Decision::Held(why.clone()), why, is_waiting: true }
}

/// The verdict on a site that the site list does not show: only its uid can speak for it.
pub(crate) fn decide_unknown(rules: &Rules, claims: &Claims, uid: &str, account: Option<&str>) -> Verdict {
    if claims.ignores_uid(uid) {
        return settled(rules, Claim::Ignored("uid"));
    }
    match in_scope(rules, claims.uid(uid), account).as_slice() {
        [] => unmapped(rules, &format!("site {uid} is not in the site list")),
        [org] => settled(rules, Claim::Org(org, Rule::Uid)),
        several => unmapped(rules, &contested(several, Rule::Uid)),
    }
}

/// What the policy says where no rule decides; `reason` says why none does.
pub(crate) fn unmapped(rules: &Rules, reason: &str) -> Verdict {
    let (decision, policy) = match &rules.unmapped {
        Unmapped::Hold => (Decision::Held(reason.to_owned()), "hold"),
        Unmapped::Drop => (Decision::Dropped, "drop"),
        Unmapped::Default(id) => (Decision::Org(Arc::new(tenant_by_id(rules, id, Rule::Default))), "default"),
    };
    Verdict { decision, why: format!("{reason}; unmapped = \"{policy}\""), is_waiting: false }
}

/// An organization by its id, with name and labels if `[orgs.list]` has it.
pub(crate) fn tenant_by_id(rules: &Rules, id: &str, rule: Rule) -> Tenant {
    match rules.list.iter().find(|org| org.id == id) {
        Some(org) => tenant(org, rule),
        None => Tenant { id: id.to_owned(), name: None, labels: BTreeMap::new(), rule },
    }
}

fn tenant(org: &Org, rule: Rule) -> Tenant {
    Tenant { id: org.id.clone(), name: Some(org.name.clone()), labels: org.labels.clone(), rule }
}

/// The first look: the highest rule that claims this site.
fn claim<'a>(rules: &'a Rules, claims: &Claims, site: &'a Site, account: Option<&str>) -> Claim<'a> {
    let name = names::key(&site.name);
    if claims.ignores_uid(&site.uid) {
        return Claim::Ignored("uid");
    }
    if claims.ignores_name(&name) {
        return Claim::Ignored("name");
    }
    let steps = [
        (claims.uid(&site.uid), Rule::Uid),
        (claims.name(&name), Rule::Name),
        (claims.org_name(&name), Rule::AutoMatch),
    ];
    for (orgs, rule) in steps {
        match in_scope(rules, orgs, account).as_slice() {
            [] => {}
            [org] => return Claim::Org(org, rule),
            several => return Claim::Contested(several.to_vec(), rule),
        }
    }
    autotask(rules, site, account).unwrap_or(Claim::Nobody)
}

/// The site's Autotask company. A listed organization of the same id keeps its `accounts`.
fn autotask<'a>(rules: &'a Rules, site: &'a Site, account: Option<&str>) -> Option<Claim<'a>> {
    let (company_id, company) = site.autotask.as_ref().filter(|_| rules.autotask)?;
    let id = autotask_org(company_id)?;
    let foreign = rules.list.iter().any(|org| org.id == id && !org.covers(account));
    (!foreign).then_some(Claim::Autotask(id, company_id.trim(), company.trim()))
}

fn in_scope<'a>(rules: &'a Rules, orgs: &[usize], account: Option<&str>) -> Vec<&'a Org> {
    orgs.iter().filter_map(|&org| rules.list.get(org)).filter(|org| org.covers(account)).collect()
}

fn group_of(site: &Site, claim: &Claim) -> Option<Group> {
    let name = || names::key(&site.name);
    match claim {
        Claim::Org(org, rule @ (Rule::Name | Rule::AutoMatch)) => {
            Some(Group::Name(name(), *rule, vec![org.id.clone()]))
        }
        Claim::Contested(orgs, rule) => {
            Some(Group::Name(name(), *rule, orgs.iter().map(|org| org.id.clone()).collect()))
        }
        Claim::Autotask(id, ..) => Some(Group::Company(id.clone())),
        Claim::Org(..) | Claim::Ignored(_) | Claim::Nobody => None,
    }
}

/// The second look: whether these sites can be told apart by what claims them.
fn ambiguity(group: &Group, members: &[(&Site, &Claim)]) -> Option<Ambiguity> {
    let (name, reason) = match group {
        Group::Name(name, rule, _) => match members {
            [(_, Claim::Contested(orgs, _)), ..] => (name, contested(orgs, *rule)),
            [_] | [] => return None,
            several => (name, format!("{} sites have the name {name:?}: list them by uid", several.len())),
        },
        Group::Company(id) => (id, companies_differ(id, members)?),
    };
    let mut sites: Vec<_> = members.iter().map(|(site, _)| (site.account.clone(), site.uid.clone())).collect();
    sites.sort();
    Some(Ambiguity { name: name.clone(), sites, reason })
}

/// Two companies may come to one id: by the characters that an id cannot hold, or in the Autotask of another account.
fn companies_differ(id: &str, members: &[(&Site, &Claim)]) -> Option<String> {
    let mut ids = BTreeSet::new();
    let mut companies = BTreeSet::new();
    let mut accounts = BTreeSet::new();
    for (site, claim) in members {
        if let Claim::Autotask(_, company_id, company) = claim {
            ids.insert(*company_id);
            companies.insert(names::key(company));
            accounts.insert(&site.account);
        }
    }
    let differ = ids.len() > 1 || (accounts.len() > 1 && companies.len() > 1);
    differ.then(|| format!("different Autotask companies come to the id {id:?}: list their sites by uid"))
}

fn contested(orgs: &[&Org], rule: Rule) -> String {
    let what = match rule {
        Rule::AutoMatch => "have its name",
        Rule::Uid | Rule::Name | Rule::Autotask | Rule::Default | Rule::OwnSite | Rule::Account => "claim it",
    };
    let ids: BTreeSet<&str> = orgs.iter().map(|org| org.id.as_str()).collect();
    let ids: Vec<&str> = ids.into_iter().collect();
    format!("the organizations {} {what}", ids.join(" and "))
}

fn settled(rules: &Rules, claim: Claim) -> Verdict {
    let (decision, why) = match claim {
        Claim::Ignored(how) => (Decision::Ignored, format!("its {how} is on the ignore list")),
        Claim::Org(org, rule) => {
            let how = match rule {
                Rule::Uid => "lists its uid",
                Rule::Name => "lists its name",
                Rule::AutoMatch => "has its name",
                Rule::Autotask | Rule::Default | Rule::OwnSite | Rule::Account => "claims it",
            };
            (Decision::Org(Arc::new(tenant(org, rule))), format!("[orgs.list.{}] {how}", org.id))
        }
        Claim::Autotask(id, company_id, company) => {
            let mut tenant = tenant_by_id(rules, &id, Rule::Autotask);
            tenant.name = tenant.name.or_else(|| (!company.is_empty()).then(|| company.to_owned()));
            (Decision::Org(Arc::new(tenant)), format!("its Autotask company is {company:?} ({company_id})"))
        }
        Claim::Contested(orgs, rule) => return unmapped(rules, &contested(&orgs, rule)),
        Claim::Nobody => return unmapped(rules, "no rule maps it"),
    };
    Verdict { decision, why, is_waiting: false }
}
