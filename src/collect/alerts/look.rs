//! What one look at an alert tells, given what is known of it. Pure; the journal decides whether it may be told at all.

use std::time::Duration;

use serde_json::value::RawValue;

use crate::clock::Millis;
use crate::collect::alerts::fields::{Fields, Updates};
use crate::journal::{AlertLook, AlertState, Seen, Told};
use crate::record::place::{DeviceRef, SiteRef};
use crate::record::{AccountUid, Envelope, Marker, Record, RecordKind};

/// Stands in a state for the `resolvedOn` of a first Close that had none.
const UNTIMED: Millis = Millis(0);

/// An alert as one answer showed it.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// `alertUid`.
    pub uid: String,
    /// The site it names.
    pub site: SiteRef,
    /// The device it names.
    pub device: DeviceRef,
    /// `timestamp`, when it was opened.
    pub opened_on: Option<Millis>,
    /// `resolvedOn`.
    pub resolved_on: Option<Millis>,
    /// Severity id of its priority, for the `min_priority` filter.
    pub severity: u8,
    /// Whether it is open or resolved.
    pub seen: Seen,
    /// The source, secrets stripped.
    pub source: Box<RawValue>,
    /// API path that showed it.
    pub path: String,
    /// When the answer was received.
    pub received_at: Millis,
}

/// What the configuration says about telling alerts.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The cut time of the first start: what opened or was resolved before it is noted silently.
    pub cut: Millis,
    /// Which changes are told.
    pub updates: Updates,
}

/// What the look tells; `None` when it tells nothing new.
pub fn look(account: &AccountUid, known: Option<&AlertState>, sighting: &Sighting, rules: Rules) -> Option<AlertLook> {
    let teller = Teller { account, known, sighting, rules, fields: Fields::read(&sighting.source) };
    match known {
        None => Some(teller.first_sight()),
        Some(state) if state.told == Told::Nothing => Some(teller.first_sight()),
        Some(state) => match sighting.seen {
            Seen::Open => teller.open(state),
            Seen::Resolved => teller.resolved(state),
            Seen::Vanished => teller.vanished(state),
        },
    }
}

impl Sighting {
    /// The record that it is on its own: opened, or resolved. For a list that is printed and not compared with anything.
    pub fn record_as_listed(self, account: &AccountUid) -> Record {
        let marker = match self.seen {
            Seen::Open => Marker::Open,
            Seen::Resolved => Marker::Resolved(self.resolved_on),
            Seen::Vanished => Marker::Vanished(1),
        };
        let envelope = Envelope {
            account: account.clone(),
            kind: RecordKind::Alert,
            native_id: self.uid,
            marker,
            site: self.site,
            device: self.device,
            path: self.path,
            received_at: self.received_at,
            changed: Vec::new(),
            synthesized: false,
        };
        Record { envelope, source: self.source }
    }
}

struct Teller<'a> {
    account: &'a AccountUid,
    known: Option<&'a AlertState>,
    sighting: &'a Sighting,
    rules: Rules,
    fields: Fields,
}

impl Teller<'_> {
    /// Never told: its Create, and its Close if it is resolved already, each if it is not older than the cut.
    fn first_sight(&self) -> AlertLook {
        let is_open = self.sighting.seen == Seen::Open;
        let (cut, resolved_on) = (self.rules.cut, self.sighting.resolved_on.filter(|_| !is_open));
        let tells_create = match (self.sighting.opened_on, resolved_on) {
            (Some(on), _) | (None, Some(on)) => on >= cut,
            (None, None) => true,
        };
        // An alert that was told as opened would stay open without its Close, however early it says it was resolved.
        let tells_close = !is_open && (tells_create || resolved_on.is_some_and(|on| on >= cut));
        let mut records = Vec::new();
        if tells_create {
            let create = Envelope { synthesized: !is_open, ..self.envelope(Marker::Open) };
            records.push(self.record(create));
        }
        if tells_close {
            let is_gone = self.sighting.seen == Seen::Vanished;
            let marker = if is_gone { Marker::Vanished(1) } else { Marker::Resolved(resolved_on) };
            records.push(self.record(self.envelope(marker)));
        }
        let told = match (tells_create, tells_close) {
            (_, true) => Told::Closed,
            (true, false) => Told::Opened,
            (false, false) => Told::Noted,
        };
        let untold = if records.is_empty() { Told::Noted } else { Told::Nothing };
        let vanishings = u32::from(tells_close && self.sighting.seen == Seen::Vanished);
        let closed_on = tells_close.then_some(resolved_on.unwrap_or(UNTIMED));
        let told = AlertState { closed_on, vanishings, ..self.state(told) };
        self.answer(records, told, self.state(untold), Some(self.sighting.severity))
    }

    /// Told or noted before, and open now.
    fn open(&self, state: &AlertState) -> Option<AlertLook> {
        let mut changed = self.fields.changed(&state.digests, self.rules.updates);
        let is_back = state.seen != Seen::Open;
        if is_back && changed.is_empty() {
            changed.push("resolved".to_owned());
        }
        if changed.is_empty() {
            return None;
        }
        let updates = state.updates.saturating_add(1);
        let marker = Marker::Update(updates, self.fields.change_hex(&changed));
        let update = self.record(Envelope { changed, ..self.envelope(marker) });
        let told = if state.told == Told::Noted { Told::Noted } else { Told::Opened };
        let told = AlertState { updates, ..self.after(state, told) };
        Some(self.answer(vec![update], told, self.only_seen(state), self.severity_of(state)))
    }

    /// Told or noted before, and resolved now.
    fn resolved(&self, state: &AlertState) -> Option<AlertLook> {
        let is_known_resolved = state.seen == Seen::Resolved && state.told != Told::Opened;
        if is_known_resolved && !self.fields.has_new_resolution(&state.digests) {
            return None;
        }
        let is_old = is_known_resolved && self.sighting.resolved_on.is_some_and(|on| on < self.rules.cut);
        if is_old {
            return None;
        }
        Some(self.close(state))
    }

    /// Told or noted before, and gone now.
    fn vanished(&self, state: &AlertState) -> Option<AlertLook> {
        if state.seen != Seen::Open {
            return None;
        }
        let vanishings = state.vanishings.saturating_add(1);
        let record = self.record(self.envelope(Marker::Vanished(vanishings)));
        let told = AlertState { vanishings, ..self.after(state, Told::Closed) };
        Some(self.answer(vec![record], told, self.only_seen(state), self.severity_of(state)))
    }

    /// A Close that was told before is not told again: a lagging list may show the alert open once more, or resolved at
    /// an earlier time, and an answer may leave out a time that another one gives. Only the latest time is kept, so each
    /// Close must be later than the one before.
    fn close(&self, state: &AlertState) -> AlertLook {
        let resolved_on = self.sighting.resolved_on;
        let was_closed = state.told == Told::Closed && state.seen == Seen::Resolved;
        let is_repeat = (resolved_on.is_some() && resolved_on <= state.closed_on)
            || (was_closed && (resolved_on.is_none() || state.closed_on == Some(UNTIMED)));
        let time = self.close_time(state.closed_on);
        let (records, closed_on) = if is_repeat {
            (Vec::new(), state.closed_on.max(resolved_on))
        } else {
            (vec![self.record(self.envelope(Marker::Resolved(time)))], time.or(Some(UNTIMED)))
        };
        let told = AlertState { closed_on, ..self.after(state, Told::Closed) };
        self.answer(records, told, self.only_seen(state), self.severity_of(state))
    }

    /// A Close without a time takes that of its poll unless it is the first: every record has a marker of its own.
    fn close_time(&self, closed_on: Option<Millis>) -> Option<Millis> {
        let after_last = closed_on.map(|last| last.plus(Duration::from_millis(1)));
        self.sighting.resolved_on.or_else(|| after_last.map(|earliest| self.sighting.received_at.max(earliest)))
    }

    /// The `min_priority` filter stops only what was never told.
    fn severity_of(&self, state: &AlertState) -> Option<u8> {
        (state.told == Told::Noted).then_some(self.sighting.severity)
    }

    fn answer(&self, records: Vec<Record>, told: AlertState, untold: AlertState, severity: Option<u8>) -> AlertLook {
        AlertLook {
            uid: self.sighting.uid.clone(),
            expected: self.known.cloned(),
            source: self.sighting.source.clone(),
            records,
            severity,
            told,
            untold,
        }
    }

    fn state(&self, told: Told) -> AlertState {
        AlertState {
            told,
            seen: self.sighting.seen,
            site: self.site(),
            updates: 0,
            closed_on: None,
            vanishings: 0,
            digests: self.fields.digests(),
        }
    }

    /// The state after something was told of an alert that was in `state`.
    fn after(&self, state: &AlertState, told: Told) -> AlertState {
        AlertState { told, seen: self.sighting.seen, digests: self.fields.digests(), ..state.clone() }
    }

    /// Nothing told: what was told last stays, so that a later look can tell the difference.
    fn only_seen(&self, state: &AlertState) -> AlertState {
        AlertState { seen: self.sighting.seen, ..state.clone() }
    }

    /// An alert keeps the site of its Create.
    fn site(&self) -> SiteRef {
        match self.known {
            Some(state) if state.told != Told::Nothing => state.site.clone(),
            _ => self.sighting.site.clone(),
        }
    }

    fn envelope(&self, marker: Marker) -> Envelope {
        Envelope {
            account: self.account.clone(),
            kind: RecordKind::Alert,
            native_id: self.sighting.uid.clone(),
            marker,
            site: self.site(),
            device: self.sighting.device.clone(),
            path: self.sighting.path.clone(),
            received_at: self.sighting.received_at,
            changed: Vec::new(),
            synthesized: false,
        }
    }

    fn record(&self, envelope: Envelope) -> Record {
        Record { envelope, source: self.sighting.source.clone() }
    }
}

#[cfg(test)]
mod tests;
