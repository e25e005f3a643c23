//! Severity from Datto's priority, and the operator's overrides of it (event-schema.md section 4).

use std::collections::BTreeMap;

use super::captions;
use super::choice::{Choice, OTHER, Text};

/// Severity ids that an operator puts in place of the defaults: by Datto's priority in lower case (`critical`, `high`,
/// `moderate`, `low`, `information`, `unknown`, or a word of their own), or by one of [`EVENT_KEYS`]. Ids are OCSF's, 0 to 6.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides(pub BTreeMap<String, u8>);

/// Keys of [`Overrides`] besides priorities and alert classes: an activity, a failed one, an inventory item, a device that came to
/// be at risk by its antivirus, patches, or a reboot that it waits for, at risk by any of them, one that is secure again, vintner's
/// own events.
pub const EVENT_KEYS: [&str; 9] = [
    "activity",
    "activity.failed",
    "inventory",
    "posture.antivirus",
    "posture.at_risk",
    "posture.patch",
    "posture.reboot",
    "posture.secure",
    "vintner",
];
/// How the name of an alert class ends (`ransomware_ctx`), which is another key of [`Overrides`].
pub const CLASS_END: &str = "_ctx";

/// Severity and, for the profile `incident`, priority.
pub(crate) struct Ranked<'a> {
    pub(crate) severity: Choice<'a>,
    pub(crate) priority: Choice<'a>,
}

/// Ranks an alert by what the operator says of its class, else by Datto's word.
pub(crate) fn of_alert<'a>(word: Option<Text<'a>>, class: Option<&str>, overrides: &Overrides) -> Ranked<'a> {
    let mut ranked = of_priority(word, overrides);
    let of_class = || overrides.0.get(&class?.trim().to_lowercase());
    if let Some(severity) = (!overrides.0.is_empty()).then(of_class).flatten() {
        ranked.severity = Choice::of(captions::SEVERITY, u32::from(*severity));
    }
    ranked
}

/// Ranks an alert by Datto's word.
pub(crate) fn of_priority<'a>(word: Option<Text<'a>>, overrides: &Overrides) -> Ranked<'a> {
    let word = word.unwrap_or(Text::Borrowed("Unknown"));
    let name = word.trim().to_lowercase();
    let (severity, priority) = match name.as_str() {
        "critical" => (5, 4),
        "high" => (4, 3),
        "moderate" | "medium" => (3, 2),
        "low" => (2, 1),
        "information" | "informational" => (1, OTHER),
        "unknown" => (0, 0),
        _ => (OTHER, OTHER),
    };
    let severity = overrides.0.get(&name).map_or(severity, |id| u32::from(*id));
    Ranked {
        severity: choose(captions::SEVERITY, severity, &word),
        priority: choose(captions::PRIORITY, priority, &word),
    }
}

/// The severity id of an alert by Datto's word, for filters (`min_priority`). 0 and 99 are no rank.
pub fn id_of_priority(word: Option<&str>) -> u8 {
    let ranked = of_priority(word.map(Text::from), &Overrides::default());
    u8::try_from(ranked.severity.id).unwrap_or(0)
}

/// The severity of a device that came to be at risk: of its aspect, else of any aspect.
pub(crate) fn of_risk(aspect: &str, overrides: &Overrides) -> Choice<'static> {
    // A missing patch is this month's work; a device without antivirus is open now.
    let default = if aspect == "antivirus" { 3 } else { 2 };
    let by_key = |key: &str| overrides.0.get(key).copied();
    let severity = by_key(&format!("posture.{aspect}")).or_else(|| by_key("posture.at_risk"));
    Choice::of(captions::SEVERITY, severity.map_or(default, u32::from))
}

/// The severity of anything but an alert; `key` is one of [`EVENT_KEYS`].
pub(crate) fn of_event(key: &str, default: u32, overrides: &Overrides) -> Choice<'static> {
    Choice::of(captions::SEVERITY, overrides.0.get(key).map_or(default, |id| u32::from(*id)))
}

fn choose<'a>(captions: captions::Captions, id: u32, word: &Text<'a>) -> Choice<'a> {
    if id == OTHER { Choice::other(word.clone()) } else { Choice::of(captions, id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_by_datto_s_words_in_any_case() {
        let cases = [
            ("Critical", 5, "Critical", 4),
            ("HIGH", 4, "High", 3),
            ("Moderate", 3, "Medium", 2),
            ("medium", 3, "Medium", 2),
            ("low", 2, "Low", 1),
            ("Information", 1, "Informational", 99),
            ("Informational", 1, "Informational", 99),
            ("Unknown", 0, "Unknown", 0),
            ("Urgent", 99, "Urgent", 99),
        ];
        for (word, id, caption, priority) in cases {
            let ranked = of_priority(Some(word.into()), &Overrides::default());
            assert_eq!(
                (ranked.severity.id, ranked.severity.caption.as_ref(), ranked.priority.id),
                (id, caption, priority)
            );
        }
        let absent = of_priority(None, &Overrides::default());
        assert_eq!((absent.severity.id, absent.priority.id), (0, 0));
    }

    #[test]
    fn an_operator_s_choice_wins() {
        let overrides = Overrides(BTreeMap::from([("low".into(), 1), ("urgent".into(), 6), ("activity".into(), 0)]));
        assert_eq!(of_priority(Some("Low".into()), &overrides).severity.caption, "Informational");
        assert_eq!(of_priority(Some("Urgent".into()), &overrides).severity.caption, "Fatal");
        assert_eq!(of_event("activity", 1, &overrides).id, 0);
        assert_eq!(of_event("activity.failed", 2, &overrides).id, 2);
    }

    #[test]
    fn a_class_wins_over_a_priority_and_an_aspect_over_all_aspects() {
        let keys = [("ransomware_ctx", 5), ("low", 1), ("posture.at_risk", 4), ("posture.patch", 1)];
        let overrides = Overrides(keys.map(|(key, id)| (key.to_owned(), id)).into());
        let of = |class| of_alert(Some("Low".into()), Some(class), &overrides).severity.id;
        assert_eq!((of("RANSOMWARE_CTX"), of("ping_ctx")), (5, 1));
        // The priority of the incident stays Datto's.
        assert_eq!(of_alert(Some("Low".into()), Some("ransomware_ctx"), &overrides).priority.id, 1);
        let risk = |aspect| of_risk(aspect, &overrides).id;
        assert_eq!((risk("patch"), risk("antivirus"), risk("reboot")), (1, 4, 4));
        let plain = |aspect| of_risk(aspect, &Overrides::default()).id;
        assert_eq!((plain("patch"), plain("antivirus"), plain("reboot")), (2, 3, 2));
    }
}
