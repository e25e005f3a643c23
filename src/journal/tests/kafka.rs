//! The journal's half of exactly-once delivery.

use uuid::Uuid;

use super::support::{MANY, Place, activities, live, pass, site, uid, use_sinks};
use crate::journal::coverage::DeliveredMark;
use crate::journal::dead::DeadFilter;
use crate::journal::intent::{AdoptError, Adoption, Intent};
use crate::journal::sqlite::Journal;
use crate::journal::{JournalError, Lane, Page, Partition, Refused, RefusedKind};

async fn with_records(place: &Place) -> Journal {
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    use_sinks(&journal, &["k"]).await;
    journal.commit(activities("x", 4, "a")).await.unwrap();
    journal
}

/// An intent over (from, to] whose first record is given up.
async fn intent(journal: &Journal, from: u64, to: u64) -> Intent {
    let attempt = journal.read("k", &live(), MANY).await.unwrap().unwrap();
    let place = attempt.items[0].place.clone();
    let dead =
        vec![Refused { place, replay: 0, kind: RefusedKind::Unmappable, reason: "no".into(), among: Vec::new() }];
    let version = attempt.directory.version;
    Intent { partition: live(), from, to, id: Uuid::new_v4(), version, sent: to - from - 1, skipped: 0, dead }
}

async fn dead(journal: &Journal) -> usize {
    journal.dead_letters(DeadFilter::default()).await.unwrap().len()
}

#[tokio::test]
async fn an_intent_counts_only_once_it_is_mirrored() {
    let place = Place::new();
    let journal = with_records(&place).await;
    let first = intent(&journal, 0, 2).await;
    journal.intend("k", first.clone()).await.unwrap();
    assert_eq!((dead(&journal).await, journal.positions("k").await.unwrap()), (0, vec![]));
    let wrong = journal.mirror("k", &live(), 2, Uuid::new_v4()).await.unwrap_err();
    assert!(matches!(wrong, JournalError::Conflict));
    // The next intent starts where the mirror ends.
    let next = Intent { from: 2, to: 4, dead: Vec::new(), sent: 2, id: Uuid::new_v4(), ..first.clone() };
    assert!(matches!(journal.intend("k", next.clone()).await, Err(JournalError::Conflict)));
    journal.mirror("k", &live(), 2, first.id).await.unwrap();
    journal.intend("k", next.clone()).await.unwrap();
    assert_eq!(journal.positions("k").await.unwrap(), [(live(), 2, Some(first.id))]);
    assert_eq!(dead(&journal).await, 1);
    journal.mirror("k", &live(), 4, next.id).await.unwrap();
    let counts = journal.delivered("k", DeliveredMark::default(), 100).await.unwrap().0;
    assert_eq!(counts.iter().map(|d| (d.from, d.to, d.sent, d.dead)).collect::<Vec<_>>(), [(1, 4, 3, 1)]);
}

#[tokio::test]
async fn what_kafka_shows_is_taken_over_discarded_or_refused() {
    let place = Place::new();
    let journal = with_records(&place).await;
    let first = intent(&journal, 0, 2).await;
    journal.intend("k", first.clone()).await.unwrap();
    // Not committed: Kafka shows nothing, as before.
    assert_eq!(journal.adopt("k", vec![]).await.unwrap(), Adoption { taken_over: None });
    assert!(matches!(journal.mirror("k", &live(), 2, first.id).await, Err(JournalError::Conflict)));
    // Committed, and the answer was lost.
    journal.intend("k", first.clone()).await.unwrap();
    let stranger = (live(), 2, Uuid::new_v4());
    let ahead = (live(), 9, first.id);
    for entry in [stranger, ahead] {
        assert!(matches!(journal.adopt("k", vec![entry]).await, Err(AdoptError::Differs { .. })));
        assert_eq!((dead(&journal).await, journal.positions("k").await.unwrap()), (0, vec![]));
    }
    let entry = (live(), 2, first.id);
    assert_eq!(journal.adopt("k", vec![entry.clone()]).await.unwrap(), Adoption { taken_over: Some(live()) });
    assert_eq!((dead(&journal).await, journal.positions("k").await.unwrap()), (1, vec![(live(), 2, Some(first.id))]));
    assert_eq!(journal.adopt("k", vec![entry]).await.unwrap(), Adoption { taken_over: None });
    // The offsets topic was deleted, or the journal is older than it.
    let lost = journal.adopt("k", vec![]).await.unwrap_err().to_string();
    assert!(lost.contains("Kafka has no position, the journal is at 2"), "{lost}");
    let behind = journal.adopt("k", vec![(live(), 1, first.id)]).await.unwrap_err().to_string();
    assert!(behind.starts_with("ab1c0002/live: Kafka is at 1"), "{behind}");
}

/// The sink delivers at least once for a while, then exactly once again.
#[tokio::test]
async fn an_entry_from_before_delivery_at_least_once_is_outdated() {
    let place = Place::new();
    let journal = with_records(&place).await;
    let first = intent(&journal, 0, 2).await;
    journal.intend("k", first.clone()).await.unwrap();
    journal.mirror("k", &live(), 2, first.id).await.unwrap();
    // An intent whose outcome nobody asks for any more.
    let open = Intent { from: 2, to: 3, dead: Vec::new(), sent: 1, id: Uuid::new_v4(), ..first.clone() };
    journal.intend("k", open.clone()).await.unwrap();
    assert_eq!(pass(&journal, "k", &live()).await, 2);
    for entry in [(live(), 3, open.id), (live(), 2, first.id)] {
        assert_eq!(journal.adopt("k", vec![entry]).await.unwrap(), Adoption { taken_over: None });
        assert_eq!(journal.positions("k").await.unwrap(), [(live(), 4, None)]);
    }
    // The intent of a partition in which nothing moved meanwhile is still to be asked for.
    let backfill = Partition { lane: Lane::Backfill, ..live() };
    journal.commit(Page { lane: Lane::Backfill, ..activities("z", 1, "a") }).await.unwrap();
    let other = Intent { partition: backfill.clone(), from: 0, to: 1, dead: Vec::new(), sent: 1, ..open.clone() };
    journal.intend("k", other.clone()).await.unwrap();
    journal.commit(activities("w", 1, "a")).await.unwrap();
    assert_eq!(pass(&journal, "k", &live()).await, 1);
    let committed = vec![(live(), 2, first.id), (backfill.clone(), 1, other.id)];
    assert_eq!(journal.adopt("k", committed).await.unwrap(), Adoption { taken_over: Some(backfill) });
    // Older than what Kafka has: a copy that was put back.
    journal.commit(activities("y", 2, "a")).await.unwrap();
    let ahead = journal.adopt("k", vec![(live(), 6, Uuid::new_v4()), (other.partition.clone(), 1, other.id)]).await;
    assert!(matches!(ahead, Err(AdoptError::Differs { .. })), "{ahead:?}");
    let next = Intent { from: 5, to: 7, dead: Vec::new(), sent: 2, id: Uuid::new_v4(), ..first };
    journal.intend("k", next.clone()).await.unwrap();
    let entry = (live(), 7, next.id);
    let backfill = (other.partition, 1, other.id);
    assert_eq!(journal.adopt("k", vec![entry, backfill]).await.unwrap(), Adoption { taken_over: Some(live()) });
}
