//! The inventory as records: one transaction, no marker twice, and what a full journal, a filter and a held site do.

use rusqlite::Connection;
use serde_json::value::RawValue;

use super::support::{DAY, HOUR, Place, activities, ids, live, record, site, uid};
use crate::inventory::Device;
use crate::journal::dead::DeadFilter;
use crate::journal::items::{Digest, ItemKind, ItemLook, ItemPage, ItemRow, ItemState};
use crate::journal::sqlite::Journal;
use crate::journal::{JournalError, Rejected};
use crate::org::{AccountPolicy, Filter, Policy};
use crate::record::place::DeviceRef;
use crate::record::{Marker, RecordKind};

fn device(device: &str, hostname: &str, site: &str) -> Device {
    let source = format!(r#"{{"uid":"{device}","hostname":"{hostname}"}}"#).into();
    let (uid, hostname, site_uid) = (device.to_owned(), Some(hostname.to_owned()), Some(site.to_owned()));
    Device { account: self::uid(), uid, id: None, site_uid, hostname, source }
}

/// The state after version `n` of an item was told.
fn told(n: u32) -> ItemState {
    let digest: Digest = u64::from(n).to_be_bytes();
    ItemState { changes: n, seen: digest, told: Some(digest), day: Some(20_270_115), ..ItemState::default() }
}

/// A look that tells version `n` of a device in `site`; `expected` is what is known of it.
fn look(uid: &str, n: u32, site: &str, expected: Option<ItemState>) -> ItemLook {
    let before = expected.clone().unwrap_or_default();
    ItemLook {
        kind: ItemKind::Device,
        uid: uid.into(),
        row: Some(ItemRow::Device(device(uid, &format!("host-{n}"), site))),
        expected,
        records: vec![record(RecordKind::Device, uid, Marker::Item(n, "00000000".into(), None), site)],
        told: told(n),
        untold: ItemState { seen: told(n).seen, ..before },
    }
}

fn page(looks: Vec<ItemLook>) -> ItemPage {
    ItemPage { looks, rejected: Vec::new() }
}

async fn state(journal: &Journal, item: &str) -> Option<ItemState> {
    let states = journal.item_states(&uid(), ItemKind::Device, vec![item.to_owned()]).await.unwrap();
    states.into_values().next()
}

async fn hostname(journal: &Journal, item: &str) -> Option<String> {
    journal.device(&uid(), &DeviceRef::Uid(item.to_owned())).await.unwrap().and_then(|device| device.hostname)
}

#[tokio::test]
async fn rows_counters_and_records_are_one_transaction() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    let done = journal.commit_items(&uid(), page(vec![look("d1", 1, "a", None)])).await.unwrap();
    assert_eq!((done.intake.taken, done.intake.changed, done.postponed), (1, 1, 0));
    assert_eq!((state(&journal, "d1").await, hostname(&journal, "d1").await), (Some(told(1)), Some("host-1".into())));

    // Two instances, or a pass that was computed before another one was stored: nothing of the page stays.
    let stale = page(vec![look("d2", 1, "a", None), look("d1", 1, "a", None)]);
    let error = journal.commit_items(&uid(), stale).await.unwrap_err();
    assert!(matches!(error, JournalError::Conflict), "{error}");
    assert_eq!((state(&journal, "d2").await, hostname(&journal, "d2").await), (None, None));
    assert_eq!(ids(&journal, &live()).await, ["d1:1:00000000"]);

    journal.commit_items(&uid(), page(vec![look("d1", 2, "a", Some(told(1)))])).await.unwrap();
    journal.close().await.unwrap();
    let journal = place.open();
    assert_eq!(ids(&journal, &live()).await, ["d1:1:00000000", "d1:2:00000000"]);
    assert_eq!(state(&journal, "d1").await, Some(told(2)));
}

#[tokio::test]
async fn a_full_journal_takes_rows_and_postpones_records() {
    let mut place = Place::new();
    place.options.max_bytes = 400_000;
    let journal = place.open();
    journal.use_sinks(vec![("s".to_owned(), crate::journal::StartAt::Oldest)]).await.unwrap();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    journal.commit_items(&uid(), page(vec![look("d1", 1, "a", None)])).await.unwrap();
    for n in 0.. {
        match journal.commit(activities(&format!("p{n}"), 50, "a")).await {
            Ok(_) => {}
            Err(JournalError::Full { .. }) => break,
            Err(error) => panic!("{error}"),
        }
    }
    let looks = vec![look("d1", 2, "a", Some(told(1))), look("d2", 1, "a", None)];
    let done = journal.commit_items(&uid(), page(looks)).await.unwrap();
    assert_eq!((done.postponed, done.intake.taken), (2, 0));
    assert_eq!(hostname(&journal, "d1").await.as_deref(), Some("host-2"), "the row is new");
    assert_eq!(hostname(&journal, "d2").await.as_deref(), Some("host-1"));
    assert_eq!(
        (state(&journal, "d1").await, state(&journal, "d2").await),
        (Some(told(1)), None),
        "and nothing is told"
    );
    let missing = journal.missing_items(&uid(), ItemKind::Device, ["d1".to_owned()].into()).await.unwrap();
    assert!(missing.is_empty(), "what was never told is not missed");
}

#[tokio::test]
async fn what_is_filtered_is_counted_once_and_then_writes_nothing() {
    let place = Place::new();
    let journal = place.open();
    let filter = Filter { exclude_sites: vec!["Site a".into()], ..Filter::default() };
    let accounts = [("acme".to_owned(), AccountPolicy { filter, ..AccountPolicy::default() })].into();
    journal.open_account(&super::support::account(&uid(), "acme"), None).await.unwrap();
    journal.set_policy(Policy { accounts, ..Policy::default() }).await.unwrap();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    let first = journal.commit_items(&uid(), page(vec![look("d1", 1, "a", None)])).await.unwrap();
    assert_eq!((first.intake.filtered, first.intake.taken, first.intake.changed), (1, 0, 1));
    let noted = state(&journal, "d1").await.unwrap();
    assert_eq!((noted.told, noted.changes), (None, 0));

    let written = || std::fs::metadata(place.path().with_extension("db-wal")).unwrap().len();
    let before = written();
    let again = journal.commit_items(&uid(), page(vec![look("d1", 1, "a", Some(noted.clone()))])).await.unwrap();
    assert_eq!((again.intake, written()), (Default::default(), before));

    journal.set_policy(Policy::default()).await.unwrap();
    let passed = journal.commit_items(&uid(), page(vec![look("d1", 1, "a", Some(noted))])).await.unwrap();
    assert_eq!(passed.intake.taken, 1);
    let told = ids(&journal, &live()).await;
    assert_eq!(told.iter().filter(|id| !id.starts_with("mapping:")).collect::<Vec<_>>(), ["d1:1:00000000"]);
}

#[tokio::test]
async fn a_held_item_is_released_with_its_site_and_told_anew_if_it_goes_untold() {
    let place = Place::new();
    let journal = place.open();
    let held = journal.commit_items(&uid(), page(vec![look("d1", 1, "new", None)])).await.unwrap();
    assert_eq!((held.intake.held, state(&journal, "d1").await), (1, Some(told(1))));
    place.clock.jump(i64::try_from((30 * DAY + HOUR).as_millis()).unwrap());
    assert_eq!(journal.maintain_now().await.unwrap().expired.len(), 1);
    let forgotten = state(&journal, "d1").await.unwrap();
    assert_eq!((forgotten.told, forgotten.changes), (None, 1), "untold, and the counter goes on");

    let again = look("d1", 2, "new", Some(forgotten));
    assert_eq!(journal.commit_items(&uid(), page(vec![again])).await.unwrap().intake.held, 1);
    let sites = vec![ItemLook {
        kind: ItemKind::Site,
        uid: "new".into(),
        row: Some(ItemRow::Site(site("new"), RawValue::from_string("{\"uid\":\"new\"}".into()).unwrap())),
        expected: None,
        records: vec![record(RecordKind::Site, "new", Marker::Item(1, "00000000".into(), None), "new")],
        told: told(1),
        untold: ItemState::default(),
    }];
    let known = journal.commit_items(&uid(), page(sites)).await.unwrap();
    assert_eq!((known.released, known.intake.taken), (1, 1), "the site's own record is decided with it");
    assert_eq!(ids(&journal, &live()).await, ["d1:2:00000000", "new:1:00000000"], "held ones first");
    let source = journal.site_source(&uid(), "new").await.unwrap().unwrap();
    assert_eq!(source.get(), "{\"uid\":\"new\"}");
}

#[tokio::test]
async fn a_later_change_that_was_told_elsewhere_stays_told() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    journal.commit_items(&uid(), page(vec![look("d1", 1, "new", None)])).await.unwrap();
    // It moves to a site that is known: that customer does not wait for the other site.
    journal.commit_items(&uid(), page(vec![look("d1", 2, "a", Some(told(1)))])).await.unwrap();
    assert_eq!(ids(&journal, &live()).await, ["d1:2:00000000"]);
    place.clock.jump(i64::try_from((30 * DAY + HOUR).as_millis()).unwrap());
    journal.maintain_now().await.unwrap();
    assert_eq!(state(&journal, "d1").await, Some(told(2)));
}

#[tokio::test]
async fn missing_are_those_that_are_known_not_seen_and_not_gone() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    let looks = ["d1", "d2", "d3"].map(|uid| look(uid, 1, "a", None)).to_vec();
    journal.commit_items(&uid(), page(looks)).await.unwrap();
    let gone = ItemState { told: None, is_gone: true, ..told(1) };
    let gone = ItemLook { row: None, records: Vec::new(), told: gone, ..look("d3", 1, "a", Some(told(1))) };
    journal.commit_items(&uid(), page(vec![gone])).await.unwrap();
    let missing = journal.missing_items(&uid(), ItemKind::Device, ["d1".to_owned()].into()).await.unwrap();
    assert_eq!(missing, ["d2"]);
    assert!(journal.missing_items(&uid(), ItemKind::Site, Default::default()).await.unwrap().is_empty());
    assert_eq!(hostname(&journal, "d3").await.as_deref(), Some("host-1"), "its row stays for late alerts");
}

#[tokio::test]
async fn an_unusable_item_whose_times_change_is_one_dead_letter() {
    let place = Place::new();
    let journal = place.open();
    let rejected = |seen: u32| Rejected {
        path: "/v2/account/devices".into(),
        reason: "no usable `uid`".into(),
        content: format!("{{\"lastSeen\":{seen}}}"),
    };
    for (seen, expected) in [(1, 1), (2, 0)] {
        let page = ItemPage { looks: Vec::new(), rejected: vec![(rejected(seen), "{}".into())] };
        assert_eq!(journal.commit_items(&uid(), page).await.unwrap().intake.rejected, expected);
    }
    let letters = journal.dead_letters(DeadFilter::default()).await.unwrap();
    assert_eq!((letters.len(), letters[0].content.as_str()), (1, "{\"lastSeen\":1}"));
}

/// A journal as the first layout left it, with an inventory of which nothing was told.
fn first_layout(place: &Place) {
    let connection = Connection::open(place.path()).unwrap();
    connection.execute_batch(include_str!("../schema/1.sql")).unwrap();
    connection.pragma_update(None, "application_id", 0x766e_7472).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    connection
        .execute("INSERT INTO meta (name, value) VALUES ('id', ?1)", ["6f1d3f4e-5a7b-4c0e-9b1a-0c5f2a7d9e10"])
        .unwrap();
    connection.execute("INSERT INTO accounts (uid) VALUES (?1)", [uid().as_str()]).unwrap();
    let json = serde_json::to_string(&site("a")).unwrap();
    connection.execute("INSERT INTO sites (account, uid, site) VALUES (1, 'a', ?1)", [json]).unwrap();
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
}

#[tokio::test]
async fn a_journal_of_the_first_layout_is_brought_up_to_date() {
    let place = Place::new();
    first_layout(&place);
    let error = Journal::open_reader(&place.path(), place.clock.clone()).unwrap_err();
    assert!(error.to_string().contains("`vintner run` brings it up to date"), "{error}");
    let journal = place.open();
    assert_eq!(journal.sites(&uid()).await.unwrap(), [site("a")]);
    assert_eq!(state(&journal, "d1").await, None);
    journal.commit_items(&uid(), page(vec![look("d1", 1, "a", None)])).await.unwrap();
    journal.close().await.unwrap();
    let version = |path| -> i64 {
        Connection::open(path).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    };
    let fresh = Place::new();
    fresh.open().close().await.unwrap();
    assert_eq!(version(place.path()), version(fresh.path()));
    assert_eq!(ids(&place.open(), &live()).await, ["d1:1:00000000"]);
}

/// While a release goes on, a newer record of an item goes behind its older ones.
#[tokio::test]
async fn a_change_during_a_release_comes_after_what_is_still_held() {
    let place = Place::new();
    let journal = place.open_small();
    journal.set_policy(super::world::policy(&[("new", 0)].into())).await.unwrap();
    for name in ["d0", "d1", "d2", "d3"] {
        journal.commit_items(&uid(), page(vec![look(name, 1, "new", None)])).await.unwrap();
    }
    journal.begin_policy(super::world::policy(&[("new", 1)].into())).await.unwrap();
    let second = journal.commit_items(&uid(), page(vec![look("d3", 2, "new", Some(told(1)))])).await.unwrap();
    assert_eq!((second.intake.taken, second.intake.held), (0, 1));
    journal.follow_decisions().await.unwrap();
    let all = ids(&journal, &live()).await;
    assert_eq!(all[3..], ["d3:1:00000000".to_owned(), "d3:2:00000000".to_owned()], "{all:?}");
}
