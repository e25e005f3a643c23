//! What kind of event it is: `event.kind`, `category`, `type`, `action` and `outcome` (event-schema.md section 13, second table).

use std::borrow::Cow;

use super::evidence;
use crate::normalize::ocsf::choice::{OTHER, Text};
use crate::normalize::ocsf::class::{Body, EntityManagement, Finding, Tunnel};
use crate::normalize::ocsf::event::OcsfEvent;

/// The fields that categorize an event; ECS fixes their values.
pub(super) struct Kind<'e> {
    pub(super) kind: &'static str,
    pub(super) category: &'static [&'static str],
    pub(super) types: &'static [&'static str],
    pub(super) action: Cow<'e, str>,
    pub(super) outcome: Option<&'static str>,
}

/// Kind, categories and types of a record that was acted on or happened.
type Row = (&'static str, &'static [&'static str], &'static [&'static str]);

impl<'e> Kind<'e> {
    /// `action` is the record's own word for what was done, if it has one.
    pub(super) fn of(event: &'e OcsfEvent<'_>, action: Option<Text<'e>>) -> Self {
        let action = action.unwrap_or_else(|| Cow::Owned(hyphenated(&event.activity_name)));
        let inventory = |name: &str| Cow::Owned(format!("{name}-inventory"));
        let (row, action): (Row, _) = match &event.body {
            Body::Finding(body) => (finding(event.activity_id, body), Cow::Borrowed(alert_action(event))),
            Body::Authentication(_) => authentication(event.activity_id),
            Body::AccountChange(_) => (("event", &["iam"], account_change(event.activity_id)), action),
            Body::UserAccess(_) => (("event", &["iam"], &["user", "change"]), action),
            Body::EntityManagement(body) => (entity(event.activity_id, body), action),
            Body::JobActivity(_) => (job(event.activity_id), Cow::Owned(format!("job-{action}"))),
            Body::Tunnel(body) => (session(event.activity_id), remote(body)),
            Body::PatchState(_) => (("event", &["package"], &["installation"]), action),
            Body::Device(_) => (("asset", &["host"], &["info"]), inventory("device")),
            Body::CloudResources(_) => (("asset", &["configuration"], &["info"]), inventory("site")),
            Body::User(_) => (("asset", &["iam"], &["info"]), inventory("user")),
            Body::Software(_) => (("asset", &["package"], &["info"]), inventory("software")),
            Body::ConfigState(_) => (("event", &["host", "configuration"], &["change"]), "posture-changed".into()),
            // Nothing is known of it but that it came.
            Body::Base(_) => (("event", &[], &[]), action),
        };
        let (kind, category, types) = row;
        Self { kind, category, types, action, outcome: outcome(event) }
    }
}

fn alert_action(event: &OcsfEvent<'_>) -> &'static str {
    match event.activity_id {
        1 => "alert-created",
        2 => "alert-updated",
        _ if event.status_id == Some(OTHER) => "alert-vanished",
        _ => "alert-resolved",
    }
}

fn finding(activity: u32, finding: &Finding<'_>) -> Row {
    let category = finding_category(finding);
    let kind = if finding.is_alert { "alert" } else { "event" };
    let types: &[&str] = if activity == 1 && category == ["package"] { package_change(finding) } else { &["info"] };
    (kind, category, types)
}

/// By what the monitor looks at; these are the texts of `finding_info.types` in the table of monitors.
fn finding_category(finding: &Finding<'_>) -> &'static [&'static str] {
    let info = &finding.finding_info;
    let is_about = |kind: &str| info.types.contains(&kind);
    match info.analytic.name.as_ref() {
        _ if is_about("Malware") => &["malware"],
        _ if is_about("Threat") => &["intrusion_detection"],
        // An installation that failed, not a weakness that a scanner found.
        _ if is_about("Patch") => &["package"],
        _ if is_about("Software change") => &["package"],
        _ if is_about("File system") => &["file"],
        _ if is_about("SNMP") => &["network"],
        "Process status monitor" | "Process usage monitor" => &["process"],
        "Ping monitor" | "Network monitor" => &["network"],
        _ => &["host"],
    }
}

fn package_change(finding: &Finding<'_>) -> &'static [&'static str] {
    let action = evidence::scalar(&finding.evidences, "actionType").unwrap_or_default();
    match action.to_ascii_uppercase().as_str() {
        "INSTALLED" => &["installation"],
        "UNINSTALLED" => &["deletion"],
        "VERSION_CHANGED" => &["change"],
        _ => &["info"],
    }
}

fn authentication<'e>(activity: u32) -> (Row, Cow<'e, str>) {
    let (types, action): (&[&str], _) = if activity == 1 { (&["start"], "login") } else { (&["end"], "logout") };
    (("event", &["authentication"], types), action.into())
}

fn account_change(activity: u32) -> &'static [&'static str] {
    match activity {
        1 => &["user", "creation"],
        6 => &["user", "deletion"],
        _ => &["user", "change"],
    }
}

fn entity(activity: u32, body: &EntityManagement<'_>) -> Row {
    let types: &[&str] = match activity {
        1 => &["creation"],
        2 => &["access"],
        4 => &["deletion"],
        3 | 5..=13 => &["change"],
        _ => &["info"],
    };
    // ECS has no creation or deletion of a host.
    let is_host = body.entity.device.is_some() && !matches!(activity, 1 | 4);
    let category: &[&str] = if is_host { &["configuration", "host"] } else { &["configuration"] };
    ("event", category, types)
}

fn job(activity: u32) -> Row {
    match activity {
        1 => ("event", &["configuration"], &["creation"]),
        6 => ("event", &["host"], &["start"]),
        _ => ("event", &["host"], &["change"]),
    }
}

fn session(activity: u32) -> Row {
    let types: &[&str] = if activity == 2 { &["end"] } else { &["start"] };
    ("event", &["session"], types)
}

fn remote<'e>(body: &Tunnel<'_>) -> Cow<'e, str> {
    format!("remote-{}", body.tunnel_type).into()
}

/// Of what was done. An alert's status is no outcome.
fn outcome(event: &OcsfEvent<'_>) -> Option<&'static str> {
    if matches!(event.body, Body::Finding(_)) {
        return None;
    }
    Some(match event.status_id? {
        1 => "success",
        2 => "failure",
        _ => "unknown",
    })
}

/// `Assign Privileges` as `assign-privileges`.
fn hyphenated(caption: &str) -> String {
    caption.to_lowercase().replace(' ', "-")
}
