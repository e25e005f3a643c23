//! What the table of monitors cannot say: titles that are computed, evidence that is more than data.

use super::reading::{Reading, plain};
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
/// A component's sample in a message takes no more characters.
const MAX_SAMPLE: usize = 120;

/// Parts of the names of services that protect a device, in lower case.
const PROTECTING: [&str; 24] = [
    "windefend",
    "wdnissvc",
    "securityhealth",
    "wscsvc",
    "mpssvc",
    "eventlog",
    "sysmon",
    "sense",
    "sophos",
    "savservice",
    "csfalcon",
    "sentinelagent",
    "sentinelone",
    "cbdefense",
    "carbonblack",
    "mbamservice",
    "malwarebytes",
    "ekrn",
    "huntress",
    "webroot",
    "wrsvc",
    "bitdefender",
    "cylance",
    "datto av",
];

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

pub(super) fn antivirus(reading: &mut Reading<'_, '_>) {
    let Some(status) = reading.context.peek("status") else { return };
    let (title, verb) = match status.replace(['_', ' '], "").to_uppercase().as_str() {
        "NOTRUNNING" => ("Antivirus not running", "is not running"),
        "NOTDETECTED" => ("Antivirus not detected", "was not detected"),
        "RUNNINGNOTUPTODATE" | "RUNNINGANDNOTUPTODATE" => ("Antivirus not up to date", "is not up to date"),
        "RUNNINGUPTODATE" | "RUNNINGANDUPTODATE" => ("Antivirus up to date", "is running and up to date"),
        _ => {
            reading.told.message = reading.fill("Antivirus {productName} has status {status} on {device}");
            return;
        }
    };
    reading.told.title = Some(title.to_owned());
    let message = reading.fill("Antivirus {productName} VERB on {device}").map(|text| text.replace("VERB", verb));
    reading.told.message = message.or_else(|| Some(format!("{title} on {}", reading.device)));
}

/// A description that says which threat was found where, as malware with its file; the text itself stays as evidence.
pub(super) fn endpoint_security(reading: &mut Reading<'_, '_>) {
    let Reading { context, told, notes, .. } = reading;
    told.uid_alt = context.copy("esAlertId", notes);
    let Some((name, path)) = context.peek("description").and_then(|text| threat(&text)) else { return };
    let provider = if told.rule.contains("defender") { "Windows Defender" } else { "Datto Endpoint Security" };
    let name = notes.limit(Text::Owned(name));
    let mut malware = Malware::classified(name, 0, Text::Borrowed(provider));
    malware.files = vec![File::at(notes.limit(Text::Owned(path)), 1)];
    told.malware.push(malware);
}

/// Name and path in `<name> detected in <path>`.
fn threat(text: &str) -> Option<(String, String)> {
    const VERBS: [&str; 6] = ["detected", "blocked", "quarantined", "was detected", "was blocked", "was quarantined"];
    let (found, path) = text.split_once(" in ")?;
    let name = VERBS.iter().rev().find_map(|verb| found.strip_suffix(verb)?.strip_suffix(' '))?.trim();
    let path = path.trim().trim_end_matches('.');
    let is_path = path.starts_with('/') || path.starts_with("\\\\") || path.get(1..3) == Some(":\\");
    let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
    (is_name && is_path && !path.contains(char::is_control)).then(|| (name.to_owned(), path.to_owned()))
}

/// A service that protects the device is a matter of its posture, not of availability.
pub(super) fn service(reading: &mut Reading<'_, '_>) {
    let name = reading.context.peek("serviceName").unwrap_or_default().to_lowercase();
    if PROTECTING.iter().any(|part| name.contains(part)) {
        reading.told.label = "posture";
        reading.told.types = &["Service", "Security service"];
    }
}

/// By the part that names it; what it is goes into the title.
pub(super) fn hardware(reading: &mut Reading<'_, '_>) {
    let kind = reading.context.peek("type").unwrap_or_default().to_uppercase();
    let title = match kind.as_str() {
        "DISKHEALTH" | "DISK_HEALTH" => "Disk health problem".to_owned(),
        "FAN" => "Fan problem".to_owned(),
        "PSU" => "Power supply problem".to_owned(),
        "TEMPERATURE" => "Temperature problem".to_owned(),
        "" => return,
        _ => format!("Hardware problem: {}", plain(&kind)),
    };
    reading.told.message = reading.fill("{device}: {reason|degree}").map(|detail| {
        let (device, detail) = detail.split_once(": ").unwrap_or_default();
        format!("{title} on {device}: {detail}")
    });
    reading.told.title = Some(title);
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
    reading.told.title = Some("Malware found".to_owned());
    reading.told.message = reading.fill("{virusName} was found on {device}");
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
    let [log, code, source] = ["logName", "code", "source"].map(|key| reading.context.peek(key).unwrap_or_default());
    if is_of_security(log.trim(), code.trim(), source.trim()) {
        reading.told.label = "security";
    }
    reading.told.count = reading.context.take_i32("triggerCount", reading.notes);
    reading.told.last_seen = reading.context.take_time("lastTriggered", reading.notes);
}

/// Whether an event of Windows is one of security: by its log, or by the code where the log holds other things too.
fn is_of_security(log: &str, code: &str, source: &str) -> bool {
    const LOGS: [&str; 4] = ["security", "windows defender", "microsoft-windows-sysmon", "applocker"];
    let (log, source) = (log.to_lowercase(), source.to_lowercase());
    // A log was cleared; a service was installed.
    let is_of_system = matches!((code, source.as_str()), ("104", "eventlog" | "microsoft-windows-eventlog"))
        || matches!((code, source.as_str()), ("7045", "service control manager"));
    LOGS.iter().any(|name| log == *name || (*name != "security" && log.contains(name))) || is_of_system
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
    reading.told.message = share.and_then(|share| {
        let disk = reading.fill("Disk {diskName} on {device}")?;
        Some(format!("{disk} has {share:.1}% free"))
    });
    let evidence = Evidence { name: "Volume", ..Evidence::default() };
    reading.add_evidence(evidence, &["diskName", "totalVolume", "freeSpace"]);
}

pub(super) fn file_system(reading: &mut Reading<'_, '_>) {
    // `objectType` and `condition` are null on some alerts.
    let message = reading.fill("{path} on {device} is {condition~}");
    let message = message.or_else(|| reading.fill("File or folder monitor on {device}: {path}"));
    reading.told.message = message;
    let kind = reading.context.peek("objectType");
    let is_folder = kind.is_some_and(|kind| kind.eq_ignore_ascii_case("DIRECTORY"));
    let path = reading.context.take_text("path", reading.notes);
    let file = path.map(|path| File::at(path, if is_folder { 2 } else { 1 }));
    let evidence = Evidence { name: "File or folder", file, ..Evidence::default() };
    reading.add_evidence(evidence, &["condition", "sample", "threshold"]);
}

/// What a script printed, under names of its own.
pub(super) fn component(reading: &mut Reading<'_, '_>) {
    let Reading { context, told, notes, device } = reading;
    let Some(samples) = context.take_object("samples", "alertContext.samples.", notes) else { return };
    told.message = samples.iter().find_map(|(name, value)| {
        let text = value.scalar()?;
        let text: String = text.trim().chars().take(MAX_SAMPLE).collect();
        let name = if name.is_empty() { String::new() } else { format!("{name}: ") };
        (!text.is_empty()).then(|| format!("Component monitor on {device}: {name}{text}"))
    });
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
