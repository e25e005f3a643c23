//! What is known of each alert.

use std::collections::HashMap;

use rusqlite::Connection;
use serde_json::value::RawValue;

use crate::journal::fail::Done;
use crate::journal::pack::{pack_json, unpack_json};
use crate::journal::partitions;
use crate::journal::seen::{Key, alert_key};
use crate::journal::sqlite::Journal;
use crate::journal::state;
use crate::journal::tx::{Tx, first};
use crate::journal::{AlertState, JournalError, Seen};
use crate::record::{AccountUid, SiteRef};

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
        "INSERT INTO alerts (key, account, uid, lane, state) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (key) DO UPDATE SET uid = excluded.uid, lane = excluded.lane, state = excluded.state",
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
