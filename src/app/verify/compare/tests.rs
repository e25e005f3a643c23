//! Each word of a report, by a topic that has just that fault.

use super::*;
use crate::record::AccountUid;
use crate::sink::kafka::read::Role;

mod bounded;

const ACCOUNT: &str = "ab1c0002";

fn partition() -> Partition {
    Partition { account: AccountUid::new(ACCOUNT), lane: Lane::Live }
}

fn id(seq: u64) -> Uuid {
    Uuid::from_u128(u128::from(seq))
}

/// Records 1 to `last`, all of one alert; `skipped` says which the route does not name.
fn journal(first: u64, last: u64, skipped: &[u64]) -> Comparison {
    let mut comparison = Comparison::new([ACCOUNT.to_owned()].into(), MessageTime::Logged, 1).unwrap();
    for seq in first..=last {
        let (is_wanted, received_at) = (!skipped.contains(&seq), Millis(i64::try_from(seq).unwrap() * 1000));
        comparison
            .know(&Entry { id: id(seq), partition: partition(), seq, alert: Some(1), received_at, is_wanted })
            .unwrap();
    }
    comparison
}

fn range(from: u64, to: u64, sent: u64, skipped: u64, dead: u64) -> Delivered {
    Delivered { partition: partition(), from, to, version: 1, sent, skipped, dead }
}

fn message(seq: u64, offset: i64) -> Seen {
    let time = Some(Millis(i64::try_from(seq).unwrap() * 1000));
    let account = Some(ACCOUNT.into());
    Seen { id: Some(id(seq)), account, is_replay: false, is_by_key: true, partition: 0, offset, time }
}

fn topic(start: i64) -> [TopicPartition; 1] {
    [TopicPartition { topic: "t".into(), number: 0, start, end: 1000, role: Role::Own }]
}

/// What came of it, of a topic of one partition that begins at `start`.
fn told(comparison: &Comparison, ranges: &[Delivered], start: i64) -> Report {
    report(comparison, ranges, &comparison.remains(&topic(start)).unwrap())
}

/// Judges the ranges one after the other, as `verify` does.
pub(super) fn report(comparison: &Comparison, ranges: &[Delivered], remains: &Remains<'_>) -> Report {
    let mut report = Report::default();
    ranges.iter().for_each(|range| comparison.judge(range, remains, &mut report).unwrap());
    comparison.conclude(&mut report).unwrap();
    report
}

/// Shows these records, in this order.
fn show(comparison: &mut Comparison, seqs: impl IntoIterator<Item = u64>) {
    for (offset, seq) in (0..).zip(seqs) {
        comparison.see(&message(seq, offset)).unwrap();
    }
}

#[test]
fn everything_there_once_and_in_order_is_good() {
    let mut all = journal(1, 10, &[4, 5]);
    show(&mut all, [1, 2, 3, 6, 7, 8, 9, 10]);
    let report = told(&all, &[range(1, 6, 4, 2, 0), range(7, 10, 4, 0, 0)], 0);
    let expected = Report { messages: 8, sent: 8, found: 8, skipped: 2, ..Report::default() };
    assert_eq!(report, expected);
    assert!(report.is_good());
}

#[test]
fn a_missing_record_is_lost_and_named_where_it_is_certain() {
    let mut one = journal(1, 6, &[2]);
    show(&mut one, [1, 3, 5, 6]);
    let report = told(&one, &[range(1, 6, 5, 1, 0)], 0);
    assert_eq!((report.lost, report.found, report.lost_ids.clone()), (1, 4, vec![id(4)]));
    assert!(!report.is_good());

    // The mapping changed since: which of the two was skipped then, nobody knows.
    let mut moved = journal(1, 6, &[]);
    show(&mut moved, [1, 3, 5, 6]);
    let report = told(&moved, &[range(1, 6, 5, 1, 0)], 0);
    assert_eq!((report.lost, report.lost_ids.len()), (1, 0));

    // A dead letter is no loss, and one that should be there is.
    let mut dead = journal(1, 3, &[]);
    show(&mut dead, [1]);
    assert_eq!(told(&dead, &[range(1, 3, 2, 0, 1)], 0).lost, 1);
    assert_eq!(told(&dead, &[range(1, 3, 1, 0, 2)], 0).lost, 0);
}

#[test]
fn what_is_not_delivered_yet_is_neither_lost_nor_foreign() {
    let mut behind = journal(1, 10, &[]);
    show(&mut behind, [1, 2, 3, 4, 5]);
    let report = told(&behind, &[range(1, 4, 4, 0, 0)], 0);
    assert_eq!((report.lost, report.foreign, report.found), (0, 0, 4));
}

#[test]
fn a_repeat_counts_unless_it_was_meant() {
    let mut twice = journal(1, 3, &[]);
    show(&mut twice, [1, 2, 3, 2]);
    twice.see(&Seen { is_replay: true, ..message(1, 9) }).unwrap();
    let replayed = Delivered { partition: Partition { lane: Lane::Replayed, ..partition() }, ..range(1, 1, 1, 0, 0) };
    let report = told(&twice, &[range(1, 3, 3, 0, 0), replayed], 0);
    assert_eq!((report.repeated, report.repeated_ids.clone(), report.lost), (1, vec![id(2)], 0));
    assert_eq!((report.replays_sent, report.replays_found), (1, 1));
    assert!(!report.is_good());
}

#[test]
fn order_counts_within_an_alert_and_a_partition_of_the_topic() {
    let mut mixed = journal(1, 4, &[]);
    show(&mut mixed, [1, 3, 2, 4]);
    assert_eq!(told(&mixed, &[range(1, 4, 4, 0, 0)], 0).out_of_order, 1);
    let mut others = journal(1, 0, &[]);
    for seq in 1..=2 {
        let (id, received_at) = (id(seq), Millis(1000));
        let entry = Entry { id, partition: partition(), seq, alert: Some(seq), received_at, is_wanted: true };
        others.know(&entry).unwrap();
    }
    show(&mut others, [2, 1]);
    assert_eq!(told(&others, &[range(1, 2, 2, 0, 0)], 0).out_of_order, 0, "two alerts have no order");
    let mut apart = journal(1, 2, &[]);
    apart.see(&message(2, 0)).unwrap();
    apart.see(&Seen { partition: 1, ..message(1, 5) }).unwrap();
    assert_eq!(told(&apart, &[range(1, 2, 2, 0, 0)], 0).out_of_order, 0);
}

#[test]
fn what_retention_took_is_expired_and_what_is_younger_is_lost() {
    let mut cut = journal(1, 8, &[]);
    show(&mut cut, [5, 6, 8]);
    let report = told(&cut, &[range(1, 8, 8, 0, 0)], 40);
    assert_eq!((report.expired, report.lost, report.lost_ids.clone()), (4, 1, vec![id(7)]));
    // Without a cut beginning nothing expires, and an empty topic that had one lost everything to it.
    assert_eq!(told(&cut, &[range(1, 8, 8, 0, 0)], 0).lost, 5);
    let empty = told(&journal(1, 8, &[]), &[range(1, 8, 8, 0, 0)], 40);
    assert_eq!((empty.expired, empty.lost), (8, 0));
}

#[test]
fn strangers_are_foreign_unless_the_journal_may_have_forgotten_them() {
    let mut mixed = journal(11, 13, &[]);
    show(&mut mixed, [9, 10, 11, 12, 13]);
    mixed.see(&Seen { account: Some("other".into()), ..message(1, 7) }).unwrap();
    mixed.see(&Seen { id: None, ..message(1, 8) }).unwrap();
    // Ten were sent of which seven are trimmed; two of those are still there.
    let report = told(&mixed, &[range(4, 13, 10, 0, 0)], 0);
    assert_eq!((report.earlier, report.trimmed, report.foreign, report.lost), (2, 7, 2, 0));
    // A newer one cannot be forgotten already.
    mixed.see(&message(99, 9)).unwrap();
    assert_eq!(told(&mixed, &[range(4, 13, 10, 0, 0)], 0).foreign, 3);
    // Nothing was trimmed: nothing is forgotten.
    assert_eq!(told(&mixed, &[range(11, 13, 3, 0, 0)], 0).foreign, 5);
}

#[test]
fn a_range_that_is_trimmed_in_part_is_not_guessed_at() {
    let mut part = journal(5, 10, &[]);
    show(&mut part, [5, 6, 7]);
    let report = told(&part, &[range(1, 10, 6, 4, 0)], 0);
    assert_eq!((report.unclear, report.lost, report.found), (3, 0, 3));
    let report = told(&part, &[range(1, 10, 9, 1, 0)], 0);
    assert_eq!((report.unclear, report.lost), (1, 2), "at most one was skipped");
}

#[test]
fn a_record_that_is_learnt_after_its_message_is_no_stranger() {
    let mut late = journal(1, 2, &[]);
    show(&mut late, [1, 2, 3]);
    let entry =
        Entry { id: id(3), partition: partition(), seq: 3, alert: None, received_at: Millis(3000), is_wanted: true };
    late.know(&entry).unwrap();
    let report = told(&late, &[range(1, 2, 2, 0, 0)], 0);
    assert_eq!((report.foreign, report.lost, report.repeated), (0, 0, 0));
}

#[test]
fn what_may_have_been_skipped_or_sent_is_neither_lost_nor_expired() {
    // One of three was sent. Two of them would have expired by now, and one would not.
    let shown = |skipped: &[u64]| {
        let mut some = journal(1, 6, skipped);
        show(&mut some, [3, 4, 6]);
        told(&some, &[range(1, 6, 4, 2, 0)], 40)
    };
    let open = shown(&[]);
    assert_eq!((open.lost, open.expired, open.unclear, open.found), (0, 0, 1, 3));
    // The route says which.
    let young = shown(&[1, 2]);
    assert_eq!((young.lost, young.expired, young.lost_ids), (1, 0, vec![id(5)]));
    let old = shown(&[1, 5]);
    assert_eq!((old.lost, old.expired, old.lost_ids), (0, 1, vec![]));
    // Fewer than were sent look as if they had been sent: the mapping has changed.
    assert_eq!(shown(&[1, 2, 5]).unclear, 1);
}

#[test]
fn only_missing_records_are_asked_for_and_only_where_it_matters() {
    let missing = |skipped: &[u64], range: Delivered, start| {
        let mut some = journal(1, 6, skipped);
        show(&mut some, [3, 4, 6]);
        let asked = some.missing(&range, &some.remains(&topic(start)).unwrap(), 0, 10).unwrap();
        asked.into_iter().map(|seq| seq.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(missing(&[], range(1, 6, 6, 0, 0), 40), "1 2 5");
    assert_eq!(missing(&[], range(1, 6, 6, 0, 0), 0), "", "nothing has expired, so all are lost");
    assert_eq!(missing(&[1, 2, 5], range(1, 6, 3, 3, 0), 40), "", "as many are there as were sent");
    assert_eq!(missing(&[], range(1, 6, 5, 1, 0), 0), "1 2 5", "one of three was skipped");
    assert_eq!(missing(&[1], range(1, 6, 5, 1, 0), 0), "", "the route says which");
}

#[test]
fn what_the_route_does_not_take_after_all_was_not_sent() {
    let mut some = journal(1, 3, &[]);
    show(&mut some, [1]);
    let (topic, ranges) = (topic(0), [range(1, 3, 2, 1, 0)]);
    let remains = some.remains(&topic).unwrap();
    assert!(report(&some, &ranges, &remains).lost_ids.is_empty());
    some.place(id(2), &Address::default(), false, &remains).unwrap();
    assert_eq!(report(&some, &ranges, &remains).lost_ids, vec![id(3)]);
}

/// Two sinks share a topic, each with its part of the records.
#[test]
fn what_another_sink_wrote_hides_no_loss() {
    let mut shared = journal(1, 10, &[2, 4, 6, 8]);
    show(&mut shared, [1, 2, 3, 4, 5, 6, 8, 10]);
    let report = told(&shared, &[range(1, 10, 6, 4, 0)], 0);
    assert_eq!((report.sent, report.found, report.stray, report.lost), (6, 4, 4, 2), "{report:?}");
    assert_eq!(report.lost_ids, [id(7), id(9)]);

    // Nothing of its own is there at all.
    let mut other = journal(1, 10, &[2, 4, 6, 8]);
    show(&mut other, [2, 4, 6, 8]);
    let report = told(&other, &[range(1, 10, 6, 4, 0)], 0);
    assert_eq!((report.found, report.stray, report.lost), (0, 4, 6), "{report:?}");

    // A dead letter among its own is no loss.
    let report = told(&shared, &[range(1, 10, 5, 4, 1)], 0);
    assert_eq!((report.found, report.stray, report.lost), (4, 4, 1), "{report:?}");
}

/// What is found and not wanted may have been wanted then.
#[test]
fn under_another_mapping_it_is_told_that_a_loss_may_be_hidden() {
    let mut moved = journal(1, 10, &[2, 4, 6, 8]);
    show(&mut moved, [1, 2, 3, 4, 5, 6]);
    let before = Delivered { version: 0, ..range(1, 10, 6, 4, 0) };
    let report = told(&moved, &[before], 0);
    assert_eq!((report.found, report.stray, report.lost, report.unclear), (6, 0, 0, 3), "{report:?}");

    // Or the route is another one since, and names just the others.
    let mut turned = journal(1, 10, &[1, 3, 5, 7, 9]);
    show(&mut turned, [1, 3, 5, 7, 9]);
    let report = told(&turned, &[range(1, 10, 5, 5, 0)], 0);
    assert_eq!((report.found, report.stray, report.lost, report.unclear), (5, 0, 0, 5), "{report:?}");

    // The route is another one since: fewer are wanted than were sent.
    let mut narrowed = journal(1, 10, &[2, 4, 6, 8]);
    show(&mut narrowed, 1..=10);
    let report = told(&narrowed, &[range(1, 10, 10, 0, 0)], 0);
    assert_eq!((report.found, report.stray, report.lost, report.unclear), (10, 0, 0, 0), "{report:?}");
}
