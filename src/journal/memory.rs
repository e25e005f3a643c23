//! Small named values: cursors of an account's streams, and what the whole process must not forget.

use crate::journal::JournalError;
use crate::journal::fail::Done;
use crate::journal::partitions;
use crate::journal::sqlite::Journal;
use crate::journal::tx::{Tx, first};
use crate::record::AccountUid;

impl Journal {
    /// A cursor of an account, as JSON.
    pub async fn cursor(&self, account: &AccountUid, name: &str) -> Result<Option<String>, JournalError> {
        let (account, name) = (account.clone(), name.to_owned());
        self.look(move |view| {
            let Some(id) = partitions::account(view.connection, &account)? else { return Ok(None) };
            let sql = "SELECT value FROM cursors WHERE account = ?1 AND name = ?2";
            first(view.connection, sql, (id, name), |row| row.get(0))
        })
        .await
    }

    /// Stores cursors of an account, `(name, JSON)`.
    pub async fn put_cursors(&self, account: &AccountUid, cursors: Vec<(String, String)>) -> Result<(), JournalError> {
        let account = account.clone();
        self.write(move |tx| {
            let id = partitions::met_account(tx, &account)?;
            store_cursors(tx, id, &cursors)
        })
        .await
    }

    /// A value that [`Journal::remember`] stored.
    pub async fn recall(&self, name: &str) -> Result<Option<String>, JournalError> {
        let name = name.to_owned();
        self.look(move |view| {
            first(view.connection, "SELECT value FROM memory WHERE name = ?1", [name], |row| row.get(0))
        })
        .await
    }

    /// Stores small values by name, `(name, JSON)`: ends of pauses, send times.
    pub async fn remember(&self, values: Vec<(String, String)>) -> Result<(), JournalError> {
        self.write(move |tx| {
            for (name, value) in &values {
                // Nothing is written for a value that is there already.
                tx.execute(
                    "INSERT INTO memory (name, value) VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value IS NOT excluded.value",
                    (name, value),
                )?;
            }
            Ok(())
        })
        .await
    }
}

/// Stores cursors; one that is as stored already writes nothing.
pub(super) fn store_cursors(tx: &Tx<'_>, account: i64, cursors: &[(String, String)]) -> Done<()> {
    for (name, value) in cursors {
        tx.execute(
            "INSERT INTO cursors (account, name, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (account, name) DO UPDATE SET value = excluded.value WHERE value IS NOT excluded.value",
            (account, name, value),
        )?;
    }
    Ok(())
}
