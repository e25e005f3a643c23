//! How much room the journal takes, and who takes it.
//!
//! `max_bytes` is for what can drain: records, references, held records, dead letters and the write-ahead log. What collectors
//! need to know (alerts, inventory, keys) is counted apart and stops nobody, since nothing that they could do would make it less.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use crate::journal::JournalError;
use crate::journal::counters::{self, Counters};
use crate::journal::fail::{Done, Fail};
use crate::journal::files::beside;
use crate::journal::schema;
use crate::journal::sqlite::Journal;
use crate::journal::trim;
use crate::journal::tx::{Ground, Tx};

/// A page of SQLite's default size, and what a row leaves of it where it needs pages of its own.
const PAGE: u64 = 4096;
const PAGE_CONTENT: u64 = 4092;
/// Rows up to this size share pages.
const SMALL: u64 = 2000;
/// What a reference takes, with its share of the indexes.
const REFERENCE: u64 = 96;

/// The room that the journal takes. It costs the same however much that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes that count for `max_bytes`: the sum of the next five.
    pub used: u64,
    /// `journal.max_bytes`; for a journal opened only to look, the largest number.
    pub limit: u64,
    /// Bytes of records that no dead letter keeps: they go once every sink has passed them.
    pub record_bytes: u64,
    /// Bytes of the references of replays.
    pub reference_bytes: u64,
    /// Bytes of held records.
    pub held_bytes: u64,
    /// Bytes that dead letters keep: their own, and the batches of the records that they name.
    pub dead_bytes: u64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: u64,
    /// Bytes of the rest of the file, free pages apart: what collectors know. It does not count.
    pub state_bytes: u64,
    /// Held records.
    pub held_records: u64,
    /// Dead letters that wait for an operator.
    pub dead_letters: u64,
    /// Of these, items that no record could be made of.
    pub rejected: u64,
    /// Such items whose letters left for newer ones since the journal was made.
    pub rejected_dropped: u64,
    /// Collectors of records are refused now.
    pub full: bool,
}

impl Journal {
    /// How much room the journal takes, and what takes it.
    pub async fn usage(&self) -> Result<Usage, JournalError> {
        self.look(|view| usage(view.connection, view.ground)).await
    }

    /// Whether collectors of records are refused, as the last commit left it. Reads no table.
    pub fn is_full(&self) -> bool {
        self.inner.ground.is_full()
    }
}

/// See [`Journal::usage`].
pub(super) fn usage(connection: &Connection, ground: &Ground) -> Done<Usage> {
    let counters = counters::read(connection)?;
    let wal_bytes = wal_bytes(&ground.path);
    let limit = ground.options.max_bytes;
    let used = drainable(&counters).saturating_add(wal_bytes);
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    let file = pages.saturating_mul(pragma("page_size")?);
    Ok(Usage {
        used,
        limit,
        record_bytes: counters.record_bytes.saturating_sub(counters.pinned_bytes),
        reference_bytes: counters.references.saturating_mul(REFERENCE),
        held_bytes: counters.held_bytes,
        dead_bytes: counters.letter_bytes.saturating_add(counters.pinned_bytes),
        wal_bytes,
        state_bytes: file.saturating_sub(drainable(&counters)),
        held_records: counters.held,
        dead_letters: counters.letters,
        rejected: counters.rejected,
        rejected_dropped: counters.rejected_dropped,
        full: used >= limit,
    })
}

/// What a row of `bytes` takes in the file: rows share pages up to half a page, others have pages of their own.
pub(super) fn room(bytes: usize) -> u64 {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    if bytes <= SMALL {
        // An eighth stays free where rows share pages; 48 bytes are the row's own overhead.
        bytes.saturating_add(bytes / 8).saturating_add(48)
    } else {
        bytes.div_ceil(PAGE_CONTENT).saturating_mul(PAGE)
    }
}

/// What dead letters of unreadable items may take of `max_bytes`: a tenth, so that they never stop collecting.
pub(super) fn rejected_bound(max_bytes: u64) -> u64 {
    max_bytes / 10
}

/// Whether the write-ahead log has passed a quarter of the limit.
pub(super) fn wal_is_large(ground: &Ground) -> bool {
    wal_bytes(&ground.path) > ground.options.max_bytes / 4
}

/// Notes for [`Journal::is_full`] whether collectors are refused now.
pub(super) fn note_fullness(connection: &Connection, ground: &Ground) -> Done<()> {
    ground.set_full(used(connection, &ground.path)? >= ground.options.max_bytes);
    Ok(())
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

/// Bytes that count for `max_bytes`. Inside a transaction its own changes count.
pub(super) fn used(connection: &Connection, path: &Path) -> Done<u64> {
    Ok(drainable(&counters::read(connection)?).saturating_add(wal_bytes(path)))
}

fn drainable(counters: &Counters) -> u64 {
    let references = counters.references.saturating_mul(REFERENCE);
    [counters.record_bytes, references, counters.held_bytes, counters.letter_bytes]
        .into_iter()
        .fold(0, u64::saturating_add)
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
    match busy {
        Ok(busy) => Ok(busy == 0),
        Err(error)
            if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) =>
        {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}
