//! `metadata` and the objects under it.

use serde::Serialize;

use super::identity::Organization;
use crate::normalize::ocsf::choice::Text;

/// What the event says about itself: whose, from where, by which mapping.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Metadata<'a> {
    pub(crate) version: &'static str,
    pub(crate) uid: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) original_event_uid: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) correlation_uid: Option<Text<'a>>,
    pub(crate) product: Product,
    pub(crate) source: &'static str,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) event_code: Text<'a>,
    pub(crate) log_name: &'static str,
    pub(crate) log_provider: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) log_source: &'a str,
    pub(crate) log_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) original_time: Option<Text<'a>>,
    pub(crate) logged_time: i64,
    pub(crate) processed_time: i64,
    pub(crate) tenant_uid: &'a str,
    pub(crate) reporter: Reporter<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) profiles: Vec<&'static str>,
    pub(crate) labels: Vec<&'static str>,
    pub(crate) tags: Vec<Tag<'a>>,
    pub(crate) transformation_info_list: Vec<Transformation<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) debug: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) is_truncated: Option<bool>,
    /// Kilobytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) untruncated_size: Option<i32>,
}

/// The product that produced the record.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Product {
    pub(crate) name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vendor_name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) feature: Option<Feature>,
}

/// The part of the product.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Feature {
    pub(crate) name: &'static str,
}

/// The platform that reported the record.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Reporter<'a> {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hostname: Option<&'a str>,
    pub(crate) org: Organization<'a>,
}

/// A name with a value (`key_value_object`).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Tag<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) value: Text<'a>,
}

/// What made the event: the mapping, and the rules of the lens where one fits.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Transformation<'a> {
    pub(crate) name: &'static str,
    /// The version.
    pub(crate) uid: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) product: Option<Product>,
}

impl<'a> Transformation<'a> {
    /// The rules of the lens, which operators change.
    pub(crate) fn lens(version: &'a str) -> Self {
        Self { name: "vintner-lens", uid: Text::Borrowed(version), product: None }
    }
}
