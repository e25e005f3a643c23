//! `device` and what it consists of.

use serde::Serialize;

use super::identity::{Organization, User};
use crate::normalize::ocsf::captions;
use crate::normalize::ocsf::choice::{Choice, Text};

/// An endpoint; at least one of `uid`, `hostname` and `ip` is there.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Device<'a> {
    pub(crate) type_id: u32,
    #[serde(rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uid_alt: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hostname: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ip: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) domain: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) desc: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) is_managed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) os: Option<Os<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) org: Option<Organization<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) agent_list: Vec<Agent<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<User<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) modified_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_seen_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) boot_time: Option<i64>,
    /// Its id in Microsoft Entra, for the event's tags: no attribute of OCSF's device is made for it (`uid_alt` has Datto's number).
    #[serde(skip)]
    pub(crate) entra_id: Option<Text<'a>>,
}

/// An operating system.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Os<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) type_id: u32,
    #[serde(rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) edition: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_bits: Option<i32>,
}

/// The Datto RMM agent on a device.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Agent<'a> {
    pub(crate) name: &'static str,
    pub(crate) type_id: u32,
    #[serde(rename = "type")]
    pub(crate) kind: Text<'a>,
    pub(crate) vendor_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<Text<'a>>,
}

impl<'a> Device<'a> {
    /// A device of an unknown type, of which nothing is known yet.
    pub(crate) fn unknown() -> Self {
        let Choice { id: type_id, caption: kind } = Choice::of(captions::DEVICE, 0);
        Self {
            type_id,
            kind,
            uid: None,
            uid_alt: None,
            hostname: None,
            ip: None,
            domain: None,
            desc: None,
            is_managed: None,
            os: None,
            org: None,
            agent_list: Vec::new(),
            owner: None,
            created_time: None,
            modified_time: None,
            last_seen_time: None,
            boot_time: None,
            entra_id: None,
        }
    }

    /// The same, borrowed from nowhere. Only what [`crate::normalize::ocsf::device::enrich`] fills is kept.
    pub(crate) fn into_owned(self) -> Device<'static> {
        Device {
            type_id: self.type_id,
            kind: own(self.kind),
            uid: self.uid.map(own),
            uid_alt: self.uid_alt.map(own),
            hostname: self.hostname.map(own),
            ip: self.ip.map(own),
            domain: self.domain.map(own),
            desc: self.desc.map(own),
            is_managed: self.is_managed,
            os: self.os.map(Os::into_owned),
            agent_list: self.agent_list.into_iter().map(Agent::into_owned).collect(),
            ..Device::unknown()
        }
    }

    /// The same, borrowed from this one. Only what [`Self::into_owned`] keeps is there.
    pub(crate) fn lent(&self) -> Device<'_> {
        Device {
            type_id: self.type_id,
            kind: lend(&self.kind),
            uid: self.uid.as_ref().map(lend),
            uid_alt: self.uid_alt.as_ref().map(lend),
            hostname: self.hostname.as_ref().map(lend),
            ip: self.ip.as_ref().map(lend),
            domain: self.domain.as_ref().map(lend),
            desc: self.desc.as_ref().map(lend),
            is_managed: self.is_managed,
            os: self.os.as_ref().map(Os::lent),
            agent_list: self.agent_list.iter().map(Agent::lent).collect(),
            ..Device::unknown()
        }
    }

    /// Whether it says enough to be an OCSF device.
    pub(crate) fn is_identified(&self) -> bool {
        self.uid.is_some() || self.hostname.is_some() || self.ip.is_some()
    }
}

impl Os<'_> {
    fn into_owned(self) -> Os<'static> {
        let Self { name, type_id, kind, version, edition, cpu_bits } = self;
        Os { name: own(name), type_id, kind: own(kind), version: version.map(own), edition, cpu_bits }
    }

    fn lent(&self) -> Os<'_> {
        let Self { name, type_id, kind, version, edition, cpu_bits } = self;
        Os {
            name: lend(name),
            type_id: *type_id,
            kind: lend(kind),
            version: version.as_ref().map(lend),
            edition: *edition,
            cpu_bits: *cpu_bits,
        }
    }
}

impl Agent<'_> {
    fn into_owned(self) -> Agent<'static> {
        let Self { name, type_id, kind, vendor_name, version, uid } = self;
        Agent { name, type_id, kind: own(kind), vendor_name, version: version.map(own), uid: uid.map(own) }
    }

    fn lent(&self) -> Agent<'_> {
        let Self { name, type_id, kind, vendor_name, version, uid } = self;
        Agent {
            name,
            type_id: *type_id,
            kind: lend(kind),
            vendor_name,
            version: version.as_ref().map(lend),
            uid: uid.as_ref().map(lend),
        }
    }
}

fn own(text: Text<'_>) -> Text<'static> {
    Text::Owned(text.into_owned())
}

fn lend<'b>(text: &'b Text<'_>) -> Text<'b> {
    Text::Borrowed(text)
}
