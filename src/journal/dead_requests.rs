//! What requests do with dead letters: send them again or forget them, in bounded steps.

use std::collections::BTreeSet;

use rusqlite::Connection;

use crate::journal::fail::{Done, Fail};
use crate::journal::replay::{self, Progress, Run};
use crate::journal::sinks::{self, Sink};
use crate::journal::tx::{Tx, first, rows};

/// Numbers that one step checks.
const CHECKED: usize = 512;
/// Letters that one step looks at, of which it takes those that are meant.
const LOOKED_AT: usize = 4_096;

/// What is done with letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// They are sent again.
    Replay,
    /// They are forgotten.
    Drop,
}

/// What became of a step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stepped {
    /// There may be more to do.
    More,
    /// Everything is done.
    Done,
    /// It cannot be done (any further); why.
    Refused(String),
}

/// A letter of a sink without its texts.
struct Row {
    id: u64,
    sink: i64,
    account: i64,
    /// The partition and sequence of its record.
    place: (i64, u64),
}

/// Where a record lies that is sent again; ordered as records are.
type Again = BTreeSet<(i64, (i64, u64), i64)>;

/// One step over the letters with these numbers, in rising order: first all are checked, then the work is done. Only a few numbers are
/// done in one transaction.
pub(super) fn some_by_number(
    tx: &Tx<'_>,
    ids: &[u64],
    work: Work,
    number: u64,
    progress: &mut Progress,
) -> Done<Stepped> {
    let unchecked = ids.get(progress.checked..).unwrap_or_default();
    let some = unchecked.get(..CHECKED).unwrap_or(unchecked);
    for id in some {
        if let Some(why) = unusable(tx.connection, *id, work)? {
            return Ok(Stepped::Refused(format!("{why}: nothing was done")));
        }
    }
    progress.checked = progress.checked.saturating_add(some.len());
    if progress.checked < ids.len() {
        return Ok(Stepped::More);
    }
    match work {
        Work::Drop => drop_numbers(tx, ids, progress),
        Work::Replay => replay_numbers(tx, ids, number, progress),
    }
}

fn drop_numbers(tx: &Tx<'_>, ids: &[u64], progress: &mut Progress) -> Done<Stepped> {
    let rest = ids.get(progress.dropped..).unwrap_or_default();
    let some = rest.get(..tx.ground.steps.replay).unwrap_or(rest);
    for id in some {
        progress.done = progress.done.saturating_add(remove(tx, *id)?);
    }
    progress.dropped = progress.dropped.saturating_add(some.len());
    Ok(if progress.dropped < ids.len() { Stepped::More } else { Stepped::Done })
}

/// Sends letters again in the order of their records, so that one alert's events come in order.
fn replay_numbers(tx: &Tx<'_>, ids: &[u64], number: u64, progress: &mut Progress) -> Done<Stepped> {
    let most = tx.ground.steps.replay;
    let is_whole = ids.len() <= most;
    let (letters, next) = if is_whole {
        (ids.iter().map(|id| row(tx.connection, *id)).collect::<Done<Vec<_>>>()?.into_iter().flatten().collect(), None)
    } else {
        some_meant(tx, ids, most, progress.letter)?
    };
    for row in &letters {
        if let Some(why) = unusable(tx.connection, row.id, Work::Replay)? {
            return Ok(Stepped::Refused(why));
        }
    }
    let sent = send_again(tx, &letters, number)?;
    progress.done = progress.done.saturating_add(sent);
    progress.letter = next;
    Ok(if next.is_some() { Stepped::More } else { Stepped::Done })
}

/// A place in the order of the records: sink, partition and sequence.
type Behind = (i64, i64, u64);

/// Some of the letters behind `after` that are meant, with all letters of each record, and where the next step goes on.
fn some_meant(tx: &Tx<'_>, ids: &[u64], most: usize, after: Option<Behind>) -> Done<(Vec<Row>, Option<Behind>)> {
    let (sink, partition, seq) = after.unwrap_or((0, 0, 0));
    let sql = "SELECT id, sink, account, partition, seq FROM dead
        WHERE sink IS NOT NULL AND (sink, partition, seq) > (?1, ?2, ?3) ORDER BY sink, partition, seq";
    let mut statement = tx.connection.prepare_cached(sql)?;
    let mut found = statement.query((sink, partition, seq))?;
    let (mut meant, mut looked_at, mut last) = (Vec::new(), 0_usize, None);
    while let Some(found) = found.next()? {
        let row = read(found)?;
        let place = (row.sink, row.place.0, row.place.1);
        // A record's letters are of one step: it is sent once.
        if last.is_some_and(|last| last != place) && (meant.len() >= most || looked_at >= LOOKED_AT) {
            return Ok((meant, last));
        }
        (looked_at, last) = (looked_at.saturating_add(1), Some(place));
        if ids.binary_search(&row.id).is_ok() {
            meant.push(row);
        }
    }
    Ok((meant, None))
}

/// Turns letters into references that are sent again under the request's number; says how many. A record that was given up more than
/// once (in several replays) is sent once, and so is each that a letter may mean.
fn send_again(tx: &Tx<'_>, letters: &[Row], number: u64) -> Done<u64> {
    let mut again = Again::new();
    for row in letters {
        let among = among(tx.connection, row.id)?;
        again.extend(std::iter::once(row.place).chain(among).map(|place| (row.sink, place, row.account)));
        remove(tx, row.id)?;
    }
    let mut sent: u64 = 0;
    for (id, (partition, seq), account) in again {
        let name = first(tx.connection, "SELECT name FROM sinks WHERE id = ?1", [id], |found| found.get(0))?;
        let sink = Sink { id, name: name.ok_or(Fail::Conflict)? };
        // A letter of an earlier step may have meant it already.
        if !replay::waits(tx.connection, &sink, partition, seq, number)? {
            replay::refer(tx, &sink, account, &Run { account, partition, first: seq, count: 1 }, number)?;
            sent = sent.saturating_add(1);
        }
    }
    Ok(sent)
}

/// Why the letter of that number cannot be worked on, if so: it is not there, nobody would get it, or there is nothing to send.
fn unusable(connection: &Connection, id: u64, work: Work) -> Done<Option<String>> {
    let sql = "SELECT s.name FROM dead d LEFT JOIN sinks s ON s.id = d.sink WHERE d.id = ?1";
    // A number that the journal cannot store is no letter's.
    let stored = i64::try_from(id).ok();
    let Some(sink) = first(connection, sql, [stored], |row| row.get::<_, Option<String>>(0))? else {
        return Ok(Some(format!("there is no dead letter {id}")));
    };
    match (work, sink) {
        (Work::Drop, _) => Ok(None),
        (Work::Replay, None) => Ok(Some(format!(
            "dead letter {id} is an item that no record could be made of, which cannot be sent, only dropped"
        ))),
        (Work::Replay, Some(sink)) if sinks::find(connection, &sink)?.is_none() => Ok(Some(format!(
            "dead letter {id} is of the sink `{sink}`, which is not configured (configure it again, or send the records to another sink \
             with `vintner replay`)"
        ))),
        (Work::Replay, Some(_)) => Ok(None),
    }
}

/// The number of the newest letter; 0 without one.
pub(super) fn newest(connection: &Connection) -> Done<i64> {
    Ok(first(connection, "SELECT MAX(id) FROM dead", [], |row| row.get(0))?.flatten().unwrap_or(0))
}

/// One step over the letters of a sink up to the number `last`, in the order of their records. Says how many records are sent again, and
/// whether there may be more. All letters of one record are of one step.
pub(super) fn replay_some(tx: &Tx<'_>, sink: &Sink, last: i64, number: u64) -> Done<(u64, bool)> {
    let most = tx.ground.steps.replay;
    let sql = "SELECT partition, seq FROM dead WHERE sink = ?1 AND id <= ?2 ORDER BY partition, seq LIMIT ?3";
    let some =
        rows(tx.connection, sql, (sink.id, last, most), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, u64>(1)?)))?;
    let Some((partition, seq)) = some.last().copied() else { return Ok((0, false)) };
    let sql = "SELECT id, sink, account, partition, seq FROM dead
        WHERE sink = ?1 AND id <= ?2 AND (partition, seq) <= (?3, ?4) ORDER BY partition, seq";
    let letters = rows(tx.connection, sql, (sink.id, last, partition, seq), read)?;
    Ok((send_again(tx, &letters, number)?, some.len() >= most))
}

/// Forgets letters of a sink up to the number `last`: one step of them. Says how many, and whether there may be more.
pub(super) fn drop_some(tx: &Tx<'_>, sink: &Sink, last: i64) -> Done<(u64, bool)> {
    let most = tx.ground.steps.replay;
    let sql = "DELETE FROM dead WHERE id IN (SELECT id FROM dead WHERE sink = ?1 AND id <= ?2 LIMIT ?3)";
    let gone = tx.execute(sql, (sink.id, last, most))?;
    Ok((u64::try_from(gone).unwrap_or(u64::MAX), gone >= most))
}

/// Where the records lie that a letter may mean besides its own, as far as they are retained.
pub(super) fn among(connection: &Connection, letter: u64) -> Done<Vec<(i64, u64)>> {
    let sql = "SELECT m.partition, m.seq FROM dead_among m WHERE m.dead = ?1 AND EXISTS (SELECT 1 FROM batches b
        WHERE b.partition = m.partition AND m.seq BETWEEN b.first_seq AND b.first_seq + b.count - 1) ORDER BY m.partition, m.seq";
    rows(connection, sql, [letter], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn remove(tx: &Tx<'_>, id: u64) -> Done<u64> {
    Ok(u64::try_from(tx.execute("DELETE FROM dead WHERE id = ?1", [id])?).unwrap_or(u64::MAX))
}

/// A letter of a sink by its number.
fn row(connection: &Connection, id: u64) -> Done<Option<Row>> {
    let sql = "SELECT id, sink, account, partition, seq FROM dead WHERE id = ?1 AND sink IS NOT NULL";
    first(connection, sql, [id], read)
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row { id: row.get(0)?, sink: row.get(1)?, account: row.get(2)?, place: (row.get(3)?, row.get(4)?) })
}
