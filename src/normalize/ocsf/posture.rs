//! Posture change → Device Config State Change 5019 (event-schema.md section 8).
//!
//! The source is made by the collector from two states of a device: `uid`, `hostname`, of the new state what the aspect is
//! about (`antivirus` and `patchManagement` as in the device, `rebootRequired`), and `previous` with the old word
//! (`antivirusStatus`, `patchStatus` or `rebootRequired`). Aspect, new word and time are in the record's marker.

use super::captions;
use super::choice::{Choice, Text};
use super::class::{Body, ConfigState};
use super::event::{Change, Draft};
use super::lens;
use super::object::asset::SecurityState;
use super::scope::{DeviceNames, Scope, text};
use super::severity;
use crate::normalize::json::fields::Fields;
use crate::normalize::lens::Facts;
use crate::normalize::lens::rule::Rule;
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
    let message = message(host, aspect, &about, old.as_deref(), new);
    let now = Posture::of(aspect, new);
    let before = old.as_deref().map(|old| Posture::of(aspect, old));
    let level = Choice::of(captions::SECURITY_LEVEL, now.level());
    let level_before = before.as_ref().map(|before| Choice::of(captions::SECURITY_LEVEL, before.level()));
    let state = protection(aspect, new).map(|id| Choice::of(captions::DEVICE_STATE, id));
    let severities = &scope.options().severities;
    let severity = if level.id == AT_RISK {
        severity::of_risk(aspect, severities)
    } else {
        severity::of_event("posture.secure", 1, severities)
    };
    let hits = hits(scope, aspect, old.as_deref(), new);
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
    draft.posture = Some(Change { aspect: aspect.into(), from: old, to: new.into() });
    lens::mark(&mut draft, &hits, scope);
    draft
}

/// What happened, as a sentence; `about` is the product in parentheses, if there is one.
fn message(host: &str, aspect: &str, about: &str, old: Option<&str>, new: &str) -> String {
    match (aspect, old) {
        ("reboot", old) => {
            let verb = match (new.eq_ignore_ascii_case("true"), old) {
                (true, _) => "needs a reboot",
                (false, Some(_)) => "no longer needs a reboot",
                (false, None) => "needs no reboot",
            };
            format!("{host} {verb}")
        }
        (_, Some(old)) => format!("{host}: {aspect}{about} went from {old} to {new}"),
        (_, None) => format!("{host}: {aspect}{about} is {new}"),
    }
}

/// The rules of the lens that fit.
fn hits<'a>(scope: &Scope<'a>, aspect: &str, old: Option<&str>, new: &str) -> Vec<&'a Rule> {
    let class = format!("posture.{}", aspect.to_lowercase());
    let details = |name: &str| match name {
        "from" => old.map(Text::from).into_iter().collect(),
        "to" => vec![Text::from(new)],
        _ => Vec::new(),
    };
    scope.options().lens.hits(&Facts::of_inventory(&class, &details))
}

/// What one word says of a device's security.
enum Posture {
    Unknown,
    Secure,
    /// `security_states[].state_id`.
    AtRisk(u32),
    /// In a way that the schema has no number for.
    AtRiskOtherwise(String),
}

impl Posture {
    fn of(aspect: &str, word: &str) -> Self {
        match (aspect, word) {
            ("antivirus", "NotRunning") => Self::AtRisk(4),
            ("antivirus", "RunningAndNotUpToDate") => Self::AtRisk(1),
            ("antivirus", "NotDetected") => Self::AtRisk(11),
            ("patch", "InstallError") => Self::AtRisk(23),
            ("patch", "NoPolicy") => Self::AtRisk(2),
            ("patch", "ApprovedPending") => Self::AtRiskOtherwise(word.to_owned()),
            ("patch", "RebootRequired") | ("reboot", "true") => Self::AtRisk(9),
            ("antivirus", "RunningAndUpToDate") | ("patch", "FullyPatched") | ("reboot", "false") => Self::Secure,
            _ => Self::Unknown,
        }
    }

    fn level(&self) -> u32 {
        match self {
            Self::Unknown => UNKNOWN,
            Self::Secure => SECURE,
            Self::AtRisk(_) | Self::AtRiskOtherwise(_) => AT_RISK,
        }
    }

    fn states(self) -> Vec<SecurityState<'static>> {
        let Choice { id: state_id, caption: state } = match self {
            Self::Unknown | Self::Secure => return Vec::new(),
            Self::AtRisk(id) => Choice::of(captions::SECURITY_STATE, id),
            Self::AtRiskOtherwise(word) => Choice::other(Text::Owned(word)),
        };
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
