//! The accounts whose data the journal holds.

use std::collections::hash_map::Entry;
use std::sync::PoisonError;

use rusqlite::Connection;

use crate::inventory::Account;
use crate::journal::JournalError;
use crate::journal::fail::{Done, Fail};
use crate::journal::lists;
use crate::journal::partitions;
use crate::journal::policy::{self, Cause};
use crate::journal::sqlite::Journal;
use crate::journal::tx::{Tx, first, rows};
use crate::record::AccountUid;

/// Why an account cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenAccountError {
    /// Its account-level records belong to another organization since its first data: the configuration must name that one.
    #[error(
        "account-level data of this account belongs to {} since its first data, not to {}",
        named(stored),
        named(configured)
    )]
    OrgFixed {
        /// The organization that is stored; `None`: the account itself.
        stored: Option<String>,
        /// The organization that is configured; `None`: the account itself.
        configured: Option<String>,
    },
    /// Another configured account is the same Datto RMM account: neither may run.
    #[error("it is the same Datto RMM account as `{other_name}`")]
    Duplicate {
        /// The name of the other's `[accounts.<name>]` table.
        other_name: String,
    },
    /// The journal cannot do it.
    #[error("the journal refused")]
    Journal(#[from] JournalError),
}

impl Journal {
    /// Stores what is known of an account before its data comes. `user_activity_org` is where its account-level records go (`None`: to
    /// the account itself), which cannot change once there is data.
    pub async fn open_account(
        &self,
        account: &Account,
        user_activity_org: Option<&str>,
    ) -> Result<(), OpenAccountError> {
        let first_here = self.claim(account)?;
        let (wanted, org) = (account.clone(), user_activity_org.map(str::to_owned));
        let stored = self.write(move |tx| store(tx, &wanted, org)).await;
        if first_here && !matches!(stored, Ok(Ok(()))) {
            self.close_account(&account.uid);
        }
        if matches!(stored, Ok(Ok(()))) {
            self.follow_decisions().await?;
        }
        stored?
    }

    /// Where the account-level records of the account that was last open under the configured name `name` go since its first
    /// data; `None` without such an account or data.
    pub async fn fixed_org(&self, name: &str) -> Result<Option<Option<String>>, JournalError> {
        let name = name.to_owned();
        self.look(move |view| {
            let stored = stored_org(view.connection, &name)?;
            Ok(stored.filter(|(_, _, has_data)| *has_data).map(|(_, org, _)| org))
        })
        .await
    }

    /// Says that this process no longer collects from an account, so that it may come back under another configured name.
    pub fn close_account(&self, account: &AccountUid) {
        self.inner.open_accounts.lock().unwrap_or_else(PoisonError::into_inner).remove(account);
    }

    /// The same of every account.
    pub fn close_accounts(&self) {
        self.inner.open_accounts.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Notes the account as open in this process; says whether it was not.
    fn claim(&self, account: &Account) -> Result<bool, OpenAccountError> {
        let mut open = self.inner.open_accounts.lock().unwrap_or_else(PoisonError::into_inner);
        match open.entry(account.uid.clone()) {
            Entry::Occupied(other) if *other.get() != account.name => {
                Err(OpenAccountError::Duplicate { other_name: other.get().clone() })
            }
            Entry::Occupied(_) => Ok(false),
            Entry::Vacant(place) => {
                place.insert(account.name.clone());
                Ok(true)
            }
        }
    }
}

fn store(tx: &Tx<'_>, account: &Account, org: Option<String>) -> Done<Result<(), OpenAccountError>> {
    let id = partitions::met_account(tx, &account.uid)?;
    let sql = "SELECT account, user_activity_org FROM accounts WHERE id = ?1";
    let row = first(tx.connection, sql, [id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (known, stored): (Option<String>, Option<String>) = row.unwrap_or_default();
    if stored != org && known.is_some() && has_data(tx.connection, id)? {
        return Ok(Err(OpenAccountError::OrgFixed { stored, configured: org }));
    }
    let before = tx.directory()?;
    let json = serde_json::to_string(account).map_err(|e| Fail::damaged(format!("an account: {e}")))?;
    let same_account = known.as_ref() == Some(&json);
    if !same_account || stored != org {
        tx.execute("UPDATE accounts SET account = ?2, user_activity_org = ?3 WHERE id = ?1", (id, json, org))?;
    }
    if !same_account {
        if lists::is_another(tx.connection, id, &account.name)? {
            lists::wait_again(tx, &account.name)?;
        }
        policy::decide_anew(tx, &before, Cause::Known)?;
    }
    Ok(Ok(()))
}

/// Lets the account-level records of the account of that configured name go to `org` from now on, though there is data.
pub(super) fn replace_org(tx: &Tx<'_>, name: &str, org: Option<&str>) -> Done<()> {
    if let Some((id, stored, _)) = stored_org(tx.connection, name)?
        && stored.as_deref() != org
    {
        let before = tx.directory()?;
        tx.execute("UPDATE accounts SET user_activity_org = ?2 WHERE id = ?1", (id, org))?;
        policy::decide_anew(tx, &before, Cause::Policy)?;
    }
    Ok(())
}

/// The account that was last open under a configured name: its row, its organization, whether it has data.
fn stored_org(connection: &Connection, name: &str) -> Done<Option<(i64, Option<String>, bool)>> {
    let sql = "SELECT id, account, user_activity_org FROM accounts WHERE account IS NOT NULL";
    let all = rows(connection, sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    for (id, json, org) in all {
        let (id, json, org): (i64, String, Option<String>) = (id, json, org);
        let account: Account = serde_json::from_str(&json).map_err(|e| Fail::damaged(format!("an account: {e}")))?;
        if account.name == name {
            return Ok(Some((id, org, has_data(connection, id)?)));
        }
    }
    Ok(None)
}

/// Where the account-level records of an account go since its first data; `None` without data.
pub(super) fn settled_org(connection: &Connection, account: &AccountUid) -> Done<Option<Option<String>>> {
    let sql = "SELECT id, user_activity_org FROM accounts WHERE uid = ?1";
    let row = first(connection, sql, [account.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some((id, org)): Option<(i64, Option<String>)> = row else { return Ok(None) };
    Ok(has_data(connection, id)?.then_some(org))
}

/// Whether a record of the account was ever stored: its counters remember it when all was trimmed.
fn has_data(connection: &Connection, account: i64) -> Done<bool> {
    let sql = "SELECT 1 FROM partitions WHERE account = ?1 AND head > 0 LIMIT 1";
    Ok(first(connection, sql, [account], |_| Ok(()))?.is_some())
}

fn named(org: &Option<String>) -> String {
    org.as_ref().map_or_else(|| "the account itself".to_owned(), |org| format!("the organization `{org}`"))
}
