//! Everything else that administrators do → Entity Management 3004, which takes any console action.

use super::row::{Row, present};
use super::{start, wording, work};
use crate::normalize::json::list;
use crate::normalize::notes::Notes;
use crate::normalize::number;
use crate::normalize::ocsf::captions;
use crate::normalize::ocsf::choice::{Choice, OTHER, Text};
use crate::normalize::ocsf::class::{Body, EntityManagement};
use crate::normalize::ocsf::event::Draft;
use crate::normalize::ocsf::object::device::Device;
use crate::normalize::ocsf::object::identity::{Entity, Named, Organization};
use crate::normalize::ocsf::object::metadata::Tag;
use crate::normalize::ocsf::object::observable::{Observables, Pivot};
use crate::normalize::ocsf::scope::{DeviceNames, Scope};
use crate::org::directory::Decision;
use crate::record::place::SiteRef;

/// `type_id`s of a managed entity.
const DEVICE: u32 = 1;
const USER: u32 = 2;
const GROUP: u32 = 3;
const ORGANIZATION: u32 = 4;
const POLICY: u32 = 5;

/// `activity_id`s of Entity Management.
const UPDATE: u32 = 3;
const ENABLE: u32 = 8;
const DISABLE: u32 = 9;

/// The jobs that a row retires.
const RETIRED_JOBS: &str = "data.retired_jobs_ids";

/// A device moved from one site to another; needs the device. The event is the old owner's.
pub(super) fn device_move<'a>(row: &mut Row<'a>, scope: &mut Scope<'a>, notes: &mut Notes) -> Option<Draft<'a>> {
    let names = row.device_names(notes);
    let mut device = scope.device(names.clone());
    if !device.is_identified() {
        return None;
    }
    row.drop_device(&names);
    let who = row.who();
    let from = Site::read(row, "data.from_site_", notes);
    let to = Site::read(row, "data.to_site_", notes);
    let org = scope.org();
    let from_org = Organization {
        ou_uid: from.uid.clone().or_else(|| org.ou_uid.clone()),
        ou_name: from.name.clone().or_else(|| org.ou_name.clone()),
        ..org
    };
    let message = format!(
        "{who} moved device {} from site {} to {}",
        wording::named(device.hostname.as_deref().or(device.uid.as_deref()).unwrap_or_default()),
        wording::named(from_org.ou_name.as_deref().or(from_org.ou_uid.as_deref()).unwrap_or("unknown")),
        wording::named(to.name.as_deref().or(to.uid.as_deref()).unwrap_or("unknown")),
    );
    from.drop_repeats(row, "data.from_site_");
    device.org = Some(from_org);
    // An organization that is not known cannot be named: what the record says of the site then stays in the details.
    let entity_result = to.owner(scope).map(|org| {
        to.drop_repeats(row, "data.to_site_");
        device_entity(Device { org: Some(org), ..device.clone() })
    });
    let tag = to.reference().and_then(|site| scope.moved_to(&site));
    let activity = Choice::of(captions::ENTITY_MANAGEMENT.activities, 5);
    let mut draft = manage(row, scope, activity, device_entity(device), entity_result, notes);
    draft.message = message;
    draft.tags.extend(tag);
    Some(draft)
}

/// Any other action on anything.
pub(super) fn managed<'a>(row: &mut Row<'a>, scope: &mut Scope<'a>, notes: &mut Notes) -> Option<Draft<'a>> {
    let who = row.who();
    let (category, action) = (row.record.copy("category", notes)?, row.action(notes));
    let resolves = row.is_user() && row.category == "monitor" && row.tokens == ["resolve", "alert"];
    if resolves {
        return Some(resolved_alerts(row, scope, &who, notes));
    }
    let activity = match activity(row) {
        Some(known) => Choice::of(captions::ENTITY_MANAGEMENT.activities, known),
        None => Choice::other(action),
    };
    let devices = row.listed_devices();
    let retired = row.details.get(RETIRED_JOBS).map(list::ids).unwrap_or_default();
    // Read before the entity takes it.
    let job_uid = job_uid(row, notes);
    let mut entity = entity(row, scope, &category, notes);
    if let ([one], None) = (retired.as_slice(), &entity.uid) {
        entity.uid = Some(notes.limit(Text::Owned(one.clone())));
    }
    let is_of_account = matches!((&entity.org, entity.type_id), (Some(_), ORGANIZATION)) && row.category == "account";
    let about = entity.name.as_deref().or(entity.uid.as_deref()).filter(|_| !is_of_account);
    let message = if devices.len() > 1 && row.part.is_none() {
        wording::devices(row, &who, about, &devices)
    } else if retired.len() > 1 {
        format!("{who} retired {} jobs", retired.len())
    } else if row.category == "patch" {
        work::patch_sentence(row, about)
    } else {
        wording::managed(row, &who, about)
    };
    identify(&mut entity, scope);
    let job_type = job_type(row, notes);
    let mut draft = manage(row, scope, activity, entity, None, notes);
    draft.message = message;
    draft.correlation_uid = job_uid;
    draft.tags.extend(job_type);
    let count = [devices.len(), retired.len()].into_iter().max().filter(|count| *count > 1);
    draft.count = count.and_then(|count| i32::try_from(count).ok());
    if row.category == "patch" {
        (draft.status_detail, draft.status_code) = work::patch_outcome(row, notes);
    }
    Some(draft)
}

/// The activity that the words of the action stand for.
fn activity(row: &Row<'_>) -> Option<u32> {
    let known = |token: &String| verb(token).or_else(|| present(token).find_map(verb));
    match (row.tokens.iter().find_map(known)?, row.category.as_str()) {
        // Two-factor log-in of the whole account: the account itself goes on.
        (ENABLE | DISABLE, "account") if row.has_token(&["2fa", "mfa", "totp"]) => Some(UPDATE),
        (_, _) if row.tokens == ["toggle"] => match row.details.flag("data.active") {
            Some(true) => Some(ENABLE),
            Some(false) => Some(DISABLE),
            None => Some(UPDATE),
        },
        (known, _) => Some(known),
    }
}

/// The job of a row about jobs: the events of its runs have the same.
fn job_uid<'a>(row: &Row<'a>, notes: &mut Notes) -> Option<Text<'a>> {
    let keys = ["job.uid", "data.job_uid"];
    keys.iter().filter(|_| row.category == "job").find_map(|key| row.details.copy(key, notes))
}

/// What a job runs, which only rows about the job itself say.
fn job_type<'a>(row: &mut Row<'a>, notes: &mut Notes) -> Option<Tag<'a>> {
    let value = if row.category == "job" { row.details.take_text("data.type", notes) } else { None };
    value.map(|value| Tag { name: Text::Borrowed("datto.job_type"), value })
}

/// Who closed an alert in the portal: joined to the finding that it closed, where it is one.
fn resolved_alerts<'a>(row: &mut Row<'a>, scope: &Scope<'a>, who: &str, notes: &mut Notes) -> Draft<'a> {
    let uids = row.details.get("data.alert_uid_list").map(list::ids).unwrap_or_default();
    let first = uids.first().map(|uid| notes.limit(Text::Owned(uid.clone())));
    let mut entity = Entity::of(Choice::other(Text::Borrowed("alert")));
    entity.uid = first.clone();
    identify(&mut entity, scope);
    let message = match uids.as_slice() {
        [] => format!("{who} resolved alerts"),
        [uid] => format!("{who} resolved alert {uid}"),
        many => format!("{who} resolved {} alerts", many.len()),
    };
    let activity = Choice::other(row.action(notes));
    let mut draft = manage(row, scope, activity, entity, None, notes);
    draft.message = message;
    draft.count = i32::try_from(uids.len()).ok().filter(|count| *count > 1);
    draft.correlation_uid = first.filter(|_| uids.len() == 1);
    draft
}

/// The draft of an action on `entity`, with who did it and from where.
fn manage<'a>(
    row: &mut Row<'a>,
    scope: &Scope<'a>,
    activity: Choice<'a>,
    entity: Entity<'a>,
    entity_result: Option<Entity<'a>>,
    notes: &mut Notes,
) -> Draft<'a> {
    let actor = row.take_actor(scope, notes);
    let src_endpoint = row.take_source(notes);
    let mut observables = Observables::default();
    if let Some(device) = &entity.device {
        observables.add("entity.device.hostname", Pivot::Hostname, device.hostname.as_ref());
        observables.add("entity.device.ip", Pivot::Ip, device.ip.as_ref());
        observables.add("entity.device.uid", Pivot::DeviceUid, device.uid.as_ref());
    }
    actor.iter().for_each(|actor| observables.add_actor(&actor.user));
    observables.add_source(src_endpoint.as_ref());
    let body = Body::EntityManagement(Box::new(EntityManagement { entity, entity_result, actor, src_endpoint }));
    let mut draft = start(row, scope, &captions::ENTITY_MANAGEMENT, activity, body);
    draft.observables = observables;
    draft
}

/// What was acted on, by its category; the device of the row, if the row names nothing else.
fn entity<'a>(row: &mut Row<'a>, scope: &Scope<'a>, category: &Text<'a>, notes: &mut Notes) -> Entity<'a> {
    let kind = match row.category.as_str() {
        "device" => DEVICE,
        "user" | "authuser" => USER,
        "filter" | "group" => GROUP,
        name if name.contains("security") && name.contains("level") => GROUP,
        "site" | "account" => ORGANIZATION,
        "policy" | "monitor" => POLICY,
        _ => OTHER,
    };
    let is_of_device = kind == DEVICE || matches!(row.category.as_str(), "agent" | "patch");
    if let Some(device) = is_of_device.then(|| device(row, scope, notes)).flatten() {
        return device;
    }
    let choice = if kind == OTHER { Choice::other(category.clone()) } else { Choice::of(captions::ENTITY, kind) };
    let mut entity = Entity::of(choice);
    let key = row.category.clone();
    let keys = [
        &format!("data.{key}_uid"),
        &format!("data.{key}_id"),
        "data.uid",
        "data.id",
        &format!("{key}.uid"),
        &format!("{key}.id"),
    ];
    entity.uid = first(row, &keys, notes);
    entity.name = first(row, &[&format!("data.{key}_name"), "data.name", &format!("{key}.name")], notes);
    let named = Named { uid: entity.uid.clone(), name: entity.name.clone() };
    if named.uid.is_some() || named.name.is_some() {
        match kind {
            USER => entity.user = Some(Box::new(scope.portal_user(named.uid, named.name))),
            GROUP => entity.group = Some(named),
            ORGANIZATION => entity.org = Some(named),
            POLICY => entity.policy = Some(named),
            _ => {}
        }
        return entity;
    }
    if row.category == "account" || (kind == DEVICE && row.listed_devices().len() > 1) {
        let Organization { uid, name, .. } = scope.msp();
        if row.category == "account" {
            (entity.uid, entity.name) = (uid.clone(), name.clone());
        }
        entity.org = Some(Named { uid, name });
        return entity;
    }
    let other = if kind == OTHER { device(row, scope, notes) } else { None };
    other.unwrap_or(entity)
}

/// The device that the row names.
fn device<'a>(row: &mut Row<'a>, scope: &Scope<'a>, notes: &mut Notes) -> Option<Entity<'a>> {
    let names = row.device_names(notes);
    let device = scope.device(names.clone());
    if device.is_identified() {
        row.drop_device(&names);
        return Some(device_entity(device));
    }
    // Known by its number alone: no OCSF device, but an entity.
    let id = names.id?;
    let mut entity = Entity::of(Choice::of(captions::ENTITY, DEVICE));
    row.drop_device(&DeviceNames { id: Some(id.clone()), ..DeviceNames::default() });
    entity.uid = Some(id);
    Some(entity)
}

/// OCSF asks for some name of an entity: the id of the record stands for one that the record does not name.
fn identify<'a>(entity: &mut Entity<'a>, scope: &Scope<'a>) {
    let parts = [
        entity.device.is_some(),
        entity.user.is_some(),
        entity.group.is_some(),
        entity.org.is_some(),
        entity.policy.is_some(),
    ];
    if entity.uid.is_none() && entity.name.is_none() && !parts.contains(&true) {
        entity.uid = Some(Text::Borrowed(&scope.envelope.native_id));
    }
}

fn device_entity(device: Device<'_>) -> Entity<'_> {
    let mut entity = Entity::of(Choice::of(captions::ENTITY, DEVICE));
    entity.uid = device.uid.clone();
    entity.name = device.hostname.clone();
    entity.device = Some(Box::new(device));
    entity
}

/// Takes the first of these details that is there.
fn first<'a>(row: &mut Row<'a>, keys: &[&str], notes: &mut Notes) -> Option<Text<'a>> {
    keys.iter().find_map(|key| row.details.take_id(key, notes))
}

/// The activity that a word of the action stands for.
fn verb(token: &str) -> Option<u32> {
    let id = match token {
        "create" | "add" | "new" | "import" => 1,
        "view" | "read" | "export" | "download" => 2,
        "edit" | "update" | "change" | "set" | "toggle" | "rename" | "push" => UPDATE,
        "delete" | "remove" | "retire" | "uninstall" => 4,
        "move" => 5,
        "approve" | "enroll" => 6,
        "unenroll" => 7,
        "enable" => ENABLE,
        "disable" => DISABLE,
        "activate" => 10,
        "deactivate" => 11,
        "suspend" | "pause" => 12,
        "resume" => 13,
        _ => return None,
    };
    Some(id)
}

/// A site as a move names it.
struct Site<'a> {
    uid: Option<Text<'a>>,
    id: Option<Text<'a>>,
    name: Option<Text<'a>>,
}

impl<'a> Site<'a> {
    fn read(row: &Row<'a>, prefix: &str, notes: &mut Notes) -> Self {
        let mut part = |name: &str| row.details.copy(&format!("{prefix}{name}"), notes);
        Self { uid: part("uid"), id: part("id"), name: part("name") }
    }

    fn reference(&self) -> Option<SiteRef> {
        let by_id = || number::whole(self.id.as_ref()?).map(SiteRef::Id);
        self.uid.as_ref().map(|uid| SiteRef::Uid(uid.clone().into_owned())).or_else(by_id)
    }

    /// The organization that the site belongs to, with the site; `None` if it is not known.
    fn owner(&self, scope: &Scope<'a>) -> Option<Organization<'a>> {
        match scope.context.directory.decide(&scope.envelope.account, &self.reference()?) {
            Decision::Org(owner) => Some(Organization {
                uid: Some(Text::Owned(owner.id.clone())),
                name: owner.name.clone().filter(|name| !name.is_empty()).map(Text::Owned),
                ou_uid: self.uid.clone(),
                ou_name: self.name.clone(),
            }),
            Decision::Ignored | Decision::Dropped | Decision::Held(_) => None,
        }
    }

    /// Removes the details that the event now holds as attributes.
    fn drop_repeats(&self, row: &mut Row<'a>, prefix: &str) {
        row.details.drop_same(&format!("{prefix}uid"), self.uid.as_deref());
        row.details.drop_same(&format!("{prefix}name"), self.name.as_deref());
    }
}
