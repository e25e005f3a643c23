//! Spans, drift, look-ups by event, and devices of an attempt.

use super::support::{MANY, Place, START, activities, activity, live, look, page, site, state, uid, use_sinks};
use crate::clock::Millis;
use crate::inventory::Device;
use crate::journal::Page;
use crate::journal::coverage::Span;
use crate::record::{DeviceRef, EventId, Stream};

#[tokio::test]
async fn spans_that_touch_become_one() {
    let place = Place::new();
    let journal = place.open();
    for (from, to) in [(10, 20), (30, 40), (40, 50), (12, 15), (5, 5), (19, 31), (9, 8)] {
        journal.add_span(&uid(), Stream::Alerts, Millis(from), Millis(to)).await.unwrap();
    }
    journal.add_span(&uid(), Stream::Activity, Millis(50), Millis(60)).await.unwrap();
    let spans = journal.spans(&uid(), Stream::Alerts).await.unwrap();
    assert_eq!(spans, [Span { from: Millis(5), to: Millis(5) }, Span { from: Millis(10), to: Millis(50) }]);
}

#[tokio::test]
async fn drift_is_counted_and_bounded() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    for n in 0..2 {
        let mut shown = activity(&format!("x{n}"), "a");
        let source = format!("{{\"id\":\"x{n}\",\"{}\":1}}", "ü".repeat(1000));
        shown.record.source = serde_json::value::RawValue::from_string(source).unwrap();
        journal.commit(Page { records: vec![shown], ..page() }).await.unwrap();
    }
    let seen = journal.all_drifts().await.unwrap();
    let (_, drift) = &seen[0];
    assert_eq!((seen.len(), drift.count), (1, 2));
    assert!((100..=200).contains(&drift.name.len()), "{} bytes", drift.name.len());
}

/// Guarantees: what no document told counts once a record, in the transaction that takes the record in; a value is never kept.
#[tokio::test]
async fn records_count_what_they_show_once() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    for _ in 0..3 {
        journal.commit(activities("x", 4, "a")).await.unwrap();
    }
    let all = journal.all_drifts().await.unwrap();
    let told: Vec<_> =
        all.iter().map(|(of, drift)| (of.clone(), drift.kind.as_str(), drift.name.as_str(), drift.count)).collect();
    assert_eq!(told, [(uid(), "field", "activity.text", 4)]);
    assert_eq!(all[0].1.sample, "\"<text>\"");
    let stale = Page { alerts: vec![look("u", 2, "a", Some(state("a", 1)))], ..page() };
    assert!(journal.commit(stale).await.is_err(), "compared with a state that is not stored");
    assert_eq!(journal.all_drifts().await.unwrap(), all, "a refused page shows nothing");
}

#[tokio::test]
async fn a_record_is_found_by_the_id_of_its_event() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    for n in 0..100 {
        journal.commit(activities(&format!("page{n}"), 2, "a")).await.unwrap();
    }
    let wanted = activity("page3-1", "a").record.envelope.event_id();
    let (place, record) = journal.find(wanted).await.unwrap().unwrap();
    assert_eq!((place.seq, record.envelope.native_id.as_str()), (8, "page3-1"));
    assert!(journal.find(EventId(uuid::Uuid::nil())).await.unwrap().is_none());
    assert_eq!(journal.partitions().await.unwrap(), [(live(), 200)]);
}

#[tokio::test]
async fn an_attempt_brings_the_devices_that_it_names() {
    let place = Place::new();
    let journal = place.open();
    let device = |hostname: &str| Device {
        account: uid(),
        uid: "d1".into(),
        id: Some(7),
        site_uid: Some("a".into()),
        hostname: Some(hostname.into()),
        source: "{}".into(),
    };
    assert_eq!(journal.store_devices(&uid(), vec![device("old")]).await.unwrap(), 1);
    assert_eq!(journal.store_devices(&uid(), vec![device("new")]).await.unwrap(), 1);
    assert_eq!(journal.store_devices(&uid(), vec![device("new")]).await.unwrap(), 0);
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    let mut named = activity("x", "a");
    named.record.envelope.device = DeviceRef::Id(7);
    let mut unknown = activity("y", "a");
    unknown.record.envelope.device = DeviceRef::Uid("d2".into());
    journal.commit(Page { records: vec![named, unknown], ..page() }).await.unwrap();
    use_sinks(&journal, &["s"]).await;
    let attempt = journal.read("s", &live(), MANY).await.unwrap().unwrap();
    let found: Vec<_> = attempt.devices.values().map(|device| device.as_ref().clone()).collect();
    assert_eq!(found, [device("new")]);
    assert_eq!(journal.device(&uid(), &DeviceRef::Uid("d1".into())).await.unwrap(), Some(device("new")));
    assert!(journal.backlog("s").await.unwrap()[0].oldest >= Some(START));
}
