//! Items that no record could be made of: kept as dead letters, once per content, in a bounded part of the journal. They can only be
//! shown and dropped, so the oldest leave for newer ones and stop nobody.

use crate::journal::counters;
use crate::journal::dead::{kind_name, room};
use crate::journal::fail::Done;
use crate::journal::pack;
use crate::journal::seen;
use crate::journal::space;
use crate::journal::tx::Tx;
use crate::journal::{RefusedKind, Rejected};

/// Letters that are removed by one statement.
const AT_ONCE: usize = 64;

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
    while leave(tx)? {}
    Ok(true)
}

/// Removes some of the oldest letters of unreadable items if they take more than their share, and counts them. Says whether there may be
/// more to remove.
pub(super) fn leave(tx: &Tx<'_>) -> Done<bool> {
    let bound = space::rejected_bound(tx.ground.options.max_bytes);
    let excess = counters::read(tx.connection)?.rejected_bytes.saturating_sub(bound);
    if excess == 0 {
        return Ok(false);
    }
    // As many of the oldest as the excess needs: those before which less than it has left.
    let sql = "DELETE FROM dead WHERE id IN (SELECT id FROM (
          SELECT id, SUM(room) OVER (ORDER BY id) - room AS before FROM (
            SELECT id, room FROM dead WHERE sink IS NULL ORDER BY id LIMIT ?2)) WHERE before < ?1)";
    let gone = tx.execute(sql, (excess, AT_ONCE))?;
    tx.execute("UPDATE counters SET value = value + ?1 WHERE name = 'rejected_dropped'", [gone])?;
    Ok(gone > 0)
}
