//! `host`: the device that an event is about.

use serde::Serialize;

use crate::normalize::ocsf::object::device::{Device, Os};

/// `host`.
#[derive(Debug, Serialize)]
pub(super) struct Host<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<&'e str>,
    /// In lower case, so that one host has one name in every index.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ip: Vec<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'e str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    os: Option<System<'e>>,
}

/// `host.os`.
#[derive(Debug, Serialize)]
struct System<'e> {
    full: &'e str,
    name: &'e str,
    /// One of the six that ECS expects.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'e str>,
}

impl<'e> Host<'e> {
    /// The device as a host.
    pub(super) fn of(device: &'e Device<'_>) -> Self {
        // 0 says nothing: a device of an unknown type.
        let is_typed = device.type_id != 0;
        Self {
            id: device.uid.as_deref(),
            hostname: device.hostname.as_deref(),
            name: device.hostname.as_deref().map(str::to_lowercase),
            ip: device.ip.as_deref().into_iter().collect(),
            domain: device.domain.as_deref(),
            kind: is_typed.then_some(device.kind.as_ref()),
            os: device.os.as_ref().map(System::of),
        }
    }
}

impl<'e> System<'e> {
    fn of(os: &'e Os<'_>) -> Self {
        let full = os.name.as_ref();
        let version = os.version.as_deref();
        let kind = match os.type_id {
            100 | 101 => Some("windows"),
            200 => Some("linux"),
            201 => Some("android"),
            300 => Some("macos"),
            301 | 302 => Some("ios"),
            _ => None,
        };
        // ECS's own example of a platform for macOS.
        let platform = if kind == Some("macos") { Some("darwin") } else { kind };
        let name = version.and_then(|version| full.strip_suffix(version)).map_or(full, str::trim_end);
        Self { full, name: if name.is_empty() { full } else { name }, kind, platform, version }
    }
}
