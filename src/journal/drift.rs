//! What the API shows and no document told: counted by name, with one sample each.

use crate::clock::Millis;
use crate::journal::JournalError;
use crate::journal::fail::Done;
use crate::journal::partitions;
use crate::journal::sqlite::Journal;
use crate::journal::tx::{Tx, first, rows};
use crate::record::AccountUid;

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
    /// Counts something undocumented. `sample` must be free of secrets; it is cut short.
    pub async fn drift(&self, account: &AccountUid, kind: &str, name: &str, sample: &str) -> Result<(), JournalError> {
        let account = account.clone();
        let [kind, name, sample] = [kind, name, sample].map(|text| cut(text).to_owned());
        self.write(move |tx| count(tx, &account, &kind, &name, &sample)).await
    }

    /// Everything undocumented that an account showed, by kind and name.
    pub async fn drifts(&self, account: &AccountUid) -> Result<Vec<Drift>, JournalError> {
        let account = account.clone();
        self.look(move |view| {
            let Some(id) = partitions::account(view.connection, &account)? else { return Ok(Vec::new()) };
            let sql = "SELECT kind, name, count, sample, first_at, last_at FROM drift WHERE account = ?1";
            rows(view.connection, sql, [id], |row| {
                Ok(Drift {
                    kind: row.get(0)?,
                    name: row.get(1)?,
                    count: row.get(2)?,
                    sample: row.get(3)?,
                    first_at: Millis(row.get(4)?),
                    last_at: Millis(row.get(5)?),
                })
            })
        })
        .await
    }
}

fn count(tx: &Tx<'_>, account: &AccountUid, kind: &str, name: &str, sample: &str) -> Done<()> {
    let account = partitions::met_account(tx, account)?;
    let now = tx.now().0;
    let sql = "UPDATE drift SET count = count + 1, last_at = ?4 WHERE account = ?1 AND kind = ?2 AND name = ?3";
    if tx.execute(sql, (account, kind, name, now))? > 0 {
        return Ok(());
    }
    let sql = "SELECT COUNT(*) FROM drift WHERE account = ?1";
    let names: u64 = first(tx.connection, sql, [account], |row| row.get(0))?.unwrap_or(0);
    if names >= MOST_NAMES {
        return Ok(());
    }
    tx.execute(
        "INSERT INTO drift (account, kind, name, count, sample, first_at, last_at) VALUES (?1, ?2, ?3, 1, ?4, ?5, ?5)",
        (account, kind, name, sample, now),
    )?;
    Ok(())
}

/// The longest beginning of whole characters within [`MOST_BYTES`].
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MOST_BYTES)).unwrap_or(text)
}
