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
        }
    }

    /// Whether it says enough to be an OCSF device.
    pub(crate) fn is_identified(&self) -> bool {
        self.uid.is_some() || self.hostname.is_some() || self.ip.is_some()
    }
}
