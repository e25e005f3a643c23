//! The rules in force, their version, and the directory that is built from them.

use std::sync::Arc;

use rusqlite::Connection;

use crate::diagnostic::causes;
use crate::inventory::{Account, Site};
use crate::journal::JournalError;
use crate::journal::accounts;
use crate::journal::audit;
use crate::journal::fail::{Done, Fail};
use crate::journal::held;
use crate::journal::lists;
use crate::journal::sqlite::Journal;
use crate::journal::tx::{Tx, first, rows};
use crate::org::audit::Change;
use crate::org::directory::Directory;
use crate::org::{self, Policy};

/// What a new policy did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyChange {
    /// The version of all decisions from now on: [`Directory::version`].
    pub version: u64,
    /// Held records that went to their lanes.
    pub released: u64,
    /// Held records that may not be collected any more.
    pub dropped: u64,
    /// What vintner tells of it: records that are in the journal now.
    pub changes: Vec<Change>,
}

/// What a change of what decides did.
#[derive(Clone, Debug, Default)]
pub(super) struct Decided {
    pub(super) released: u64,
    pub(super) dropped: u64,
    pub(super) changes: Vec<Change>,
    /// More held records may have to follow: [`Journal::follow_decisions`].
    pub(super) is_pending: bool,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Policy,
    /// An account or a site.
    Known,
}

impl Journal {
    /// Puts a policy in force and releases what it maps: the policy in one transaction, the held records in bounded ones from there on,
    /// which a restart goes on with. The policy that is in force already changes nothing.
    pub async fn set_policy(&self, policy: Policy) -> Result<PolicyChange, JournalError> {
        let (mut change, is_pending) = self.begin_policy(policy).await?;
        if is_pending {
            self.follow_policy(&mut change).await;
        }
        Ok(change)
    }

    /// The first transaction of [`Journal::set_policy`]; says whether more held records may have to follow.
    pub(super) async fn begin_policy(&self, policy: Policy) -> Result<(PolicyChange, bool), JournalError> {
        self.write(move |tx| put(tx, &policy)).await
    }

    /// Lets held records follow a policy that is in force already, and counts them in `change`. It stays in force if a step fails:
    /// maintenance goes on with the release, and ends with the error if it cannot.
    pub(super) async fn follow_policy(&self, change: &mut PolicyChange) {
        match self.follow_decisions().await {
            Ok(rest) => {
                change.released = change.released.saturating_add(rest.released);
                change.dropped = change.dropped.saturating_add(rest.dropped);
            }
            Err(error) => {
                let error = causes::line(&error);
                let hint = "they follow with the next maintenance of the journal";
                tracing::warn!(error, hint, "the mapping is in force, but not all held records could follow it yet");
            }
        }
    }

    /// Policy, accounts and sites of this moment.
    pub async fn directory(&self) -> Result<Arc<Directory>, JournalError> {
        self.look(|view| view.directory()).await
    }
}

/// Puts a policy in force and begins to let held records follow it; says whether more of them may have to follow.
pub(super) fn put(tx: &Tx<'_>, policy: &Policy) -> Done<(PolicyChange, bool)> {
    if stored(tx.connection)? == *policy {
        let change = PolicyChange { version: version(tx.connection)?, ..PolicyChange::default() };
        return Ok((change, held::is_pending(tx.connection)?));
    }
    let before = tx.directory()?;
    let json = serde_json::to_string(policy).map_err(|e| Fail::damaged(format!("a policy: {e}")))?;
    tx.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('policy', ?1)", [json])?;
    lists::keep_configured(tx, policy)?;
    let Decided { released, dropped, changes, is_pending } = decide_anew(tx, &before, Cause::Policy)?;
    Ok((PolicyChange { version: version(tx.connection)?, released, dropped, changes }, is_pending))
}

/// Counts a change of what decides (policy, accounts, sites), begins to let held records follow it (model rule `release`), and
/// records what it means. `before`: how it was decided until now.
pub(super) fn decide_anew(tx: &Tx<'_>, before: &Directory, cause: Cause) -> Done<Decided> {
    tx.execute("UPDATE meta SET value = value + 1 WHERE name = 'decisions'", [])?;
    // A deliverer may have waited for the decision.
    tx.announce();
    held::begin_release(tx)?;
    let held::Released { released, dropped } = held::release_step(tx)?.unwrap_or_default();
    let after = tx.directory()?;
    let mut changes = if cause == Cause::Policy { org::audit::of_policy(before, &after) } else { Vec::new() };
    changes.extend(org::audit::of_sites(before, &after));
    audit::tell(tx, &changes)?;
    Ok(Decided { released, dropped, changes, is_pending: held::is_pending(tx.connection)? })
}

/// The version of all decisions.
pub(super) fn version(connection: &Connection) -> Done<u64> {
    first(connection, "SELECT value FROM meta WHERE name = 'decisions'", [], |row| row.get(0))?
        .ok_or_else(|| Fail::damaged("the version of its decisions is missing"))
}

/// Builds the directory from the tables.
pub(super) fn build(connection: &Connection, version: u64) -> Done<Directory> {
    let accounts: Vec<Account> = json_column(connection, "SELECT account FROM accounts WHERE account IS NOT NULL")?;
    let sites: Vec<Site> = json_column(connection, "SELECT site FROM sites")?;
    let mut policy = stored(connection)?;
    let awaited = lists::awaited(connection, &policy)?;
    // Where account-level records go is fixed once there is data, also while the account is not or differently configured.
    for account in &accounts {
        if let Some(org) = accounts::settled_org(connection, &account.uid)? {
            policy.accounts.entry(account.name.clone()).or_default().user_activity_org = org;
        }
    }
    Ok(Directory::awaiting(version, Arc::new(policy), accounts, sites, awaited))
}

fn stored(connection: &Connection) -> Done<Policy> {
    let json: Option<String> = first(connection, "SELECT value FROM meta WHERE name = 'policy'", [], |row| row.get(0))?;
    let Some(json) = json else { return Ok(Policy::default()) };
    serde_json::from_str(&json).map_err(|e| Fail::damaged(format!("its policy: {e}")))
}

fn json_column<T: serde::de::DeserializeOwned>(connection: &Connection, sql: &str) -> Done<Vec<T>> {
    let texts = rows(connection, sql, [], |row| row.get::<_, String>(0))?;
    let read = |text: String| serde_json::from_str(&text).map_err(|e| Fail::damaged(format!("its inventory: {e}")));
    texts.into_iter().map(read).collect()
}
