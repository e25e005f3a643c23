//! Whose a site's records are, read from contract section 4 and the drafts alone: no code of the program decides here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;
use unicode_normalization::UnicodeNormalization;

use crate::app::seams::draft::{Draft, Org, REST, Unmapped};
use crate::app::seams::run::{Epoch, Run};
use crate::app::seams::watched::List;

/// The program may know an earlier name of a site for so long: a pass of the inventory, and what may delay one.
const LAG: Duration = Duration::from_secs(12 * 60);

/// What becomes of a site's records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Org(String),
    Ignored,
    Dropped,
    Held,
}

/// Each name of a site and since when it was shown; and whether the site was taken off the list.
type Names = (Vec<(Instant, String)>, bool);

/// All sites of all accounts, and the names that they had.
pub(crate) struct Sites {
    /// By account and uid: each name and since when it was shown; and whether the site was taken off the list.
    names: BTreeMap<(String, String), Names>,
    epochs: Vec<Epoch>,
}

/// The text in which names are compared.
fn exact(name: &str) -> String {
    name.trim().nfc().collect()
}

impl Sites {
    pub(crate) fn of(run: &Run) -> Self {
        let mut names: BTreeMap<_, (Vec<_>, bool)> = BTreeMap::new();
        for (key, states) in &*run.watched.book() {
            for state in states.iter().filter(|state| state.list == List::Sites) {
                let name = exact(state.item["name"].as_str().unwrap_or_default());
                names.entry(key.clone()).or_default().0.push((state.first, name));
            }
        }
        for (account, sim) in &run.platforms {
            for site in sim.truth().sites {
                names.entry((account.clone(), site.uid)).or_default().1 |= !site.listed;
            }
        }
        Self { names, epochs: run.epochs.clone() }
    }

    /// Configurations that may have been in force at some time between `from` and `until`.
    pub(crate) fn epochs(&self, from: Instant, until: Instant) -> impl Iterator<Item = &Epoch> {
        self.epochs.iter().filter(move |epoch| epoch.from <= until && epoch.until.is_none_or(|end| end >= from))
    }

    /// Names that the program may know a site by between `from` and `until`; `None` among them: it may not know the site.
    fn names(&self, account: &str, site: &str, from: Instant, until: Instant) -> BTreeSet<Option<String>> {
        let Some((shown, is_removed)) = self.names.get(&(account.to_owned(), site.to_owned())) else {
            return [None].into();
        };
        let early = from.checked_sub(LAG).unwrap_or(from);
        let before = shown.iter().rev().find(|(at, _)| *at < early).map(|(_, name)| name.clone());
        let during = shown.iter().filter(|(at, _)| *at >= early && *at <= until).map(|(_, name)| name.clone());
        let mut names: BTreeSet<_> = during.map(Some).collect();
        if before.is_none() || *is_removed {
            names.insert(None);
        }
        names.extend(before.map(Some));
        names
    }

    /// What the configurations between `from` and `until` may decide on a site.
    pub(crate) fn verdicts(&self, account: &str, site: &str, from: Instant, until: Instant) -> BTreeSet<Verdict> {
        let mut all = BTreeSet::new();
        for epoch in self.epochs(from, until) {
            for name in self.names(account, site, from, until) {
                self.decide(&epoch.draft, account, site, name.as_deref(), (from, until), &mut all);
            }
        }
        all
    }

    /// Whether a filter may have kept a record of this site from being collected.
    pub(crate) fn may_be_filtered(&self, account: &str, site: &str, from: Instant, until: Instant) -> bool {
        let names = self.names(account, site, from, until);
        self.epochs(from, until).filter_map(|epoch| epoch.draft.account(account)).any(|account| {
            let is_named = |entry: &String| entry == site || names.contains(&Some(exact(entry)));
            account.exclude.iter().any(is_named)
        })
    }

    fn decide(
        &self,
        draft: &Draft,
        account: &str,
        site: &str,
        name: Option<&str>,
        (from, until): (Instant, Instant),
        all: &mut BTreeSet<Verdict>,
    ) {
        let Some(orgs) = &draft.orgs else {
            all.insert(Verdict::Org(site.to_owned()));
            return;
        };
        let unmapped = match orgs.unmapped {
            Unmapped::Hold => Verdict::Held,
            Unmapped::Drop => Verdict::Dropped,
            Unmapped::Default => Verdict::Org(REST.to_owned()),
        };
        let is_name = |text: &str| name.is_some_and(|name| !name.is_empty() && exact(text) == name);
        if orgs.ignore.iter().any(|entry| entry == site || is_name(entry)) {
            all.insert(Verdict::Ignored);
            return;
        }
        let takes = |org: &Org| {
            let account_name = draft.account(account).map(|account| account.name.as_str());
            org.account.is_none() || org.account.as_deref() == account_name
        };
        let by = |rule: &dyn Fn(&Org) -> bool| orgs.list.iter().find(|org| takes(org) && rule(org));
        if let Some(org) = by(&|org| org.sites.iter().any(|entry| entry == site)) {
            all.insert(Verdict::Org(org.id.clone()));
            return;
        }
        let named = by(&|org| org.sites.iter().any(|entry| is_name(entry)))
            .or_else(|| by(&|org| orgs.auto_match && is_name(&org.name)));
        let (Some(org), Some(name)) = (named, name) else {
            all.insert(unmapped);
            return;
        };
        // A name that several sites have, of those that the organization takes, maps none of them.
        let (mut may_share, mut must_share) = (false, false);
        for (other_account, other) in self.names.keys() {
            let is_same = other_account == account && other == site;
            let account_name = draft.account(other_account).map(|account| account.name.as_str());
            let takes = |org: &Org| org.account.is_none() || org.account.as_deref() == account_name;
            // One that its uid speaks for needs no name.
            let by_uid =
                orgs.ignore.contains(other) || orgs.list.iter().any(|org| takes(org) && org.sites.contains(other));
            if is_same || by_uid || !takes(org) {
                continue;
            }
            let names = self.names(other_account, other, from, until);
            let has = names.contains(&Some(name.to_owned()));
            may_share |= has;
            must_share |= has && names.len() == 1;
        }
        // Until every account's list is known, what a name maps is held.
        all.insert(Verdict::Held);
        if may_share {
            all.insert(unmapped);
        }
        if !must_share {
            all.insert(Verdict::Org(org.id.clone()));
        }
    }
}
