//! What a finding's evidence says in fields of ECS: file, process, package, and the far end of a connection.

use std::borrow::Cow;

use serde::Serialize;

use super::document::Address;
use crate::normalize::json::Json;
use crate::normalize::ocsf::class::Finding;
use crate::normalize::ocsf::object::finding::Evidence;

/// OCSF's `type_id` of a folder.
const FOLDER: u32 = 2;

/// `file`.
#[derive(Debug, Serialize)]
pub(super) struct File<'e> {
    path: &'e str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
}

/// `process`.
#[derive(Debug, Serialize)]
pub(super) struct Process<'e> {
    name: Cow<'e, str>,
}

/// `package`.
#[derive(Debug, Serialize)]
pub(super) struct Package<'e> {
    name: Cow<'e, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Cow<'e, str>>,
}

/// All of them; the first of each, since these fields take one value. The others stand under `datto_rmm.ocsf.evidences`.
#[derive(Debug, Default)]
pub(super) struct Shown<'e> {
    pub(super) file: Option<File<'e>>,
    pub(super) process: Option<Process<'e>>,
    pub(super) package: Option<Package<'e>>,
    pub(super) destination: Option<Address<'e>>,
}

impl<'e> Shown<'e> {
    /// What the evidence of `finding` shows.
    pub(super) fn of(finding: &'e Finding<'_>) -> Self {
        let evidences = &finding.evidences;
        let infected = finding.malware.iter().flat_map(|malware| &malware.files);
        let file = evidences.iter().filter_map(|evidence| evidence.file.as_ref()).chain(infected).next();
        let text = |key| scalar(evidences, key);
        Self {
            file: file.map(|file| File { path: &file.path, kind: (file.type_id == FOLDER).then_some("dir") }),
            process: text("processName").map(|name| Process { name }),
            package: text("packageName").map(|name| Package { name, version: text("version") }),
            destination: evidences.iter().find_map(|evidence| evidence.dst_endpoint.as_ref()).and_then(Address::of),
        }
    }
}

/// The text of a scalar in the data of an evidence; the first that has it.
pub(super) fn scalar<'e>(evidences: &'e [Evidence<'_>], key: &str) -> Option<Cow<'e, str>> {
    evidences.iter().filter_map(|evidence| evidence.data.as_deref()).find_map(|data| {
        let (_, value) = Json::of(data).members().find(|(name, _)| name == key)?;
        value.scalar().filter(|text| !text.is_empty())
    })
}
