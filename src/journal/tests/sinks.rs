//! Sinks, dead letters and replays.

use super::support::{DAY, MANY, Place, START, activities, four_pages, live, pass, replayed, site, uid, use_sinks};
use crate::clock::Millis;
use crate::journal::dead::DeadFilter;
use crate::journal::requests::{DeadLetters, Request, Served};
use crate::journal::{JournalError, Refused, RefusedKind, Settlement, StartAt};

#[tokio::test]
async fn references_and_dead_letters_keep_their_records() {
    let place = Place::new();
    let journal = four_pages(&place).await;
    let attempt = journal.read("s", &live(), MANY).await.unwrap().unwrap();
    let refused = Refused {
        place: attempt.items[2].place.clone(),
        replay: 0,
        kind: RefusedKind::Refused,
        reason: "too large".into(),
        among: Vec::new(),
    };
    let version = attempt.directory.version;
    let settlement = Settlement {
        sink: "s".into(),
        partition: live(),
        from: 0,
        to: 8,
        version,
        sent: 7,
        skipped: 0,
        dead: vec![refused],
    };
    journal.settle(settlement.clone()).await.unwrap();
    journal.commit(activities("more", 2, "a")).await.unwrap();
    for to in [8, 10, 11] {
        let stale = Settlement { to, ..settlement.clone() };
        assert!(matches!(journal.settle(stale).await, Err(JournalError::Conflict)), "from 0 to {to}");
    }
    pass(&journal, "s", &live()).await;
    place.clock.jump(i64::try_from((8 * DAY).as_millis()).unwrap());
    assert_eq!(journal.maintain_now().await.unwrap().trimmed, 8);
    let letters = journal.dead_letters(DeadFilter::default()).await.unwrap();
    assert_eq!((letters.len(), letters[0].event_id), (1, Some(attempt.items[2].record.envelope.event_id())));
    assert!(letters[0].content.contains("page1-0"));
    // A replay of everything leaves the dead letter out: of its batch it takes the other record.
    let everything = Request::Replay { sink: "s".into(), org: None, since: None, until: None };
    let asked = journal.ask(everything).await.unwrap();
    assert_eq!(journal.serve(asked).await.unwrap(), Served::Replayed(1));
    assert_eq!(pass(&journal, "s", &replayed()).await, 1);
    let asked = journal.ask(Request::ReplayDead(DeadLetters::Sink("s".into()))).await.unwrap();
    assert_eq!(journal.serve(asked).await.unwrap(), Served::Replayed(1));
    assert_eq!(journal.maintain_now().await.unwrap().trimmed, 0);
    let again = journal.read("s", &replayed(), MANY).await.unwrap().unwrap();
    assert_eq!((again.items.len(), again.items[0].replay), (1, asked));
    assert_eq!(again.items[0].place, attempt.items[2].place);
    assert_eq!(pass(&journal, "s", &replayed()).await, 1);
    assert_eq!(journal.maintain_now().await.unwrap().trimmed, 2);
}

#[tokio::test]
async fn a_replay_takes_what_was_passed_in_its_bounds() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a"), site("b")]).await.unwrap();
    use_sinks(&journal, &["s"]).await;
    journal.commit(activities("old", 2, "a")).await.unwrap();
    place.clock.jump(1000);
    let mut mixed = activities("mixed", 3, "a");
    mixed.records.extend(activities("other", 2, "b").records);
    journal.commit(mixed).await.unwrap();
    pass(&journal, "s", &live()).await;
    journal.commit(activities("ahead", 2, "a")).await.unwrap();
    let replay = |org: Option<&str>, since, until| Request::Replay {
        sink: "s".into(),
        org: org.map(str::to_owned),
        since,
        until,
    };
    let later = Millis(START.0 + 1000);
    for (request, expected) in [
        (replay(None, None, None), 7),
        (replay(Some("b"), None, None), 2),
        (replay(None, Some(later), None), 5),
        (replay(Some("a"), None, Some(later)), 2),
        (replay(Some("nobody"), None, None), 0),
    ] {
        let asked = journal.ask(request).await.unwrap();
        assert_eq!(journal.serve(asked).await.unwrap(), Served::Replayed(expected));
    }
    let backlog = journal.backlog("s").await.unwrap();
    assert_eq!(backlog.iter().map(|b| b.pending).collect::<Vec<_>>(), [2, 16]);
    let unknown = journal.ask(Request::ReplayDead(DeadLetters::Sink("t".into()))).await.unwrap();
    assert!(matches!(journal.serve(unknown).await.unwrap(), Served::Refused(why) if why.contains("`t`")));
}

#[tokio::test]
async fn an_absent_sink_holds_nothing_back_and_is_told_what_it_missed() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    use_sinks(&journal, &["s", "t"]).await;
    journal.commit(activities("x", 3, "a")).await.unwrap();
    pass(&journal, "s", &live()).await;
    place.clock.jump(i64::try_from((8 * DAY).as_millis()).unwrap());
    assert_eq!(journal.maintain_now().await.unwrap().trimmed, 0);
    use_sinks(&journal, &["s"]).await;
    assert!(matches!(journal.read("t", &live(), MANY).await, Err(JournalError::Conflict)));
    let done = journal.maintain_now().await.unwrap();
    assert_eq!((done.trimmed, done.missed), (3, 3));
    let both = vec![("s".to_owned(), StartAt::Oldest), ("t".to_owned(), StartAt::Oldest)];
    let opened = journal.use_sinks(both).await.unwrap();
    assert_eq!(opened.iter().map(|o| (o.missed, o.new)).collect::<Vec<_>>(), [(0, false), (3, false)]);
    // The counter goes on where it was, also for a journal that was opened anew.
    drop(journal);
    let journal = place.open();
    journal.commit(activities("y", 1, "a")).await.unwrap();
    assert_eq!(journal.records(&live(), 0, 9).await.unwrap()[0].0, 4);
    assert_eq!(pass(&journal, "t", &live()).await, 1);
}

/// Two replays of one record are given up both; sending its dead letters again sends it once.
#[tokio::test]
async fn a_record_with_two_dead_letters_is_sent_again_once() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    use_sinks(&journal, &["s"]).await;
    journal.commit(activities("x", 1, "a")).await.unwrap();
    pass(&journal, "s", &live()).await;
    for _ in 0..2 {
        let everything = Request::Replay { sink: "s".into(), org: None, since: None, until: None };
        let asked = journal.ask(everything).await.unwrap();
        journal.serve(asked).await.unwrap();
    }
    let attempt = journal.read("s", &replayed(), MANY).await.unwrap().unwrap();
    let refused = attempt.items.iter().map(|item| Refused {
        place: item.place.clone(),
        replay: item.replay,
        kind: RefusedKind::Refused,
        reason: "too large".into(),
        among: Vec::new(),
    });
    let settlement = Settlement {
        sink: "s".into(),
        partition: replayed(),
        from: attempt.from,
        to: attempt.to,
        version: attempt.directory.version,
        sent: 0,
        skipped: 0,
        dead: refused.collect(),
    };
    journal.settle(settlement).await.unwrap();
    assert_eq!(journal.dead_letters(DeadFilter::default()).await.unwrap().len(), 2);
    let asked = journal.ask(Request::ReplayDead(DeadLetters::Sink("s".into()))).await.unwrap();
    assert_eq!(journal.serve(asked).await.unwrap(), Served::Replayed(1));
    assert!(journal.dead_letters(DeadFilter::default()).await.unwrap().is_empty());
    assert_eq!(pass(&journal, "s", &replayed()).await, 1);
}

/// A replay is many small transactions: after a crash it goes on where it stood, and takes nothing twice.
#[tokio::test]
async fn a_replay_goes_on_where_a_crash_left_it() {
    let place = Place::new();
    let journal = four_pages(&place).await;
    pass(&journal, "s", &live()).await;
    drop(journal);
    let mut journal = place.open_small();
    let asked = journal.ask(Request::Replay { sink: "s".into(), org: None, since: None, until: None }).await.unwrap();
    let mut steps = 0;
    let served = loop {
        if let Some(served) = journal.serve_step(asked).await.unwrap() {
            break served;
        }
        steps += 1;
        // What comes meanwhile is not meant.
        journal.commit(activities(&format!("later{steps}"), 1, "a")).await.unwrap();
        pass(&journal, "s", &live()).await;
        drop(journal);
        journal = place.open_small();
    };
    assert_eq!((served, steps >= 4), (Served::Replayed(8), true), "{steps} steps");
    let attempt = journal.read("s", &replayed(), MANY).await.unwrap().unwrap();
    assert_eq!(attempt.items.iter().map(|item| item.place.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(matches!(journal.serve_step(asked).await, Err(JournalError::Conflict)));
}

#[tokio::test]
async fn dead_letters_of_a_sink_are_sent_again_or_dropped_in_steps() {
    let place = Place::new();
    let journal = four_pages(&place).await;
    let attempt = journal.read("s", &live(), MANY).await.unwrap().unwrap();
    let refused = attempt.items.iter().map(|item| Refused {
        place: item.place.clone(),
        replay: 0,
        kind: RefusedKind::Refused,
        reason: "too large".into(),
        among: attempt.items.iter().take(1).map(|item| item.place.clone()).collect(),
    });
    let settlement = Settlement {
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
    drop(journal);
    let journal = place.open_small();
    let asked = journal.ask(Request::ReplayDead(DeadLetters::Sink("s".into()))).await.unwrap();
    assert_eq!(journal.serve_step(asked).await.unwrap(), None);
    assert_eq!(journal.dead_letters(DeadFilter::default()).await.unwrap().len(), 7);
    assert_eq!(journal.serve(asked).await.unwrap(), Served::Replayed(8), "the first is meant by all and sent once");
    assert!(journal.dead_letters(DeadFilter::default()).await.unwrap().is_empty());
    let asked = journal.ask(Request::DropDead(DeadLetters::Sink("s".into()))).await.unwrap();
    assert_eq!(journal.serve(asked).await.unwrap(), Served::Dropped(0));
    assert_eq!(journal.check_pages().await.unwrap().problems, Vec::<String>::new());
}
