//! The lens: what attackers do with an RMM, marked on the events that show it (docs/lens.md). Rules are data; a rule looks at a
//! record and adds tags and techniques, it can neither take nor change anything.

use std::borrow::Cow;

use toml::de::DeTable;

use sha2::{Digest, Sha256};

use self::rule::{Rule, Then};
use crate::record::Stream;

pub(crate) mod details;
pub mod read;
pub mod rule;

/// The rules that vintner comes with.
const DEFAULTS: &str = include_str!("../../config/lens.toml");

/// Rules in the order in which they are asked, and the API users that are vintner's own. `Default` sees nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lens {
    /// The rules.
    pub rules: Vec<Rule>,
    /// Names of the portal users that vintner logs in as, in lower case.
    pub api_users: Vec<String>,
    /// Names the rules: the same rules have the same version wherever they stand.
    pub version: String,
}

/// What rules ask of a record.
pub(crate) struct Facts<'r> {
    pub(crate) stream: Stream,
    /// In lower case, like all texts here; empty where the record has none.
    pub(crate) entity: &'r str,
    pub(crate) category: &'r str,
    pub(crate) action: &'r str,
    /// The words of the action.
    pub(crate) words: &'r [String],
    /// What a rule's condition `class` is compared with.
    pub(crate) class: &'r str,
    /// Names of the acting user.
    pub(crate) users: Vec<String>,
    /// The texts of a detail of an activity or of a field of an alert's context ([`details::texts`]).
    pub(crate) details: &'r dyn Fn(&str) -> Vec<Cow<'r, str>>,
}

impl<'r> Facts<'r> {
    /// What there is to ask of an item of the inventory.
    pub(crate) fn of_inventory(class: &'r str, details: &'r dyn Fn(&str) -> Vec<Cow<'r, str>>) -> Self {
        let (stream, users) = (Stream::Inventory, Vec::new());
        Self { stream, entity: "", category: "", action: "", words: &[], class, users, details }
    }
}

impl Lens {
    /// The rules that vintner comes with, alone.
    pub fn shipped() -> Self {
        // A test proves that the shipped rules are read without a complaint.
        let rules = DeTable::parse(DEFAULTS).map(|table| read::rules(table.get_ref()).0).unwrap_or_default();
        Self::of(rules, Vec::new())
    }

    fn of(rules: Vec<Rule>, api_users: Vec<String>) -> Self {
        let digest = Sha256::digest(format!("{rules:?}"));
        let version = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Self { rules, api_users, version }
    }

    /// This lens with the operator's rules before the others; one with the id of another takes its place.
    #[must_use]
    pub fn led_by(self, operator: Vec<Rule>) -> Self {
        let left = self.rules.into_iter().filter(|rule| operator.iter().all(|own| own.id != rule.id)).collect();
        Self::of([operator, left].concat(), self.api_users)
    }

    /// The rules that fit, in order, up to one that says that it is the last.
    pub(crate) fn hits<'l>(&'l self, facts: &Facts<'_>) -> Vec<&'l Rule> {
        let mut hits = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.fits(facts, &self.api_users)) {
            hits.push(rule);
            if rule.then == Then::Stop {
                break;
            }
        }
        hits
    }
}

#[cfg(test)]
mod tests;
