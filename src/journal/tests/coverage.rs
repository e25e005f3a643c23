//! Spans, drift, look-ups by event, and devices of an attempt.

use super::support::{
    DAY, MANY, Place, START, activities, activity, live, look, page, pass, site, state, uid, use_sinks,
};
use crate::clock::Millis;
use crate::inventory::Device;
use crate::journal::Page;
use crate::journal::coverage::{DeliveredMark, Span};
use crate::journal::requests::{Request, Served};
use crate::record::place::DeviceRef;
use crate::record::{EventId, Stream};

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

#[tokio::test]
async fn records_of_a_site_that_expire_in_steps_leave_one_gap() {
    let place = Place::new();
    let journal = place.open_small();
    journal.set_policy(super::world::policy(&[("a", 0), ("b", 0)].into())).await.unwrap();
    let minute = 60_000;
    for n in 0..5 {
        journal.commit(activities(&format!("a{n}"), 3, "a")).await.unwrap();
        journal.commit(activities(&format!("b{n}"), 1, "b")).await.unwrap();
        place.clock.jump(minute);
    }
    // Two hours later another outage of the mapping begins.
    place.clock.jump(120 * minute);
    journal.commit(activities("late", 2, "a")).await.unwrap();
    place.clock.jump(i64::try_from((31 * DAY).as_millis()).unwrap());
    let done = journal.maintain_now().await.unwrap();
    assert_eq!(done.expired.iter().map(|(_, _, count)| count).sum::<u64>(), 22);
    let mut gaps: Vec<_> = journal.gaps(&uid()).await.unwrap();
    gaps.sort_by_key(|gap| (gap.site.to_string(), gap.span.from));
    let found: Vec<_> = gaps
        .iter()
        .map(|gap| (gap.records, (gap.span.from.0 - START.0) / minute, (gap.span.to.0 - START.0) / minute))
        .collect();
    assert_eq!(found, [(15, 0, 4), (2, 125, 125), (5, 0, 4)]);
}

/// A stop between two steps of maintenance leaves the rest for the next call.
#[tokio::test]
async fn maintenance_that_is_stopped_goes_on_with_the_next_call() {
    let place = Place::new();
    let journal = place.open_small();
    journal.set_policy(super::world::policy(&[("a", 0)].into())).await.unwrap();
    journal.commit(activities("x", 9, "a")).await.unwrap();
    place.clock.jump(i64::try_from((31 * DAY).as_millis()).unwrap());
    let asked = std::sync::atomic::AtomicU32::new(0);
    let is_over = || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= 2;
    let first = journal.maintain_as_of(Some(place.clock.now()), is_over).await.unwrap();
    assert_eq!(first.expired.iter().map(|(_, _, count)| count).sum::<u64>(), 4, "two steps of two");
    let rest = journal.maintain_now().await.unwrap();
    assert_eq!(rest.expired.iter().map(|(_, _, count)| count).sum::<u64>(), 5);
    assert_eq!(journal.gaps(&uid()).await.unwrap().iter().map(|gap| gap.records).collect::<Vec<_>>(), [9]);
}

#[tokio::test]
async fn what_was_delivered_is_read_page_by_page() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    use_sinks(&journal, &["s", "t"]).await;
    for n in 0..5 {
        // Each site changes what decides, so that a range of its own begins.
        journal.store_sites(&uid(), vec![site("a"), site(&format!("b{n}"))]).await.unwrap();
        journal.commit(activities(&format!("x{n}"), 2, "a")).await.unwrap();
        pass(&journal, "s", &live()).await;
        pass(&journal, "t", &live()).await;
    }
    let (whole, next) = journal.delivered("s", DeliveredMark::default(), 9).await.unwrap();
    assert_eq!((whole.len(), next), (5, None));
    let (mut pages, mut behind) = (Vec::new(), Some(DeliveredMark::default()));
    while let Some(mark) = behind {
        let (some, next) = journal.delivered("s", mark, 2).await.unwrap();
        assert!(some.len() <= 2);
        pages.extend(some);
        behind = next;
    }
    assert_eq!(pages, whole);
}

/// Many large records are read, and sent again by organization, a few MiB at a time.
#[tokio::test]
async fn reading_many_records_takes_bounded_memory() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    use_sinks(&journal, &["s"]).await;
    for n in 0..24 {
        journal.commit(activities(&format!("x{n}"), 512, "a")).await.unwrap();
    }
    let (mut found, mut reads, mut next) = (Vec::new(), 0, 0);
    loop {
        let some = journal.some_records(&live(), next, 100_000).await.unwrap();
        let Some((last, ..)) = some.last() else { break };
        let bytes: usize = some.iter().map(|(_, _, record)| record.source.get().len()).sum();
        assert!(bytes < 5 << 20, "{bytes} bytes at once");
        (next, reads) = (last + 1, reads + 1);
        found.extend(some.iter().map(|(seq, ..)| *seq));
    }
    assert_eq!(found, (1..=24 * 512).collect::<Vec<u64>>());
    assert!(reads >= 2, "all at once");
    pass(&journal, "s", &live()).await;
    let asked = Request::Replay { sink: "s".into(), org: Some("a".into()), since: None, until: None };
    let asked = journal.ask(asked).await.unwrap();
    assert_eq!(journal.serve_step(asked).await.unwrap(), None, "one step reads no more than a few MiB");
    assert_eq!(journal.serve(asked).await.unwrap(), Served::Replayed(24 * 512));
}
