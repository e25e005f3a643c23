//! The rules of `[orgs]`, indexed: which organizations claim a uid, a name, an Autotask company.

use std::collections::{HashMap, HashSet};

use crate::inventory::Site;
use crate::org::{Org, Rules, names};

/// Longest organization id (contract.md section 2).
const MAX_ORG_ID: usize = 100;

/// Which organization rules (by index into [`Rules::list`]) claim what.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    by_uid: HashMap<String, Vec<usize>>,
    by_name: HashMap<String, Vec<usize>>,
    by_org_name: HashMap<String, Vec<usize>>,
    ignored_uids: HashSet<String>,
    ignored_names: HashSet<String>,
}

impl Claims {
    /// Indexes `rules`. An entry of a site list is a name only if it cannot be a uid: it has not the shape of one, and no
    /// known site has it as its uid.
    pub(crate) fn new(rules: &Rules, sites: &[Site]) -> Self {
        let known: HashSet<&str> = sites.iter().map(|site| site.uid.as_str()).collect();
        let is_name = |entry: &str| !names::is_uuid(entry) && !known.contains(entry) && !entry.is_empty();
        let mut claims = Self {
            by_uid: HashMap::new(),
            by_name: HashMap::new(),
            by_org_name: HashMap::new(),
            ignored_uids: rules.ignore.iter().map(|entry| entry.trim().to_owned()).collect(),
            ignored_names: rules.ignore.iter().map(|e| e.trim()).filter(|e| is_name(e)).map(names::key).collect(),
        };
        for (org, rule) in rules.list.iter().enumerate() {
            for entry in rule.sites.iter().map(|entry| entry.trim()) {
                add(&mut claims.by_uid, entry.to_owned(), org);
                if is_name(entry) {
                    add(&mut claims.by_name, names::key(entry), org);
                }
            }
            if rules.auto_match && !rule.name.trim().is_empty() {
                add(&mut claims.by_org_name, names::key(&rule.name), org);
            }
        }
        claims
    }

    /// Whether the ignore list names this uid.
    pub(crate) fn ignores_uid(&self, uid: &str) -> bool {
        self.ignored_uids.contains(uid)
    }

    /// Whether the ignore list names this name (in the form of [`names::key`]), for the sites of every account: "Deleted
    /// Devices" exists in each of them.
    pub(crate) fn ignores_name(&self, name: &str) -> bool {
        self.ignored_names.contains(name)
    }

    /// Organizations that list this uid.
    pub(crate) fn uid(&self, uid: &str) -> &[usize] {
        self.by_uid.get(uid).map_or(&[], Vec::as_slice)
    }

    /// Organizations that list this name.
    pub(crate) fn name(&self, name: &str) -> &[usize] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// Organizations that have this name, if `auto_match` is on.
    pub(crate) fn org_name(&self, name: &str) -> &[usize] {
        self.by_org_name.get(name).map_or(&[], Vec::as_slice)
    }
}

impl Org {
    /// Whether it may claim sites of this account, by the account's configured name.
    pub fn covers(&self, account: Option<&str>) -> bool {
        let Some(accounts) = &self.accounts else { return true };
        account.is_some_and(|name| accounts.iter().any(|listed| listed == name))
    }
}

/// The organization id of an Autotask company; `None` if no id can be made of it.
pub(crate) fn autotask_org(company_id: &str) -> Option<String> {
    let company_id = company_id.trim();
    let keep = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    let id = format!("autotask-{}", company_id.chars().map(keep).collect::<String>());
    (!company_id.is_empty() && id.len() <= MAX_ORG_ID).then_some(id)
}

fn add(index: &mut HashMap<String, Vec<usize>>, key: String, org: usize) {
    let orgs = index.entry(key).or_default();
    // Organizations come in order, so one that claims a key twice is the last.
    if orgs.last() != Some(&org) {
        orgs.push(org);
    }
}
