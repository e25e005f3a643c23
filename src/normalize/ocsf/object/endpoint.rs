//! `network_endpoint`: where a connection comes from or goes to.

use serde::Serialize;

use super::device::Device;
use crate::normalize::address::Address;
use crate::normalize::ocsf::choice::Text;

/// An endpoint; at least one of `ip`, `uid` and `hostname` is there.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Endpoint<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hostname: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ip: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mac: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) intermediate_ips: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) type_id: Option<u32>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<Text<'a>>,
}

impl<'a> Endpoint<'a> {
    /// The endpoint that has this address.
    pub(crate) fn at(address: Address<'a>) -> Self {
        Self { ip: Some(address.ip), port: address.port, ..Self::default() }
    }

    /// The endpoint that a device is.
    pub(crate) fn of_device(device: &Device<'a>) -> Self {
        Self {
            uid: device.uid.clone(),
            hostname: device.hostname.clone(),
            ip: device.ip.clone(),
            type_id: Some(device.type_id),
            kind: Some(device.kind.clone()),
            ..Self::default()
        }
    }

    /// Whether it says enough to be an OCSF endpoint.
    pub(crate) fn is_identified(&self) -> bool {
        self.ip.is_some() || self.hostname.is_some() || self.uid.is_some()
    }
}
