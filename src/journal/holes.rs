//! What is missing behind a sink's position: sequences that were trimmed while the sink was absent. Sequences are given out without
//! gaps, so what waits for a sink is known without counting: what lies between its position and the head, without these.

use rusqlite::Connection;

use crate::journal::fail::Done;
use crate::journal::sinks::Sink;
use crate::journal::tx::{Tx, first};

/// How many sequences of a partition are missing behind the sink's position.
pub(super) fn of(connection: &Connection, sink: &Sink, partition: i64) -> Done<u64> {
    let sql = "SELECT records FROM holes WHERE sink = ?1 AND partition = ?2";
    Ok(first(connection, sql, (sink.id, partition), |row| row.get(0))?.unwrap_or(0))
}

/// Counts sequences behind the position that are gone.
pub(super) fn add(tx: &Tx<'_>, sink: i64, partition: i64, records: u64) -> Done<()> {
    if records == 0 {
        return Ok(());
    }
    let sql = "INSERT INTO holes (sink, partition, records) VALUES (?1, ?2, ?3)
        ON CONFLICT (sink, partition) DO UPDATE SET records = records + excluded.records";
    tx.execute(sql, (sink, partition, records)).map(drop)
}

/// The position moves from `from` to `to`: what is missing between them lies behind it no more. To be called before anything that
/// lies there is removed. It reads the rows of what is passed, and only if something is missing at all.
pub(super) fn pass(tx: &Tx<'_>, sink: &Sink, partition: i64, from: u64, to: u64) -> Done<()> {
    let missing = of(tx.connection, sink, partition)?;
    if missing == 0 {
        return Ok(());
    }
    // A partition has batches or references, never both.
    let there = there(tx, "batches", partition, from, to)?.saturating_add(there(tx, "refs", partition, from, to)?);
    let left = missing.saturating_sub(to.saturating_sub(from).saturating_sub(there));
    if left == 0 {
        return tx.execute("DELETE FROM holes WHERE sink = ?1 AND partition = ?2", (sink.id, partition)).map(drop);
    }
    let sql = "UPDATE holes SET records = ?3 WHERE sink = ?1 AND partition = ?2";
    tx.execute(sql, (sink.id, partition, left)).map(drop)
}

/// How many sequences behind `from`, up to `to`, are there.
fn there(tx: &Tx<'_>, table: &str, partition: i64, from: u64, to: u64) -> Done<u64> {
    let sql = format!(
        "SELECT COALESCE(SUM(MAX(0, MIN(first_seq + count - 1, ?3) - MAX(first_seq, ?2 + 1) + 1)), 0) FROM {table}
         WHERE partition = ?1 AND first_seq <= ?3 AND first_seq >= COALESCE(
           (SELECT MAX(first_seq) FROM {table} WHERE partition = ?1 AND first_seq <= ?2), 0)"
    );
    Ok(first(tx.connection, &sql, (partition, from, to), |row| row.get(0))?.unwrap_or(0))
}
