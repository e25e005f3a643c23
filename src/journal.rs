//! The journal: what was collected, what is known, and how far each sink has come (architecture.md section 2).
//!
//! Collectors commit whole pages, deliverers read bounded batches and move positions by compare-and-set. Every method is
//! one transaction.
//!
//! The handle is [`sqlite::Journal`]: its async methods work in whole batches and assume no local file, which is the seam
//! behind which PostgreSQL can stand later (architecture.md section 8). Each file in `journal/` holds one idea: the methods of the
//! handle that belong to it, and the functions that do it inside a transaction.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock::Millis;
use crate::inventory::Device;
use crate::org::directory::Directory;
use crate::record::place::{DeviceRef, SiteRef};
use crate::record::{AccountUid, Record, Stream};

pub mod accounts;
mod alerts;
mod attempt;
mod audit;
mod batches;
pub mod check;
mod counters;
pub mod coverage;
pub mod dead;
mod dead_requests;
pub mod drift;
mod fail;
pub mod files;
pub mod full;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod guard;
pub mod held;
mod holes;
mod intake;
pub mod intent;
pub mod inventory;
pub mod items;
pub mod lists;
mod lock;
mod log;
mod look;
mod memory;
#[cfg(test)]
mod meter;
mod pack;
mod partitions;
pub mod policy;
mod readers;
mod rejected;
mod replay;
pub mod requests;
mod rescue;
mod schema;
mod seen;
mod settle;
pub mod setup;
pub mod sinks;
pub mod space;
pub mod sqlite;
mod state;
pub mod stays;
pub mod tail;
#[cfg(test)]
mod tests;
pub mod trim;
mod tx;
mod wait;
mod work;
mod writer;

/// The lane in which an account's records wait for the sinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// What polling finds.
    Live,
    /// What `vintner backfill` finds.
    Backfill,
    /// References of `replay` and `dead-letters replay`, of one sink.
    Replayed,
}

/// The unit of order and of sink position. (`held` is a partition too, but no sink reads it.)
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Partition {
    /// The account.
    pub account: AccountUid,
    /// The lane.
    pub lane: Lane,
}

/// What a collector hands over: taken in whole, or not at all.
#[derive(Clone, Debug)]
pub struct Page {
    /// The account that showed it.
    pub account: AccountUid,
    /// The stream, for counters and coverage.
    pub stream: Stream,
    /// The lane for records of alerts not seen before and for all other records: `Live` or `Backfill`.
    pub lane: Lane,
    /// When the answer was received.
    pub received_at: Millis,
    /// New value of cursors of this account, `(name, JSON)`, stored with the page.
    pub cursors: Vec<(String, String)>,
    /// Looks at alerts that change something.
    pub alerts: Vec<AlertLook>,
    /// Other records, told once per unique key; one that the journal has already seen is a repeat.
    pub records: Vec<DatedRecord>,
    /// Items that no record can be made of, kept once per content.
    pub rejected: Vec<Rejected>,
}

/// A record and the source time under which its key is remembered for finding repeats.
#[derive(Clone, Debug)]
pub struct DatedRecord {
    /// The record.
    pub record: Record,
    /// Its own time, or [`UNDATED`]; the key is kept until the API no longer shows records of that day.
    pub dated: Millis,
}

/// Stands in for the time of a record that has none that can be read. Such a record is looked for under every day.
pub const UNDATED: Millis = Millis(253_402_214_400_000);

/// An item that no record can be made of (malformed, without an id): a dead letter of the account, not of a sink.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// Path of the list it came from.
    pub path: String,
    /// Why, for people.
    pub reason: String,
    /// The item as received, secrets stripped.
    pub content: String,
}

/// One look at one alert: what it means depends on whether its records may be delivered, which the journal decides in
/// the transaction, under the newest policy.
#[derive(Clone, Debug)]
pub struct AlertLook {
    /// `alertUid`.
    pub uid: String,
    /// The state that the look was compared with (`None`: not known). If the journal has another by now, the page is
    /// refused with [`JournalError::Conflict`].
    pub expected: Option<AlertState>,
    /// The alert as it was seen, secrets stripped; kept while it is open, since a Close needs it when the alert is gone.
    pub source: Box<RawValue>,
    /// What it tells, in order; may be empty (a silent note).
    pub records: Vec<Record>,
    /// Severity id for the `min_priority` filter; `None` for an alert already told, which that filter no longer stops.
    pub severity: Option<u8>,
    /// The state if its records are taken in or held.
    pub told: AlertState,
    /// The state if they are filtered, ignored or dropped.
    pub untold: AlertState,
}

/// What is known of an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertState {
    /// How much of it was told.
    pub told: Told,
    /// How it was last seen.
    pub seen: Seen,
    /// The site of its Create (of its first sight, until then).
    pub site: SiteRef,
    /// Updates told so far.
    pub updates: u32,
    /// Time of the latest Close told, so that no Close is told twice: its `resolvedOn`, 0 if the first had none, that of
    /// the poll if a later one had none.
    pub closed_on: Option<Millis>,
    /// How often it was told that it vanished.
    pub vanishings: u32,
    /// Digest of each watched field as last told or noted; the collector fixes their order. At most 16 bytes a field.
    pub digests: Vec<u8>,
}

/// How much of an alert was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// Nothing: filtered, ignored or dropped. Told as opened if a later look passes.
    Nothing,
    /// Noted silently, since it is older than the cut time of the first start. Later changes are told.
    Noted,
    /// Its Create (and perhaps updates).
    Opened,
    /// Its Close.
    Closed,
}

/// How an alert was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// In the open list.
    Open,
    /// Resolved.
    Resolved,
    /// Found gone, by a look-up of its uid.
    Vanished,
}

/// What became of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intake {
    /// Records appended to a lane.
    pub taken: u64,
    /// Records held until their site is mapped.
    pub held: u64,
    /// Records whose key the journal has already.
    pub repeats: u64,
    /// Not stored: by the account's filter.
    pub filtered: u64,
    /// Not stored: the site is on the ignore list.
    pub ignored: u64,
    /// Not stored: unmapped, under the policy `drop`.
    pub dropped: u64,
    /// New dead letters.
    pub rejected: u64,
    /// Alerts of which something else is known now than before.
    pub changed: u64,
}

/// Where a sink that this journal never saw starts. Stored once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// At the oldest retained record.
    Oldest,
    /// Behind everything that is there (`from = "now"`).
    Now,
}

/// How a sink stands in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Which partition.
    pub partition: Partition,
    /// Last delivered sequence, or where the sink started.
    pub position: u64,
    /// Last sequence that was given out.
    pub head: u64,
    /// Records behind the position.
    pub pending: u64,
    /// When the oldest of them was taken in.
    pub oldest: Option<Millis>,
}

/// Bounds of one attempt; at least one record is always read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimit {
    /// Most records.
    pub records: usize,
    /// Most bytes of source JSON.
    pub bytes: usize,
}

/// What a deliverer works on: a batch and, from the same read transaction, everything that decides where it goes.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The partition.
    pub partition: Partition,
    /// The sink's position before the batch.
    pub from: u64,
    /// The position once all of `items` are done.
    pub to: u64,
    /// The records, in order.
    pub items: Vec<Item>,
    /// Policy, accounts and sites.
    pub directory: Arc<Directory>,
    /// The inventory's entry of every device that the items name and the journal knows.
    pub devices: HashMap<(AccountUid, DeviceRef), Arc<Device>>,
}

/// A record of an attempt and its place.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its sequence in the partition that is read.
    pub seq: u64,
    /// Where the record itself lies: the same, but for a reference of `replayed`.
    pub place: Place,
    /// 0, or the number of the request that replays it.
    pub replay: u64,
    /// The record.
    pub record: Record,
}

/// Where a record lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// `Live` or `Backfill` of an account.
    pub partition: Partition,
    /// Its sequence there.
    pub seq: u64,
}

/// A finished prefix of a partition: position, counts and dead letters, in one transaction.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The sink.
    pub sink: String,
    /// The partition.
    pub partition: Partition,
    /// The position that the attempt started from; another one now is [`JournalError::Conflict`].
    pub from: u64,
    /// The new position.
    pub to: u64,
    /// The version that decided: `version` of the attempt's directory.
    pub version: u64,
    /// Records that the sink confirmed.
    pub sent: u64,
    /// Records that the sink's route does not name.
    pub skipped: u64,
    /// Records given up by this sink.
    pub dead: Vec<Refused>,
}

/// A record that becomes a dead letter of a sink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Where it lies.
    pub place: Place,
    /// 0, or the replay that it belongs to.
    pub replay: u64,
    /// Why.
    pub kind: RefusedKind,
    /// The reason in words, without secrets.
    pub reason: String,
    /// Records that may be meant as well as, or instead of, this one: the sink refused a part of them and did not say which.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub among: Vec<Place>,
}

/// Why a record became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefusedKind {
    /// No record can be made of the item.
    Malformed,
    /// No event can be made of the record.
    Unmappable,
    /// Its site was unmapped since it was taken in.
    Unmapped,
    /// The sink refused it.
    Refused,
}

/// What can go wrong, by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The state that a change was computed from is no longer there: read it again and compute anew.
    #[error("the journal changed meanwhile")]
    Conflict,
    /// `max_bytes` is reached: collectors of records wait and try again; everything else goes on.
    #[error("the journal is full: {used} of {limit} bytes")]
    Full {
        /// Bytes in use.
        used: u64,
        /// `journal.max_bytes`.
        limit: u64,
    },
    /// Another process has it open: stop.
    #[error("{path} is in use by another vintner (process {holder})")]
    Locked {
        /// The journal.
        path: PathBuf,
        /// Process id of the holder, or `unknown`.
        holder: String,
    },
    /// It cannot be read or written: stop with this text, change nothing.
    #[error("{path}: {reason}")]
    Unusable {
        /// The journal.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
}

/// The version of the tables that this program writes.
pub fn schema_version() -> i64 {
    schema::newest()
}

impl Lane {
    /// The name used in logs and texts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Backfill => "backfill",
            Self::Replayed => "replayed",
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.lane.as_str())
    }
}
