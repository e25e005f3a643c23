//! Held records follow a changed mapping in bounded steps.

use super::support::{DAY, Place, activities, ids, live, look, page, site, uid};
use super::world::policy;
use crate::journal::sqlite::Journal;
use crate::journal::{Page, held};

async fn held_records(journal: &Journal) -> u64 {
    journal.usage().await.unwrap().held_records
}

/// A journal with small steps and six held records of the site `a`.
async fn six_held(place: &Place) -> Journal {
    let journal = place.open_small();
    journal.set_policy(policy(&[("a", 0)].into())).await.unwrap();
    journal.commit(activities("x", 6, "a")).await.unwrap();
    assert_eq!(held_records(&journal).await, 6);
    journal
}

#[tokio::test]
async fn a_release_that_a_crash_broke_off_goes_on_before_anything_is_too_old() {
    let place = Place::new();
    let journal = six_held(&place).await;
    let (change, is_pending) = journal.begin_policy(policy(&[("a", 1)].into())).await.unwrap();
    assert_eq!((change.released, is_pending, held_records(&journal).await), (2, true, 4), "no more than two a step");
    drop(journal);
    place.clock.jump(i64::try_from((31 * DAY).as_millis()).unwrap());
    let journal = place.open_small();
    let done = journal.maintain().await.unwrap();
    assert_eq!((done.expired.len(), held_records(&journal).await), (0, 0));
    let names: Vec<String> = (0..6).map(|n| format!("x-{n}:1")).collect();
    assert_eq!(ids(&journal, &live()).await, names);
}

#[tokio::test]
async fn the_same_policy_again_goes_on_with_a_release_that_was_broken_off() {
    let place = Place::new();
    let journal = six_held(&place).await;
    journal.begin_policy(policy(&[("a", 1)].into())).await.unwrap();
    assert_eq!(journal.set_policy(policy(&[("a", 1)].into())).await.unwrap().released, 4);
    assert_eq!(held_records(&journal).await, 0);
}

/// Until everything older has left, a newer record of an alert waits behind it.
#[tokio::test]
async fn a_newer_record_waits_for_what_a_release_has_not_reached() {
    let place = Place::new();
    let journal = six_held(&place).await;
    journal.commit(Page { alerts: vec![look("one", 1, "a", None)], ..page() }).await.unwrap();
    journal.begin_policy(policy(&[("a", 1)].into())).await.unwrap();
    let known = journal.alert_states(&uid(), vec!["one".into()]).await.unwrap().remove("one");
    let second = journal.commit(Page { alerts: vec![look("one", 2, "a", known)], ..page() }).await.unwrap();
    assert_eq!((second.taken, second.held), (0, 1));
    journal.follow_decisions().await.unwrap();
    let all = ids(&journal, &live()).await;
    assert_eq!(all[6..], ["one:open".to_owned(), "one:update:2:000000000000".to_owned()], "{all:?}");
    assert!(!journal.look(|view| held::is_pending(view.connection)).await.unwrap());
}

/// What is mapped for one site leaves nothing of another behind.
#[tokio::test]
async fn a_change_that_concerns_no_held_record_begins_no_release() {
    let place = Place::new();
    let journal = six_held(&place).await;
    let (_, is_pending) = journal.begin_policy(policy(&[("a", 0), ("b", 1)].into())).await.unwrap();
    assert!(!is_pending);
    journal.store_sites(&uid(), vec![site("c")]).await.unwrap();
    assert_eq!(held_records(&journal).await, 6);
}
