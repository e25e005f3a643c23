//! In which site each device was observed, and the held records that wait for that.

use rusqlite::Connection;

use crate::clock::Millis;
use crate::journal::JournalError;
use crate::journal::alerts;
use crate::journal::fail::Done;
use crate::journal::held::{self, Released};
use crate::journal::partitions;
use crate::journal::sqlite::Journal;
use crate::journal::tx::{Tx, first, rows};
use crate::org::stay::{Observed, Stay, last_before, observe};
use crate::record::place::{DeviceRef, SiteRef};
use crate::record::{AccountUid, Record};

/// Stays that are kept of a device; the oldest go.
const MOST_STAYS: u32 = 16;

/// An observation of a device: the request, the answer, and the site that it showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Uid of the device.
    pub device: String,
    /// Uid of its site; `None` if it was in none.
    pub site: Option<String>,
    /// When the request had not been sent yet, by the API's clock.
    pub sent: Millis,
    /// When the answer had arrived, by the API's clock.
    pub received: Millis,
}

/// A device as it was observed last before some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSeen {
    /// Uid of the device.
    pub uid: String,
    /// Uid of its site; `None` if it was in none.
    pub site: Option<String>,
}

/// A held record that waits until the site of its device is known.
#[derive(Clone, Debug)]
pub struct Unsettled {
    /// Its place among the account's held records.
    pub seq: u64,
    /// The record.
    pub record: Record,
}

/// What became of records whose site was settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// They went to their lanes.
    pub released: u64,
    /// They may not be collected.
    pub dropped: u64,
}

impl Journal {
    /// Takes observations of devices into their histories; one that adds nothing writes nothing.
    pub async fn observe_devices(&self, account: &AccountUid, seen: Vec<Observation>) -> Result<(), JournalError> {
        let account = account.clone();
        self.write(move |tx| {
            let account = partitions::met_account(tx, &account)?;
            seen.iter().try_for_each(|observation| take(tx, account, observation))
        })
        .await
    }

    /// The sites in which a device was observed, in the order of time.
    pub async fn stays(&self, account: &AccountUid, device: &str) -> Result<Vec<Stay>, JournalError> {
        let (account, device) = (account.clone(), device.to_owned());
        self.look(move |view| {
            let Some(account) = partitions::account(view.connection, &account)? else { return Ok(Vec::new()) };
            let sql = "SELECT site, since, until FROM stays WHERE account = ?1 AND device = ?2 ORDER BY since";
            rows(view.connection, sql, (account, device), stay)
        })
        .await
    }

    /// How each of these devices was observed last before `before`, in their order; `None` for one that never was.
    pub async fn observed_before(
        &self,
        account: &AccountUid,
        devices: Vec<DeviceRef>,
        before: Millis,
    ) -> Result<Vec<Option<LastSeen>>, JournalError> {
        let account = account.clone();
        self.look(move |view| {
            let Some(account) = partitions::account(view.connection, &account)? else {
                return Ok(vec![None; devices.len()]);
            };
            devices.iter().map(|device| last_seen(view.connection, account, device, before)).collect()
        })
        .await
    }

    /// Uids of the devices that were observed last, at most `most`; the latest last.
    pub async fn observed_lately(&self, account: &AccountUid, most: usize) -> Result<Vec<String>, JournalError> {
        let account = account.clone();
        self.look(move |view| {
            let Some(account) = partitions::account(view.connection, &account)? else { return Ok(Vec::new()) };
            let sql =
                "SELECT device FROM (SELECT device, MAX(until) AS until FROM stays WHERE account = ?1 GROUP BY device
                ORDER BY until DESC LIMIT ?2) ORDER BY until";
            rows(view.connection, sql, (account, most), |row| row.get(0))
        })
        .await
    }

    /// At most `limit` held records that wait for their device's site, from the place behind `after` on.
    pub async fn unsettled(
        &self,
        account: &AccountUid,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Unsettled>, JournalError> {
        let account = account.clone();
        self.look(move |view| {
            let Some(account) = partitions::account(view.connection, &account)? else { return Ok(Vec::new()) };
            let sql =
                "SELECT seq FROM held WHERE account = ?1 AND site = '\"device\"' AND seq > ?2 ORDER BY seq LIMIT ?3";
            let seqs: Vec<u64> = rows(view.connection, sql, (account, after, limit), |row| row.get(0))?;
            let load = |seq| Ok(Unsettled { seq, record: held::load(view.connection, account, seq)? });
            seqs.into_iter().map(load).collect()
        })
        .await
    }

    /// Writes the site into held records that wait for it, by their places, and decides on them. All records of an alert get the site of its first.
    pub async fn settle_sites(
        &self,
        account: &AccountUid,
        sites: Vec<(u64, SiteRef)>,
    ) -> Result<Settled, JournalError> {
        let account = account.clone();
        self.write(move |tx| {
            let account = partitions::met_account(tx, &account)?;
            let mut done = Settled::default();
            for (seq, site) in &sites {
                let Released { released, dropped } = settle(tx, account, *seq, site)?;
                done.released = done.released.saturating_add(released);
                done.dropped = done.dropped.saturating_add(dropped);
            }
            Ok(done)
        })
        .await
    }
}

fn last_seen(connection: &Connection, account: i64, device: &DeviceRef, before: Millis) -> Done<Option<LastSeen>> {
    let uid = match device {
        DeviceRef::None => None,
        DeviceRef::Uid(uid) => Some(uid.clone()),
        DeviceRef::Id(id) => {
            let sql = "SELECT uid FROM devices WHERE account = ?1 AND id = ?2 ORDER BY uid LIMIT 1";
            first(connection, sql, (account, id), |row| row.get(0))?
        }
    };
    let Some(uid) = uid else { return Ok(None) };
    let sql = "SELECT site, since, until FROM stays WHERE account = ?1 AND device = ?2 ORDER BY since";
    let stays = rows(connection, sql, (account, &uid), stay)?;
    Ok(last_before(&stays, before).map(|stay| LastSeen { uid, site: stay.site.clone() }))
}

fn settle(tx: &Tx<'_>, account: i64, seq: u64, site: &SiteRef) -> Done<Released> {
    // Settled or dropped meanwhile, or along with an earlier record of its alert.
    let Some(alert) = held::waiting_alert(tx, account, seq)? else { return Ok(Released::default()) };
    if let Some(key) = &alert {
        alerts::settle_site(tx, account, key, site)?;
    }
    held::settle_site(tx, account, seq, alert.as_ref(), site)
}

fn take(tx: &Tx<'_>, account: i64, seen: &Observation) -> Done<()> {
    let last = last(tx.connection, account, &seen.device)?;
    let stay = match observe(last.as_ref(), seen.site.as_deref(), seen.sent, seen.received) {
        Observed::Nothing => return Ok(()),
        Observed::Extends(stay) => {
            let sql = "UPDATE stays SET until = ?4 WHERE account = ?1 AND device = ?2 AND since = ?3";
            return tx.execute(sql, (account, &seen.device, stay.since.0, stay.until.0)).map(drop);
        }
        Observed::Begins(stay) => stay,
    };
    let sql = "INSERT OR REPLACE INTO stays (account, device, since, site, until) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.execute(sql, (account, &seen.device, stay.since.0, &stay.site, stay.until.0))?;
    let sql = "DELETE FROM stays WHERE account = ?1 AND device = ?2 AND since <= (
        SELECT since FROM stays WHERE account = ?1 AND device = ?2 ORDER BY since DESC LIMIT 1 OFFSET ?3)";
    tx.execute(sql, (account, &seen.device, MOST_STAYS)).map(drop)
}

fn last(connection: &Connection, account: i64, device: &str) -> Done<Option<Stay>> {
    let sql = "SELECT site, since, until FROM stays WHERE account = ?1 AND device = ?2 ORDER BY since DESC LIMIT 1";
    first(connection, sql, (account, device), stay)
}

fn stay(row: &rusqlite::Row<'_>) -> rusqlite::Result<Stay> {
    Ok(Stay { site: row.get(0)?, since: Millis(row.get(1)?), until: Millis(row.get(2)?) })
}
