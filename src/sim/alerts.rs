//! Alerts and the two moving lists that show them. Compact state: one alert is about a hundred bytes.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::clock::Millis;
use crate::sim::dice::Dice;
use crate::sim::ordered::Ordered;
use crate::sim::world::Options;

/// One alert and everything that ever happened to it.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    /// Decides what it is about.
    pub(crate) number: u64,
    pub(crate) uid: Uuid,
    /// Place of its device.
    pub(crate) device: usize,
    /// Place of the site where its device was when it opened.
    pub(crate) site: usize,
    pub(crate) opened: Millis,
    pub(crate) state: State,
    /// What happened since it opened, in order.
    pub(crate) steps: Vec<Step>,
    /// What a test asked for instead of the drawn content.
    pub(crate) custom: Option<Box<Custom>>,
    /// Whether an answer has shown it as open, and as resolved.
    pub(crate) shown_open: bool,
    pub(crate) shown_resolved: bool,
    /// How many of its steps the last answer that showed it had in it.
    pub(crate) shown_steps: usize,
}

/// Where an alert is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    /// In the resolved list.
    Resolved(Millis),
    /// In no list, unknown to `/alert/{uid}`.
    Vanished,
}

/// One thing that happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) at: Millis,
    pub(crate) what: Change,
}

/// The kinds of things that happen to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A ticket was made: `ticketNumber` and a response action.
    Ticket,
    /// `priority` changed.
    Priority,
    /// Another response action.
    Response,
    /// `diagnostics` arrived or changed.
    Diagnostics,
    /// It left the open list for the resolved one.
    Resolved,
    /// It left the open list for nowhere.
    Vanished,
    /// It left the resolved list for the open one.
    Reopened,
}

/// Content that a test asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Custom {
    pub(crate) priority: Option<String>,
    pub(crate) diagnostics: Option<String>,
    pub(crate) context: Option<Value>,
    pub(crate) muted: Option<bool>,
    pub(crate) resolved_by: Option<String>,
}

/// All alerts, and the lists.
#[derive(Debug)]
pub(crate) struct Alerts {
    all: Vec<Alert>,
    by_uid: HashMap<Uuid, u32>,
    open: Ordered,
    resolved: Ordered,
}

impl Alerts {
    /// No alerts yet, lists in the orders that `options` ask for.
    pub(crate) fn new(dice: Dice, options: &Options) -> Self {
        Self {
            all: Vec::new(),
            by_uid: HashMap::new(),
            open: Ordered::new(options.open_order, dice),
            resolved: Ordered::new(options.resolved_order, dice),
        }
    }

    /// Adds an open alert; `None` if its uid is taken.
    pub(crate) fn open(&mut self, alert: Alert) -> Option<u32> {
        let place = u32::try_from(self.all.len()).ok()?;
        if self.by_uid.contains_key(&alert.uid) {
            return None;
        }
        self.by_uid.insert(alert.uid, place);
        self.open.insert(alert.opened, place);
        self.all.push(alert);
        Some(place)
    }

    /// Makes `what` happen to the alert at `place`; `false` if it cannot happen to an alert in that state.
    pub(crate) fn change(&mut self, place: u32, at: Millis, what: Change) -> bool {
        let Some(alert) = self.all.get_mut(place as usize) else { return false };
        match (alert.state, what) {
            (State::Open, Change::Resolved) => {
                alert.state = State::Resolved(at);
                self.open.remove(alert.opened, place);
                self.resolved.insert(at, place);
            }
            (State::Open, Change::Vanished) => {
                alert.state = State::Vanished;
                self.open.remove(alert.opened, place);
            }
            (State::Resolved(on), Change::Reopened) => {
                alert.state = State::Open;
                self.resolved.remove(on, place);
                self.open.insert(alert.opened, place);
            }
            (State::Open, Change::Ticket | Change::Priority | Change::Response | Change::Diagnostics) => {}
            (State::Open, Change::Reopened) | (State::Resolved(_) | State::Vanished, _) => return false,
        }
        alert.steps.push(Step { at, what });
        true
    }

    /// The alert at `place`.
    pub(crate) fn get(&self, place: u32) -> Option<&Alert> {
        self.all.get(place as usize)
    }

    /// The content that a test asks for of the alert at `place`, to be changed.
    pub(crate) fn custom_mut(&mut self, place: u32) -> Option<&mut Custom> {
        self.all.get_mut(place as usize).map(|alert| &mut **alert.custom.get_or_insert_default())
    }

    /// Notes that an answer has shown the alert at `place` as it is now.
    pub(crate) fn mark_shown(&mut self, place: u32) {
        if let Some(alert) = self.all.get_mut(place as usize) {
            match alert.state {
                State::Open => alert.shown_open = true,
                State::Resolved(_) => alert.shown_resolved = true,
                State::Vanished => return,
            }
            alert.shown_steps = alert.steps.len();
        }
    }

    /// The alert with this uid.
    pub(crate) fn of_uid(&self, uid: &str) -> Option<u32> {
        self.by_uid.get(&Uuid::parse_str(uid).ok()?).copied()
    }

    /// The open alerts.
    pub(crate) fn open_list(&self) -> &Ordered {
        &self.open
    }

    /// The resolved alerts.
    pub(crate) fn resolved_list(&self) -> &Ordered {
        &self.resolved
    }

    /// Every alert that ever was.
    pub(crate) fn all(&self) -> &[Alert] {
        &self.all
    }
}

impl Alert {
    /// A new open alert.
    pub(crate) fn new(number: u64, uid: Uuid, device: usize, site: usize, opened: Millis) -> Self {
        Self {
            number,
            uid,
            device,
            site,
            opened,
            state: State::Open,
            steps: Vec::new(),
            custom: None,
            shown_open: false,
            shown_resolved: false,
            shown_steps: 0,
        }
    }

    /// How often `what` has happened to it.
    pub(crate) fn count(&self, what: Change) -> usize {
        self.steps.iter().filter(|step| step.what == what).count()
    }
}
