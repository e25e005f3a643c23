//! Rules by name wait for the site list of every configured account, also over restarts.

use super::support::*;
use crate::inventory::Site;
use crate::journal::sqlite::Journal;
use crate::org::{AccountPolicy, Org, Policy, Rules, Unmapped};
use crate::record::AccountUid;

/// One organization by the name of the site `a`, and these accounts.
fn policy(accounts: &[&str]) -> Policy {
    let list = vec![Org {
        id: "org".into(),
        name: "Org".into(),
        accounts: None,
        sites: vec!["Site a".into()],
        labels: std::collections::BTreeMap::new(),
    }];
    let rules = Rules { list, ignore: Vec::new(), auto_match: true, autotask: false, unmapped: Unmapped::Hold };
    let accounts = accounts.iter().map(|name| ((*name).to_owned(), AccountPolicy::default())).collect();
    Policy { orgs: Some(rules), accounts }
}

fn other() -> AccountUid {
    AccountUid::new("ef2c0003")
}

/// The account `acme` has shown its list; `beta` is configured too.
async fn beside_beta(place: &Place) -> Journal {
    let journal = place.open();
    journal.set_policy(policy(&["acme", "beta"])).await.unwrap();
    use_sinks(&journal, &["s"]).await;
    shows(&journal, &uid(), "acme", vec![site("a"), site("b")]).await;
    journal
}

async fn shows(journal: &Journal, uid: &AccountUid, name: &str, sites: Vec<Site>) -> u64 {
    journal.open_account(&account(uid, name), None).await.unwrap();
    journal.store_sites(uid, sites).await.unwrap();
    journal.end_wait_for_sites(name).await.unwrap().released
}

async fn held(journal: &Journal) -> u64 {
    journal.held().await.unwrap().iter().map(|entry| entry.count).sum()
}

#[tokio::test]
async fn records_of_a_site_by_name_are_held_until_every_list_is_shown() {
    let place = Place::new();
    let journal = beside_beta(&place).await;
    assert_eq!(journal.commit(activities("x", 3, "a")).await.unwrap().held, 3);
    assert!(journal.held().await.unwrap()[0].reason.contains("site list of beta"));
    assert_eq!(shows(&journal, &other(), "beta", vec![]).await, 3, "nobody else has the name");
    assert_eq!(ids(&journal, &live()).await.iter().filter(|id| id.starts_with("x-")).count(), 3);
    assert_eq!(journal.commit(activities("y", 1, "a")).await.unwrap().taken, 1);
    assert_eq!(journal.end_wait_for_sites("beta").await.unwrap().released, 0);
}

#[tokio::test]
async fn a_name_that_turns_out_to_be_double_maps_nothing() {
    let place = Place::new();
    let journal = beside_beta(&place).await;
    journal.commit(activities("x", 3, "a")).await.unwrap();
    let double = Site { account: other(), ..site("a") };
    assert_eq!(shows(&journal, &other(), "beta", vec![double]).await, 0);
    assert_eq!(held(&journal).await, 3);
    assert_eq!(journal.directory().await.unwrap().ambiguities().len(), 1);
}

#[tokio::test]
async fn a_failed_first_pass_ends_the_wait_also_after_a_restart() {
    let place = Place::new();
    let journal = beside_beta(&place).await;
    journal.commit(activities("x", 3, "a")).await.unwrap();
    assert_eq!(journal.end_wait_for_sites("beta").await.unwrap().released, 3);
    journal.close().await.unwrap();
    let journal = place.open();
    assert!(!journal.directory().await.unwrap().is_awaited("beta"));
    // Taken out of the configuration and put back, it is waited for again.
    journal.set_policy(policy(&["acme"])).await.unwrap();
    journal.set_policy(policy(&["acme", "beta"])).await.unwrap();
    assert!(journal.directory().await.unwrap().is_awaited("beta"));
}

#[tokio::test]
async fn a_list_that_an_earlier_version_stored_counts_as_shown() {
    let place = Place::new();
    let journal = place.open();
    for (uid, name) in [(uid(), "acme"), (other(), "beta")] {
        journal.open_account(&account(&uid, name), None).await.unwrap();
        journal.store_sites(&uid, vec![Site { account: uid.clone(), ..site(name) }]).await.unwrap();
    }
    journal.set_policy(policy(&["acme", "beta", "gamma"])).await.unwrap();
    let directory = journal.directory().await.unwrap();
    assert_eq!(["acme", "beta", "gamma"].map(|name| directory.is_awaited(name)), [false, false, true]);
}

#[tokio::test]
async fn a_name_that_stands_for_another_account_than_before_is_waited_for_again() {
    let place = Place::new();
    let journal = beside_beta(&place).await;
    shows(&journal, &other(), "beta", vec![Site { account: other(), ..site("b") }]).await;
    let third = AccountUid::new("12340004");
    journal.close_accounts();
    journal.open_account(&account(&third, "beta"), None).await.unwrap();
    assert_eq!(journal.commit(activities("x", 1, "a")).await.unwrap().held, 1);
    assert_eq!(shows(&journal, &third, "beta", vec![]).await, 1);
}

/// An account that a reload adds: what was taken in before waits too, and becomes no dead letter.
#[tokio::test]
async fn undelivered_records_wait_for_the_list_of_an_account_that_is_added() {
    let place = Place::new();
    let journal = place.open();
    journal.set_policy(policy(&["acme"])).await.unwrap();
    use_sinks(&journal, &["s"]).await;
    let known = [("a", "Site a"), ("b", "Site b")].map(|(uid, name)| Site { name: name.into(), ..site(uid) });
    shows(&journal, &uid(), "acme", known.to_vec()).await;
    pass(&journal, "s", &live()).await;
    let mut rules = policy(&["acme"]);
    let named = rules.orgs.as_mut().unwrap();
    named.list[0].sites.push("b".into());
    journal.set_policy(rules.clone()).await.unwrap();
    pass(&journal, "s", &live()).await;
    journal.commit(activities("uid", 1, "b")).await.unwrap();
    journal.commit(activities("name", 1, "a")).await.unwrap();
    journal.commit(activities("behind", 1, "b")).await.unwrap();
    rules.accounts.insert("beta".into(), AccountPolicy::default());
    journal.set_policy(rules).await.unwrap();
    let first = journal.read("s", &live(), MANY).await.unwrap().unwrap();
    let names: Vec<_> = first.items.iter().map(|item| item.record.envelope.native_id.as_str()).collect();
    assert_eq!(names, ["uid-0"], "what a name decides is neither sent nor passed");
    assert_eq!(pass(&journal, "s", &live()).await, 1);
    assert!(journal.read("s", &live(), MANY).await.unwrap().is_none());
    let changed = journal.changed();
    assert_eq!(shows(&journal, &other(), "beta", vec![]).await, 0);
    assert!(changed.has_changed().unwrap(), "a deliverer that waits is woken");
    let next = journal.read("s", &live(), MANY).await.unwrap().unwrap();
    let names: Vec<_> = next.items.iter().map(|item| item.record.envelope.native_id.as_str()).collect();
    assert_eq!(names[..2], ["name-0", "behind-0"]);
}

#[tokio::test]
async fn what_waited_for_a_list_leaves_in_steps_that_go_on_after_a_restart() {
    let place = Place::new();
    beside_beta(&place).await.close().await.unwrap();
    let journal = place.open_small();
    journal.commit(activities("x", 5, "a")).await.unwrap();
    assert_eq!(journal.end_wait_for_sites("beta").await.unwrap().released, 5);
    journal.set_policy(policy(&["acme"])).await.unwrap();
    journal.set_policy(policy(&["acme", "beta"])).await.unwrap();
    journal.commit(activities("y", 5, "a")).await.unwrap();
    assert_eq!(held(&journal).await, 5);
    // The wait ends with the configured account, and a crash follows.
    journal.begin_policy(policy(&["acme"])).await.unwrap();
    assert_eq!(held(&journal).await, 3);
    drop(journal);
    let journal = place.open_small();
    assert_eq!(journal.set_policy(policy(&["acme"])).await.unwrap().released, 3);
    let names = ids(&journal, &live()).await;
    let names: Vec<_> = names.iter().filter(|name| name.starts_with(['x', 'y'])).map(|name| &name[..3]).collect();
    assert_eq!(names, ["x-0", "x-1", "x-2", "x-3", "x-4", "y-0", "y-1", "y-2", "y-3", "y-4"]);
}
