//! What is known of each alert.

use std::collections::HashMap;

use rusqlite::Connection;
use serde_json::value::RawValue;

use crate::journal::fail::Done;
use crate::journal::pack::{pack_json, unpack_json};
use crate::journal::partitions;
use crate::journal::seen::{Key, alert_key, day};
use crate::journal::sqlite::Journal;
use crate::journal::state;
use crate::journal::tx::{Tx, first, rows};
use crate::journal::{AlertState, JournalError, Seen};
use crate::record::AccountUid;
use crate::record::place::SiteRef;

/// What is stored of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) state: AlertState,
    /// The stored name of the lane of its first record; `None` before that.
    pub(super) lane: Option<String>,
}

impl Journal {
    /// The states of those of `uids` that the journal knows.
    pub async fn alert_states(
        &self,
        account: &AccountUid,
        uids: Vec<String>,
    ) -> Result<HashMap<String, AlertState>, JournalError> {
        let account = account.clone();
        self.look(move |view| {
            let mut states = HashMap::with_capacity(uids.len());
            for uid in uids {
                if let Some(known) = load(view.connection, &alert_key(&account, &uid))? {
                    states.insert(uid, known.state);
                }
            }
            Ok(states)
        })
        .await
    }

    /// The same for `uids` that a list or a look-up showed just now: an alert that is shown now and then is not forgotten. It writes
    /// at most once in a month for each alert.
    pub async fn shown_alerts(
        &self,
        account: &AccountUid,
        uids: Vec<String>,
    ) -> Result<HashMap<String, AlertState>, JournalError> {
        let uid = account.clone();
        let (states, stale) = self
            .look(move |view| {
                let (mut states, mut stale) = (HashMap::with_capacity(uids.len()), Vec::new());
                let Some(id) = partitions::account(view.connection, &uid)? else { return Ok((states, stale)) };
                let before = sweeps(view.connection, id)?.saturating_sub(NOTED_EVERY);
                for name in uids {
                    let key = alert_key(&uid, &name);
                    let sql = "SELECT state, shown FROM alerts WHERE key = ?1";
                    let row = first(view.connection, sql, [key], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?)))?;
                    let Some((bytes, shown)): Option<(Vec<u8>, i64)> = row else { continue };
                    if shown < before {
                        stale.push(key);
                    }
                    states.insert(name, state::decode(&bytes)?);
                }
                Ok((states, stale))
            })
            .await?;
        if !stale.is_empty() {
            let uid = account.clone();
            self.write(move |tx| {
                let id = partitions::met_account(tx, &uid)?;
                let now = sweeps(tx.connection, id)?;
                for key in &stale {
                    tx.execute("UPDATE alerts SET shown = ?2 WHERE key = ?1", (key, now))?;
                }
                Ok(())
            })
            .await?;
        }
        Ok(states)
    }

    /// Notes that both lists of alerts of an account were read to their ends just now. A day counts once.
    pub async fn note_sweep(&self, account: &AccountUid) -> Result<(), JournalError> {
        let account = account.clone();
        self.write(move |tx| {
            let id = partitions::met_account(tx, &account)?;
            let today = day(tx.now());
            let sql = "UPDATE accounts SET sweeps = sweeps + 1, swept_day = ?2 WHERE id = ?1 AND swept_day IS NOT ?2";
            tx.execute(sql, (id, today)).map(drop)
        })
        .await
    }

    /// What was last told or noted of an alert that is seen open, secrets stripped.
    pub async fn last_source(&self, account: &AccountUid, uid: &str) -> Result<Option<Box<RawValue>>, JournalError> {
        let key = alert_key(account, uid);
        self.look(move |view| {
            let sql = "SELECT source FROM sources WHERE alert = (SELECT id FROM alerts WHERE key = ?1)";
            let packed: Option<Vec<u8>> = first(view.connection, sql, [key], |row| row.get(0))?;
            packed.map(|packed| unpack_json(&packed, || "the source of an alert".to_owned())).transpose()
        })
        .await
    }

    /// All alerts that were last seen open, in no order.
    pub async fn open_alerts(&self, account: &AccountUid) -> Result<Vec<(String, AlertState)>, JournalError> {
        let account = account.clone();
        self.look(move |view| {
            let Some(account) = partitions::account(view.connection, &account)? else { return Ok(Vec::new()) };
            let sql = "SELECT uid, state FROM alerts WHERE account = ?1 AND uid IS NOT NULL";
            let mut statement = view.connection.prepare_cached(sql)?;
            let mut rows = statement.query([account])?;
            let mut open = Vec::new();
            while let Some(row) = rows.next()? {
                open.push((row.get(0)?, state::decode(row.get_ref(1)?.as_blob().unwrap_or_default())?));
            }
            Ok(open)
        })
        .await
    }
}

/// Days with a complete sweep after which an alert that is not open is forgotten, if no list showed it on any of them. The API
/// keeps what it shows for a bounded time, activity logs for 180 days; days on which nothing was read prove nothing.
const FORGOTTEN_AFTER: i64 = 180;
/// How old the note of when an alert was shown may grow, in days with a sweep: an alert that is always shown costs few writes.
const NOTED_EVERY: i64 = 30;

/// Days with a complete sweep of an account.
fn sweeps(connection: &Connection, account: i64) -> Done<i64> {
    let sql = "SELECT sweeps FROM accounts WHERE id = ?1";
    Ok(first(connection, sql, [account], |row| row.get(0))?.unwrap_or(0))
}

/// Forgets alerts that the API shows no longer: one step of it. Says whether there may be more. An alert with held records stays,
/// since its later records must go behind them. One that comes back nevertheless counts as new: its events have the ids that they
/// had before, since those come from the record alone.
pub(super) fn forget(tx: &Tx<'_>) -> Done<bool> {
    let most = tx.ground.steps.trim;
    let mut more = false;
    let accounts = rows(tx.connection, "SELECT id, sweeps FROM accounts", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
    })?;
    for (account, sweeps) in accounts {
        let sql =
            "DELETE FROM alerts WHERE id IN (SELECT id FROM alerts a WHERE account = ?1 AND uid IS NULL AND shown < ?2
            AND NOT EXISTS (SELECT 1 FROM held h WHERE h.alert = a.key) ORDER BY shown LIMIT ?3)";
        let before = sweeps.saturating_sub(FORGOTTEN_AFTER).saturating_sub(NOTED_EVERY);
        more |= tx.execute(sql, (account, before, most))? >= most;
    }
    Ok(more)
}

/// What is stored of an alert.
pub(super) fn load(connection: &Connection, key: &Key) -> Done<Option<Known>> {
    let sql = "SELECT state, lane FROM alerts WHERE key = ?1";
    let row = first(connection, sql, [key], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?)))?;
    row.map(|(bytes, lane)| Ok(Known { state: state::decode(&bytes)?, lane })).transpose()
}

/// Stores what is known of an alert.
pub(super) fn store(tx: &Tx<'_>, account: i64, key: &Key, uid: &str, known: &Known) -> Done<()> {
    let uid = (known.state.seen == Seen::Open).then_some(uid);
    tx.execute(
        "INSERT INTO alerts (key, account, uid, lane, state, shown)
         VALUES (?1, ?2, ?3, ?4, ?5, (SELECT sweeps FROM accounts WHERE id = ?2))
         ON CONFLICT (key) DO UPDATE SET uid = excluded.uid, lane = excluded.lane, state = excluded.state, shown = excluded.shown",
        (key, account, uid, &known.lane, state::encode(&known.state)),
    )?;
    Ok(())
}

/// Gives an alert that waits for its device's site that site.
pub(super) fn settle_site(tx: &Tx<'_>, account: i64, key: &Key, site: &SiteRef) -> Done<()> {
    let Some(mut known) = load(tx.connection, key)?.filter(|known| known.state.site == SiteRef::Device) else {
        return Ok(());
    };
    known.state.site = site.clone();
    let sql = "UPDATE alerts SET state = ?3 WHERE account = ?1 AND key = ?2";
    tx.execute(sql, (account, key, state::encode(&known.state))).map(drop)
}

/// Keeps the source of an alert while it is seen open.
pub(super) fn keep_source(tx: &Tx<'_>, key: &Key, seen: Seen, source: &RawValue) -> Done<()> {
    match seen {
        Seen::Open => {
            let sql = "INSERT INTO sources (alert, source) SELECT id, ?2 FROM alerts WHERE key = ?1
                ON CONFLICT (alert) DO UPDATE SET source = excluded.source";
            tx.execute(sql, (key, pack_json(&source)?))?;
        }
        Seen::Resolved | Seen::Vanished => {
            tx.execute("DELETE FROM sources WHERE alert = (SELECT id FROM alerts WHERE key = ?1)", [key])?;
        }
    }
    Ok(())
}

/// Sets an alert back to what was known before a record that goes untold (model rule `set-back`): `before` is that state as
/// stored, `None` if the alert was unknown. `uid` is its `alertUid`.
pub(super) fn set_back(tx: &Tx<'_>, account: i64, key: &Key, uid: &str, before: Option<&[u8]>) -> Done<()> {
    match (before, load(tx.connection, key)?) {
        (Some(before), now) => {
            let lane = now.and_then(|known| known.lane);
            store(tx, account, key, uid, &Known { state: state::decode(before)?, lane })
        }
        (None, _) => tx.execute("DELETE FROM alerts WHERE key = ?1", [key]).map(drop),
    }
}
