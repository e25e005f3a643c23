//! What was told of each device and site: the same guarantees for the inventory as for alerts. Rows, counters and records of a
//! page are one transaction.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, Row};
use serde_json::value::RawValue;

use crate::inventory::{Device, Site};
use crate::journal::fail::{Done, Fail};
use crate::journal::held;
use crate::journal::intake::{Taking, count};
use crate::journal::inventory::{Before, store_device, store_site};
use crate::journal::pack::{pack_json, unpack_json};
use crate::journal::policy::{self, Cause};
use crate::journal::sqlite::Journal;
use crate::journal::tx::{Tx, first};
use crate::journal::{Intake, JournalError, Lane, Rejected, audit, partitions, rejected};
use crate::org;
use crate::org::audit::Change;
use crate::org::directory::Intake as Verdict;
use crate::record::place::SiteRef;
use crate::record::{AccountUid, Envelope, Marker, Record, RecordKind};

/// The first 8 bytes of SHA-256 over an item's watched fields.
pub type Digest = [u8; 8];

/// What an item of the inventory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// A device.
    Device,
    /// A site.
    Site,
}

/// What is known of an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemState {
    /// Changes told so far, its first sight included: the n of its latest marker. It never goes back.
    pub changes: u32,
    /// Its watched fields as last seen.
    pub seen: Digest,
    /// Its watched fields as last told; `None`: not told, or forgotten.
    pub told: Option<Digest>,
    /// The day (`yyyymmdd`, UTC) of its latest record.
    pub day: Option<u32>,
    /// Of a device: its states as last told or noted.
    pub words: Words,
    /// A look-up did not find it.
    pub is_gone: bool,
    /// How often it was told that it is gone.
    pub vanishings: u32,
}

/// The last known word for each state of a device whose change is an event of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// `antivirus.antivirusStatus`.
    pub antivirus: Option<String>,
    /// `patchManagement.patchStatus`.
    pub patch: Option<String>,
    /// `rebootRequired`: `true` or `false`.
    pub reboot: Option<String>,
}

/// An item's row, for names, organizations and enrichment.
#[derive(Clone, Debug)]
pub enum ItemRow {
    /// A device.
    Device(Device),
    /// A site and its source, secrets stripped.
    Site(Site, Box<RawValue>),
}

/// One look at one item; whether its records may be delivered is decided in the transaction.
#[derive(Clone, Debug)]
pub struct ItemLook {
    /// What it is.
    pub kind: ItemKind,
    /// Its uid.
    pub uid: String,
    /// Its row, stored whatever becomes of the records; `None` if it is gone.
    pub row: Option<ItemRow>,
    /// The state that the look was compared with (`None`: not known). If the journal has another by now, the page is refused
    /// with [`JournalError::Conflict`].
    pub expected: Option<ItemState>,
    /// What it tells, in order; all of one site. May be empty (a silent note).
    pub records: Vec<Record>,
    /// The state if its records are taken in or held.
    pub told: ItemState,
    /// The state if they are filtered, ignored or dropped.
    pub untold: ItemState,
}

/// A page of the inventory: taken in whole, or not at all.
#[derive(Clone, Debug, Default)]
pub struct ItemPage {
    /// Looks at items, each item once.
    pub looks: Vec<ItemLook>,
    /// Items that no record can be made of, each with a text that stays the same while nothing of weight changes: one dead letter for each.
    pub rejected: Vec<(Rejected, String)>,
}

/// What became of a page of the inventory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemIntake {
    /// What became of its records.
    pub intake: Intake,
    /// Records for which the journal had no room: their items are as untold as before, so a later look tells them. Rows go on.
    pub postponed: u64,
    /// Held records that went to their lanes, since the sites decide anew.
    pub released: u64,
    /// Held records that may not be collected any more.
    pub dropped: u64,
    /// What vintner tells of it: records that are in the journal now.
    pub changes: Vec<Change>,
}

impl ItemKind {
    /// Its name in the journal and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Site => "site",
        }
    }
}

impl Journal {
    /// Takes a page of the inventory in whole. Sites are stored before any record of the page is decided on. A page on which
    /// nothing changed writes nothing.
    pub async fn commit_items(&self, account: &AccountUid, page: ItemPage) -> Result<ItemIntake, JournalError> {
        let account = account.clone();
        let (mut done, is_pending) = self.write(move |tx| take(tx, &account, page)).await?;
        if is_pending {
            let rest = self.follow_decisions().await?;
            done.released = done.released.saturating_add(rest.released);
            done.dropped = done.dropped.saturating_add(rest.dropped);
        }
        Ok(done)
    }

    /// The states of those of `uids` that the journal knows.
    pub async fn item_states(
        &self,
        account: &AccountUid,
        kind: ItemKind,
        uids: Vec<String>,
    ) -> Result<HashMap<String, ItemState>, JournalError> {
        let account = account.clone();
        self.look(move |view| {
            let mut states = HashMap::new();
            let Some(account) = partitions::account(view.connection, &account)? else { return Ok(states) };
            for uid in uids {
                if let Some(state) = load(view.connection, account, kind, &uid)? {
                    states.insert(uid, state);
                }
            }
            Ok(states)
        })
        .await
    }

    /// The uids of all items that are not among `seen` and were not found gone before.
    pub async fn missing_items(
        &self,
        account: &AccountUid,
        kind: ItemKind,
        seen: HashSet<String>,
    ) -> Result<Vec<String>, JournalError> {
        let account = account.clone();
        self.look(move |view| {
            let mut missing = Vec::new();
            let Some(account) = partitions::account(view.connection, &account)? else { return Ok(missing) };
            let sql = "SELECT uid FROM items WHERE account = ?1 AND kind = ?2 AND gone = 0 ORDER BY uid";
            let mut statement = view.connection.prepare_cached(sql)?;
            let mut rows = statement.query((account, kind.as_str()))?;
            while let Some(row) = rows.next()? {
                let uid: String = row.get(0)?;
                if !seen.contains(&uid) {
                    missing.push(uid);
                }
            }
            Ok(missing)
        })
        .await
    }

    /// A site's source as it was last seen, secrets stripped.
    pub async fn site_source(&self, account: &AccountUid, uid: &str) -> Result<Option<Box<RawValue>>, JournalError> {
        let (account, uid) = (account.clone(), uid.to_owned());
        self.look(move |view| {
            let Some(account) = partitions::account(view.connection, &account)? else { return Ok(None) };
            let sql = "SELECT source FROM items WHERE account = ?1 AND kind = 'site' AND uid = ?2";
            let packed: Option<Option<Vec<u8>>> = first(view.connection, sql, (account, uid), |row| row.get(0))?;
            packed.flatten().map(|packed| unpack_json(&packed, || "the source of a site".to_owned())).transpose()
        })
        .await
    }
}

/// The next look at an item tells it anew: a record of it that was held goes untold. Its counter goes on, so that no two records
/// ever share a marker.
pub(super) fn forget(tx: &Tx<'_>, account: i64, envelope: &Envelope) -> Done<()> {
    let kind = match envelope.kind {
        RecordKind::Device => ItemKind::Device,
        RecordKind::Site => ItemKind::Site,
        RecordKind::Alert
        | RecordKind::ActivityDevice
        | RecordKind::ActivityUser
        | RecordKind::DevicePosture
        | RecordKind::User
        | RecordKind::Software
        | RecordKind::Own(_) => return Ok(()),
    };
    let Marker::Item(n, ..) = envelope.marker else { return Ok(()) };
    // A later change that was told meanwhile stays told.
    let sql = "UPDATE items SET told = NULL, day = NULL WHERE account = ?1 AND kind = ?2 AND uid = ?3 AND changes = ?4";
    tx.execute(sql, (account, kind.as_str(), &envelope.native_id, n)).map(drop)
}

/// The page, and whether more held records may have to follow the sites.
fn take(tx: &Tx<'_>, uid: &AccountUid, page: ItemPage) -> Done<(ItemIntake, bool)> {
    let account = partitions::met_account(tx, uid)?;
    let mut done = ItemIntake::default();
    let before = tx.directory()?;
    let (mut is_decided_anew, mut is_pending, mut replaced) = (false, false, Vec::new());
    for look in &page.looks {
        if load(tx.connection, account, look.kind, &look.uid)? != look.expected {
            return Err(Fail::Conflict);
        }
        match &look.row {
            Some(ItemRow::Device(device)) => {
                if let Before::Other(old) = store_device(tx, account, device)? {
                    replaced.push((old, device.clone()));
                }
            }
            Some(ItemRow::Site(site, _)) => is_decided_anew |= store_site(tx, account, site)?,
            None => {}
        }
    }
    if is_decided_anew {
        let decided = policy::decide_anew(tx, &before, Cause::Known)?;
        (done.released, done.dropped, done.changes) = (decided.released, decided.dropped, decided.changes);
        is_pending = decided.is_pending;
    }
    let mut taking = Taking::new(tx, account, uid.clone(), Lane::Live.as_str())?;
    let mut gone = Vec::new();
    for look in page.looks {
        done.postponed = done.postponed.saturating_add(tell(&mut taking, look, &mut gone)?);
    }
    done.intake = taking.append()?;
    let directory = tx.directory()?;
    let moved = replaced.iter().filter_map(|(before, after)| org::audit::of_device(&directory, before, after));
    let moved =
        moved.chain(gone.iter().filter_map(|site| org::audit::of_removed(&directory, uid, site))).collect::<Vec<_>>();
    audit::tell(tx, &moved)?;
    done.changes.extend(moved);
    for (item, identity) in &page.rejected {
        let is_new = rejected::reject_as(tx, account, item, identity)?;
        done.intake.rejected = done.intake.rejected.saturating_add(u64::from(is_new));
    }
    Ok((done, is_pending))
}

/// Decides on the records of a look and stores the item's state; gives the number of records that must wait for room. A site that
/// is gone from now on is added to `gone`.
fn tell(taking: &mut Taking<'_>, look: ItemLook, gone: &mut Vec<String>) -> Done<u64> {
    let records = count(look.records.len());
    let site = look.records.first().map_or(SiteRef::None, |record| record.envelope.site.clone());
    // The sites of this page may just have dropped what was held of the item, which made it untold.
    let is_forgotten = load(taking.tx.connection, taking.account, look.kind, &look.uid)? != look.expected;
    let unless_forgotten = |state: ItemState| if is_forgotten { ItemState { told: None, ..state } } else { state };
    let next = match taking.decide(&site) {
        _ if look.records.is_empty() => unless_forgotten(look.told),
        Verdict::Drop(reason) => {
            // Counted once, not at every look that finds the same.
            if look.expected.as_ref() != Some(&look.untold) {
                taking.count_dropped(reason, records);
            }
            unless_forgotten(look.untold)
        }
        verdict @ (Verdict::Take | Verdict::Hold) => {
            match taking.require_room() {
                Ok(()) => {}
                Err(Fail::Full { .. }) => return Ok(records),
                Err(fail) => return Err(fail),
            }
            if verdict == Verdict::Hold || held::is_releasing(taking.tx, taking.account, &site)? {
                for record in &look.records {
                    taking.hold_item(record)?;
                }
            } else {
                taking.take(look.records);
            }
            look.told
        }
    };
    if look.expected.as_ref() != Some(&next) {
        taking.intake.changed = taking.intake.changed.saturating_add(1);
        store(taking.tx, taking.account, look.kind, &look.uid, &next)?;
        if look.kind == ItemKind::Site && next.is_gone {
            gone.push(look.uid.clone());
        }
        if let Some(ItemRow::Site(_, source)) = &look.row {
            let sql = "UPDATE items SET source = ?3 WHERE account = ?1 AND kind = 'site' AND uid = ?2";
            taking.tx.execute(sql, (taking.account, &look.uid, pack_json(source)?))?;
        }
    }
    Ok(0)
}

fn load(connection: &Connection, account: i64, kind: ItemKind, uid: &str) -> Done<Option<ItemState>> {
    let sql = "SELECT changes, seen, told, day, antivirus, patch, reboot, gone, vanishings FROM items
        WHERE account = ?1 AND kind = ?2 AND uid = ?3";
    first(connection, sql, (account, kind.as_str(), uid), read)
}

fn read(row: &Row<'_>) -> rusqlite::Result<ItemState> {
    Ok(ItemState {
        changes: row.get(0)?,
        seen: row.get(1)?,
        told: row.get(2)?,
        day: row.get(3)?,
        words: Words { antivirus: row.get(4)?, patch: row.get(5)?, reboot: row.get(6)? },
        is_gone: row.get(7)?,
        vanishings: row.get(8)?,
    })
}

fn store(tx: &Tx<'_>, account: i64, kind: ItemKind, uid: &str, state: &ItemState) -> Done<()> {
    let words = &state.words;
    tx.execute(
        "INSERT INTO items (account, kind, uid, changes, seen, told, day, antivirus, patch, reboot, gone, vanishings)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT (account, kind, uid) DO UPDATE SET changes = excluded.changes, seen = excluded.seen,
           told = excluded.told, day = excluded.day, antivirus = excluded.antivirus, patch = excluded.patch,
           reboot = excluded.reboot, gone = excluded.gone, vanishings = excluded.vanishings",
        (
            account,
            kind.as_str(),
            uid,
            state.changes,
            state.seen,
            state.told,
            state.day,
            &words.antivirus,
            &words.patch,
            &words.reboot,
            state.is_gone,
            state.vanishings,
        ),
    )?;
    Ok(())
}
