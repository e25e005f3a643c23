//! Reading everything: `vintner check --journal`.

use rusqlite::Connection;

use crate::journal::JournalError;
use crate::journal::batches::{self, Batch};
use crate::journal::counters;
use crate::journal::fail::{Done, Fail};
use crate::journal::pack;
use crate::journal::sqlite::Journal;
use crate::journal::state;
use crate::journal::tx::rows;
use crate::record::Record;

/// Rows that one read transaction goes through: a long one would keep the write-ahead log from being cut.
const AT_ONCE: usize = 256;
/// More problems than this are not listed: the first ones say enough.
const MOST_PROBLEMS: usize = 100;

/// What reading everything found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageCheck {
    /// Batches that were read.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Held records that were read.
    pub held: u64,
    /// What is wrong, at most a hundred; empty means that the journal is sound.
    pub problems: Vec<String>,
}

impl Journal {
    /// Checks the structure of the file and reads every record, state and device, each against its checksum. It takes as long as
    /// reading the file takes; others go on meanwhile.
    pub async fn check_pages(&self) -> Result<PageCheck, JournalError> {
        let mut check =
            PageCheck { problems: self.look(|view| structure(view.connection)).await?, ..PageCheck::default() };
        let mut after = (0, 0);
        while check.problems.len() < MOST_PROBLEMS {
            let some = self.look(move |view| some_batches(view.connection, after)).await?;
            let Some(last) = some.last else { break };
            after = last;
            check.batches = check.batches.saturating_add(some.batches);
            check.records = check.records.saturating_add(some.records);
            check.problems.extend(some.problems);
        }
        check.problems.extend(self.look(|view| counters::differences(view.connection)).await?);
        for other in [Other::Held, Other::Alert, Other::Device] {
            let mut after = i64::MIN;
            while check.problems.len() < MOST_PROBLEMS {
                let some = self.look(move |view| some_others(view.connection, other, after)).await?;
                check.held = check.held.saturating_add(if other == Other::Held { some.rows } else { 0 });
                check.problems.extend(some.problems);
                let Some(last) = some.last else { break };
                after = last;
            }
        }
        check.problems.truncate(MOST_PROBLEMS);
        Ok(check)
    }
}

#[derive(Default)]
struct Part {
    last: Option<(i64, u64)>,
    batches: u64,
    records: u64,
    problems: Vec<String>,
}

/// SQLite's own check, and blobs that no batch names.
fn structure(connection: &Connection) -> Done<Vec<String>> {
    let mut found = rows(connection, "PRAGMA integrity_check(100)", [], |row| row.get::<_, String>(0))?;
    found.retain(|line| line != "ok");
    let orphans =
        rows(connection, "SELECT id FROM blobs WHERE id NOT IN (SELECT blob FROM batches) LIMIT 10", [], |row| {
            row.get::<_, i64>(0)
        })?;
    found.extend(orphans.into_iter().map(|id| format!("blob {id} belongs to no batch")));
    Ok(found)
}

fn some_batches(connection: &Connection, after: (i64, u64)) -> Done<Part> {
    let sql = "SELECT partition, first_seq, count, taken_at, bytes, blob FROM batches
        WHERE (partition, first_seq) > (?1, ?2) ORDER BY partition, first_seq LIMIT ?3";
    let found = rows(connection, sql, (after.0, after.1, AT_ONCE), batches::batch)?;
    let mut some = Part { last: found.last().map(|batch: &Batch| (batch.partition, batch.first)), ..Part::default() };
    for batch in found {
        some.batches = some.batches.saturating_add(1);
        match batches::read(connection, &batch) {
            Ok(records) => some.records = some.records.saturating_add(u64::try_from(records.len()).unwrap_or(u64::MAX)),
            Err(Fail::Damaged(what)) => some.problems.push(what),
            Err(fail) => return Err(fail),
        }
    }
    Ok(some)
}

/// What is read row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Other {
    Held,
    Alert,
    Device,
}

#[derive(Default)]
struct Rows {
    last: Option<i64>,
    rows: u64,
    problems: Vec<String>,
}

/// Some held records, alert states or devices.
fn some_others(connection: &Connection, other: Other, after: i64) -> Done<Rows> {
    let sql = match other {
        Other::Held => {
            "SELECT rowid, 'account ' || account || '/held, record ' || seq, record FROM held WHERE rowid > ?1 ORDER BY rowid LIMIT ?2"
        }
        Other::Alert => "SELECT rowid, hex(key), state FROM alerts WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
        Other::Device => "SELECT rowid, 'device ' || uid, device FROM devices WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
    };
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = statement.query((after, AT_ONCE))?;
    let mut some = Rows::default();
    while let Some(row) = found.next()? {
        some.last = Some(row.get(0)?);
        some.rows = some.rows.saturating_add(1);
        let name: String = row.get(1)?;
        let bytes = row.get_ref(2)?.as_blob().unwrap_or_default();
        let failed = match other {
            Other::Held => pack::unpack_json::<Record>(bytes, || name.clone()).err(),
            Other::Alert => state::decode(bytes).err().map(|_| Fail::damaged(format!("the state of alert {name}"))),
            Other::Device => pack::unpack_json::<crate::inventory::Device>(bytes, || name.clone()).err(),
        };
        some.problems.extend(failed.map(|fail| match fail {
            Fail::Damaged(what) => what,
            Fail::Conflict | Fail::Full { .. } | Fail::Sql(_) => "unreadable".to_owned(),
        }));
    }
    Ok(some)
}
