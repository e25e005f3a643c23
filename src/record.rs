//! A source record and its envelope: what the journal keeps, and from which normalization makes exactly one event.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::clock::Millis;
use crate::record::part::Part;
use crate::record::place::{DeviceRef, SiteRef};

pub mod part;
pub mod place;

/// Namespace of event ids (event-schema.md section 4).
const EVENT_NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_3f4e_5a7b_5c0e_9b1a_0c5f_2a7d_9e10);

/// A Datto RMM account's own uid, short text such as `ab1c0002`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountUid(pub Arc<str>);

/// The kind of a record; its text is `metadata.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "Cow<'_, str>")]
pub enum RecordKind {
    /// An alert opened, updated or closed.
    Alert,
    /// An activity-log row with entity DEVICE.
    ActivityDevice,
    /// An activity-log row with entity USER, or any other entity.
    ActivityUser,
    /// A device of the inventory.
    Device,
    /// A change of a device's antivirus, patch or reboot state between two polls.
    DevicePosture,
    /// A site of the inventory.
    Site,
    /// A portal user.
    User,
    /// A device's software audit.
    Software,
    /// What vintner tells of itself.
    Own(OwnKind),
}

/// What vintner tells of itself: who sees what from now on (contract.md section 3, "vintner's own events").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnKind {
    /// The site list has a site that it did not have.
    SiteCreated,
    /// A site has another name.
    SiteRenamed,
    /// A site belongs to another organization, or to one or none at all.
    SiteMoved,
    /// A site is gone.
    SiteRemoved,
    /// A device went to a site of another organization.
    DeviceMoved,
    /// The mapping or a filter was changed.
    MappingChanged,
}

/// What a route calls a group of record kinds (contract.md section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Alerts, open and resolved.
    Alerts,
    /// The activity log.
    Activity,
    /// Sites, devices, users, software and posture.
    Inventory,
    /// What vintner tells of itself: only for sinks whose route names it.
    Vintner,
}

/// What distinguishes the records of one native id (event-schema.md section 4, "Markers"). Computed from source fields by
/// the collector, so that it does not depend on the mapping.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Marker {
    /// Alert opened.
    Open,
    /// The n-th update of an alert, from 1; 12 hex digits of SHA-256 over the canonical JSON of the changed fields.
    Update(u32, String),
    /// Alert resolved, with `resolvedOn` where it is known.
    Resolved(Option<Millis>),
    /// Alert gone without being resolved, for the n-th time, from 1.
    Vanished(u32),
    /// An activity record: the row itself.
    Once,
    /// A record derived from an activity row that concerns several things.
    Derived(Part),
    /// The n-th change of an inventory item, from 1; 8 hex digits; the day (`yyyymmdd`) of a snapshot.
    Item(u32, String, Option<u32>),
    /// A posture change: aspect, new state, time.
    Posture(String, String, Millis),
    /// The n-th record that vintner makes of itself in this journal, from 1, and when.
    Own(u64, Millis),
}

/// The id of an event, the same on every delivery (`metadata.uid`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

/// Everything about a record that is not in its source JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The account that showed the record.
    pub account: AccountUid,
    /// What it is.
    pub kind: RecordKind,
    /// Its identity at Datto: `alertUid`, activity `id`, device or site uid.
    pub native_id: String,
    /// Which of the records of this native id it is.
    pub marker: Marker,
    /// The site that decides its organization. An alert keeps the site of its Create.
    #[serde(default)]
    pub site: SiteRef,
    /// The device it speaks of, for enrichment.
    #[serde(default)]
    pub device: DeviceRef,
    /// API path without host and query, e.g. `/v2/account/alerts/open`.
    pub path: String,
    /// When the API's answer was received (`metadata.logged_time`; also the time of the poll).
    pub received_at: Millis,
    /// Alert update: names of the source fields that changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// A Create made up for an alert first seen resolved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synthesized: bool,
}

/// A source record as the journal keeps it: secrets stripped (event-schema.md section 10), every other byte as received.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// What it is, whose, when.
    #[serde(rename = "e")]
    pub envelope: Envelope,
    /// The source JSON, compact.
    #[serde(rename = "s")]
    pub source: Box<RawValue>,
}

impl Envelope {
    /// The id of the one event that this record becomes: UUIDv5 over the unique key.
    pub fn event_id(&self) -> EventId {
        let name = format!("{}|{}|{}|{}", self.account, self.kind, self.native_id, self.marker);
        EventId(Uuid::new_v5(&EVENT_NAMESPACE, name.as_bytes()))
    }
}

impl RecordKind {
    /// All kinds.
    pub const ALL: [Self; 14] = [
        Self::Alert,
        Self::ActivityDevice,
        Self::ActivityUser,
        Self::Device,
        Self::DevicePosture,
        Self::Site,
        Self::User,
        Self::Software,
        Self::Own(OwnKind::SiteCreated),
        Self::Own(OwnKind::SiteRenamed),
        Self::Own(OwnKind::SiteMoved),
        Self::Own(OwnKind::SiteRemoved),
        Self::Own(OwnKind::DeviceMoved),
        Self::Own(OwnKind::MappingChanged),
    ];

    /// The text of `metadata.type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::ActivityDevice => "activity.device",
            Self::ActivityUser => "activity.user",
            Self::Device => "device",
            Self::DevicePosture => "device.posture",
            Self::Site => "site",
            Self::User => "user",
            Self::Software => "software",
            Self::Own(OwnKind::SiteCreated) => "vintner.site_created",
            Self::Own(OwnKind::SiteRenamed) => "vintner.site_renamed",
            Self::Own(OwnKind::SiteMoved) => "vintner.site_moved",
            Self::Own(OwnKind::SiteRemoved) => "vintner.site_removed",
            Self::Own(OwnKind::DeviceMoved) => "vintner.device_moved",
            Self::Own(OwnKind::MappingChanged) => "vintner.mapping_changed",
        }
    }

    /// The stream that it belongs to.
    pub fn stream(self) -> Stream {
        match self {
            Self::Alert => Stream::Alerts,
            Self::ActivityDevice | Self::ActivityUser => Stream::Activity,
            Self::Device | Self::DevicePosture | Self::Site | Self::User | Self::Software => Stream::Inventory,
            Self::Own(_) => Stream::Vintner,
        }
    }
}

impl From<RecordKind> for &'static str {
    fn from(kind: RecordKind) -> Self {
        kind.as_str()
    }
}

impl TryFrom<Cow<'_, str>> for RecordKind {
    type Error = String;

    fn try_from(text: Cow<'_, str>) -> Result<Self, Self::Error> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("unknown kind of record {text:?}"))
    }
}

impl Stream {
    /// All streams, as routes name them.
    pub const ALL: [Self; 4] = [Self::Alerts, Self::Activity, Self::Inventory, Self::Vintner];
    /// The streams that are collected, in the order that `status` shows them.
    pub const COLLECTED: [Self; 3] = [Self::Alerts, Self::Activity, Self::Inventory];

    /// The name used in configuration, routes and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::Activity => "activity",
            Self::Inventory => "inventory",
            Self::Vintner => "vintner",
        }
    }
}

impl AccountUid {
    /// Wraps the uid that `/v2/account` gave.
    pub fn new(uid: &str) -> Self {
        Self(Arc::from(uid))
    }

    /// The uid as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::Update(n, hex) => write!(f, "update:{n}:{hex}"),
            Self::Resolved(Some(on)) => write!(f, "resolved:{}", on.0),
            Self::Resolved(None) => f.write_str("resolved"),
            Self::Vanished(0 | 1) => f.write_str("vanished"),
            Self::Vanished(n) => write!(f, "vanished:{n}"),
            Self::Once => f.write_str("1"),
            Self::Derived(part) => part.fmt(f),
            Self::Item(n, hex, None) => write!(f, "{n}:{hex}"),
            Self::Item(n, hex, Some(day)) => write!(f, "{n}:{hex}:{day}"),
            Self::Posture(aspect, state, at) => write!(f, "{aspect}:{state}:{}", at.0),
            Self::Own(n, at) => write!(f, "{n}:{}", at.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(kind: RecordKind, native_id: &str, marker: Marker) -> String {
        let envelope = Envelope {
            account: AccountUid::new("ab1c0002"),
            kind,
            native_id: native_id.into(),
            marker,
            site: SiteRef::None,
            device: DeviceRef::None,
            path: String::new(),
            received_at: Millis(0),
            changed: Vec::new(),
            synthesized: false,
        };
        envelope.event_id().to_string()
    }

    #[test]
    fn kinds_are_stored_as_their_text() {
        for kind in RecordKind::ALL {
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("{:?}", kind.as_str()));
            assert_eq!(serde_json::from_str::<RecordKind>(&json).unwrap(), kind);
        }
        assert!(serde_json::from_str::<RecordKind>("\"vintner.unheard\"").is_err());
    }

    /// The examples of event-schema.md section 16.
    #[test]
    fn event_ids_follow_the_published_recipe() {
        let alert = "0f6c1d1e-7a43-4a2e-9c55-3d2f0f6b8a10";
        assert_eq!(id(RecordKind::Alert, alert, Marker::Open), "6f0dff4b-c119-5411-8e41-e08aedb429fb");
        assert_eq!(
            id(RecordKind::Alert, alert, Marker::Resolved(Some(Millis(1_795_219_545_000)))),
            "2242d2fc-3854-53e9-a39a-99f83caf0238"
        );
        assert_eq!(
            id(RecordKind::ActivityUser, "1f0a6b8c-6c0e-3d5b-9d43-51b0a8f6d101", Marker::Once),
            "b2ee9e66-56a3-598f-adcc-55817611c516"
        );
    }
}
