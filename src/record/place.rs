//! How a record names its site and its device.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a record names its site.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SiteRef {
    /// It names none.
    #[default]
    None,
    /// By uid, as alerts and devices do.
    Uid(String),
    /// By numeric id, as the activity log does.
    Id(i64),
    /// By name only.
    Name(String),
    /// By its device alone: the record names no site, or a name that several sites have. It waits until the device's site at its time is known.
    Device,
    /// Nobody can say in which site its device was.
    Unknown,
}

/// How a record names its device.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceRef {
    /// It names none.
    #[default]
    None,
    /// By uid.
    Uid(String),
    /// By numeric id.
    Id(i64),
}

impl fmt::Display for SiteRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no site"),
            Self::Uid(uid) => write!(f, "site {uid}"),
            Self::Id(id) => write!(f, "site id {id}"),
            Self::Name(name) => write!(f, "site named {name:?}"),
            Self::Device => f.write_str("site of its device, which is looked up"),
            Self::Unknown => f.write_str("site unknown"),
        }
    }
}
