//! The rules of contract.md section 4, one by one.

use super::*;
use crate::inventory::SiteType;
use crate::org::{AccountPolicy, Filter, Org, Rules, Unmapped};

mod filters;
mod lists;

const UID_1: &str = "11111111-1111-4111-8111-111111111111";
const UID_2: &str = "22222222-2222-4222-8222-222222222222";

fn account(uid: &str, name: &str) -> Account {
    Account {
        uid: AccountUid::new(uid),
        name: name.into(),
        display_name: format!("MSP {name}"),
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

fn org(id: &str, name: &str, sites: &[&str]) -> Org {
    Org {
        id: id.into(),
        name: name.into(),
        accounts: None,
        sites: sites.iter().map(|s| (*s).to_owned()).collect(),
        labels: BTreeMap::new(),
    }
}

fn rules(list: Vec<Org>) -> Rules {
    Rules { list, ignore: Vec::new(), auto_match: true, autotask: false, unmapped: Unmapped::Hold }
}

/// A directory of the accounts `a1` ("acme") and `b1` ("beta").
fn directory(rules: Rules, sites: Vec<Site>) -> Directory {
    let policy = Policy { orgs: Some(rules), accounts: BTreeMap::new() };
    Directory::new(1, Arc::new(policy), vec![account("a1", "acme"), account("b1", "beta")], sites)
}

fn uid(text: &str) -> SiteRef {
    SiteRef::Uid(text.into())
}

/// `org by Rule`, or the decision's name.
fn told(directory: &Directory, account: &str, site: &SiteRef) -> String {
    match directory.decide(&AccountUid::new(account), site) {
        Decision::Org(tenant) => format!("{} by {:?}", tenant.id, tenant.rule),
        Decision::Held(_) => "held".into(),
        other @ (Decision::Ignored | Decision::Dropped) => format!("{other:?}"),
    }
}

#[test]
fn precedence_is_ignore_uid_name_auto_autotask_unmapped() {
    let mut known = site("a1", "s1", "HQ");
    known.autotask = Some(("77".into(), "Company".into()));
    let mut rules = rules(vec![org("by-uid", "x", &["s1"]), org("by-name", "y", &["HQ"]), org("by-auto", "HQ", &[])]);
    rules.ignore = vec!["HQ".into()];
    rules.autotask = true;
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(told(&directory(rules.clone(), vec![known.clone()]), "a1", &uid("s1")));
        match rules.ignore.pop() {
            Some(_) => {}
            None if rules.list.is_empty() => rules.autotask = false,
            None => drop(rules.list.remove(0)),
        }
    }
    let expected =
        ["Ignored", "by-uid by Uid", "by-name by Name", "by-auto by AutoMatch", "autotask-77 by Autotask", "held"];
    assert_eq!(seen, expected);
}

#[test]
fn names_match_after_normalization_and_trimming_only() {
    let sites = vec![site("a1", "s1", " Zu\u{308}rich "), site("a1", "s2", "zürich"), site("a1", "s3", "Zürich West")];
    let directory = directory(rules(vec![org("zh", "z", &["Z\u{fc}rich"])]), sites);
    assert_eq!(told(&directory, "a1", &uid("s1")), "zh by Name");
    assert_eq!(told(&directory, "a1", &uid("s2")), "held");
    assert_eq!(told(&directory, "a1", &uid("s3")), "held");
}

#[test]
fn two_sites_of_one_name_stay_unmapped_and_are_reported() {
    let sites = vec![site("a1", "s1", "HQ"), site("b1", "s2", "HQ "), site("a1", "s3", "Lab")];
    let directory = directory(rules(vec![org("x", "x", &["HQ", "Lab"])]), sites);
    assert_eq!(told(&directory, "a1", &uid("s1")), "held");
    assert_eq!(told(&directory, "b1", &uid("s2")), "held");
    assert_eq!(told(&directory, "a1", &uid("s3")), "x by Name");
    let expected = vec![Ambiguity {
        name: "HQ".into(),
        sites: vec![(AccountUid::new("a1"), "s1".into()), (AccountUid::new("b1"), "s2".into())],
        reason: "2 sites have the name \"HQ\": list them by uid".into(),
    }];
    assert_eq!(directory.ambiguities(), expected);
}

#[test]
fn a_uid_or_an_account_settles_equal_names() {
    let sites = || vec![site("a1", "s1", "HQ"), site("b1", "s2", "HQ")];
    let by_uid = directory(rules(vec![org("x", "x", &["s1"]), org("y", "y", &["HQ"])]), sites());
    assert_eq!(told(&by_uid, "a1", &uid("s1")), "x by Uid");
    assert_eq!(told(&by_uid, "b1", &uid("s2")), "y by Name");

    let mut scoped = org("x", "x", &["HQ"]);
    scoped.accounts = Some(vec!["acme".into()]);
    let by_account = directory(rules(vec![scoped]), sites());
    assert_eq!(told(&by_account, "a1", &uid("s1")), "x by Name");
    assert_eq!(told(&by_account, "b1", &uid("s2")), "held");
    assert!(by_account.ambiguities().is_empty());
}

#[test]
fn a_name_that_two_organizations_have_maps_nobody() {
    let sites = vec![site("a1", "s1", "Contoso")];
    let directory = directory(rules(vec![org("x", "Contoso", &[]), org("y", "Contoso ", &[])]), sites);
    assert_eq!(told(&directory, "a1", &uid("s1")), "held");
    assert_eq!(directory.ambiguities()[0].reason, "the organizations x and y have its name");
}

#[test]
fn an_explicit_uid_holds_before_the_site_list_shows_it() {
    let mut scoped = org("x", "x", &[UID_1]);
    scoped.accounts = Some(vec!["acme".into()]);
    let directory = directory(rules(vec![scoped]), Vec::new());
    assert_eq!(told(&directory, "a1", &uid(UID_1)), "x by Uid");
    assert_eq!(told(&directory, "b1", &uid(UID_1)), "held");
    assert_eq!(told(&directory, "a1", &uid(UID_2)), "held");
}

#[test]
fn a_site_named_after_a_uid_takes_nothing_over() {
    let sites = vec![site("b1", "s9", UID_1), site("a1", "DEL", "Deleted Devices"), site("b1", "s8", "DEL")];
    let directory = directory(rules(vec![org("x", "x", &[UID_1, "DEL"])]), sites);
    assert_eq!(told(&directory, "b1", &uid("s9")), "held");
    assert_eq!(told(&directory, "a1", &uid("DEL")), "x by Uid");
    assert_eq!(told(&directory, "b1", &uid("s8")), "held");
}

#[test]
fn unknown_sites_follow_the_unmapped_policy() {
    let mut rules = rules(vec![org("x", "x", &["HQ"])]);
    for (unmapped, expected) in [
        (Unmapped::Hold, "held"),
        (Unmapped::Drop, "Dropped"),
        (Unmapped::Default("x".into()), "x by Default"),
        (Unmapped::Default("elsewhere".into()), "elsewhere by Default"),
    ] {
        rules.unmapped = unmapped;
        let directory = directory(rules.clone(), vec![site("a1", "s1", "other")]);
        for unknown in [uid("s1"), uid("nowhere"), uid(""), SiteRef::Id(5), SiteRef::Name("HQ".into())] {
            assert_eq!(told(&directory, "a1", &unknown), expected, "{unknown:?}");
        }
    }
}

#[test]
fn ids_and_names_mean_a_site_only_if_it_is_the_only_one() {
    let with_id = |uid: &str, name: &str, id| Site { id: Some(id), ..site("a1", uid, name) };
    let sites = vec![with_id("s1", "HQ", 1), with_id("s2", "Lab", 2), with_id("s3", "Lab", 2), site("b1", "s4", "HQ")];
    let directory = directory(rules(vec![org("x", "x", &["s1", "s2", "s3"])]), sites);
    assert_eq!(told(&directory, "a1", &SiteRef::Id(1)), "x by Uid");
    assert_eq!(told(&directory, "a1", &SiteRef::Id(2)), "held");
    assert_eq!(told(&directory, "a1", &SiteRef::Name(" HQ".into())), "x by Uid");
    assert_eq!(told(&directory, "a1", &SiteRef::Name("Lab".into())), "held");
    assert_eq!(told(&directory, "b1", &SiteRef::Name("HQ".into())), "held");
}

#[test]
fn autotask_companies_that_cannot_be_told_apart_stay_unmapped() {
    let company = |account: &str, uid: &str, id: &str, name: &str| Site {
        autotask: Some((id.into(), name.into())),
        ..site(account, uid, uid)
    };
    let sites = vec![
        company("a1", "s1", "7", "Contoso"),
        company("a1", "s2", "7", "Contoso (renamed)"),
        company("a1", "s3", "8", "Fabrikam"),
        company("b1", "s4", "8", "Tailspin"),
        company("a1", "s5", "9/1", "One"),
        company("a1", "s6", "9?1", "Two"),
        company("a1", "s7", " ", "None"),
    ];
    let mut rules = rules(Vec::new());
    rules.autotask = true;
    let directory = directory(rules, sites);
    assert_eq!(told(&directory, "a1", &uid("s1")), "autotask-7 by Autotask");
    assert_eq!(told(&directory, "a1", &uid("s2")), "autotask-7 by Autotask");
    for (account, held) in [("a1", "s3"), ("b1", "s4"), ("a1", "s5"), ("a1", "s6"), ("a1", "s7")] {
        assert_eq!(told(&directory, account, &uid(held)), "held", "{held}");
    }
    assert_eq!(directory.ambiguities().len(), 2);
}

#[test]
fn autotask_does_not_widen_a_listed_organization() {
    let mut scoped = org("autotask-7", "Contoso Ltd", &[]);
    scoped.accounts = Some(vec!["acme".into()]);
    let mut rules = rules(vec![scoped]);
    rules.autotask = true;
    let of = |account| Site { autotask: Some(("7".into(), "Contoso".into())), ..site(account, "s1", "n") };
    let directory = directory(rules, vec![of("a1"), of("b1")]);
    assert_eq!(told(&directory, "a1", &uid("s1")), "autotask-7 by Autotask");
    assert_eq!(told(&directory, "b1", &uid("s1")), "held");
    let Decision::Org(tenant) = directory.decide(&AccountUid::new("a1"), &uid("s1")) else { panic!("mapped") };
    assert_eq!(tenant.name.as_deref(), Some("Contoso Ltd"));
}

#[test]
fn records_without_a_site_belong_to_the_account() {
    let mut policy = Policy { orgs: Some(rules(vec![org("msp", "The MSP", &[])])), ..Policy::default() };
    let settings = AccountPolicy { user_activity_org: Some("msp".into()), filter: Filter::default() };
    policy.accounts.insert("acme".into(), settings);
    let accounts = vec![account("a1", "acme"), account("b1", "beta")];
    let directory = Directory::new(1, Arc::new(policy), accounts, Vec::new());
    let name = |uid: &str| {
        let Decision::Org(tenant) = directory.decide(&AccountUid::new(uid), &SiteRef::None) else { panic!("mapped") };
        (tenant.id.clone(), tenant.name.clone(), tenant.rule)
    };
    assert_eq!(name("a1"), ("msp".into(), Some("The MSP".into()), Rule::Account));
    assert_eq!(name("b1"), ("b1".into(), Some("MSP beta".into()), Rule::Account));
    assert_eq!(name("c1"), ("c1".into(), None, Rule::Account));
}

#[test]
fn without_orgs_each_known_site_is_its_own_organization() {
    let sites = vec![site("a1", "s1", "HQ"), site("b1", "s2", "HQ")];
    let directory = Directory::new(1, Arc::new(Policy::default()), vec![account("a1", "acme")], sites);
    assert_eq!(told(&directory, "a1", &uid("s1")), "s1 by OwnSite");
    assert_eq!(told(&directory, "b1", &uid("s2")), "s2 by OwnSite");
    assert_eq!(told(&directory, "a1", &uid("s2")), "held");
    assert_eq!(told(&directory, "a1", &SiteRef::Id(1)), "held");
    assert_eq!(told(&directory, "a1", &SiteRef::None), "a1 by Account");
}

#[test]
fn the_listing_tells_every_site_and_why() {
    let sites = vec![site("b1", "s3", "Lab"), site("a1", "s2", "Contoso"), site("a1", "s1", "HQ")];
    let mut rules = rules(vec![org("contoso", "Contoso", &["HQ"])]);
    rules.ignore = vec!["Lab".into()];
    let rows: Vec<String> = directory(rules, sites)
        .listing()
        .iter()
        .map(|row| format!("{} {}: {} ({})", row.account, row.site.name, row.why, row.filtered))
        .collect();
    let expected = [
        "acme Contoso: [orgs.list.contoso] has its name (false)",
        "acme HQ: [orgs.list.contoso] lists its name (false)",
        "beta Lab: its name is on the ignore list (false)",
    ];
    assert_eq!(rows, expected);
}
