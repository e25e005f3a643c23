//! Following the journal from outside: everything once and in order, also backwards, over trimming, and in nobody's way.

use std::time::Duration;

use super::support::{DAY, HOUR, Place, START, account, activities, activity, pass, site, uid, use_sinks};
use crate::inventory::Site;
use crate::journal::requests::Request;
use crate::journal::sqlite::Journal;
use crate::journal::tail::{HeldToo, Marks, Portion, Source, Stretch, Way};
use crate::journal::{DatedRecord, Lane, Page};
use crate::record::AccountUid;

/// Names of a step's records, held ones in brackets.
fn names(stretch: &Stretch) -> Vec<String> {
    let mut names = Vec::new();
    for portion in &stretch.portions {
        match portion {
            Portion::Lane(attempt) => {
                names.extend(attempt.items.iter().map(|item| item.record.envelope.native_id.clone()));
            }
            Portion::Held(held) => names.push(format!("({})", held.record.envelope.native_id)),
        }
    }
    names
}

/// Steps until the end: the names, the marks, what was missed, and how many steps that took.
async fn walk(journal: &Journal, mut marks: Marks, way: Way, held: HeldToo) -> (Vec<String>, Marks, u64, u64) {
    let (mut all, mut missed, mut steps) = (Vec::new(), 0, 0);
    loop {
        let stretch = journal.stretch(marks, way, held).await.unwrap();
        all.extend(names(&stretch));
        (missed, steps) = (missed + stretch.missed, steps + 1);
        marks = stretch.marks;
        if stretch.is_end {
            return (all, marks, missed, steps);
        }
    }
}

fn other() -> AccountUid {
    AccountUid::new("ab1c0003")
}

/// A page of one record, of either account.
fn one(uid: &AccountUid, lane: Lane, id: &str, site: &str) -> Page {
    let DatedRecord { mut record, dated } = activity(id, site);
    record.envelope.account = uid.clone();
    Page { account: uid.clone(), lane, records: vec![DatedRecord { record, dated }], ..activities(id, 0, site) }
}

async fn two_accounts(place: &Place) -> Journal {
    let journal = place.open();
    for uid in [uid(), other()] {
        journal.open_account(&account(&uid, uid.as_str()), None).await.unwrap();
        journal.store_sites(&uid, vec![Site { account: uid.clone(), ..site("a") }]).await.unwrap();
    }
    journal
}

#[tokio::test]
async fn all_accounts_and_lanes_come_in_the_order_of_their_arrival_both_ways() {
    let place = Place::new();
    let journal = two_accounts(&place).await;
    let reader = Journal::open_reader(&place.path(), place.clock.clone()).unwrap();
    let ends = reader.ends(HeldToo::Yes).await.unwrap();
    let mut expected = Vec::new();
    for n in 0..100 {
        place.clock.jump(10);
        let uid = if n % 3 == 0 { other() } else { uid() };
        let lane = if n % 5 == 0 { Lane::Backfill } else { Lane::Live };
        let (id, site) = (format!("r{n}"), if n % 7 == 0 { "unknown" } else { "a" });
        journal.commit(one(&uid, lane, &id, site)).await.unwrap();
        expected.push(if n % 7 == 0 { format!("({id})") } else { id });
    }
    let (all, marks, missed, steps) = walk(&reader, ends, Way::Onwards, HeldToo::Yes).await;
    assert_eq!((&all, missed), (&expected, 0));
    assert!(steps > 1, "bounded steps");
    assert_eq!(marks, reader.ends(HeldToo::Yes).await.unwrap());
    assert_eq!(walk(&reader, marks.clone(), Way::Onwards, HeldToo::Yes).await.0, Vec::<String>::new());

    let (mut back, start, ..) = walk(&reader, marks, Way::Back, HeldToo::Yes).await;
    back.reverse();
    assert_eq!(back, expected);
    assert_eq!(walk(&reader, start, Way::Onwards, HeldToo::Yes).await.0, expected, "and from there on again");

    let (told, ..) = walk(&reader, Marks::new(), Way::Onwards, HeldToo::No).await;
    expected.retain(|name| !name.starts_with('('));
    assert_eq!(told, expected, "without the held ones");
}

#[tokio::test]
async fn what_is_released_is_new_and_what_is_replayed_is_not() {
    let place = Place::new();
    let journal = two_accounts(&place).await;
    use_sinks(&journal, &["s"]).await;
    journal.commit(one(&uid(), Lane::Live, "r1", "new")).await.unwrap();
    journal.commit(one(&uid(), Lane::Live, "r2", "a")).await.unwrap();
    let (seen, marks, ..) = walk(&journal, Marks::new(), Way::Onwards, HeldToo::Yes).await;
    assert_eq!(seen, ["(r1)", "r2"]);
    journal.store_sites(&uid(), vec![site("new")]).await.unwrap();
    pass(&journal, "s", &super::support::live()).await;
    let asked = journal.ask(Request::Replay { sink: "s".into(), org: None, since: None, until: None }).await.unwrap();
    journal.serve(asked).await.unwrap();
    let (seen, _, missed, _) = walk(&journal, marks, Way::Onwards, HeldToo::Yes).await;
    // Behind it stands what vintner tells of the site list.
    let told = (vec!["r1".to_owned(), "new".to_owned()], 0);
    assert_eq!((seen, missed), told, "the released one; that it left `held` is no loss");
}

#[tokio::test]
async fn records_that_are_trimmed_before_they_are_read_are_counted() {
    let place = Place::new();
    let journal = two_accounts(&place).await;
    use_sinks(&journal, &["s"]).await;
    let reader = Journal::open_reader(&place.path(), place.clock.clone()).unwrap();
    let ends = reader.ends(HeldToo::No).await.unwrap();
    journal.commit(activities("old", 5, "a")).await.unwrap();
    pass(&journal, "s", &super::support::live()).await;
    place.clock.jump(i64::try_from((8 * DAY).as_millis()).unwrap());
    assert_eq!(journal.maintain_now().await.unwrap().trimmed, 5);
    let (seen, marks, missed, _) = walk(&reader, ends.clone(), Way::Onwards, HeldToo::No).await;
    assert_eq!((seen.len(), missed), (0, 5), "all of them");
    let later = walk(&reader, marks, Way::Onwards, HeldToo::No).await;
    assert_eq!((later.0.len(), later.2), (0, 0), "said once");

    journal.commit(activities("new", 2, "a")).await.unwrap();
    let (seen, _, missed, _) = walk(&reader, ends, Way::Onwards, HeldToo::No).await;
    assert_eq!(
        (seen, missed),
        (vec!["new-0".to_owned(), "new-1".to_owned()], 5),
        "and the tail goes on behind the gap"
    );
}

#[tokio::test]
async fn it_begins_at_a_time() {
    let place = Place::new();
    let journal = two_accounts(&place).await;
    for (n, uid) in [uid(), other(), uid(), other()].iter().enumerate() {
        journal.commit(one(uid, Lane::Live, &format!("r{n}"), "a")).await.unwrap();
        place.clock.jump(i64::try_from(HOUR.as_millis()).unwrap());
    }
    for (hours, expected) in [(0, 4), (1, 3), (2, 2), (3, 1), (4, 0)] {
        let marks = journal.marks_since(START.plus(HOUR * hours), HeldToo::No).await.unwrap();
        assert_eq!(walk(&journal, marks, Way::Onwards, HeldToo::No).await.0.len(), expected, "{hours}");
    }
}

/// Bounded: one step reads some batches, however much is there, and one large batch is still read.
#[tokio::test]
async fn a_step_reads_no_more_than_its_bounds() {
    let place = Place::new();
    let journal = two_accounts(&place).await;
    for n in 0..30 {
        journal.commit(activities(&format!("p{n}"), 500, "a")).await.unwrap();
    }
    let mut marks = Marks::new();
    let mut total = 0;
    loop {
        let stretch = journal.stretch(marks, Way::Onwards, HeldToo::No).await.unwrap();
        let records = names(&stretch).len();
        assert!(records <= 7 * 1024, "{records} records of 600 bytes in one step");
        (total, marks) = (total + records, stretch.marks);
        if stretch.is_end {
            break;
        }
    }
    assert_eq!(total, 15_000);
}

/// A reader that waits keeps the write-ahead log from nothing: it is cut as if nobody looked.
#[tokio::test]
async fn between_two_steps_nothing_is_held_open() {
    let mut place = Place::new();
    place.options.max_bytes = 8 << 20;
    let journal = two_accounts(&place).await;
    let reader = Journal::open_reader(&place.path(), place.clock.clone()).unwrap();
    let mut marks = Marks::new();
    let wal = || std::fs::metadata(place.path().with_extension("db-wal")).unwrap().len();
    let mut largest = 0;
    for n in 0..40 {
        journal.commit(activities(&format!("p{n}"), 200, "a")).await.unwrap();
        let stretch = reader.stretch(marks, Way::Onwards, HeldToo::No).await.unwrap();
        assert_eq!((names(&stretch).len(), stretch.missed), (200, 0));
        marks = stretch.marks;
        largest = largest.max(wal());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(largest <= place.options.max_bytes / 4, "{largest}");
    assert_eq!(marks.keys().map(|Source { account, .. }| account).collect::<Vec<_>>(), [&uid()]);
}
