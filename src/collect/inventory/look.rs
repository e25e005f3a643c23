//! What one look at an inventory item tells, given what is known of it. Pure; the journal decides whether it may be told at all.

use crate::clock::Millis;
use crate::collect::inventory::posture;
use crate::collect::inventory::sight::Sight;
use crate::journal::items::{ItemLook, ItemState, Words};
use crate::normalize::udf::Udfs;
use crate::record::{AccountUid, Marker};

/// What the configuration says about telling the inventory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Whether it is told at all.
    pub telling: Telling,
    /// Whether it is told anew each day.
    pub snapshot: Snapshot,
    /// Whether posture changes are told.
    pub posture: PostureChanges,
    /// The user-defined fields that are told.
    pub udfs: Udfs,
}

/// Whether the inventory becomes records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Telling {
    /// It does.
    #[default]
    Records,
    /// It only gives names, organizations and details to other records (`poll.inventory = "off"`).
    Nothing,
}

/// Whether unchanged items are told anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Snapshot {
    /// Never.
    #[default]
    Off,
    /// In the first pass of each day, in UTC.
    Daily,
}

/// Whether a change of antivirus, patch or reboot state is a record of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PostureChanges {
    /// It is.
    #[default]
    Told,
    /// It is not; the device's own record tells its new state.
    Untold,
}

/// What the look tells; `None` when it tells nothing new.
pub fn look(account: &AccountUid, known: Option<&ItemState>, sight: &Sight, rules: &Rules) -> Option<ItemLook> {
    let before = known.cloned().unwrap_or_default();
    let today = day(sight.received_at);
    let is_changed = before.told != Some(sight.digest);
    let is_due = rules.snapshot == Snapshot::Daily && before.day < Some(today);
    if known.is_some() && !is_changed && !is_due && before.seen == sight.digest {
        return None;
    }
    // What comes back is as new: nobody knows what it went through meanwhile.
    let words = if before.is_gone { Words::default() } else { before.words.clone() };
    let changes = if is_changed { before.changes.saturating_add(1) } else { before.changes };
    let mut records = Vec::new();
    if is_changed || is_due {
        let snapshot_of = (!is_changed).then_some(today);
        records.push(sight.record(account, Marker::Item(changes, sight.hex.clone(), snapshot_of)));
    }
    if rules.posture == PostureChanges::Told {
        records.extend(sight.postures(account, posture::changes(&words, &sight.words)));
    }
    let told = ItemState {
        changes,
        seen: sight.digest,
        told: Some(sight.digest),
        day: if records.is_empty() { before.day } else { Some(today) },
        words: posture::known_after(&words, &sight.words),
        is_gone: false,
        vanishings: before.vanishings,
    };
    let untold = ItemState { seen: sight.digest, is_gone: false, ..before };
    let (kind, uid, row) = (sight.kind, sight.uid.clone(), Some(sight.row.clone()));
    Some(ItemLook { kind, uid, row, expected: known.cloned(), records, told, untold })
}

/// What a look-up tells that did not find the item; `last` is how it was last seen. An item that was never told goes silently.
pub fn gone(account: &AccountUid, known: &ItemState, last: &Sight) -> Option<ItemLook> {
    if known.is_gone {
        return None;
    }
    let untold = ItemState { told: None, is_gone: true, ..known.clone() };
    let (mut records, mut told) = (Vec::new(), untold.clone());
    if known.told.is_some() {
        told.vanishings = known.vanishings.saturating_add(1);
        records.push(last.record(account, Marker::Vanished(told.vanishings)));
    }
    let (kind, uid) = (last.kind, last.uid.clone());
    Some(ItemLook { kind, uid, row: None, expected: Some(known.clone()), records, told, untold })
}

/// The day of a time as `yyyymmdd`, in UTC.
fn day(at: Millis) -> u32 {
    let date: String = at.to_rfc3339_seconds().chars().take(10).filter(char::is_ascii_digit).collect();
    date.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests;
