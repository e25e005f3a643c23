//! What a file of events looks like: whole lines, each an event in one of the formats, and perhaps a torn one at the end.
//!
//! A file that does not look like that was not written by vintner, and is neither cut nor appended to.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use serde::Deserialize;
use serde::de::IgnoredAny;

/// How far back a line end is looked for at a time.
const SCAN_BYTES: u64 = 64 * 1024;
/// No line of vintner's is longer.
const MOST_LINE_BYTES: u64 = 64 * 1024 * 1024;
/// The transformation that every OCSF event names.
const MAPPING: &str = "datto-rmm-ocsf";
/// The module that every ECS document names.
const MODULE: &str = "datto_rmm";
/// How lines of the formats `ocsf`, `ecs` and `raw` begin.
const BEGINNINGS: [&[u8]; 3] = [b"{\"activity_id\":", b"{\"@timestamp\":", b"{\"account_uid\":"];

/// How a file ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is empty, or ends with a whole line.
    Whole,
    /// A line is torn; the whole lines before it end at this offset.
    Torn(u64),
    /// Something else wrote this file: why that shows.
    Foreign(String),
}

/// Looks at the first and the last lines.
pub(super) fn ending(file: &mut File) -> std::io::Result<Ending> {
    let foreign = |what: &str| {
        let hint = "name a file of its own, or move this one away";
        Ok(Ending::Foreign(format!("{what} is no event of vintner, so this file is not its own: {hint}")))
    };
    let length = file.metadata()?.len();
    let Some(whole) = line_end_before(file, length)? else { return foreign("its last line") };
    if whole == 0 {
        // Not one whole line: it must at least begin as an event does.
        return if begins_as_event(&read(file, 0, length.min(SCAN_BYTES))?) {
            Ok(if length == 0 { Ending::Whole } else { Ending::Torn(0) })
        } else {
            foreign("its only line")
        };
    }
    let Some(last) = line_end_before(file, whole.saturating_sub(1))? else { return foreign("its last line") };
    if !is_event(&read(file, last, whole.saturating_sub(last))?) {
        return foreign("its last line");
    }
    if last > 0 && !is_event(&first_line(file)?) {
        return foreign("its first line");
    }
    Ok(if whole < length { Ending::Torn(whole) } else { Ending::Whole })
}

/// The offset behind the last `\n` in the first `length` bytes, 0 without one; `None` if it is farther away than a line may be long.
fn line_end_before(file: &mut File, length: u64) -> std::io::Result<Option<u64>> {
    let mut end = length;
    while end > 0 {
        if length.saturating_sub(end) > MOST_LINE_BYTES {
            return Ok(None);
        }
        let start = end.saturating_sub(SCAN_BYTES);
        let block = read(file, start, end.saturating_sub(start))?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(Some(start.saturating_add(at as u64).saturating_add(1)));
        }
        end = start;
    }
    Ok(Some(0))
}

fn first_line(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    while (line.len() as u64) < MOST_LINE_BYTES {
        let block = read(file, line.len() as u64, SCAN_BYTES)?;
        if let Some(at) = block.iter().position(|byte| *byte == b'\n') {
            line.extend_from_slice(block.get(..at).unwrap_or_default());
            break;
        }
        if block.is_empty() {
            break;
        }
        line.extend(block);
    }
    Ok(line)
}

fn read(file: &mut File, start: u64, length: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    Read::by_ref(file).take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether this is, or may become, the beginning of an event.
fn begins_as_event(text: &[u8]) -> bool {
    BEGINNINGS.iter().any(|beginning| text.starts_with(beginning) || beginning.starts_with(text))
}

/// Whether a line is an event in one of the formats.
fn is_event(line: &[u8]) -> bool {
    /// What shows that vintner made it, by format.
    #[derive(Deserialize)]
    struct Line {
        metadata: Option<Metadata>,
        event: Option<Module>,
        account_uid: Option<IgnoredAny>,
        marker: Option<IgnoredAny>,
        record: Option<IgnoredAny>,
    }
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(default)]
        transformation_info_list: Vec<Name>,
    }
    #[derive(Deserialize)]
    struct Name {
        name: Option<String>,
    }
    #[derive(Deserialize)]
    struct Module {
        module: Option<String>,
    }
    let Ok(line) = serde_json::from_slice::<Line>(line) else { return false };
    let is_mapped = |metadata: Metadata| {
        metadata.transformation_info_list.iter().any(|entry| entry.name.as_deref() == Some(MAPPING))
    };
    line.metadata.is_some_and(is_mapped)
        || line.event.is_some_and(|event| event.module.as_deref() == Some(MODULE))
        || (line.account_uid.is_some() && line.marker.is_some() && line.record.is_some())
}
