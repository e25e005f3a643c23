//! The oracle: what really happened, and what answers have shown of it.

use serde::Serialize;

use crate::clock::Millis;
use crate::sim::alerts::{Alert, Change, State};
use crate::sim::life::World;
use crate::sim::shape::activity;

/// Everything that ever was in the lists, as of `now`.
#[derive(Clone, Debug, Serialize)]
pub struct Truth {
    /// The world's time.
    pub now: Millis,
    /// When the live part of the world began.
    pub start: Millis,
    /// Every site, those that are no longer listed included.
    pub sites: Vec<SiteTruth>,
    /// Every device, those that are no longer listed included.
    pub devices: Vec<DeviceTruth>,
    /// Every alert that was ever created.
    pub alerts: Vec<AlertTruth>,
    /// Every activity row that was ever written.
    pub activities: Vec<ActivityTruth>,
}

/// One site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SiteTruth {
    /// Its numeric id.
    pub id: i64,
    /// Its uid.
    pub uid: String,
    /// Its name now.
    pub name: String,
    /// Whether the list shows it.
    pub listed: bool,
    /// States of it that answers which were sent whole have shown, numbers of devices apart.
    pub shown_states: usize,
}

/// One device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceTruth {
    /// Its uid.
    pub uid: String,
    /// Its host name now.
    pub hostname: String,
    /// Uid of its site now.
    pub site: String,
    /// Whether the list shows it.
    pub listed: bool,
    /// States of it that answers which were sent whole have shown; what changes all the time makes no other state.
    pub shown_states: usize,
    /// Changes of its antivirus, patch and reboot state between such answers, `NoData` apart.
    pub shown_postures: usize,
    /// Its host name and its site's uid, as such an answer has shown them last.
    pub shown_as: Option<(String, String)>,
}

/// One alert.
#[derive(Clone, Debug, Serialize)]
pub struct AlertTruth {
    /// `alertUid`.
    pub uid: String,
    /// Uid of the site where its device was when it opened.
    pub site: String,
    /// Uid of its device.
    pub device: String,
    /// When it opened.
    pub opened: Millis,
    /// Where it is now.
    pub state: AlertState,
    /// Everything that happened to it since it opened, in order.
    pub history: Vec<StepTruth>,
    /// How many of those changed it while it was open.
    pub updates: usize,
    /// When it was resolved, if it is.
    pub resolved: Option<Millis>,
    /// When it vanished, if it has.
    pub vanished: Option<Millis>,
    /// Whether it was in the open list at any time since the start.
    pub listed_open: bool,
    /// Whether it was ever in the resolved list.
    pub listed_resolved: bool,
    /// Whether an answer that was sent whole showed it as open. (Whether it arrived is the reader's word.)
    pub shown_open: bool,
    /// The same as resolved.
    pub shown_resolved: bool,
    /// How much of `history` the last such answer had in it.
    pub shown_steps: usize,
}

/// Where an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// In the open list.
    Open,
    /// In the resolved list.
    Resolved,
    /// In neither.
    Vanished,
}

/// One thing that happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StepTruth {
    /// When.
    pub at: Millis,
    /// What.
    pub what: Change,
}

/// One activity row.
#[derive(Clone, Debug, Serialize)]
pub struct ActivityTruth {
    /// `id`.
    pub id: String,
    /// `entity`.
    pub entity: String,
    /// Its date in ms; the wire has seconds.
    pub date: Millis,
    /// From when on it could be read.
    pub visible_from: Millis,
    /// Uid of the site that the row names, if it names one.
    pub site: Option<String>,
    /// Uids of the devices that its details list, if they list several. Details that are broken do not show them.
    pub devices: Vec<String>,
    /// Whether an answer that was sent whole showed it.
    pub shown: bool,
}

/// What is true of `world` now; its live part began at `start`.
pub(crate) fn of(world: &World, start: Millis) -> Truth {
    let alerts = world.alerts.all().iter().map(|alert| alert_truth(world, alert, start)).collect();
    let activities = world.activity.all().iter().map(|row| ActivityTruth {
        id: row.id.to_string(),
        entity: activity::words(world, row).0.to_owned(),
        date: row.date,
        visible_from: row.visible_from,
        site: activity::site_of(world, row).map(|site| site.uid.clone()),
        devices: activity::listed_devices(world, row),
        shown: row.shown,
    });
    let sites = world.estate.sites.iter().map(|site| SiteTruth {
        id: site.id,
        uid: site.uid.clone(),
        name: site.name.clone(),
        listed: !site.removed,
        shown_states: site.ledger.states,
    });
    let devices = world.estate.devices.iter().map(|device| DeviceTruth {
        uid: device.uid.clone(),
        hostname: device.hostname.clone(),
        site: world.estate.site(device.site).map(|site| site.uid.clone()).unwrap_or_default(),
        listed: !device.removed,
        shown_states: device.ledger.states,
        shown_postures: device.ledger.postures,
        shown_as: device.ledger.place.clone(),
    });
    let (sites, devices) = (sites.collect(), devices.collect());
    Truth { now: world.now, start, sites, devices, alerts, activities: activities.collect() }
}

fn alert_truth(world: &World, alert: &Alert, start: Millis) -> AlertTruth {
    let (state, resolved) = match alert.state {
        State::Open => (AlertState::Open, None),
        State::Resolved(on) => (AlertState::Resolved, Some(on)),
        State::Vanished => (AlertState::Vanished, None),
    };
    let ends = |what: Change| matches!(what, Change::Resolved | Change::Vanished);
    let last_end = alert.steps.iter().rev().find(|step| ends(step.what)).map(|step| step.at);
    let updates = alert.steps.iter().filter(|step| !ends(step.what) && step.what != Change::Reopened);
    AlertTruth {
        uid: alert.uid.to_string(),
        site: world.estate.site(alert.site).map(|site| site.uid.clone()).unwrap_or_default(),
        device: world.estate.device(alert.device).map(|device| device.uid.clone()).unwrap_or_default(),
        opened: alert.opened,
        state,
        updates: updates.count(),
        history: alert.steps.iter().map(|step| StepTruth { at: step.at, what: step.what }).collect(),
        resolved,
        vanished: last_end.filter(|_| alert.state == State::Vanished),
        listed_open: state == AlertState::Open || last_end.is_some_and(|end| end > start),
        listed_resolved: alert.count(Change::Resolved) > 0,
        shown_open: alert.shown_open,
        shown_resolved: alert.shown_resolved,
        shown_steps: alert.shown_steps,
    }
}
