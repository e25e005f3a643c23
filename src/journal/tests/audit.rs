//! vintner's own records: in the transaction of the change that they tell of, once, and whatever the journal's size.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::support::{Place, account, activities, ids, live, site, uid};
use super::world::policy;
use crate::inventory::{Device, Site};
use crate::journal::items::{ItemKind, ItemLook, ItemPage, ItemRow, ItemState};
use crate::journal::sqlite::Journal;
use crate::org::audit::About;
use crate::org::directory::Decision;
use crate::org::{AccountPolicy, Policy};
use crate::record::place::SiteRef;
use crate::record::{OwnKind, RecordKind};

/// Kind, native id and source of vintner's own records, in order.
async fn own(journal: &Journal) -> Vec<(String, String, Value)> {
    let records = journal.records(&live(), 0, usize::MAX).await.unwrap();
    let own = records.into_iter().filter(|(_, _, record)| matches!(record.envelope.kind, RecordKind::Own(_)));
    own.map(|(_, _, record)| {
        let source = serde_json::from_str(record.source.get()).unwrap();
        (record.envelope.kind.to_string(), record.envelope.native_id, source)
    })
    .collect()
}

async fn kinds(journal: &Journal) -> Vec<String> {
    own(journal)
        .await
        .into_iter()
        .map(|(kind, subject, _)| format!("{} {subject}", &kind["vintner.".len()..]))
        .collect()
}

/// `policy` of the histories, with the account's own organization.
fn mapping(sites: &[(&'static str, u8)]) -> Policy {
    let own = AccountPolicy { user_activity_org: Some("msp".into()), ..AccountPolicy::default() };
    Policy { accounts: [("acme".to_owned(), own)].into(), ..policy(&sites.iter().copied().collect()) }
}

/// An opened account with the sites a and b; a is X's, b nobody's.
async fn opened(place: &Place) -> Journal {
    let journal = place.open();
    journal.set_policy(policy(&[("a", 1), ("b", 0)].into())).await.unwrap();
    journal.open_account(&account(&uid(), "acme"), Some("msp")).await.unwrap();
    journal.store_sites(&uid(), vec![site("a"), site("b")]).await.unwrap();
    assert_eq!(kinds(&journal).await, [""; 0], "a first start tells nothing");
    journal
}

#[tokio::test]
async fn a_changed_mapping_is_told_once_with_what_it_moves() {
    let place = Place::new();
    let journal = opened(&place).await;
    let changed = mapping(&[("a", 2), ("b", 1)]);
    let change = journal.set_policy(changed.clone()).await.unwrap();
    let told = ["mapping_changed mapping", "site_moved a", "site_moved b"];
    assert_eq!(kinds(&journal).await, told);
    assert_eq!(change.changes.len(), 3);
    let (_, _, moved) = &own(&journal).await[1];
    let owner = |id: &str| json!({ "uid": id, "name": id });
    assert_eq!((&moved["from"], &moved["to"]), (&owner("X"), &owner("Y")));
    assert!(journal.set_policy(changed).await.unwrap().changes.is_empty(), "nothing changed");
    assert_eq!(kinds(&journal).await, told);

    // Whatever site it speaks of, it is the account's own.
    let records = journal.records(&live(), 0, usize::MAX).await.unwrap();
    let directory = journal.directory().await.unwrap();
    for (_, _, record) in &records {
        assert_eq!(record.envelope.site, SiteRef::None);
        assert!(matches!(directory.decide(&uid(), &record.envelope.site), Decision::Org(org) if org.id == "msp"));
    }
    let markers = ids(&journal, &live()).await;
    assert!(markers[0].contains(":1:") && markers[2].contains(":3:"), "{markers:?}");
}

#[tokio::test]
async fn a_renamed_and_a_new_site_are_told_whoever_reads_the_list() {
    let place = Place::new();
    let journal = opened(&place).await;
    let renamed = Site { name: "Another name".into(), ..site("a") };
    let change = journal.store_sites(&uid(), vec![renamed.clone(), site("c")]).await.unwrap();
    assert_eq!(kinds(&journal).await, ["site_renamed a", "site_created c"]);
    assert_eq!(change.changes.len(), 2);
    assert!(journal.store_sites(&uid(), vec![renamed, site("c")]).await.unwrap().changes.is_empty());
}

fn device(site: &str) -> Device {
    let source = format!("{{\"uid\":\"d\",\"siteUid\":\"{site}\"}}");
    Device {
        account: uid(),
        uid: "d".into(),
        id: None,
        site_uid: Some(site.into()),
        hostname: None,
        source: source.into(),
    }
}

fn look(kind: ItemKind, uid: &str, row: Option<ItemRow>, expected: Option<ItemState>, told: ItemState) -> ItemLook {
    ItemLook { kind, uid: uid.into(), row, expected, records: Vec::new(), untold: told.clone(), told }
}

#[tokio::test]
async fn a_device_that_changes_its_owner_and_a_site_that_is_gone_are_told() {
    let place = Place::new();
    let journal = opened(&place).await;
    let page = |looks| ItemPage { looks, rejected: Vec::new() };
    let state = |n| ItemState { seen: [n; 8], ..ItemState::default() };
    let mut known = None;
    for (n, (site, told)) in [("a", 0), ("a", 0), ("b", 1), ("a", 2)].into_iter().enumerate() {
        let next = state(n as u8);
        let row = Some(ItemRow::Device(device(site)));
        let looks = vec![look(ItemKind::Device, "d", row, known.replace(next.clone()), next)];
        let done = journal.commit_items(&uid(), page(looks)).await.unwrap();
        assert_eq!(kinds(&journal).await.len(), told, "{site}");
        let moved = done.changes.iter().all(|change| matches!(change.about, About::DeviceMoved { .. }));
        assert!(moved && done.changes.len() == usize::from(n > 1));
    }
    let source = RawValue::from_string("{}".into()).unwrap();
    let row = Some(ItemRow::Site(site("b"), source));
    journal.commit_items(&uid(), page(vec![look(ItemKind::Site, "b", row, None, state(1))])).await.unwrap();
    let gone = ItemState { is_gone: true, ..state(1) };
    let looks = vec![look(ItemKind::Site, "b", None, Some(state(1)), gone.clone())];
    journal.commit_items(&uid(), page(looks.clone())).await.unwrap();
    assert_eq!(kinds(&journal).await, ["device_moved d", "device_moved d", "site_removed b"]);
    journal.commit_items(&uid(), page(looks)).await.unwrap_err();
    let again = vec![look(ItemKind::Site, "b", None, Some(gone.clone()), gone)];
    journal.commit_items(&uid(), page(again)).await.unwrap();
    assert_eq!(kinds(&journal).await.len(), 3, "a refused page and an unchanged state tell nothing");
}

#[tokio::test]
async fn a_full_journal_tells_what_its_mapping_does() {
    let mut place = Place::new();
    place.options.max_bytes = 400_000;
    let journal = opened(&place).await;
    for n in 0.. {
        if journal.commit(activities(&format!("page{n}"), 40, "a")).await.is_err() {
            break;
        }
    }
    assert!(journal.usage().await.unwrap().full);
    journal.set_policy(policy(&[("a", 1), ("b", 2)].into())).await.unwrap();
    assert_eq!(kinds(&journal).await, ["mapping_changed mapping", "site_moved b"]);
}

/// An event id is of one record for ever: neither a copy that comes back nor another restart gives a number out again.
#[tokio::test]
async fn numbers_of_own_records_go_on_after_a_restart() {
    let place = Place::new();
    let journal = opened(&place).await;
    journal.set_policy(policy(&[("a", 2), ("b", 0)].into())).await.unwrap();
    journal.close().await.unwrap();
    drop(journal);
    let journal = place.open();
    journal.set_policy(policy(&[("a", 1), ("b", 0)].into())).await.unwrap();
    let records = journal.records(&live(), 0, usize::MAX).await.unwrap();
    let moved = records.iter().filter(|(_, _, r)| r.envelope.kind == RecordKind::Own(OwnKind::SiteMoved));
    let found: Vec<_> = moved.map(|(_, _, record)| record.envelope.event_id()).collect();
    assert_eq!(found.len(), 2);
    assert_ne!(found[0], found[1]);
}
