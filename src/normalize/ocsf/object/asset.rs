//! Resources, the cloud they are in, security states and software.

use serde::Serialize;
use serde_json::value::RawValue;

use super::identity::Account;
use crate::normalize::ocsf::choice::Text;

/// A resource; at least one of `uid` and `name` is there.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Resource<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uid_alt: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Text<'a>>,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) labels: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Box<RawValue>>,
}

/// The Datto RMM platform as a cloud.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cloud<'a> {
    pub(crate) provider: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<Text<'a>>,
    pub(crate) account: Account<'a>,
}

/// One thing that is wrong with a device's security.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SecurityState<'a> {
    pub(crate) state_id: u32,
    pub(crate) state: Text<'a>,
}

/// A software audit as a bill of materials.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sbom<'a> {
    pub(crate) package: Package<'a>,
    pub(crate) software_components: Vec<Component<'a>>,
}

/// What the audit is of.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Package<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) version: Text<'a>,
    pub(crate) type_id: u32,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
}

/// One piece of software.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Component<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) version: Text<'a>,
}
