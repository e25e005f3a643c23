//! What the table of monitors cannot say: titles that are computed, evidence that is more than data.

use super::reading::Reading;
use crate::normalize::json::fields::TextList;
use crate::normalize::json::{Json, prune};
use crate::normalize::ocsf::choice::Text;
use crate::normalize::ocsf::object::endpoint::Endpoint;
use crate::normalize::ocsf::object::finding::{Evidence, File, Malware};
use crate::normalize::ocsf::residue;
use crate::normalize::{address, check};
use serde_json::value::RawValue;

/// Files and folders that become objects of their own; the others stay in the residue.
const MAX_FILES: usize = 20;
/// A component's first sample as a title takes no more characters.
const MAX_SAMPLE_TITLE: usize = 120;

pub(super) fn ransomware(reading: &mut Reading<'_, '_>) {
    let Reading { context, told, notes, .. } = reading;
    let extension = context.peek("rwextension");
    told.confidence = context.take_i32("confidenceFactor", notes);
    told.first_seen = context.take_time("alertTime", notes);
    let directories = context.take_texts("affectedDirectories", MAX_FILES, notes);
    let mut facts = Vec::new();
    facts.extend(extension.as_deref().map(|extension| format!("extension {extension}")));
    facts.extend(told.confidence.map(|score| format!("confidence {score}")));
    if !facts.is_empty() {
        told.facts = Some(facts.join(", "));
    }
    facts.extend((directories.total > 0).then(|| format!("{} affected directories", directories.total)));
    let sentence = if facts.is_empty() { String::new() } else { format!(": {}", facts.join(", ")) };
    told.sentence = Some(format!("Datto RMM Ransomware Detection{sentence}"));
    let name = extension.map_or("Ransomware".to_owned(), |extension| format!("Ransomware ({extension})"));
    let name = notes.limit(Text::Owned(name));
    told.malware.push(Malware::classified(name, 10, Text::Borrowed("Datto RMM")));
    told.evidences.extend(directories.taken.iter().map(|path| Evidence {
        name: "Affected directory",
        file: Some(File::at(path.clone(), 2)),
        ..Evidence::default()
    }));
    keep_left(reading, "Affected directories", "affectedDirectories", directories);
}

pub(super) fn endpoint_security(reading: &mut Reading<'_, '_>) {
    reading.told.uid_alt = reading.context.copy("esAlertId", reading.notes);
}

pub(super) fn security_management(reading: &mut Reading<'_, '_>) {
    const STATUS: &[&str] = &[
        "productName",
        "status",
        "infoTime",
        "virusName",
        "infectedFiles",
        "productNotUpdatedForDays",
        "systemRemainsInfectedForHours",
        "expiryLicenseForDays",
    ];
    let has_files = reading.context.get("infectedFiles").is_some_and(|files| !files.is_blank());
    let has_virus = reading.context.get("virusName").and_then(Json::string).is_some_and(|name| !name.is_empty());
    if has_virus || has_files {
        reading.told.label = "security";
        reading.told.types = &["Malware"];
    }
    if !has_virus {
        reading.add_evidence(Evidence { name: "Security product", ..Evidence::default() }, STATUS);
        return;
    }
    reading.told.title = reading.fill("{virusName} on {device}");
    let Reading { context, told, notes, .. } = reading;
    let provider = context.take_text("productName", notes).unwrap_or(Text::Borrowed("Datto RMM"));
    let files = context.take_texts("infectedFiles", MAX_FILES, notes);
    let name = context.take_text("virusName", notes).unwrap_or_default();
    let mut malware = Malware::classified(name, 0, provider);
    malware.num_infected = i32::try_from(files.total).ok().filter(|total| *total > 0);
    malware.files = files.taken.iter().map(|path| File::at(path.clone(), 1)).collect();
    told.malware.push(malware);
    keep_left(reading, "Infected files", "infectedFiles", files);
}

pub(super) fn event_log(reading: &mut Reading<'_, '_>) {
    let log = reading.context.peek("logName");
    if log.is_some_and(|log| log.trim().eq_ignore_ascii_case("Security")) {
        reading.told.label = "security";
    }
    reading.told.count = reading.context.take_i32("triggerCount", reading.notes);
    reading.told.last_seen = reading.context.take_time("lastTriggered", reading.notes);
}

pub(super) fn ping(reading: &mut Reading<'_, '_>) {
    const TARGET: &str = "instanceName";
    let is_address = reading.context.peek(TARGET).is_some_and(|target| address::parse(&target).is_some());
    let dst_endpoint = if is_address {
        check::take_address(&mut reading.context, TARGET, reading.notes).map(Endpoint::at)
    } else {
        let hostname = reading.context.take_text(TARGET, reading.notes);
        hostname.map(|hostname| Endpoint { hostname: Some(hostname), ..Endpoint::default() })
    };
    let evidence = Evidence { name: "Ping target", dst_endpoint, ..Evidence::default() };
    reading.add_evidence(evidence, &["roundtripTime", "reasons"]);
}

/// The share of free space as people read it. Both numbers are KiB; the values themselves stay as they are in the data.
pub(super) fn disk_usage(reading: &mut Reading<'_, '_>) {
    let number = |key| reading.context.peek(key).and_then(|text| text.parse::<f64>().ok());
    let share = number("freeSpace").zip(number("totalVolume")).map(|(free, total)| 100.0 * free / total);
    let share = share.filter(|share| (0.0..=100.0).contains(share));
    reading.told.title = share.and_then(|share| {
        let disk = reading.fill("Disk {diskName} on {device}")?;
        Some(format!("{disk} has {share:.1}% free"))
    });
    let evidence = Evidence { name: "Volume", ..Evidence::default() };
    reading.add_evidence(evidence, &["diskName", "totalVolume", "freeSpace"]);
}

pub(super) fn file_system(reading: &mut Reading<'_, '_>) {
    // `objectType` and `condition` are null on some alerts.
    let title = reading.fill("{path}: {condition} on {device}").or_else(|| reading.fill("{path} on {device}"));
    reading.told.title = title;
    let kind = reading.context.peek("objectType");
    let is_folder = kind.is_some_and(|kind| kind.eq_ignore_ascii_case("DIRECTORY"));
    let path = reading.context.take_text("path", reading.notes);
    let file = path.map(|path| File::at(path, if is_folder { 2 } else { 1 }));
    let evidence = Evidence { name: "File or folder", file, ..Evidence::default() };
    reading.add_evidence(evidence, &["condition", "sample", "threshold"]);
}

/// What a script printed, under names of its own.
pub(super) fn component(reading: &mut Reading<'_, '_>) {
    let Reading { context, told, notes, .. } = reading;
    let Some(samples) = context.take_object("samples", "alertContext.samples.", notes) else { return };
    let first = samples.iter().find_map(|(_, value)| value.scalar().filter(|text| !text.trim().is_empty()));
    told.title = first.map(|text| text.trim().chars().take(MAX_SAMPLE_TITLE).collect());
    let mut data = String::from("{\"samples\":");
    if residue::write_pairs(&mut data, &samples, notes) {
        data.push('}');
        let data = RawValue::from_string(data).ok();
        told.evidences.push(Evidence { name: "Component output", data, ..Evidence::default() });
    }
}

pub(super) fn snmp(reading: &mut Reading<'_, '_>) {
    const DATA: &[&str] =
        &["displayName", "currentValue", "monitorInstance", "OID", "oid", "ruleName", "responseValue", "monitorName"];
    let address = check::take_address(&mut reading.context, "ipAddress", reading.notes);
    let hostname = reading.context.take_text("deviceName", reading.notes);
    let endpoint = Endpoint { hostname, ..address.map(Endpoint::at).unwrap_or_default() };
    let dst_endpoint = endpoint.is_identified().then_some(endpoint);
    reading.add_evidence(Evidence { name: "SNMP value", dst_endpoint, ..Evidence::default() }, DATA);
}

pub(super) fn printer(reading: &mut Reading<'_, '_>) {
    let address = check::take_address(&mut reading.context, "ipAddress", reading.notes);
    // An endpoint needs more than a MAC address.
    let mac = address.as_ref().and_then(|_| check::take_mac(&mut reading.context, "macAddress", reading.notes));
    let endpoint = Endpoint { mac, ..address.map(Endpoint::at).unwrap_or_default() };
    let dst_endpoint = endpoint.is_identified().then_some(endpoint);
    let evidence = Evidence { name: "Printer", dst_endpoint, ..Evidence::default() };
    reading.add_evidence(evidence, &["markerSupplyIndex", "currentLevel"]);
}

pub(super) fn unknown(reading: &mut Reading<'_, '_>) {
    reading.add_whole("Context");
}

/// Items of a list that did not become objects: told as data, so that the list stays whole.
fn keep_left(reading: &mut Reading<'_, '_>, name: &'static str, key: &'static str, list: TextList<'_>) {
    if list.left.is_empty() {
        return;
    }
    let mut data = format!("{{\"{key}\":[");
    let mut has_items = false;
    for item in list.left {
        let mark = data.len();
        data.push_str(if has_items { "," } else { "" });
        if prune::write(&mut data, item, reading.notes) {
            has_items = true;
        } else {
            data.truncate(mark);
        }
    }
    data.push_str("]}");
    if let Some(data) = RawValue::from_string(data).ok().filter(|_| has_items) {
        reading.told.evidences.push(Evidence { name, data: Some(data), ..Evidence::default() });
    }
}
