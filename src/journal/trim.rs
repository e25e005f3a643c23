//! What may go: delivered records that are old, keys that the API no longer shows, held records that nobody mapped.

use rusqlite::Connection;

use crate::clock::Millis;
use crate::journal::batches::{self, Batch};
use crate::journal::coverage::{self, Span};
use crate::journal::fail::Done;
use crate::journal::held::{self, read_site};
use crate::journal::intent;
use crate::journal::partitions;
use crate::journal::replay;
use crate::journal::seen;
use crate::journal::sinks::{self, Sink};
use crate::journal::space;
use crate::journal::sqlite::Journal;
use crate::journal::tx::{Tx, rows};
use crate::journal::{JournalError, Place};
use crate::record::{AccountUid, SiteRef};

/// Batches that one transaction removes at most, so that collectors and deliverers wait for a moment only.
const AT_ONCE: usize = 1024;

/// What maintenance did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintenance {
    /// Records that went: old, or before their time since the journal was full.
    pub trimmed: u64,
    /// Held records that nobody mapped in time, by account and site.
    pub expired: Vec<(AccountUid, SiteRef, u64)>,
    /// Records that sinks missed which are not configured.
    pub missed: u64,
    /// The write-ahead log was written back and cut.
    pub wal_truncated: bool,
}

/// What one round of trimming did.
#[derive(Clone, Copy, Debug, Default)]
struct Trimmed {
    batches: usize,
    records: u64,
    missed: u64,
}

/// How old a batch must be.
#[derive(Clone, Copy)]
enum Age {
    /// Taken in at this time or earlier.
    At(Millis),
    /// Any: the journal is full.
    Any,
}

impl Journal {
    /// Drops what is too old, makes room if the journal is full, cuts the write-ahead log. To be called every few seconds.
    pub async fn maintain(&self) -> Result<Maintenance, JournalError> {
        let mut done = Maintenance { expired: self.write(expire).await?, ..Maintenance::default() };
        self.write(seen::trim).await?;
        loop {
            let round = self.write(round).await?;
            done.trimmed = done.trimmed.saturating_add(round.records);
            done.missed = done.missed.saturating_add(round.missed);
            if round.batches == 0 {
                break;
            }
        }
        done.wal_truncated = self.shorten_wal().await?;
        Ok(done)
    }
}

/// Makes room for a page in its own transaction: what every sink has passed goes before its time, oldest first (model rule
/// `retain-yields`). A hundredth of the limit is freed, so that not every page has to.
pub(super) fn early(tx: &Tx<'_>) -> Done<()> {
    remove_until_loose(tx).map(drop)
}

fn round(tx: &Tx<'_>) -> Done<Trimmed> {
    let old = tx.now().minus(tx.ground.options.retain);
    let mut done = Trimmed::default();
    for batch in trimmable(tx.connection, Age::At(old), AT_ONCE)? {
        remove(tx, &batch, &mut done)?;
    }
    let full = space::used(tx.connection, &tx.ground.path)? >= tx.ground.options.max_bytes;
    if done.batches > 0 || !full { Ok(done) } else { remove_until_loose(tx) }
}

fn remove_until_loose(tx: &Tx<'_>) -> Done<Trimmed> {
    let limit = tx.ground.options.max_bytes;
    let loose = limit.saturating_sub(limit / 100);
    let mut done = Trimmed::default();
    for batch in trimmable(tx.connection, Age::Any, AT_ONCE)? {
        if space::used(tx.connection, &tx.ground.path)? < loose {
            break;
        }
        remove(tx, &batch, &mut done)?;
    }
    Ok(done)
}

fn remove(tx: &Tx<'_>, batch: &Batch, done: &mut Trimmed) -> Done<()> {
    done.missed = done.missed.saturating_add(purge(tx, batch)?);
    batches::remove(tx, batch)?;
    done.batches = done.batches.saturating_add(1);
    done.records = done.records.saturating_add(batch.count);
    Ok(())
}

fn expire(tx: &Tx<'_>) -> Done<Vec<(AccountUid, SiteRef, u64)>> {
    let dropped = held::expire(tx, tx.now().minus(tx.ground.options.hold_for))?;
    let mut expired = Vec::with_capacity(dropped.len());
    for ((account, site), (count, from, to)) in dropped {
        coverage::add_gap(tx, account, &site, Span { from, to }, count)?;
        expired.push((partitions::account_uid(tx.connection, account)?, read_site(&site)?, count));
    }
    Ok(expired)
}

/// Batches, oldest first, that every configured sink is past (model rule `trim-slow`) and that neither a reference nor a dead letter
/// of one needs (`trim-refs`). Without a configured sink there are none.
fn trimmable(connection: &Connection, age: Age, most: usize) -> Done<Vec<Batch>> {
    let sql = "WITH passed AS (
        SELECT p.id AS partition, MIN(COALESCE(o.seq, t.seq, 0)) AS seq
        FROM partitions p JOIN sinks s ON s.present = 1
        LEFT JOIN positions o ON o.sink = s.id AND o.partition = p.id
        LEFT JOIN starts t ON t.sink = s.id AND t.partition = p.id
        WHERE p.lane IN ('live', 'backfill') GROUP BY p.id)
        SELECT b.partition, b.first_seq, b.count, b.taken_at, b.bytes, b.blob
        FROM passed JOIN batches b ON b.partition = passed.partition AND b.first_seq <= passed.seq
        WHERE b.first_seq + b.count - 1 <= passed.seq AND b.taken_at <= ?1
        AND NOT EXISTS (SELECT 1 FROM dead d WHERE d.sink IN (SELECT id FROM sinks WHERE present = 1)
          AND d.partition = b.partition AND d.seq BETWEEN b.first_seq AND b.first_seq + b.count - 1)
        AND NOT EXISTS (SELECT 1 FROM dead_among m JOIN dead d ON d.id = m.dead
          WHERE d.sink IN (SELECT id FROM sinks WHERE present = 1)
          AND m.partition = b.partition AND m.seq BETWEEN b.first_seq AND b.first_seq + b.count - 1)
        AND NOT EXISTS (SELECT 1 FROM refs r JOIN partitions q ON q.id = r.partition
          JOIN sinks s ON q.lane = 'replayed:' || s.name AND s.present = 1
          WHERE r.place = b.partition AND r.place_seq BETWEEN b.first_seq AND b.first_seq + b.count - 1)
        ORDER BY b.taken_at, b.blob LIMIT ?2";
    let before = match age {
        Age::At(time) => time.0,
        Age::Any => i64::MAX,
    };
    rows(connection, sql, (before, most), batches::batch)
}

/// Removes what absent sinks still have of a batch, and counts what they miss by it (model rule `purge`).
fn purge(tx: &Tx<'_>, batch: &Batch) -> Done<u64> {
    let absent = rows(tx.connection, "SELECT id, name FROM sinks WHERE present = 0", [], |row| {
        Ok(Sink { id: row.get(0)?, name: row.get(1)? })
    })?;
    let mut all: u64 = 0;
    for sink in absent {
        let missed = purge_sink(tx, &sink, batch)?;
        tx.execute("UPDATE sinks SET missed = missed + ?2 WHERE id = ?1 AND ?2 > 0", (sink.id, missed))?;
        all = all.saturating_add(missed);
    }
    Ok(all)
}

fn purge_sink(tx: &Tx<'_>, sink: &Sink, batch: &Batch) -> Done<u64> {
    let (partition, first, last) = (batch.partition, batch.first, batch.last());
    let position = sinks::position(tx.connection, sink, partition)?;
    let unread = last.saturating_sub(position.max(first.saturating_sub(1)));
    let sql = "DELETE FROM dead WHERE sink = ?1 AND partition = ?2 AND seq BETWEEN ?3 AND ?4";
    let dead = tx.execute(sql, (sink.id, partition, first, last))?;
    let references = replay::purge(tx, &sink.name, batch)?;
    if let Some(mut intent) = intent::load(tx, sink.id)? {
        let place = partitions::named(tx.connection, partition)?;
        let gone = |at: &Place| at.partition == place && (first..=last).contains(&at.seq);
        let before = intent.dead.len();
        intent.dead.retain(|refused| !gone(&refused.place));
        if intent.dead.len() < before {
            intent::put(tx, sink.id, &intent)?;
        }
    }
    Ok(unread.saturating_add(u64::try_from(dead).unwrap_or(u64::MAX)).saturating_add(references))
}
