//! Claims of several organizations on one site, as far as the file shows them (contract.md section 4).

use std::collections::HashMap;

use crate::config::nearest::nearest;
use crate::config::places::{Problems, join};
use crate::org::directory::Directory;
use crate::org::{Org, Rules, names};

/// An entry of a site list, and where it stands.
struct Entry<'a> {
    org: &'a Org,
    path: String,
}

/// Adds what is wrong with the lists of organizations.
pub(crate) fn check(rules: &Rules, problems: &Problems) {
    let mut seen: HashMap<String, Vec<Entry<'_>>> = HashMap::new();
    for org in &rules.list {
        accounts(org, problems);
        for (index, site) in org.sites.iter().enumerate() {
            let path = format!("{}.sites.{index}", join("orgs.list", &org.id));
            let key = names::key(site);
            if rules.ignore.iter().any(|ignored| names::key(ignored) == key) {
                let message = format!("{site:?} is on the ignore list, which comes first");
                problems.warn_at(&path, message, Some("keep it in one of the two".to_owned()));
            }
            let entries = seen.entry(key).or_default();
            for other in entries.iter().filter(|other| overlap(other.org, org)) {
                twice(other, org, site, &path, problems);
            }
            if !entries.iter().any(|other| other.org.id == org.id) {
                entries.push(Entry { org, path });
            }
        }
    }
    same_names(rules, problems);
}

fn twice(other: &Entry<'_>, org: &Org, site: &str, path: &str, problems: &Problems) {
    if other.org.id == org.id {
        problems.warn_at(path, format!("{site:?} stands twice in this list"), None);
        return;
    }
    let first = problems.place(&other.path);
    let message = format!("the site {site:?} is claimed by `{}` ({first}) and by `{}`", other.org.id, org.id);
    let hint = "a site belongs to one organization: remove it from one, or give both their own `accounts`".to_owned();
    problems.error_at(path, message, Some(hint));
}

/// Accounts that an organization names must exist.
fn accounts(org: &Org, problems: &Problems) {
    for (index, account) in org.accounts.iter().flatten().enumerate() {
        let table = join("accounts", account);
        if !problems.has(&table) {
            let path = format!("{}.accounts.{index}", join("orgs.list", &org.id));
            let known = problems.names_below("accounts");
            let hint = match nearest(account, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("known accounts: {}", known.join(", ")),
            };
            problems.error_at(&path, format!("there is no [{table}]"), Some(hint));
        }
    }
}

/// Adds the entries that no known site has: a slip of the pen, or a site that is gone or not there yet. Nothing is told while no
/// site is known.
pub(crate) fn unknown(rules: &Rules, directory: &Directory, problems: &Problems) {
    let known: Vec<_> = directory.listing();
    if known.is_empty() {
        return;
    }
    let is_known = |entry: &str, org: Option<&Org>| {
        let key = names::key(entry);
        let mut covered = known.iter().filter(|row| org.is_none_or(|org| org.covers(Some(&row.account))));
        covered.any(|row| row.site.uid == entry.trim() || names::key(&row.site.name) == key)
    };
    let hint = || Some("`vintner orgs list` shows the sites that there are, by uid and name".to_owned());
    for org in &rules.list {
        for (index, entry) in org.sites.iter().enumerate().filter(|(_, entry)| !is_known(entry, Some(org))) {
            let path = format!("{}.sites.{index}", join("orgs.list", &org.id));
            problems.warn_at(&path, format!("no known site of `{}` has the uid or name {entry:?}", org.id), hint());
        }
    }
    for (index, entry) in rules.ignore.iter().enumerate().filter(|(_, entry)| !is_known(entry, None)) {
        let message = format!("no known site has the uid or name {entry:?}");
        problems.warn_at(&format!("orgs.ignore.sites.{index}"), message, hint());
    }
}

/// Organizations of one name make `auto_match` ambiguous as soon as a site has that name.
fn same_names(rules: &Rules, problems: &Problems) {
    for (index, org) in rules.list.iter().enumerate().filter(|_| rules.auto_match) {
        let key = names::key(&org.name);
        let mut twins = rules.list.iter().take(index).filter(|other| names::key(&other.name) == key);
        if let Some(twin) = twins.find(|other| overlap(other, org)) {
            let path = format!("{}.name", join("orgs.list", &org.id));
            let message = format!("`{}` and `{}` have the same name: auto_match maps no site to them", twin.id, org.id);
            problems.warn_at(&path, message, Some("list their sites".to_owned()));
        }
    }
}

/// Whether there may be an account of which both claim sites.
fn overlap(a: &Org, b: &Org) -> bool {
    match (&a.accounts, &b.accounts) {
        (Some(a), Some(b)) => a.iter().any(|account| b.contains(account)),
        (None, _) | (_, None) => true,
    }
}
