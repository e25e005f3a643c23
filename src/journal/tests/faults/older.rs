//! Journals of every older layout, with records in them: rows of the newest one in the tables of the older one.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use crate::clock::Clock;
use crate::journal::sqlite::{Journal, Options};
use crate::journal::tests::support::{MANY, START, activities, live, settlement, site, uid, use_sinks};
use crate::journal::{BatchLimit, Page};

/// Every layout that came before the newest one.
pub(in crate::journal::tests) const LAYOUTS: std::ops::RangeInclusive<usize> = 1..=5;

/// Records of [`filled`]; the sink `s` has passed half of them.
pub(in crate::journal::tests) const RECORDS: usize = 20;

const STEPS: [&str; 5] = [
    include_str!("../../schema/1.sql"),
    include_str!("../../schema/2.sql"),
    include_str!("../../schema/3.sql"),
    include_str!("../../schema/4.sql"),
    include_str!("../../schema/5.sql"),
];

/// Makes a journal of the newest layout with [`RECORDS`] records named `old-<n>`.
pub(super) fn filled(path: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options =
            Options { retain: Duration::from_secs(3600), max_bytes: 1 << 30, hold_for: Duration::from_secs(3600) };
        let journal = Journal::open(path, options, Clock::manual(START)).unwrap();
        journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
        use_sinks(&journal, &["s"]).await;
        let all = activities("old", RECORDS, "a").records;
        for some in all.chunks(RECORDS / 4) {
            journal.commit(Page { records: some.to_vec(), ..activities("old", 0, "a") }).await.unwrap();
        }
        let half = BatchLimit { records: RECORDS / 2, ..MANY };
        let attempt = journal.read("s", &live(), half).await.unwrap().unwrap();
        assert_eq!(attempt.items.len(), RECORDS / 2);
        journal.settle(settlement(&attempt, "s", &live())).await.unwrap();
        journal.close().await.unwrap();
    });
}

/// Makes a journal of an older layout at `path`, with the rows of the one at `newest` that it has columns for.
pub(in crate::journal::tests) fn layout(newest: &Path, path: &Path, layout: usize) {
    let connection = Connection::open(path).unwrap();
    for step in &STEPS[..layout] {
        connection.execute_batch(step).unwrap();
    }
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    // They would count the rows a second time.
    let triggers = texts("SELECT sql FROM sqlite_schema WHERE type = 'trigger'");
    for name in texts("SELECT name FROM sqlite_schema WHERE type = 'trigger'") {
        connection.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    connection.execute("ATTACH ?1 AS newest", [newest.to_str().unwrap()]).unwrap();
    for table in texts("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'") {
        let columns = texts(&format!(
            "SELECT name FROM pragma_table_info('{table}', 'main') INTERSECT SELECT name FROM pragma_table_info('{table}', 'newest')"
        ));
        if !columns.is_empty() {
            let columns = columns.join(", ");
            let copy = format!("INSERT OR REPLACE INTO main.{table} ({columns}) SELECT {columns} FROM newest.{table}");
            connection.execute_batch(&copy).unwrap();
        }
    }
    connection.execute_batch("DETACH newest").unwrap();
    if !texts("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name = 'counters'").is_empty() {
        // Counters that a later layout brings.
        connection.execute_batch("DELETE FROM counters WHERE name LIKE 'rejected%'").unwrap();
    }
    for trigger in triggers {
        connection.execute_batch(&trigger).unwrap();
    }
    connection.pragma_update(None, "application_id", 0x766e_7472).unwrap();
    connection.pragma_update(None, "user_version", i64::try_from(layout).unwrap()).unwrap();
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
}
