//! Portal users: their roles → User Access Management 3005; anything else of theirs → Account Change 3001. A row about both is
//! an account change, with a derived record for the roles.

use super::row::Row;
use super::start;
use crate::normalize::check;
use crate::normalize::json::{Json, Kind, list};
use crate::normalize::notes::Notes;
use crate::normalize::ocsf::captions;
use crate::normalize::ocsf::choice::{Choice, OTHER, Text};
use crate::normalize::ocsf::class::{AccountChange, Body, UserAccess};
use crate::normalize::ocsf::event::Draft;
use crate::normalize::ocsf::object::asset::Resource;
use crate::normalize::ocsf::object::endpoint::Endpoint;
use crate::normalize::ocsf::object::identity::{Actor, Group, User};
use crate::normalize::ocsf::object::observable::Observables;
use crate::normalize::ocsf::scope::Scope;

const NEW_ROLES: &str = "data.new_roles";
const DELETED_ROLES: &str = "data.deleted_roles";
/// A longer list of roles stays in the details too.
const MAX_PRIVILEGES: usize = 100;
/// `activity_id`s of Account Change.
const ENABLE: u32 = 2;
const DISABLE: u32 = 5;
const MFA_ENABLE: u32 = 10;
const MFA_DISABLE: u32 = 11;

/// Whether the row gives or takes roles, and names the user.
pub(super) fn has_roles(row: &Row<'_>) -> bool {
    let any = |key| row.details.get(key).is_some_and(|value| !list::texts(value).is_empty());
    has_target(row) && (any(NEW_ROLES) || any(DELETED_ROLES))
}

/// Whether the row creates, deletes, locks or disables the user, or changes how the user logs in, whatever it does to roles.
pub(super) fn changes_account(row: &Row<'_>) -> bool {
    !matches!(change(row), ENABLE | OTHER)
}

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
    drop_list(row, key, privileges.len());
    let who = row.who();
    let mut user = take_target(row, scope, notes);
    if is_assigned {
        note_administrator(&mut user, &privileges);
    }
    let actor = row.take_actor(scope, notes);
    let src_endpoint = row.take_source(notes);
    let name = user.name.as_deref().or(user.uid.as_deref()).unwrap_or("a user");
    let roles = format!("the role{} {}", if privileges.len() == 1 { "" } else { "s" }, privileges.join(", "));
    let message =
        if is_assigned { format!("{who} gave {name} {roles}") } else { format!("{who} took {roles} from {name}") };
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
    let mut user = match (&actor, is_own) {
        (Some(actor), true) => actor.user.clone(),
        _ => take_target(row, scope, notes),
    };
    user.has_mfa = match activity.id {
        MFA_ENABLE => Some(true),
        MFA_DISABLE if row.has_verb(&["disable", "remove", "delete"]) => Some(false),
        _ => None,
    };
    let given = roles(row.details.get(NEW_ROLES), notes);
    if !given.is_empty() {
        drop_list(row, NEW_ROLES, given.len());
        note_administrator(&mut user, &given);
    }
    let src_endpoint = row.take_source(notes);
    let mut message = sentence(row, &who, &activity, &user);
    if !given.is_empty() {
        message = format!("{message} ({})", given.join(", "));
    }
    user.groups = given.into_iter().map(|name| Group { name, kind: "security level" }).collect();
    let observables = observables(&user, actor.as_ref(), src_endpoint.as_ref());
    let body = AccountChange { user, actor, src_endpoint };
    let mut draft = start(row, scope, &captions::ACCOUNT_CHANGE, activity, Body::AccountChange(Box::new(body)));
    (draft.message, draft.observables) = (message, observables);
    Some(draft)
}

/// What was done, for people.
fn sentence(row: &Row<'_>, who: &str, activity: &Choice<'_>, user: &User<'_>) -> String {
    let name = user.name.as_deref().or(user.uid.as_deref()).unwrap_or("a user");
    let is_of_keys = row.has_token(&["key", "keys"]);
    let done = match activity.id {
        1 => "created Datto RMM user",
        ENABLE => "enabled Datto RMM user",
        3 => "changed the password of Datto RMM user",
        4 => "reset the password of Datto RMM user",
        DISABLE => "disabled Datto RMM user",
        6 => "deleted Datto RMM user",
        9 => "locked Datto RMM user",
        MFA_ENABLE => "turned on two-factor log-in of Datto RMM user",
        MFA_DISABLE if row.has_verb(&["reset"]) => "reset two-factor log-in of Datto RMM user",
        MFA_DISABLE => "turned off two-factor log-in of Datto RMM user",
        12 => "unlocked Datto RMM user",
        _ if is_of_keys && row.has_verb(&["generate", "regenerate"]) => "generated API keys for",
        _ if is_of_keys && row.has_verb(&["delete", "remove"]) => "deleted API keys of",
        _ if row.has_verb(&["edit", "update"]) => "changed Datto RMM user",
        _ => return format!("{who}: user {} ({name})", activity.caption),
    };
    if row.failed { format!("{who}: user {} ({name})", row.plain_action()) } else { format!("{who} {done} {name}") }
}

fn observables<'a>(user: &User<'a>, actor: Option<&Actor<'a>>, source: Option<&Endpoint<'a>>) -> Observables<'a> {
    let mut observables = Observables::default();
    observables.add_user(user);
    actor.iter().for_each(|actor| observables.add_actor(&actor.user));
    observables.add_source(source);
    observables
}

fn change(row: &Row<'_>) -> u32 {
    let has = |verbs: &[&str]| row.has_verb(verbs);
    let second_factor = row.has_token(&["2fa", "mfa", "totp"]);
    let password = row.has_token(&["password"]);
    match row.details.flag("data.user_enabled") {
        Some(true) if has(&["edit"]) => ENABLE,
        Some(false) if has(&["edit"]) => DISABLE,
        _ if password && has(&["change"]) => 3,
        _ if password && has(&["reset"]) => 4,
        _ if second_factor && has(&["enable", "add", "create", "register"]) => MFA_ENABLE,
        _ if second_factor && has(&["disable", "reset", "remove", "delete"]) => MFA_DISABLE,
        // What is done to keys is not done to the account.
        _ if row.has_token(&["key", "keys"]) => OTHER,
        _ if has(&["create", "add", "invite"]) => 1,
        _ if has(&["delete", "remove"]) => 6,
        _ if has(&["lock"]) => 9,
        _ if has(&["unlock"]) => 12,
        _ if has(&["enable"]) => ENABLE,
        _ if has(&["disable"]) => DISABLE,
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
    let mut user = scope.portal_user(uid, name);
    user.email_addr = check::take_email(&mut row.details, "data.user_email", notes);
    user.org = Some(scope.msp());
    user
}

/// The texts of a list of roles, or the one text that stands in its place; none beyond the limit.
fn roles<'a>(value: Option<Json<'a>>, notes: &mut Notes) -> Vec<Text<'a>> {
    let items = value.map(list::texts).unwrap_or_default();
    items.into_iter().take(MAX_PRIVILEGES).map(|item| notes.limit(item)).collect()
}

/// Removes a list that the event now holds whole. The text of one stays in the details: it is a value of its own.
fn drop_list(row: &mut Row<'_>, key: &str, held: usize) {
    let is_text = row.details.get(key).is_some_and(|value| value.kind() == Kind::String);
    let is_one = is_text
        && held == 1
        && row.details.get(key).and_then(Json::string).is_some_and(|text| !text.trim_start().starts_with('['));
    if held < MAX_PRIVILEGES && (!is_text || is_one) {
        row.details.take(key);
    }
}

/// Who gets the security level Administrator is an administrator from then on.
fn note_administrator(user: &mut User<'_>, given: &[Text<'_>]) {
    if given.iter().any(|role| role.trim().eq_ignore_ascii_case("administrator")) {
        *user = std::mem::take(user).into_admin();
    }
}

/// The account that the roles are in.
fn account<'a>(scope: &Scope<'a>) -> Resource<'a> {
    let msp = scope.msp();
    let name = msp.name.map(|name| Text::Owned(format!("Datto RMM account {name}")));
    Resource { uid: msp.uid, name, kind: "Datto RMM account", ..Resource::default() }
}
