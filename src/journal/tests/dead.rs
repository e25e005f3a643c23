//! Dead letters: what keeps them, what sends them again, and what is refused.

use rusqlite::Connection;

use super::support::{DAY, MANY, Place, four_pages, live, pass, replayed, use_sinks};
use crate::journal::dead::{DeadFilter, DeadLetter};
use crate::journal::requests::{DeadLetters, Request, Served};
use crate::journal::sqlite::Journal;
use crate::journal::{Refused, RefusedKind, Settlement};

/// Four pages of two records, all passed by the sink `s`; one letter stands at the second record, for it and the three behind it.
async fn with_a_letter_of_four(place: &Place) -> Journal {
    let journal = four_pages(place).await;
    let attempt = journal.read("s", &live(), MANY).await.unwrap().unwrap();
    let at = |index: usize| attempt.items[index].place.clone();
    let letter = Refused {
        place: at(1),
        replay: 0,
        kind: RefusedKind::Refused,
        reason: "2 of 4".into(),
        among: vec![at(2), at(3), at(4)],
    };
    let (from, to, version) = (attempt.from, attempt.to, attempt.directory.version);
    let (sink, dead) = ("s".into(), vec![letter]);
    let settlement = Settlement { sink, partition: live(), from, to, version, sent: 7, skipped: 0, dead };
    journal.settle(settlement).await.unwrap();
    journal
}

async fn served(journal: &Journal, request: Request) -> Served {
    let asked = journal.ask(request).await.unwrap();
    let served = journal.serve(asked).await.unwrap();
    assert_eq!(journal.answer(asked).await.unwrap(), Some(served.clone()), "whoever left the request learns it");
    served
}

async fn letters(journal: &Journal) -> Vec<DeadLetter> {
    journal.dead_letters(DeadFilter::default()).await.unwrap()
}

async fn trimmed_after_a_week(place: &Place, journal: &Journal) -> u64 {
    place.clock.jump(i64::try_from((8 * DAY).as_millis()).unwrap());
    journal.maintain_now().await.unwrap().trimmed
}

#[tokio::test]
async fn a_letter_of_several_keeps_them_all_and_sends_them_all_again() {
    let place = Place::new();
    let journal = with_a_letter_of_four(&place).await;
    let all = journal.records(&live(), 0, 9).await.unwrap();
    let ids: Vec<_> = all.iter().map(|(_, _, record)| record.envelope.event_id()).collect();
    let found = letters(&journal).await;
    assert_eq!((found.len(), found[0].event_id, &found[0].among[..]), (1, Some(ids[1]), &ids[2..5]));
    assert_eq!(trimmed_after_a_week(&place, &journal).await, 2, "only the page that it does not mean");
    assert_eq!(served(&journal, Request::ReplayDead(DeadLetters::Ids(vec![found[0].id]))).await, Served::Replayed(4));
    let again = journal.read("s", &replayed(), MANY).await.unwrap().unwrap();
    let sent: Vec<_> = again.items.iter().map(|item| item.record.envelope.event_id()).collect();
    assert_eq!((sent, letters(&journal).await), (ids[1..5].to_vec(), vec![]));
    assert_eq!(pass(&journal, "s", &replayed()).await, 4);
    assert_eq!(journal.maintain_now().await.unwrap().trimmed, 6);
}

#[tokio::test]
async fn a_letter_of_several_that_is_dropped_keeps_nothing() {
    let place = Place::new();
    let journal = with_a_letter_of_four(&place).await;
    assert_eq!(served(&journal, Request::DropDead(DeadLetters::Sink("s".into()))).await, Served::Dropped(1));
    assert_eq!(trimmed_after_a_week(&place, &journal).await, 8);
    let sql = "SELECT COUNT(*) FROM dead_among";
    let rows: i64 = Connection::open(place.path()).unwrap().query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 0, "nothing is left of it");
}

#[tokio::test]
async fn what_cannot_be_done_whole_is_refused_and_nothing_is_done() {
    let place = Place::new();
    let journal = with_a_letter_of_four(&place).await;
    let letter = letters(&journal).await[0].id;
    let largest = Request::DropDead(DeadLetters::Ids(vec![u64::MAX]));
    assert!(
        matches!(served(&journal, largest).await, Served::Refused(why) if why.contains("no dead letter 18446744073709551615"))
    );
    let ids = DeadLetters::Ids(vec![letter, 999]);
    for request in [Request::ReplayDead(ids.clone()), Request::DropDead(ids)] {
        assert!(matches!(served(&journal, request).await, Served::Refused(why) if why.contains("no dead letter 999")));
    }
    // The sink got another name: nobody would send the letters of the old one.
    use_sinks(&journal, &["t"]).await;
    let replay = Request::ReplayDead(DeadLetters::Ids(vec![letter]));
    assert!(matches!(served(&journal, replay.clone()).await, Served::Refused(why) if why.contains("the sink `s`")));
    assert_eq!(letters(&journal).await.len(), 1);
    use_sinks(&journal, &["s", "t"]).await;
    assert_eq!(served(&journal, replay).await, Served::Replayed(4));
}

#[tokio::test]
async fn answers_are_kept_for_a_while() {
    let place = Place::new();
    let journal = with_a_letter_of_four(&place).await;
    let nothing = || Request::DropDead(DeadLetters::Ids(Vec::new()));
    let first = journal.ask(nothing()).await.unwrap();
    journal.serve(first).await.unwrap();
    for _ in 0..99 {
        served(&journal, nothing()).await;
    }
    assert!(journal.answer(first).await.unwrap().is_some());
    served(&journal, nothing()).await;
    assert_eq!(journal.answer(first).await.unwrap(), None);
}

/// Every record of four pages is a dead letter of `s`, the last one of a page first.
async fn of_letters(place: &Place) -> Vec<u64> {
    let journal = four_pages(place).await;
    let attempt = journal.read("s", &live(), MANY).await.unwrap().unwrap();
    let mut dead: Vec<_> = attempt.items.iter().map(|item| refused(item.place.clone())).collect();
    dead.reverse();
    let (from, to, version) = (attempt.from, attempt.to, attempt.directory.version);
    let settlement = Settlement { sink: "s".into(), partition: live(), from, to, version, sent: 0, skipped: 0, dead };
    journal.settle(settlement).await.unwrap();
    letters(&journal).await.iter().map(|letter| letter.id).collect()
}

fn refused(place: crate::journal::Place) -> Refused {
    Refused { place, replay: 0, kind: RefusedKind::Refused, reason: "too large".into(), among: Vec::new() }
}

/// Serves a request one step at a time, with a crash behind each; says in how many steps.
async fn served_through_crashes(place: &Place, request: Request) -> (Served, usize) {
    let journal = place.open_small();
    let asked = journal.ask(request).await.unwrap();
    drop(journal);
    for steps in 1.. {
        if let Some(served) = place.open_small().serve_step(asked).await.unwrap() {
            return (served, steps);
        }
    }
    unreachable!("it ends")
}

#[tokio::test]
async fn letters_by_number_are_sent_again_in_steps_in_the_order_of_their_records() {
    let place = Place::new();
    let ids = of_letters(&place).await;
    // Of eight letters all but two, named in any order and one twice.
    let meant = vec![ids[5], ids[0], ids[2], ids[7], ids[3], ids[0], ids[4]];
    let (served, steps) = served_through_crashes(&place, Request::ReplayDead(DeadLetters::Ids(meant))).await;
    assert_eq!((served, steps >= 6), (Served::Replayed(6), true), "{steps} steps");
    let journal = place.open();
    let again = journal.read("s", &replayed(), MANY).await.unwrap().unwrap();
    // The letters have the numbers of the records from the last to the first.
    assert_eq!(again.items.iter().map(|item| item.place.seq).collect::<Vec<_>>(), [1, 3, 4, 5, 6, 8]);
    let left: Vec<_> = letters(&journal).await.iter().map(|letter| letter.place.clone().unwrap().seq).collect();
    assert_eq!(left, [7, 2]);
}

#[tokio::test]
async fn letters_by_number_are_dropped_in_steps() {
    let place = Place::new();
    let ids = of_letters(&place).await;
    let (served, steps) = served_through_crashes(&place, Request::DropDead(DeadLetters::Ids(ids[1..7].to_vec()))).await;
    assert_eq!((served, steps >= 6), (Served::Dropped(6), true), "{steps} steps");
    assert_eq!(letters(&place.open()).await.len(), 2);
}

#[tokio::test]
async fn many_numbers_of_which_one_is_missing_are_refused_before_anything_is_done() {
    let place = Place::new();
    let mut ids = of_letters(&place).await;
    ids.push(999);
    for request in [Request::ReplayDead(DeadLetters::Ids(ids.clone())), Request::DropDead(DeadLetters::Ids(ids))] {
        let (served, _) = served_through_crashes(&place, request).await;
        assert!(matches!(&served, Served::Refused(why) if why.contains("999: nothing was done")), "{served:?}");
        assert_eq!(letters(&place.open()).await.len(), 8);
    }
}

/// A sink may leave the configuration while its letters are sent again.
#[tokio::test]
async fn a_replay_by_number_whose_sink_leaves_is_refused_and_says_how_far_it_came() {
    let place = Place::new();
    let ids = of_letters(&place).await;
    let journal = place.open_small();
    let asked = journal.ask(Request::ReplayDead(DeadLetters::Ids(ids))).await.unwrap();
    while letters(&journal).await.len() > 6 {
        assert_eq!(journal.serve_step(asked).await.unwrap(), None);
    }
    use_sinks(&journal, &["t"]).await;
    let served = journal.serve(asked).await.unwrap();
    assert!(
        matches!(&served, Served::Refused(why) if why.contains("`s`") && why.contains("done for 2 records before")),
        "{served:?}"
    );
    assert_eq!(letters(&journal).await.len(), 6);
}

/// A step that stops at a record takes all of its letters: it is sent once, also if the sink has it before the next step.
#[tokio::test]
async fn letters_of_one_record_are_of_one_step() {
    let place = Place::new();
    let ids = of_letters(&place).await;
    let journal = place.open();
    let asked = journal.ask(Request::Replay { sink: "s".into(), org: None, since: None, until: None }).await.unwrap();
    assert_eq!(journal.serve(asked).await.unwrap(), Served::Replayed(0), "dead letters are no part of a replay");
    drop(journal);
    // Two more replays were given up.
    let sql = "INSERT INTO dead (sink, account, kind, reason, at, partition, seq, replay, room)
        SELECT sink, account, kind, reason, at, partition, seq, 70 + n.n, room FROM dead, (SELECT 1 AS n UNION SELECT 2) n";
    Connection::open(place.path()).unwrap().execute_batch(sql).unwrap();
    let journal = place.open_small();
    let all: Vec<u64> = letters(&journal).await.iter().map(|letter| letter.id).collect();
    assert_eq!((ids.len(), all.len()), (8, 24));
    let asked = journal.ask(Request::ReplayDead(DeadLetters::Ids(all))).await.unwrap();
    let mut sent = 0;
    let served = loop {
        let served = journal.serve_step(asked).await.unwrap();
        sent += pass(&journal, "s", &replayed()).await;
        if let Some(served) = served {
            break served;
        }
    };
    assert_eq!((served, sent, letters(&journal).await), (Served::Replayed(8), 8, vec![]));
}
