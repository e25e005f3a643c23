//! Accounts and partitions by number, and the counters that give out sequences.

use rusqlite::Connection;

use crate::journal::fail::{Done, Fail};
use crate::journal::tx::{Tx, first};
use crate::journal::{Lane, Partition};
use crate::record::AccountUid;

/// The name of the partition that no sink reads.
pub(super) const HELD: &str = "held";

/// A stored partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) id: i64,
    /// The last sequence given out.
    pub(super) head: u64,
}

/// A lane's stored name; `sink` is whose replays are meant.
pub(super) fn lane_name(lane: Lane, sink: &str) -> String {
    match lane {
        Lane::Live | Lane::Backfill => lane.as_str().to_owned(),
        Lane::Replayed => format!("replayed:{sink}"),
    }
}

/// The lane of a stored name; `None` for `held`.
pub(super) fn lane_of(name: &str) -> Option<Lane> {
    match name {
        "live" => Some(Lane::Live),
        "backfill" => Some(Lane::Backfill),
        _ => name.starts_with("replayed:").then_some(Lane::Replayed),
    }
}

/// The number of an account that the journal has met.
pub(super) fn account(connection: &Connection, uid: &AccountUid) -> Done<Option<i64>> {
    first(connection, "SELECT id FROM accounts WHERE uid = ?1", [uid.as_str()], |row| row.get(0))
}

/// The number of an account, given now if the journal has not met it.
pub(super) fn met_account(tx: &Tx<'_>, uid: &AccountUid) -> Done<i64> {
    if let Some(id) = account(tx.connection, uid)? {
        return Ok(id);
    }
    tx.execute("INSERT INTO accounts (uid) VALUES (?1)", [uid.as_str()])?;
    Ok(tx.connection.last_insert_rowid())
}

/// The uid of an account's number.
pub(super) fn account_uid(connection: &Connection, id: i64) -> Done<AccountUid> {
    let uid: Option<String> = first(connection, "SELECT uid FROM accounts WHERE id = ?1", [id], |row| row.get(0))?;
    uid.map(|uid| AccountUid::new(&uid)).ok_or_else(|| Fail::damaged(format!("no account has the number {id}")))
}

/// A partition as a sink names it.
pub(super) fn find(connection: &Connection, partition: &Partition, sink: &str) -> Done<Option<Stored>> {
    let Some(account) = account(connection, &partition.account)? else { return Ok(None) };
    stored(connection, account, &lane_name(partition.lane, sink))
}

/// A partition by its stored name.
pub(super) fn stored(connection: &Connection, account: i64, lane: &str) -> Done<Option<Stored>> {
    let sql = "SELECT id, head FROM partitions WHERE account = ?1 AND lane = ?2";
    first(connection, sql, (account, lane), |row| Ok(Stored { id: row.get(0)?, head: row.get(1)? }))
}

/// How many of a partition's sequences are still there.
pub(super) fn records(connection: &Connection, id: i64) -> Done<u64> {
    let sql = "SELECT records FROM partitions WHERE id = ?1";
    Ok(first(connection, sql, [id], |row| row.get(0))?.unwrap_or(0))
}

/// The place that a partition's number stands for: only records' own partitions have one.
pub(super) fn named(connection: &Connection, id: i64) -> Done<Partition> {
    let sql = "SELECT account, lane FROM partitions WHERE id = ?1";
    let row = first(connection, sql, [id], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    let (account, lane) = row.ok_or_else(|| Fail::damaged(format!("no partition has the number {id}")))?;
    let lane = lane_of(&lane).ok_or_else(|| Fail::damaged(format!("partition {id} is no lane")))?;
    Ok(Partition { account: account_uid(connection, account)?, lane })
}

/// Gives out `count` sequences of a partition, the first of which is returned with the partition's number. The counter
/// never goes back, whatever is trimmed (model rule `counter`).
pub(super) fn give_out(tx: &Tx<'_>, account: i64, lane: &str, count: u64) -> Done<(i64, u64)> {
    let found = stored(tx.connection, account, lane)?;
    let head = found.map_or(0, |stored| stored.head).saturating_add(count);
    let id = match found {
        Some(stored) => {
            tx.execute("UPDATE partitions SET head = ?2 WHERE id = ?1", (stored.id, head))?;
            stored.id
        }
        None => {
            tx.execute("INSERT INTO partitions (account, lane, head) VALUES (?1, ?2, ?3)", (account, lane, head))?;
            tx.connection.last_insert_rowid()
        }
    };
    Ok((id, head.saturating_sub(count).saturating_add(1)))
}
