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
