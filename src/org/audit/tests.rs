//! What changes tell, and what they do not tell.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::inventory::{Account, SiteType};
use crate::org::{AccountPolicy, Filter, Org, Rules, Unmapped};

fn account(uid: &str, name: &str) -> Account {
    Account {
        uid: AccountUid::new(uid),
        name: name.into(),
        display_name: String::new(),
        platform: "vidal".into(),
        api_host: "vidal-api.centrastage.net".into(),
    }
}

fn site(account: &str, uid: &str, name: &str) -> Site {
    Site {
        account: AccountUid::new(account),
        uid: uid.into(),
        id: None,
        name: name.into(),
        site_type: SiteType::Managed,
        autotask: None,
    }
}

/// Organizations by id and name, each claiming sites.
fn policy(orgs: &[(&str, &[&str])], ignore: &[&str]) -> Policy {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let org = |(id, sites): &(&str, &[&str])| Org {
        id: (*id).into(),
        name: (*id).to_uppercase(),
        accounts: None,
        sites: texts(sites),
        labels: BTreeMap::new(),
    };
    let rules = Rules {
        list: orgs.iter().map(org).collect(),
        ignore: texts(ignore),
        auto_match: true,
        autotask: false,
        unmapped: Unmapped::Hold,
    };
    Policy { orgs: Some(rules), accounts: BTreeMap::new() }
}

fn directory(version: u64, policy: &Policy, sites: &[Site]) -> Directory {
    let accounts = vec![account("a1", "acme"), account("b2", "beta")];
    Directory::new(version, Arc::new(policy.clone()), accounts, sites.to_vec())
}

/// `<kind> <subject> <from> <to>` of each change.
fn told(changes: &[Change]) -> Vec<String> {
    let word = |owner: &Owner| owner.uid.clone().or(owner.state.map(str::to_owned)).unwrap();
    let one = |change: &Change| {
        let rest = match &change.about {
            About::SiteCreated { to, .. } => word(to),
            About::SiteRenamed { site, previous_name } => format!("{previous_name} {}", site.name),
            About::SiteMoved { from, to, .. } | About::DeviceMoved { from, to, .. } => {
                format!("{} {}", word(from), word(to))
            }
            About::SiteRemoved { from, .. } => word(from),
            About::MappingChanged { changed, moves, owners, .. } => {
                let moves: Vec<_> =
                    moves.iter().map(|flow| format!("{}>{}:{}", flow.from, flow.to, flow.sites)).collect();
                let owners: Vec<_> = owners.iter().map(|share| format!("{}:{}", share.owner, share.sites)).collect();
                format!("{changed:?} {} | {}", moves.join(" "), owners.join(" "))
            }
        };
        format!("{} {:?} {} {rest}", change.account, change.about.kind(), change.about.native_id())
    };
    changes.iter().map(one).collect()
}

#[test]
fn the_first_list_creates_nothing_and_later_ones_tell_each_difference_once() {
    let rules = policy(&[("contoso", &["u1"]), ("hq", &[])], &["u4"]);
    let empty = directory(1, &rules, &[]);
    let first = [site("a1", "u1", "One"), site("a1", "u2", "Two"), site("a1", "u4", "Four")];
    let known = directory(2, &rules, &first);
    assert_eq!(told(&of_sites(&empty, &known)), [""; 0]);

    // u2 gets the name of an organization, which maps it; u3 is new; another account's first list is no creation.
    let later = [
        site("a1", "u1", "One"),
        site("a1", "u2", "HQ"),
        site("a1", "u3", "Three"),
        site("a1", "u4", "Four"),
        site("b2", "u9", "Nine"),
    ];
    let after = directory(3, &rules, &later);
    let expected = ["a1 SiteRenamed u2 Two HQ", "a1 SiteMoved u2 held hq", "a1 SiteCreated u3 held"];
    assert_eq!(told(&of_sites(&known, &after)), expected);
    assert_eq!(told(&of_sites(&after, &after)), [""; 0]);

    // A second site of that name, in another account, leaves both unmapped: the first one moves back.
    let doubled: Vec<_> = later.iter().cloned().chain([site("b2", "u8", "HQ")]).collect();
    let expected = ["a1 SiteMoved u2 hq held", "b2 SiteCreated u8 held"];
    assert_eq!(told(&of_sites(&after, &directory(4, &rules, &doubled))), expected);
}

#[test]
fn a_policy_tells_each_account_that_it_concerns() {
    let sites = [site("a1", "u1", "One"), site("a1", "u2", "Two"), site("b2", "u3", "Three")];
    let before = policy(&[("contoso", &["u1"])], &[]);
    let mut after = policy(&[("contoso", &[]), ("fabrikam", &["u1", "u2"])], &[]);
    let (old, new) = (directory(1, &before, &sites), directory(2, &after, &sites));
    let mapping = told(&of_policy(&old, &new));
    let parts = r#"["organizations"]"#;
    let expected = [
        format!("a1 MappingChanged mapping {parts} (held)>fabrikam:1 contoso>fabrikam:1 | fabrikam:2"),
        format!("b2 MappingChanged mapping {parts}  | (held):1"),
    ];
    assert_eq!(sorted(mapping), expected);
    let moved = ["a1 SiteMoved u1 contoso fabrikam", "a1 SiteMoved u2 held fabrikam"];
    assert_eq!(told(&of_sites(&old, &new)), moved);

    // A filter of one account is no matter of the other's.
    let filter = Filter { exclude_sites: vec!["Lab*".into()], ..Filter::default() };
    after.accounts.insert("beta".into(), AccountPolicy { filter, user_activity_org: None });
    let filtered = directory(3, &after, &sites);
    assert_eq!(told(&of_policy(&new, &filtered)), [r#"b2 MappingChanged mapping ["filter"]  | (held):1"#]);
    assert!(of_policy(&new, &new).is_empty());
}

#[test]
fn a_device_moves_only_between_owners() {
    let sites = [site("a1", "u1", "One"), site("a1", "u2", "Two"), site("a1", "u3", "Three")];
    let directory = directory(1, &policy(&[("contoso", &["u1", "u2"])], &[]), &sites);
    let device = |site: Option<&str>| Device {
        account: AccountUid::new("a1"),
        uid: "d".into(),
        id: None,
        site_uid: site.map(str::to_owned),
        hostname: Some("host".into()),
        source: "{}".into(),
    };
    let go = |from, to| of_device(&directory, &device(from), &device(to)).map(|change| told(&[change]).remove(0));
    assert_eq!(go(Some("u1"), Some("u2")), None, "both are contoso's");
    assert_eq!(go(Some("u1"), Some("u1")), None);
    assert_eq!(go(None, Some("u1")), None);
    assert_eq!(go(Some("u1"), Some("u3")).unwrap(), "a1 DeviceMoved d contoso held");
    assert_eq!(go(Some("unlisted"), Some("u2")).unwrap(), "a1 DeviceMoved d held contoso");
}

#[test]
fn long_lists_are_cut_and_say_so() {
    let sites: Vec<_> = (0..600).map(|n| site("a1", &format!("u{n}"), &format!("Site {n}"))).collect();
    let (old, new) = (directory(1, &Policy::default(), &sites), directory(2, &policy(&[], &[]), &sites));
    let changes = of_policy(&old, &new);
    let of_a1 = changes.iter().find(|change| change.account.as_str() == "a1").unwrap();
    let About::MappingChanged { moves, owners, left_out, .. } = &of_a1.about else { panic!("{of_a1:?}") };
    assert_eq!((moves.len(), owners.len(), *left_out), (500, 1, 100));
    assert_eq!(of_sites(&old, &new).len(), 600, "each site is told by itself");
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}
