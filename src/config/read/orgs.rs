//! `[orgs]`: the mapping rules, from the configuration and from a mapping file of the same shape.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use crate::config::places::join;
use crate::config::read::Section;
use crate::config::read::item::Item;
use crate::config::values::{self, Bad};
use crate::org::{Org, Rules, Unmapped};

/// How long records are held by default.
pub(crate) const HOLD_FOR: Duration = Duration::from_secs(30 * 86_400);

/// What `[orgs]` says.
#[derive(Debug)]
pub(crate) struct Orgs {
    pub(crate) rules: Rules,
    pub(crate) hold_for: Duration,
}

/// The words of `unmapped`.
#[derive(Clone, Copy)]
enum UnmappedWord {
    Hold,
    Drop,
    Default,
}

const UNMAPPED: [(&str, UnmappedWord); 3] =
    [("hold", UnmappedWord::Hold), ("drop", UnmappedWord::Drop), ("default", UnmappedWord::Default)];

/// The path of the mapping file, as written.
pub(crate) fn file(root: &Section<'_>) -> Option<String> {
    let section = root.section("orgs")?;
    section.item("file")?.filled().map(str::to_owned)
}

/// Reads the section and, beside it, the mapping file. A key stands in one of them; the lists of both count.
pub(crate) fn read(section: Section<'_>, mapping: Option<Section<'_>>) -> Orgs {
    // Already read, to open the mapping file.
    drop(section.item("file"));
    // Both sections have the same path: places of their common keys are those of the later one, of the table those of the first.
    section.problems.remember(&section.path, section.at.clone());
    let sections: Vec<Section<'_>> = std::iter::once(section).chain(mapping).collect();
    let flag = |key| one(&sections, key).and_then(|item| item.flag());
    let auto_match = flag("auto_match").unwrap_or(true);
    let autotask = flag("autotask").unwrap_or(false);
    let hold_for = one(&sections, "hold_for").and_then(|item| item.parse(values::duration)).unwrap_or(HOLD_FOR);
    let unmapped = unmapped(&sections);
    let mut ignore = Vec::new();
    let mut list = Vec::new();
    for section in &sections {
        if let Some(table) = section.section("ignore") {
            ignore.extend(table.item("sites").and_then(|item| item.parse_list(entry)).unwrap_or_default());
            table.finish();
        }
        if let Some(table) = section.section("list") {
            organizations(&table, &mut list);
        }
    }
    sections.into_iter().for_each(Section::finish);
    Orgs { rules: Rules { list, ignore, auto_match, autotask, unmapped }, hold_for }
}

/// A key that may stand in one of the sections, not in both.
fn one<'a>(sections: &[Section<'a>], key: &str) -> Option<Item<'a>> {
    let mut items = sections.iter().filter_map(|section| section.item(key));
    let first = items.next()?;
    if let (Some(second), Some(section)) = (items.next(), sections.first()) {
        let place = section.problems.place_of(&first.key);
        section.problems.error(second.key, format!("`{key}` stands at {place} already"), None);
    }
    Some(first)
}

fn unmapped(sections: &[Section<'_>]) -> Unmapped {
    let policy = one(sections, "unmapped");
    let word = policy.as_ref().and_then(|item| item.parse(|text| values::word(text, &UNMAPPED)));
    let default_org = one(sections, "default_org");
    let id = default_org.as_ref().and_then(|item| item.parse(|text| values::org_id(text).map(|()| text.to_owned())));
    match (word, &default_org) {
        (Some(UnmappedWord::Default), None) => {
            if let Some(policy) = policy {
                policy.error("unmapped = \"default\" needs the key `default_org`", Some("name the organization's id"));
            }
        }
        (Some(UnmappedWord::Hold | UnmappedWord::Drop) | None, Some(org)) => {
            if let Some(section) = sections.first() {
                let hint = Some("set unmapped = \"default\" if that is meant".to_owned());
                section.problems.warn_at(&org.path, "`default_org` has no effect: `unmapped` is not \"default\"", hint);
            }
        }
        (Some(UnmappedWord::Default), Some(_)) | (_, None) => {}
    }
    match word {
        Some(UnmappedWord::Default) => id.map_or(Unmapped::Hold, Unmapped::Default),
        Some(UnmappedWord::Drop) => Unmapped::Drop,
        Some(UnmappedWord::Hold) | None => Unmapped::Hold,
    }
}

fn organizations(table: &Section<'_>, list: &mut Vec<Org>) {
    let elsewhere: HashSet<String> = list.iter().map(|org| org.id.clone()).collect();
    for (id, item) in table.entries() {
        if let Err(bad) = values::org_id(id) {
            table.problems.error(item.key.clone(), bad.message, bad.hint);
        }
        if elsewhere.contains(id) {
            let message = format!("the organization `{id}` stands in both files");
            table.problems.error(item.key.clone(), message, Some("keep one of them".to_owned()));
            continue;
        }
        if let Some(section) = item.section() {
            list.push(organization(id, section));
        }
    }
}

fn organization(id: &str, section: Section<'_>) -> Org {
    let name = section.item("name").and_then(|item| item.filled()).map(|name| name.trim().to_owned());
    let plain = |text: &str| Ok(text.to_owned());
    let org = Org {
        id: id.to_owned(),
        name: name.unwrap_or_else(|| id.to_owned()),
        accounts: section.item("accounts").and_then(|item| item.parse_filled_list(plain)),
        sites: section.item("sites").and_then(|item| item.parse_list(entry)).unwrap_or_default(),
        labels: section.section("labels").map(labels).unwrap_or_default(),
    };
    quotes_missing(id, &section);
    section.finish();
    org
}

/// `[orgs.list.a.b]` is a table `b` in `a`, not the organization `a.b`.
fn quotes_missing(id: &str, section: &Section<'_>) {
    let known = ["name", "accounts", "sites", "labels"];
    for (key, item) in section.peek_tables().filter(|(key, _)| !known.contains(key)) {
        let path = join("orgs.list", &format!("{id}.{key}"));
        let hint = format!("an id with a dot stands in quotes: [{path}]");
        section.problems.error(item, format!("[{}] has no table `{key}`", section.path), Some(hint));
        section.know(key);
    }
}

fn labels(section: Section<'_>) -> BTreeMap<String, String> {
    let label = |(key, item): (&str, Item<'_>)| Some((key.to_owned(), item.text()?.to_owned()));
    section.entries().into_iter().filter_map(label).collect()
}

/// An entry of a site list: a uid or a name.
fn entry(text: &str) -> Result<String, Bad> {
    if text.trim().is_empty() {
        return Err(Bad::hint("a site has a name or a uid", "remove the empty text"));
    }
    Ok(text.trim().to_owned())
}
