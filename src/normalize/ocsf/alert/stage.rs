//! Where an alert is in its life (event-schema.md section 6, the table of Create, Update and Close).

use crate::normalize::json::fields::Fields;
use crate::normalize::notes::Notes;
use crate::normalize::ocsf::captions;
use crate::normalize::ocsf::choice::{Choice, Text};
use crate::normalize::ocsf::scope::Scope;
use crate::record::Marker;

/// Where an alert is in its life, and the times that follow from it.
pub(super) struct Stage<'a> {
    pub(super) activity: Choice<'a>,
    pub(super) status: Choice<'a>,
    pub(super) time: i64,
    pub(super) started: Option<i64>,
    pub(super) ended: Option<i64>,
    pub(super) detail: Option<String>,
    /// What a message begins with.
    pub(super) prefix: &'static str,
    pub(super) original_time: Option<Text<'a>>,
}

impl<'a> Stage<'a> {
    /// The stage that the record's marker names; takes the times from the alert.
    pub(super) fn of(scope: &Scope<'a>, alert: &mut Fields<'a>, notes: &mut Notes) -> Self {
        let (activities, statuses) = (captions::DETECTION_FINDING.activities, captions::DETECTION_FINDING.statuses);
        let polled = scope.polled_at();
        let told_at = alert.copy("timestamp", notes);
        let opened = alert.take_time("timestamp", notes);
        let new = Choice::of(statuses, 1);
        let open = Stage {
            activity: Choice::of(activities, 1),
            status: new.clone(),
            time: opened.unwrap_or(polled),
            started: opened,
            ended: None,
            detail: None,
            prefix: "",
            original_time: told_at,
        };
        match &scope.envelope.marker {
            Marker::Update(..) => {
                let changed = scope.envelope.changed.join(", ");
                let detail = (!changed.is_empty()).then_some(changed);
                Stage { activity: Choice::of(activities, 2), time: polled, detail, prefix: "Updated: ", ..open }
            }
            Marker::Resolved(_) => {
                let token = alert.copy("resolvedOn", notes);
                let ended = alert.take_time("resolvedOn", notes);
                let by = alert.copy("resolvedBy", notes).map(|by| format!("Resolved by {by}"));
                Stage {
                    activity: Choice::of(activities, 3),
                    status: Choice::of(statuses, 4),
                    time: ended.unwrap_or(polled),
                    ended,
                    detail: by,
                    prefix: "Resolved: ",
                    original_time: token.filter(|_| ended.is_some()).or(open.original_time),
                    ..open
                }
            }
            Marker::Vanished(_) => Stage {
                activity: Choice::of(activities, 3),
                status: Choice::other(Text::Borrowed("Vanished")),
                time: polled,
                detail: Some("gone from both lists".to_owned()),
                prefix: "Vanished: ",
                ..open
            },
            Marker::Open
            | Marker::Once
            | Marker::Derived(_)
            | Marker::Item(..)
            | Marker::Posture(..)
            | Marker::Own(..) => open,
        }
    }
}
