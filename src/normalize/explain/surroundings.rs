//! Values that come from what surrounds a record: its account, its site, its organization. They are found by themselves, since a
//! change of them would change whose the record is.

use std::collections::BTreeMap;

use serde_json::Value;

use super::source::{self, Leaf};
use super::{Trace, leaves};
use crate::inventory::Device;
use crate::normalize::Context;
use crate::record::Record;

/// A shorter value stands in a text by chance.
const LEAST_PART: usize = 3;

impl Trace {
    /// Attributes every value that nothing explains yet, and that is or holds a value of the surroundings.
    pub(super) fn surroundings(
        &mut self,
        record: &Record,
        context: &Context<'_>,
        entry: Option<&Device>,
        told: &BTreeMap<String, Value>,
    ) {
        let known = values(record, context);
        let own = own_values(record, entry);
        for (path, value) in told {
            let is_explained = self.copied.contains_key(path) || self.derived.contains_key(path);
            if is_explained || leaves::is_of_the_whole(path) {
                continue;
            }
            // Of the record's own values only those whose change made this one go: a move to a site that nobody knows names none.
            let decided = self.decided.get(path);
            let own = own.iter().filter(|(name, _)| decided.is_some_and(|names| names.contains(name)));
            let near: Vec<&(String, String)> = own.chain(&known).collect();
            let text = leaves::text(value);
            let mut names: Vec<&String> =
                near.iter().filter(|(_, known)| *known == text).map(|(name, _)| name).collect();
            let is_whole = !names.is_empty();
            if !is_whole && value.is_string() {
                let holds = |known: &String| known.len() >= LEAST_PART && text.contains(known.as_str());
                names = near.iter().filter(|(_, known)| holds(known)).map(|(name, _)| name).collect();
            }
            if !names.is_empty() {
                let kind = if is_whole { &mut self.copied } else { &mut self.derived };
                kind.entry(path.clone()).or_default().extend(names.into_iter().cloned());
            }
        }
    }
}

/// The values of the record and of the inventory's entry.
fn own_values(record: &Record, entry: Option<&Device>) -> Vec<(String, String)> {
    let told = |leaf: &Leaf| !leaf.says_nothing;
    let mut found: Vec<(String, String)> =
        source::leaves(record.source.get()).into_iter().filter(told).map(|leaf| (leaf.path, leaf.text)).collect();
    if let Some(device) = entry {
        let entry = source::leaves(&device.source).into_iter().filter(told);
        found.extend(entry.map(|leaf| (format!("inventory.{}", leaf.path), leaf.text)));
    }
    found
}

fn values(record: &Record, context: &Context<'_>) -> Vec<(String, String)> {
    let envelope = &record.envelope;
    let mut found = vec![
        ("account.uid".to_owned(), envelope.account.to_string()),
        ("organization.id".to_owned(), context.tenant.id.clone()),
        ("envelope.type".to_owned(), envelope.kind.to_string()),
    ];
    let mut add = |name: &str, value: &str| found.push((name.to_owned(), value.to_owned()));
    if let Some(account) = context.directory.account(&envelope.account) {
        add("account.display_name", &account.display_name);
        add("account.platform", &account.platform);
        add("account.api_host", &account.api_host);
    }
    if let Some(site) = context.directory.site(&envelope.account, &envelope.site) {
        add("site.uid", &site.uid);
        add("site.name", &site.name);
    }
    if let crate::record::place::SiteRef::Uid(uid) = &envelope.site {
        add("envelope.site", uid);
    }
    if let crate::record::place::SiteRef::Id(id) = &envelope.site {
        add("envelope.site", &id.to_string());
    }
    if let Some(name) = &context.tenant.name {
        add("organization.name", name);
    }
    for (name, value) in &context.tenant.labels {
        add(&format!("organization.labels.{name}"), value);
    }
    found.retain(|(_, value)| !value.is_empty());
    found
}
