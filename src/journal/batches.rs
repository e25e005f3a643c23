//! Records, a page at a time: compressed, with a checksum, in the order of their sequence.

use rusqlite::Connection;

use crate::clock::Millis;
use crate::journal::fail::{Done, Fail};
use crate::journal::pack;
use crate::journal::partitions;
use crate::journal::space;
use crate::journal::tx::{Tx, first, rows};
use crate::record::Record;

/// Most records of one blob: reading one record means reading its blob.
const MOST_RECORDS: usize = 512;
/// What a batch takes besides its blob.
const ROW: u64 = 64;
/// A blob is closed once it holds this many bytes of NDJSON.
const ENOUGH_BYTES: usize = 4 << 20;

/// What is known of a batch without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) partition: i64,
    pub(super) first: u64,
    pub(super) count: u64,
    pub(super) taken_at: Millis,
    /// Of the uncompressed NDJSON.
    pub(super) bytes: u64,
    blob: i64,
}

impl Batch {
    /// The sequence of its last record.
    pub(super) fn last(&self) -> u64 {
        self.first.saturating_add(self.count).saturating_sub(1)
    }
}

/// Appends `records` to a lane of an account, in order.
pub(super) fn append(tx: &Tx<'_>, account: i64, lane: &str, records: &[Record]) -> Done<()> {
    let mut rest = records;
    while !rest.is_empty() {
        let (count, lines) = encode(rest)?;
        store(tx, account, lane, count, &lines)?;
        rest = rest.get(count..).unwrap_or_default();
    }
    if !records.is_empty() {
        tx.announce();
    }
    Ok(())
}

fn store(tx: &Tx<'_>, account: i64, lane: &str, count: usize, lines: &[u8]) -> Done<()> {
    let (partition, first) = partitions::give_out(tx, account, lane, u64::try_from(count).unwrap_or(u64::MAX))?;
    let packed = pack::pack(lines)?;
    let room = space::room(packed.len()).saturating_add(ROW);
    tx.execute("INSERT INTO blobs (data) VALUES (?1)", [packed])?;
    let blob = tx.connection.last_insert_rowid();
    tx.execute(
        "INSERT INTO batches (partition, first_seq, count, taken_at, bytes, blob, room) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (partition, first, count, tx.now().0, lines.len(), blob, room),
    )?;
    Ok(())
}

/// As many records as one blob takes, one at least, as NDJSON.
fn encode(records: &[Record]) -> Done<(usize, Vec<u8>)> {
    let mut lines = Vec::new();
    let mut count: usize = 0;
    for record in records.iter().take(MOST_RECORDS) {
        if lines.len() >= ENOUGH_BYTES {
            break;
        }
        lines.extend(pack::json(record)?);
        lines.push(b'\n');
        count = count.saturating_add(1);
    }
    Ok((count, lines))
}

/// The batches of a partition that hold `from` or anything behind it, oldest first, at most `most`.
pub(super) fn list(connection: &Connection, partition: i64, from: u64, most: usize) -> Done<Vec<Batch>> {
    let sql = "SELECT partition, first_seq, count, taken_at, bytes, blob FROM batches
        WHERE partition = ?1 AND first_seq >= COALESCE(
          (SELECT MAX(first_seq) FROM batches WHERE partition = ?1 AND first_seq <= ?2), 0) ORDER BY first_seq LIMIT ?3";
    let mut found = rows(connection, sql, (partition, from, most.saturating_add(1)), batch)?;
    found.retain(|batch| batch.last() >= from);
    found.truncate(most);
    Ok(found)
}

/// The batches of a partition that begin at `upto` or before it, newest first, at most `most`.
pub(super) fn list_back(connection: &Connection, partition: i64, upto: u64, most: usize) -> Done<Vec<Batch>> {
    let sql = "SELECT partition, first_seq, count, taken_at, bytes, blob FROM batches
        WHERE partition = ?1 AND first_seq <= ?2 ORDER BY first_seq DESC LIMIT ?3";
    rows(connection, sql, (partition, upto, most), batch)
}

/// The batch that holds a record.
pub(super) fn of(connection: &Connection, partition: i64, seq: u64) -> Done<Option<Batch>> {
    let sql = "SELECT partition, first_seq, count, taken_at, bytes, blob FROM batches
        WHERE partition = ?1 AND first_seq <= ?2 ORDER BY first_seq DESC LIMIT 1";
    Ok(first(connection, sql, (partition, seq), batch)?.filter(|batch| batch.last() >= seq))
}

/// Reads and checks a batch: as many records as it says, exactly.
pub(super) fn read(connection: &Connection, batch: &Batch) -> Done<Vec<Record>> {
    let blob: Option<Vec<u8>> =
        first(connection, "SELECT data FROM blobs WHERE id = ?1", [batch.blob], |row| row.get(0))?;
    let checked = blob.ok_or_else(|| "its records are missing".to_owned()).and_then(|blob| decode(&blob, batch));
    checked.map_err(|what| damaged(connection, batch, &what))
}

/// Notes another time of taking in.
pub(super) fn set_taken_at(tx: &Tx<'_>, batch: &Batch, at: Millis) -> Done<()> {
    let sql = "UPDATE batches SET taken_at = ?3 WHERE partition = ?1 AND first_seq = ?2";
    tx.execute(sql, (batch.partition, batch.first, at.0)).map(drop)
}

/// Removes a batch and its blob.
pub(super) fn remove(tx: &Tx<'_>, batch: &Batch) -> Done<()> {
    tx.execute("DELETE FROM blobs WHERE id = ?1", [batch.blob])?;
    tx.execute("DELETE FROM batches WHERE partition = ?1 AND first_seq = ?2", (batch.partition, batch.first))?;
    Ok(())
}

/// Reads a row of the six columns that make a [`Batch`].
pub(super) fn batch(row: &rusqlite::Row<'_>) -> rusqlite::Result<Batch> {
    Ok(Batch {
        partition: row.get(0)?,
        first: row.get(1)?,
        count: row.get(2)?,
        taken_at: Millis(row.get(3)?),
        bytes: row.get(4)?,
        blob: row.get(5)?,
    })
}

fn decode(blob: &[u8], batch: &Batch) -> Result<Vec<Record>, String> {
    let lines = pack::unpack(blob, batch.bytes)?;
    if u64::try_from(lines.len()).ok() != Some(batch.bytes) {
        return Err(format!("{} bytes instead of {}", lines.len(), batch.bytes));
    }
    // A source may contain line ends between its values, so the values are read one after the other, not line by line.
    let values = serde_json::Deserializer::from_slice(&lines).into_iter::<Record>();
    let records = values.collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    if u64::try_from(records.len()).ok() != Some(batch.count) {
        return Err(format!("{} records instead of {}", records.len(), batch.count));
    }
    Ok(records)
}

fn damaged(connection: &Connection, batch: &Batch, what: &str) -> Fail {
    let partition = match partitions::named(connection, batch.partition) {
        Ok(partition) => partition.to_string(),
        Err(_) => format!("partition {}", batch.partition),
    };
    Fail::damaged(format!("{partition}, records from {} on: {what}", batch.first))
}
