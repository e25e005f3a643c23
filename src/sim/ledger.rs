//! What answers have shown of the inventory: how many states of each device and site, and how many posture changes.
//!
//! The simulation's own word for "the same state": everything but what changes all the time (event-schema.md section 8).

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use serde_json::Value;

use crate::sim::life::World;
use crate::sim::shape;

/// What of a device does not make another state of it, the fields that nobody may tell included.
const UNWATCHED: [&str; 5] = ["lastSeen", "online", "lastReboot", "udf", "webRemoteUrl"];

/// What was shown of one item.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// States shown, each counted when it differs from the one shown before.
    pub(crate) states: usize,
    /// Posture changes between states shown.
    pub(crate) postures: usize,
    /// Name and site's uid, as last shown.
    pub(crate) place: Option<(String, String)>,
    last: Option<u64>,
    /// The last word of each aspect that said anything.
    words: [Option<String>; 3],
}

impl Ledger {
    fn show(&mut self, state: u64) {
        if self.last.replace(state) != Some(state) {
            self.states += 1;
        }
    }

    fn show_words(&mut self, words: [Option<String>; 3]) {
        for (known, word) in self.words.iter_mut().zip(words) {
            let Some(word) = word else { continue };
            if known.replace(word.clone()).is_some_and(|before| before != word) {
                self.postures += 1;
            }
        }
    }
}

/// Notes that an answer has shown the device at `place` as it is now.
pub(crate) fn mark_device(world: &mut World, place: usize) {
    let Some(device) = world.estate.device(place) else { return };
    let mut value = shape::device::device(world, device);
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let word = |of: &str, name: &str| text(value.get(of)?.get(name)).filter(|word| word != "NoData");
    let reboot = value.get("rebootRequired").and_then(Value::as_bool).map(|due| due.to_string());
    let place_shown = text(value.get("hostname")).zip(text(value.get("siteUid")));
    let words = [word("antivirus", "antivirusStatus"), word("patchManagement", "patchStatus"), reboot];
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, _| !UNWATCHED.contains(&name.as_str()));
    }
    if let Some(patches) = value.get_mut("patchManagement").and_then(Value::as_object_mut) {
        patches.retain(|name, _| name == "patchStatus");
    }
    if let Some(device) = world.estate.devices.get_mut(place) {
        device.ledger.show(hash(&value));
        device.ledger.show_words(words);
        device.ledger.place = place_shown;
    }
}

/// Notes that an answer has shown the site at `place` as it is now.
pub(crate) fn mark_site(world: &mut World, place: usize) {
    let Some(site) = world.estate.site(place) else { return };
    // Numbers of devices are no part of a site's state.
    let state = hash(&shape::account::site(world, site, (0, 0)));
    if let Some(site) = world.estate.sites.get_mut(place) {
        site.ledger.show(state);
    }
}

fn hash(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    hasher.finish()
}
