//! `[events]`: what every sink tells alike, since an event has one id wherever it goes.

use std::collections::BTreeMap;

use crate::config::read::Section;
use crate::config::settings::EventsConfig;
use crate::config::values::{self, Bad};
use crate::normalize::ocsf::severity::{EVENT_KEYS, Overrides};

/// OCSF's words for severity ids.
const SEVERITIES: [(&str, u8); 7] =
    [("unknown", 0), ("informational", 1), ("low", 2), ("medium", 3), ("high", 4), ("critical", 5), ("fatal", 6)];

/// What may stand in braces in `alert_url`.
const PLACEHOLDERS: [&str; 4] = ["alert_uid", "device_uid", "site_uid", "platform"];

/// Reads the section.
pub(crate) fn read(section: Section<'_>) -> EventsConfig {
    let severities = section.section("severities").map(severities).unwrap_or_default();
    let alert_url = section.parse("alert_url", |text| alert_url(text).map(|()| text.to_owned()));
    section.finish();
    EventsConfig { severities, alert_url }
}

/// Severities by Datto's priority, in any case, or by kind of event. A priority may be any word: Datto may add one.
fn severities(section: Section<'_>) -> Overrides {
    let mut severities = BTreeMap::new();
    for (name, item) in section.entries() {
        let key = name.trim().to_lowercase();
        // A dot is for kinds of events only, so one that is misspelt is found.
        if key.is_empty() || (key.contains('.') && !EVENT_KEYS.contains(&key.as_str())) {
            let hint = format!("a priority of Datto's, like critical, or one of {}", EVENT_KEYS.join(", "));
            section.problems.error(item.key.clone(), format!("{name:?} has no severity"), Some(hint));
        }
        if let Some(severity) = item.parse(|text| values::word(text, &SEVERITIES)) {
            severities.insert(key, severity);
        }
    }
    section.finish();
    Overrides(severities)
}

fn alert_url(text: &str) -> Result<(), Bad> {
    let hint = format!("known here: {}", PLACEHOLDERS.map(|name| format!("{{{name}}}")).join(", "));
    let mut filled = text.to_owned();
    for name in PLACEHOLDERS {
        filled = filled.replace(&format!("{{{name}}}"), "x");
    }
    if filled.contains(['{', '}']) {
        return Err(Bad::hint("this names something that an alert's address is not made of", hint));
    }
    if filled == text {
        return Err(Bad::hint("this would be the same address for every alert", hint));
    }
    values::web_url(&filled).map(drop)
}
