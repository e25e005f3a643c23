//! The acting user of an activity record: named by the record itself, by its details, or by both.

use std::borrow::Cow;

use super::row::Row;
use crate::normalize::check;
use crate::normalize::json::fields::Fields;
use crate::normalize::notes::Notes;
use crate::normalize::ocsf::choice::Text;
use crate::normalize::ocsf::object::identity::{Actor, User};
use crate::normalize::ocsf::scope::Scope;

/// One of the ways to take a text from fields.
type Take<'a> = fn(&mut Fields<'a>, &str, &mut Notes) -> Option<Text<'a>>;

impl<'a> Row<'a> {
    /// What a message calls the acting user.
    pub(super) fn who(&self) -> Text<'a> {
        let detail = |key| self.details.peek_id(key).filter(|_| self.is_one_person());
        let name = self.user.peek_id("userName").or_else(|| detail("user.username"));
        let id = || self.user.peek_id("id").or_else(|| detail("user.id"));
        name.or_else(id).unwrap_or(Text::Borrowed("Datto RMM"))
    }

    /// Whether the record names an acting user.
    pub(super) fn has_user(&self) -> bool {
        self.names_user() || ["user.id", "user.username"].iter().any(|key| self.details.peek_id(key).is_some())
    }

    /// Takes the acting user. What the details say of another user than the record's stays in the details.
    pub(super) fn take_user(&mut self, scope: &Scope<'a>, notes: &mut Notes) -> Option<User<'a>> {
        if !self.has_user() {
            return None;
        }
        let is_one_person = self.is_one_person();
        let mut take = |key: &str, twins: &[&str], take: Take<'a>| {
            let twins = if is_one_person { twins } else { &[] };
            self.take_twin(key, twins, take, notes)
        };
        let uid = take("id", &["user.id"], Fields::take_id);
        let name = take("userName", &["user.username"], Fields::take_id);
        let first = take("firstName", &["user.firstname", "user.firstName"], Fields::take_text);
        let last = take("lastName", &["user.lastname", "user.lastName"], Fields::take_text);
        let full_name = match (first, last) {
            (Some(first), Some(last)) => Some(Cow::Owned(format!("{first} {last}"))),
            (first, last) => first.or(last),
        };
        let mut user = scope.acting_user(uid, name);
        user.full_name = full_name;
        if is_one_person {
            user.email_addr = check::take_email(&mut self.details, "user.email", notes);
        } else {
            notes.add("details.user: not the user of the record".to_owned());
        }
        user.org = Some(scope.msp());
        Some(user)
    }

    /// Takes the acting user as `actor`.
    pub(super) fn take_actor(&mut self, scope: &Scope<'a>, notes: &mut Notes) -> Option<Actor<'a>> {
        self.take_user(scope, notes).map(|user| Actor { user })
    }

    fn names_user(&self) -> bool {
        ["id", "userName"].iter().any(|key| self.user.peek_id(key).is_some())
    }

    /// Whether record and details mean the same user: they agree on the id or on the name, or only one of them names a user.
    fn is_one_person(&self) -> bool {
        let same = |own: &str, detail: &str| match (self.user.peek_id(own), self.details.peek_id(detail)) {
            (Some(own), Some(detail)) => Some(own.eq_ignore_ascii_case(&detail)),
            (_, None) | (None, Some(_)) => None,
        };
        match (same("id", "user.id"), same("userName", "user.username")) {
            (None, None) => true,
            (by_id, by_name) => by_id == Some(true) || by_name == Some(true),
        }
    }

    /// Takes a value of the user, which the details repeat under another name or hold alone.
    fn take_twin(&mut self, key: &str, twins: &[&str], take: Take<'a>, notes: &mut Notes) -> Option<Text<'a>> {
        if let Some(own) = take(&mut self.user, key, notes) {
            twins.iter().for_each(|twin| self.details.drop_same(twin, Some(&own)));
            return Some(own);
        }
        twins.iter().find_map(|twin| take(&mut self.details, twin, notes))
    }
}
