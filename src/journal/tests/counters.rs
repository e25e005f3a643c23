//! Counters, what counts for `max_bytes`, and why a journal is full.

use rusqlite::Connection;
use serde_json::value::RawValue;

use super::support::{MANY, Place, START, activities, live, look, page, pass, record, site, uid, use_sinks};
use crate::diagnostic::words;
use crate::journal::full::{Behind, Causes};
use crate::journal::pack::pack_json;
use crate::journal::requests::{DeadLetters, Request};
use crate::journal::seen::key;
use crate::journal::space::Usage;
use crate::journal::sqlite::Journal;
use crate::journal::{AlertLook, JournalError, Page, Refused, RefusedKind, Settlement, StartAt, counters};
use crate::record::place::SiteRef;
use crate::record::{Marker, RecordKind};

/// An open alert whose source does not compress below 4 KiB.
fn large_alert(name: &str) -> AlertLook {
    let text: String =
        (0..130).map(|n| format!("{:032x}", u128::from_be_bytes(key(&[name, &n.to_string()])))).collect();
    let source = RawValue::from_string(format!("{{\"alertUid\":\"{name}\",\"text\":\"{text}\"}}")).unwrap();
    AlertLook { source, ..look(name, 1, "a", None) }
}

async fn differences(journal: &Journal) -> Vec<String> {
    journal.look(|view| counters::differences(view.connection)).await.unwrap()
}

#[tokio::test]
async fn open_alerts_never_fill_the_journal() {
    let mut place = Place::new();
    place.options.max_bytes = 6 << 20;
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    use_sinks(&journal, &["s"]).await;
    for n in 0..60 {
        let alerts = (0..50).map(|m| large_alert(&format!("alert{n}-{m}"))).collect();
        journal.commit(Page { alerts, ..page() }).await.unwrap();
        pass(&journal, "s", &live()).await;
        journal.maintain_now().await.unwrap();
    }
    let usage = journal.usage().await.unwrap();
    assert!(!usage.full && !journal.is_full(), "{usage:?}");
    assert!(usage.state_bytes > 6 << 20, "the open alerts alone are larger than the limit: {usage:?}");
    journal.commit(activities("more", 100, "a")).await.unwrap();
    assert_eq!(journal.open_alerts(&uid()).await.unwrap().len(), 3000);
}

/// What counts is about what the file takes, whatever the sizes of pages are.
#[tokio::test]
async fn what_counts_is_what_the_file_takes() {
    for (pages, records) in [(1500, 1), (400, 3), (300, 5), (60, 40), (8, 500)] {
        let place = Place::new();
        let journal = place.open();
        journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
        use_sinks(&journal, &["s"]).await;
        let empty = journal.usage().await.unwrap().state_bytes;
        for n in 0..pages {
            journal.commit(activities(&format!("page{n}"), records, "a")).await.unwrap();
            journal.commit(activities(&format!("held{n}"), records, "b")).await.unwrap();
        }
        let usage = journal.usage().await.unwrap();
        let counted = usage.record_bytes + usage.held_bytes;
        // The keys of the records are state.
        let keys = (pages * records * 2 * 40) as u64;
        let file = (counted + usage.state_bytes).saturating_sub(empty + keys);
        let ratio = counted as f64 / file as f64;
        assert!(
            (0.75..1.3).contains(&ratio),
            "{pages} pages of {records}: {ratio:.2} of what the file takes, {usage:?}"
        );
    }
}

#[tokio::test]
async fn a_full_journal_names_the_true_causes_with_numbers() {
    let mut place = Place::new();
    place.options.max_bytes = 600_000;
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    journal.use_sinks(vec![("siem".into(), StartAt::Oldest), ("fast".into(), StartAt::Oldest)]).await.unwrap();
    let full = async |site: &str, name: &str| {
        let mut n: u64 = 0;
        while journal.commit(activities(&format!("{name}{n}"), 100, site)).await.is_ok() {
            pass(&journal, "fast", &live()).await;
            n += 1;
        }
        n * 100
    };
    let pending = full("a", "page").await;
    let causes = journal.causes().await.unwrap();
    assert_eq!((causes.behind.len(), causes.behind[0].sink.as_str(), causes.behind[0].pending), (1, "siem", pending));
    let text = causes.to_string();
    assert!(text.starts_with(&format!("sink siem is {pending} records behind (the oldest of 2027-")), "{text}");
    assert!(!text.contains("fast") && !text.contains("unmapped") && !text.contains("dead letters"), "{text}");
    assert!(causes.hint().starts_with("mend the sink"), "{}", causes.hint());
    pass(&journal, "siem", &live()).await;
    let held = full("elsewhere", "held").await;
    let causes = journal.causes().await.unwrap();
    let text = causes.to_string();
    let expected =
        format!("1 unmapped sites hold {held} records, {} (site elsewhere of", words::bytes(causes.usage.held_bytes));
    assert!(text.starts_with(&expected), "{text}");
    assert!(!text.contains("behind"), "{text}");
    assert!(causes.hint().starts_with("map the sites: `vintner orgs list`"), "{}", causes.hint());
    assert!(matches!(journal.commit(activities("x", 1, "a")).await, Err(JournalError::Full { .. })));
    assert_eq!(differences(&journal).await, Vec::<String>::new());
}

#[test]
fn each_cause_is_named_with_its_numbers_and_with_what_to_do() {
    let usage = Usage { used: 1000, record_bytes: 390, dead_bytes: 300, dead_letters: 7, ..Usage::default() };
    let usage = Usage { reference_bytes: 200, wal_bytes: 110, held_bytes: 99, held_records: 3, ..usage };
    let causes = Causes { usage, ..Causes::default() };
    assert_eq!(
        causes.to_string(),
        "records that every sink has passed take 390 B; 7 dead letters keep 300 B; references of replays take 200 B; \
         the write-ahead log takes 110 B",
        "what takes less than a tenth is no cause"
    );
    let hints: Vec<_> = causes.hint().split("; or ").map(str::to_owned).collect();
    let starts = [
        "mend the sink",
        "replay or drop dead letters",
        "wait for the replay",
        "close other programs",
        "raise `journal",
    ];
    assert!(hints.iter().zip(starts).all(|(hint, start)| hint.starts_with(start)), "{hints:?}");
    let behind = |sink: &str, pending| Behind { sink: sink.into(), pending, oldest: Some(START) };
    let behind = vec![behind("a", 9), behind("b", 8), behind("c", 7), behind("d", 6)];
    let text = Causes { behind, ..causes }.to_string();
    let oldest = format!("(the oldest of {})", START.to_rfc3339_seconds());
    assert!(
        text.starts_with(&format!("sink a is 9 records behind {oldest}, sink b is 8 records behind {oldest}")),
        "{text}"
    );
    assert!(text.contains(", 1 more sinks are behind: 390 B wait"), "{text}");
}

/// Dead letters of a sink can fill a journal: they are named, and the way out works.
#[tokio::test]
async fn a_journal_full_of_dead_letters_says_so() {
    let mut place = Place::new();
    place.options.max_bytes = 400_000;
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    use_sinks(&journal, &["s"]).await;
    let mut letters = 0;
    for n in 0.. {
        if journal.commit(activities(&format!("page{n}"), 20, "a")).await.is_err() {
            break;
        }
        while let Some(attempt) = journal.read("s", &live(), MANY).await.unwrap() {
            letters += attempt.items.len();
            let dead = attempt.items.iter().map(|item| Refused {
                place: item.place.clone(),
                replay: 0,
                kind: RefusedKind::Refused,
                reason: "too large".into(),
                among: Vec::new(),
            });
            let (from, to, version) = (attempt.from, attempt.to, attempt.directory.version);
            let dead = dead.collect();
            let settlement =
                Settlement { sink: "s".into(), partition: live(), from, to, version, sent: 0, skipped: 0, dead };
            journal.settle(settlement).await.unwrap();
        }
    }
    let causes = journal.causes().await.unwrap();
    let expected = format!("{letters} dead letters keep {}", words::bytes(causes.usage.dead_bytes));
    assert!(causes.to_string().starts_with(&expected), "{causes}");
    assert!(causes.hint().starts_with("replay or drop dead letters"), "{}", causes.hint());
    let asked = journal.ask(Request::DropDead(DeadLetters::Sink("s".into()))).await.unwrap();
    journal.serve(asked).await.unwrap();
    journal.commit(activities("more", 20, "a")).await.unwrap();
}

/// What is read row by row is read to its end.
#[tokio::test]
async fn a_damaged_held_record_is_found_behind_many_others() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    journal.commit(activities("held", 600, "b")).await.unwrap();
    let damage = "UPDATE held SET record = zeroblob(LENGTH(record)) WHERE seq IN (1, 300, 600)";
    Connection::open(place.path()).unwrap().execute_batch(damage).unwrap();
    let check = journal.check_pages().await.unwrap();
    assert_eq!((check.held, check.problems.len()), (600, 3), "{:?}", check.problems);
    assert!(check.problems[2].contains("record 600"), "{:?}", check.problems);
}

/// `check --journal` finds a counter that is wrong, whichever it is.
#[tokio::test]
async fn a_wrong_counter_is_found() {
    let place = Place::new();
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    use_sinks(&journal, &["s"]).await;
    journal.commit(activities("page", 2, "a")).await.unwrap();
    journal.commit(activities("held", 2, "b")).await.unwrap();
    journal.close().await.unwrap();
    let good = std::fs::read(place.path()).unwrap();
    let damage = [
        "UPDATE counters SET value = value + 1 WHERE name = 'record_bytes'",
        "UPDATE counters SET value = value + 1 WHERE name = 'pinned_bytes'",
        "UPDATE counters SET value = value + 1 WHERE name = 'references'",
        "UPDATE counters SET value = value + 1 WHERE name = 'held'",
        "UPDATE counters SET value = value + 1 WHERE name = 'held_bytes'",
        "UPDATE counters SET value = value + 1 WHERE name = 'letters'",
        "UPDATE counters SET value = value + 1 WHERE name = 'letter_bytes'",
        "UPDATE counters SET value = value + 1 WHERE name = 'rejected'",
        "UPDATE counters SET value = value + 1 WHERE name = 'rejected_bytes'",
        "UPDATE partitions SET records = records + 1 WHERE lane = 'live'",
        "UPDATE held_sites SET records = records + 1",
        "UPDATE held_sites SET bytes = bytes + 1",
        "DELETE FROM held_sites",
        "INSERT INTO holes VALUES (1, (SELECT id FROM partitions WHERE lane = 'live'), 1)",
    ];
    for sql in damage {
        Connection::open(place.path()).unwrap().execute_batch(sql).unwrap();
        let journal = place.open();
        let problems = journal.check_pages().await.unwrap().problems;
        assert!(problems.iter().any(|problem| problem.contains("counter")), "{sql}: {problems:?}");
        journal.close().await.unwrap();
        std::fs::write(place.path(), &good).unwrap();
    }
    assert_eq!(place.open().check_pages().await.unwrap().problems, Vec::<String>::new());
}

#[tokio::test]
async fn a_held_record_whose_site_is_settled_counts_for_that_site() {
    let place = Place::new();
    let journal = place.open();
    let mut page = activities("waits", 2, "b");
    for waiting in &mut page.records {
        waiting.record.envelope.site = SiteRef::Device;
    }
    journal.commit(page).await.unwrap();
    let held = async || -> Vec<_> {
        journal.held().await.unwrap().into_iter().map(|entry| (entry.site, entry.count)).collect()
    };
    assert_eq!(held().await, [(SiteRef::Device, 2)]);
    for (n, settled) in journal.unsettled(&uid(), 0, 9).await.unwrap().into_iter().enumerate() {
        let long = SiteRef::Uid(format!("a site whose uid is longer than before {}", "x".repeat(3000)));
        journal.settle_sites(&uid(), vec![(settled.seq, long.clone())]).await.unwrap();
        assert_eq!(held().await.iter().find(|(site, _)| *site == long), Some(&(long, n as u64 + 1)));
        assert_eq!(differences(&journal).await, Vec::<String>::new());
    }
    assert_eq!(held().await.len(), 1);
}

/// A journal as the version before wrote it: records in two lanes, one of which lost its middle, references, held records, dead
/// letters, open and resolved alerts, one sink that delivers and one that is absent.
fn third_layout(place: &Place) {
    let mut connection = Connection::open(place.path()).unwrap();
    let step = |connection: &mut Connection, sql: &str| connection.execute_batch(sql).unwrap();
    for sql in [
        include_str!("../schema/1.sql"),
        include_str!("../schema/2.sql"),
        include_str!("../schema/3.sql"),
        "PRAGMA application_id = 1986950258; PRAGMA user_version = 3; PRAGMA journal_mode = WAL;",
    ] {
        step(&mut connection, sql);
    }
    let packed = |name: &str| {
        let lines = [0, 1].map(|n| {
            serde_json::to_vec(&record(RecordKind::ActivityDevice, &format!("{name}-{n}"), Marker::Once, "a")).unwrap()
        });
        let lines = [lines[0].as_slice(), b"\n", &lines[1], b"\n"].concat();
        (crate::journal::pack::pack(&lines).unwrap(), lines.len())
    };
    let site = serde_json::to_string(&site("a")).unwrap();
    connection.execute("INSERT INTO meta VALUES ('id', '6f1d3f4e-5a7b-4c0e-9b1a-0c5f2a7d9e10')", []).unwrap();
    connection.execute("INSERT INTO accounts (uid) VALUES (?1)", [uid().as_str()]).unwrap();
    connection.execute("INSERT INTO sites VALUES (1, 'a', ?1)", [site]).unwrap();
    step(
        &mut connection,
        "INSERT INTO partitions (account, lane, head) VALUES (1, 'live', 8), (1, 'held', 2), (1, 'replayed:s', 4);
         INSERT INTO sinks (name, present, missed) VALUES ('s', 1, 0), ('gone', 0, 2);
         INSERT INTO positions (sink, partition, seq) VALUES (1, 1, 6), (2, 1, 1), (1, 3, 1);
         INSERT INTO dead (sink, account, kind, reason, at, partition, seq, replay) VALUES (1, 1, 'refused', 'so', 5, 1, 2, 0);
         INSERT INTO dead_among VALUES (1, 1, 5);
         INSERT INTO refs VALUES (3, 1, 2, 1, 1, 7, 9), (3, 3, 2, 1, 5, 7, 9);",
    );
    // Sequences 3 and 4 were trimmed.
    for (n, first) in [1, 5, 7].into_iter().enumerate() {
        let (blob, bytes) = packed(&format!("page{first}"));
        connection.execute("INSERT INTO blobs (data) VALUES (?1)", [blob]).unwrap();
        let row = (1, first, 2, 1000 + first, bytes, n + 1);
        connection.execute("INSERT INTO batches VALUES (?1, ?2, ?3, ?4, ?5, ?6)", row).unwrap();
    }
    for seq in [1, 2] {
        let held = pack_json(&record(RecordKind::ActivityDevice, &format!("held-{seq}"), Marker::Once, "b")).unwrap();
        let sql = "INSERT INTO held (account, seq, lane, site, taken_at, dated, record) VALUES (1, ?1, 'live', '{\"uid\":\"b\"}', 5, 6, ?2)";
        connection.execute(sql, (seq, held)).unwrap();
    }
    for (name, is_open) in [("open", true), ("resolved", false)] {
        let key = crate::journal::seen::alert_key(&uid(), name);
        let state = crate::journal::state::encode(&super::support::state("a", 1));
        let row = (key, is_open.then_some(name), state);
        connection
            .execute("INSERT INTO alerts (key, account, uid, lane, state) VALUES (?1, 1, ?2, 'live', ?3)", row)
            .unwrap();
        if is_open {
            let source = pack_json(&serde_json::json!({ "alertUid": name })).unwrap();
            connection.execute("INSERT INTO alert_sources VALUES (?1, ?2)", (key, source)).unwrap();
        }
    }
}

#[tokio::test]
async fn a_journal_of_the_layout_before_is_brought_up_to_date_with_its_data() {
    let place = Place::new();
    third_layout(&place);
    let journal = place.open();
    assert_eq!(journal.check_pages().await.unwrap().problems, Vec::<String>::new());
    let pending = |backlog: Vec<crate::journal::Backlog>| {
        backlog
            .iter()
            .map(|entry| (entry.partition.lane.as_str(), entry.pending, entry.oldest.map(|at| at.0)))
            .collect::<Vec<_>>()
    };
    assert_eq!(pending(journal.backlog("s").await.unwrap()), [("live", 2, Some(1007)), ("replayed", 3, Some(9))]);
    let usage = journal.usage().await.unwrap();
    assert_eq!((usage.held_records, usage.dead_letters), (2, 1));
    assert!(usage.record_bytes > 0 && usage.held_bytes > 0 && usage.dead_bytes > usage.record_bytes, "{usage:?}");
    let held = journal.held().await.unwrap();
    assert_eq!((held.len(), held[0].count, held[0].oldest.0), (1, 2, 5));
    assert_eq!(journal.last_source(&uid(), "open").await.unwrap().unwrap().get(), r#"{"alertUid":"open"}"#);
    assert_eq!(journal.last_source(&uid(), "resolved").await.unwrap().map(|source| source.get().to_owned()), None);
    // The absent sink misses what was trimmed; back again, it reads the rest.
    use_sinks(&journal, &["s", "gone"]).await;
    assert_eq!(pending(journal.backlog("gone").await.unwrap()), [("live", 5, Some(1001))]);
    assert_eq!(pass(&journal, "gone", &live()).await, 5);
    assert_eq!(pending(journal.backlog("gone").await.unwrap()), [("live", 0, None)]);
    assert_eq!(journal.check_pages().await.unwrap().problems, Vec::<String>::new());
}
