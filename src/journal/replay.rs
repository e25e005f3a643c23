//! References to records that are sent again: found in a read transaction, appended in the one that serves the request.

use std::collections::{BTreeMap, HashSet};

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::journal::batches::{self, Batch};
use crate::journal::fail::Done;
use crate::journal::holes;
use crate::journal::look::MOST_BYTES;
use crate::journal::partitions::{self, lane_name};
use crate::journal::sinks::{self, Sink};
use crate::journal::tx::{Tx, View, first, rows};
use crate::journal::{Lane, Partition};
use crate::org::directory::{Decision, Directory};
use crate::record::Record;

/// A stored run of references: `count` records from `place_seq` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// The sequence of the first one.
    pub(super) first: u64,
    pub(super) count: u64,
    /// The partition of the records.
    pub(super) place: i64,
    pub(super) place_seq: u64,
    pub(super) replay: u64,
    pub(super) asked_at: Millis,
}

/// Neighbouring records of one batch that are to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) account: i64,
    pub(super) partition: i64,
    pub(super) first: u64,
    pub(super) count: u64,
}

/// Which records a replay takes.
pub(super) struct Wanted<'a> {
    /// Of this organization, by the mapping in force; `None`: of all.
    pub(super) org: Option<&'a str>,
    /// Taken in at this time or later.
    pub(super) since: Option<Millis>,
    /// Taken in before this time.
    pub(super) until: Option<Millis>,
}

/// How far a request is that is served in steps; stored with the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Of a replay: the partitions that it takes records of, in order.
    pub(super) parts: Vec<Part>,
    /// The index of the partition that it stands in, and the sequence there.
    pub(super) at: usize,
    pub(super) next: u64,
    /// Of dead letters of a sink: the last number that is meant. Later ones are not.
    pub(super) last_letter: i64,
    /// Of dead letters by number: how many of the numbers are checked, and how many were dropped.
    #[serde(default)]
    pub(super) checked: usize,
    #[serde(default)]
    pub(super) dropped: usize,
    /// Of dead letters by number that are sent again: sink, partition and sequence of the last one that was looked at.
    #[serde(default)]
    pub(super) letter: Option<(i64, i64, u64)>,
    /// Records that are sent again, or dead letters that are dropped.
    pub(super) done: u64,
}

/// What a replay takes of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    account: i64,
    partition: i64,
    /// The last sequence: what the sink had passed when the request was first served (model rule `replay-passed`; what it has before
    /// itself comes anyway).
    end: u64,
}

/// Where a replay begins.
pub(super) fn begin(connection: &Connection, sink: &Sink) -> Done<Progress> {
    let mut progress = Progress { next: 1, ..Progress::default() };
    for (stored, partition) in sinks::list(connection, sink)? {
        let Some(account) = partitions::account(connection, &partition.account)? else { continue };
        if partition.lane != Lane::Replayed {
            let end = sinks::position(connection, sink, stored.id)?;
            progress.parts.push(Part { account, partition: stored.id, end });
        }
    }
    Ok(progress)
}

/// The next records that a replay takes, of a bounded number of batches; moves `progress` behind them. Without a part left it is
/// complete. Dead letters are left out by [`append`], in the transaction that counts.
pub(super) fn plan(view: &View<'_>, wanted: &Wanted<'_>, progress: &mut Progress) -> Done<Vec<Run>> {
    let directory = view.directory()?;
    let mut runs = Vec::new();
    let (mut left, mut bytes) = (view.ground.steps.replay, 0_u64);
    while left > 0
        && bytes < MOST_BYTES
        && let Some(part) = progress.parts.get(progress.at).copied()
    {
        left = left.saturating_sub(1);
        let batch = batches::list(view.connection, part.partition, progress.next, 1)?.into_iter().next();
        let Some(batch) = batch.filter(|batch| batch.first <= part.end) else {
            (progress.at, progress.next) = (progress.at.saturating_add(1), 1);
            continue;
        };
        progress.next = batch.last().saturating_add(1);
        let in_time = wanted.since.is_none_or(|since| batch.taken_at >= since)
            && wanted.until.is_none_or(|until| batch.taken_at < until);
        if in_time {
            let partition = partitions::named(view.connection, part.partition)?;
            bytes = bytes.saturating_add(if wanted.org.is_some() { batch.bytes } else { 0 });
            let seqs = matching(view.connection, &directory, &partition, &batch, wanted.org)?;
            add_runs(&mut runs, part.account, part.partition, seqs.into_iter().filter(|seq| *seq <= part.end));
        }
    }
    Ok(runs)
}

/// Appends references to what of `runs` is still there, has been passed and is no dead letter of the sink; says how many.
pub(super) fn append(tx: &Tx<'_>, sink: &Sink, runs: &[Run], replay: u64) -> Done<u64> {
    let mut by_account: BTreeMap<i64, Vec<Run>> = BTreeMap::new();
    for run in runs {
        let passed = sinks::position(tx.connection, sink, run.partition)?;
        let there = batches::of(tx.connection, run.partition, run.first)?.map_or(0, |batch| batch.last());
        let end = run.first.saturating_add(run.count).min(passed.min(there).saturating_add(1));
        let sql = "SELECT seq FROM dead WHERE sink = ?1 AND partition = ?2 AND seq >= ?3 AND seq < ?4";
        let dead: HashSet<u64> =
            rows(tx.connection, sql, (sink.id, run.partition, run.first, end), |row| row.get(0))?.into_iter().collect();
        let alive = (run.first..end).filter(|seq| !dead.contains(seq));
        add_runs(by_account.entry(run.account).or_default(), run.account, run.partition, alive);
    }
    let mut appended: u64 = 0;
    for (account, runs) in by_account {
        for run in runs {
            refer(tx, sink, account, &run, replay)?;
            appended = appended.saturating_add(run.count);
        }
    }
    Ok(appended)
}

/// Whether a record waits to be sent again under that number.
pub(super) fn waits(connection: &Connection, sink: &Sink, partition: i64, seq: u64, replay: u64) -> Done<bool> {
    let sql = "SELECT 1 FROM refs WHERE place = ?1 AND place_seq = ?2 AND replay = ?3 AND partition IN
        (SELECT id FROM partitions WHERE lane = ?4)";
    let wanted = (partition, seq, replay, lane_name(Lane::Replayed, &sink.name));
    Ok(first(connection, sql, wanted, |_| Ok(()))?.is_some())
}

/// Appends one run of references to `replayed:<sink>` of an account.
pub(super) fn refer(tx: &Tx<'_>, sink: &Sink, account: i64, run: &Run, replay: u64) -> Done<()> {
    let (partition, seq) = partitions::give_out(tx, account, &lane_name(Lane::Replayed, &sink.name), run.count)?;
    tx.execute(
        "INSERT INTO refs (partition, first_seq, count, place, place_seq, replay, asked_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (partition, seq, run.count, run.partition, run.first, replay, tx.now().0),
    )?;
    tx.announce();
    Ok(())
}

/// The runs of a partition that are not wholly passed, at most `most`.
pub(super) fn pending(connection: &Connection, partition: i64, from: u64, most: usize) -> Done<Vec<Reference>> {
    let sql = "SELECT first_seq, count, place, place_seq, replay, asked_at FROM refs
        WHERE partition = ?1 AND first_seq + count - 1 > ?2 AND first_seq >= COALESCE(
          (SELECT MAX(first_seq) FROM refs WHERE partition = ?1 AND first_seq <= ?2), 0) ORDER BY first_seq LIMIT ?3";
    rows(connection, sql, (partition, from, most), |row| {
        Ok(Reference {
            first: row.get(0)?,
            count: row.get(1)?,
            place: row.get(2)?,
            place_seq: row.get(3)?,
            replay: row.get(4)?,
            asked_at: Millis(row.get(5)?),
        })
    })
}

/// Removes the runs that are wholly passed.
pub(super) fn passed(tx: &Tx<'_>, partition: i64, to: u64) -> Done<()> {
    // The first condition keeps it from reading what lies behind.
    let sql = "DELETE FROM refs WHERE partition = ?1 AND first_seq <= ?2 AND first_seq + count - 1 <= ?2";
    tx.execute(sql, (partition, to)).map(drop)
}

/// Removes the references of a sink to the records of a batch that goes; says how many records they named that were not sent.
pub(super) fn purge(tx: &Tx<'_>, sink: &Sink, batch: &Batch) -> Done<u64> {
    // A run lies within one batch, so it starts in it.
    let sql = "SELECT partition, first_seq, count FROM refs WHERE place = ?1 AND place_seq BETWEEN ?2 AND ?3
        AND partition IN (SELECT id FROM partitions WHERE lane = ?4)";
    let wanted = (batch.partition, batch.first, batch.last(), lane_name(Lane::Replayed, &sink.name));
    let found = rows(tx.connection, sql, wanted, |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, u64>(1)?, row.get::<_, u64>(2)?))
    })?;
    let mut missed: u64 = 0;
    for (partition, first, count) in found {
        tx.execute("DELETE FROM refs WHERE partition = ?1 AND first_seq = ?2", (partition, first))?;
        // A run may be passed in part.
        let passed = sinks::position(tx.connection, sink, partition)?.max(first.saturating_sub(1));
        let unsent = first.saturating_add(count).saturating_sub(1).saturating_sub(passed);
        holes::add(tx, sink.id, partition, unsent)?;
        missed = missed.saturating_add(unsent);
    }
    Ok(missed)
}

/// The sequences of a batch's records that belong to `org`; without one all, unread.
fn matching(
    connection: &Connection,
    directory: &Directory,
    partition: &Partition,
    batch: &Batch,
    org: Option<&str>,
) -> Done<Vec<u64>> {
    let Some(org) = org else { return Ok((batch.first..=batch.last()).collect()) };
    let belongs = |record: &Record| match directory.decide(&partition.account, &record.envelope.site) {
        Decision::Org(tenant) => tenant.id == org,
        Decision::Ignored | Decision::Dropped | Decision::Held(_) => false,
    };
    let records = (batch.first..).zip(batches::read(connection, batch)?);
    Ok(records.filter(|(_, record)| belongs(record)).map(|(seq, _)| seq).collect())
}

/// Joins neighbouring sequences into runs. All are of one batch.
fn add_runs(runs: &mut Vec<Run>, account: i64, partition: i64, seqs: impl Iterator<Item = u64>) {
    let mut open: Option<Run> = None;
    for seq in seqs {
        match &mut open {
            Some(run) if run.first.saturating_add(run.count) == seq => run.count = run.count.saturating_add(1),
            _ => runs.extend(open.replace(Run { account, partition, first: seq, count: 1 })),
        }
    }
    runs.extend(open);
}
