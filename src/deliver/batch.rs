//! From an attempt to what a sink gets: organization, route and normalization of each record, decided anew each time.

use std::collections::HashMap;

use crate::clock::Millis;
use crate::deliver::route::Route;
use crate::diagnostic::panics::caught;
use crate::event::Event;
use crate::journal::{Attempt, Item, Refused, RefusedKind};
use crate::normalize::known::KnownDevice;
use crate::normalize::{Context, Options, normalize};
use crate::org::directory::Decision;
use crate::record::AccountUid;
use crate::record::place::DeviceRef;

/// An attempt, decided.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// What the sink gets, in order.
    pub events: Vec<Event>,
    /// For each event, the index of its item in the attempt.
    pub items: Vec<usize>,
    /// Records that the route does not name, or whose site is ignored by now: indexes of their items.
    pub skipped: Vec<usize>,
    /// Records that cannot be delivered at all: the index of the item and the dead letter.
    pub dead: Vec<(usize, Refused)>,
}

/// The devices that an attempt names, each decoded once.
type Devices<'a> = HashMap<&'a (AccountUid, DeviceRef), KnownDevice>;

/// What becomes of one record.
enum Fate {
    Send(Box<Event>),
    Skip,
    Dead(RefusedKind, String),
}

/// Decides what becomes of each record of `attempt` under the mapping that was read with it.
pub fn decide(attempt: &Attempt, route: &Route, options: &Options, now: Millis) -> Batch {
    let mut batch = Batch::default();
    // A device that makes this panic adds nothing to its events; the log has the panic.
    let known =
        attempt.devices.iter().filter_map(|(name, device)| Some((name, caught(|| KnownDevice::of(device)).ok()?)));
    let devices: Devices<'_> = known.collect();
    for (index, item) in attempt.items.iter().enumerate() {
        let fate = caught(|| fate(attempt, &devices, item, route, options, now));
        match fate.unwrap_or_else(|panicked| Fate::Dead(RefusedKind::Unmappable, panicked.to_string())) {
            Fate::Send(event) => {
                batch.events.push(*event);
                batch.items.push(index);
            }
            Fate::Skip => batch.skipped.push(index),
            Fate::Dead(kind, reason) => batch.dead.push((index, refused(item, kind, reason))),
        }
    }
    batch
}

/// The dead letter of an item.
pub fn refused(item: &Item, kind: RefusedKind, reason: String) -> Refused {
    Refused { place: item.place.clone(), replay: item.replay, kind, reason, among: Vec::new() }
}

fn fate(attempt: &Attempt, devices: &Devices<'_>, item: &Item, route: &Route, options: &Options, now: Millis) -> Fate {
    let envelope = &item.record.envelope;
    let tenant = match attempt.directory.decide(&envelope.account, &envelope.site) {
        Decision::Org(tenant) => tenant,
        Decision::Ignored => return Fate::Skip,
        Decision::Dropped => {
            return Fate::Dead(RefusedKind::Unmapped, format!("{} is no longer mapped", envelope.site));
        }
        Decision::Held(why) => return Fate::Dead(RefusedKind::Unmapped, why),
    };
    if !route.names(envelope.kind.stream(), &tenant.id) {
        return Fate::Skip;
    }
    let device = devices.get(&(envelope.account.clone(), envelope.device.clone()));
    let context = Context { directory: &attempt.directory, tenant: &tenant, device, processed_at: now, options };
    match normalize(&item.record, &context) {
        Ok(event) if route.takes(&event.pivots) => Fate::Send(Box::new(Event { replay: item.replay, ..event })),
        Ok(_) => Fate::Skip,
        Err(error) => Fate::Dead(RefusedKind::Unmappable, error.to_string()),
    }
}
