//! Posture change → Device Config State Change 5019 (event-schema.md section 8).
//!
//! The source is made by the collector from two states of a device: `uid`, `hostname`, of the new state what the aspect is
//! about (`antivirus` and `patchManagement` as in the device, `rebootRequired`), and `previous` with the old word
//! (`antivirusStatus`, `patchStatus` or `rebootRequired`). Aspect, new word and time are in the record's marker.

use super::captions;
use super::choice::{Choice, Text};
use super::class::{Body, ConfigState};
use super::event::Draft;
use super::object::asset::SecurityState;
use super::scope::{DeviceNames, Scope, text};
use super::severity;
use crate::normalize::json::fields::Fields;
use crate::normalize::notes::Notes;
use crate::record::Marker;

/// `security_level_id`s.
const UNKNOWN: u32 = 0;
const SECURE: u32 = 1;
const AT_RISK: u32 = 2;

/// The event of a change.
pub(crate) fn draft<'a>(scope: &mut Scope<'a>, mut fields: Fields<'a>, notes: &mut Notes) -> Draft<'a> {
    let (aspect, new, time) = match &scope.envelope.marker {
        Marker::Posture(aspect, new, at) => (aspect.as_str(), new.as_str(), at.as_i64()),
        Marker::Open
        | Marker::Update(..)
        | Marker::Resolved(_)
        | Marker::Vanished(_)
        | Marker::Once
        | Marker::Derived(_)
        | Marker::Item(..)
        | Marker::Own(..) => ("posture", "", scope.polled_at()),
    };
    let uid = fields.take_text("uid", notes).or_else(|| text(&scope.envelope.native_id));
    let device = scope.device(DeviceNames { uid, hostname: fields.take_text("hostname", notes), id: None });
    super::device::name_site(scope, &mut fields, notes);
    let old = fields.get("previous").and_then(|previous| Fields::open(previous, "previous.")?.peek(word_key(aspect)));
    let product =
        fields.get("antivirus").and_then(|antivirus| Fields::open(antivirus, "antivirus.")?.peek("antivirusProduct"));
    let host = device.hostname.as_deref().or(device.uid.as_deref()).unwrap_or_default();
    let about = product.filter(|_| aspect == "antivirus").map(|product| format!(" ({product})")).unwrap_or_default();
    let message = match &old {
        Some(old) => format!("{host}: {aspect}{about} went from {old} to {new}"),
        None => format!("{host}: {aspect}{about} is {new}"),
    };

    let now = Posture::of(aspect, new);
    let before = old.map(|old| Posture::of(aspect, &old));
    let level = Choice::of(captions::SECURITY_LEVEL, now.level());
    let level_before = before.as_ref().map(|before| Choice::of(captions::SECURITY_LEVEL, before.level()));
    let state = protection(aspect, new).map(|id| Choice::of(captions::DEVICE_STATE, id));
    let (key, default) = if level.id == AT_RISK { ("posture.at_risk", 3) } else { ("posture.secure", 1) };
    let severity = severity::of_event(key, default, &scope.options().severities);
    let body = ConfigState {
        device: device.clone(),
        state_id: state.as_ref().map(|state| state.id),
        state: state.map(|state| state.caption),
        security_level_id: level.id,
        security_level: level.caption,
        security_states: now.states(),
        prev_security_level_id: level_before.as_ref().map(|level| level.id),
        prev_security_level: level_before.map(|level| level.caption),
        prev_security_states: before.map(Posture::states).unwrap_or_default(),
    };
    let class = &captions::DEVICE_CONFIG_STATE_CHANGE;
    let activity = Choice::of(class.activities, 2);
    let mut draft = Draft::new(class, activity, time, severity, Body::ConfigState(Box::new(body)));
    draft.status = Some(Choice::of(class.statuses, 1));
    draft.message = message;
    draft.event_code = Text::Borrowed(aspect);
    draft.original_time = Some(Text::Owned(time.to_string()));
    draft.labels = vec!["posture", "derived"];
    draft.observables.add_device(&device);
    draft.residue.fields(&fields, notes);
    draft
}

/// What one word says of a device's security.
enum Posture {
    Unknown,
    Secure,
    /// `security_states[].state_id`.
    AtRisk(u32),
}

impl Posture {
    fn of(aspect: &str, word: &str) -> Self {
        match (aspect, word) {
            ("antivirus", "NotRunning") => Self::AtRisk(4),
            ("antivirus", "RunningAndNotUpToDate") => Self::AtRisk(1),
            ("antivirus", "NotDetected") => Self::AtRisk(11),
            ("patch", "InstallError") => Self::AtRisk(23),
            ("patch", "NoPolicy" | "ApprovedPending") => Self::AtRisk(2),
            ("patch", "RebootRequired") | ("reboot", "true") => Self::AtRisk(9),
            ("antivirus", "RunningAndUpToDate") | ("patch", "FullyPatched") | ("reboot", "false") => Self::Secure,
            _ => Self::Unknown,
        }
    }

    fn level(&self) -> u32 {
        match self {
            Self::Unknown => UNKNOWN,
            Self::Secure => SECURE,
            Self::AtRisk(_) => AT_RISK,
        }
    }

    fn states(self) -> Vec<SecurityState<'static>> {
        let Self::AtRisk(id) = self else { return Vec::new() };
        let Choice { id: state_id, caption: state } = Choice::of(captions::SECURITY_STATE, id);
        vec![SecurityState { state_id, state }]
    }
}

/// Where the source's `previous` holds the old word.
fn word_key(aspect: &str) -> &'static str {
    match aspect {
        "antivirus" => "antivirusStatus",
        "patch" => "patchStatus",
        _ => "rebootRequired",
    }
}

/// Whether the antivirus runs: `state_id` 2 Enabled or 1 Disabled.
fn protection(aspect: &str, word: &str) -> Option<u32> {
    match (aspect, word) {
        ("antivirus", "RunningAndUpToDate" | "RunningAndNotUpToDate") => Some(2),
        ("antivirus", "NotRunning" | "NotDetected") => Some(1),
        _ => None,
    }
}
