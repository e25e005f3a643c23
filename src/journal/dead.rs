//! Dead letters: what could not be told, kept with the reason until an operator drops or replays it.

use std::collections::BTreeSet;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::clock::Millis;
use crate::journal::batches::{self, Batch};
use crate::journal::fail::{Done, Fail};
use crate::journal::pack;
use crate::journal::partitions;
use crate::journal::replay::{self, Run};
use crate::journal::requests::DeadLetters;
use crate::journal::seen;
use crate::journal::sinks::{self, Sink};
use crate::journal::space;
use crate::journal::sqlite::Journal;
use crate::journal::tx::{Tx, first, rows};
use crate::journal::{JournalError, Place, Refused, RefusedKind, Rejected};
use crate::record::{AccountUid, EventId, Record};

/// What a letter takes besides its texts: its row and its share of the indexes.
const ROW: u64 = 96;

/// Which dead letters are looked for; the default: all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadFilter {
    /// Only these numbers; empty: any.
    pub ids: Vec<u64>,
    /// Only of this sink.
    pub sink: Option<String>,
    /// Only of this account.
    pub account: Option<AccountUid>,
    /// Only of this kind.
    pub kind: Option<RefusedKind>,
    /// At most so many, oldest first.
    pub limit: Option<usize>,
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number, for commands.
    pub id: u64,
    /// The sink that gave it up; `None` for an item that no record could be made of.
    pub sink: Option<String>,
    /// The account that it came from.
    pub account: AccountUid,
    /// Why.
    pub kind: RefusedKind,
    /// The reason in words.
    pub reason: String,
    /// When it was given up.
    pub at: Millis,
    /// Where the record lies; `None` for an item without one.
    pub place: Option<Place>,
    /// 0, or the replay in which it was given up.
    pub replay: u64,
    /// The id of the event that it would have been.
    pub event_id: Option<EventId>,
    /// The ids of events that may be meant as well or instead: the sink refused a part of them and did not say which.
    pub among: Vec<EventId>,
    /// API path that it came from.
    pub path: String,
    /// The source, secrets stripped.
    pub content: String,
}

/// The columns of a row; what it names is read from its batch.
struct Row {
    id: u64,
    sink: Option<String>,
    account: i64,
    kind: String,
    reason: String,
    at: Millis,
    place: Option<(i64, u64)>,
    replay: u64,
    path: Option<String>,
    content: Option<Vec<u8>>,
}

impl Journal {
    /// The dead letters that `filter` names, oldest first.
    pub async fn dead_letters(&self, filter: DeadFilter) -> Result<Vec<DeadLetter>, JournalError> {
        self.look(move |view| {
            let mut read = None;
            let found = list(view.connection, &filter)?;
            found.into_iter().map(|row| letter(view.connection, row, &mut read)).collect()
        })
        .await
    }
}

/// Keeps an item that no record can be made of, once per content; says whether it is new.
pub(super) fn reject(tx: &Tx<'_>, account: i64, rejected: &Rejected) -> Done<bool> {
    reject_as(tx, account, rejected, &rejected.content)
}

/// Like [`reject`], once per `identity`: for items whose content changes with every answer.
pub(super) fn reject_as(tx: &Tx<'_>, account: i64, rejected: &Rejected, identity: &str) -> Done<bool> {
    if !seen::reject(tx, account, &seen::key(&[identity]))? {
        return Ok(false);
    }
    let content = pack::pack(rejected.content.as_bytes())?;
    tx.execute(
        "INSERT INTO dead (account, kind, reason, at, replay, path, content, room) VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7)",
        (
            account,
            kind_name(RefusedKind::Malformed),
            &rejected.reason,
            tx.now().0,
            &rejected.path,
            &content,
            room(&[rejected.reason.len(), rejected.path.len(), content.len()]),
        ),
    )?;
    Ok(true)
}

/// Keeps a record that a sink gives up, once per sink, record and replay (model rule `dead-per-sink`).
pub(super) fn refuse(tx: &Tx<'_>, sink: &Sink, refused: &Refused) -> Done<()> {
    let partition = records_of(tx.connection, &refused.place)?;
    let account = partitions::met_account(tx, &refused.place.partition.account)?;
    let new = tx.execute(
        "INSERT OR IGNORE INTO dead (sink, account, kind, reason, at, partition, seq, replay, room)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        (
            sink.id,
            account,
            kind_name(refused.kind),
            &refused.reason,
            tx.now().0,
            partition,
            refused.place.seq,
            refused.replay,
            room(&[refused.reason.len()]),
        ),
    )?;
    if new == 0 {
        return Ok(());
    }
    let letter = tx.connection.last_insert_rowid();
    for place in &refused.among {
        let sql = "INSERT OR IGNORE INTO dead_among (dead, partition, seq) VALUES (?1, ?2, ?3)";
        tx.execute(sql, (letter, records_of(tx.connection, place)?, place.seq))?;
    }
    Ok(())
}

/// What a letter takes in the journal, given the lengths of its texts.
fn room(lengths: &[usize]) -> u64 {
    space::room(lengths.iter().sum()).saturating_add(ROW)
}

/// The stored partition in which a record lies. The lane of a sink cannot be meant: it has references only.
fn records_of(connection: &Connection, place: &Place) -> Done<i64> {
    Ok(partitions::find(connection, &place.partition, "")?.ok_or(Fail::Conflict)?.id)
}

/// Why not each of these letters can be sent again, if so: nobody would get it, or there is nothing to send.
pub(super) fn unsendable(connection: &Connection, letters: &DeadLetters) -> Done<Option<String>> {
    if let Some(why) = missing(connection, letters)? {
        return Ok(Some(why));
    }
    for row in list(connection, &filter(letters))? {
        let id = row.id;
        let Some(sink) = row.sink else {
            return Ok(Some(format!(
                "dead letter {id} is an item that no record could be made of: it cannot be sent, only dropped"
            )));
        };
        if sinks::find(connection, &sink)?.is_none() {
            return Ok(Some(format!(
                "dead letter {id} is of the sink `{sink}`, which is not configured: nothing was done. Configure it again, or send the \
                 records to another sink with `vintner replay`"
            )));
        }
    }
    Ok(None)
}

/// Which of these letters is not there, if one is not.
pub(super) fn missing(connection: &Connection, letters: &DeadLetters) -> Done<Option<String>> {
    let DeadLetters::Ids(ids) = letters else { return Ok(None) };
    let there: BTreeSet<u64> = list(connection, &filter(letters))?.into_iter().map(|row| row.id).collect();
    let missing = ids.iter().find(|id| !there.contains(id));
    Ok(missing.map(|id| format!("there is no dead letter {id}: nothing was done")))
}

/// Turns dead letters of sinks into references that are sent again under the request's number; says how many. A record that was
/// given up more than once (in several replays) is sent once, and so is each that a letter may mean. An item without a record stays.
pub(super) fn replay(tx: &Tx<'_>, letters: &DeadLetters, number: u64) -> Done<u64> {
    // In the order of the records, so that one alert's events come in order.
    let mut again: BTreeSet<(String, (i64, u64), i64)> = BTreeSet::new();
    for row in list(tx.connection, &filter(letters))? {
        if let (Some(sink), Some(place)) = (row.sink, row.place) {
            let among = among(tx.connection, row.id)?;
            again.extend(std::iter::once(place).chain(among).map(|place| (sink.clone(), place, row.account)));
            remove(tx, row.id)?;
        }
    }
    for (name, (partition, seq), account) in &again {
        let sql = "SELECT id FROM sinks WHERE name = ?1";
        let id = first(tx.connection, sql, [name], |found| found.get(0))?.ok_or(Fail::Conflict)?;
        let run = Run { account: *account, partition: *partition, first: *seq, count: 1 };
        replay::refer(tx, &Sink { id, name: name.clone() }, *account, &run, number)?;
    }
    Ok(u64::try_from(again.len()).unwrap_or(u64::MAX))
}

/// The number of the newest letter; 0 without one.
pub(super) fn newest(connection: &Connection) -> Done<i64> {
    Ok(first(connection, "SELECT MAX(id) FROM dead", [], |row| row.get(0))?.flatten().unwrap_or(0))
}

/// Like [`replay()`], for the letters of a sink up to the number `last`: one step of them, in the order of their records. Says how many
/// records are sent again, and whether there may be more. All letters of one record are of one step.
pub(super) fn replay_some(tx: &Tx<'_>, sink: &Sink, last: i64, number: u64) -> Done<(u64, bool)> {
    let most = tx.ground.steps.replay;
    let sql = "SELECT partition, seq FROM dead WHERE sink = ?1 AND id <= ?2 ORDER BY partition, seq LIMIT ?3";
    let some =
        rows(tx.connection, sql, (sink.id, last, most), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, u64>(1)?)))?;
    let Some((partition, seq)) = some.last().copied() else { return Ok((0, false)) };
    let sql = "SELECT id, account, partition, seq FROM dead
        WHERE sink = ?1 AND id <= ?2 AND (partition, seq) <= (?3, ?4) ORDER BY partition, seq";
    let letters = rows(tx.connection, sql, (sink.id, last, partition, seq), |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, (row.get(2)?, row.get(3)?)))
    })?;
    let mut again: BTreeSet<((i64, u64), i64)> = BTreeSet::new();
    for (id, account, place) in letters {
        let id = u64::try_from(id).map_err(|_| Fail::damaged("the number of a dead letter is negative"))?;
        again.extend(std::iter::once(place).chain(among(tx.connection, id)?).map(|place| (place, account)));
        remove(tx, id)?;
    }
    let mut sent: u64 = 0;
    for ((partition, seq), account) in again {
        // A letter of an earlier step may have meant it already.
        if !replay::waits(tx.connection, sink, partition, seq, number)? {
            replay::refer(tx, sink, account, &Run { account, partition, first: seq, count: 1 }, number)?;
            sent = sent.saturating_add(1);
        }
    }
    Ok((sent, some.len() >= most))
}

/// Forgets letters of a sink up to the number `last`: one step of them. Says how many, and whether there may be more.
pub(super) fn drop_some(tx: &Tx<'_>, sink: &Sink, last: i64) -> Done<(u64, bool)> {
    let most = tx.ground.steps.replay;
    let sql = "DELETE FROM dead WHERE id IN (SELECT id FROM dead WHERE sink = ?1 AND id <= ?2 LIMIT ?3)";
    let gone = tx.execute(sql, (sink.id, last, most))?;
    Ok((u64::try_from(gone).unwrap_or(u64::MAX), gone >= most))
}

/// Forgets dead letters; says how many.
pub(super) fn drop_letters(tx: &Tx<'_>, letters: &DeadLetters) -> Done<u64> {
    let mut done: u64 = 0;
    for row in list(tx.connection, &filter(letters))? {
        remove(tx, row.id)?;
        done = done.saturating_add(1);
    }
    Ok(done)
}

/// Where the records lie that a letter may mean besides its own, as far as they are retained.
fn among(connection: &Connection, letter: u64) -> Done<Vec<(i64, u64)>> {
    let sql = "SELECT m.partition, m.seq FROM dead_among m WHERE m.dead = ?1 AND EXISTS (SELECT 1 FROM batches b
        WHERE b.partition = m.partition AND m.seq BETWEEN b.first_seq AND b.first_seq + b.count - 1) ORDER BY m.partition, m.seq";
    rows(connection, sql, [letter], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn remove(tx: &Tx<'_>, id: u64) -> Done<()> {
    tx.execute("DELETE FROM dead WHERE id = ?1", [id]).map(drop)
}

fn filter(letters: &DeadLetters) -> DeadFilter {
    match letters {
        // No numbers mean no letters here, while an empty filter means all: 0 is no letter's number.
        DeadLetters::Ids(ids) if ids.is_empty() => DeadFilter { ids: vec![0], ..DeadFilter::default() },
        DeadLetters::Ids(ids) => DeadFilter { ids: ids.clone(), ..DeadFilter::default() },
        DeadLetters::Sink(sink) => DeadFilter { sink: Some(sink.clone()), ..DeadFilter::default() },
    }
}

fn list(connection: &Connection, filter: &DeadFilter) -> Done<Vec<Row>> {
    let mut sql =
        "SELECT d.id, s.name, d.account, d.kind, d.reason, d.at, d.partition, d.seq, d.replay, d.path, d.content
        FROM dead d LEFT JOIN sinks s ON s.id = d.sink JOIN accounts a ON a.id = d.account WHERE 1"
            .to_owned();
    let mut values: Vec<Value> = Vec::new();
    if !filter.ids.is_empty() {
        // Numbers only, so no text of others gets into the statement.
        let ids: Vec<String> = filter.ids.iter().map(u64::to_string).collect();
        sql.push_str(&format!(" AND d.id IN ({})", ids.join(",")));
    }
    let texts = [
        (" AND s.name = ?", filter.sink.clone()),
        (" AND a.uid = ?", filter.account.as_ref().map(ToString::to_string)),
        (" AND d.kind = ?", filter.kind.map(|kind| kind_name(kind).to_owned())),
    ];
    for (condition, text) in texts {
        if let Some(text) = text {
            sql.push_str(condition);
            values.push(Value::Text(text));
        }
    }
    sql.push_str(" ORDER BY d.id LIMIT ?");
    values.push(Value::Integer(filter.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX))));
    rows(connection, &sql, params_from_iter(values), |row| {
        let partition: Option<i64> = row.get(6)?;
        let seq: Option<u64> = row.get(7)?;
        Ok(Row {
            id: row.get(0)?,
            sink: row.get(1)?,
            account: row.get(2)?,
            kind: row.get(3)?,
            reason: row.get(4)?,
            at: Millis(row.get(5)?),
            place: partition.zip(seq),
            replay: row.get(8)?,
            path: row.get(9)?,
            content: row.get(10)?,
        })
    })
}

/// Reads what a row names. `read` keeps the last batch, since neighbours are often given up together.
fn letter(connection: &Connection, row: Row, read: &mut Option<(Batch, Vec<Record>)>) -> Done<DeadLetter> {
    let name = || format!("dead letter {}", row.id);
    let gone = || Fail::damaged(format!("{}: its record is gone", name()));
    let mut among_ids = Vec::new();
    for (partition, seq) in among(connection, row.id)? {
        among_ids.push(record(connection, partition, seq, read)?.ok_or_else(gone)?.envelope.event_id());
    }
    let (place, event_id, path, content) = match row.place {
        Some((partition, seq)) => {
            let record = record(connection, partition, seq, read)?.ok_or_else(gone)?;
            let place = Place { partition: partitions::named(connection, partition)?, seq };
            let Record { envelope, source } = record;
            (Some(place), Some(envelope.event_id()), envelope.path.clone(), source.get().to_owned())
        }
        None => {
            let packed = row.content.ok_or_else(|| Fail::damaged(format!("{} has no content", name())))?;
            let content = pack::unpack(&packed, u64::from(u32::MAX))
                .map_err(|what| Fail::damaged(format!("{}: {what}", name())))?;
            (None, None, row.path.clone().unwrap_or_default(), String::from_utf8_lossy(&content).into_owned())
        }
    };
    Ok(DeadLetter {
        id: row.id,
        account: partitions::account_uid(connection, row.account)?,
        kind: kind_of(&row.kind).ok_or_else(|| Fail::damaged(format!("{} has an unknown kind", name())))?,
        sink: row.sink,
        reason: row.reason,
        at: row.at,
        place,
        replay: row.replay,
        event_id,
        among: among_ids,
        path,
        content,
    })
}

/// A record, if it is retained.
fn record<'r>(
    connection: &Connection,
    partition: i64,
    seq: u64,
    read: &'r mut Option<(Batch, Vec<Record>)>,
) -> Done<Option<&'r Record>> {
    let Some(batch) = batches::of(connection, partition, seq)? else { return Ok(None) };
    if read.as_ref().is_none_or(|(held, _)| *held != batch) {
        *read = Some((batch, batches::read(connection, &batch)?));
    }
    let at = usize::try_from(seq.saturating_sub(batch.first)).unwrap_or(usize::MAX);
    Ok(read.as_ref().and_then(|(_, records)| records.get(at)))
}

const KINDS: [(RefusedKind, &str); 4] = [
    (RefusedKind::Malformed, "malformed"),
    (RefusedKind::Unmappable, "unmappable"),
    (RefusedKind::Unmapped, "unmapped"),
    (RefusedKind::Refused, "refused"),
];

fn kind_name(kind: RefusedKind) -> &'static str {
    KINDS.iter().find(|(of, _)| *of == kind).map_or("refused", |(_, name)| name)
}

fn kind_of(name: &str) -> Option<RefusedKind> {
    KINDS.iter().find(|(_, of)| *of == name).map(|(kind, _)| *kind)
}
