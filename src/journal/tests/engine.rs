//! The file: opening, refusing, locking, damage, room, and work that is written together.

use std::time::Duration;

use rusqlite::Connection;

use super::support::{DAY, Place, activities, ids, live, look, page, pass, site, uid, use_sinks};
use crate::journal::requests::{DeadLetters, Request, Served};
use crate::journal::sqlite::Journal;
use crate::journal::{JournalError, Page};

fn reason(error: JournalError) -> String {
    let JournalError::Unusable { reason, .. } = error else { panic!("{error}") };
    reason
}

#[tokio::test]
async fn a_journal_is_found_again_and_kept_from_others() {
    let place = Place::new();
    let journal = place.open();
    let id = journal.id();
    let locked = Journal::open(&place.path(), place.options.clone(), place.clock.clone()).unwrap_err();
    assert!(
        matches!(&locked, JournalError::Locked { holder, .. } if *holder == std::process::id().to_string()),
        "{locked}"
    );
    journal.remember(vec![("pause".into(), "1".into())]).await.unwrap();
    journal.close().await.unwrap();
    assert!(!place.path().with_extension("db-wal").exists());
    assert_eq!(reason(journal.recall("pause").await.unwrap_err()), "the journal is closed");
    assert_eq!(reason(journal.remember(Vec::new()).await.unwrap_err()), "the journal is closed");
    let journal = place.open();
    assert_eq!((journal.id(), journal.recall("pause").await.unwrap().as_deref()), (id, Some("1")));
}

#[tokio::test]
async fn a_reader_looks_beside_a_writer_and_alone() {
    let place = Place::new();
    let missing = Journal::open_reader(&place.path(), place.clock.clone()).unwrap_err();
    assert!(reason(missing).contains("there is no journal"));
    assert_eq!(std::fs::read_dir(place.path().parent().unwrap()).unwrap().count(), 0);
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    let reader = Journal::open_reader(&place.path(), place.clock.clone()).unwrap();
    journal.commit(activities("x", 2, "a")).await.unwrap();
    assert_eq!(ids(&reader, &live()).await.len(), 2);
    assert!(reason(reader.maintain_now().await.unwrap_err()).contains("only to look"));
    let asked = reader.ask(Request::DropDead(DeadLetters::Ids(Vec::new()))).await.unwrap();
    assert_eq!(journal.requests().await.unwrap()[0].0, asked);
    assert_eq!(journal.serve(asked).await.unwrap(), Served::Dropped(0));
    assert!(matches!(journal.serve(asked).await, Err(JournalError::Conflict)));
    journal.close().await.unwrap();
    assert_eq!(ids(&reader, &live()).await.len(), 2);
    let alone = Journal::open_reader(&place.path(), place.clock.clone()).unwrap();
    assert_eq!(ids(&alone, &live()).await.len(), 2);
}

/// A refused file keeps every byte, and no lock stays behind.
#[tokio::test]
async fn foreign_newer_and_damaged_files_are_refused_untouched() {
    let place = Place::new();
    place.open().close().await.unwrap();
    let path = place.path();
    let good = std::fs::read(&path).unwrap();
    let newer = {
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        drop(connection);
        std::fs::read(&path).unwrap()
    };
    let foreign = {
        let other = path.with_extension("other");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        std::fs::read(&other).unwrap()
    };
    let cases = [
        (newer, "newer vintner"),
        (foreign, "not a journal of vintner"),
        (Vec::new(), "shorter than any"),
        (b"something else entirely, a text of some length".repeat(9), "not a journal of vintner"),
        (good[..good.len() / 2].to_vec(), "damaged"),
        ([&good[..100], &vec![0xff; good.len() - 100]].concat(), "damaged"),
    ];
    for (content, expected) in cases {
        std::fs::write(&path, &content).unwrap();
        for error in [
            Journal::open(&path, place.options.clone(), place.clock.clone()).unwrap_err(),
            Journal::open_reader(&path, place.clock.clone()).unwrap_err(),
        ] {
            let reason = reason(error);
            assert!(reason.contains(expected), "{reason}");
        }
        assert!(std::fs::read(&path).unwrap() == content, "{expected}: the file was changed");
    }
    std::fs::write(&path, &good).unwrap();
    place.open();
}

#[tokio::test]
async fn a_log_without_its_journal_is_not_started_over() {
    let place = Place::new();
    place.open().close().await.unwrap();
    std::fs::remove_file(place.path()).unwrap();
    std::fs::write(place.path().with_extension("db-wal"), b"pages").unwrap();
    let error = Journal::open(&place.path(), place.options.clone(), place.clock.clone()).unwrap_err();
    assert!(reason(error).contains("restore the journal"));
    assert!(!place.path().exists());
}

#[tokio::test]
async fn a_flipped_bit_is_named_by_partition_and_sequence() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    journal.commit(activities("x", 3, "a")).await.unwrap();
    journal.commit(activities("y", 3, "a")).await.unwrap();
    journal.close().await.unwrap();
    {
        let connection = Connection::open(place.path()).unwrap();
        let mut blob: Vec<u8> =
            connection.query_row("SELECT data FROM blobs ORDER BY id DESC LIMIT 1", [], |row| row.get(0)).unwrap();
        let middle = blob.len() / 2;
        blob[middle] ^= 4;
        connection.execute("UPDATE blobs SET data = ?1 WHERE id = (SELECT MAX(id) FROM blobs)", [blob]).unwrap();
    }
    let journal = place.open();
    let text = reason(journal.records(&live(), 0, 10).await.unwrap_err());
    assert!(text.contains("ab1c0002/live, records from 4 on"), "{text}");
    let check = journal.check_pages().await.unwrap();
    assert_eq!((check.batches, check.records, check.problems.len()), (2, 3, 1));
    assert!(check.problems[0].contains("ab1c0002/live, records from 4 on"), "{:?}", check.problems);
}

#[tokio::test]
async fn a_full_journal_refuses_records_only_and_recovers() {
    let mut place = Place::new();
    place.options.max_bytes = 600_000;
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    use_sinks(&journal, &["s"]).await;
    let mut n = 0;
    let full = loop {
        match journal.commit(activities(&format!("page{n}"), 100, "a")).await {
            Ok(_) => n += 1,
            Err(error) => break error,
        }
        assert!(n < 1000, "never full");
    };
    assert!(matches!(full, JournalError::Full { used, limit: 600_000 } if used >= 600_000), "{full}");
    // Everything but records goes on, and a page of repeats too.
    journal.store_sites(&uid(), vec![site("b")]).await.unwrap();
    journal.put_cursors(&uid(), vec![("c".into(), "1".into())]).await.unwrap();
    assert_eq!(journal.commit(activities("page0", 100, "a")).await.unwrap().repeats, 100);
    assert_eq!(journal.maintain_now().await.unwrap().trimmed, 0);
    assert!(journal.usage().await.unwrap().full);
    // Once the sink has passed everything, the oldest go before their time.
    assert_eq!(pass(&journal, "s", &live()).await, n * 100);
    journal.commit(activities("later", 100, "a")).await.unwrap();
    journal.maintain_now().await.unwrap();
    assert!(!journal.usage().await.unwrap().full);
}

#[tokio::test]
async fn a_full_disk_leaves_everything_as_it_was() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    journal.commit(activities("x", 1, "a")).await.unwrap();
    let pages = "PRAGMA page_count";
    let now: i64 = Connection::open(place.path()).unwrap().query_row(pages, [], |row| row.get(0)).unwrap();
    // SQLite answers SQLITE_FULL at a limit of pages just as on a full disk.
    journal
        .write(move |tx| Ok(tx.connection.pragma_update_and_check(None, "max_page_count", now + 2, |_| Ok(()))?))
        .await
        .unwrap();
    let mut big = activities("big", 400, "a");
    big.alerts = (0..400).map(|n| look(&format!("alert{n}"), 1, "a", None)).collect();
    big.cursors = vec![("c".into(), "1".into())];
    let text = reason(journal.commit(big).await.unwrap_err());
    assert!(text.contains("the disk is full"), "{text}");
    assert_eq!(ids(&journal, &live()).await, ["x-0:1"]);
    assert_eq!(journal.cursor(&uid(), "c").await.unwrap(), None);
    assert_eq!(journal.check_pages().await.unwrap().problems, Vec::<String>::new());
}

/// Many callers at once: all are done, one that is refused takes no other with it, one that goes away leaves nothing half done.
#[tokio::test]
async fn work_is_written_together_and_fails_alone() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    journal.commit(Page { alerts: vec![look("known", 1, "a", None)], ..page() }).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..600 {
        let journal = journal.clone();
        tasks.spawn(async move {
            let mut page = activities(&format!("page{n}"), 2, "a");
            if n % 3 == 0 {
                page.alerts = vec![look(&format!("fresh{n}"), 1, "a", None), look("known", 1, "a", None)];
            }
            let work = journal.commit(page);
            if n % 5 == 0 {
                return drop(tokio::time::timeout(Duration::ZERO, work).await);
            }
            assert_eq!(work.await.is_err(), n % 3 == 0);
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    journal.put_cursors(&uid(), Vec::new()).await.unwrap();
    let open = journal.open_alerts(&uid()).await.unwrap();
    assert_eq!(open.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["known"]);
    let all = ids(&journal, &live()).await;
    for n in 0..600 {
        let found = all.iter().filter(|id| id.starts_with(&format!("page{n}-"))).count();
        let allowed: &[usize] = if n % 3 == 0 {
            &[0]
        } else if n % 5 == 0 {
            &[0, 2]
        } else {
            &[2]
        };
        assert!(allowed.contains(&found), "page {n}: {found} records");
    }
}

/// With the clock paused, a write must not look like idleness: a timeout of a whole day does not fire.
#[tokio::test(start_paused = true)]
async fn a_paused_clock_stands_still_while_the_journal_works() {
    let place = Place::new();
    let journal = place.open();
    let before = tokio::time::Instant::now();
    for n in 0..20 {
        let value = vec![("n".to_owned(), n.to_string())];
        tokio::time::timeout(DAY, journal.remember(value)).await.unwrap().unwrap();
        tokio::time::timeout(DAY, journal.recall("n")).await.unwrap().unwrap();
    }
    assert!(before.elapsed() < Duration::from_secs(1));
}
