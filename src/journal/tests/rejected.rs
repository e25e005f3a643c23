//! Items that no record could be made of have a part of the journal of their own.

use super::support::{Place, activities, live, page, pass, site, uid, use_sinks};
use crate::journal::counters;
use crate::journal::dead::DeadFilter;
use crate::journal::seen::key;
use crate::journal::sqlite::Journal;
use crate::journal::{Page, Rejected};

/// A journal of at most a MiB, with the sink `s`.
async fn small(place: &mut Place) -> Journal {
    place.options.max_bytes = 1 << 20;
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    use_sinks(&journal, &["s"]).await;
    journal
}

/// An item of about a KiB that hardly compresses.
fn item(n: usize) -> Rejected {
    let text: String =
        (0..32).map(|m| format!("{:032x}", u128::from_be_bytes(key(&[&n.to_string(), &m.to_string()])))).collect();
    Rejected {
        path: "/v2/account/alerts/open".into(),
        reason: "no alertUid".into(),
        content: format!("[{n},\"{text}\"]"),
    }
}

async fn reject(journal: &Journal, items: std::ops::Range<usize>) {
    for first in items.clone().step_by(50) {
        let rejected = (first..(first + 50).min(items.end)).map(item).collect();
        journal.commit(Page { rejected, ..page() }).await.unwrap();
    }
}

/// The numbers of the items that are kept, oldest first.
async fn kept(journal: &Journal) -> Vec<usize> {
    let letters = journal.dead_letters(DeadFilter::default()).await.unwrap();
    let number = |content: &str| content[1..].split(',').next().unwrap().parse().unwrap();
    letters.iter().filter(|letter| letter.sink.is_none()).map(|letter| number(&letter.content)).collect()
}

#[tokio::test]
async fn malformed_items_never_stop_collecting_and_the_newest_are_kept() {
    let mut place = Place::new();
    let journal = small(&mut place).await;
    reject(&journal, 0..2000).await;
    let usage = journal.usage().await.unwrap();
    assert!(!usage.full && usage.dead_bytes <= (1 << 20) / 10 && usage.dead_bytes > (1 << 20) / 12, "{usage:?}");
    assert_eq!((usage.rejected, usage.rejected + usage.rejected_dropped), (usage.dead_letters, 2000));
    let dropped = usize::try_from(usage.rejected_dropped).unwrap();
    assert_eq!(kept(&journal).await, (dropped..2000).collect::<Vec<_>>());
    assert_eq!(journal.commit(activities("x", 10, "a")).await.unwrap().taken, 10);
    // What has left is known all the same: it does not come again with each answer.
    reject(&journal, 0..50).await;
    assert_eq!(journal.usage().await.unwrap().rejected_dropped, usage.rejected_dropped);
    assert_eq!(journal.look(|view| counters::differences(view.connection)).await.unwrap(), Vec::<String>::new());
    drop(journal);
    assert_eq!(place.open().usage().await.unwrap().rejected_dropped, usage.rejected_dropped, "a restart counts on");
}

#[tokio::test]
async fn records_that_a_sink_rejected_stay_whatever_is_malformed() {
    let mut place = Place::new();
    let journal = small(&mut place).await;
    journal.commit(activities("x", 2, "a")).await.unwrap();
    let attempt = journal.read("s", &live(), super::support::MANY).await.unwrap().unwrap();
    let refused = attempt.items.iter().map(|item| crate::journal::Refused {
        place: item.place.clone(),
        replay: 0,
        kind: crate::journal::RefusedKind::Refused,
        reason: "too large".into(),
        among: Vec::new(),
    });
    let settlement = crate::journal::Settlement {
        sink: "s".into(),
        partition: live(),
        from: attempt.from,
        to: attempt.to,
        version: attempt.directory.version,
        sent: 0,
        skipped: 0,
        dead: refused.collect(),
    };
    journal.settle(settlement).await.unwrap();
    reject(&journal, 0..500).await;
    let of_sink = DeadFilter { sink: Some("s".into()), ..DeadFilter::default() };
    assert_eq!(journal.dead_letters(of_sink).await.unwrap().len(), 2);
    assert!(journal.usage().await.unwrap().rejected_dropped > 0);
    assert_eq!(pass(&journal, "s", &live()).await, 0);
}

/// The bound may be lower than it was, or the letters may be of a vintner that had none.
#[tokio::test]
async fn maintenance_brings_what_is_there_under_a_lower_bound() {
    let mut place = Place::new();
    let journal = small(&mut place).await;
    reject(&journal, 0..60).await;
    assert_eq!(journal.usage().await.unwrap().rejected_dropped, 0);
    drop(journal);
    place.options.max_bytes = 200_000;
    let journal = place.open();
    journal.maintain().await.unwrap();
    let usage = journal.usage().await.unwrap();
    assert!(usage.dead_bytes <= 20_000 && usage.rejected > 5, "{usage:?}");
    assert_eq!(usage.rejected + usage.rejected_dropped, 60);
}
