//! Which configured accounts have a site list that is still to be read: rules by name wait for it (contract.md section 4).

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use crate::journal::JournalError;
use crate::journal::fail::{Done, Fail};
use crate::journal::policy::{self, Cause, Decided};
use crate::journal::sqlite::Journal;
use crate::journal::tx::{Tx, first, rows};
use crate::org::Policy;
use crate::org::audit::Change;

/// Whether the wait for an account's list is over, by configured name. An account that is not in it has shown its list if a site of it
/// is stored.
type Noted = BTreeMap<String, bool>;

/// What the end of a wait did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitEnd {
    /// Held records that went to their lanes.
    pub released: u64,
    /// Held records that may not be collected.
    pub dropped: u64,
    /// What changed about who sees what: vintner's own records of it are in the journal now.
    pub changes: Vec<Change>,
}

impl Journal {
    /// Says that the account of this configured name has shown its whole site list, or failed its first pass of it: nothing waits for
    /// that list any more, now or after a restart. What was held for it follows in bounded steps, and has when it returns.
    pub async fn end_wait_for_sites(&self, account: &str) -> Result<WaitEnd, JournalError> {
        let name = account.to_owned();
        let ended = self.write(move |tx| {
            let before = tx.directory()?;
            if !before.is_awaited(&name) {
                return Ok((WaitEnd::default(), false));
            }
            note(tx, &name, true)?;
            let Decided { released, dropped, changes, is_pending } = policy::decide_anew(tx, &before, Cause::Known)?;
            Ok((WaitEnd { released, dropped, changes }, is_pending))
        });
        let (mut end, is_pending) = ended.await?;
        if is_pending {
            let rest = self.follow_decisions().await?;
            end.released = end.released.saturating_add(rest.released);
            end.dropped = end.dropped.saturating_add(rest.dropped);
        }
        Ok(end)
    }
}

/// The accounts of `policy` whose site list is still to be read.
pub(super) fn awaited(connection: &Connection, policy: &Policy) -> Done<BTreeSet<String>> {
    let noted = noted(connection)?;
    let mut awaited = BTreeSet::new();
    for name in policy.accounts.keys() {
        let is_over = match noted.get(name) {
            Some(is_over) => *is_over,
            None => has_shown(connection, name)?,
        };
        if !is_over {
            awaited.insert(name.clone());
        }
    }
    Ok(awaited)
}

/// Forgets accounts that are configured no longer: one that failed is waited for again when it comes back.
pub(super) fn keep_configured(tx: &Tx<'_>, policy: &Policy) -> Done<()> {
    let mut noted = noted(tx.connection)?;
    let count = noted.len();
    noted.retain(|name, _| policy.accounts.contains_key(name));
    if noted.len() < count { store(tx, &noted) } else { Ok(()) }
}

/// A configured name stands for another Datto RMM account than before, whose list is still to be read.
pub(super) fn wait_again(tx: &Tx<'_>, name: &str) -> Done<()> {
    note(tx, name, false)
}

/// Whether another account was opened under this name, and `account` has no site yet.
pub(super) fn is_another(connection: &Connection, account: i64, name: &str) -> Done<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM accounts WHERE id <> ?1 AND json_extract(account, '$.name') = ?2)
        AND NOT EXISTS (SELECT 1 FROM sites WHERE account = ?1)";
    Ok(first(connection, sql, (account, name), |row| row.get(0))?.unwrap_or(false))
}

fn has_shown(connection: &Connection, name: &str) -> Done<bool> {
    let sql = "SELECT 1 FROM accounts a WHERE json_extract(a.account, '$.name') = ?1
        AND EXISTS (SELECT 1 FROM sites WHERE sites.account = a.id) LIMIT 1";
    Ok(!rows(connection, sql, [name], |_| Ok(()))?.is_empty())
}

fn note(tx: &Tx<'_>, name: &str, is_over: bool) -> Done<()> {
    let mut noted = noted(tx.connection)?;
    noted.insert(name.to_owned(), is_over);
    store(tx, &noted)
}

fn noted(connection: &Connection) -> Done<Noted> {
    let sql = "SELECT value FROM meta WHERE name = 'site_lists'";
    let json: Option<String> = first(connection, sql, [], |row| row.get(0))?;
    let read = |json: String| serde_json::from_str(&json).map_err(|e| Fail::damaged(format!("its site lists: {e}")));
    json.map_or_else(|| Ok(Noted::new()), read)
}

fn store(tx: &Tx<'_>, noted: &Noted) -> Done<()> {
    let json = serde_json::to_string(noted).map_err(|e| Fail::damaged(format!("its site lists: {e}")))?;
    tx.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('site_lists', ?1)", [json]).map(drop)
}
