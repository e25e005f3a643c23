//! What is proven: time spans that were collected, gaps, and what each sink did with which records.

use crate::clock::Millis;
use crate::journal::fail::Done;
use crate::journal::held;
use crate::journal::partitions;
use crate::journal::sinks::Sink;
use crate::journal::sqlite::Journal;
use crate::journal::tx::{Tx, first, rows};
use crate::journal::{JournalError, Partition, Settlement};
use crate::record::place::SiteRef;
use crate::record::{AccountUid, Stream};

/// A row of counts grows to this many records, then the next begins: coarse enough to stay small, fine enough to compare with
/// what a topic still holds.
const RANGE: u64 = 10_000;

/// A time span of a stream that was read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// From here,
    pub from: Millis,
    /// to here.
    pub to: Millis,
}

/// Held records that were dropped since nobody mapped their site in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The site as the records named it.
    pub site: SiteRef,
    /// When the first and the last of them was taken in.
    pub span: Span,
    /// How many.
    pub records: u64,
}

/// What a sink did with a range of a partition, under one version of decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The partition.
    pub partition: Partition,
    /// First sequence.
    pub from: u64,
    /// Last sequence.
    pub to: u64,
    /// The version that decided.
    pub version: u64,
    /// Records that the sink confirmed.
    pub sent: u64,
    /// Records that its route did not name.
    pub skipped: u64,
    /// Records given up.
    pub dead: u64,
}

/// Where a reader of [`Journal::delivered`] goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveredMark {
    partition: i64,
    first: u64,
}

impl Journal {
    /// Notes that a stream was read to its end for a time span. Spans that touch become one.
    pub async fn add_span(
        &self,
        account: &AccountUid,
        stream: Stream,
        from: Millis,
        to: Millis,
    ) -> Result<(), JournalError> {
        let account = account.clone();
        self.write(move |tx| add_span(tx, &account, stream, Span { from, to })).await
    }

    /// The spans of a stream that were read to their end, oldest first; none touches another.
    pub async fn spans(&self, account: &AccountUid, stream: Stream) -> Result<Vec<Span>, JournalError> {
        let account = account.clone();
        self.look(move |view| {
            let Some(id) = partitions::account(view.connection, &account)? else { return Ok(Vec::new()) };
            let sql = "SELECT since, until FROM spans WHERE account = ?1 AND stream = ?2 ORDER BY since";
            rows(view.connection, sql, (id, stream.as_str()), span)
        })
        .await
    }

    /// The gaps that dropped held records left in an account, oldest first.
    pub async fn gaps(&self, account: &AccountUid) -> Result<Vec<Gap>, JournalError> {
        let account = account.clone();
        self.look(move |view| {
            let Some(id) = partitions::account(view.connection, &account)? else { return Ok(Vec::new()) };
            let sql = "SELECT since, until, site, records FROM gaps WHERE account = ?1 ORDER BY id";
            let found = rows(view.connection, sql, [id], |row| {
                Ok((span(row)?, row.get::<_, String>(2)?, row.get::<_, u64>(3)?))
            })?;
            let gap =
                |(span, site, records): (Span, String, u64)| Ok(Gap { site: held::read_site(&site)?, span, records });
            found.into_iter().map(gap).collect()
        })
        .await
    }

    /// What a sink did with which records, by partition and sequence: at most `most` ranges behind a mark, and the mark of the last one
    /// if there may be more. The default mark is before all.
    pub async fn delivered(
        &self,
        sink: &str,
        behind: DeliveredMark,
        most: usize,
    ) -> Result<(Vec<Delivered>, Option<DeliveredMark>), JournalError> {
        let sink = sink.to_owned();
        self.look(move |view| {
            let sql = "SELECT partition, first_seq, last_seq, version, sent, skipped, dead FROM delivered
                WHERE sink = (SELECT id FROM sinks WHERE name = ?1) AND (partition, first_seq) > (?2, ?3)
                ORDER BY partition, first_seq LIMIT ?4";
            let DeliveredMark { partition, first } = behind;
            let found = rows(view.connection, sql, (sink, partition, first, most), |row| {
                let numbers: [u64; 6] = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?];
                Ok((row.get(0)?, numbers))
            })?;
            let last =
                found.last().map(|(partition, [first, ..])| DeliveredMark { partition: *partition, first: *first });
            let next = last.filter(|_| found.len() >= most);
            let range = |(partition, [from, to, version, sent, skipped, dead]): (i64, [u64; 6])| {
                let partition = partitions::named(view.connection, partition)?;
                Ok(Delivered { partition, from, to, version, sent, skipped, dead })
            };
            Ok((found.into_iter().map(range).collect::<Done<_>>()?, next))
        })
        .await
    }
}

/// Counts what a position passes, in the transaction that moves it.
pub(super) fn delivered(tx: &Tx<'_>, sink: &Sink, partition: i64, settlement: &Settlement) -> Done<()> {
    let dead = u64::try_from(settlement.dead.len()).unwrap_or(u64::MAX);
    let counts = (settlement.to, settlement.sent, settlement.skipped, dead);
    let sql = "SELECT first_seq, last_seq, version FROM delivered WHERE sink = ?1 AND partition = ?2
        ORDER BY first_seq DESC LIMIT 1";
    let newest: Option<(u64, u64, u64)> =
        first(tx.connection, sql, (sink.id, partition), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let continues = |&(from, to, version): &(u64, u64, u64)| {
        to == settlement.from && version == settlement.version && to.saturating_sub(from) < RANGE
    };
    let open = newest.filter(continues).map(|(from, ..)| from);
    let (from, sql) = match open {
        Some(from) => (
            from,
            "UPDATE delivered SET last_seq = ?4, sent = sent + ?5, skipped = skipped + ?6, dead = dead + ?7
             WHERE sink = ?1 AND partition = ?2 AND first_seq = ?3 AND version = ?8",
        ),
        None => (
            settlement.from.saturating_add(1),
            "INSERT INTO delivered (sink, partition, first_seq, last_seq, sent, skipped, dead, version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        ),
    };
    let (to, sent, skipped, dead) = counts;
    tx.execute(sql, (sink.id, partition, from, to, sent, skipped, dead, settlement.version)).map(drop)
}

/// Rows of gaps of one site that are at most this far apart, in milliseconds, become one: records expire as they were taken in, a few
/// at a time.
const GAPS_JOIN: i64 = 3_600_000;

/// Notes the gap that expired records leave.
pub(super) fn add_gap(tx: &Tx<'_>, account: i64, site: &str, span: Span, records: u64) -> Done<()> {
    let sql = "UPDATE gaps SET since = MIN(since, ?3), until = MAX(until, ?4), records = records + ?5
        WHERE id = (SELECT id FROM gaps WHERE account = ?1 AND site = ?2 ORDER BY until DESC LIMIT 1)
          AND until >= ?3 - ?6 AND since <= ?4 + ?6";
    if tx.execute(sql, (account, site, span.from.0, span.to.0, records, GAPS_JOIN))? > 0 {
        return Ok(());
    }
    let sql = "INSERT INTO gaps (account, site, since, until, records) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.execute(sql, (account, site, span.from.0, span.to.0, records)).map(drop)
}

fn add_span(tx: &Tx<'_>, account: &AccountUid, stream: Stream, new: Span) -> Done<()> {
    if new.to < new.from {
        return Ok(());
    }
    let account = partitions::met_account(tx, account)?;
    let touching = "account = ?1 AND stream = ?2 AND since <= ?4 AND until >= ?3";
    let name = stream.as_str();
    let sql = format!("SELECT since, until FROM spans WHERE {touching}");
    let old = rows(tx.connection, &sql, (account, name, new.from.0, new.to.0), span)?;
    if old.iter().any(|old| old.from <= new.from && old.to >= new.to) {
        return Ok(());
    }
    let from = old.iter().map(|old| old.from).min().map_or(new.from, |from| from.min(new.from));
    let to = old.iter().map(|old| old.to).max().map_or(new.to, |to| to.max(new.to));
    tx.execute(&format!("DELETE FROM spans WHERE {touching}"), (account, name, new.from.0, new.to.0))?;
    let sql = "INSERT INTO spans (account, stream, since, until) VALUES (?1, ?2, ?3, ?4)";
    tx.execute(sql, (account, name, from.0, to.0)).map(drop)
}

fn span(row: &rusqlite::Row<'_>) -> rusqlite::Result<Span> {
    Ok(Span { from: Millis(row.get(0)?), to: Millis(row.get(1)?) })
}
