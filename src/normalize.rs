//! Record + context → event: pure functions, run on the way out, so that a mapping can be mended and told again.

use crate::clock::Millis;
use crate::event::Event;
use crate::inventory::Device;
use crate::org::directory::{Directory, Tenant};
use crate::record::Record;

/// The form of an event's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// OCSF 1.8.0.
    #[default]
    Ocsf,
    /// Elastic Common Schema.
    Ecs,
    /// The source record with its envelope.
    Raw,
}

/// Which events carry `raw_data` (event-schema.md section 10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RawData {
    /// None.
    Off,
    /// Alerts and audit.
    #[default]
    Findings,
    /// All.
    All,
}

/// How a sink wants its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Form of the body.
    pub format: Format,
    /// Which events carry the source text.
    pub raw_data: RawData,
}

/// What an event needs besides its record.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Account, sites and policy: names, and the organization of a second site that a record names (moves).
    pub directory: &'a Directory,
    /// The organization that the record belongs to.
    pub tenant: &'a Tenant,
    /// The inventory's entry of the record's device.
    pub device: Option<&'a Device>,
    /// When the event is made (`metadata.processed_time`).
    pub processed_at: Millis,
    /// How the sink wants it.
    pub options: &'a Options,
}

/// No event can be made of a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no event can be made of this record: {0}")]
pub struct Unmappable(pub String);

/// Makes the one event of a record.
pub fn normalize(record: &Record, context: &Context<'_>) -> Result<Event, Unmappable> {
    let _ = (record, context);
    Err(Unmappable("not built yet".into()))
}
