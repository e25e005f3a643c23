//! What a changed mapping does: which sites stand elsewhere than before, and which names were nearly the same.

use crate::inventory::Site;
use crate::org::directory::{Decision, Directory};
use crate::org::names;

/// Where a site's records go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// To the organization of this id.
    Org(String),
    /// Held until a rule maps the site.
    Held,
    /// Not collected, since no rule maps the site.
    Dropped,
    /// Not collected, since the ignore list names the site.
    Ignored,
}

/// A site that stands elsewhere under another mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteMove {
    /// Configured name of the account.
    pub account: String,
    /// The site.
    pub site: Site,
    /// Where it stands.
    pub from: Standing,
    /// Where it comes to stand.
    pub to: Standing,
    /// Which rule decides then, for people.
    pub why: String,
}

/// A site that no rule maps, and an organization of nearly the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearMiss {
    /// Configured name of the account.
    pub account: String,
    /// The site.
    pub site: Site,
    /// The organization's id.
    pub org: String,
    /// The organization's name.
    pub org_name: String,
}

impl Standing {
    /// Where a decision sends records.
    pub fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Org(tenant) => Self::Org(tenant.id.clone()),
            Decision::Held(_) => Self::Held,
            Decision::Dropped => Self::Dropped,
            Decision::Ignored => Self::Ignored,
        }
    }
}

/// An organization's id, or the other standings in brackets, which no id can hold.
impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Org(id) => id,
            Self::Held => "(held)",
            Self::Dropped => "(dropped)",
            Self::Ignored => "(ignored)",
        })
    }
}

/// The sites of both that stand elsewhere in `after` than in `before`, in the order of [`Directory::listing`].
pub fn moves(before: &Directory, after: &Directory) -> Vec<SiteMove> {
    let old: std::collections::HashMap<_, _> = before
        .listing()
        .into_iter()
        .map(|row| ((row.site.account, row.site.uid), Standing::of(&row.decision)))
        .collect();
    let moved = after.listing().into_iter().filter_map(|row| {
        let from = old.get(&(row.site.account.clone(), row.site.uid.clone()))?.clone();
        let to = Standing::of(&row.decision);
        (from != to).then_some(SiteMove { account: row.account, site: row.site, from, to, why: row.why })
    });
    moved.collect()
}

/// Sites that no rule maps though an organization that may have them has a name that differs only by case, punctuation,
/// accents or legal form. A suggestion: nothing is ever mapped by it.
pub fn near_misses(directory: &Directory) -> Vec<NearMiss> {
    let Some(rules) = &directory.policy().orgs else { return Vec::new() };
    let is_unmapped =
        |decision: &Decision| matches!(decision, Decision::Held(_) | Decision::Dropped) || by_default(decision);
    let mut found = Vec::new();
    for row in directory.listing().into_iter().filter(|row| is_unmapped(&row.decision)) {
        let folded = names::folded(&row.site.name);
        let near = rules.list.iter().filter(|org| org.covers(Some(&row.account)));
        for org in near.filter(|org| !folded.is_empty() && names::folded(&org.name) == folded) {
            found.push(NearMiss {
                account: row.account.clone(),
                site: row.site.clone(),
                org: org.id.clone(),
                org_name: org.name.clone(),
            });
        }
    }
    found
}

fn by_default(decision: &Decision) -> bool {
    matches!(decision, Decision::Org(tenant) if tenant.rule == crate::org::directory::Rule::Default)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::inventory::SiteType;
    use crate::org::{Org, Policy, Rules, Unmapped};
    use crate::record::AccountUid;

    fn directory(orgs: &[(&str, &str, &[&str])], ignore: &[&str]) -> Directory {
        let org = |(id, name, sites): &(&str, &str, &[&str])| Org {
            id: (*id).into(),
            name: (*name).into(),
            accounts: None,
            sites: sites.iter().map(|site| (*site).into()).collect(),
            labels: BTreeMap::new(),
        };
        let rules = Rules {
            list: orgs.iter().map(org).collect(),
            ignore: ignore.iter().map(|site| (*site).into()).collect(),
            auto_match: true,
            autotask: false,
            unmapped: Unmapped::Hold,
        };
        let site = |name: &&str| Site {
            account: AccountUid::new("ab1c0002"),
            uid: format!("uid of {name}"),
            id: None,
            name: (*name).to_owned(),
            site_type: SiteType::Managed,
            autotask: None,
        };
        let sites = ["Müller Präzision GmbH", "Contoso HQ", "Lab"].iter().map(site).collect();
        Directory::new(1, Arc::new(Policy { orgs: Some(rules), ..Policy::default() }), Vec::new(), sites)
    }

    #[test]
    fn only_sites_that_stand_elsewhere_move() {
        let before = directory(&[("contoso", "Contoso", &["Contoso HQ"])], &[]);
        let after =
            directory(&[("contoso", "Contoso Ltd", &["Contoso HQ"]), ("m", "M", &["Müller Präzision GmbH"])], &["Lab"]);
        let told: Vec<String> =
            moves(&before, &after).iter().map(|m| format!("{}: {} -> {}", m.site.name, m.from, m.to)).collect();
        assert_eq!(told, ["Lab: (held) -> (ignored)", "Müller Präzision GmbH: (held) -> m"]);
        assert!(moves(&after, &after).is_empty());
    }

    #[test]
    fn a_near_miss_is_told_and_maps_nothing() {
        let orgs: &[(&str, &str, &[&str])] =
            &[("m", "MULLER PRAZISION", &[]), ("c", "Contoso HQ", &[]), ("x", "Labs", &[])];
        let directory = directory(orgs, &[]);
        let near: Vec<String> =
            near_misses(&directory).into_iter().map(|near| format!("{} ~ {}", near.site.name, near.org)).collect();
        assert_eq!(near, ["Müller Präzision GmbH ~ m"]);
        assert_eq!(Standing::of(&directory.listing()[2].decision), Standing::Held);
    }
}
