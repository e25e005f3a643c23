//! Held records follow a changed mapping in bounded steps.

use super::support::{DAY, MANY, Place, activities, ids, live, look, page, site, uid};
use super::world::policy;
use crate::journal::setup::Setup;
use crate::journal::sqlite::Journal;
use crate::journal::{Page, StartAt, held};

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
    let done = journal.maintain_now().await.unwrap();
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

fn setup() -> Setup {
    Setup { policy: policy(&[("a", 1)].into()), replaced_orgs: Vec::new(), sinks: vec![("s".to_owned(), StartAt::Now)] }
}

/// The sink is new and starts behind all that was taken in: held records leave later, whichever step they leave in.
#[tokio::test]
async fn a_configuration_whose_release_a_crash_broke_off_is_in_force_and_goes_on() {
    let place = Place::new();
    let journal = six_held(&place).await;
    let (installed, is_pending) = journal.begin_install(setup()).await.unwrap();
    assert_eq!((installed.policy.released, is_pending, held_records(&journal).await), (2, true, 4));
    drop(journal);
    let journal = place.open_small();
    assert_eq!(journal.install(setup()).await.unwrap().policy.released, 4);
    let attempt = journal.read("s", &live(), MANY).await.unwrap().unwrap();
    let names: Vec<_> = attempt.items.iter().map(|item| item.record.envelope.native_id.clone()).collect();
    assert_eq!(names, (0..6).map(|n| format!("x-{n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_mapping_stays_in_force_if_a_later_step_of_its_release_fails() {
    let place = Place::new();
    let journal = six_held(&place).await;
    let execute = |sql: &str| rusqlite::Connection::open(place.path()).unwrap().execute_batch(sql).unwrap();
    execute(
        "CREATE TRIGGER obstacle BEFORE DELETE ON held WHEN (SELECT COUNT(*) FROM held) <= 4
         BEGIN SELECT RAISE(ABORT, 'nothing leaves'); END",
    );
    let installed = journal.install(setup()).await.unwrap();
    assert_eq!((installed.policy.released, installed.sinks.len(), held_records(&journal).await), (2, 1, 4));
    journal.maintain_now().await.unwrap_err();
    execute("DROP TRIGGER obstacle");
    journal.maintain_now().await.unwrap();
    assert_eq!((held_records(&journal).await, ids(&journal, &live()).await.len()), (0, 6));
}
