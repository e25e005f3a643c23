//! The journal's files: removed, replaced or locked by others while it is open.

use std::time::Duration;

use rusqlite::Connection;

use super::support::{Place, activities, four_pages, ids, live, pass};
use crate::journal::JournalError;
use crate::journal::fail::Fail;
use crate::journal::files::beside;
use crate::journal::readers::MOST;
use crate::journal::sqlite::Journal;

fn reason(error: JournalError) -> String {
    let JournalError::Unusable { reason, .. } = error else { panic!("{error}") };
    reason
}

#[tokio::test]
async fn nothing_is_confirmed_on_a_removed_journal_and_its_contents_are_saved() {
    let place = Place::new();
    let journal = four_pages(&place).await;
    let id = journal.id();
    assert!(!journal.inspect_files().await.unwrap() && journal.trouble().is_none());
    std::fs::remove_file(place.path()).unwrap();
    let saved = beside(&place.path(), "-rescued");
    let text = reason(journal.commit(activities("late", 1, "a")).await.unwrap_err());
    assert!(text.contains("was removed") && text.contains(&saved.display().to_string()), "{text}");
    assert_eq!(reason(journal.records(&live(), 0, 9).await.unwrap_err()), text, "reads end with it too");
    assert_eq!(reason(journal.inspect_files().await.unwrap_err()), text);
    assert!(journal.trouble().unwrap().contains("was removed"));
    journal.close().await.unwrap();

    let again = || Journal::open(&place.path(), place.options.clone(), place.clock.clone());
    let text = reason(again().unwrap_err());
    assert!(text.contains(&saved.display().to_string()), "a first start in place of the saved contents: {text}");
    std::fs::rename(saved, place.path()).unwrap();
    let journal = again().unwrap();
    assert_eq!((journal.id(), ids(&journal, &live()).await.len()), (id, 8));
    assert_eq!(journal.check_pages().await.unwrap().problems, Vec::<String>::new());
    assert_eq!(pass(&journal, "s", &live()).await, 8);
    let mode =
        |path: &std::path::Path| std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
    assert_eq!(mode(&place.path()) & 0o777, 0o600, "it holds customers' data");
}

/// The file goes away between the look at it and the answer.
#[tokio::test]
async fn what_is_written_while_the_file_is_removed_is_not_confirmed() {
    let place = Place::new();
    let journal = four_pages(&place).await;
    let path = place.path();
    let written = journal.write(move |tx| {
        std::fs::remove_file(&path).unwrap();
        tx.execute("INSERT INTO meta (name, value) VALUES ('late', '1')", [])?;
        Ok(())
    });
    assert!(reason(written.await.unwrap_err()).contains("was removed"));
}

#[tokio::test]
async fn a_watch_finds_a_removed_journal_in_which_nothing_is_written() {
    let place = Place::new();
    let journal = four_pages(&place).await;
    std::fs::remove_file(place.path()).unwrap();
    assert!(reason(journal.inspect_files().await.unwrap_err()).contains("was removed"));
}

#[tokio::test]
async fn a_second_name_is_reported_and_a_link_that_leads_elsewhere_ends_the_journal() {
    let place = Place::new();
    four_pages(&place).await.close().await.unwrap();
    let link = place.path().with_extension("link");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    let journal = Journal::open(&link, place.options.clone(), place.clock.clone()).unwrap();
    std::fs::hard_link(place.path(), place.path().with_extension("second")).unwrap();
    assert!(journal.inspect_files().await.unwrap());
    std::fs::remove_file(&link).unwrap();
    let text = reason(journal.commit(activities("late", 1, "a")).await.unwrap_err());
    assert!(text.contains("does not lead to it any more"), "{text}");
}

/// Another process may become the last one that has the journal open, as far as it sees, and remove the log: unless the POSIX locks
/// of this process are still there.
#[tokio::test]
async fn a_refused_second_opening_leaves_the_locks_of_the_first() {
    let place = Place::new();
    let journal = four_pages(&place).await;
    for _ in 0..2 {
        Journal::open(&place.path(), place.options.clone(), place.clock.clone()).unwrap_err();
        drop(Journal::open_reader(&place.path(), place.clock.clone()).unwrap());
        drop(std::fs::remove_file(beside(&place.path(), "-lock")));
    }
    let shell = std::process::Command::new("sqlite3").arg(place.path()).arg("SELECT COUNT(*) FROM batches").output();
    match shell {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "4"),
        Err(error) => println!("no sqlite3 at hand ({error}): /proc/locks alone is looked at"),
    }
    assert!(beside(&place.path(), "-wal").exists(), "the log was removed under the running journal");
    let inode = format!(":{}", std::os::unix::fs::MetadataExt::ino(&place.path().metadata().unwrap()));
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    let held: Vec<&str> = locks.lines().filter(|line| line.contains(&format!("{inode} "))).collect();
    assert!(
        held.iter().any(|line| line.contains("POSIX")) && held.iter().any(|line| line.contains("FLOCK")),
        "{held:?}"
    );
    journal.commit(activities("later", 1, "a")).await.unwrap();
}

/// Takes the lock that writers need, for a while.
fn lock_for(place: &Place, time: Duration) -> std::thread::JoinHandle<()> {
    let shell = Connection::open(place.path()).unwrap();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(time);
        shell.execute_batch("ROLLBACK").unwrap();
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_lock_is_waited_for_by_writers_maintenance_and_migration() {
    let place = Place::new();
    let journal = four_pages(&place).await;
    let long = Duration::from_millis(2500);
    let shell = lock_for(&place, long);
    let live = live();
    let (written, maintained, read) =
        tokio::join!(journal.commit(activities("late", 1, "a")), journal.maintain(), journal.records(&live, 0, 1));
    assert_eq!((written.unwrap().taken, maintained.is_ok(), read.unwrap().len()), (1, true, 1));
    assert_eq!(journal.trouble(), None);
    shell.join().unwrap();
    journal.close().await.unwrap();
    let old = Place::new();
    super::faults::older::layout(&place.path(), &old.path(), 3);
    let shell = lock_for(&old, long);
    assert_eq!(ids(&old.open(), &live).await.len(), 9);
    shell.join().unwrap();
}

/// A lock that is never given back does not keep the journal from being closed.
#[tokio::test(flavor = "multi_thread")]
async fn closing_ends_the_wait_for_a_lock() {
    let place = Place::new();
    let journal = four_pages(&place).await;
    let shell = lock_for(&place, Duration::from_secs(6));
    let write = journal.commit(activities("late", 1, "a"));
    let close = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        // A read, which no lock stops, does not end what the writer waits for.
        journal.records(&live(), 0, 1).await.unwrap();
        assert!(journal.trouble().unwrap().contains("another program keeps the journal locked"));
        journal.close().await.unwrap();
    };
    let closed_first = async { tokio::join!(write, close).0.unwrap_err() };
    let text = tokio::time::timeout(Duration::from_secs(4), closed_first).await.expect("it waited for the lock");
    assert!(reason(text).contains("another program keeps it locked"));
    shell.join().unwrap();
}

/// The engine may end a transaction by itself (no room, an error of the disk). What fails after that is no news.
#[tokio::test]
async fn the_first_error_of_a_transaction_is_reported() {
    let place = Place::new();
    let journal = four_pages(&place).await;
    let failed: Result<(), _> = journal
        .write(|tx| {
            tx.connection.execute_batch("ROLLBACK")?;
            Err(Fail::damaged("the first error"))
        })
        .await;
    let text = reason(failed.unwrap_err());
    assert!(text.contains("the first error"), "{text}");
    let swallowed = journal.write(|tx| Ok(tx.connection.execute_batch("ROLLBACK")?)).await;
    let text = reason(swallowed.unwrap_err());
    assert!(!text.contains("cannot rollback") && !text.contains("no such savepoint"), "{text}");
    journal.commit(activities("later", 1, "a")).await.unwrap();
}

/// Each reader has its connection before anybody reads, and all of them survive new options.
#[tokio::test]
async fn all_descriptors_of_readers_are_opened_with_the_journal() {
    let place = Place::new();
    let journal = four_pages(&place).await;
    assert_eq!(journal.inner.idle_readers(), MOST);
    let path = place.path();
    let folder = path.parent().unwrap();
    let count = || {
        let open = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| entry.ok()?.path().read_link().ok());
        open.filter(|file| file.starts_with(folder)).count()
    };
    let before = count();
    let live = live();
    for _ in 0..MOST {
        journal.records(&live, 0, 9).await.unwrap();
    }
    journal.maintain().await.unwrap();
    assert_eq!(count(), before, "reading opens nothing");
    let mut options = place.options.clone();
    options.max_bytes /= 2;
    let journal = journal.under(options).await.unwrap();
    assert_eq!((journal.inner.idle_readers(), count()), (MOST, before));
}
