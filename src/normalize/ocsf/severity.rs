//! Severity from Datto's priority, and the operator's overrides of it (event-schema.md section 4).

use std::collections::BTreeMap;

use super::captions;
use super::choice::{Choice, OTHER, Text};

/// Severity ids that an operator puts in place of the defaults: by Datto's priority in lower case (`critical`, `high`,
/// `moderate`, `low`, `information`, `unknown`, or a word of their own), or by one of [`EVENT_KEYS`]. Ids are OCSF's, 0 to 6.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides(pub BTreeMap<String, u8>);

/// Keys of [`Overrides`] besides priorities: an activity, a failed one, an inventory item, a device that came to be at risk,
/// one that is secure again, what vintner tells of itself.
pub const EVENT_KEYS: [&str; 6] =
    ["activity", "activity.failed", "inventory", "posture.at_risk", "posture.secure", "vintner"];

/// Severity and, for the profile `incident`, priority.
pub(crate) struct Ranked<'a> {
    pub(crate) severity: Choice<'a>,
    pub(crate) priority: Choice<'a>,
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
}
