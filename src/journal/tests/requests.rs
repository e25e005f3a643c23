//! Requests that cannot be served: each is refused with the reason, and nothing else notices.

use rusqlite::Connection;

use super::support::*;
use crate::journal::requests::{DeadLetters, Request, Served};
use crate::journal::sqlite::Journal;

/// A journal with records that the sink `s` has passed.
async fn delivered(place: &Place) -> Journal {
    let journal = four_pages(place).await;
    assert_eq!(pass(&journal, "s", &live()).await, 8);
    journal
}

fn execute(place: &Place, sql: &str) {
    Connection::open(place.path()).unwrap().execute_batch(sql).unwrap();
}

fn replay() -> Request {
    Request::Replay { sink: "s".into(), org: None, since: None, until: None }
}

/// Serves all that waits, as a running instance does.
async fn serve_all(journal: &Journal) -> Vec<Served> {
    let mut answers = Vec::new();
    for (number, _) in journal.requests().await.unwrap() {
        let served = journal.serve(number).await.unwrap();
        assert_eq!(journal.answer(number).await.unwrap().as_ref(), Some(&served));
        answers.push(served);
    }
    assert_eq!(journal.requests().await.unwrap(), []);
    answers
}

#[tokio::test]
async fn a_request_of_an_unknown_kind_is_refused_and_the_others_are_served() {
    let place = Place::new();
    let journal = delivered(&place).await;
    for json in ["{\"backfill\":{\"account\":\"acme\"}}", "\"rest\"", "{\"replay\":{}}", "not JSON", ""] {
        execute(&place, &format!("INSERT INTO requests (request, asked_at) VALUES ('{json}', 0)"));
    }
    journal.ask(replay()).await.unwrap();
    let answers = serve_all(&journal).await;
    let (last, unknown) = answers.split_last().unwrap();
    assert_eq!((last, unknown.len()), (&Served::Replayed(8), 5));
    for answer in unknown {
        assert!(matches!(answer, Served::Refused(why) if why.contains("does not know")), "{answer:?}");
    }
}

#[tokio::test]
async fn a_request_that_the_engine_refuses_takes_nothing_else_with_it() {
    let place = Place::new();
    let journal = delivered(&place).await;
    execute(&place, "CREATE TRIGGER obstacle BEFORE INSERT ON refs BEGIN SELECT RAISE(ABORT, 'no references'); END");
    let asked = journal.ask(replay()).await.unwrap();
    // The writer is kept busy until both wait, so that one group commit has the request and the page of a collector.
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let busy = journal.write(move |_| {
        wait.recv().ok();
        Ok(())
    });
    let release = async {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        drop(go_on);
    };
    let page = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        journal.commit(activities("new", 1, "a")).await
    };
    let (busy, served, page, ()) = tokio::join!(busy, journal.serve(asked), page, release);
    busy.unwrap();
    assert!(matches!(served.unwrap(), Served::Refused(why) if why.contains("no references")));
    assert_eq!(page.unwrap().taken, 1);
}

#[tokio::test]
async fn a_replay_of_a_damaged_batch_is_refused_and_the_journal_goes_on() {
    let place = Place::new();
    let journal = delivered(&place).await;
    execute(&place, "UPDATE blobs SET data = zeroblob(40) WHERE id = (SELECT blob FROM batches WHERE first_seq = 3)");
    journal.ask(Request::Replay { sink: "s".into(), org: Some("a".into()), since: None, until: None }).await.unwrap();
    let answers = serve_all(&journal).await;
    assert!(matches!(&answers[..], [Served::Refused(why)] if why.contains("damaged")), "{answers:?}");
    assert_eq!(journal.commit(activities("newer", 1, "a")).await.unwrap().taken, 1);
}

#[tokio::test]
async fn a_replay_that_fails_on_its_way_is_refused_and_says_how_far_it_came() {
    let place = Place::new();
    drop(delivered(&place).await);
    let journal = place.open_small();
    let obstacle = "CREATE TRIGGER obstacle BEFORE INSERT ON refs WHEN (SELECT SUM(count) FROM refs) >= 4
        BEGIN SELECT RAISE(ABORT, 'no more references'); END";
    execute(&place, obstacle);
    journal.ask(replay()).await.unwrap();
    let answers = serve_all(&journal).await;
    let [Served::Refused(why)] = &answers[..] else { panic!("{answers:?}") };
    assert!(why.contains("no more references") && why.contains("done for 4 records before"), "{why}");
    assert_eq!(pass(&journal, "s", &replayed()).await, 4, "what was done stays done");
}

#[tokio::test]
async fn a_request_whose_sink_leaves_or_whose_progress_is_damaged_is_refused() {
    let place = Place::new();
    drop(delivered(&place).await);
    let journal = place.open_small();
    let asked = journal.ask(replay()).await.unwrap();
    assert_eq!(journal.serve_step(asked).await.unwrap(), None);
    use_sinks(&journal, &["t"]).await;
    let answers = serve_all(&journal).await;
    let [Served::Refused(why)] = &answers[..] else { panic!("{answers:?}") };
    assert!(why.contains("no sink `s`") && why.contains("done for 2 records before"), "{why}");
    for request in [replay(), Request::DropDead(DeadLetters::Sink("s".into()))] {
        use_sinks(&journal, &["s"]).await;
        let asked = journal.ask(request).await.unwrap();
        execute(&place, &format!("UPDATE requests SET progress = '{{\"at\":' WHERE id = {asked}"));
        let answers = serve_all(&journal).await;
        assert!(
            matches!(&answers[..], [Served::Refused(why)] if why.contains("the progress of a request")),
            "{answers:?}"
        );
    }
}
