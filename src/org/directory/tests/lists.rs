//! Rules by name wait for every site list that the name must be looked for in.

use super::*;

/// The sites of `acme`, while the lists of `awaited` are not known.
fn while_awaited(rules: Rules, awaited: &[&str], sites: Vec<Site>) -> Directory {
    let awaited = awaited.iter().map(|name| (*name).to_owned()).collect();
    let policy = Policy { orgs: Some(rules), accounts: BTreeMap::new() };
    Directory::awaiting(1, Arc::new(policy), vec![account("a1", "acme")], sites, awaited)
}

fn sites() -> Vec<Site> {
    let autotask = Some(("7".into(), "Seventh".into()));
    vec![site("a1", UID_1, "HQ"), site("a1", "s2", "Auto"), Site { autotask, ..site("a1", "s3", "Linked") }]
}

fn decided(directory: &Directory) -> Vec<String> {
    [UID_1, "s2", "s3"].map(|site| told(directory, "a1", &uid(site))).to_vec()
}

#[test]
fn names_wait_and_uids_do_not() {
    for unmapped in [Unmapped::Hold, Unmapped::Drop, Unmapped::Default("rest".into())] {
        let by_name =
            Rules { autotask: true, unmapped, ..rules(vec![org("hq", "x", &["HQ"]), org("auto", "Auto", &[])]) };
        let waiting = while_awaited(by_name.clone(), &["beta"], sites());
        assert_eq!(decided(&waiting), ["held", "held", "held"]);
        assert!([UID_1, "s2", "s3"].iter().all(|site| waiting.waits(&AccountUid::new("a1"), &uid(site))));
        assert!(waiting.listing()[0].why.contains("beta"), "{:?}", waiting.listing());
        let known = while_awaited(by_name, &[], sites());
        assert_eq!(decided(&known), ["hq by Name", "auto by AutoMatch", "autotask-7 by Autotask"]);
        assert!(!known.waits(&AccountUid::new("a1"), &uid(UID_1)));
    }
    let by_uid = rules(vec![org("hq", "x", &[UID_1, "s2"])]);
    assert_eq!(decided(&while_awaited(by_uid, &["beta"], sites())), ["hq by Uid", "hq by Uid", "held"]);
}

#[test]
fn a_rule_with_accounts_waits_for_the_lists_of_these_only() {
    for (accounts, waits) in [(&["acme"][..], false), (&["acme", "gamma"], false), (&["acme", "beta"], true)] {
        let accounts = Some(accounts.iter().map(|name| (*name).to_owned()).collect());
        let list = vec![
            Org { accounts: accounts.clone(), ..org("hq", "x", &["HQ"]) },
            Org { accounts, ..org("auto", "Auto", &[]) },
        ];
        let directory = while_awaited(rules(list), &["beta"], sites());
        let expected = if waits { ["held", "held"] } else { ["hq by Name", "auto by AutoMatch"] };
        assert_eq!(decided(&directory)[..2], expected);
    }
}

#[test]
fn sites_that_no_name_would_map_follow_the_policy_at_once() {
    let mut by_name = rules(vec![org("one", "One", &[]), org("two", "One", &[])]);
    (by_name.unmapped, by_name.ignore) = (Unmapped::Drop, vec!["Auto".into()]);
    let directory = while_awaited(by_name, &["beta"], sites());
    assert_eq!(decided(&directory), ["Dropped", "Ignored", "Dropped"]);
    assert!(!directory.waits(&AccountUid::new("a1"), &uid("s3")));
}
