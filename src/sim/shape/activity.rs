//! Activity rows (datto-rmm-api.md section 10): dates in seconds, `details` as JSON text in a string.

use fastrand::Rng;
use serde_json::{Value, json};

use crate::sim::activity::{CustomRow, Row, Subject};
use crate::sim::dice::{Topic, chance, weighted};
use crate::sim::estate::{Device, Site};
use crate::sim::life::World;
use crate::sim::names;
use crate::sim::shape::details::{self, Facts, KINDS, Kind};

/// The three words that say what a row is; filters look at them too.
pub(crate) type Words<'a> = (&'a str, &'a str, &'a str);

/// Entity, category and action of a row.
pub(crate) fn words<'a>(world: &World, row: &'a Row) -> Words<'a> {
    match &row.subject {
        Subject::Drawn { .. } => {
            let (kind, _) = draw(world, row);
            (kind.entity, kind.category, kind.action)
        }
        Subject::AlertResolved { .. } => ("USER", "monitor", "resolve.alert"),
        Subject::DeviceMoved { .. } => ("DEVICE", "device", "move.device"),
        Subject::Custom(custom) => (&custom.entity, &custom.category, &custom.action),
    }
}

/// A row of the log as it is now.
pub(crate) fn row(world: &World, row: &Row) -> Value {
    let (entity, category, action) = words(world, row);
    let (_, mut rng) = draw(world, row);
    let device = device_of(world, row);
    let site = site_of(world, row);
    let facts = Facts {
        id: row.id.to_string(),
        number: row.number,
        date: row.date,
        person: person(world, row),
        listed: listed(world, row).into_iter().map(|device| (device.id, device.uid.as_str())).collect(),
        device: subject_device(world, row).map(|device| (device.id, device.uid.as_str(), device.hostname.as_str())),
        site: site.or_else(|| subject_site(world, row)).map(triple),
    };
    let by_system = entity == "DEVICE" && chance(&mut rng, 0.5);
    let user = json!({
        "id": facts.person.id,
        "userName": facts.person.login,
        "firstName": facts.person.first,
        "lastName": facts.person.last,
    });
    json!({
        "id": facts.id,
        "entity": entity,
        "category": category,
        "action": action,
        "date": row.date.0 as f64 / 1000.0,
        "site": site.map(|site| json!({"id": site.id, "name": site.name})),
        "deviceId": device.map(|device| device.id),
        "hostname": device.map(|device| &device.hostname),
        "user": given_user(row).unwrap_or(if by_system { Value::Null } else { user }),
        "details": details_text(world, row, &facts, &mut rng),
        "hasStdOut": category == "job" && chance(&mut rng, 0.4),
        "hasStdErr": category == "job" && chance(&mut rng, 0.1),
    })
}

/// The user that a test gave the row.
fn given_user(row: &Row) -> Option<Value> {
    match &row.subject {
        Subject::Custom(custom) => custom.user.clone(),
        Subject::Drawn { .. } | Subject::AlertResolved { .. } | Subject::DeviceMoved { .. } => None,
    }
}

/// The device that the row names, if it does.
pub(crate) fn device_of<'a>(world: &'a World, row: &Row) -> Option<&'a Device> {
    let named = match &row.subject {
        Subject::Drawn { device, .. } if words(world, row).0 == "DEVICE" => *device,
        Subject::Drawn { .. } | Subject::AlertResolved { .. } => None,
        Subject::DeviceMoved { device, .. } => Some(*device),
        Subject::Custom(custom) => custom.device,
    };
    world.estate.device(named?)
}

/// The site that the row names: rows about a device do, rows about staff mostly do not.
pub(crate) fn site_of<'a>(world: &'a World, row: &Row) -> Option<&'a Site> {
    let named = match &row.subject {
        Subject::Drawn { site, .. } => match words(world, row) {
            // What only a list names may be of several sites.
            ("USER", "device", "approved" | "delete" | "remove") => None,
            ("DEVICE", _, _) | ("USER", "site" | "device", _) => Some(*site),
            _ => None,
        },
        Subject::AlertResolved { .. } => None,
        Subject::DeviceMoved { to, .. } => Some(*to),
        Subject::Custom(custom) => custom.site,
    };
    world.estate.site(named?)
}

/// The device that the details speak of, also where the row itself names none.
fn subject_device<'a>(world: &'a World, row: &Row) -> Option<&'a Device> {
    match &row.subject {
        Subject::Drawn { device, .. } => world.estate.device((*device)?),
        Subject::AlertResolved { .. } | Subject::DeviceMoved { .. } | Subject::Custom(_) => device_of(world, row),
    }
}

/// The devices that a list in the details names, wherever they are: the row's own and up to three others.
fn listed<'a>(world: &'a World, row: &Row) -> Vec<&'a Device> {
    let Subject::Drawn { device: Some(first), .. } = row.subject else { return Vec::new() };
    let all = world.estate.devices.len();
    let mut rng = world.dice.roll(Topic::ActivityList, row.number);
    let others = (0..rng.usize(0..4)).map(|_| rng.usize(0..all.max(1))).collect::<Vec<_>>();
    let mut places = vec![first];
    for place in others {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places.into_iter().filter_map(|place| world.estate.device(place)).collect()
}

/// Uids of the devices that the details of the row list, if they list several.
pub(crate) fn listed_devices(world: &World, row: &Row) -> Vec<String> {
    let is_list =
        matches!(words(world, row), ("USER", "device", "approved" | "delete" | "remove") | ("USER", "job", "rerun"));
    let listed = if is_list { listed(world, row) } else { Vec::new() };
    let uids = listed.into_iter().map(|device| device.uid.clone()).collect::<Vec<_>>();
    if uids.len() > 1 { uids } else { Vec::new() }
}

fn subject_site<'a>(world: &'a World, row: &Row) -> Option<&'a Site> {
    match &row.subject {
        Subject::Drawn { site, .. } => world.estate.site(*site),
        Subject::AlertResolved { .. } | Subject::DeviceMoved { .. } | Subject::Custom(_) => None,
    }
}

/// The kind of a drawn row, and the generator for the rest of it.
fn draw(world: &World, row: &Row) -> (&'static Kind, Rng) {
    let mut rng = world.dice.roll(Topic::ActivityShape, row.number);
    let kind = weighted(&mut rng, KINDS, |kind| kind.weight).unwrap_or(&FALLBACK);
    (kind, rng)
}

/// Never drawn: the table is not empty.
const FALLBACK: Kind = Kind::plain("USER", "account", "login");

/// The staff member that the row names.
pub(crate) fn person(world: &World, row: &Row) -> names::Person {
    let resolver = match &row.subject {
        Subject::AlertResolved { alert } => world.resolution(*alert).in_portal_by,
        Subject::Drawn { .. } | Subject::DeviceMoved { .. } | Subject::Custom(_) => None,
    };
    resolver.unwrap_or_else(|| names::person(&mut world.dice.roll(Topic::Activity, row.number)))
}

fn details_text(world: &World, row: &Row, facts: &Facts<'_>, rng: &mut Rng) -> Value {
    let (entity, category, action) = words(world, row);
    let mut common = details::common(entity, category, action, facts, rng);
    match &row.subject {
        Subject::Drawn { .. } => {
            let (kind, _) = draw(world, row);
            let text = Value::Object(details::of_kind(kind, facts, rng)).to_string();
            return if chance(rng, world.options.oddity_share) { broken(&text, rng) } else { json!(text) };
        }
        Subject::AlertResolved { alert } => {
            let uid = world.alerts.get(*alert).map(|alert| alert.uid.to_string()).unwrap_or_default();
            let list = format!("[{uid}]");
            details::merge(
                &mut common,
                json!({"data.is_device_monitor": false, "data.monitor_id": row.number, "data.alert_uid_list": list}),
            );
        }
        Subject::DeviceMoved { from, to, .. } => {
            let site = |place: usize| world.estate.site(place).map(triple);
            details::merge(&mut common, details::move_between(site(*from), site(*to)));
            details::merge(&mut common, details::staff(facts, rng));
        }
        Subject::Custom(custom) => return custom_details(custom, common),
    }
    json!(Value::Object(common).to_string())
}

fn custom_details(custom: &CustomRow, common: serde_json::Map<String, Value>) -> Value {
    match &custom.details {
        Some(text) => json!(text),
        None => json!(Value::Object(common).to_string()),
    }
}

/// Details that do not parse, or are not there.
fn broken(text: &str, rng: &mut Rng) -> Value {
    match rng.u8(0..5) {
        0 => Value::Null,
        1 => json!(""),
        2 => json!(text.chars().take(text.chars().count() / 2).collect::<String>()),
        3 => json!("[1, 2, 3]"),
        _ => json!("note: not JSON at all \u{FFFD}"),
    }
}

fn triple(site: &Site) -> (i64, &str, &str) {
    (site.id, site.uid.as_str(), site.name.as_str())
}
