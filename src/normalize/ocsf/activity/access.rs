//! Portal users: their roles → User Access Management 3005; anything else of theirs → Account Change 3001.

use super::row::Row;
use super::start;
use crate::normalize::check;
use crate::normalize::json::{Json, Kind};
use crate::normalize::notes::Notes;
use crate::normalize::ocsf::captions;
use crate::normalize::ocsf::choice::{Choice, OTHER, Text};
use crate::normalize::ocsf::class::{AccountChange, Body, UserAccess};
use crate::normalize::ocsf::event::Draft;
use crate::normalize::ocsf::object::asset::Resource;
use crate::normalize::ocsf::object::endpoint::Endpoint;
use crate::normalize::ocsf::object::identity::{Actor, User};
use crate::normalize::ocsf::object::observable::Observables;
use crate::normalize::ocsf::scope::Scope;

const NEW_ROLES: &str = "data.new_roles";
const DELETED_ROLES: &str = "data.deleted_roles";
/// A longer list of roles stays in the details too.
const MAX_PRIVILEGES: usize = 100;

/// Roles given to or taken from a portal user; needs the user and a role.
pub(super) fn privileges<'a>(row: &mut Row<'a>, scope: &mut Scope<'a>, notes: &mut Notes) -> Option<Draft<'a>> {
    if !has_target(row) {
        return None;
    }
    let given = roles(row.details.get(NEW_ROLES), notes);
    let is_assigned = !given.is_empty();
    let (key, privileges) = match is_assigned {
        true => (NEW_ROLES, given),
        false => (DELETED_ROLES, roles(row.details.get(DELETED_ROLES), notes)),
    };
    if privileges.is_empty() {
        return None;
    }
    if privileges.len() < MAX_PRIVILEGES {
        row.details.take(key);
    }
    let who = row.who();
    let user = take_target(row, scope, notes);
    let actor = row.take_actor(scope, notes);
    let src_endpoint = row.take_source(notes);
    let name = user.name.as_deref().or(user.uid.as_deref()).unwrap_or("a user");
    let list = privileges.join(", ");
    let message =
        if is_assigned { format!("{who} gave {name}: {list}") } else { format!("{who} took from {name}: {list}") };
    let activity = Choice::of(captions::USER_ACCESS.activities, if is_assigned { 1 } else { 2 });
    let observables = observables(&user, actor.as_ref(), src_endpoint.as_ref());
    let body = UserAccess { user, privileges, resources: [account(scope)], actor, src_endpoint };
    let mut draft = start(row, scope, &captions::USER_ACCESS, activity, Body::UserAccess(Box::new(body)));
    (draft.message, draft.observables) = (message, observables);
    Some(draft)
}

/// A portal user created, changed, deleted …; needs the user. API keys made without naming one are the acting user's own.
pub(super) fn account_change<'a>(row: &mut Row<'a>, scope: &mut Scope<'a>, notes: &mut Notes) -> Option<Draft<'a>> {
    let is_own = !has_target(row) && row.has_token(&["keys", "key"]) && row.has_user();
    if !has_target(row) && !is_own {
        return None;
    }
    let activity = match change(row) {
        OTHER => Choice::other(row.action(notes)),
        known => Choice::of(captions::ACCOUNT_CHANGE.activities, known),
    };
    let who = row.who();
    let actor = row.take_actor(scope, notes);
    let user = match (&actor, is_own) {
        (Some(actor), true) => actor.user.clone(),
        _ => take_target(row, scope, notes),
    };
    let src_endpoint = row.take_source(notes);
    let name = user.name.as_deref().or(user.uid.as_deref()).unwrap_or("a user");
    let message = match activity.id {
        1 => format!("{who} created Datto RMM user {name}"),
        6 => format!("{who} deleted Datto RMM user {name}"),
        OTHER => format!("{who}: user {} ({name})", activity.caption),
        _ => format!("{who}: {} of Datto RMM user {name}", activity.caption),
    };
    let observables = observables(&user, actor.as_ref(), src_endpoint.as_ref());
    let body = AccountChange { user, actor, src_endpoint };
    let mut draft = start(row, scope, &captions::ACCOUNT_CHANGE, activity, Body::AccountChange(Box::new(body)));
    (draft.message, draft.observables) = (message, observables);
    Some(draft)
}

fn observables<'a>(user: &User<'a>, actor: Option<&Actor<'a>>, source: Option<&Endpoint<'a>>) -> Observables<'a> {
    let mut observables = Observables::default();
    observables.add_user(user);
    actor.iter().for_each(|actor| observables.add_actor(&actor.user));
    observables.add_source(source);
    observables
}

fn change(row: &Row<'_>) -> u32 {
    let has = |tokens: &[&str]| row.has_token(tokens);
    let second_factor = has(&["2fa", "mfa", "totp"]);
    match row.details.flag("data.user_enabled") {
        Some(true) if has(&["edit"]) => 2,
        Some(false) if has(&["edit"]) => 5,
        _ if has(&["password"]) && has(&["change"]) => 3,
        _ if has(&["password"]) && has(&["reset"]) => 4,
        _ if second_factor && has(&["enable"]) => 10,
        _ if second_factor && has(&["disable", "reset"]) => 11,
        _ if has(&["create", "add", "invite"]) => 1,
        _ if has(&["delete", "remove"]) => 6,
        _ if has(&["lock"]) => 9,
        _ if has(&["unlock"]) => 12,
        _ => OTHER,
    }
}

fn has_target(row: &Row<'_>) -> bool {
    ["data.user_id", "data.user_name", "data.for_user"].iter().any(|key| row.details.peek_id(key).is_some())
}

/// Takes the user that was acted on.
fn take_target<'a>(row: &mut Row<'a>, scope: &Scope<'a>, notes: &mut Notes) -> User<'a> {
    let uid = row.details.take_id("data.user_id", notes);
    let name = row.details.take_id("data.user_name", notes);
    let name = name.or_else(|| row.details.take_id("data.for_user", notes));
    let mut user = User::portal(uid, name);
    user.email_addr = check::take_email(&mut row.details, "data.user_email", notes);
    user.org = Some(scope.msp());
    user
}

/// The texts of a list of roles, or the one text that stands in its place; none beyond the limit.
fn roles<'a>(value: Option<Json<'a>>, notes: &mut Notes) -> Vec<Text<'a>> {
    let Some(value) = value.filter(|value| !value.is_blank()) else { return Vec::new() };
    let items: Vec<Json<'a>> = match value.kind() {
        Kind::Array => value.items().filter(|item| !item.is_blank()).take(MAX_PRIVILEGES).collect(),
        Kind::String | Kind::Number(_) | Kind::Object => vec![value],
        Kind::Bool | Kind::Null => Vec::new(),
    };
    items.into_iter().map(|item| notes.limit(item.scalar().unwrap_or(item.source().into()))).collect()
}

/// The account that the roles are in.
fn account<'a>(scope: &Scope<'a>) -> Resource<'a> {
    let msp = scope.msp();
    let name = msp.name.map(|name| Text::Owned(format!("Datto RMM account {name}")));
    Resource { uid: msp.uid, name, kind: "Datto RMM account", ..Resource::default() }
}
