//! The fields of ECS that an event fills (event-schema.md section 13, first table).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::evidence::{File, Package, Process, Shown};
use super::host::Host;
use super::kind::Kind;
use super::threat::Threat;
use super::user::User;
use super::{MODULE, VERSION};
use crate::clock::Millis;
use crate::normalize::ocsf::choice::Text;
use crate::normalize::ocsf::class::{Body, Finding};
use crate::normalize::ocsf::event::OcsfEvent;
use crate::normalize::ocsf::object::attack::Attack;
use crate::normalize::ocsf::object::endpoint::Endpoint;
use crate::normalize::ocsf::object::metadata::Tag;
use crate::org::directory::Tenant;

/// Nanoseconds of a millisecond.
const NANOS: i64 = 1_000_000;

/// A document, but for what stands under `datto_rmm`.
#[derive(Debug, Serialize)]
pub(super) struct Document<'e> {
    #[serde(rename = "@timestamp")]
    timestamp: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'e str,
    ecs: Version,
    event: Event<'e>,
    log: Log,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<Rule<'e>>,
    organization: Organization<'e>,
    observer: Observer<'e>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<Host<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<User<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Address<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<Address<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<File<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<Process<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<Package<'e>>,
    #[serde(skip_serializing_if = "Related::is_empty")]
    related: Related<'e>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threat: Option<Threat<'e>>,
    labels: BTreeMap<String, Label<'e>>,
    tags: Vec<&'e str>,
}

/// `ecs`.
#[derive(Debug, Serialize)]
struct Version {
    version: &'static str,
}

/// `event`.
#[derive(Debug, Serialize)]
struct Event<'e> {
    id: &'e str,
    kind: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    category: &'static [&'static str],
    #[serde(rename = "type", skip_serializing_if = "<[_]>::is_empty")]
    types: &'static [&'static str],
    action: Cow<'e, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    code: &'e str,
    provider: &'static str,
    module: &'static str,
    dataset: &'static str,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<String>,
    /// Nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<&'e str>,
    /// SHA-256 of the record's text, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<&'e str>,
}

/// `log`.
#[derive(Debug, Serialize)]
struct Log {
    level: String,
}

/// `rule`.
#[derive(Debug, Serialize)]
struct Rule<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'e str>,
    name: &'e str,
    category: &'static str,
    ruleset: &'static str,
}

/// `organization`: the customer.
#[derive(Debug, Serialize)]
struct Organization<'e> {
    id: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'e str>,
}

/// `observer`: Datto RMM.
#[derive(Debug, Serialize)]
struct Observer<'e> {
    vendor: &'static str,
    product: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    /// The platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<&'e str>,
    /// vintner's.
    version: &'static str,
}

/// `source` or `destination`.
#[derive(Debug, Serialize)]
pub(super) struct Address<'e> {
    address: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
}

/// `related`: what an analyst pivots on, each value once.
#[derive(Debug, Default, Serialize)]
struct Related<'e> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<&'e str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ip: Vec<&'e str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    user: Vec<&'e str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hash: Vec<&'e str>,
}

impl<'e> Document<'e> {
    /// The document of an event; `action` is the record's own word for what was done.
    pub(super) fn of(event: &'e OcsfEvent<'e>, tenant: &'e Tenant, action: Option<Text<'e>>) -> Self {
        let finding = finding(event);
        let shown = finding.map(Shown::of).unwrap_or_default();
        let session = if let Body::Tunnel(body) = &event.body { body.dst_endpoint.as_ref() } else { None };
        let source = event.body.src_endpoint();
        Self {
            timestamp: Millis(event.time).to_string(),
            message: &event.message,
            ecs: Version { version: VERSION },
            event: Event::of(event, action),
            log: Log { level: event.severity.to_lowercase() },
            rule: finding.map(|finding| Rule {
                id: finding.finding_info.analytic.uid.as_deref(),
                name: &finding.finding_info.analytic.name,
                category: finding.finding_info.analytic.category,
                ruleset: "Datto RMM monitors",
            }),
            organization: Organization {
                id: event.metadata.tenant_uid,
                name: tenant.name.as_deref().filter(|n| !n.is_empty()),
            },
            observer: observer(event),
            host: event.body.device().map(Host::of),
            user: User::of(&event.body),
            source: source.and_then(Address::of),
            destination: session.and_then(Address::of).or(shown.destination),
            file: shown.file,
            process: shown.process,
            package: shown.package,
            related: Related::of(event),
            threat: Threat::of(attacks(event)),
            labels: labels(&event.metadata.tags),
            tags: std::iter::once("datto-rmm").chain(event.metadata.labels.iter().copied()).collect(),
        }
    }
}

impl<'e> Event<'e> {
    fn of(event: &'e OcsfEvent<'e>, action: Option<Text<'e>>) -> Self {
        let Kind { kind, category, types, action, outcome } = Kind::of(event, action);
        let metadata = &event.metadata;
        let reference = finding(event).and_then(|finding| finding.finding_info.src_url.as_deref());
        Self {
            id: &metadata.uid,
            kind,
            category,
            types,
            action,
            outcome,
            code: &metadata.event_code,
            provider: "Datto RMM",
            module: MODULE,
            dataset: metadata.log_name,
            created: Millis(metadata.logged_time).to_string(),
            start: event.start_time.map(|time| Millis(time).to_string()),
            end: event.end_time.map(|time| Millis(time).to_string()),
            duration: event.duration.and_then(|ms| ms.checked_mul(NANOS)),
            severity: severity(event.severity_id),
            reason: event.status_detail.as_deref(),
            reference,
            original: event.raw_data,
            hash: event.raw_data_hash.as_ref().map(|hash| hash.value.as_str()),
        }
    }
}

/// The techniques, wherever the class has them.
fn attacks<'e>(event: &'e OcsfEvent<'e>) -> &'e [Attack<'e>] {
    finding(event).map_or(event.attacks.as_slice(), |finding| &finding.finding_info.attacks)
}

fn finding<'e>(event: &'e OcsfEvent<'e>) -> Option<&'e Finding<'e>> {
    if let Body::Finding(finding) = &event.body { Some(finding) } else { None }
}

/// Elastic's usual scale for alerts; none for a severity that is unknown or another.
fn severity(id: u32) -> Option<u32> {
    match id {
        1 => Some(0),
        2 => Some(21),
        3 => Some(47),
        4 => Some(73),
        5 | 6 => Some(99),
        _ => None,
    }
}

fn observer<'e>(event: &'e OcsfEvent<'_>) -> Observer<'e> {
    let platform = event.metadata.tags.iter().find(|tag| tag.name == "datto.platform");
    Observer {
        vendor: "Datto",
        product: "Datto RMM",
        kind: "rmm",
        name: platform.map(|tag| tag.value.as_ref()),
        hostname: event.metadata.reporter.hostname,
        version: env!("CARGO_PKG_VERSION"),
    }
}

impl<'e> Address<'e> {
    /// Where an endpoint is; `None` for one that is known by a uid alone.
    pub(super) fn of(endpoint: &'e Endpoint<'_>) -> Option<Self> {
        let ip = endpoint.ip.as_deref();
        let address = ip.or(endpoint.hostname.as_deref())?;
        let mac = endpoint.mac.as_ref().map(|mac| mac.replace(':', "-"));
        Some(Self { address, ip, port: endpoint.port, mac })
    }
}

impl<'e> Related<'e> {
    fn of(event: &'e OcsfEvent<'_>) -> Self {
        let mut related = Self::default();
        for observable in &event.observables {
            // Numbers of OCSF's observable types.
            let list = match observable.type_id {
                1 => &mut related.hosts,
                2 => &mut related.ip,
                4 | 5 => &mut related.user,
                8 => &mut related.hash,
                _ => continue,
            };
            add(list, &observable.value);
        }
        // An identifier of the host, though none that ECS has a field of its own for.
        let entra_id = event.body.device().and_then(|device| device.entra_id.as_deref());
        entra_id.into_iter().for_each(|id| add(&mut related.hosts, id));
        let further = event.body.src_endpoint().into_iter().flat_map(|source| &source.intermediate_ips);
        further.for_each(|ip| add(&mut related.ip, ip));
        related
    }

    fn is_empty(&self) -> bool {
        [&self.hosts, &self.ip, &self.user, &self.hash].iter().all(|list| list.is_empty())
    }
}

fn add<'e>(list: &mut Vec<&'e str>, value: &'e str) {
    if !list.contains(&value) {
        list.push(value);
    }
}

/// The value of a label, or all of those that have its name.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Label<'e> {
    One(&'e str),
    Many(Vec<&'e str>),
}

impl<'e> Label<'e> {
    fn add(&mut self, value: &'e str) {
        match self {
            Self::One(first) => *self = Self::Many(vec![*first, value]),
            Self::Many(values) => values.push(value),
        }
    }
}

/// Tags as flat labels: `datto.site_uid` as `datto_site_uid`, since a dot would nest them. The platform is the observer's name.
fn labels<'e>(tags: &'e [Tag<'_>]) -> BTreeMap<String, Label<'e>> {
    let mut labels: BTreeMap<String, Label<'e>> = BTreeMap::new();
    for tag in tags.iter().filter(|tag| tag.name != "datto.platform") {
        let value = tag.value.as_ref();
        let known = labels.entry(tag.name.replace('.', "_"));
        known.and_modify(|label| label.add(value)).or_insert(Label::One(value));
    }
    labels
}
