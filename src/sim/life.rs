//! The world as it goes on: alerts open, change and end, staff act, devices move.
//!
//! Events happen in the order of their times, and each draws from its own seed, so the world at a time is the same however
//! often it was looked at before.

mod history;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use fastrand::Rng;

use crate::clock::Millis;
use crate::sim::activity::{ActivityLog, Row, Subject};
use crate::sim::alerts::{Alert, Alerts, Change};
use crate::sim::dice::{Dice, Topic, chance, gap};
use crate::sim::estate::{Estate, SiteKind};
use crate::sim::names::{self, Person};
use crate::sim::world::Options;

/// Sites, devices, alerts and activity at one point in time.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) dice: Dice,
    pub(crate) now: Millis,
    pub(crate) estate: Estate,
    pub(crate) alerts: Alerts,
    pub(crate) activity: ActivityLog,
    due: BinaryHeap<Reverse<(Millis, u64, Due)>>,
    scheduled: u64,
}

/// How an alert came to be resolved, and whether that lasts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resolution {
    /// The staff member who resolved it in the portal; nobody if it resolved by itself.
    pub(crate) in_portal_by: Option<Person>,
    reopens_after: Option<Duration>,
}

/// What is going to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// The n-th event of a process that goes on for ever.
    Next(Process, u64),
    /// Something happens to one alert.
    Change(u32, Change),
    /// A row can be read from now on.
    Appear(u32),
}

/// The processes that keep the world alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Process {
    Arrival,
    Update,
    Resolution,
    Row,
    Inventory,
}

impl World {
    /// The world of `options` at its start, which is `start`.
    pub(crate) fn new(options: Options, start: Millis) -> Self {
        let dice = Dice::new(options.seed);
        let mut world = Self {
            dice,
            now: start,
            estate: Estate::new(dice, &options),
            alerts: Alerts::new(dice, &options),
            activity: ActivityLog::default(),
            due: BinaryHeap::new(),
            scheduled: 0,
            options,
        };
        world.write_history();
        for process in Process::ALL {
            world.schedule_next(process, 0, start);
        }
        world
    }

    /// Lets everything happen that is due until `now`. A clock that went back changes nothing.
    pub(crate) fn advance(&mut self, now: Millis) {
        while let Some(Reverse((at, _, due))) = self.due.peek().copied() {
            if at > now {
                break;
            }
            self.due.pop();
            self.now = self.now.max(at);
            self.happen(due);
        }
        self.now = self.now.max(now);
    }

    /// Makes `what` happen to an alert now, and what follows from it. `false` if it cannot happen to it.
    pub(crate) fn change_alert(&mut self, alert: u32, what: Change) -> bool {
        if !self.alerts.change(alert, self.now, what) {
            return false;
        }
        if what == Change::Resolved {
            let resolution = self.resolution(alert);
            if resolution.in_portal_by.is_some() {
                self.write_row(self.now, Duration::ZERO, Subject::AlertResolved { alert });
            }
            if let Some(after) = resolution.reopens_after {
                self.schedule(self.now.plus(after), Due::Change(alert, Change::Reopened));
            }
        }
        true
    }

    /// How the latest resolution of an alert came about: the same on every call until it is resolved again.
    pub(crate) fn resolution(&self, alert: u32) -> Resolution {
        let times = self.alerts.get(alert).map_or(0, |alert| alert.count(Change::Resolved) as u64);
        let mut rng = self.dice.roll(Topic::AlertStep, (u64::from(alert) << 16) | times);
        let reopens = chance(&mut rng, self.options.reopen_share);
        let reopens_after = reopens.then(|| Duration::from_secs(rng.u64(60..1800)));
        // Where a test has said who resolved it, nobody else did.
        let named = self
            .alerts
            .get(alert)
            .and_then(|alert| alert.custom.as_ref())
            .is_some_and(|custom| custom.resolved_by.is_some());
        let in_portal_by = (!named && chance(&mut rng, 0.4)).then(|| names::person(&mut rng));
        Resolution { in_portal_by, reopens_after }
    }

    /// Opens an alert on `device` now.
    pub(crate) fn open_alert(&mut self, device: usize) -> Option<u32> {
        let number = self.alerts.all().len() as u64;
        self.add_alert(Alert::new(number, self.dice.uuid(Topic::Alert, number), device, self.site_of(device), self.now))
    }

    /// Adds a prepared alert. `None` if its uid is taken.
    pub(crate) fn add_alert(&mut self, alert: Alert) -> Option<u32> {
        self.alerts.open(alert)
    }

    /// Writes an activity row of `date`, readable after `delay` from now.
    pub(crate) fn write_row(&mut self, date: Millis, delay: Duration, subject: Subject) -> Option<u32> {
        let number = self.activity.all().len() as u64;
        let visible_from = self.now.plus(delay);
        let id = self.dice.uuid(Topic::Activity, number);
        let place = self.activity.write(Row { number, id, date, visible_from, subject, shown: false })?;
        match delay {
            Duration::ZERO => self.activity.appear(place),
            _ => self.schedule(visible_from, Due::Appear(place)),
        }
        Some(place)
    }

    /// Moves a device to another site, which the activity log tells.
    pub(crate) fn move_device(&mut self, device: usize, to: usize) {
        let Some(found) = self.estate.devices.get_mut(device) else { return };
        let from = std::mem::replace(&mut found.site, to);
        self.write_row(self.now, Duration::ZERO, Subject::DeviceMoved { device, from, to });
    }

    /// Place of the site where `device` is.
    pub(crate) fn site_of(&self, device: usize) -> usize {
        self.estate.device(device).map_or(0, |device| device.site)
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Change(alert, what) => {
                self.change_alert(alert, what);
            }
            Due::Appear(row) => self.activity.appear(row),
            Due::Next(process, n) => {
                let mut rng = self.dice.roll(process.topic(), n);
                // The gap is drawn first, so that what happens cannot change when the next event comes.
                self.schedule_next(process, n + 1, self.now);
                match process {
                    Process::Arrival => self.happen_arrival(&mut rng),
                    Process::Update => self.happen_update(&mut rng),
                    Process::Resolution => self.happen_resolution(&mut rng),
                    Process::Row => self.happen_row(&mut rng),
                    Process::Inventory => self.happen_inventory(&mut rng),
                }
            }
        }
    }

    fn happen_arrival(&mut self, rng: &mut Rng) {
        let Some(device) = self.estate.draw_device(rng) else { return };
        let Some(alert) = self.open_alert(device) else { return };
        if chance(rng, self.options.brief_share) {
            let after = Duration::from_millis(rng.u64(500..20_000));
            self.schedule(self.now.plus(after), Due::Change(alert, Change::Resolved));
        }
    }

    fn happen_update(&mut self, rng: &mut Rng) {
        let Some(alert) = self.draw_open(rng) else { return };
        self.change_alert(alert, draw_change(rng));
    }

    fn happen_resolution(&mut self, rng: &mut Rng) {
        let Some(alert) = self.draw_open(rng) else { return };
        let what = if chance(rng, self.options.vanish_share) { Change::Vanished } else { Change::Resolved };
        self.change_alert(alert, what);
    }

    fn happen_row(&mut self, rng: &mut Rng) {
        let delay = Duration::from_millis(rng.u64(0..=self.options.activity_delay_max_ms));
        let subject = self.draw_subject(rng);
        self.write_row(self.now, delay, subject);
    }

    fn happen_inventory(&mut self, rng: &mut Rng) {
        let Some(device) = self.estate.draw_device(rng) else { return };
        match rng.u8(0..20) {
            0..12 => {
                if let Some(found) = self.estate.devices.get_mut(device) {
                    found.posture += 1;
                }
            }
            12..15 => {
                let to = self.estate.draw_managed(rng);
                if to != self.site_of(device) {
                    self.move_device(device, to);
                }
            }
            15..17 => {
                let site = self.estate.draw_managed(rng);
                self.estate.add_device(site, None);
            }
            17 => {
                if let Some(found) = self.estate.devices.get_mut(device) {
                    found.removed = true;
                }
            }
            18 => {
                if let Some(found) = self.estate.devices.get_mut(device) {
                    found.hostname = format!("{}-NEW", found.hostname.trim_end_matches("-NEW"));
                }
            }
            _ => {
                let name = format!("New Customer {} Ltd", self.estate.sites.len());
                self.estate.add_site(&name, SiteKind::Managed);
            }
        }
    }

    fn draw_open(&self, rng: &mut Rng) -> Option<u32> {
        let open = self.alerts.open_list();
        if open.len() == 0 { None } else { open.any(rng.usize(0..open.len())) }
    }

    fn draw_subject(&self, rng: &mut Rng) -> Subject {
        let device = self.estate.draw_device(rng);
        let site = device.map_or(0, |device| self.site_of(device));
        Subject::Drawn { device, site }
    }

    fn schedule_next(&mut self, process: Process, n: u64, after: Millis) {
        // Its own draw, apart from the one of the event itself.
        let mut rng = self.dice.roll(process.topic(), n | (1 << 63));
        if let Some(gap) = gap(&mut rng, process.rate(&self.options)) {
            self.schedule(after.plus(gap), Due::Next(process, n));
        }
    }

    fn schedule(&mut self, at: Millis, due: Due) {
        self.scheduled += 1;
        self.due.push(Reverse((at, self.scheduled, due)));
    }
}

impl Process {
    const ALL: [Self; 5] = [Self::Arrival, Self::Update, Self::Resolution, Self::Row, Self::Inventory];

    fn topic(self) -> Topic {
        match self {
            Self::Arrival => Topic::Arrival,
            Self::Update => Topic::Update,
            Self::Resolution => Topic::Resolution,
            Self::Row => Topic::Row,
            Self::Inventory => Topic::Inventory,
        }
    }

    fn rate(self, options: &Options) -> f64 {
        match self {
            Self::Arrival => options.alert_rate_per_hour,
            Self::Update => options.update_rate_per_hour,
            Self::Resolution => options.resolve_rate_per_hour,
            Self::Row => options.activity_rate_per_hour,
            Self::Inventory => options.inventory_rate_per_hour,
        }
    }
}

fn draw_change(rng: &mut Rng) -> Change {
    match rng.u8(0..10) {
        0..3 => Change::Ticket,
        3..5 => Change::Priority,
        5..8 => Change::Response,
        _ => Change::Diagnostics,
    }
}
