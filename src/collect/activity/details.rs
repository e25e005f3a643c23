//! The `details` of an activity row: JSON text inside a string, a flat object with dotted keys (datto-rmm-api.md section 10.1).

use serde_json::{Map, Value};

use crate::normalize::number;
use crate::normalize::ocsf::activity::derive;
use crate::record::place::DeviceRef;

/// The details that decide where a row belongs; empty if they cannot be read, which costs no more than themselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Details(Map<String, Value>);

impl Details {
    /// Reads the text.
    pub(crate) fn read(text: Option<&str>) -> Self {
        Self(text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default())
    }

    /// A value that is text and not blank.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.0.get(key)?.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
    }

    /// The device of a list that has one only.
    pub(crate) fn only_device(&self) -> Option<DeviceRef> {
        let list = |key: &&str| Some(self.0.get(*key)?.to_string());
        let ids = ["data.device_list", "data.device_uids"].iter().filter_map(list).map(|list| derive::ids(&list));
        let ids = ids.into_iter().find(|ids| !ids.is_empty())?;
        let [id] = ids.as_slice() else { return None };
        Some(derive::device(id))
    }

    /// A value that is a whole number in any spelling, written as one or as text.
    pub(crate) fn integer(&self, key: &str) -> Option<i64> {
        match self.0.get(key)? {
            Value::Number(number) => number::whole(number.as_str()),
            Value::String(text) => number::whole(text),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_details_are_none() {
        for text in [None, Some(""), Some("[1]"), Some("{\"a\":")] {
            assert!(Details::read(text).0.is_empty());
        }
        let details = Details::read(Some(r#"{"data.site_id":"42","data.from_site_id":7,"data.site_uid":" "}"#));
        assert_eq!(details.integer("data.site_id"), Some(42));
        assert_eq!(details.integer("data.from_site_id"), Some(7));
        assert_eq!(details.text("data.site_uid"), None);
        let spelled =
            Details::read(Some(r#"{"a":1048590.0,"b":1.04859E6,"c":"1048590.0","d":9007199254740993.0,"e":1.5}"#));
        let all = ["a", "b", "c", "d", "e"].map(|key| spelled.integer(key));
        assert_eq!(all, [Some(1_048_590), Some(1_048_590), Some(1_048_590), Some(9_007_199_254_740_993), None]);
    }
}
