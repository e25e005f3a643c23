//! Counts that are kept, so that nobody has to count: maintained by the schema's triggers in the transaction that changes what
//! they count, and compared with a recount by `vintner check --journal`.

use rusqlite::Connection;

use crate::journal::fail::{Done, Fail};
use crate::journal::tx::{first, rows};

/// The journal's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Room of all batches.
    pub(super) record_bytes: u64,
    /// Room of the batches that dead letters need.
    pub(super) pinned_bytes: u64,
    /// Runs of references.
    pub(super) references: u64,
    /// Held records.
    pub(super) held: u64,
    /// Their room.
    pub(super) held_bytes: u64,
    /// Dead letters.
    pub(super) letters: u64,
    /// Their room, without the batches of their records.
    pub(super) letter_bytes: u64,
    /// Of the dead letters, items that no record could be made of.
    pub(super) rejected: u64,
    /// Their room.
    pub(super) rejected_bytes: u64,
    /// Such letters that left for newer ones.
    pub(super) rejected_dropped: u64,
}

/// Each counter by its stored name, with the query that counts anew.
const RECOUNTS: [(&str, &str); 9] = [
    ("record_bytes", "SELECT COALESCE(SUM(room), 0) FROM batches"),
    ("pinned_bytes", "SELECT COALESCE(SUM(room), 0) FROM batches WHERE letters > 0"),
    ("references", "SELECT COUNT(*) FROM refs"),
    ("held", "SELECT COUNT(*) FROM held"),
    ("held_bytes", "SELECT COALESCE(SUM(room), 0) FROM held"),
    ("letters", "SELECT COUNT(*) FROM dead"),
    ("letter_bytes", "SELECT COALESCE(SUM(room), 0) FROM dead"),
    ("rejected", "SELECT COUNT(*) FROM dead WHERE sink IS NULL"),
    ("rejected_bytes", "SELECT COALESCE(SUM(room), 0) FROM dead WHERE sink IS NULL"),
];

/// Counts that stand in rows: what is wrong with each, by queries that give a name, the stored and the recounted number.
const ROW_RECOUNTS: [&str; 5] = [
    "SELECT 'records of partition ' || id, records, there FROM (SELECT id, records,
       (SELECT COALESCE(SUM(count), 0) FROM batches b WHERE b.partition = p.id) AS there FROM partitions p) WHERE records <> there",
    "SELECT 'letters of batch ' || partition || '/' || first_seq, letters, there FROM (SELECT partition, first_seq, letters,
       (SELECT COUNT(*) FROM dead d WHERE d.sink IS NOT NULL AND d.partition = b.partition
         AND d.seq BETWEEN b.first_seq AND b.first_seq + b.count - 1)
       + (SELECT COUNT(*) FROM dead_among m WHERE m.partition = b.partition
         AND m.seq BETWEEN b.first_seq AND b.first_seq + b.count - 1) AS there FROM batches b) WHERE letters <> there",
    "SELECT 'held records of account ' || account || ', site ' || site, SUM(kept), SUM(there) FROM (
       SELECT account, site, records AS kept, 0 AS there FROM held_sites
       UNION ALL SELECT account, site, 0, COUNT(*) FROM held GROUP BY account, site) GROUP BY account, site
       HAVING SUM(kept) <> SUM(there)",
    "SELECT 'held bytes of account ' || account || ', site ' || site, SUM(kept), SUM(there) FROM (
       SELECT account, site, bytes AS kept, 0 AS there FROM held_sites
       UNION ALL SELECT account, site, 0, SUM(room) FROM held GROUP BY account, site) GROUP BY account, site
       HAVING SUM(kept) <> SUM(there)",
    "SELECT 'records that wait for sink ' || name || ' in partition ' || partition, kept, there FROM (
       SELECT name, partition, head - position - COALESCE((SELECT records FROM holes h
           WHERE h.sink = o.sink AND h.partition = o.partition), 0) AS kept,
         (SELECT COALESCE(SUM(first_seq + count - MAX(first_seq, position + 1)), 0) FROM batches b
           WHERE b.partition = o.partition AND first_seq + count - 1 > position)
         + (SELECT COALESCE(SUM(first_seq + count - MAX(first_seq, position + 1)), 0) FROM refs r
           WHERE r.partition = o.partition AND first_seq + count - 1 > position) AS there
       FROM (SELECT s.id AS sink, s.name AS name, p.id AS partition, p.head AS head, COALESCE(q.seq, t.seq, 0) AS position
         FROM sinks s JOIN partitions p ON p.lane IN ('live', 'backfill', 'replayed:' || s.name)
         LEFT JOIN positions q ON q.sink = s.id AND q.partition = p.id
         LEFT JOIN starts t ON t.sink = s.id AND t.partition = p.id) o) WHERE kept <> there",
];

/// All counters; a few rows, whatever the journal holds.
pub(super) fn read(connection: &Connection) -> Done<Counters> {
    let mut counters = Counters::default();
    let found = rows(connection, "SELECT name, value FROM counters", [], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
    })?;
    for (name, value) in found {
        let value = u64::try_from(value).map_err(|_| Fail::damaged(format!("the counter `{name}` is {value}")))?;
        let counter = match name.as_str() {
            "record_bytes" => &mut counters.record_bytes,
            "pinned_bytes" => &mut counters.pinned_bytes,
            "references" => &mut counters.references,
            "held" => &mut counters.held,
            "held_bytes" => &mut counters.held_bytes,
            "letters" => &mut counters.letters,
            "letter_bytes" => &mut counters.letter_bytes,
            "rejected" => &mut counters.rejected,
            "rejected_bytes" => &mut counters.rejected_bytes,
            "rejected_dropped" => &mut counters.rejected_dropped,
            _ => continue,
        };
        *counter = value;
    }
    Ok(counters)
}

/// Counts everything anew; what does not agree, for people.
pub(super) fn differences(connection: &Connection) -> Done<Vec<String>> {
    let mut found = Vec::new();
    for (name, sql) in RECOUNTS {
        let stored: Option<i64> =
            first(connection, "SELECT value FROM counters WHERE name = ?1", [name], |row| row.get(0))?;
        let counted: Option<i64> = first(connection, sql, [], |row| row.get(0))?;
        if stored != counted {
            let (stored, counted) = (stored.unwrap_or_default(), counted.unwrap_or_default());
            found.push(format!("the counter `{name}` is {stored}, counted are {counted}"));
        }
    }
    for sql in ROW_RECOUNTS {
        let differing = rows(connection, sql, [], |row| {
            let (what, kept, counted): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(format!("the counter of {what} is {kept}, counted are {counted}"))
        })?;
        found.extend(differing);
    }
    Ok(found)
}
