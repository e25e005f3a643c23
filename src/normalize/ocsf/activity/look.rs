//! What the lens sees of an activity record, before a mapping takes anything from it.

use super::row::Row;
use crate::normalize::lens::rule::Rule;
use crate::normalize::lens::{Facts, details};
use crate::normalize::number;
use crate::normalize::ocsf::choice::Text;
use crate::normalize::ocsf::scope::Scope;
use crate::record::Stream;
use crate::record::part::Part;
use crate::record::place::SiteRef;

/// A detail that vintner adds for rules: the organization that a device moves to, if it is another one.
const TO_TENANT: &str = "vintner.to_tenant";
/// Another one: the portal user who was acted on, if it is not the acting user.
const OTHER_USER: &str = "vintner.other_user";

impl<'a> Row<'a> {
    /// The rules of the lens that fit.
    pub(super) fn hits(&self, scope: &Scope<'a>) -> Vec<&'a Rule> {
        let action = self.record.peek("action").map(|text| text.to_lowercase()).unwrap_or_default();
        let words = self.words_of_lens();
        let facts = Facts {
            stream: Stream::Activity,
            entity: &self.entity,
            category: &self.category,
            action: &action,
            words,
            class: "",
            users: self.user_names(scope),
            details: &|name| match name {
                TO_TENANT => self.to_tenant(scope).into_iter().collect(),
                OTHER_USER => self.other_user().into_iter().collect(),
                _ => details::texts(&self.details, name),
            },
        };
        scope.options().lens.hits(&facts)
    }

    /// Names of the acting user, in lower case.
    fn user_names(&self, scope: &Scope<'a>) -> Vec<String> {
        if let Some(names) = scope.acting_users {
            return names.to_vec();
        }
        let names = [self.user.peek_id("userName"), self.details.peek_id("user.username")];
        names.into_iter().flatten().map(|name| name.to_lowercase()).collect()
    }

    fn other_user(&self) -> Option<Text<'a>> {
        let target = |key: &str| self.details.peek_id(key);
        let (id, name) = (target("data.user_id"), target("data.user_name").or_else(|| target("data.for_user")));
        let is_same = |own: Option<Text<'a>>, other: &Option<Text<'a>>| {
            own.zip(other.as_ref()).is_some_and(|(own, other)| own.eq_ignore_ascii_case(other))
        };
        let is_own = is_same(self.user.peek_id("id").or_else(|| target("user.id")), &id)
            || is_same(self.user.peek_id("userName").or_else(|| target("user.username")), &name);
        if is_own { None } else { name.or(id) }
    }

    fn to_tenant(&self, scope: &Scope<'a>) -> Option<Text<'a>> {
        let by_id = || number::whole(&self.details.peek_id("data.to_site_id")?).map(SiteRef::Id);
        let by_uid = self.details.peek("data.to_site_uid").map(|uid| SiteRef::Uid(uid.into_owned()));
        scope.moved_to(&by_uid.or_else(by_id)?).map(|tag| tag.value)
    }

    /// The words of the action. A record about the roles of a row is not about what else the row did.
    fn words_of_lens(&self) -> &[String] {
        if self.part == Some(Part::Roles) { &[] } else { &self.tokens }
    }
}
