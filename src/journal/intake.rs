//! Taking in a page: records, states and cursors in one transaction, decided under the policy that it reads there.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::journal::alerts::{self, Known};
use crate::journal::batches;
use crate::journal::drift::Shown;
use crate::journal::fail::{Done, Fail};
use crate::journal::held::{self, HeldAlert, Holding};
use crate::journal::memory;
use crate::journal::partitions;
use crate::journal::rejected;
use crate::journal::seen::{self, alert_key, record_key};
use crate::journal::space;
use crate::journal::sqlite::Journal;
use crate::journal::state;
use crate::journal::tx::Tx;
use crate::journal::{AlertLook, DatedRecord, Intake, JournalError, Lane, Page};
use crate::org::directory::{Directory, DropReason, Intake as Verdict};
use crate::record::place::SiteRef;
use crate::record::{AccountUid, Record};

impl Journal {
    /// Takes a page in whole, or refuses it whole: [`JournalError::Conflict`] if a look was compared with a state that is no
    /// longer stored, [`JournalError::Full`] if it brings records and there is no room. A page on which nothing changed writes nothing.
    pub async fn commit(&self, page: Page) -> Result<Intake, JournalError> {
        self.write(move |tx| take(tx, page)).await
    }
}

fn take(tx: &Tx<'_>, page: Page) -> Done<Intake> {
    let account = partitions::met_account(tx, &page.account)?;
    let mut taking = Taking::new(tx, account, page.account, first_lane(page.lane))?;
    for look in page.alerts {
        taking.alert(look)?;
    }
    for record in page.records {
        taking.record(record)?;
    }
    let mut intake = taking.append()?;
    for item in &page.rejected {
        intake.rejected = intake.rejected.saturating_add(u64::from(rejected::reject(tx, account, item)?));
    }
    memory::store_cursors(tx, account, &page.cursors)?;
    Ok(intake)
}

/// The stored name of a page's lane. References never come from a collector, so `Replayed` is read as `Live`.
fn first_lane(lane: Lane) -> &'static str {
    match lane {
        Lane::Live | Lane::Replayed => Lane::Live.as_str(),
        Lane::Backfill => Lane::Backfill.as_str(),
    }
}

/// A page on its way in.
pub(super) struct Taking<'a> {
    pub(super) tx: &'a Tx<'a>,
    pub(super) account: i64,
    uid: AccountUid,
    directory: Arc<Directory>,
    lane: &'static str,
    /// What goes to each lane, in order.
    lanes: BTreeMap<String, Vec<Record>>,
    has_room: bool,
    pub(super) intake: Intake,
    /// What no document told, of the records that are new.
    shown: Shown,
}

impl<'a> Taking<'a> {
    /// Begins with the decisions of this moment; `lane` is a stored name.
    pub(super) fn new(tx: &'a Tx<'a>, account: i64, uid: AccountUid, lane: &'static str) -> Done<Self> {
        let directory = tx.directory()?;
        let (lanes, intake, shown) = (BTreeMap::new(), Intake::default(), Shown::default());
        Ok(Self { tx, account, uid, directory, lane, lanes, has_room: false, intake, shown })
    }

    /// Appends what was taken to its lanes.
    pub(super) fn append(self) -> Done<Intake> {
        self.shown.count(self.tx, self.account)?;
        for (lane, records) in self.lanes {
            batches::append(self.tx, self.account, &lane, &records)?;
        }
        Ok(self.intake)
    }

    /// What becomes of records of `site` that no priority filter is for.
    pub(super) fn decide(&self, site: &SiteRef) -> Verdict {
        self.directory.intake(&self.uid, site, None)
    }

    /// Takes records to the end of the page's lane.
    pub(super) fn take(&mut self, records: Vec<Record>) {
        self.intake.taken = self.intake.taken.saturating_add(count(records.len()));
        self.lanes.entry(self.lane.to_owned()).or_default().extend(records);
    }

    /// Holds a record that is no alert's and has no key of its own to be remembered.
    pub(super) fn hold_item(&mut self, record: &Record) -> Done<()> {
        self.hold(self.lane, None, None, None, record)
    }

    fn alert(&mut self, look: AlertLook) -> Done<()> {
        let key = alert_key(&self.uid, &look.uid);
        let known = alerts::load(self.tx.connection, &key)?;
        let (before, lane) = match known.clone() {
            Some(known) => (Some(known.state), known.lane),
            None => (None, None),
        };
        if before != look.expected {
            return Err(Fail::Conflict);
        }
        let site = look.records.first().map_or(&look.told.site, |record| &record.envelope.site);
        let count = count(look.records.len());
        let next = match self.directory.intake(&self.uid, site, look.severity) {
            Verdict::Drop(reason) => {
                // Counted once, not at every look that finds the same.
                if before.as_ref() != Some(&look.untold) {
                    self.count_dropped(reason, count);
                }
                Known { state: look.untold, lane }
            }
            Verdict::Take | Verdict::Hold if look.records.is_empty() => Known { state: look.told, lane },
            verdict @ (Verdict::Take | Verdict::Hold) => {
                self.require_room()?;
                let lane = lane.unwrap_or_else(|| self.lane.to_owned());
                look.records.iter().for_each(|record| self.shown.note(record));
                if verdict == Verdict::Hold || held::waits(self.tx, &key)? {
                    let before = before.as_ref().map(state::encode);
                    for record in &look.records {
                        let alert = Some(HeldAlert { key: &key, before: before.as_deref() });
                        self.hold(&lane, look.severity, alert, None, record)?;
                    }
                } else {
                    self.intake.taken = self.intake.taken.saturating_add(count);
                    self.lanes.entry(lane.clone()).or_default().extend(look.records);
                }
                Known { state: look.told, lane: Some(lane) }
            }
        };
        if known.as_ref() == Some(&next) {
            return Ok(());
        }
        self.intake.changed = self.intake.changed.saturating_add(1);
        alerts::store(self.tx, self.account, &key, &look.uid, &next)?;
        alerts::keep_source(self.tx, &key, next.state.seen, &look.source)
    }

    fn record(&mut self, DatedRecord { record, dated }: DatedRecord) -> Done<()> {
        let key = record_key(&record.envelope);
        if seen::contains(self.tx.connection, self.account, dated, &key)? {
            self.intake.repeats = self.intake.repeats.saturating_add(1);
            return Ok(());
        }
        match self.directory.intake(&self.uid, &record.envelope.site, None) {
            Verdict::Drop(reason) => {
                // Decided once: a margin that reads it again does not count it again.
                self.count_dropped(reason, 1);
            }
            Verdict::Hold => {
                self.require_room()?;
                self.shown.note(&record);
                self.hold(self.lane, None, None, Some(dated), &record)?;
            }
            Verdict::Take => {
                self.require_room()?;
                self.shown.note(&record);
                self.intake.taken = self.intake.taken.saturating_add(1);
                self.lanes.entry(self.lane.to_owned()).or_default().push(record);
            }
        }
        seen::insert(self.tx, self.account, dated, &key)
    }

    fn hold(
        &mut self,
        lane: &str,
        severity: Option<u8>,
        alert: Option<HeldAlert<'_>>,
        dated: Option<crate::clock::Millis>,
        record: &Record,
    ) -> Done<()> {
        self.intake.held = self.intake.held.saturating_add(1);
        held::push(self.tx, &Holding { account: self.account, lane, severity, alert, dated, record })
    }

    /// Only what appends records needs room, and asks once a page (model rule `reserve`).
    pub(super) fn require_room(&mut self) -> Done<()> {
        if !self.has_room {
            space::require_room(self.tx)?;
            self.has_room = true;
        }
        Ok(())
    }

    pub(super) fn count_dropped(&mut self, reason: DropReason, count: u64) {
        let counter = match reason {
            DropReason::Filtered => &mut self.intake.filtered,
            DropReason::Ignored => &mut self.intake.ignored,
            DropReason::Unmapped => &mut self.intake.dropped,
        };
        *counter = counter.saturating_add(count);
    }
}

pub(super) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
