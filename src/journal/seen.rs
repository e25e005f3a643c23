//! The keys by which a record is known again.

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use crate::clock::Millis;
use crate::journal::UNDATED;
use crate::journal::fail::Done;
use crate::journal::tx::{Tx, first, rows};
use crate::record::{AccountUid, Envelope};

/// The first 16 bytes of a SHA-256.
pub(super) type Key = [u8; 16];

const DAY_MS: i64 = 86_400_000;
/// The API shows activity of at most 180 days (datto-rmm-api.md section 7); a day more is kept, since days are cut at midnight.
const DAYS_KEPT: i64 = 181;

/// The key over texts, none of which holds the separator.
pub(super) fn key(parts: &[&str]) -> Key {
    let mut hash = Sha256::new();
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            hash.update([0]);
        }
        hash.update(part);
    }
    let mut key = Key::default();
    key.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    key
}

/// The key of an alert.
pub(super) fn alert_key(account: &AccountUid, uid: &str) -> Key {
    key(&[account.as_str(), uid])
}

/// The unique key of a record that is no alert (event-schema.md section 4).
pub(super) fn record_key(envelope: &Envelope) -> Key {
    let marker = envelope.marker.to_string();
    key(&[envelope.account.as_str(), envelope.kind.as_str(), &envelope.native_id, &marker])
}

/// The day under which a key is kept.
pub(super) fn day(dated: Millis) -> i64 {
    dated.0.div_euclid(DAY_MS)
}

/// Whether a record's key was seen: under its day, or when it had no date. A record without a date is looked for under every
/// day, since an answer may leave out a date that another one gives.
pub(super) fn contains(connection: &Connection, account: i64, dated: Millis, key: &Key) -> Done<bool> {
    if dated != UNDATED {
        return Ok(is_under(connection, account, day(dated), key)? || is_under(connection, account, day(UNDATED), key)?);
    }
    // Day by day: `DISTINCT` would read the keys of all days.
    let sql = "SELECT MIN(day) FROM seen WHERE account = ?1 AND day > ?2";
    let mut last = i64::MIN;
    while let Some(day) = first(connection, sql, (account, last), |row| row.get::<_, Option<i64>>(0))?.flatten() {
        if is_under(connection, account, day, key)? {
            return Ok(true);
        }
        last = day;
    }
    Ok(false)
}

fn is_under(connection: &Connection, account: i64, day: i64, key: &Key) -> Done<bool> {
    let sql = "SELECT 1 FROM seen WHERE account = ?1 AND day = ?2 AND key = ?3";
    Ok(first(connection, sql, (account, day, key), |_| Ok(()))?.is_some())
}

/// Remembers a record's key.
pub(super) fn insert(tx: &Tx<'_>, account: i64, dated: Millis, key: &Key) -> Done<()> {
    tx.execute("INSERT INTO seen (account, day, key) VALUES (?1, ?2, ?3)", (account, day(dated), key))?;
    Ok(())
}

/// Forgets a record's key: the record went without being told, so a later look may tell it.
pub(super) fn remove(tx: &Tx<'_>, account: i64, dated: Millis, key: &Key) -> Done<()> {
    tx.execute("DELETE FROM seen WHERE account = ?1 AND day = ?2 AND key = ?3", (account, day(dated), key))?;
    Ok(())
}

/// Remembers a rejected item; says whether it is new.
pub(super) fn reject(tx: &Tx<'_>, account: i64, key: &Key) -> Done<bool> {
    let sql = "INSERT OR IGNORE INTO rejects (account, key, day) VALUES (?1, ?2, ?3)";
    Ok(tx.execute(sql, (account, key, day(tx.now())))? > 0)
}

/// Forgets what the API no longer shows: one step of it. Says whether there may be more.
pub(super) fn trim(tx: &Tx<'_>, now: Millis) -> Done<bool> {
    let oldest = day(now).saturating_sub(DAYS_KEPT);
    let most = tx.ground.steps.trim;
    let mut more = false;
    for table in ["seen", "rejects"] {
        // By account, since the keys lie by account and day: a condition on the day alone would read them all.
        for account in rows(tx.connection, "SELECT id FROM accounts", [], |row| row.get::<_, i64>(0))? {
            let sql = format!(
                "DELETE FROM {table} WHERE account = ?1 AND (day, key) IN
                   (SELECT day, key FROM {table} WHERE account = ?1 AND day < ?2 LIMIT ?3)"
            );
            more |= tx.execute(&sql, (account, oldest, most))? >= most;
        }
    }
    Ok(more)
}
