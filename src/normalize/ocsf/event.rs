//! From a mapping's draft to the finished event: the envelope that all classes share (event-schema.md sections 4 and 10).

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::captions::{self, Class};
use super::choice::{Choice, OTHER, Text};
use super::class::Body;
use super::envelope;
use super::lens::Control;
use super::object::attack::Attack;
use super::object::metadata::{Metadata, Tag, Transformation};
use super::object::observable::{Observable, Observables};
use super::residue::Residue;
use super::scope::Scope;
use crate::clock::Millis;
use crate::event::Pivots;
use crate::normalize::RawData;
use crate::normalize::notes::Notes;
use crate::record::{EventId, RecordKind};

/// `message` takes no more characters.
const MAX_MESSAGE: usize = 512;
/// `raw_data` takes no more bytes.
const MAX_RAW_DATA: usize = 256 * 1024;

/// What a mapping says about one record.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) class: &'static Class,
    /// The rule of the mapping that made it, for explanations.
    pub(crate) rule: &'static str,
    pub(crate) activity: Choice<'a>,
    /// Epoch milliseconds.
    pub(crate) time: i64,
    pub(crate) severity: Choice<'a>,
    pub(crate) status: Option<Choice<'a>>,
    pub(crate) status_detail: Option<String>,
    pub(crate) status_code: Option<String>,
    pub(crate) message: String,
    pub(crate) start_time: Option<i64>,
    pub(crate) end_time: Option<i64>,
    pub(crate) count: Option<i32>,
    pub(crate) body: Body<'a>,
    pub(crate) observables: Observables<'a>,
    pub(crate) residue: Residue,
    pub(crate) event_code: Text<'a>,
    pub(crate) original_time: Option<Text<'a>>,
    pub(crate) correlation_uid: Option<Text<'a>>,
    pub(crate) labels: Vec<&'static str>,
    /// Besides those that every event has.
    pub(crate) tags: Vec<Tag<'a>>,
    pub(crate) profiles: Vec<&'static str>,
    /// What the lens found, on every class but the finding.
    pub(crate) control: Option<Control<'a>>,
    /// The rules of the lens, if one of them fits.
    pub(crate) lens: Option<Transformation<'a>>,
    /// `finding_info.uid`, for the pivots.
    pub(crate) finding_uid: Option<String>,
    /// Of a posture change, for forms that have a place for it.
    pub(crate) posture: Option<Change<'a>>,
}

/// How one aspect of a device's posture changed, in Datto's words.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Change<'a> {
    pub(crate) aspect: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Text<'a>>,
    pub(crate) to: Text<'a>,
}

/// A whole event, as it is written.
#[derive(Debug, Serialize)]
pub(crate) struct OcsfEvent<'a> {
    pub(crate) activity_id: u32,
    pub(crate) activity_name: Text<'a>,
    pub(crate) category_uid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) category_name: Option<&'static str>,
    pub(crate) class_uid: u32,
    pub(crate) class_name: &'static str,
    pub(crate) type_uid: u32,
    pub(crate) type_name: String,
    pub(crate) time: i64,
    pub(crate) timezone_offset: i32,
    pub(crate) severity_id: u32,
    pub(crate) severity: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status_detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status_code: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<i32>,
    #[serde(flatten)]
    pub(crate) body: Body<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) action_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) action: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) disposition_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) disposition: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) attacks: Vec<Attack<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) observables: Vec<Observable<'a>>,
    pub(crate) metadata: Metadata<'a>,
    /// The object `unmapped.datto_rmm` as JSON text. Copied as it is by whoever writes the event, as is `raw_data`: a serializer
    /// would read all of it again.
    #[serde(skip)]
    pub(crate) unmapped: Option<String>,
    #[serde(skip)]
    pub(crate) raw_data: Option<&'a str>,
    #[serde(skip)]
    pub(crate) posture: Option<Change<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) raw_data_size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) raw_data_hash: Option<Fingerprint>,
}

/// A hash (`fingerprint`).
#[derive(Debug, Serialize)]
pub(crate) struct Fingerprint {
    algorithm_id: u32,
    algorithm: Text<'static>,
    pub(crate) value: String,
}

impl<'a> Draft<'a> {
    /// A draft of a class with what every event has; the mapping adds the rest.
    pub(crate) fn new(
        class: &'static Class,
        activity: Choice<'a>,
        time: i64,
        severity: Choice<'a>,
        body: Body<'a>,
    ) -> Self {
        Self {
            class,
            rule: "",
            activity,
            time,
            severity,
            status: None,
            status_detail: None,
            status_code: None,
            message: String::new(),
            start_time: None,
            end_time: None,
            count: None,
            body,
            observables: Observables::default(),
            residue: Residue::default(),
            event_code: Text::Borrowed(""),
            original_time: None,
            correlation_uid: None,
            labels: Vec::new(),
            tags: Vec::new(),
            profiles: Vec::new(),
            control: None,
            lens: None,
            finding_uid: None,
            posture: None,
        }
    }

    /// What sinks use beside the body.
    pub(crate) fn pivots(&self, scope: &Scope<'_>) -> Pivots {
        let envelope = scope.envelope;
        let device_uid = self.body.device_uid().map(|uid| uid.clone().into_owned());
        // An entity that is managed is what the event is about, not who it happened to: such an event is its own subject.
        let is_of_device = !matches!(self.body, Body::EntityManagement(_));
        let subject = self.finding_uid.clone().or_else(|| device_uid.clone().filter(|_| is_of_device));
        Pivots {
            stream: envelope.kind.stream(),
            tenant_uid: scope.context.tenant.id.clone(),
            tenant_name: scope.context.tenant.name.clone().filter(|name| !name.trim().is_empty()),
            account_uid: envelope.account.to_string(),
            site_uid: scope.site.uid.as_deref().map(str::to_owned),
            device_uid,
            class_uid: self.class.uid,
            class_name: self.class.name,
            activity_name: self.activity.caption.clone().into_owned(),
            activity_id: self.activity.id,
            severity_id: u8::try_from(self.severity.id).unwrap_or(u8::MAX),
            labels: self.labels.clone(),
            time: Millis(self.time),
            logged_time: envelope.received_at,
            subject: subject.unwrap_or_else(|| envelope.native_id.clone()),
        }
    }

    /// The whole event; `source` is the record's text without secrets.
    pub(crate) fn finish(self, id: EventId, scope: &Scope<'a>, source: &'a str, mut notes: Notes) -> Finished<'a> {
        let message = message(&self.message, &mut notes);
        let duration = self.start_time.zip(self.end_time).and_then(|(start, end)| end.checked_sub(start));
        let type_name = type_name(self.class, &self.activity);
        let wants_raw = wants_raw(scope.options().raw_data, scope.envelope.kind);
        let raw_data = (wants_raw && source.len() <= MAX_RAW_DATA).then_some(source);
        if wants_raw && raw_data.is_none() {
            notes.add_cut(source.len());
        }
        let unmapped = self.residue.into_object();
        let entra_id = self.body.device().and_then(|device| device.entra_id.clone());
        let cut = notes.cut();
        let mut metadata = Metadata {
            original_time: self.original_time,
            correlation_uid: self.correlation_uid,
            event_code: self.event_code,
            profiles: self.profiles,
            labels: self.labels,
            tags: all_tags(scope, entra_id, self.tags),
            debug: notes.into_debug(),
            ..envelope::metadata(id, scope)
        };
        metadata.transformation_info_list.extend(self.lens);
        let (action, disposition, attacks) = self.control.map(Control::into_parts).unwrap_or_default();
        let event = OcsfEvent {
            activity_id: self.activity.id,
            activity_name: self.activity.caption,
            category_uid: self.class.category_uid,
            category_name: self.class.category,
            class_uid: self.class.uid,
            class_name: self.class.caption,
            type_uid: self.class.uid.saturating_mul(100).saturating_add(self.activity.id),
            type_name,
            time: self.time,
            timezone_offset: 0,
            severity_id: self.severity.id,
            severity: self.severity.caption,
            status_id: self.status.as_ref().map(|status| status.id),
            status: self.status.map(|status| status.caption),
            status_detail: self.status_detail,
            status_code: self.status_code,
            message,
            start_time: self.start_time,
            end_time: self.end_time,
            duration: duration.filter(|duration| *duration >= 0),
            count: self.count,
            body: self.body,
            action_id: action.as_ref().map(|action| action.id),
            action: action.map(|action| action.caption),
            disposition_id: disposition.as_ref().map(|disposition| disposition.id),
            disposition: disposition.map(|disposition| disposition.caption),
            attacks,
            observables: self.observables.into_list(),
            metadata,
            unmapped,
            raw_data,
            posture: self.posture,
            raw_data_size: wants_raw.then_some(source.len()),
            raw_data_hash: wants_raw.then(|| fingerprint(source)),
        };
        Finished { event, cut }
    }
}

/// An event and how many bytes limits kept out of it.
#[derive(Debug)]
pub(crate) struct Finished<'a> {
    pub(crate) event: OcsfEvent<'a>,
    pub(crate) cut: usize,
}

/// The caption of `type_uid`.
fn type_name(class: &Class, activity: &Choice<'_>) -> String {
    let activity = if activity.id == OTHER { "Other" } else { activity.caption.as_ref() };
    format!("{}: {activity}", class.caption)
}

/// Text for people: one line, within the limit of a message.
fn message(text: &str, notes: &mut Notes) -> String {
    let line = one_line(text);
    match line.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => notes.limit_to(line, end).into_owned(),
        None => line.into_owned(),
    }
}

/// `text` on one line, without white space around it.
pub(crate) fn one_line(text: &str) -> Text<'_> {
    let text = text.trim();
    if !text.contains(char::is_control) {
        return Text::Borrowed(text);
    }
    let line = text.replace(char::is_control, " ");
    Text::Owned(line.trim().to_owned())
}

/// The record's own tags, the device's id in Entra, and what the mapping and the lens add.
fn all_tags<'a>(scope: &Scope<'a>, entra_id: Option<Text<'a>>, more: Vec<Tag<'a>>) -> Vec<Tag<'a>> {
    let entra_id = entra_id.map(|value| Tag { name: "datto.entra_device_id".into(), value });
    scope.tags().into_iter().chain(entra_id).chain(more).collect()
}

fn wants_raw(mode: RawData, kind: RecordKind) -> bool {
    let is_finding = matches!(kind, RecordKind::Alert | RecordKind::ActivityDevice | RecordKind::ActivityUser);
    match mode {
        RawData::Off => false,
        RawData::Findings => is_finding,
        RawData::All => true,
    }
}

fn fingerprint(source: &str) -> Fingerprint {
    let mut value = String::with_capacity(64);
    for byte in Sha256::digest(source.as_bytes()) {
        for digit in [byte >> 4, byte & 0x0f] {
            value.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    let Choice { id: algorithm_id, caption: algorithm } = Choice::of(captions::FINGERPRINT, 3);
    Fingerprint { algorithm_id, algorithm, value }
}
