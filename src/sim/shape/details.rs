//! The `details` of activity rows: flat objects with dotted keys, as collected in datto-rmm-api.md section 10.1.

mod keys;

use fastrand::Rng;
use serde_json::{Map, Value, json};

use crate::clock::Millis;
use crate::sim::names::{self, Person};

/// What a row is about.
#[derive(Clone, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) id: String,
    pub(crate) number: u64,
    pub(crate) date: Millis,
    pub(crate) person: Person,
    /// Devices that a list names: id, uid.
    pub(crate) listed: Vec<(i64, &'a str)>,
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
    kind("DEVICE", "job", "deployment", 14, keys::job_deployment),
    kind("DEVICE", "job", "create", 6, keys::job_create),
    kind("DEVICE", "job", "note", 3, keys::job),
    kind("DEVICE", "remote", "chat", 2, keys::remote),
    kind("DEVICE", "remote", "jrto", 8, keys::remote),
    kind("DEVICE", "device", "move.device", 2, keys::moved),
    kind("DEVICE", "patch", "audit", 5, keys::patch),
    kind("DEVICE", "patch", "install", 4, keys::patch),
    kind("DEVICE", "patch", "run", 4, keys::patch_run),
    kind("USER", "account", "login", 12, keys::login),
    kind("USER", "account", "logout", 6, keys::login),
    kind("USER", "account", "change.settings", 2, keys::settings),
    kind("USER", "account", "update", 2, keys::settings),
    kind("USER", "user", "create", 2, keys::user_create),
    kind("USER", "user", "edit", 3, keys::user_edit),
    kind("USER", "user", "generate.api.keys", 1, keys::user),
    kind("USER", "authUser", "generate.api.keys", 1, keys::api_keys),
    kind("USER", "monitor", "create", 2, keys::monitor),
    kind("USER", "monitor", "edit", 2, keys::monitor),
    kind("USER", "policy", "create.and.push.changes", 1, keys::policy),
    kind("USER", "policy", "edit", 1, keys::policy),
    kind("USER", "policy", "edit.and.push.changes", 2, keys::policy),
    kind("USER", "policy", "toggle", 1, keys::policy_toggle),
    kind("USER", "policy", "delete", 1, keys::policy),
    kind("USER", "component", "add.from.comstore", 1, keys::component),
    kind("USER", "component", "create", 1, keys::component),
    kind("USER", "component", "update", 1, keys::component),
    kind("USER", "component", "delete", 1, keys::component),
    kind("USER", "device", "edit", 2, keys::device_edit),
    kind("USER", "device", "move.device", 1, keys::device),
    kind("USER", "device", "approved", 1, keys::device_list),
    kind("USER", "device", "delete", 1, keys::device_list),
    kind("USER", "device", "remove", 1, keys::device_list),
    kind("USER", "site", "create", 1, keys::site),
    kind("USER", "site", "edit", 1, keys::site),
    kind("USER", "site", "update", 1, keys::site),
    kind("USER", "site", "delete", 1, keys::site),
    kind("USER", "site", "change.settings", 1, keys::settings),
    kind("USER", "agent", "event", 1, keys::remote_tool),
    kind("USER", "agent", "file", 2, keys::remote_tool),
    kind("USER", "agent", "rs", 4, keys::remote_tool),
    kind("USER", "agent", "shot", 1, keys::remote_tool),
    kind("USER", "job", "create", 2, keys::user_job),
    kind("USER", "job", "edit", 1, keys::user_job),
    kind("USER", "job", "delete", 1, keys::user_job),
    kind("USER", "job", "rerun", 1, keys::job_rerun),
    kind("USER", "job", "retire", 1, keys::job_retire),
    kind("USER", "filter", "create", 1, keys::filter),
    kind("USER", "filter", "delete", 1, keys::filter),
    kind("USER", "branding", "push.changes", 1, keys::login),
    kind("USER", "email.recipient", "update", 1, keys::recipients),
    kind("USER", "web.remote", "rto", 4, keys::remote_tool),
    kind("USER", "web.remote.chat", "session", 1, keys::remote_tool),
    kind("DEVICE", "quantum", "entangle", 1, keys::job),
    kind("SYSTEM", "maintenance", "window.opened", 1, keys::settings),
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
