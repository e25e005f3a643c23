//! What a Detection Finding consists of.

use serde::Serialize;
use serde_json::value::RawValue;

use super::attack::Attack;
use super::endpoint::Endpoint;
use crate::normalize::ocsf::captions;
use crate::normalize::ocsf::choice::{Choice, Text};

/// The finding itself: one `uid` through its whole life.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FindingInfo<'a> {
    pub(crate) uid: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uid_alt: Option<Text<'a>>,
    pub(crate) title: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) desc: Option<Text<'a>>,
    pub(crate) types: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_seen_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_seen_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) modified_time: Option<i64>,
    pub(crate) analytic: Analytic<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) attacks: Vec<Attack<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) src_url: Option<String>,
}

/// The kind of monitor that found it: Datto names neither the monitor nor its policy (event-schema.md section 6).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Analytic<'a> {
    pub(crate) name: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<Text<'a>>,
    pub(crate) type_id: u32,
    #[serde(rename = "type")]
    pub(crate) kind: Text<'a>,
    pub(crate) category: &'static str,
}

/// One piece of evidence; holds at least one of `file`, `dst_endpoint` and `data`.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Evidence<'a> {
    pub(crate) name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dst_endpoint: Option<Endpoint<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Box<RawValue>>,
}

/// A file or folder.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct File<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) path: Text<'a>,
    pub(crate) type_id: u32,
    #[serde(rename = "type")]
    pub(crate) kind: Text<'a>,
}

/// Malware that was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Malware<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) classification_ids: [u32; 1],
    pub(crate) classifications: [Text<'a>; 1],
    pub(crate) provider: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) num_infected: Option<i32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) files: Vec<File<'a>>,
}

/// A ticket in another system.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ticket<'a> {
    pub(crate) uid: Text<'a>,
    pub(crate) type_id: u32,
    #[serde(rename = "type")]
    pub(crate) kind: Text<'a>,
}

impl<'a> File<'a> {
    /// A regular file (1) or folder (2) by its path; its name is the path's last part.
    pub(crate) fn at(path: Text<'a>, type_id: u32) -> Self {
        let last = path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default();
        let name = if last.is_empty() { path.clone() } else { Text::Owned(last.to_owned()) };
        let Choice { id: type_id, caption: kind } = Choice::of(captions::FILE, type_id);
        Self { name, path, type_id, kind }
    }
}

impl<'a> Malware<'a> {
    /// Malware of a classification that the schema names.
    pub(crate) fn classified(name: Text<'a>, classification: u32, provider: Text<'a>) -> Self {
        let class = Choice::of(captions::MALWARE, classification);
        Self {
            name,
            classification_ids: [class.id],
            classifications: [class.caption],
            provider,
            num_infected: None,
            files: Vec::new(),
        }
    }
}

impl<'a> Ticket<'a> {
    /// A ticket of the PSA.
    pub(crate) fn external(uid: Text<'a>) -> Self {
        let Choice { id: type_id, caption: kind } = Choice::of(captions::TICKET, 2);
        Self { uid, type_id, kind }
    }
}
