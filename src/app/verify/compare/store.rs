//! What a comparison knows of single records: in a temporary database on disk, so that its memory does not grow with the journal or
//! the topics. SQLite removes its file when the process ends, however it ends.

use rusqlite::{Connection, OptionalExtension as _, Row};
use uuid::Uuid;

use super::Entry;
use super::remains::Fate;
use crate::clock::Millis;
use crate::journal::coverage::Delivered;
use crate::journal::{Lane, Partition};
use crate::record::AccountUid;

/// KiB of the database that stay in memory.
const CACHE: i64 = 8 << 10;

const SCHEMA: &str = "
CREATE TABLE entries (
  lane INTEGER NOT NULL, seq INTEGER NOT NULL, id BLOB NOT NULL, alert INTEGER, received_at INTEGER NOT NULL, wanted INTEGER NOT NULL,
  times INTEGER NOT NULL DEFAULT 0, place INTEGER, at INTEGER, fate INTEGER, PRIMARY KEY (lane, seq)) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX entry_id ON entries (id);
CREATE TABLE strangers (
  id BLOB PRIMARY KEY, times INTEGER NOT NULL, ours INTEGER NOT NULL, time INTEGER) STRICT, WITHOUT ROWID;
CREATE TABLE ranges (
  n INTEGER PRIMARY KEY, account TEXT NOT NULL, lane TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  version INTEGER NOT NULL, sent INTEGER NOT NULL, skipped INTEGER NOT NULL, dead INTEGER NOT NULL) STRICT;
";

/// The temporary database of a comparison cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "the temporary file of the comparison cannot be used ({0}): it needs about 150 bytes for each record in the folder that \
     SQLITE_TMPDIR or TMPDIR names, else in /var/tmp or /tmp"
)]
pub struct StoreError(#[from] rusqlite::Error);

pub(super) type Result<T> = std::result::Result<T, StoreError>;

/// An entry as it is found again by its id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) received_at: Millis,
    pub(super) times: u64,
}

/// The retained entries of a range, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) retained: u64,
    pub(super) wanted: u64,
    /// Found, of the wanted.
    pub(super) found: u64,
    /// Found, of the others.
    pub(super) stray: u64,
}

/// A retained entry that was not found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing {
    pub(super) id: Uuid,
    pub(super) seq: u64,
    pub(super) received_at: Millis,
    pub(super) fate: Option<Fate>,
}

/// Which missing entries of a range: behind `after` up to `to`, only wanted ones or all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Of {
    pub(super) lane: i64,
    pub(super) after: u64,
    pub(super) to: u64,
    pub(super) only_wanted: bool,
}

/// The temporary database. Lanes are known by the numbers that the comparison gives them.
#[derive(Debug)]
pub(super) struct Store(Connection);

impl Store {
    pub(super) fn new() -> Result<Self> {
        // A database without a name is a temporary file that is removed as soon as it is open.
        let connection = Connection::open("")?;
        // Nothing of it is ever read again, so nothing has to be safe; sorting goes to disk as well.
        let options =
            [("journal_mode", "OFF"), ("synchronous", "OFF"), ("locking_mode", "EXCLUSIVE"), ("temp_store", "FILE")];
        for (name, value) in options {
            connection.pragma_update(None, name, value)?;
        }
        connection.pragma_update(None, "cache_size", -CACHE)?;
        connection.execute_batch(SCHEMA)?;
        connection.execute_batch("BEGIN")?;
        Ok(Self(connection))
    }

    /// Adds an entry, unless its id is known already. It is no stranger any more.
    pub(super) fn know(&self, lane: i64, entry: &Entry) -> Result<()> {
        self.0.prepare_cached("DELETE FROM strangers WHERE id = ?1")?.execute([entry.id.as_bytes()])?;
        let sql =
            "INSERT OR IGNORE INTO entries (lane, seq, id, alert, received_at, wanted) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let alert = entry.alert.map(u64::cast_signed);
        let values = (lane, entry.seq, entry.id.as_bytes(), alert, entry.received_at.0, entry.is_wanted);
        self.0.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    pub(super) fn find(&self, id: Uuid) -> Result<Option<Known>> {
        let mut statement = self.0.prepare_cached("SELECT received_at, times FROM entries WHERE id = ?1")?;
        let known = |row: &Row<'_>| Ok(Known { received_at: Millis(row.get(0)?), times: row.get(1)? });
        Ok(statement.query_row([id.as_bytes()], known).optional()?)
    }

    /// Counts one more message of an entry; the first says where it stands.
    pub(super) fn found(&self, id: Uuid, (place, at): (usize, i64)) -> Result<()> {
        let sql =
            "UPDATE entries SET times = times + 1, place = COALESCE(place, ?2), at = COALESCE(at, ?3) WHERE id = ?1";
        self.0.prepare_cached(sql)?.execute((id.as_bytes(), place, at))?;
        Ok(())
    }

    /// Counts one more message of an id that is no entry's; `is_ours` and `time` of the first count.
    pub(super) fn stranger(&self, id: Uuid, is_ours: bool, time: Option<Millis>) -> Result<()> {
        let sql = "INSERT INTO strangers (id, times, ours, time) VALUES (?1, 1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET times = times + 1";
        self.0.prepare_cached(sql)?.execute((id.as_bytes(), is_ours, time.map(|time| time.0)))?;
        Ok(())
    }

    /// Writes what became of an entry, and whether the route takes its event.
    pub(super) fn settle(&self, id: Uuid, fate: Fate, is_wanted: bool) -> Result<()> {
        let mut statement = self.0.prepare_cached("UPDATE entries SET fate = ?2, wanted = ?3 WHERE id = ?1")?;
        statement.execute((id.as_bytes(), fate_number(fate), is_wanted))?;
        Ok(())
    }

    /// The lane, sequence and time of taking in of an entry.
    pub(super) fn position(&self, id: Uuid) -> Result<Option<(i64, u64, Millis)>> {
        let mut statement = self.0.prepare_cached("SELECT lane, seq, received_at FROM entries WHERE id = ?1")?;
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, Millis(row.get(2)?)));
        Ok(statement.query_row([id.as_bytes()], read).optional()?)
    }

    pub(super) fn counts(&self, lane: i64, from: u64, to: u64) -> Result<Counts> {
        let sql = "SELECT COUNT(*), COUNT(*) FILTER (WHERE wanted), COUNT(*) FILTER (WHERE wanted AND times > 0),
              COUNT(*) FILTER (WHERE NOT wanted AND times > 0)
            FROM entries WHERE lane = ?1 AND seq BETWEEN ?2 AND ?3";
        let counts = |row: &Row<'_>| {
            Ok(Counts { retained: row.get(0)?, wanted: row.get(1)?, found: row.get(2)?, stray: row.get(3)? })
        };
        Ok(self.0.prepare_cached(sql)?.query_row((lane, from, to), counts)?)
    }

    /// Shows each missing entry, in order; at most `most`.
    pub(super) fn each_missing(&self, of: Of, most: Option<usize>, mut each: impl FnMut(Missing)) -> Result<()> {
        let sql = "SELECT id, seq, received_at, fate FROM entries
            WHERE lane = ?1 AND seq > ?2 AND seq <= ?3 AND times = 0 AND (wanted OR NOT ?4) ORDER BY seq LIMIT ?5";
        let most = most.map_or(-1, |most| i64::try_from(most).unwrap_or(i64::MAX));
        let mut statement = self.0.prepare_cached(sql)?;
        let mut rows = statement.query((of.lane, of.after, of.to, of.only_wanted, most))?;
        while let Some(row) = rows.next()? {
            let fate = row.get::<_, Option<i64>>(3)?.map(numbered_fate);
            each(Missing { id: id(row)?, seq: row.get(1)?, received_at: Millis(row.get(2)?), fate });
        }
        Ok(())
    }

    /// Shows each entry that was found: its lane, its sequence, and where its first message stands.
    pub(super) fn each_found(&self, mut each: impl FnMut(i64, u64, (usize, i64))) -> Result<()> {
        let mut statement = self.0.prepare("SELECT lane, seq, place, at FROM entries WHERE times > 0")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(row.get(0)?, row.get(1)?, (row.get(2)?, row.get(3)?));
        }
        Ok(())
    }

    /// Shows each entry of an alert that was found, alert by alert in the order of the journal: the alert, and where it stands.
    pub(super) fn each_of_alerts(&self, mut each: impl FnMut(i64, (usize, i64))) -> Result<()> {
        let sql =
            "SELECT alert, place, at FROM entries WHERE times > 0 AND alert IS NOT NULL ORDER BY alert, lane, seq";
        let mut statement = self.0.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(row.get(0)?, (row.get(1)?, row.get(2)?));
        }
        Ok(())
    }

    /// How many ids were seen more than once, and the first `most` of them.
    pub(super) fn repeated(&self, most: usize) -> Result<(u64, Vec<Uuid>)> {
        let (mut count, mut named) = (0, Vec::new());
        for table in ["entries", "strangers"] {
            let counted: u64 =
                self.0.query_row(&format!("SELECT COUNT(*) FROM {table} WHERE times > 1"), [], |row| row.get(0))?;
            count += counted;
            let mut statement = self.0.prepare(&format!("SELECT id FROM {table} WHERE times > 1 LIMIT ?1"))?;
            let mut rows = statement.query([most.saturating_sub(named.len())])?;
            while let Some(row) = rows.next()? {
                named.push(id(row)?);
            }
        }
        Ok((count, named))
    }

    /// When the oldest entry was taken in.
    pub(super) fn oldest(&self) -> Result<Option<Millis>> {
        let oldest: Option<i64> = self.0.query_row("SELECT MIN(received_at) FROM entries", [], |row| row.get(0))?;
        Ok(oldest.map(Millis))
    }

    /// Shows each id that is no entry's: how often it was seen, whether it is of one of the journal's accounts, and its time.
    pub(super) fn each_stranger(&self, mut each: impl FnMut(u64, bool, Option<Millis>)) -> Result<()> {
        let mut statement = self.0.prepare("SELECT times, ours, time FROM strangers")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(row.get(0)?, row.get(1)?, row.get::<_, Option<i64>>(2)?.map(Millis));
        }
        Ok(())
    }

    /// Keeps a range for later.
    pub(super) fn keep_range(&self, range: &Delivered) -> Result<()> {
        let sql = "INSERT INTO ranges (account, lane, first, last, version, sent, skipped, dead) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let Delivered { partition, from, to, version, sent, skipped, dead } = range;
        let lane = lane_word(partition.lane);
        let values = (partition.account.as_str(), lane, from, to, version, sent, skipped, dead);
        self.0.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// The next range that was kept, behind the number `after`, with its own number.
    pub(super) fn next_range(&self, after: i64) -> Result<Option<(i64, Delivered)>> {
        let sql = "SELECT n, account, lane, first, last, version, sent, skipped, dead FROM ranges WHERE n > ?1 ORDER BY n LIMIT 1";
        let read = |row: &Row<'_>| {
            let (account, lane): (String, String) = (row.get(1)?, row.get(2)?);
            let partition = Partition { account: AccountUid::new(&account), lane: lane_of(&lane) };
            let (from, to, version) = (row.get(3)?, row.get(4)?, row.get(5)?);
            let range =
                Delivered { partition, from, to, version, sent: row.get(6)?, skipped: row.get(7)?, dead: row.get(8)? };
            Ok((row.get(0)?, range))
        };
        Ok(self.0.prepare_cached(sql)?.query_row([after], read).optional()?)
    }
}

fn id(row: &Row<'_>) -> rusqlite::Result<Uuid> {
    Ok(Uuid::from_bytes(row.get(0)?))
}

fn lane_word(lane: Lane) -> &'static str {
    match lane {
        Lane::Live => "live",
        Lane::Backfill => "backfill",
        Lane::Replayed => "replayed",
    }
}

fn lane_of(word: &str) -> Lane {
    match word {
        "live" => Lane::Live,
        "backfill" => Lane::Backfill,
        _ => Lane::Replayed,
    }
}

fn fate_number(fate: Fate) -> i64 {
    match fate {
        Fate::Lost => 0,
        Fate::Expired => 1,
        Fate::Unclear => 2,
    }
}

fn numbered_fate(number: i64) -> Fate {
    match number {
        0 => Fate::Lost,
        1 => Fate::Expired,
        _ => Fate::Unclear,
    }
}
