//! Alerts that the API shows no longer are forgotten in time.

use serde_json::value::RawValue;

use super::support::{DAY, Place, ids, live, look, page, site, uid};
use crate::journal::pack::pack_json;
use crate::journal::seen::key;
use crate::journal::{AlertLook, Page, Seen, Told};

/// Passes `days` days on each of which both lists are read to their ends; they show `shown`.
async fn sweep_days(place: &Place, journal: &crate::journal::sqlite::Journal, days: u32, shown: &[&str]) {
    for _ in 0..days {
        place.clock.jump(86_400_000);
        let uids = shown.iter().map(|uid| (*uid).to_owned()).collect();
        journal.shown_alerts(&uid(), uids).await.unwrap();
        journal.note_sweep(&uid()).await.unwrap();
        journal.note_sweep(&uid()).await.unwrap();
    }
    journal.maintain_now().await.unwrap();
}

#[tokio::test]
async fn an_alert_is_forgotten_once_the_lists_showed_it_no_longer_for_half_a_year() {
    let mut place = Place::new();
    place.options.hold_for = 4000 * DAY;
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    let resolved = |name: &str, site: &str| {
        let mut look = look(name, 1, site, None);
        (look.told.seen, look.told.told) = (Seen::Resolved, Told::Closed);
        look
    };
    let alerts = vec![resolved("gone", "a"), resolved("shown", "a"), resolved("held", "b"), look("open", 1, "a", None)];
    let names = ["gone", "shown", "held", "open"];
    journal.commit(Page { alerts, ..page() }).await.unwrap();
    let known = async || {
        let mut known: Vec<String> =
            journal.alert_states(&uid(), names.map(str::to_owned).to_vec()).await.unwrap().into_keys().collect();
        known.sort();
        known
    };
    // Years without a sweep prove nothing, and a day counts once.
    place.clock.jump(i64::try_from((1000 * DAY).as_millis()).unwrap());
    journal.maintain_now().await.unwrap();
    assert_eq!(known().await, ["gone", "held", "open", "shown"]);
    sweep_days(&place, &journal, 180, &["shown"]).await;
    assert_eq!(known().await, ["gone", "held", "open", "shown"]);
    sweep_days(&place, &journal, 31, &["shown"]).await;
    assert_eq!(known().await, ["held", "open", "shown"]);
    sweep_days(&place, &journal, 300, &["shown"]).await;
    assert_eq!(known().await, ["held", "open", "shown"]);
    // Back again it is new, and its record is the one that it was.
    let ids_before = ids(&journal, &live()).await;
    journal.commit(Page { alerts: vec![resolved("gone", "a")], ..page() }).await.unwrap();
    assert!(ids_before.contains(ids(&journal, &live()).await.last().unwrap()));
}

#[tokio::test]
async fn an_alert_that_is_always_shown_writes_once_a_month() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    journal.commit(Page { alerts: vec![look("one", 1, "a", None)], ..page() }).await.unwrap();
    let shown = |journal: crate::journal::sqlite::Journal| async move {
        let read = |view: &crate::journal::tx::View<'_>| {
            crate::journal::tx::first(view.connection, "SELECT shown FROM alerts", [], |row| row.get::<_, i64>(0))
        };
        journal.look(read).await.unwrap().unwrap()
    };
    let mut values = std::collections::BTreeSet::new();
    for _ in 0..100 {
        sweep_days(&place, &journal, 1, &["one"]).await;
        values.insert(shown(journal.clone()).await);
    }
    assert_eq!(values.into_iter().collect::<Vec<_>>(), [0, 31, 62, 93]);
}

/// Sources lie one behind the other: by key, each of this size would take a page of its own.
#[tokio::test]
async fn an_open_alert_takes_little_more_than_its_compressed_source() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    let before = journal.usage().await.unwrap().state_bytes;
    let mut packed = 0;
    for n in 0..20 {
        let mut alerts = Vec::new();
        for m in 0..50 {
            let name = format!("{n}-{m}");
            let text: String =
                (0..80).map(|k| format!("{:032x}", u128::from_be_bytes(key(&[&name, &k.to_string()])))).collect();
            let source = RawValue::from_string(format!("{{\"alertUid\":\"{name}\",\"text\":\"{text}\"}}")).unwrap();
            packed += pack_json(&source).unwrap().len() as u64;
            alerts.push(AlertLook { source, ..look(&name, 1, "a", None) });
        }
        journal.commit(Page { alerts, ..page() }).await.unwrap();
    }
    let each = (journal.usage().await.unwrap().state_bytes - before) / 1000;
    let source = packed / 1000;
    assert!(source > 1100, "{source} bytes would share a page anyway");
    // Two sources of this size fit into a page, and each alert has its row.
    assert!(each < 2 * source, "{each} bytes of state for a source of {source}");
}
