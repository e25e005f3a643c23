//! Sites and devices as last seen.

use rusqlite::Connection;

use crate::inventory::{Device, Site};
use crate::journal::JournalError;
use crate::journal::fail::{Done, Fail};
use crate::journal::pack;
use crate::journal::partitions;
use crate::journal::policy::{self, Cause};
use crate::journal::seen;
use crate::journal::sqlite::Journal;
use crate::journal::tx::{Tx, first, rows};
use crate::org::audit::Change;
use crate::record::AccountUid;
use crate::record::place::DeviceRef;

/// What a new list of sites did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InventoryChange {
    /// Sites that are new or not as stored.
    pub changed: u64,
    /// Held records that went to their lanes.
    pub released: u64,
    /// Held records that may not be collected any more.
    pub dropped: u64,
    /// What vintner tells of it: records that are in the journal now.
    pub changes: Vec<Change>,
}

/// What the journal had of an item before it was stored.
pub(super) enum Before<T> {
    Same,
    Nothing,
    Other(T),
}

impl Journal {
    /// Stores sites that are new or changed; sites that are not named stay. What the change decides about held records
    /// is done when it returns, and goes on after a restart.
    pub async fn store_sites(&self, account: &AccountUid, sites: Vec<Site>) -> Result<InventoryChange, JournalError> {
        let account = account.clone();
        let stored = self.write(move |tx| {
            let id = partitions::met_account(tx, &account)?;
            let before = tx.directory()?;
            let (mut change, mut is_pending) = (InventoryChange::default(), false);
            for site in &sites {
                change.changed = change.changed.saturating_add(u64::from(store_site(tx, id, site)?));
            }
            if change.changed > 0 {
                let done = policy::decide_anew(tx, &before, Cause::Known)?;
                (change.released, change.dropped, change.changes) = (done.released, done.dropped, done.changes);
                is_pending = done.is_pending;
            }
            Ok((change, is_pending))
        });
        let (mut change, is_pending) = stored.await?;
        if is_pending {
            let rest = self.follow_decisions().await?;
            change.released = change.released.saturating_add(rest.released);
            change.dropped = change.dropped.saturating_add(rest.dropped);
        }
        Ok(change)
    }

    /// Stores devices that are new or changed, and says how many those are. Devices that are not named stay.
    pub async fn store_devices(&self, account: &AccountUid, devices: Vec<Device>) -> Result<u64, JournalError> {
        let account = account.clone();
        self.write(move |tx| {
            let id = partitions::met_account(tx, &account)?;
            let mut changed: u64 = 0;
            for device in &devices {
                let is_new = !matches!(store_device(tx, id, device)?, Before::Same);
                changed = changed.saturating_add(u64::from(is_new));
            }
            Ok(changed)
        })
        .await
    }

    /// The sites of an account, by uid.
    pub async fn sites(&self, account: &AccountUid) -> Result<Vec<Site>, JournalError> {
        let account = account.clone();
        self.look(move |view| {
            let Some(id) = partitions::account(view.connection, &account)? else { return Ok(Vec::new()) };
            let sql = "SELECT site FROM sites WHERE account = ?1 ORDER BY uid";
            let texts = rows(view.connection, sql, [id], |row| row.get::<_, String>(0))?;
            let read = |text: String| serde_json::from_str(&text).map_err(|e| Fail::damaged(format!("a site: {e}")));
            texts.into_iter().map(read).collect()
        })
        .await
    }

    /// The device that a record names, if the inventory knows it.
    pub async fn device(&self, account: &AccountUid, device: &DeviceRef) -> Result<Option<Device>, JournalError> {
        let (account, device) = (account.clone(), device.clone());
        self.look(move |view| find_device(view.connection, &account, &device)).await
    }
}

/// The device that a record names.
pub(super) fn find_device(connection: &Connection, account: &AccountUid, device: &DeviceRef) -> Done<Option<Device>> {
    let Some(account) = partitions::account(connection, account)? else { return Ok(None) };
    let packed: Option<Vec<u8>> = match device {
        DeviceRef::None => None,
        DeviceRef::Uid(uid) => {
            let sql = "SELECT device FROM devices WHERE account = ?1 AND uid = ?2";
            first(connection, sql, (account, uid), |row| row.get(0))?
        }
        DeviceRef::Id(id) => {
            let sql = "SELECT device FROM devices WHERE account = ?1 AND id = ?2 ORDER BY uid LIMIT 1";
            first(connection, sql, (account, id), |row| row.get(0))?
        }
    };
    packed.map(|packed| pack::unpack_json(&packed, || format!("{device:?} of account {account}"))).transpose()
}

/// Stores a site; says whether it is new or not as stored.
pub(super) fn store_site(tx: &Tx<'_>, account: i64, site: &Site) -> Done<bool> {
    let json = serde_json::to_string(site).map_err(|e| Fail::damaged(format!("a site: {e}")))?;
    let sql = "SELECT site FROM sites WHERE account = ?1 AND uid = ?2";
    let stored: Option<String> = first(tx.connection, sql, (account, &site.uid), |row| row.get(0))?;
    if stored.as_ref() == Some(&json) {
        return Ok(false);
    }
    let sql = "INSERT OR REPLACE INTO sites (account, uid, site) VALUES (?1, ?2, ?3)";
    tx.execute(sql, (account, &site.uid, json))?;
    Ok(true)
}

/// Stores a device; gives what it replaced.
pub(super) fn store_device(tx: &Tx<'_>, account: i64, device: &Device) -> Done<Before<Device>> {
    let json = serde_json::to_string(device).map_err(|e| Fail::damaged(format!("a device: {e}")))?;
    let digest = seen::key(&[&json]);
    let sql = "SELECT digest, device FROM devices WHERE account = ?1 AND uid = ?2";
    let stored: Option<(seen::Key, Vec<u8>)> =
        first(tx.connection, sql, (account, &device.uid), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let before = match stored {
        Some((known, _)) if known == digest => return Ok(Before::Same),
        Some((_, packed)) => Before::Other(pack::unpack_json(&packed, || format!("device {}", device.uid))?),
        None => Before::Nothing,
    };
    tx.execute(
        "INSERT INTO devices (account, uid, id, digest, device) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (account, uid) DO UPDATE SET id = excluded.id, digest = excluded.digest, device = excluded.device",
        (account, &device.uid, device.id, digest, pack::pack(json.as_bytes())?),
    )?;
    Ok(before)
}
