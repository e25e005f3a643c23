//! What the lens sees of an activity record, before a mapping takes anything from it.

use super::row::Row;
use crate::normalize::address;
use crate::normalize::lens::Facts;
use crate::normalize::lens::rule::Rule;
use crate::normalize::ocsf::choice::Text;
use crate::normalize::ocsf::lens::Acting;
use crate::normalize::ocsf::scope::Scope;
use crate::record::Stream;

/// A name in a tag takes no more characters: the whole of it stands where the mapping puts it.
const MAX_NAME: usize = 256;

impl<'a> Row<'a> {
    /// The rules of the lens that fit.
    pub(super) fn hits(&self, scope: &Scope<'a>) -> Vec<&'a Rule> {
        let action = self.record.peek("action").map(|text| text.to_lowercase()).unwrap_or_default();
        let names = [self.user.peek_id("userName"), self.details.peek_id("user.username")];
        let facts = Facts {
            stream: Stream::Activity,
            entity: &self.entity,
            category: &self.category,
            action: &action,
            words: &self.tokens,
            class: "",
            users: names.into_iter().flatten().map(|name| name.to_lowercase()).collect(),
            detail: &|name| self.details.told_text(name),
        };
        scope.options().lens.hits(&facts)
    }

    /// Who acted, and the first valid address that the record names.
    pub(super) fn acting(&self) -> Acting<'a> {
        let user = self.has_user().then(|| self.who().chars().take(MAX_NAME).collect());
        let addresses = self.details.get("source.forwarded_ip").map(address::list).unwrap_or_default();
        Acting { user: user.map(Text::Owned), address: addresses.into_iter().next().map(|address| address.ip) }
    }
}
