//! Dead letters: what could not be told, kept with the reason until an operator drops or replays it.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::clock::Millis;
use crate::journal::batches::{self, Batch};
use crate::journal::dead_requests::among;
use crate::journal::fail::{Done, Fail};
use crate::journal::pack;
use crate::journal::partitions;
use crate::journal::sinks::Sink;
use crate::journal::space;
use crate::journal::sqlite::Journal;
use crate::journal::tx::{Tx, rows};
use crate::journal::{JournalError, Place, Refused, RefusedKind};
use crate::record::{AccountUid, EventId, Record};

/// What a letter takes besides its texts: its row and its share of the indexes.
const ROW: u64 = 96;

/// Which dead letters are looked for; the default: all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadFilter {
    /// Only these numbers; empty: any.
    pub ids: Vec<u64>,
    /// Only numbers above this.
    pub after: u64,
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
pub(super) fn room(lengths: &[usize]) -> u64 {
    space::room(lengths.iter().sum()).saturating_add(ROW)
}

/// The stored partition in which a record lies. The lane of a sink cannot be meant: it has references only.
fn records_of(connection: &Connection, place: &Place) -> Done<i64> {
    Ok(partitions::find(connection, &place.partition, "")?.ok_or(Fail::Conflict)?.id)
}

fn list(connection: &Connection, filter: &DeadFilter) -> Done<Vec<Row>> {
    let mut sql =
        "SELECT d.id, s.name, d.account, d.kind, d.reason, d.at, d.partition, d.seq, d.replay, d.path, d.content
        FROM dead d LEFT JOIN sinks s ON s.id = d.sink JOIN accounts a ON a.id = d.account WHERE 1"
            .to_owned();
    let mut values: Vec<Value> = Vec::new();
    if filter.after > 0 {
        sql.push_str(" AND d.id > ?");
        values.push(Value::Integer(i64::try_from(filter.after).unwrap_or(i64::MAX)));
    }
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

pub(super) fn kind_name(kind: RefusedKind) -> &'static str {
    KINDS.iter().find(|(of, _)| *of == kind).map_or("refused", |(_, name)| name)
}

fn kind_of(name: &str) -> Option<RefusedKind> {
    KINDS.iter().find(|(_, of)| *of == name).map(|(kind, _)| *kind)
}
