//! What the lens sees of an activity record, before a mapping takes anything from it.

use super::row::Row;
use crate::normalize::address;
use crate::normalize::json::list;
use crate::normalize::lens::Facts;
use crate::normalize::lens::rule::Rule;
use crate::normalize::ocsf::choice::Text;
use crate::normalize::ocsf::lens::Acting;
use crate::normalize::ocsf::scope::Scope;
use crate::record::{Part, Stream};

/// A name in a tag takes no more characters: the whole of it stands where the mapping puts it.
const MAX_NAME: usize = 256;

impl<'a> Row<'a> {
    /// The rules of the lens that fit.
    pub(super) fn hits(&self, scope: &Scope<'a>) -> Vec<&'a Rule> {
        let action = self.record.peek("action").map(|text| text.to_lowercase()).unwrap_or_default();
        let names = [self.user.peek_id("userName"), self.details.peek_id("user.username")];
        let words = self.words_of_lens();
        let facts = Facts {
            stream: Stream::Activity,
            entity: &self.entity,
            category: &self.category,
            action: &action,
            words: &words,
            class: "",
            users: names.into_iter().flatten().map(|name| name.to_lowercase()).collect(),
            detail: &|name| self.details.told_text(name).filter(|_| !self.says_nothing(name)),
        };
        scope.options().lens.hits(&facts)
    }

    /// The words of the action; a policy that is toggled is enabled or disabled, if the row says which. A record about the roles of
    /// a row is not about what else the row did.
    fn words_of_lens(&self) -> Vec<String> {
        if self.part == Some(Part::Roles) {
            return Vec::new();
        }
        let switched = match self.details.flag("data.active") {
            Some(true) => Some("enable"),
            Some(false) => Some("disable"),
            None => None,
        };
        let switched = switched.filter(|_| self.has_token(&["toggle"])).map(str::to_owned);
        self.tokens.iter().cloned().chain(switched).collect()
    }

    /// Whether a detail says nothing to the lens: a list without an item, in any of the forms that Datto writes, and access control
    /// that is switched on.
    fn says_nothing(&self, name: &str) -> bool {
        let Some(value) = self.details.get(name) else { return true };
        let is_on = |text: &str| matches!(text.to_lowercase().as_str(), "enabled" | "enable" | "true" | "on");
        match name {
            "data.new_roles" | "data.deleted_roles" | "data.device_list" => list::texts(value).is_empty(),
            "data.access_control" => value.scalar().is_some_and(|text| is_on(&text)),
            _ => false,
        }
    }

    /// Who acted, and the first valid address that the record names.
    pub(super) fn acting(&self) -> Acting<'a> {
        let user = self.has_user().then(|| self.who().chars().take(MAX_NAME).collect());
        let addresses = self.details.get("source.forwarded_ip").map(address::list).unwrap_or_default();
        Acting { user: user.map(Text::Owned), address: addresses.into_iter().next().map(|address| address.ip) }
    }
}
