//! What the API shows and no document told: counted by name, with one sample each.

use std::collections::BTreeMap;

use crate::clock::Millis;
use crate::diagnostic::panics::caught;
use crate::journal::JournalError;
use crate::journal::fail::Done;
use crate::journal::sqlite::Journal;
use crate::journal::tx::{Tx, first, rows};
use crate::normalize::drift as findings;
use crate::record::{AccountUid, Record};

/// Names kept of one account: a hostile API could invent them without end.
const MOST_NAMES: u64 = 2_000;
/// Bytes kept of a name and of a sample.
const MOST_BYTES: usize = 200;

/// Something undocumented that an account's API showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// What it is, e.g. `alert context`.
    pub kind: String,
    /// Its name, e.g. the unknown `@class`.
    pub name: String,
    /// How often it was seen.
    pub count: u64,
    /// The first value seen, cut short.
    pub sample: String,
    /// First seen.
    pub first_at: Millis,
    /// Last seen.
    pub last_at: Millis,
}

impl Journal {
    /// Everything undocumented that all accounts showed, by account, kind and name.
    pub async fn all_drifts(&self) -> Result<Vec<(AccountUid, Drift)>, JournalError> {
        self.look(|view| {
            let sql = "SELECT d.kind, d.name, d.count, d.sample, d.first_at, d.last_at, a.uid
                FROM drift d JOIN accounts a ON a.id = d.account ORDER BY a.uid, d.kind, d.name";
            rows(view.connection, sql, [], |row| Ok((AccountUid::new(&row.get::<_, String>(6)?), drift(row)?)))
        })
        .await
    }
}

/// What a page showed, until it is counted in the page's transaction: each name once, with how often and the first sample.
#[derive(Debug, Default)]
pub(super) struct Shown(BTreeMap<(&'static str, String), (u64, String)>);

impl Shown {
    /// Notes what a record that is new to the journal shows.
    pub(super) fn note(&mut self, record: &Record) {
        // Only a count: a record that makes this panic is taken in like any other, and the log has the panic.
        for finding in caught(|| findings::of(record)).unwrap_or_default() {
            let name = cut(&finding.name).to_owned();
            let entry = self.0.entry((finding.kind.as_str(), name)).or_insert_with(|| (0, finding.sample));
            entry.0 = entry.0.saturating_add(1);
        }
    }

    /// Counts everything noted.
    pub(super) fn count(self, tx: &Tx<'_>, account: i64) -> Done<()> {
        for ((kind, name), (times, sample)) in self.0 {
            count(tx, account, kind, &name, cut(&sample), times)?;
        }
        Ok(())
    }
}

/// A row whose first six columns are those of [`Drift`].
fn drift(row: &rusqlite::Row<'_>) -> rusqlite::Result<Drift> {
    Ok(Drift {
        kind: row.get(0)?,
        name: row.get(1)?,
        count: row.get(2)?,
        sample: row.get(3)?,
        first_at: Millis(row.get(4)?),
        last_at: Millis(row.get(5)?),
    })
}

fn count(tx: &Tx<'_>, account: i64, kind: &str, name: &str, sample: &str, times: u64) -> Done<()> {
    let now = tx.now().0;
    let sql = "UPDATE drift SET count = count + ?5, last_at = ?4 WHERE account = ?1 AND kind = ?2 AND name = ?3";
    if tx.execute(sql, (account, kind, name, now, times))? > 0 {
        return Ok(());
    }
    let sql = "SELECT COUNT(*) FROM drift WHERE account = ?1";
    let names: u64 = first(tx.connection, sql, [account], |row| row.get(0))?.unwrap_or(0);
    if names >= MOST_NAMES {
        return Ok(());
    }
    tx.execute(
        "INSERT INTO drift (account, kind, name, count, sample, first_at, last_at) VALUES (?1, ?2, ?3, ?6, ?4, ?5, ?5)",
        (account, kind, name, sample, now, times),
    )?;
    Ok(())
}

/// The longest beginning of whole characters within [`MOST_BYTES`].
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MOST_BYTES)).unwrap_or(text)
}
