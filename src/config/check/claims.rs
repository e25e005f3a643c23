//! Claims of several organizations on one site, as far as the file shows them (contract.md section 4).

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::config::nearest::nearest;
use crate::config::places::{Problems, join};
use crate::org::directory::Directory;
use crate::org::{Org, Rules, names};

/// An entry of a site list, and where it stands.
struct Entry<'a> {
    org: &'a Org,
    path: String,
}

/// What claims one key (a site, or the name of an organization) so far, found in constant time by the accounts for which it
/// claims it.
struct Claimed<T> {
    first: Option<Rc<T>>,
    /// Of all accounts.
    everywhere: Option<Rc<T>>,
    by_account: HashMap<String, Rc<T>>,
}

impl<T> Default for Claimed<T> {
    fn default() -> Self {
        Self { first: None, everywhere: None, by_account: HashMap::new() }
    }
}

impl<T> Claimed<T> {
    /// The claim for an account of which `org` claims too, if there is one.
    fn overlap(&self, org: &Org) -> Option<&T> {
        let shared = || org.accounts.iter().flatten().find_map(|account| self.by_account.get(account));
        let found = match &org.accounts {
            None => self.first.as_ref(),
            Some(_) => self.everywhere.as_ref().or_else(shared),
        };
        found.map(Rc::as_ref)
    }

    fn add(&mut self, org: &Org, claim: T) {
        let claim = Rc::new(claim);
        self.first.get_or_insert_with(|| Rc::clone(&claim));
        if org.accounts.is_none() {
            self.everywhere.get_or_insert_with(|| Rc::clone(&claim));
        }
        for account in org.accounts.iter().flatten() {
            self.by_account.entry(account.clone()).or_insert_with(|| Rc::clone(&claim));
        }
    }
}

/// Adds what is wrong with the lists of organizations.
pub(crate) fn check(rules: &Rules, problems: &Problems) {
    let ignored: HashSet<String> = rules.ignore.iter().map(|entry| names::key(entry)).collect();
    let mut seen: HashMap<String, Claimed<Entry<'_>>> = HashMap::new();
    for org in &rules.list {
        accounts(org, problems);
        for (index, site) in org.sites.iter().enumerate() {
            let path = format!("{}.sites.{index}", join("orgs.list", &org.id));
            let key = names::key(site);
            if ignored.contains(&key) {
                let message = format!("{site:?} is on the ignore list, which comes first");
                problems.warn_at(&path, message, Some("keep it in one of the two".to_owned()));
            }
            let claimed = seen.entry(key).or_default();
            if let Some(other) = claimed.overlap(org) {
                twice(other, org, site, &path, problems);
            }
            claimed.add(org, Entry { org, path });
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
    let listing = directory.listing();
    if listing.is_empty() {
        return;
    }
    // The accounts that have a site of this uid, or of this name.
    let mut uids: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut keys: HashMap<String, Vec<&str>> = HashMap::new();
    for row in &listing {
        uids.entry(&row.site.uid).or_default().push(&row.account);
        let accounts = keys.entry(names::key(&row.site.name)).or_default();
        if !accounts.contains(&row.account.as_str()) {
            accounts.push(&row.account);
        }
    }
    let is_known = |entry: &str, org: Option<&Org>| {
        let accounts = uids.get(entry.trim()).into_iter().chain(keys.get(&names::key(entry))).flatten();
        accounts.into_iter().any(|account| org.is_none_or(|org| org.covers(Some(account))))
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
    let mut seen: HashMap<String, Claimed<&Org>> = HashMap::new();
    for org in rules.list.iter().filter(|_| rules.auto_match) {
        let claimed = seen.entry(names::key(&org.name)).or_default();
        if let Some(twin) = claimed.overlap(org) {
            let path = format!("{}.name", join("orgs.list", &org.id));
            let message = format!("`{}` and `{}` have the same name: auto_match maps no site to them", twin.id, org.id);
            problems.warn_at(&path, message, Some("list their sites".to_owned()));
        }
        claimed.add(org, org);
    }
}
