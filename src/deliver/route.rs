//! Which events a sink takes (`route` of a sink, contract.md section 2).

use std::collections::BTreeSet;

use crate::event::Pivots;
use crate::record::Stream;

/// A sink's route. The default takes every collected record of every organization, and nothing that vintner tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// Streams; `None`: all that are collected, but not vintner's own events.
    pub streams: Option<BTreeSet<Stream>>,
    /// Organization ids; `None`: all.
    pub orgs: Option<BTreeSet<String>>,
    /// Lowest OCSF `severity_id` (1 Informational … 5 Critical). Events of unknown severity (0, 99) pass.
    pub min_severity: Option<u8>,
    /// Labels (`metadata.labels`) of which an event has at least one; `None`: any event.
    pub labels: Option<BTreeSet<String>>,
}

impl Route {
    /// Whether the route names this stream and organization. Asked before an event is made.
    pub fn names(&self, stream: Stream, tenant_uid: &str) -> bool {
        self.streams.as_ref().map_or(stream != Stream::Vintner, |streams| streams.contains(&stream))
            && self.orgs.as_ref().is_none_or(|orgs| orgs.contains(tenant_uid))
    }

    /// Whether an event is severe enough and has one of the labels.
    pub fn takes(&self, pivots: &Pivots) -> bool {
        let is_known = (1..=6).contains(&pivots.severity_id);
        self.min_severity.is_none_or(|least| !is_known || pivots.severity_id >= least)
            && self.labels.as_ref().is_none_or(|labels| pivots.labels.iter().any(|label| labels.contains(*label)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::lines::tests::event;

    #[test]
    fn a_route_names_streams_and_organizations_exactly() {
        let route = Route {
            streams: Some([Stream::Alerts].into()),
            orgs: Some(["contoso".to_owned()].into()),
            ..Route::default()
        };
        assert!(route.names(Stream::Alerts, "contoso"));
        assert!(!route.names(Stream::Activity, "contoso"));
        assert!(!route.names(Stream::Alerts, "contoso-2"));
        assert!(!route.names(Stream::Alerts, ""));
        assert!(Route::default().names(Stream::Inventory, "anyone"));
    }

    #[test]
    fn a_route_by_label_takes_events_that_have_one_of_them() {
        let pivots = |labels: &[&'static str]| Pivots { labels: labels.to_vec(), ..event("{}").pivots };
        let soc = Route { labels: Some(["security".to_owned(), "posture".to_owned()].into()), ..Route::default() };
        assert!(soc.takes(&pivots(&["posture", "derived"])) && soc.takes(&pivots(&["security"])));
        assert!(!soc.takes(&pivots(&["availability"])) && !soc.takes(&pivots(&[])));
        let severe = Route { min_severity: Some(2), ..soc };
        assert!(!severe.takes(&pivots(&["security"])), "both conditions hold");
        assert!(Route::default().takes(&pivots(&[])));
    }

    #[test]
    fn what_vintner_tells_of_itself_goes_only_where_the_route_names_it() {
        assert!(!Route::default().names(Stream::Vintner, "msp"));
        let orgs_only = Route { orgs: Some(["msp".to_owned()].into()), ..Route::default() };
        assert!(!orgs_only.names(Stream::Vintner, "msp"));
        let named = Route { streams: Some([Stream::Vintner].into()), ..Route::default() };
        assert!(named.names(Stream::Vintner, "msp") && !named.names(Stream::Alerts, "msp"));
    }
}
