//! Pages, alerts, repeats and held records.

use tokio::task::JoinSet;

use super::support::{DAY, HOUR, MANY, Place, account, activities, activity, ids, live, look, page, site, state, uid};
use crate::journal::tx::first;
use crate::journal::{Intake, JournalError, Lane, Page, Partition, Rejected, StartAt};
use crate::record::AccountUid;
use crate::record::place::SiteRef;

#[tokio::test]
async fn a_page_is_taken_once() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    let taken = journal.commit(activities("x", 3, "a")).await.unwrap();
    assert_eq!(taken, Intake { taken: 3, ..Intake::default() });
    let again = journal.commit(activities("x", 4, "a")).await.unwrap();
    assert_eq!(again, Intake { taken: 1, repeats: 3, ..Intake::default() });
    assert_eq!(ids(&journal, &live()).await, ["x-0:1", "x-1:1", "x-2:1", "x-3:1"]);
}

#[tokio::test]
async fn a_look_at_another_state_refuses_the_whole_page() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    journal.commit(Page { alerts: vec![look("one", 1, "a", None)], ..page() }).await.unwrap();
    let alerts = vec![look("two", 1, "a", None), look("one", 1, "a", None)];
    let cursors = vec![("c".to_owned(), "1".to_owned())];
    let error = journal.commit(Page { alerts, cursors, ..page() }).await.unwrap_err();
    assert!(matches!(error, JournalError::Conflict), "{error}");
    assert_eq!(ids(&journal, &live()).await, ["one:open"]);
    assert_eq!(journal.cursor(&uid(), "c").await.unwrap(), None);
    let states = journal.alert_states(&uid(), vec!["one".into(), "two".into()]).await.unwrap();
    assert_eq!(states.into_iter().collect::<Vec<_>>(), [("one".to_owned(), state("a", 1))]);
    assert_eq!(journal.open_alerts(&uid()).await.unwrap().len(), 1);
}

/// Whoever looks in between, as a kill would leave it: an alert that counts as told has its record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn states_and_records_appear_together() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    let (writer, mut all) = (journal.clone(), JoinSet::new());
    all.spawn(async move {
        for n in 0..200 {
            let alerts = (0..5).map(|i| look(&format!("alert-{n}-{i}"), 1, "a", None)).collect();
            writer.commit(Page { alerts, ..page() }).await.unwrap();
        }
    });
    while all.try_join_next().is_none() {
        let sql = "SELECT (SELECT COUNT(*) FROM alerts), (SELECT COALESCE(SUM(count), 0) FROM batches)";
        let seen = |row: &rusqlite::Row<'_>| Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?));
        let found = journal.look(move |view| first(view.connection, sql, [], seen)).await.unwrap().unwrap();
        assert_eq!(found.0, found.1, "states and records");
    }
    assert_eq!(ids(&journal, &live()).await.len(), 1_000);
}

#[tokio::test]
async fn a_held_record_waits_and_its_newer_ones_behind_it() {
    let place = Place::new();
    let journal = place.open();
    journal.commit(Page { alerts: vec![look("one", 1, "a", None)], ..page() }).await.unwrap();
    // The alert moves to a site that is known; its update must not pass its Create.
    journal.store_sites(&uid(), vec![site("b")]).await.unwrap();
    let taken =
        journal.commit(Page { alerts: vec![look("one", 2, "b", Some(state("a", 1)))], ..page() }).await.unwrap();
    assert_eq!(taken, Intake { held: 1, changed: 1, ..Intake::default() });
    let held = journal.held().await.unwrap();
    assert_eq!(held.iter().map(|h| h.count).collect::<Vec<_>>(), [1, 1]);
    assert!(held[1].reason.contains("behind"), "{}", held[1].reason);
    assert!(ids(&journal, &live()).await.is_empty());
    let change = journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    assert_eq!(change.released, 2);
    assert_eq!(ids(&journal, &live()).await, ["one:open", "one:update:2:000000000000"]);
}

#[tokio::test]
async fn what_is_held_too_long_goes_and_can_be_told_anew() {
    let place = Place::new();
    let journal = place.open();
    let mut first = activities("x", 2, "a");
    first.alerts = vec![look("one", 1, "a", None)];
    journal.commit(first.clone()).await.unwrap();
    place.clock.jump(i64::try_from((29 * DAY).as_millis()).unwrap());
    // Younger, but it cannot be told without what goes before it.
    journal.commit(Page { alerts: vec![look("one", 2, "a", Some(state("a", 1)))], ..page() }).await.unwrap();
    assert!(journal.maintain_now().await.unwrap().expired.is_empty());
    place.clock.jump(i64::try_from((DAY + HOUR).as_millis()).unwrap());
    let done = journal.maintain_now().await.unwrap();
    assert_eq!(done.expired, [(uid(), SiteRef::Uid("a".into()), 4)]);
    assert!(journal.held().await.unwrap().is_empty());
    assert_eq!(journal.gaps(&uid()).await.unwrap()[0].records, 4);
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    let again = journal.commit(first).await.unwrap();
    assert_eq!(Intake { changed: 0, ..again }, Intake { taken: 3, ..Intake::default() });
}

#[tokio::test]
async fn all_records_of_an_alert_go_to_the_lane_of_its_first() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    let alerts = vec![look("one", 1, "a", None)];
    journal.commit(Page { alerts, lane: Lane::Backfill, ..page() }).await.unwrap();
    let mut second = activities("x", 1, "a");
    second.alerts = vec![look("one", 2, "a", Some(state("a", 1)))];
    journal.commit(second).await.unwrap();
    assert_eq!(ids(&journal, &live()).await, ["x-0:1"]);
    let backfill = Partition { account: uid(), lane: Lane::Backfill };
    assert_eq!(ids(&journal, &backfill).await, ["one:open", "one:update:2:000000000000"]);
}

#[tokio::test]
async fn an_unusable_item_is_kept_once() {
    let place = Place::new();
    let journal = place.open();
    let rejected = Rejected { path: "/v2/x".into(), reason: "not an object".into(), content: "[1,\n2]".into() };
    let broken = || Page { rejected: vec![rejected.clone(), rejected.clone()], ..page() };
    assert_eq!(journal.commit(broken()).await.unwrap().rejected, 1);
    assert_eq!(journal.commit(broken()).await.unwrap().rejected, 0);
    let letters = journal.dead_letters(Default::default()).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].sink.as_ref(), letters[0].content.as_str()), (None, "[1,\n2]"));
}

/// The log beside the file does not grow for a page that brings nothing new.
#[tokio::test]
async fn a_page_without_news_writes_nothing() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    let told = Page { alerts: vec![look("one", 1, "a", None)], records: vec![activity("x", "a")], ..page() };
    let cursors = vec![("c".to_owned(), "1".to_owned())];
    journal.commit(Page { cursors: cursors.clone(), ..told }).await.unwrap();
    let log = place.path().with_extension("db-wal");
    let before = log.metadata().unwrap().len();
    for _ in 0..20 {
        let mut same = look("one", 1, "a", Some(state("a", 1)));
        same.records.clear();
        let again = Page { alerts: vec![same], records: vec![activity("x", "a")], cursors: cursors.clone(), ..page() };
        assert_eq!(journal.commit(again).await.unwrap().repeats, 1);
        journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
        journal.maintain_now().await.unwrap();
        journal.use_sinks(Vec::new()).await.unwrap();
    }
    assert_eq!(log.metadata().unwrap().len(), before);
}

#[tokio::test]
async fn an_account_keeps_its_own_organization_and_is_open_once() {
    let place = Place::new();
    let journal = place.open();
    let acme = account(&uid(), "acme");
    journal.open_account(&acme, Some("msp")).await.unwrap();
    journal.open_account(&acme, Some("other")).await.unwrap();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    journal.commit(activities("x", 1, "a")).await.unwrap();
    let fixed = journal.open_account(&acme, None).await.unwrap_err();
    assert_eq!(
        fixed.to_string(),
        "account-level data of this account belongs to the organization `other` since its first data, \
         not to the account itself"
    );
    let twin = journal.open_account(&account(&uid(), "twin"), Some("other")).await.unwrap_err();
    assert_eq!(twin.to_string(), "it is the same Datto RMM account as `acme`");
    journal.close_account(&uid());
    journal.open_account(&account(&uid(), "twin"), Some("other")).await.unwrap();
    assert_eq!(journal.directory().await.unwrap().account(&uid()).unwrap().name, "twin");
}

#[tokio::test]
async fn accounts_do_not_mix() {
    let place = Place::new();
    let journal = place.open();
    let other = AccountUid::new("other");
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    journal.commit(Page { alerts: vec![look("one", 1, "a", None)], ..page() }).await.unwrap();
    // The same alertUid in another account is another alert, and its site `a` is not known there.
    let page = Page { account: other.clone(), alerts: vec![look("one", 1, "a", None)], ..page() };
    assert_eq!(journal.commit(page).await.unwrap().held, 1);
    journal.use_sinks(vec![("s".into(), StartAt::Oldest)]).await.unwrap();
    assert_eq!(journal.backlog("s").await.unwrap().len(), 1);
    let partition = Partition { account: other, lane: Lane::Live };
    assert!(journal.read("s", &partition, MANY).await.unwrap().is_none());
}
