//! `attack`: a technique of MITRE ATT&CK.

use serde::Serialize;

use crate::normalize::lens::rule::Technique;

/// One technique, or sub-technique with the technique that it belongs to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Attack<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tactic: Option<Named<'a>>,
    pub(crate) technique: Named<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sub_technique: Option<Named<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<&'a str>,
}

/// Id and name of a tactic, technique or sub-technique.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Named<'a> {
    pub(crate) uid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'a str>,
}

impl<'a> Attack<'a> {
    /// The object of a technique.
    pub(crate) fn of(technique: &'a Technique) -> Self {
        let own = Named { uid: &technique.id, name: Some(&technique.name) };
        let tactic = technique.tactic.as_ref().map(|tactic| Named { uid: &tactic.id, name: Some(&tactic.name) });
        let version = technique.version.as_deref();
        if !technique.is_sub() {
            return Self { tactic, technique: own, sub_technique: None, version };
        }
        let parent = Named { uid: technique.root(), name: technique.parent.as_deref() };
        Self { tactic, technique: parent, sub_technique: Some(own), version }
    }
}
