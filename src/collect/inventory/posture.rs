//! A device's posture: antivirus, patches and a due reboot, and the records of their changes (event-schema.md section 8).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::datto::model::device::Standing;
use crate::journal::items::Words;

/// Words that say how a device's antivirus stands.
const ANTIVIRUS: [&str; 4] = ["RunningAndUpToDate", "RunningAndNotUpToDate", "NotRunning", "NotDetected"];

/// Words that say how a device's patches stand. `NoData` says nothing, so it is none.
const PATCH: [&str; 5] = ["NoPolicy", "RebootRequired", "InstallError", "ApprovedPending", "FullyPatched"];

/// A state of a device that changed from one known word to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `antivirus`, `patch` or `reboot`.
    pub aspect: &'static str,
    /// The last known word before.
    pub old: String,
    /// The word now.
    pub new: String,
}

/// The words that a device shows now. One that says nothing (`NoData`, absent, unknown to the reference) is none.
pub fn words(standing: &Standing) -> Words {
    let known = |word: &Option<String>, known: &[&str]| word.clone().filter(|word| known.contains(&word.as_str()));
    Words {
        antivirus: known(&standing.antivirus, &ANTIVIRUS),
        patch: known(&standing.patch, &PATCH),
        reboot: standing.reboot.map(|due| due.to_string()),
    }
}

/// What is known after `now` was seen: a device that says nothing for a while keeps its last known words, so that a change over
/// such a gap is told as one from the last known word.
pub fn known_after(before: &Words, now: &Words) -> Words {
    let after = |before: &Option<String>, now: &Option<String>| now.clone().or_else(|| before.clone());
    Words {
        antivirus: after(&before.antivirus, &now.antivirus),
        patch: after(&before.patch, &now.patch),
        reboot: after(&before.reboot, &now.reboot),
    }
}

/// The changes between known words.
pub fn changes(before: &Words, now: &Words) -> Vec<Change> {
    let aspects = [
        ("antivirus", &before.antivirus, &now.antivirus),
        ("patch", &before.patch, &now.patch),
        ("reboot", &before.reboot, &now.reboot),
    ];
    let changed = aspects.into_iter().filter_map(|(aspect, old, new)| {
        let (old, new) = (old.as_ref()?, new.as_ref()?);
        (old != new).then(|| Change { aspect, old: old.clone(), new: new.clone() })
    });
    changed.collect()
}

/// The source of a change's record: of the device's source what the change is about, and the old word under `previous`.
pub fn source(device: &RawValue, change: &Change) -> Option<Box<RawValue>> {
    let device: BTreeMap<String, &RawValue> = serde_json::from_str(device.get()).ok()?;
    let field = |name: &str| device.get(name).copied();
    let about = |aspect: &str, name: &str| field(name).filter(|_| change.aspect == aspect);
    let old = |aspect: &str| (change.aspect == aspect).then_some(change.old.as_str());
    let source = Source {
        uid: field("uid"),
        hostname: field("hostname"),
        antivirus: about("antivirus", "antivirus"),
        patches: about("patch", "patchManagement"),
        reboot: about("reboot", "rebootRequired"),
        previous: Previous {
            antivirus: old("antivirus"),
            patch: old("patch"),
            reboot: old("reboot").map(|word| word == "true"),
        },
    };
    to_raw_value(&source).ok()
}

#[derive(Serialize)]
struct Source<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    antivirus: Option<&'a RawValue>,
    #[serde(rename = "patchManagement", skip_serializing_if = "Option::is_none")]
    patches: Option<&'a RawValue>,
    #[serde(rename = "rebootRequired", skip_serializing_if = "Option::is_none")]
    reboot: Option<&'a RawValue>,
    previous: Previous<'a>,
}

#[derive(Serialize)]
struct Previous<'a> {
    #[serde(rename = "antivirusStatus", skip_serializing_if = "Option::is_none")]
    antivirus: Option<&'a str>,
    #[serde(rename = "patchStatus", skip_serializing_if = "Option::is_none")]
    patch: Option<&'a str>,
    #[serde(rename = "rebootRequired", skip_serializing_if = "Option::is_none")]
    reboot: Option<bool>,
}
