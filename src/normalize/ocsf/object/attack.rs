//! `attack`: a technique of MITRE ATT&CK.

use serde::Serialize;

use crate::normalize::lens::rule::Technique;

/// One technique, or sub-technique with the technique that it belongs to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Attack<'a> {
    pub(crate) technique: Named<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sub_technique: Option<Named<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<&'a str>,
}

/// Id, name and page of a technique or sub-technique.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Named<'a> {
    pub(crate) uid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) src_url: Option<String>,
}

impl<'a> Attack<'a> {
    /// The object of a technique.
    pub(crate) fn of(technique: &'a Technique) -> Self {
        let own = Named { uid: &technique.id, name: Some(&technique.name), src_url: Some(technique.url()) };
        let version = technique.version.as_deref();
        if !technique.is_sub() {
            return Self { technique: own, sub_technique: None, version };
        }
        let parent = Named { uid: technique.root(), name: technique.parent.as_deref(), src_url: None };
        Self { technique: parent, sub_technique: Some(own), version }
    }
}
