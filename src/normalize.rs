//! Record + context → event: pure functions, run on the way out, so that a mapping can be mended and told again.

use std::collections::BTreeMap;
use std::sync::Arc;

use self::known::KnownDevice;
use self::lens::Lens;
use self::ocsf::severity::Overrides;
use self::udf::{NO_UDFS, Udfs};
use self::users::Users;
use crate::clock::Millis;
use crate::event::Event;
use crate::inventory::Account;
use crate::org::directory::{Directory, Tenant};
use crate::record::Record;

mod address;
mod check;
pub mod drift;
mod ecs;
pub mod explain;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod json;
pub mod known;
pub mod lens;
mod notes;
pub(crate) mod number;
pub mod ocsf;
mod raw;
pub mod redact;
pub mod schema;
pub mod time;
pub mod udf;
pub mod users;

/// The form of an event's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// OCSF 1.8.0.
    #[default]
    Ocsf,
    /// ECS 9.4.0 (Elastic Common Schema).
    Ecs,
    /// The source record with its envelope.
    Raw,
}

/// Which events carry `raw_data` (event-schema.md section 10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RawData {
    /// None.
    #[default]
    Off,
    /// Alerts and audit.
    Findings,
    /// All.
    All,
}

/// Labels of findings that are alerts: `is_alert`, and `event.kind` of ECS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alerting(pub Vec<&'static str>);

impl Alerting {
    /// Labels that a finding can have.
    pub const LABELS: [&str; 5] = ["security", "posture", "custom", "availability", "operational"];

    /// Whether a finding with this label is an alert.
    pub(crate) fn has(&self, label: &str) -> bool {
        self.0.contains(&label)
    }
}

impl Default for Alerting {
    fn default() -> Self {
        Self(vec!["security", "posture", "custom"])
    }
}

/// How a sink wants its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Form of the body.
    pub format: Format,
    /// Which events carry the source text.
    pub raw_data: RawData,
    /// Severities that the operator puts in place of the defaults.
    pub severities: Overrides,
    /// Address of an alert in the portal: `{alert_uid}`, `{device_uid}`, `{site_uid}` and `{platform}` are filled in.
    pub alert_url: Option<String>,
    /// The user-defined device fields that are told, by the account's name.
    pub udfs: BTreeMap<String, Udfs>,
    /// Rules that mark what attackers do; the default marks nothing.
    pub lens: Arc<Lens>,
    /// Labels of findings that are alerts.
    pub alerting: Alerting,
    /// What events say of users.
    pub users: Users,
}

impl Options {
    /// The user-defined fields that are told of an account; of one that nobody knows, none.
    pub(crate) fn udfs_of(&self, account: Option<&Account>) -> &Udfs {
        account.and_then(|account| self.udfs.get(&account.name)).unwrap_or(&NO_UDFS)
    }
}

/// What an event needs besides its record.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Account, sites and policy: names, and the organization of a second site that a record names (moves).
    pub directory: &'a Directory,
    /// The organization that the record belongs to.
    pub tenant: &'a Tenant,
    /// The inventory's entry of the record's device.
    pub device: Option<&'a KnownDevice>,
    /// When the event is made (`metadata.processed_time`).
    pub processed_at: Millis,
    /// How the sink wants it.
    pub options: &'a Options,
}

impl Context<'_> {
    /// The user-defined fields that are told of the record's account.
    pub(crate) fn udfs(&self, record: &Record) -> &Udfs {
        self.options.udfs_of(self.directory.account(&record.envelope.account))
    }
}

/// No event can be made of a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no event can be made of this record: {0}")]
pub struct Unmappable(pub String);

/// Makes the one event of a record.
///
/// The event's id is the record's ([`crate::record::Envelope::event_id`]) whatever the format; its pivots are the same too.
pub fn normalize(record: &Record, context: &Context<'_>) -> Result<Event, Unmappable> {
    #[cfg(test)]
    crate::diagnostic::planted::visit("mapping", &record.envelope.native_id);
    let id = record.envelope.event_id();
    let masked = context.options.users.mask(record)?;
    let (record, acting) = (masked.record.as_ref(), masked.acting.as_deref());
    let (json, pivots) = match context.options.format {
        Format::Ocsf => ocsf::encode(record, id, acting, context, ocsf::render)?,
        Format::Ecs => ocsf::encode(record, id, acting, context, ecs::render)?,
        Format::Raw => {
            let pivots = ocsf::pivots(record, id, acting, context)?;
            (raw::encode(record, id, context, pivots.site_uid.as_deref())?, pivots)
        }
    };
    Ok(Event { id, json, pivots, replay: 0 })
}

#[cfg(test)]
mod tests;
