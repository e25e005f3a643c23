//! The keys that rows of one kind have besides the common ones.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use crate::sim::PLANTED;
use crate::sim::dice::pick;
use crate::sim::names;
use crate::sim::shape::details::{Facts, merge, move_between, staff};

fn site_name<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    facts.site.map(|(_, _, name)| name)
}

pub(crate) fn job(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    json!({
        "job.id": 7_000_000 + facts.number,
        "job.uid": format!("00000000-0000-4000-8000-{:012x}", facts.number),
        "job.name": pick(rng, &["Restart Spooler", "Windows Update – alle Clients", "Clear temp files"]),
        "job.status": pick(rng, &["active", "completed"]),
        "site.name": site_name(facts),
    })
}

pub(crate) fn job_deployment(facts: &Facts<'_>, rng: &mut Rng) -> Value {
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
pub(crate) fn job_create(facts: &Facts<'_>, rng: &mut Rng) -> Value {
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

pub(crate) fn remote(facts: &Facts<'_>, rng: &mut Rng) -> Value {
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
pub(crate) fn moved(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    let mut details = Map::new();
    merge(&mut details, staff(facts, rng));
    merge(&mut details, move_between(facts.site, facts.site));
    Value::Object(details)
}

pub(crate) fn patch(facts: &Facts<'_>, rng: &mut Rng) -> Value {
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

/// A run of patches, which does not always say how it went.
pub(crate) fn patch_run(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    let mut details = patch(facts, rng);
    if let Value::Object(map) = &mut details
        && rng.bool()
    {
        map.remove("patch_activity.success");
        map.remove("patch_activity.result");
    }
    details
}

/// A list as Datto writes it inside `details`: an array, or the JSON text of one.
fn list(values: Vec<Value>, rng: &mut Rng) -> Value {
    let list = Value::Array(values);
    if rng.bool() { list } else { json!(list.to_string()) }
}

/// Devices in a list, by id or by uid.
fn devices(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    let is_by_uid = rng.bool();
    let device = |(id, uid): &(i64, &str)| if is_by_uid { json!(uid) } else { json!(id) };
    list(facts.listed.iter().map(device).collect(), rng)
}

/// A row about devices that only a list names.
pub(crate) fn device_list(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    json!({"data.device_list": devices(facts, rng)})
}

/// A row about a job itself.
pub(crate) fn user_job(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    let mut details = Map::new();
    merge(&mut details, job(facts, rng));
    merge(&mut details, json!({"data.type": pick(rng, &["script", "application"])}));
    Value::Object(details)
}

/// A job that runs again on some devices.
pub(crate) fn job_rerun(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    let mut details = Map::new();
    merge(&mut details, user_job(facts, rng));
    let uids = facts.listed.iter().map(|(_, uid)| json!(uid)).collect();
    merge(&mut details, json!({"data.device_uids": list(uids, rng)}));
    Value::Object(details)
}

/// Jobs that are retired together.
pub(crate) fn job_retire(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    let ids = (0..=rng.u64(0..3)).map(|n| json!(7_000_000 + facts.number + n)).collect();
    json!({"data.retired_jobs_ids": list(ids, rng)})
}

pub(crate) fn login(_: &Facts<'_>, rng: &mut Rng) -> Value {
    json!({"data.source": pick(rng, &["web", "api", "sso"])})
}

pub(crate) fn settings(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    json!({
        "data.access_control": pick(rng, &["enabled", "disabled"]),
        "data.context": "account",
        "data.action": "update",
        "data.variable": format!("smtpPassword={PLANTED}-variable-{}", facts.number),
    })
}

pub(crate) fn user(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    let subject = names::person(rng);
    json!({"data.user_id": subject.id, "data.user_name": subject.login, "data.note": format!("by {}", facts.person.login)})
}

/// A new user, who may have roles from the start.
pub(crate) fn user_create(_: &Facts<'_>, rng: &mut Rng) -> Value {
    let given: &[&str] = match rng.u8(0..3) {
        0 => &[],
        1 => &["Technician"],
        _ => &["Administrator"],
    };
    user_with_roles(given, &[], "true", rng)
}

pub(crate) fn user_edit(_: &Facts<'_>, rng: &mut Rng) -> Value {
    let given: &[&str] = if rng.bool() { &["Administrator"] } else { &[] };
    let taken: &[&str] = if rng.bool() { &["Technician"] } else { &[] };
    let enabled = pick(rng, &["true", "false"]);
    user_with_roles(given, taken, enabled, rng)
}

fn user_with_roles(given: &[&str], taken: &[&str], enabled: &str, rng: &mut Rng) -> Value {
    let subject = names::person(rng);
    let mut roles = |roles: &[&str]| list(roles.iter().map(|role| json!(role)).collect(), rng);
    let (given, taken) = (roles(given), roles(taken));
    json!({
        "data.user_id": subject.id,
        "data.user_name": subject.login,
        "data.deleted_roles": taken,
        "data.new_roles": given,
        "data.user_email": subject.email(),
        "data.user_enabled": enabled,
        "data.user_firstname": subject.first,
        "data.user_lastname": subject.last,
    })
}

pub(crate) fn api_keys(_: &Facts<'_>, rng: &mut Rng) -> Value {
    json!({"data.for_user": names::person(rng).login})
}

pub(crate) fn monitor(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    json!({"data.is_device_monitor": rng.bool(), "data.monitor_id": facts.number, "data.policy_id": rng.u16(..).to_string()})
}

pub(crate) fn policy(facts: &Facts<'_>, _: &mut Rng) -> Value {
    json!({"data.policy_id": facts.number, "data.policy_name": "Server – Überwachung", "data.policy_uid": null})
}

/// A policy that is switched on or off.
pub(crate) fn policy_toggle(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    let mut details = Map::new();
    merge(&mut details, policy(facts, rng));
    merge(&mut details, json!({"data.active": pick(rng, &["true", "false"])}));
    Value::Object(details)
}

pub(crate) fn component(facts: &Facts<'_>, _: &mut Rng) -> Value {
    json!({
        "data.component_id": facts.number,
        "data.component_name": "Get-Secrets [WIN]",
        "data.component_uid": facts.id,
        "data.security_level": 5,
    })
}

pub(crate) fn device(facts: &Facts<'_>, _: &mut Rng) -> Value {
    json!({
        "data.device_id": facts.device.map(|device| device.0),
        "data.device_uid": facts.device.map(|device| device.1),
        "data.device_hostname": facts.device.map(|device| device.2),
        "data.site_id": facts.site.map(|site| site.0),
        "data.site_uid": facts.site.map(|site| site.1),
        "data.site_name": site_name(facts),
    })
}

pub(crate) fn device_edit(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    let mut details = Map::new();
    merge(&mut details, device(facts, rng));
    merge(&mut details, json!({"data.udf7": format!("{PLANTED}-edited-{}", facts.number)}));
    Value::Object(details)
}

pub(crate) fn site(facts: &Facts<'_>, _: &mut Rng) -> Value {
    json!({
        "data.site_id": facts.site.map(|site| site.0),
        "data.site_uid": facts.site.map(|site| site.1),
        "data.site_name": site_name(facts),
        "data.site_description": "",
    })
}

pub(crate) fn agent(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    json!({
        "data.device_id": facts.device.map(|device| device.0),
        "data.device_uid": facts.device.map(|device| device.1),
        "data.device_name": facts.device.map(|device| device.2),
        "data.direct": rng.bool(),
        "data.start": facts.date.0.saturating_sub(30_000),
        "data.end": facts.date.0,
    })
}

/// What a user does on a device by a remote tool, with the steps.
pub(crate) fn remote_tool(facts: &Facts<'_>, rng: &mut Rng) -> Value {
    let mut details = Map::new();
    merge(&mut details, agent(facts, rng));
    merge(&mut details, json!({"data.details": list(vec![json!("connect"), json!("disconnect")], rng)}));
    Value::Object(details)
}

pub(crate) fn filter(facts: &Facts<'_>, _: &mut Rng) -> Value {
    json!({"data.filter_id": facts.number, "data.filter_name": "Server ohne Patch"})
}

pub(crate) fn recipients(_: &Facts<'_>, rng: &mut Rng) -> Value {
    json!({"data.context": "site", "data.email_recipients": names::person(rng).email()})
}
