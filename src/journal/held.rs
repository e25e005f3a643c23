//! Records of unknown organization: kept apart from all lanes until their site is mapped, dropped when they are too old.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use rusqlite::Connection;

use crate::clock::Millis;
use crate::clock::api::APART;
use crate::journal::JournalError;
use crate::journal::alerts;
use crate::journal::batches;
use crate::journal::fail::{Done, Fail};
use crate::journal::items;
use crate::journal::pack;
use crate::journal::partitions::{self, HELD};
use crate::journal::seen::{self, Key};
use crate::journal::space;
use crate::journal::sqlite::Journal;
use crate::journal::tx::{Tx, View, first, rows};
use crate::org::directory::{Decision, Directory, Intake};
use crate::record::place::SiteRef;
use crate::record::{AccountUid, Record};

/// Held records of one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldSummary {
    /// The account.
    pub account: AccountUid,
    /// The site as the records name it.
    pub site: SiteRef,
    /// Why they are held, for people.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// Bytes that they take in the journal.
    pub bytes: u64,
    /// When the oldest was taken in.
    pub oldest: Millis,
}

/// A record on its way into `held`.
pub(super) struct Holding<'a> {
    pub(super) account: i64,
    /// The lane that it goes to when released, by its stored name.
    pub(super) lane: &'a str,
    pub(super) severity: Option<u8>,
    pub(super) alert: Option<HeldAlert<'a>>,
    /// The time of its key, for what is no alert.
    pub(super) dated: Option<Millis>,
    pub(super) record: &'a Record,
}

/// What a held record of an alert must know, to be taken back.
#[derive(Clone, Copy)]
pub(super) struct HeldAlert<'a> {
    pub(super) key: &'a Key,
    /// The alert's stored state before the record.
    pub(super) before: Option<&'a [u8]>,
}

/// What a change of decisions did to held records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Released {
    pub(super) released: u64,
    pub(super) dropped: u64,
}

/// A held record without its content.
#[derive(Clone, Debug)]
struct Row {
    account: i64,
    seq: u64,
    alert: Option<Key>,
    lane: String,
    site: String,
    severity: Option<u8>,
    taken_at: Millis,
}

/// Held records that went untold, by account and site (JSON): how many, and the first and last time of taking in.
pub(super) type Dropped = BTreeMap<(i64, String), (u64, Millis, Millis)>;

impl Journal {
    /// What is held, by account and site. It costs as much as there are sites, however much they hold.
    pub async fn held(&self) -> Result<Vec<HeldSummary>, JournalError> {
        self.look(summaries).await
    }
}

#[cfg(test)]
impl Journal {
    /// The places of all held records of all accounts.
    pub(crate) async fn held_seqs(&self) -> Result<Vec<u64>, JournalError> {
        self.look(|view| rows(view.connection, "SELECT seq FROM held", [], |row| row.get(0))).await
    }
}

/// See [`Journal::held`].
pub(super) fn summaries(view: &View<'_>) -> Done<Vec<HeldSummary>> {
    let directory = view.directory()?;
    let sql = "SELECT s.account, s.site, s.records, s.bytes,
        (SELECT taken_at FROM held h WHERE h.account = s.account AND h.site = s.site ORDER BY h.seq LIMIT 1)
        FROM held_sites s ORDER BY s.account, s.site";
    let found = rows(view.connection, sql, [], |row| {
        Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?, Millis(row.get(4)?)))
    })?;
    let summary = |(account, site, count, bytes, oldest): (i64, String, u64, u64, Millis)| {
        let account = partitions::account_uid(view.connection, account)?;
        let site = read_site(&site)?;
        let reason = match directory.decide(&account, &site) {
            Decision::Held(reason) => reason,
            Decision::Org(_) | Decision::Ignored | Decision::Dropped => {
                "behind an older held record of the same alert".into()
            }
        };
        Ok(HeldSummary { account, site, reason, count, bytes, oldest })
    };
    found.into_iter().map(summary).collect()
}

impl Journal {
    /// Lets held records follow changed decisions, step by step, until they all did.
    pub(super) async fn follow_decisions(&self) -> Result<Released, JournalError> {
        let mut all = Released::default();
        while let Some(some) = self.write(release_step).await? {
            all.released = all.released.saturating_add(some.released);
            all.dropped = all.dropped.saturating_add(some.dropped);
        }
        Ok(all)
    }
}

/// Puts a record behind all that the account holds.
pub(super) fn push(tx: &Tx<'_>, holding: &Holding<'_>) -> Done<()> {
    let (_, seq) = partitions::give_out(tx, holding.account, HELD, 1)?;
    let site = site_json(&holding.record.envelope.site)?;
    let before = holding.alert.and_then(|alert| alert.before);
    let record = pack::pack_json(holding.record)?;
    let room = room(&record, before.map_or(0, <[u8]>::len));
    tx.execute(
        "INSERT INTO held (account, seq, alert, lane, site, severity, taken_at, dated, before, record, room)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        (
            holding.account,
            seq,
            holding.alert.map(|alert| alert.key),
            holding.lane,
            site,
            holding.severity,
            tx.now().0,
            holding.dated.map(|dated| dated.0),
            before,
            record,
            room,
        ),
    )?;
    Ok(())
}

/// Whether records of an alert are held: then its newer ones go behind them (model rule `held-alert`).
pub(super) fn waits(tx: &Tx<'_>, alert: &Key) -> Done<bool> {
    Ok(first(tx.connection, "SELECT 1 FROM held WHERE alert = ?1 LIMIT 1", [alert], |_| Ok(()))?.is_some())
}

/// Begins the release that a change of decisions asks for. It belongs into the transaction that changed them (model rule `release`).
/// The held records follow in steps: the accounts that have any whose decision may not be *hold* are noted, so that a restart goes on.
pub(super) fn begin_release(tx: &Tx<'_>) -> Done<()> {
    let directory = tx.directory()?;
    let sites = rows(tx.connection, "SELECT account, site FROM held_sites ORDER BY account", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
    })?;
    let mut concerned = BTreeSet::new();
    for (account, site) in sites {
        if concerned.contains(&account) {
            continue;
        }
        let (uid, site) = (partitions::account_uid(tx.connection, account)?, read_site(&site)?);
        if SEVERITIES.iter().any(|severity| directory.intake(&uid, &site, *severity) != Intake::Hold) {
            concerned.insert(account);
        }
    }
    tx.execute("DELETE FROM releases", [])?;
    for account in concerned {
        tx.execute("INSERT INTO releases (account, after) VALUES (?1, 0)", [account])?;
    }
    Ok(())
}

/// One step of a release: looks at some held records in their order, moves those whose decision is no longer *hold* to the end of
/// their lanes, and drops those that may not be collected any more. `None`: no release is under way.
///
/// Between two steps newer records may come. Those of an alert go behind its held ones ([`waits`]), and so do those of an item
/// ([`is_releasing`]); a release ends only where nothing is behind it.
pub(super) fn release_step(tx: &Tx<'_>) -> Done<Option<Released>> {
    let sql = "SELECT account, after FROM releases ORDER BY account LIMIT 1";
    let Some((account, after)) =
        first(tx.connection, sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, u64>(1)?)))?
    else {
        return Ok(None);
    };
    let directory = tx.directory()?;
    let mut decisions = Decisions { directory: &directory, accounts: HashMap::new(), sites: HashMap::new() };
    let mut gone: HashSet<u64> = HashSet::new();
    let mut leaving: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    let (mut done, mut bytes) = (Released::default(), 0_usize);
    let most = tx.ground.steps.held;
    let some = list(tx, "WHERE account = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3", (account, after, most))?;
    let mut next = (some.len() >= most).then(|| some.last().map_or(after, |row| row.seq));
    for row in some {
        if gone.contains(&row.seq) {
            continue;
        }
        if bytes > MOST_BYTES {
            next = Some(row.seq.saturating_sub(1));
            break;
        }
        match decisions.of(tx, &row)? {
            Intake::Hold => {}
            Intake::Drop(_) | Intake::Take if is_behind(tx, &row)? => {}
            Intake::Drop(_) => {
                for dropped in drop_with_rest(tx, &row)? {
                    gone.insert(dropped.seq);
                    done.dropped = done.dropped.saturating_add(1);
                }
            }
            Intake::Take => {
                let record = take_out(tx, account, row.seq)?;
                bytes = bytes.saturating_add(record.source.get().len());
                leaving.entry(row.lane).or_default().push(record);
                done.released = done.released.saturating_add(1);
            }
        }
    }
    for (lane, records) in leaving {
        batches::append(tx, account, &lane, &records)?;
    }
    match next {
        Some(after) => tx.execute("UPDATE releases SET after = ?2 WHERE account = ?1", (account, after))?,
        None => tx.execute("DELETE FROM releases WHERE account = ?1", [account])?,
    };
    Ok(Some(done))
}

/// Whether a release is under way.
pub(super) fn is_pending(connection: &Connection) -> Done<bool> {
    Ok(first(connection, "SELECT 1 FROM releases LIMIT 1", [], |_| Ok(()))?.is_some())
}

/// Whether a release is under way that may still have older records of the site: newer ones go behind them.
pub(super) fn is_releasing(tx: &Tx<'_>, account: i64, site: &SiteRef) -> Done<bool> {
    let sql =
        "SELECT 1 FROM releases r JOIN held_sites s ON s.account = r.account WHERE r.account = ?1 AND s.site = ?2";
    Ok(first(tx.connection, sql, (account, site_json(site)?), |_| Ok(()))?.is_some())
}

/// Whether an older record of the same alert is held.
fn is_behind(tx: &Tx<'_>, row: &Row) -> Done<bool> {
    let Some(alert) = &row.alert else { return Ok(false) };
    let sql = "SELECT 1 FROM held WHERE alert = ?1 AND seq < ?2 LIMIT 1";
    Ok(first(tx.connection, sql, (alert, row.seq), |_| Ok(()))?.is_some())
}

/// Moves held records, in order and of an alert all of them, to the end of their lanes where their decision is no longer *hold*;
/// those that may not be collected any more are dropped.
fn release_of(tx: &Tx<'_>, held: Vec<Row>) -> Done<Released> {
    let directory = tx.directory()?;
    let mut decisions = Decisions { directory: &directory, accounts: HashMap::new(), sites: HashMap::new() };
    let mut stay: HashSet<Key> = HashSet::new();
    let mut gone: HashSet<(i64, u64)> = HashSet::new();
    let mut leaving: BTreeMap<(i64, String), Vec<u64>> = BTreeMap::new();
    let mut done = Released::default();
    for row in held {
        if gone.contains(&(row.account, row.seq)) {
            continue;
        }
        let behind = row.alert.is_some_and(|alert| stay.contains(&alert));
        match decisions.of(tx, &row)? {
            _ if behind => {}
            Intake::Hold => stay.extend(row.alert),
            Intake::Drop(_) => {
                for dropped in drop_with_rest(tx, &row)? {
                    gone.insert((dropped.account, dropped.seq));
                    done.dropped = done.dropped.saturating_add(1);
                }
            }
            Intake::Take => {
                leaving.entry((row.account, row.lane)).or_default().push(row.seq);
                done.released = done.released.saturating_add(1);
            }
        }
    }
    for ((account, lane), seqs) in leaving {
        for some in seqs.chunks(CHUNK) {
            let records = some.iter().map(|seq| take_out(tx, account, *seq)).collect::<Done<Vec<_>>>()?;
            batches::append(tx, account, &lane, &records)?;
        }
    }
    Ok(done)
}

/// The alert (or none) of a held record that waits for its device's site; `None` if that record waits no longer.
pub(super) fn waiting_alert(tx: &Tx<'_>, account: i64, seq: u64) -> Done<Option<Option<Key>>> {
    let sql = "SELECT alert FROM held WHERE account = ?1 AND seq = ?2 AND site = '\"device\"'";
    first(tx.connection, sql, (account, seq), |row| row.get(0))
}

/// Writes the site into a held record, and into all of its alert, and decides on them.
pub(super) fn settle_site(tx: &Tx<'_>, account: i64, seq: u64, alert: Option<&Key>, site: &SiteRef) -> Done<Released> {
    let held = match alert {
        Some(key) => list(tx, "WHERE alert = ?1 ORDER BY seq", [key])?,
        None => list(tx, "WHERE account = ?1 AND seq = ?2", (account, seq))?,
    };
    let json = site_json(site)?;
    let mut settled = Vec::with_capacity(held.len());
    for row in held {
        let mut record = load(tx.connection, row.account, row.seq)?;
        if record.envelope.site == SiteRef::Device {
            record.envelope.site = site.clone();
            let record = pack::pack_json(&record)?;
            let sql = "SELECT COALESCE(LENGTH(before), 0) FROM held WHERE account = ?1 AND seq = ?2";
            let before = first(tx.connection, sql, (row.account, row.seq), |found| found.get(0))?.unwrap_or(0);
            let sql = "UPDATE held SET site = ?3, record = ?4, room = ?5 WHERE account = ?1 AND seq = ?2";
            tx.execute(sql, (row.account, row.seq, &json, &record, room(&record, before)))?;
            settled.push(Row { site: json.clone(), ..row });
        } else {
            settled.push(row);
        }
    }
    release_of(tx, settled)
}

/// Brings held records back to `now` that were taken in under a clock far ahead, which would keep them too long: one step of them. Says
/// whether there may be more.
pub(super) fn bring_back(tx: &Tx<'_>, now: Millis) -> Done<bool> {
    let most = tx.ground.steps.held;
    let sql = "UPDATE held SET taken_at = ?1 WHERE (account, seq) IN
        (SELECT account, seq FROM held WHERE taken_at >= ?2 ORDER BY taken_at LIMIT ?3)";
    Ok(tx.execute(sql, (now.0, now.plus(APART).0, most))? >= most)
}

/// Drops held records taken in at `before` or earlier, each with the later ones of its alert: one step of them. Says whether there
/// may be more.
pub(super) fn expire(tx: &Tx<'_>, before: Millis) -> Done<(Dropped, bool)> {
    let mut dropped = Dropped::new();
    let mut gone: HashSet<(i64, u64)> = HashSet::new();
    let most = tx.ground.steps.held;
    let some = list(tx, "WHERE taken_at <= ?1 ORDER BY taken_at, account, seq LIMIT ?2", (before.0, most))?;
    let more = some.len() >= most;
    for row in some {
        if gone.contains(&(row.account, row.seq)) {
            continue;
        }
        for row in drop_with_rest(tx, &row)? {
            gone.insert((row.account, row.seq));
            let (count, since, until) =
                dropped.entry((row.account, row.site)).or_insert((0, row.taken_at, row.taken_at));
            *count = count.saturating_add(1);
            *since = (*since).min(row.taken_at);
            *until = (*until).max(row.taken_at);
        }
    }
    Ok((dropped, more))
}

/// What a held record takes besides itself: its row and its share of the indexes.
const ROW: u64 = 224;

/// The room of a held record beside a state of so many bytes.
fn room(record: &[u8], before: usize) -> u64 {
    space::room(record.len().saturating_add(before)).saturating_add(ROW)
}

/// Records that are released together; each is read by itself.
const CHUNK: usize = 512;

/// Bytes of source after which a step of a release ends.
const MOST_BYTES: usize = 4 << 20;

/// Every severity that a record may have.
const SEVERITIES: [Option<u8>; 9] = [None, Some(0), Some(1), Some(2), Some(3), Some(4), Some(5), Some(6), Some(99)];

/// How a site is stored.
fn site_json(site: &SiteRef) -> Done<String> {
    Ok(String::from_utf8_lossy(&pack::json(site)?).into_owned())
}

/// The site of a held row.
pub(super) fn read_site(json: &str) -> Done<SiteRef> {
    serde_json::from_str(json).map_err(|e| Fail::damaged(format!("the site of a held record: {e}")))
}

struct Decisions<'a> {
    directory: &'a Directory,
    accounts: HashMap<i64, AccountUid>,
    sites: HashMap<(i64, String, Option<u8>), Intake>,
}

impl Decisions<'_> {
    fn of(&mut self, tx: &Tx<'_>, row: &Row) -> Done<Intake> {
        let asked = (row.account, row.site.clone(), row.severity);
        if let Some(decision) = self.sites.get(&asked) {
            return Ok(*decision);
        }
        let account = match self.accounts.get(&row.account) {
            Some(account) => account.clone(),
            None => partitions::account_uid(tx.connection, row.account)?,
        };
        let decision = self.directory.intake(&account, &read_site(&row.site)?, row.severity);
        self.accounts.insert(row.account, account);
        self.sites.insert(asked, decision);
        Ok(decision)
    }
}

fn list(tx: &Tx<'_>, condition: &str, params: impl rusqlite::Params) -> Done<Vec<Row>> {
    let sql = format!("SELECT account, seq, alert, lane, site, severity, taken_at FROM held {condition}");
    rows(tx.connection, &sql, params, |row| {
        Ok(Row {
            account: row.get(0)?,
            seq: row.get(1)?,
            alert: row.get(2)?,
            lane: row.get(3)?,
            site: row.get(4)?,
            severity: row.get(5)?,
            taken_at: Millis(row.get(6)?),
        })
    })
}

/// Drops a held record and the later held ones of its alert, and makes the journal as if they had not been seen, so that a
/// later look tells them anew (model rules `drop-rest`, `set-back`).
fn drop_with_rest(tx: &Tx<'_>, row: &Row) -> Done<Vec<Row>> {
    let record = load(tx.connection, row.account, row.seq)?;
    let all = match &row.alert {
        Some(key) => {
            let before: Option<Vec<u8>> = first(
                tx.connection,
                "SELECT before FROM held WHERE account = ?1 AND seq = ?2",
                (row.account, row.seq),
                |found| found.get(0),
            )?
            .flatten();
            alerts::set_back(tx, row.account, key, &record.envelope.native_id, before.as_deref())?;
            list(tx, "WHERE alert = ?1 AND seq >= ?2 ORDER BY seq", (key, row.seq))?
        }
        None => {
            forget_key(tx, row, &record)?;
            vec![row.clone()]
        }
    };
    for gone in &all {
        remove(tx, gone.account, gone.seq)?;
    }
    Ok(all)
}

fn forget_key(tx: &Tx<'_>, row: &Row, record: &Record) -> Done<()> {
    let sql = "SELECT dated FROM held WHERE account = ?1 AND seq = ?2";
    let dated: Option<i64> = first(tx.connection, sql, (row.account, row.seq), |found| found.get(0))?.flatten();
    match dated {
        Some(dated) => seen::remove(tx, row.account, Millis(dated), &seen::record_key(&record.envelope)),
        None => items::forget(tx, row.account, &record.envelope),
    }
}

fn take_out(tx: &Tx<'_>, account: i64, seq: u64) -> Done<Record> {
    let record = load(tx.connection, account, seq)?;
    remove(tx, account, seq)?;
    Ok(record)
}

/// A held record.
pub(super) fn load(connection: &Connection, account: i64, seq: u64) -> Done<Record> {
    let sql = "SELECT record FROM held WHERE account = ?1 AND seq = ?2";
    let packed: Option<Vec<u8>> = first(connection, sql, (account, seq), |row| row.get(0))?;
    let name = || format!("held record {seq} of account {account}");
    pack::unpack_json(&packed.ok_or_else(|| Fail::damaged(format!("{} is missing", name())))?, name)
}

fn remove(tx: &Tx<'_>, account: i64, seq: u64) -> Done<()> {
    tx.execute("DELETE FROM held WHERE account = ?1 AND seq = ?2", (account, seq)).map(drop)
}
