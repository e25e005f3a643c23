//! Golden pairs: every `tests/fixtures/pairs/<folder>/<name>.record.json` makes exactly the event in `<name>.event.json` beside
//! it. Anybody can add one (docs/mapping-tests.md):
//!
//! - `cargo test --lib pairs` checks all of them,
//! - `cargo test --lib regenerate_pairs -- --ignored` writes the expected events anew; read the difference before you keep it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::golden::differences;
use super::judge::complaints;
use super::property::{CLASSES, words};
use super::recover::missing;
use super::world::{World, record};
use crate::normalize::lens::Lens;
use crate::normalize::udf::Udfs;
use crate::normalize::{RawData, redact};
use crate::record::place::SiteRef;
use crate::record::{Marker, Record, RecordKind};

/// What differs between two runs or two versions of the same mapping: left out of the expected events.
const VOLATILE: [&str; 3] = [
    "/metadata/processed_time",
    "/metadata/transformation_info_list/0/product/version",
    "/metadata/transformation_info_list/1/uid",
];

/// A record with what surrounds it.
pub(super) struct Pair {
    /// `<folder>/<name>`.
    pub(super) name: String,
    pub(super) world: World,
    pub(super) record: Record,
    expected: PathBuf,
}

/// What a `.record.json` file says. Only `type` and `record` are needed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// `metadata.type`.
    #[serde(rename = "type")]
    kind: RecordKind,
    /// Which of the records of its item it is: `"open"`, `{"resolved": 1795219545000}`, `"once"` (default) …
    #[serde(default = "once")]
    marker: Marker,
    /// The site of its envelope; without it what is usual for its type.
    site: Option<SiteRef>,
    #[serde(default)]
    changed: Vec<String>,
    #[serde(default)]
    synthesized: bool,
    /// Whose it is; without it: the MSP's for records without a site.
    organization: Option<Organization>,
    /// Whether the inventory knows its device.
    #[serde(default)]
    device: Inventory,
    /// Expected events are read by people: without `raw_data` unless it is asked for.
    #[serde(default = "no_raw_data")]
    raw_data: RawData,
    /// The user-defined field that holds a device's id in Entra; the inventory's device has one there.
    entra_device_id_udf: Option<u16>,
    /// The record as Datto sends it.
    record: Box<RawValue>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Organization {
    Contoso,
    Msp,
}

#[derive(Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Inventory {
    #[default]
    Known,
    Unknown,
}

fn once() -> Marker {
    Marker::Once
}

fn no_raw_data() -> RawData {
    RawData::Off
}

/// All pairs, in the order of their names.
pub(super) fn all() -> Vec<Pair> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pairs");
    let (lens, mut pairs) = (lens(), Vec::new());
    for folder in entries(&root) {
        for path in entries(&folder) {
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            if let Some(name) = file.strip_suffix(".record.json") {
                let name = format!("{}/{name}", folder.file_name().unwrap().to_string_lossy());
                pairs.push(read(&path, name, &lens));
            }
        }
    }
    pairs
}

fn entries(folder: &Path) -> BTreeSet<PathBuf> {
    let found = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    found.map(|entry| entry.unwrap().path()).collect()
}

/// The shipped rules, for an account whose API user the operator named.
fn lens() -> Arc<Lens> {
    Arc::new(Lens { api_users: vec!["svc-vintner".to_owned()], ..Lens::shipped() })
}

fn read(path: &Path, name: String, lens: &Arc<Lens>) -> Pair {
    let text = std::fs::read_to_string(path).unwrap();
    let written: Written = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let is_of_the_msp = matches!(written.kind, RecordKind::ActivityUser | RecordKind::User);
    let usual = if is_of_the_msp { Organization::Msp } else { Organization::Contoso };
    let organization = written.organization.unwrap_or(usual);
    let mut world = match organization {
        Organization::Contoso => World::contoso(),
        Organization::Msp => World::msp(),
    };
    if written.device == Inventory::Unknown {
        world.device = None;
    }
    world.options.raw_data = written.raw_data;
    world.options.lens = Arc::clone(lens);
    let udfs = Udfs { entra_device_id: written.entra_device_id_udf, ..Udfs::NONE };
    if let (Some(number), Some(device)) = (written.entra_device_id_udf, &mut world.device) {
        let known = format!("\"udf{number}\":\"3c7d2a10-5e4b-4f60-8a91-0000000fade1\"");
        device.source = device.source.replace(&format!("\"udf{number}\":null"), &known).into();
        world.options.udfs = [("northwind".to_owned(), udfs.clone())].into();
    }
    let source: Value = serde_json::from_str(written.record.get()).unwrap();
    let id =
        ["alertUid", "id", "uid"].iter().find_map(|key| source[key].as_str()).unwrap_or("without-an-id").to_owned();
    // What the journal keeps: compact, without secrets.
    let stripped = redact::strip_keeping(written.kind, &written.record, &udfs);
    let mut record = record(written.kind, &id, written.marker, stripped.get());
    record.envelope.site = written.site.unwrap_or(record.envelope.site);
    (record.envelope.changed, record.envelope.synthesized) = (written.changed, written.synthesized);
    let expected =
        path.with_file_name(path.file_name().unwrap().to_string_lossy().replace(".record.json", ".event.json"));
    Pair { name, world, record, expected }
}

impl Pair {
    /// The event that is made of the record, judged by OCSF's schema and by whether it holds every value.
    pub(super) fn event(&self) -> Value {
        let event = self.world.try_event(&self.record).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let found = complaints(&event.json);
        assert!(found.is_empty(), "{}: {found:#?}", self.name);
        let event = serde_json::from_str(&event.json).unwrap();
        let source = serde_json::from_str(self.record.source.get()).unwrap();
        assert_eq!(missing(&source, &event), Vec::<String>::new(), "{}", self.name);
        event
    }

    /// The event without what is volatile.
    fn lasting(&self) -> Value {
        let mut event = self.event();
        for pointer in VOLATILE {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            event.pointer_mut(parent).and_then(Value::as_object_mut).and_then(|object| object.remove(key));
        }
        event
    }
}

#[test]
fn pairs_are_as_expected() {
    let mut wrong = Vec::new();
    for pair in all() {
        let expected = std::fs::read_to_string(&pair.expected).unwrap_or_else(|_| "null".to_owned());
        let expected: Value = serde_json::from_str(&expected).unwrap();
        let mut found = Vec::new();
        differences("", &pair.lasting(), &expected, &mut found);
        if !found.is_empty() {
            wrong.push(format!("{} (made ≠ expected):\n  {}", pair.name, found.join("\n  ")));
        }
    }
    let hint = "if the new events are right: cargo test --lib regenerate_pairs -- --ignored";
    assert!(wrong.is_empty(), "{}\n{hint}", wrong.join("\n"));
}

#[test]
#[ignore = "it writes the expected events of all pairs"]
fn regenerate_pairs() {
    let pairs = all();
    for pair in &pairs {
        let text = serde_json::to_string_pretty(&pair.lasting()).unwrap();
        std::fs::write(&pair.expected, text + "\n").unwrap();
    }
    let wanted: BTreeSet<&PathBuf> = pairs.iter().map(|pair| &pair.expected).collect();
    let folders: BTreeSet<&Path> = pairs.iter().map(|pair| pair.expected.parent().unwrap()).collect();
    let left = folders.into_iter().flat_map(entries).filter(|path| path.to_string_lossy().ends_with(".event.json"));
    left.filter(|path| !wanted.contains(path)).for_each(|path| std::fs::remove_file(path).unwrap());
}

/// Guarantees: every `@class` that the documents name has a pair.
#[test]
fn every_alert_context_has_a_pair() {
    let told: BTreeSet<String> = all().iter().map(|pair| event_code(&pair.record)).collect();
    let known = words(CLASSES).into_iter().filter(|class| class.ends_with("_ctx") && *class != "Antivirus_CTX");
    let untold: Vec<&str> = known.filter(|class| !told.contains(*class)).collect();
    assert_eq!(untold, Vec::<&str>::new());
}

fn event_code(record: &Record) -> String {
    let source: Value = serde_json::from_str(record.source.get()).unwrap();
    source["alertContext"]["@class"].as_str().unwrap_or_default().to_owned()
}
