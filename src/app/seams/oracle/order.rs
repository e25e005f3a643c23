//! Order and organizations: each alert's states arrive in order, and each event goes to the organization that is its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::app::seams::draft::REST;
use crate::app::seams::oracle::Oracle;
use crate::app::seams::orgs::Verdict;
use crate::app::seams::receiver::Arrival;
use crate::record::{EventId, Stream};

impl Oracle<'_> {
    /// The events of one alert arrive everywhere in the order in which it happened: each sink's first arrivals, and last ones.
    pub(super) fn order(&mut self) {
        let mut texts = Vec::new();
        let mut numbers: HashMap<EventId, (String, usize)> = HashMap::new();
        let mut per_alert: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for record in self.records.iter().filter(|record| record.kind == "alert") {
            let markers = per_alert.entry(record.native_id.clone()).or_default();
            numbers.insert(record.id, (record.native_id.clone(), markers.len()));
            markers.push(record.marker.clone());
        }
        for (alert, markers) in &per_alert {
            let updates: Vec<&str> = markers.iter().filter_map(|marker| marker.strip_prefix("update:")).collect();
            let in_order = updates.iter().enumerate().all(|(n, update)| update.starts_with(&format!("{}:", n + 1)));
            // What main's receiver refused is missing among them.
            if (markers.first().is_none_or(|first| first != "open") || !in_order) && !self.given_up.contains(alert) {
                texts.push(format!("alert {alert} arrived as {markers:?}"));
            }
        }
        let mut sinks: BTreeMap<&str, Vec<&Arrival>> = BTreeMap::new();
        for arrival in self.arrivals.iter().filter(|arrival| arrival.event.replay == 0) {
            sinks.entry(&arrival.sink).or_default().push(arrival);
        }
        for (sink, arrivals) in sinks {
            for (which, backwards) in [("first", false), ("last", true)] {
                let ordered: Box<dyn Iterator<Item = &&Arrival>> =
                    if backwards { Box::new(arrivals.iter().rev()) } else { Box::new(arrivals.iter()) };
                let (mut seen, mut latest) = (BTreeSet::new(), HashMap::<&str, usize>::new());
                for arrival in ordered.filter(|arrival| seen.insert(arrival.event.id)) {
                    let Some((alert, number)) = numbers.get(&arrival.event.id) else { continue };
                    let before = latest.insert(alert, *number);
                    let is_wrong =
                        before.is_some_and(|before| if backwards { before < *number } else { before > *number });
                    if is_wrong {
                        texts.push(format!("{sink}: the {which} arrivals of alert {alert} are not in order"));
                    }
                }
            }
        }
        texts.into_iter().for_each(|text| self.problem(text));
    }

    /// Every event has an organization that the configuration in force gives its site.
    pub(super) fn organizations(&mut self) {
        let mut texts = Vec::new();
        for Arrival { began, sink, event } in &self.arrivals {
            let pivots = &event.pivots;
            let account = pivots.account_uid.as_str();
            let own = self.run.draft.account(account).map(|account| account.own().to_owned()).unwrap_or_default();
            let is_own = pivots.tenant_uid == own;
            let is_right = match &pivots.site_uid {
                _ if pivots.stream == Stream::Vintner => is_own,
                Some(site) => {
                    let verdicts = self.sites.verdicts(account, site, *began, *began);
                    verdicts.contains(&Verdict::Org(pivots.tenant_uid.clone()))
                }
                None if pivots.stream == Stream::Activity => is_own || pivots.tenant_uid == REST,
                None => is_own,
            };
            if !is_right {
                let site = pivots.site_uid.as_deref().unwrap_or("no site");
                let verdicts = pivots.site_uid.as_ref().map(|site| self.sites.verdicts(account, site, *began, *began));
                texts.push(format!(
                    "{sink}: {} {} of {site} went to {} at {:.1} s, allowed: {verdicts:?}",
                    pivots.stream.as_str(),
                    pivots.subject,
                    pivots.tenant_uid,
                    began.duration_since(self.run.began).as_secs_f64()
                ));
            }
        }
        texts.into_iter().for_each(|text| self.problem(text));
    }

    /// What vintner says of changed mappings is about mappings that came into force.
    pub(super) fn mapping_changes(&mut self) {
        let changes = |account: &str| {
            let about = self.records.iter().filter(|record| record.kind == "vintner.mapping_changed");
            about.filter(|record| record.account == account).count()
        };
        let most = self.run.epochs.len();
        let wrong: Vec<String> =
            self.run.platforms.iter().filter(|(uid, _)| changes(uid) > most).map(|(uid, _)| uid.clone()).collect();
        for account in wrong {
            self.problem(format!("{account}: more mappings are said to be in force than there were"));
        }
    }
}
