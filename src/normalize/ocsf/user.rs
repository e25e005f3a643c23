//! Portal user → User Inventory Info 5003 (event-schema.md section 8).

use super::captions;
use super::choice::{OTHER, Text};
use super::class::{Body, UserInventory};
use super::event::Draft;
use super::object::identity::{Account, User};
use super::object::observable::Observables;
use super::scope::{Scope, text};
use super::site;
use crate::normalize::check;
use crate::normalize::json::fields::Fields;
use crate::normalize::notes::Notes;

/// The event of an inventory item.
pub(crate) fn draft<'a>(scope: &mut Scope<'a>, mut fields: Fields<'a>, notes: &mut Notes) -> Draft<'a> {
    let name = fields.take_text("username", notes).or_else(|| text(&scope.envelope.native_id));
    let uid = fields.take_id("id", notes);
    let full_name = match (fields.take_text("firstName", notes), fields.take_text("lastName", notes)) {
        (Some(first), Some(last)) => Some(Text::Owned(format!("{first} {last}"))),
        (first, last) => first.or(last),
    };
    let is_disabled = fields.flag("disabled");
    if is_disabled.is_some() {
        fields.take("disabled");
    }
    let account = Account { uid: None, name: name.clone(), type_id: OTHER, kind: "Datto RMM user", is_disabled };
    let message = format!("Datto RMM user {}", name.as_deref().unwrap_or_default());
    let user = User {
        full_name,
        email_addr: check::take_email(&mut fields, "email", notes),
        phone_number: fields.take_id("telephone", notes),
        org: Some(scope.msp()),
        account: Some(account),
        ..scope.portal_user(uid, name)
    };
    let mut observables = Observables::default();
    observables.add_user(&user);
    let body = Body::User(Box::new(UserInventory { user }));
    let mut draft = site::inventory(scope, &captions::USER_INVENTORY, body, "user", message, &fields, notes);
    draft.observables = observables;
    draft
}
