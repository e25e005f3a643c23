//! What may go: delivered records that are old, keys that the API no longer shows, held records that nobody mapped.

use std::collections::VecDeque;

use rusqlite::Connection;

use crate::clock::Millis;
use crate::clock::api::APART;
use crate::journal::alerts;
use crate::journal::batches::{self, Batch};
use crate::journal::coverage::{self, Span};
use crate::journal::fail::Done;
use crate::journal::held::{self, Dropped, read_site};
use crate::journal::holes;
use crate::journal::intent;
use crate::journal::partitions;
use crate::journal::rejected;
use crate::journal::replay;
use crate::journal::seen;
use crate::journal::sinks::{self, Sink};
use crate::journal::space;
use crate::journal::sqlite::Journal;
use crate::journal::tx::{Tx, first, rows};
use crate::journal::{JournalError, Place};
use crate::record::AccountUid;
use crate::record::place::SiteRef;

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

/// What one step of trimming did.
#[derive(Clone, Copy, Debug, Default)]
struct Trimmed {
    batches: usize,
    records: u64,
    missed: u64,
    /// Where the next step goes on, if there is more to look at.
    next: Option<u64>,
}

/// The oldest batches of a partition that every configured sink has passed.
struct Front {
    partition: i64,
    passed: u64,
    /// From here on they were not looked at yet; `None` at the end.
    next: Option<u64>,
    batches: VecDeque<Batch>,
}

impl Journal {
    /// Drops what is too old, makes room if the journal is full, cuts the write-ahead log, all in bounded steps. To be called every
    /// few seconds. Nothing is too old while the clocks do not agree on the time; see [`crate::clock::Clock::removal_time`].
    pub async fn maintain(&self) -> Result<Maintenance, JournalError> {
        self.maintain_until(|| false).await
    }

    /// The same, which ends early, behind the step at hand, once `is_over` says so: what is left is done by the next call.
    pub async fn maintain_until(&self, is_over: impl Fn() -> bool + Send + Sync) -> Result<Maintenance, JournalError> {
        self.maintain_as_of(self.inner.ground.clock.removal_time(), is_over).await
    }

    /// The same, where it is `now`; `None`: nothing is too old.
    pub(super) async fn maintain_as_of(
        &self,
        now: Option<Millis>,
        is_over: impl Fn() -> bool + Send + Sync,
    ) -> Result<Maintenance, JournalError> {
        let mut done = Maintenance { expired: self.expire(now, &is_over).await?, ..Maintenance::default() };
        while !is_over() && self.write(rejected::leave).await? {}
        self.inner.ground.pinned.forget();
        if let Some(now) = now {
            while !is_over() && self.write(move |tx| seen::trim(tx, now)).await? {}
            while !is_over() && self.write(alerts::forget).await? {}
            for partition in self.look(|view| trimmable_partitions(view.connection)).await? {
                let mut next = Some(0);
                while let Some(from) = next.filter(|_| !is_over()) {
                    let step = self.write(move |tx| trim_old(tx, partition, from, now)).await?;
                    done.add(step);
                    next = step.next;
                }
            }
        }
        while !is_over() {
            let step = self.write(relieve).await?;
            done.add(step);
            if step.next.is_none() {
                break;
            }
        }
        let inner = self.inner.clone();
        let shorten = move || inner.writer.as_ref().map_or(Ok(false), |writer| writer.shorten_wal());
        done.wal_truncated = self.blocking(shorten).await?;
        Ok(done)
    }

    /// The same, where its own clock is right.
    #[cfg(test)]
    pub(super) async fn maintain_now(&self) -> Result<Maintenance, JournalError> {
        self.maintain_as_of(Some(self.inner.ground.clock.now()), || false).await
    }

    async fn expire(
        &self,
        now: Option<Millis>,
        is_over: &(impl Fn() -> bool + Send + Sync),
    ) -> Result<Vec<(AccountUid, SiteRef, u64)>, JournalError> {
        let mut dropped = Dropped::new();
        while !is_over() {
            let (some, more) = self.write(move |tx| expire(tx, now)).await?;
            for (site, (count, from, to)) in some {
                let (all, since, until) = dropped.entry(site).or_insert((0, from, to));
                (*all, *since, *until) = (all.saturating_add(count), from.min(*since), to.max(*until));
            }
            if !more {
                break;
            }
        }
        self.look(move |view| {
            let name = |((account, site), (count, ..)): ((i64, String), (u64, Millis, Millis))| {
                Ok((partitions::account_uid(view.connection, account)?, read_site(&site)?, count))
            };
            dropped.into_iter().map(name).collect()
        })
        .await
    }
}

impl Maintenance {
    fn add(&mut self, step: Trimmed) {
        self.trimmed = self.trimmed.saturating_add(step.records);
        self.missed = self.missed.saturating_add(step.missed);
    }
}

/// Makes room for a page in its own transaction: what every sink has passed goes before its time, oldest first (model rule
/// `retain-yields`). A hundredth of the limit is freed, so that not every page has to.
pub(super) fn early(tx: &Tx<'_>) -> Done<()> {
    remove_until_loose(tx).map(drop)
}

/// The same as a step of maintenance.
fn relieve(tx: &Tx<'_>) -> Done<Trimmed> {
    let full = space::used(tx.connection, &tx.ground.path)? >= tx.ground.options.max_bytes;
    if full { remove_until_loose(tx) } else { Ok(Trimmed::default()) }
}

/// Looks at some batches of a partition from a sequence on, and removes those that are old and that nobody needs.
fn trim_old(tx: &Tx<'_>, partition: i64, from: u64, now: Millis) -> Done<Trimmed> {
    let old = now.minus(tx.ground.options.retain);
    let mut done = Trimmed::default();
    let Some(passed) = passed(tx.connection, partition)? else { return Ok(done) };
    let some = batches::list(tx.connection, partition, from, tx.ground.steps.trim)?;
    for batch in some.iter().filter(|batch| batch.taken_at >= now.plus(APART)) {
        batches::set_taken_at(tx, batch, now)?;
    }
    done.next = some.last().filter(|_| some.len() >= tx.ground.steps.trim).map(|batch| batch.last().saturating_add(1));
    for batch in &some {
        if batch.last() > passed || batch.taken_at > old {
            // Those behind it are younger still.
            done.next = None;
            break;
        }
        if !is_needed(tx.connection, batch)? {
            remove(tx, batch, &mut done)?;
        }
    }
    Ok(done)
}

/// Removes batches that nobody needs, the oldest of all partitions first, until there is room again; a bounded number of them. Those
/// that somebody needs are remembered, so that they are looked at once between two rounds of maintenance.
fn remove_until_loose(tx: &Tx<'_>) -> Done<Trimmed> {
    let limit = tx.ground.options.max_bytes;
    let loose = limit.saturating_sub(limit / 100);
    let mut done = Trimmed::default();
    let mut fronts = Vec::new();
    for partition in trimmable_partitions(tx.connection)? {
        let Some(passed) = passed(tx.connection, partition)? else { continue };
        let next = Some(tx.ground.pinned.below(partition));
        fronts.push(Front { partition, passed, next, batches: VecDeque::new() });
    }
    for _ in 0..tx.ground.steps.trim.saturating_mul(2) {
        if space::used(tx.connection, &tx.ground.path)? < loose {
            return Ok(done);
        }
        let Some(batch) = oldest(tx, &mut fronts)? else { return Ok(done) };
        if !is_needed(tx.connection, &batch)? {
            remove(tx, &batch, &mut done)?;
        }
        // Of a partition the batches come in order: all before this one are gone, or needed.
        tx.ground.pinned.set(batch.partition, batch.last().saturating_add(1));
    }
    done.next = Some(0);
    Ok(done)
}

/// Takes the oldest batch of all fronts.
fn oldest(tx: &Tx<'_>, fronts: &mut [Front]) -> Done<Option<Batch>> {
    for front in fronts.iter_mut().filter(|front| front.batches.is_empty()) {
        let Some(next) = front.next else { continue };
        let some = batches::list(tx.connection, front.partition, next, FRONT)?;
        let passed = front.passed;
        front.batches.extend(some.into_iter().filter(|batch| batch.last() <= passed));
        front.next = front.batches.back().map(|batch| batch.last().saturating_add(1));
    }
    let order = |front: &Front| front.batches.front().map(|batch| (batch.taken_at, batch.partition));
    let front = fronts.iter_mut().filter(|front| !front.batches.is_empty()).min_by_key(|front| order(front));
    Ok(front.and_then(|front| front.batches.pop_front()))
}

fn remove(tx: &Tx<'_>, batch: &Batch, done: &mut Trimmed) -> Done<()> {
    done.missed = done.missed.saturating_add(purge(tx, batch)?);
    batches::remove(tx, batch)?;
    done.batches = done.batches.saturating_add(1);
    done.records = done.records.saturating_add(batch.count);
    Ok(())
}

/// Drops some held records that are too old, and notes the gap; says whether there may be more.
fn expire(tx: &Tx<'_>, now: Option<Millis>) -> Done<(Dropped, bool)> {
    // What is mapped leaves before it is too old, also where a restart broke its release off.
    if held::release_step(tx)?.is_some() {
        return Ok((Dropped::new(), true));
    }
    let Some(now) = now else { return Ok((Dropped::new(), false)) };
    if held::bring_back(tx, now)? {
        return Ok((Dropped::new(), true));
    }
    let (dropped, more) = held::expire(tx, now.minus(tx.ground.options.hold_for))?;
    for ((account, site), (count, from, to)) in &dropped {
        coverage::add_gap(tx, *account, site, Span { from: *from, to: *to }, *count)?;
    }
    Ok((dropped, more))
}

/// Batches of a partition that are read at once, when the oldest of all is looked for.
const FRONT: usize = 32;

/// The partitions that hold records.
fn trimmable_partitions(connection: &Connection) -> Done<Vec<i64>> {
    rows(connection, "SELECT id FROM partitions WHERE lane IN ('live', 'backfill') ORDER BY id", [], |row| row.get(0))
}

/// The sequence that every configured sink has passed in a partition (model rule `trim-slow`); `None` without a configured sink.
fn passed(connection: &Connection, partition: i64) -> Done<Option<u64>> {
    let sql = "SELECT MIN(COALESCE(
          (SELECT seq FROM positions o WHERE o.sink = s.id AND o.partition = ?1),
          (SELECT seq FROM starts t WHERE t.sink = s.id AND t.partition = ?1), 0))
        FROM sinks s WHERE s.present = 1";
    Ok(first(connection, sql, [partition], |row| row.get(0))?.flatten())
}

/// Whether a reference or a dead letter of a configured sink needs the batch (model rule `trim-refs`).
fn is_needed(connection: &Connection, batch: &Batch) -> Done<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM dead d JOIN sinks s ON s.id = d.sink AND s.present = 1
            WHERE d.partition = ?1 AND d.seq BETWEEN ?2 AND ?3)
        OR EXISTS (SELECT 1 FROM dead_among m JOIN dead d ON d.id = m.dead JOIN sinks s ON s.id = d.sink AND s.present = 1
            WHERE m.partition = ?1 AND m.seq BETWEEN ?2 AND ?3)
        OR EXISTS (SELECT 1 FROM refs r JOIN partitions q ON q.id = r.partition
            JOIN sinks s ON q.lane = 'replayed:' || s.name AND s.present = 1
            WHERE r.place = ?1 AND r.place_seq BETWEEN ?2 AND ?3)";
    Ok(first(connection, sql, (batch.partition, batch.first, batch.last()), |row| row.get(0))?.unwrap_or(true))
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
    holes::add(tx, sink.id, partition, unread)?;
    let sql = "DELETE FROM dead WHERE sink = ?1 AND partition = ?2 AND seq BETWEEN ?3 AND ?4";
    let dead = tx.execute(sql, (sink.id, partition, first, last))?;
    let references = replay::purge(tx, sink, batch)?;
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
