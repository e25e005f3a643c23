//! Items: what the platforms showed is there or accounted for, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::app::seams::oracle::{LATE, LATE_SETTLED, Oracle, Raw, SETTLED};
use crate::app::seams::orgs::Verdict;
use crate::app::seams::watched::{List, Shown};
use crate::clock::Millis;
use crate::sim::alerts::Change;
use crate::sim::truth::{ActivityTruth, AlertTruth};

impl Oracle<'_> {
    /// Every record is of an item that an answer showed, in a state that an answer showed.
    pub(super) fn invented(&mut self) {
        let mut texts = Vec::new();
        let book = self.run.watched.book();
        for record in self.records.iter().filter(|record| !record.kind.starts_with("vintner.")) {
            let Some(states) = book.get(&(record.account.clone(), record.native_id.clone())) else {
                texts.push(format!("{} {} was never shown", record.kind, record.native_id));
                continue;
            };
            let keys: &[&str] = match record.kind.as_str() {
                "alert" => &["priority", "muted", "ticketNumber", "timestamp", "resolvedOn", "diagnostics"],
                "device" => &["hostname", "siteUid", "id"],
                "site" => &["name", "id"],
                "device.posture" => &[],
                _ => &["date", "category", "action", "entity", "deviceId"],
            };
            let is_it = |item: &Value| {
                keys.iter().all(|key| item[*key] == record.record[*key] || is_redacted(&record.record[*key]))
            };
            if !states.iter().any(|state| is_it(&state.item)) {
                texts.push(format!(
                    "{} {} ({}) was never shown like that",
                    record.kind, record.native_id, record.marker
                ));
            }
        }
        drop(book);
        texts.into_iter().for_each(|text| self.problem(text));
    }

    /// Whether a record of this site, shown since `from`, may be nowhere: filtered, ignored, or dropped as unmapped.
    pub(super) fn may_be_missing(&self, account: &str, site: Option<&str>, from: Instant) -> bool {
        let Some(site) = site else { return false };
        let verdicts = self.sites.verdicts(account, site, from, Instant::now());
        verdicts.contains(&Verdict::Ignored)
            || verdicts.contains(&Verdict::Dropped)
            || self.sites.may_be_filtered(account, site, from, Instant::now())
    }

    /// Every row of the activity log is there, or accounted for.
    pub(super) fn activity(&mut self) {
        let there: BTreeSet<(&str, &str)> = self
            .records
            .iter()
            .filter(|record| record.kind.starts_with("activity."))
            .map(|record| (record.account.as_str(), record.native_id.as_str()))
            .collect();
        let mut texts = Vec::new();
        for (account, sim) in &self.run.platforms {
            let truth = sim.truth();
            let is_due = |row: &&ActivityTruth| {
                let is_late = row.visible_from.since(row.date) > LATE;
                row.visible_from < truth.now.minus(if is_late { LATE_SETTLED } else { SETTLED })
            };
            for row in truth.activities.iter().filter(is_due) {
                // Without a device that must be found, a 404 proves nothing, and what names an unknown device waits.
                let may_wait = truth.devices.iter().all(|device| !device.listed);
                if there.contains(&(account, &row.id))
                    || self.given_up.contains(&row.id)
                    || (may_wait && self.waiting.contains(&row.id))
                {
                    continue;
                }
                let first = self.first_shown(account, &row.id).unwrap_or(self.run.began);
                if self.may_be_missing(account, row.site.as_deref(), first) || self.is_planted(account, &row.id) {
                    continue;
                }
                // A row that names only a device belongs to its site, one of a move to the site that the device came from.
                let any_site = (row.site.is_none() || self.is_move(account, &row.id))
                    && truth.sites.iter().any(|site| self.may_be_missing(account, Some(&site.uid), first));
                if !any_site {
                    let site = row.site.as_deref().unwrap_or_default();
                    let verdicts = self.sites.verdicts(account, site, first, Instant::now());
                    let first = first.duration_since(self.run.began);
                    texts.push(format!("{account}: {row:?}, shown since {first:?}, is lost; may be {verdicts:?}"));
                }
            }
        }
        texts.into_iter().for_each(|text| self.problem(text));
    }

    fn is_move(&self, account: &str, id: &str) -> bool {
        let book = self.run.watched.book();
        let states = book.get(&(account.to_owned(), id.to_owned()));
        states.into_iter().flatten().any(|state| state.item["action"] == "move.device")
    }

    pub(super) fn first_shown(&self, account: &str, id: &str) -> Option<Instant> {
        let book = self.run.watched.book();
        let states = book.get(&(account.to_owned(), id.to_owned()))?;
        states.first().map(|state| state.first)
    }

    /// Every alert that was shown was emitted as opened, and as closed once that is true.
    pub(super) fn alerts(&mut self) {
        let mut markers: BTreeMap<(&str, &str), Vec<&Raw>> = BTreeMap::new();
        for record in self.records.iter().filter(|record| record.kind == "alert") {
            markers.entry((&record.account, &record.native_id)).or_default().push(record);
        }
        let mut texts = Vec::new();
        for (account, sim) in &self.run.platforms {
            let truth = sim.truth();
            let settled = truth.now.minus(SETTLED);
            for alert in truth.alerts.iter().filter(|alert| alert.opened < settled) {
                let records = markers.get(&(account.as_str(), alert.uid.as_str())).map_or(&[][..], Vec::as_slice);
                if let Err(why) = self.judge_alert(account, alert, records, settled) {
                    let markers: Vec<&str> = records.iter().map(|record| record.marker.as_str()).collect();
                    texts.push(format!("{account}: alert {} {why}: {markers:?} {alert:?}", alert.uid));
                }
            }
        }
        texts.into_iter().for_each(|text| self.problem(text));
    }

    fn judge_alert(
        &self,
        account: &str,
        alert: &AlertTruth,
        records: &[&Raw],
        settled: Millis,
    ) -> Result<(), &'static str> {
        let shown: Vec<(List, Instant, Value)> = {
            let book = self.run.watched.book();
            let states = book.get(&(account.to_owned(), alert.uid.clone()));
            states.into_iter().flatten().map(|state| (state.list, state.first, state.item.clone())).collect()
        };
        let Some((_, first, _)) = shown.first() else {
            // One that vanished before any answer showed it leaves no trace.
            return if alert.vanished.is_some() { Ok(()) } else { Err("was never asked for") };
        };
        let sites = shown.iter().filter_map(|(_, _, item)| item["alertSourceInfo"]["siteUid"].as_str());
        let sites: BTreeSet<&str> = sites.chain([alert.site.as_str()]).collect();
        let has_least = self
            .sites
            .epochs(*first, Instant::now())
            .any(|epoch| epoch.draft.account(account).is_some_and(|account| account.min_priority.is_some()));
        let may_be_missing = has_least
            || sites.iter().any(|site| self.may_be_missing(account, Some(site), *first))
            || self.is_planted(account, &alert.uid)
            || self.given_up.contains(&alert.uid);
        if may_be_missing {
            return Ok(());
        }
        if records.is_empty() {
            // What was shown just before a kill need not have been kept, and may be gone afterwards.
            let is_lost_again = |at: Instant| {
                self.run.disturbed.iter().any(|(from, until)| at + Duration::from_secs(120) >= *from && at <= *until)
            };
            let may_be_gone = alert.vanished.is_some() && shown.iter().all(|(_, at, _)| is_lost_again(*at));
            return if may_be_gone { Ok(()) } else { Err("is lost") };
        }
        let last = records.last().map_or("", |record| record.marker.as_str());
        if alert.resolved.is_some_and(|at| at < settled) && !last.starts_with("resolved") {
            return Err("was never closed");
        }
        if alert.vanished.is_some_and(|at| at < settled) && !last.starts_with("vanished") {
            let was_reopened = alert.history.iter().any(|step| step.what == Change::Reopened);
            if !(was_reopened && last.starts_with("resolved")) {
                return Err("was not closed though it vanished");
            }
        }
        let is_open = alert.resolved.is_none() && alert.vanished.is_none();
        let last_step = alert.history.last().map_or(alert.opened, |step| step.at);
        if is_open && last_step < settled {
            let now = &shown.last().map(|(_, _, item)| item.clone()).unwrap_or_default();
            let emitted = &records.last().map(|record| record.record.clone()).unwrap_or_default();
            let watched = ["priority", "muted", "ticketNumber"];
            if last.starts_with("resolved") || watched.iter().any(|key| now[*key] != emitted[*key]) {
                return Err("is open in a state that was not emitted");
            }
        }
        Ok(())
    }

    /// Sites and devices: states are counted without a gap, and the last one is the one that is true.
    pub(super) fn inventory(&mut self) {
        let mut texts = Vec::new();
        let mut items: BTreeMap<(&str, &str, &str), Vec<&Raw>> = BTreeMap::new();
        for record in self.records.iter().filter(|record| record.kind == "device" || record.kind == "site") {
            items.entry((&record.account, &record.kind, &record.native_id)).or_default().push(record);
        }
        let book = self.run.watched.book().clone();
        for ((account, id), states) in &book {
            // A look-up of a device settles its site; it is a state only where the list does not show the device any more.
            let newest = states.iter().rposition(|state| state.list != List::LookedUp).unwrap_or(0);
            let later = states.get(newest..).unwrap_or_default();
            let states: Vec<_> = states.iter().filter(|state| state.list != List::LookedUp).collect();
            let kind = match states.last().map(|state| state.list) {
                Some(List::Devices) => "device",
                Some(List::Sites) => "site",
                _ => continue,
            };
            let (Some(first), Some(last)) = (states.first(), states.last()) else { continue };
            let sites =
                states.iter().filter_map(|state| state.item[if kind == "site" { "uid" } else { "siteUid" }].as_str());
            let sites: BTreeSet<&str> = sites.collect();
            if sites.iter().any(|site| self.may_be_missing(account, Some(site), first.first))
                || self.is_planted(account, id)
                || self.given_up.contains(id)
            {
                continue;
            }
            let Some(records) = items.get(&(account.as_str(), kind, id.as_str())) else {
                // A full journal has no room for a new item, which may be gone when there is room again.
                let was_full = self.run.epochs.iter().any(|epoch| epoch.draft.max_kib < 1 << 15);
                let is_there = self.run.platforms.iter().filter(|(uid, _)| uid == account).any(|(_, sim)| {
                    let truth = sim.truth();
                    truth.devices.iter().any(|device| device.listed && device.uid == *id)
                        || truth.sites.iter().any(|site| site.listed && site.uid == *id)
                });
                if was_full && !is_there {
                    continue;
                }
                texts.push(format!("{account}: {kind} {id} is lost"));
                continue;
            };
            let keys: &[&str] = if kind == "site" { &["name", "id"] } else { &["hostname", "siteUid", "id"] };
            // By its number: a state that was held for its organization arrives when that is mapped, also behind later ones of others.
            // An item that is gone has its last state in the record that says so: there may have been no room for one of its own.
            let newest = records.iter().max_by_key(|record| state_number(&record.marker));
            let emitted = &newest.map(|record| record.record.clone()).unwrap_or_default();
            let gone = records.iter().rfind(|record| record.marker.starts_with("vanished"));
            let ends = [Some(emitted), gone.map(|record| &record.record)];
            let is_emitted = |state: &Shown| {
                ends.into_iter().flatten().any(|end| keys.iter().all(|key| state.item[*key] == end[*key]))
            };
            if !later.iter().any(is_emitted) {
                let shown = keys.iter().map(|key| (&last.item[*key], &emitted[*key]));
                let shown: Vec<_> = shown.collect();
                let markers: Vec<&str> = records.iter().map(|record| record.marker.as_str()).collect();
                let at: Vec<_> = states.iter().map(|state| state.first.duration_since(self.run.began)).collect();
                texts.push(format!(
                    "{account}: the last state of {kind} {id} was not emitted (shown, emitted): {shown:?} of {markers:?}, \
                     shown since {at:?}"
                ));
            }
        }
        texts.into_iter().for_each(|text| self.problem(text));
    }
}

/// Secrets are taken out of what is kept.
fn is_redacted(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains("(removed)"))
}

/// The number of an item's state, which its marker holds.
fn state_number(marker: &str) -> u64 {
    let digits = marker.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().unwrap_or(0)
}
