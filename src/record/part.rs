//! Parts of an activity row that have a record of their own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What of an activity row a derived record is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// One of the devices that the row lists, by uid.
    Device(String),
    /// The roles of the user whom the row creates, deletes or disables.
    Roles,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(uid) => write!(f, "device:{uid}"),
            Self::Roles => f.write_str("roles"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Marker;

    /// Ids of events and keys of the journal are made of these texts: they may never change.
    #[test]
    fn a_part_is_stored_and_named_by_its_marker() {
        for (part, name, json) in [
            (Part::Device("a-1".into()), "device:a-1", r#"{"derived":{"device":"a-1"}}"#),
            (Part::Roles, "roles", r#"{"derived":"roles"}"#),
        ] {
            let marker = Marker::Derived(part);
            assert_eq!((marker.to_string().as_str(), serde_json::to_string(&marker).unwrap().as_str()), (name, json));
            assert_eq!(serde_json::from_str::<Marker>(json).unwrap(), marker);
        }
    }
}
