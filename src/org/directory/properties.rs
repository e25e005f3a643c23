//! Properties of decisions over arbitrary rules and sites: no site goes where no rule sends it, and order means nothing.

use proptest::collection::btree_map;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::inventory::SiteType;
use crate::org::{Org, Rules, Unmapped};

/// Few texts, near to each other, so that claims often meet and a match that is not exact shows.
const NAMES: [&str; 6] = ["Contoso", "Contoso HQ", "contoso", " Contoso", "Cafe\u{301}", "Caf\u{e9}"];
const UIDS: [&str; 5] = ["s1", "s2", "s3", "s12", "Contoso"];
const ACCOUNTS: [(&str, &str); 2] = [("a1", "acme"), ("b1", "beta")];

fn any_name() -> impl Strategy<Value = String> {
    select(&NAMES[..]).prop_map(str::to_owned)
}

fn any_org(index: usize) -> impl Strategy<Value = Org> {
    let entries = NAMES.iter().chain(&UIDS).map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let accounts = option::weighted(0.3, subsequence(vec!["acme".to_owned(), "beta".to_owned()], 0..=2));
    (any_name(), accounts, subsequence(entries, 0..=3)).prop_map(move |(name, accounts, sites)| Org {
        id: format!("org{index}"),
        name,
        accounts,
        sites,
        labels: BTreeMap::new(),
    })
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let unmapped = select(vec![Unmapped::Hold, Unmapped::Drop, Unmapped::Default("fallback".into())]);
    let ignore = subsequence(vec!["s3".to_owned(), "contoso".to_owned()], 0..=2);
    ((any_org(0), any_org(1), any_org(2)), ignore, any::<[bool; 2]>(), unmapped).prop_map(
        |((a, b, c), ignore, [auto_match, autotask], unmapped)| Rules {
            list: vec![a, b, c],
            ignore,
            auto_match,
            autotask,
            unmapped,
        },
    )
}

fn any_sites() -> impl Strategy<Value = Vec<Site>> {
    let key = (select(vec!["a1", "b1"]), select(&UIDS[..]));
    let autotask = option::of((select(vec!["7", "7/", "7?"]), select(vec!["One", "Two"])));
    btree_map(key, (any_name(), autotask), 0..6).prop_map(|sites| {
        let mut all = Vec::new();
        for ((account, uid), (name, autotask)) in sites {
            let autotask = autotask.map(|(id, name)| (id.to_owned(), name.to_owned()));
            let (account, uid) = (AccountUid::new(account), uid.to_owned());
            all.push(Site { account, uid, id: None, name, site_type: SiteType::Managed, autotask });
        }
        all
    })
}

fn build(rules: &Rules, sites: Vec<Site>) -> Directory {
    let account = |(uid, name): &(&str, &str)| Account {
        uid: AccountUid::new(uid),
        name: (*name).to_owned(),
        display_name: String::new(),
        platform: String::new(),
        api_host: String::new(),
    };
    let policy = Policy { orgs: Some(rules.clone()), accounts: BTreeMap::new() };
    Directory::new(1, Arc::new(policy), ACCOUNTS.iter().map(account).collect(), sites)
}

/// Whether the rule that decided is really there: written anew, by scanning, without the index.
fn justified(rules: &Rules, site: &Site, tenant: &Tenant) -> bool {
    let same = |a: &str, b: &str| crate::org::names::key(a) == crate::org::names::key(b);
    let account = ACCOUNTS.iter().find(|(uid, _)| *uid == site.account.as_str()).map(|(_, name)| *name);
    let orgs: Vec<&Org> = rules.list.iter().filter(|org| org.id == tenant.id).collect();
    let covered =
        |org: &&Org| org.accounts.as_ref().is_none_or(|a| a.iter().any(|name| Some(name.as_str()) == account));
    let listed = |test: &dyn Fn(&Org) -> bool| orgs.iter().filter(|org| covered(org)).any(|org| test(org));
    match tenant.rule {
        Rule::Uid => listed(&|org| org.sites.iter().any(|entry| entry.trim() == site.uid)),
        Rule::Name => listed(&|org| org.sites.iter().any(|entry| same(entry, &site.name))),
        Rule::AutoMatch => rules.auto_match && listed(&|org| same(&org.name, &site.name)),
        Rule::Autotask => rules.autotask && site.autotask.is_some() && tenant.id.starts_with("autotask-7"),
        Rule::Default => rules.unmapped == Unmapped::Default(tenant.id.clone()),
        Rule::OwnSite | Rule::Account => false,
    }
}

fn decisions(directory: &Directory, sites: &[Site]) -> Vec<Decision> {
    sites.iter().map(|site| directory.decide(&site.account, &SiteRef::Uid(site.uid.clone()))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    /// Guarantees: a record reaches an organization only by a rule that claims its site, and an ignored site reaches none.
    #[test]
    fn no_site_goes_to_an_organization_that_does_not_claim_it(rules in any_rules(), sites in any_sites()) {
        let directory = build(&rules, sites.clone());
        for site in &sites {
            match directory.decide(&site.account, &SiteRef::Uid(site.uid.clone())) {
                Decision::Org(tenant) => {
                    prop_assert!(justified(&rules, site, &tenant), "{} to {tenant:?}", site.name);
                    prop_assert!(!rules.ignore.contains(&site.uid), "{} is ignored", site.uid);
                }
                Decision::Ignored => prop_assert!(!rules.ignore.is_empty()),
                Decision::Dropped => prop_assert_eq!(&rules.unmapped, &Unmapped::Drop),
                Decision::Held(_) => prop_assert_eq!(&rules.unmapped, &Unmapped::Hold),
            }
        }
    }

    /// Guarantees: a name never sends two sites to one organization, and never chooses between two organizations.
    #[test]
    fn a_name_decides_for_one_site_only(rules in any_rules(), sites in any_sites()) {
        let directory = build(&rules, sites);
        let mut seen = std::collections::BTreeSet::new();
        for row in directory.listing() {
            let Decision::Org(tenant) = row.decision else { continue };
            if matches!(tenant.rule, Rule::Name | Rule::AutoMatch) {
                let name = crate::org::names::key(&row.site.name);
                prop_assert!(seen.insert((tenant.id.clone(), name)), "{} twice", row.site.name);
                let claiming = rules.list.iter().filter(|org| org.id != tenant.id && org.covers(Some(&row.account)));
                let rivals = claiming.filter(|org| justified(&rules, &row.site, &Tenant { id: org.id.clone(), ..(*tenant).clone() }));
                prop_assert_eq!(rivals.count(), 0, "{} is contested", row.site.name);
            }
        }
    }

    /// Guarantees: the order of sites and of organizations decides nothing.
    #[test]
    fn order_decides_nothing(rules in any_rules(), sites in any_sites(), turn in 0_usize..6) {
        let expected = decisions(&build(&rules, sites.clone()), &sites);
        let mut turned = sites.clone();
        turned.rotate_left(turn.min(sites.len()));
        let mut reversed = rules.clone();
        reversed.list.reverse();
        prop_assert_eq!(&decisions(&build(&rules, turned.clone()), &sites), &expected);
        prop_assert_eq!(&decisions(&build(&reversed, turned), &sites), &expected);
    }
}
