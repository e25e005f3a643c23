//! `[events]`: what every sink tells alike, since an event has one id wherever it goes.

use std::collections::BTreeMap;

use crate::config::read::Section;
use crate::config::settings::{EventsConfig, UsersConfig};
use crate::config::values::{self, Bad};
use crate::normalize::Alerting;
use crate::normalize::ocsf::severity::{CLASS_END, EVENT_KEYS, Overrides};

/// OCSF's words for severity ids.
const SEVERITIES: [(&str, u8); 7] =
    [("unknown", 0), ("informational", 1), ("low", 2), ("medium", 3), ("high", 4), ("critical", 5), ("fatal", 6)];

/// The words of `users`.
#[derive(Clone, Copy)]
enum How {
    Full,
    Name,
    Hash,
}

const USERS: [(&str, How); 3] = [("full", How::Full), ("name", How::Name), ("hash", How::Hash)];

/// What may stand in braces in `alert_url`.
const PLACEHOLDERS: [&str; 4] = ["alert_uid", "device_uid", "site_uid", "platform"];

/// Reads the section.
pub(crate) fn read(section: Section<'_>) -> EventsConfig {
    let severities = section.section("severities").map(severities).unwrap_or_default();
    let alerting = section.item("alerting").and_then(|item| item.parse_list(alerting_label)).map(Alerting);
    let (alerting, users) = (alerting.unwrap_or_default(), users(&section));
    let alert_url = section.parse("alert_url", |text| alert_url(text).map(|()| text.to_owned()));
    section.finish();
    EventsConfig { severities, alert_url, alerting, users }
}

/// A label that a finding can have.
fn alerting_label(text: &str) -> Result<&'static str, Bad> {
    values::word(text, &Alerting::LABELS.map(|label| (label, label)))
}

/// What events say of users. Hashes need a key: without one, whoever guesses a name could check it.
fn users(section: &Section<'_>) -> UsersConfig {
    let key = section.item("users_key").map(|item| item.secret());
    let Some(item) = section.item("users") else { return UsersConfig::Full };
    match item.parse(|text| values::word(text, &USERS)) {
        Some(How::Name) => UsersConfig::Name,
        Some(How::Hash) => match key {
            Some(key) => key.map_or(UsersConfig::Full, UsersConfig::Hash),
            None => {
                let hint = "for example users_key = { env = \"VINTNER_USERS_KEY\" }, 32 random characters or more";
                item.error("`users = \"hash\"` needs `users_key`", Some(hint));
                UsersConfig::Full
            }
        },
        Some(How::Full) | None => UsersConfig::Full,
    }
}

/// Severities by Datto's priority or an alert's class, in any case, or by kind of event. A priority may be any word, a class any with
/// its end: Datto may add some.
fn severities(section: Section<'_>) -> Overrides {
    let mut severities = BTreeMap::new();
    for (name, item) in section.entries() {
        let key = name.trim().to_lowercase();
        // A dot is for kinds of events only, so one that is misspelt is found.
        if key.is_empty() || (key.contains('.') && !EVENT_KEYS.contains(&key.as_str())) {
            let hint = format!(
                "a priority of Datto's, like critical, an alert's class, like ransomware{CLASS_END}, or one of {}",
                EVENT_KEYS.join(", ")
            );
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
