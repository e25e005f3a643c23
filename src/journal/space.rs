//! How much room the journal takes, and who takes it.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use crate::journal::JournalError;
use crate::journal::fail::{Done, Fail};
use crate::journal::schema::{self, beside};
use crate::journal::sqlite::Journal;
use crate::journal::trim;
use crate::journal::tx::{Ground, Tx, first};

/// The room that the journal takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of the pages in use and of the write-ahead log.
    pub used: u64,
    /// `journal.max_bytes`; for a journal opened only to look, the largest number.
    pub limit: u64,
    /// Compressed bytes of held records.
    pub held_bytes: u64,
    /// Compressed bytes that dead letters keep: their own, and the pages of the records that they name.
    pub dead_bytes: u64,
    /// Dead letters that wait for an operator.
    pub dead_letters: u64,
    /// Collectors of records are refused now.
    pub full: bool,
}

impl Journal {
    /// How much room the journal takes, and what of it held records and dead letters keep.
    pub async fn usage(&self) -> Result<Usage, JournalError> {
        self.look(|view| {
            let used = used(view.connection, &view.ground.path)?;
            let limit = view.ground.options.max_bytes;
            let sum = |sql| Ok::<u64, Fail>(first(view.connection, sql, [], |row| row.get(0))?.unwrap_or(0));
            let held_bytes = sum("SELECT COALESCE(SUM(LENGTH(record)), 0) FROM held")?;
            let own = sum("SELECT COALESCE(SUM(LENGTH(content)), 0) FROM dead")?;
            let pages = sum("SELECT COALESCE(SUM(LENGTH(data)), 0) FROM blobs WHERE id IN (
                SELECT (SELECT blob FROM batches WHERE batches.partition = dead.partition AND first_seq <= dead.seq
                        ORDER BY first_seq DESC LIMIT 1)
                FROM (SELECT partition, seq FROM dead WHERE sink IS NOT NULL UNION SELECT partition, seq FROM dead_among) dead)")?;
            let dead_letters = sum("SELECT COUNT(*) FROM dead")?;
            let dead_bytes = own.saturating_add(pages);
            Ok(Usage { used, limit, held_bytes, dead_bytes, dead_letters, full: used >= limit })
        })
        .await
    }
}

impl Journal {
    /// Cuts the write-ahead log if it has passed a quarter of the limit; says whether it did. The writer does the same after each
    /// commit; this is for a reader that was in its way then.
    pub(super) async fn shorten_wal(&self) -> Result<bool, JournalError> {
        let ground = self.inner.ground.clone();
        self.blocking(move || {
            if !wal_is_large(&ground) {
                return Ok(false);
            }
            let cut = schema::read_write(&ground.path).and_then(|connection| truncate_wal(&connection));
            cut.map_err(|e| e.into_error(&ground.path))
        })
        .await
    }
}

/// Whether the write-ahead log has passed a quarter of the limit.
pub(super) fn wal_is_large(ground: &Ground) -> bool {
    wal_bytes(&ground.path) > ground.options.max_bytes / 4
}

/// Refuses what a collector wants to append when the journal is full, even after everything went that may go before its time.
pub(super) fn require_room(tx: &Tx<'_>) -> Done<()> {
    let limit = tx.ground.options.max_bytes;
    if used(tx.connection, &tx.ground.path)? < limit {
        return Ok(());
    }
    trim::early(tx)?;
    let used = used(tx.connection, &tx.ground.path)?;
    if used < limit { Ok(()) } else { Err(Fail::Full { used, limit }) }
}

/// Bytes of the pages in use plus the write-ahead log. Inside a transaction its own changes count.
pub(super) fn used(connection: &Connection, path: &Path) -> Done<u64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    Ok(pages.saturating_mul(pragma("page_size")?).saturating_add(wal_bytes(path)))
}

/// The size of the write-ahead log.
fn wal_bytes(path: &Path) -> u64 {
    beside(path, "-wal").metadata().map_or(0, |log| log.len())
}

/// Writes the log back into the file and cuts it to nothing, unless a reader still needs it. Says whether it was cut.
pub(super) fn truncate_wal(connection: &Connection) -> Done<bool> {
    // Waiting for a long reader would stop every writer; another attempt costs less.
    connection.busy_timeout(Duration::ZERO)?;
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    connection.busy_timeout(schema::BUSY)?;
    Ok(busy? == 0)
}
