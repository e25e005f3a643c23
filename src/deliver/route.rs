//! Which events a sink takes (`route` of a sink, contract.md section 2).

use std::collections::BTreeSet;

use crate::event::Pivots;
use crate::record::Stream;

/// A sink's route. The default takes every record of every organization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// Streams; `None`: all.
    pub streams: Option<BTreeSet<Stream>>,
    /// Organization ids; `None`: all.
    pub orgs: Option<BTreeSet<String>>,
    /// Lowest OCSF `severity_id` (1 Informational … 5 Critical). Events of unknown severity (0, 99) pass.
    pub min_severity: Option<u8>,
}

impl Route {
    /// Whether the route names this stream and organization. Asked before an event is made.
    pub fn names(&self, stream: Stream, tenant_uid: &str) -> bool {
        self.streams.as_ref().is_none_or(|streams| streams.contains(&stream))
            && self.orgs.as_ref().is_none_or(|orgs| orgs.contains(tenant_uid))
    }

    /// Whether an event is severe enough.
    pub fn takes(&self, pivots: &Pivots) -> bool {
        let is_known = (1..=6).contains(&pivots.severity_id);
        self.min_severity.is_none_or(|least| !is_known || pivots.severity_id >= least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_names_streams_and_organizations_exactly() {
        let route = Route {
            streams: Some([Stream::Alerts].into()),
            orgs: Some(["contoso".to_owned()].into()),
            min_severity: None,
        };
        assert!(route.names(Stream::Alerts, "contoso"));
        assert!(!route.names(Stream::Activity, "contoso"));
        assert!(!route.names(Stream::Alerts, "contoso-2"));
        assert!(!route.names(Stream::Alerts, ""));
        assert!(Route::default().names(Stream::Inventory, "anyone"));
    }
}
