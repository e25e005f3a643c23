//! The `details` of activity rows: flat objects with dotted keys, as collected in datto-rmm-api.md section 10.1.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use crate::clock::Millis;
use crate::sim::dice::pick;
use crate::sim::names::{self, PLANTED, Person};

/// What a row is about.
#[derive(Clone, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) id: String,
    pub(crate) number: u64,
    pub(crate) date: Millis,
    pub(crate) person: Person,
    /// Id, uid, host name.
    pub(crate) device: Option<(i64, &'a str, &'a str)>,
    /// Id, uid, name.
    pub(crate) site: Option<(i64, &'a str, &'a str)>,
}

/// One row of the table: what it is, how often it occurs, its keys besides the common ones.
pub(crate) struct Kind {
    pub(crate) entity: &'static str,
    pub(crate) category: &'static str,
    pub(crate) action: &'static str,
    pub(crate) weight: u32,
    extra: fn(&Facts<'_>, &mut Rng) -> Value,
}

/// All rows of section 10.1, and two that no document knows.
pub(crate) const KINDS: &[Kind] = &[
    kind("DEVICE", "job", "deployment", 14, job_deployment),
    kind("DEVICE", "job", "create", 6, job_create),
    kind("DEVICE", "job", "note", 3, job),
    kind("DEVICE", "remote", "chat", 2, remote),
    kind("DEVICE", "remote", "jrto", 8, remote),
    kind("DEVICE", "device", "move.device", 2, moved),
    kind("DEVICE", "patch", "audit", 5, patch),
    kind("DEVICE", "patch", "install", 4, patch),
    kind("USER", "account", "login", 12, login),
    kind("USER", "account", "logout", 6, login),
    kind("USER", "account", "change.settings", 2, settings),
    kind("USER", "account", "update", 2, settings),
    kind("USER", "user", "create", 2, user),
    kind("USER", "user", "edit", 3, user_edit),
    kind("USER", "user", "generate.api.keys", 1, user),
    kind("USER", "authUser", "generate.api.keys", 1, api_keys),
    kind("USER", "monitor", "create", 2, monitor),
    kind("USER", "monitor", "edit", 2, monitor),
    kind("USER", "policy", "create.and.push.changes", 1, policy),
    kind("USER", "policy", "edit", 1, policy),
    kind("USER", "policy", "edit.and.push.changes", 2, policy),
    kind("USER", "policy", "toggle", 1, policy),
    kind("USER", "policy", "delete", 1, policy),
    kind("USER", "component", "add.from.comstore", 1, component),
    kind("USER", "component", "create", 1, component),
    kind("USER", "component", "update", 1, component),
    kind("USER", "component", "delete", 1, component),
    kind("USER", "device", "edit", 2, device_edit),
    kind("USER", "device", "move.device", 1, device),
    kind("USER", "device", "approved", 1, device),
    kind("USER", "device", "delete", 1, device),
    kind("USER", "device", "remove", 1, device),
    kind("USER", "site", "create", 1, site),
    kind("USER", "site", "edit", 1, site),
    kind("USER", "site", "update", 1, site),
    kind("USER", "site", "delete", 1, site),
    kind("USER", "site", "change.settings", 1, settings),
    kind("USER", "agent", "event", 1, agent),
    kind("USER", "agent", "file", 2, agent),
    kind("USER", "agent", "rs", 4, agent),
    kind("USER", "agent", "shot", 1, agent),
    kind("USER", "job", "create", 2, job),
    kind("USER", "job", "edit", 1, job),
    kind("USER", "job", "delete", 1, job),
    kind("USER", "job", "rerun", 1, job),
    kind("USER", "job", "retire", 1, job),
    kind("USER", "filter", "create", 1, filter),
    kind("USER", "filter", "delete", 1, filter),
    kind("USER", "branding", "push.changes", 1, login),
    kind("USER", "email.recipient", "update", 1, recipients),
    kind("USER", "web.remote", "rto", 4, login),
    kind("USER", "web.remote.chat", "session", 1, login),
    kind("DEVICE", "quantum", "entangle", 1, job),
    kind("SYSTEM", "maintenance", "window.opened", 1, settings),
];

const fn kind(
    entity: &'static str,
    category: &'static str,
    action: &'static str,
    weight: u32,
    extra: fn(&Facts<'_>, &mut Rng) -> Value,
) -> Kind {
    Kind { entity, category, action, weight, extra }
}

impl Kind {
    /// A kind with nothing but the common keys.
    pub(crate) const fn plain(entity: &'static str, category: &'static str, action: &'static str) -> Self {
        kind(entity, category, action, 0, |_, _| Value::Null)
    }
}

/// The details of a row of `kind`.
pub(crate) fn of_kind(kind: &Kind, facts: &Facts<'_>, rng: &mut Rng) -> Map<String, Value> {
    let mut details = common(kind.entity, kind.category, kind.action, facts, rng);
    merge(&mut details, (kind.extra)(facts, rng));
    details
}

/// The keys that all rows of an entity have.
pub(crate) fn common(
    entity: &str,
    category: &str,
    action: &str,
    facts: &Facts<'_>,
    rng: &mut Rng,
) -> Map<String, Value> {
    let mut details = Map::new();
    merge(&mut details, json!({"entity": entity, "event.category": category, "event.action": action, "uid": facts.id}));
    match (entity, facts.device) {
        ("DEVICE", Some((_, uid, hostname))) => {
            merge(&mut details, json!({"device.hostname": hostname, "device.uid": uid}));
        }
        _ => merge(&mut details, staff(facts, rng)),
    }
    details
}

/// Adds the keys of `more`, an object, to `details`.
pub(crate) fn merge(details: &mut Map<String, Value>, more: Value) {
    if let Value::Object(more) = more {
        details.extend(more);
    }
}

/// Who did it and from where.
pub(crate) fn staff(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    json!({
        "source.forwarded_ip": names::address(rng),
        "user.id": facts.person.id,
        "user.username": facts.person.login,
        "user.firstname": facts.person.first,
        "user.lastname": facts.person.last,
        "user.email": facts.person.email(),
    })
}

fn site_name<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    facts.site.map(|(_, _, name)| name)
}

fn job(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    json!({
        "job.id": 7_000_000 + facts.number,
        "job.uid": format!("00000000-0000-4000-8000-{:012x}", facts.number),
        "job.name": pick(rng, &["Restart Spooler", "Windows Update – alle Clients", "Clear temp files"]),
        "job.status": pick(rng, &["active", "completed"]),
        "site.name": site_name(facts),
    })
}

fn job_deployment(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    let mut details = Map::new();
    merge(&mut details, job(facts, rng));
    merge(
        &mut details,
        json!({
            "job.deployment_id": 9_000_000 + facts.number,
            "job.scheduled_job_id": facts.number.to_string(),
            "job.scheduled_job_uid": null,
            "note": pick(rng, &["Job deployed", "Exit code 1603\nsee stdout", ""]),
        }),
    );
    Value::Object(details)
}

/// The one row whose name keys are in camel case.
fn job_create(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    let mut details = Map::new();
    merge(&mut details, job(facts, rng));
    merge(
        &mut details,
        json!({
            "job.date_created": facts.date.0,
            "user.id": facts.person.id,
            "user.username": facts.person.login,
            "user.email": facts.person.email(),
            "user.firstName": facts.person.first,
            "user.lastName": facts.person.last,
        }),
    );
    Value::Object(details)
}

fn remote(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    let mut details = Map::new();
    merge(&mut details, staff(facts, rng));
    merge(
        &mut details,
        json!({
            "remote_session.id": facts.number,
            "remote_session.type": pick(rng, &["RDP", "SPLASHTOP", "WEB_REMOTE"]),
            "remote_session.start_date": facts.date.0.saturating_sub(60_000),
            "remote_session.details": [
                {"action": "connect", "detail": null, "name": "Splashtop"},
                {"action": "file.transfer", "detail": "C:\\Temp\\dump.zip", "name": "Datei"},
            ],
            "site.name": site_name(facts),
        }),
    );
    Value::Object(details)
}

/// A drawn move names the same site twice: nothing really moved.
fn moved(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    let mut details = Map::new();
    merge(&mut details, staff(facts, rng));
    merge(&mut details, move_between(facts.site, facts.site));
    Value::Object(details)
}

/// The keys of a move from one site to another; sites are id, uid, name.
pub(crate) fn move_between(from: Option<(i64, &str, &str)>, to: Option<(i64, &str, &str)>) -> Value {
    json!({
        "data.from_site_id": from.map(|site| site.0),
        "data.from_site_uid": from.map(|site| site.1),
        "data.from_site_name": from.map(|site| site.2),
        "data.to_site_id": to.map(|site| site.0),
        "data.to_site_uid": to.map(|site| site.1),
        "data.to_site_name": to.map(|site| site.2),
        "site.name": to.map(|site| site.2),
    })
}

fn patch(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    json!({
        "patch_activity.info": "KB5063878",
        "patch_activity.result": pick(rng, &["SUCCESS", "FAILURE"]),
        "patch_activity.run_date": facts.date.0,
        "patch_activity.success": rng.bool(),
        "patch_activity.action": "INSTALL",
        "patch_activity.from_cache": false,
        "patch_activity.patch_uid": format!("kb-{}", rng.u16(..)),
        "patch_activity.policy_uid": null,
        "patch_activity.patch_install_start": facts.date.0.saturating_sub(90_000).to_string(),
        "patch_activity.patch_install_end": facts.date.0.to_string(),
        "patch_update.id": rng.u32(..),
        "patch_update.uid": null,
        "patch_update.title": "2026-08 Cumulative Update for Windows 11",
        "patch_update.start_date": facts.date.0.saturating_sub(90_000),
        "patch_update.end_date": facts.date.0,
        "data.patch_audit": "{}",
        "site.name": site_name(facts),
        "source.forwarded_ip": names::address(rng),
    })
}

fn login(_: &Facts<'_>, rng: &mut Rng) -> Value {
    json!({"data.source": pick(rng, &["WEB", "API", "SSO"])})
}

fn settings(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    json!({
        "data.access_control": pick(rng, &["enabled", "disabled"]),
        "data.context": "account",
        "data.action": "update",
        "data.variable": format!("smtpPassword={PLANTED}-variable-{}", facts.number),
    })
}

fn user(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    let subject = names::person(rng);
    json!({"data.user_id": subject.id, "data.user_name": subject.login, "data.note": format!("by {}", facts.person.login)})
}

fn user_edit(_: &Facts<'_>, rng: &mut Rng) -> Value {
    let subject = names::person(rng);
    json!({
        "data.user_id": subject.id,
        "data.user_name": subject.login,
        "data.deleted_roles": "[\"Technician\"]",
        "data.new_roles": pick(rng, &["[\"Administrator\"]", "[]"]),
        "data.user_email": subject.email(),
        "data.user_enabled": rng.bool(),
        "data.user_firstname": subject.first,
        "data.user_lastname": subject.last,
    })
}

fn api_keys(_: &Facts<'_>, rng: &mut Rng) -> Value {
    json!({"data.for_user": names::person(rng).login})
}

fn monitor(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    json!({"data.is_device_monitor": rng.bool(), "data.monitor_id": facts.number, "data.policy_id": rng.u16(..).to_string()})
}

fn policy(facts: &Facts<'_>, _: &mut Rng) -> Value {
    json!({"data.policy_id": facts.number, "data.policy_name": "Server – Überwachung", "data.policy_uid": null})
}

fn component(facts: &Facts<'_>, _: &mut Rng) -> Value {
    json!({
        "data.component_id": facts.number,
        "data.component_name": "Get-Secrets [WIN]",
        "data.component_uid": facts.id,
        "data.security_level": 5,
    })
}

fn device(facts: &Facts<'_>, _: &mut Rng) -> Value {
    json!({
        "data.device_id": facts.device.map(|device| device.0),
        "data.device_uid": facts.device.map(|device| device.1),
        "data.device_hostname": facts.device.map(|device| device.2),
        "data.device_list": facts.device.map(|device| format!("[{}]", device.0)),
        "data.site_id": facts.site.map(|site| site.0),
        "data.site_uid": facts.site.map(|site| site.1),
        "data.site_name": site_name(facts),
    })
}

fn device_edit(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    let mut details = Map::new();
    merge(&mut details, device(facts, rng));
    merge(&mut details, json!({"data.udf7": format!("{PLANTED}-edited-{}", facts.number)}));
    Value::Object(details)
}

fn site(facts: &Facts<'_>, _: &mut Rng) -> Value {
    json!({
        "data.site_id": facts.site.map(|site| site.0),
        "data.site_uid": facts.site.map(|site| site.1),
        "data.site_name": site_name(facts),
        "data.site_description": "",
    })
}

fn agent(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    json!({
        "data.device_id": facts.device.map(|device| device.0),
        "data.device_uid": facts.device.map(|device| device.1),
        "data.device_name": facts.device.map(|device| device.2),
        "data.direct": rng.bool(),
        "data.start": facts.date.0.saturating_sub(30_000),
        "data.end": facts.date.0,
    })
}

fn filter(facts: &Facts<'_>, _: &mut Rng) -> Value {
    json!({"data.filter_id": facts.number, "data.filter_name": "Server ohne Patch"})
}

fn recipients(_: &Facts<'_>, rng: &mut Rng) -> Value {
    json!({"data.context": "site", "data.email_recipients": names::person(rng).email()})
}
