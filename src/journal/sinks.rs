//! The sinks that the journal knows, where each starts and how far each has come.

use rusqlite::Connection;
use uuid::Uuid;

use crate::journal::batches;
use crate::journal::fail::{Done, Fail};
use crate::journal::holes;
use crate::journal::partitions::{self, Stored, lane_name, lane_of};
use crate::journal::replay;
use crate::journal::sqlite::Journal;
use crate::journal::tx::{Tx, first, rows};
use crate::journal::{Backlog, JournalError, Lane, Partition, StartAt};

/// How a sink comes into use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkOpening {
    /// Its configured name.
    pub name: String,
    /// Records that were trimmed while it was not configured; told once.
    pub missed: u64,
    /// The journal never saw it before.
    pub new: bool,
}

/// The id of a sink that is not stored: nothing refers to it.
const NO_SINK: i64 = -1;

/// A stored sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sink {
    pub(super) id: i64,
    pub(super) name: String,
}

impl Journal {
    /// Says which sinks are configured from now on. All others are absent: they hold nothing back, and what is trimmed meanwhile
    /// counts as missed. The deliverer of a sink that leaves must have ended before.
    pub async fn use_sinks(&self, sinks: Vec<(String, StartAt)>) -> Result<Vec<SinkOpening>, JournalError> {
        self.write(move |tx| configure(tx, &sinks)).await
    }

    /// How a sink stands in each of its partitions, replays included. It costs as much as there are partitions, however much waits.
    pub async fn backlog(&self, sink: &str) -> Result<Vec<Backlog>, JournalError> {
        let name = sink.to_owned();
        self.look(move |view| backlogs(view.connection, &name)).await
    }

    /// What waits for a configured sink that no instance has used yet, or not lately: everything that it would read from where it stood,
    /// or from `start`.
    pub async fn backlog_from(&self, sink: &str, start: StartAt) -> Result<Vec<Backlog>, JournalError> {
        let name = sink.to_owned();
        self.look(move |view| {
            let known = first(view.connection, "SELECT id FROM sinks WHERE name = ?1", [&name], |row| row.get(0))?;
            if known.is_none() && start == StartAt::Now {
                return Ok(Vec::new());
            }
            let sink = Sink { id: known.unwrap_or(NO_SINK), name };
            let partitions = list(view.connection, &sink)?.into_iter();
            partitions.map(|(stored, partition)| backlog(view.connection, &sink, stored, partition)).collect()
        })
        .await
    }

    /// The stored positions of a sink with the id of the Kafka batch that moved each. A partition in which nothing was ever
    /// delivered has none.
    pub async fn positions(&self, sink: &str) -> Result<Vec<(Partition, u64, Option<Uuid>)>, JournalError> {
        let name = sink.to_owned();
        self.look(move |view| stored_positions(view.connection, &present(view.connection, &name)?)).await
    }
}

/// Makes these sinks the configured ones.
pub(super) fn configure(tx: &Tx<'_>, sinks: &[(String, StartAt)]) -> Done<Vec<SinkOpening>> {
    let stored = rows(tx.connection, "SELECT name FROM sinks WHERE present = 1", [], |row| row.get(0))?;
    for name in stored {
        let name: String = name;
        if !sinks.iter().any(|(wanted, _)| *wanted == name) {
            tx.execute("UPDATE sinks SET present = 0 WHERE name = ?1", [name])?;
        }
    }
    sinks.iter().map(|(name, start)| open(tx, name, *start)).collect()
}

/// The configured sink of that name, if one is.
pub(super) fn find(connection: &Connection, name: &str) -> Done<Option<Sink>> {
    let sql = "SELECT id, name FROM sinks WHERE name = ?1 AND present = 1";
    first(connection, sql, [name], |row| Ok(Sink { id: row.get(0)?, name: row.get(1)? }))
}

/// The same; without one the caller works from something that is gone.
pub(super) fn present(connection: &Connection, name: &str) -> Done<Sink> {
    find(connection, name)?.ok_or(Fail::Conflict)
}

/// The last sequence that a sink has passed in a partition, or where it started.
pub(super) fn position(connection: &Connection, sink: &Sink, partition: i64) -> Done<u64> {
    let sql = "SELECT COALESCE((SELECT seq FROM positions WHERE sink = ?1 AND partition = ?2),
        (SELECT seq FROM starts WHERE sink = ?1 AND partition = ?2), 0)";
    Ok(first(connection, sql, (sink.id, partition), |row| row.get(0))?.unwrap_or(0))
}

/// See [`Journal::backlog`].
pub(super) fn backlogs(connection: &Connection, name: &str) -> Done<Vec<Backlog>> {
    // A sink that no instance has opened yet has nothing before it that could be counted.
    let Some(sink) = find(connection, name)? else { return Ok(Vec::new()) };
    let all = list(connection, &sink)?;
    all.into_iter().map(|(stored, partition)| backlog(connection, &sink, stored, partition)).collect()
}

/// Moves a position.
pub(super) fn move_to(tx: &Tx<'_>, sink: &Sink, partition: i64, seq: u64, id: Option<Uuid>) -> Done<()> {
    let sql = "INSERT OR REPLACE INTO positions (sink, partition, seq, id) VALUES (?1, ?2, ?3, ?4)";
    tx.execute(sql, (sink.id, partition, seq, id.map(Uuid::into_bytes))).map(drop)
}

/// Every stored position.
pub(super) fn stored_positions(connection: &Connection, sink: &Sink) -> Done<Vec<(Partition, u64, Option<Uuid>)>> {
    let sql = "SELECT partition, seq, id FROM positions WHERE sink = ?1 ORDER BY partition";
    let found = rows(connection, sql, [sink.id], |row| {
        let id: Option<[u8; 16]> = row.get(2)?;
        Ok((row.get(0)?, row.get(1)?, id.map(Uuid::from_bytes)))
    })?;
    let name = |(partition, seq, id)| Ok((partitions::named(connection, partition)?, seq, id));
    found.into_iter().map(name).collect()
}

/// The partitions that a sink reads.
pub(super) fn list(connection: &Connection, sink: &Sink) -> Done<Vec<(Stored, Partition)>> {
    let sql = "SELECT p.id, p.head, p.lane, a.uid FROM partitions p JOIN accounts a ON a.id = p.account
        WHERE p.lane IN ('live', 'backfill', ?1) ORDER BY a.uid, p.id";
    let found = rows(connection, sql, [lane_name(Lane::Replayed, &sink.name)], |row| {
        let stored = Stored { id: row.get(0)?, head: row.get(1)? };
        Ok((stored, row.get::<_, String>(2)?, row.get::<_, String>(3)?))
    })?;
    let name = |(stored, lane, uid): (Stored, String, String)| {
        let account = crate::record::AccountUid::new(&uid);
        lane_of(&lane).map(|lane| (stored, Partition { account, lane }))
    };
    Ok(found.into_iter().filter_map(name).collect())
}

fn open(tx: &Tx<'_>, name: &str, start: StartAt) -> Done<SinkOpening> {
    let sql = "SELECT id, present, missed FROM sinks WHERE name = ?1";
    let stored = first(tx.connection, sql, [name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let name = name.to_owned();
    match stored {
        Some((_, true, _)) => Ok(SinkOpening { name, missed: 0, new: false }),
        Some((id, false, missed)) => {
            let id: i64 = id;
            tx.execute("UPDATE sinks SET present = 1, missed = 0 WHERE id = ?1", [id])?;
            Ok(SinkOpening { name, missed, new: false })
        }
        None => {
            tx.execute("INSERT INTO sinks (name, present, missed) VALUES (?1, 1, 0)", [&name])?;
            let sink = Sink { id: tx.connection.last_insert_rowid(), name };
            store_start(tx, &sink, start)?;
            Ok(SinkOpening { name: sink.name, missed: 0, new: true })
        }
    }
}

/// Where a new sink starts, kept apart from its position: for Kafka a position means that Kafka has one too (model rule
/// `start-apart`). Partitions that come later are read from their beginning.
fn store_start(tx: &Tx<'_>, sink: &Sink, start: StartAt) -> Done<()> {
    for (stored, _) in list(tx.connection, sink)? {
        let seq = match start {
            StartAt::Now => stored.head,
            StartAt::Oldest => {
                let sql = "SELECT MIN(first_seq) FROM batches WHERE partition = ?1";
                let oldest: Option<u64> = first(tx.connection, sql, [stored.id], |row| row.get(0))?.flatten();
                oldest.map_or(stored.head, |oldest| oldest.saturating_sub(1))
            }
        };
        tx.execute("INSERT INTO starts (sink, partition, seq) VALUES (?1, ?2, ?3)", (sink.id, stored.id, seq))?;
        if start == StartAt::Oldest {
            let there = partitions::records(tx.connection, stored.id)?;
            holes::add(tx, sink.id, stored.id, stored.head.saturating_sub(seq).saturating_sub(there))?;
        }
    }
    Ok(())
}

fn backlog(connection: &Connection, sink: &Sink, stored: Stored, partition: Partition) -> Done<Backlog> {
    let position = position(connection, sink, stored.id)?;
    let mut backlog = Backlog { partition, position, head: stored.head, pending: 0, oldest: None };
    if position >= stored.head {
        return Ok(backlog);
    }
    backlog.pending = stored.head.saturating_sub(position).saturating_sub(holes::of(connection, sink, stored.id)?);
    let next = position.saturating_add(1);
    backlog.oldest = match backlog.partition.lane {
        Lane::Live | Lane::Backfill => {
            batches::list(connection, stored.id, next, 1)?.first().map(|batch| batch.taken_at)
        }
        Lane::Replayed => replay::pending(connection, stored.id, position, 1)?.first().map(|run| run.asked_at),
    };
    Ok(backlog)
}
