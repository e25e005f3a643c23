//! `vintner verify`: what a Kafka sink's topics hold, against what the journal says was sent. Its memory does not grow with either.

mod address;
pub mod compare;

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::hash::{DefaultHasher, Hash, Hasher};

use self::address::{Moves, Surroundings};
use self::compare::remains::Remains;
use self::compare::store::StoreError;
use self::compare::{Comparison, Entry, Report};
use crate::app::AppError;
use crate::app::assemble::event_options;
use crate::app::sinks::Planned;
use crate::clock::Clock;
use crate::config::load::ProcessEnvironment;
use crate::config::settings::{Config, SinkConfig};
use crate::deliver::route::Route;
use crate::journal::coverage::{Delivered, DeliveredMark};
use crate::journal::sqlite::Journal;
use crate::journal::{Lane, Partition};
use crate::normalize::known::KnownDevice;
use crate::normalize::{Format, Options, RawData};
use crate::org::directory::{Decision, Directory};
use crate::record::place::DeviceRef;
use crate::record::{AccountUid, Envelope, RecordKind};
use crate::sink::kafka::Settings;
use crate::sink::kafka::read::{Reader, Seen, TopicPartition};

/// Records read from the journal at once.
const AT_ONCE: usize = 2_000;
/// The same where only some of them are wanted: those of one batch.
const SOME_AT_ONCE: usize = 512;
/// Ranges of delivered records read from the journal at once.
const RANGES_AT_ONCE: usize = 512;
/// Devices that are remembered at once.
const DEVICES_AT_ONCE: usize = 1_024;

/// What was compared, and what came of it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Verified {
    /// The sink.
    pub sink: String,
    /// The topics that were read.
    pub topics: Vec<String>,
    /// Records that wait for the sink.
    pub pending: u64,
    /// What came of it.
    #[serde(flatten)]
    pub report: Report,
}

/// Reads the topics of `sink`, also those that it wrote to earlier, and compares. The journal is only read, beside a running
/// instance or not.
pub async fn verify(
    journal: &Journal,
    config: &Config,
    sink: &SinkConfig,
    earlier: Vec<String>,
) -> Result<Verified, AppError> {
    let planned = Planned::new(sink.clone());
    let settings = planned.kafka(journal.id(), &Clock::system()).ok_or_else(|| {
        AppError::Configuration(format!("the sink {} is no Kafka sink: only topics can be read back", sink.name))
    })?;
    let directory = journal.directory().await?;
    let accounts = directory.accounts().map(|account| account.uid.to_string()).collect();
    let comparison = Comparison::new(accounts, settings.timestamp, directory.version)?;
    let mut known = Known { comparison, moves: Moves::default(), route: planned.route(), directory: &directory };
    // First what was sent, then what is there: what is sent meanwhile is not missed.
    let mut behind = DeliveredMark::default();
    loop {
        let (ranges, next) = journal.delivered(&sink.name, behind, RANGES_AT_ONCE).await?;
        ranges.iter().try_for_each(|range| known.comparison.keep_range(range))?;
        let Some(next) = next else { break };
        behind = next;
    }
    let mut backlog = journal.backlog(&sink.name).await?;
    backlog.retain(|entry| entry.partition.lane != Lane::Replayed);
    backlog.sort_by(|a, b| a.partition.cmp(&b.partition));
    let pending = backlog.iter().map(|entry| entry.pending).fold(0, u64::saturating_add);
    let mut ends = Vec::new();
    for entry in &backlog {
        let last = known.learn(journal, &entry.partition, 0).await?;
        ends.push((entry.partition.clone(), last));
    }
    let (topics, comparison) = read(settings.clone(), earlier, known.comparison).await?;
    known.comparison = comparison;
    for (partition, last) in ends {
        known.learn(journal, &partition, last.saturating_add(1)).await?;
    }
    let Known { mut comparison, moves, route, .. } = known;
    let options =
        Options { format: Format::Raw, raw_data: RawData::Off, ..event_options(config, &ProcessEnvironment)? };
    let (route, directory) = (&route, directory.as_ref());
    let surroundings = Surroundings { settings: &settings, route, options: &options, directory, moves: &moves };
    let remains = comparison.remains(&topics)?;
    let (mut report, mut after) = (Report::default(), 0);
    while let Some((number, range)) = comparison.next_range(after)? {
        place(journal, &range, &surroundings, &mut comparison, &remains).await?;
        comparison.judge(&range, &remains, &mut report)?;
        after = number;
    }
    comparison.conclude(&mut report)?;
    drop(remains);
    let mut topics: Vec<String> = topics.into_iter().map(|partition| partition.topic).collect();
    topics.dedup();
    Ok(Verified { sink: sink.name.clone(), topics, pending, report })
}

/// What the journal says.
struct Known<'a> {
    comparison: Comparison,
    moves: Moves,
    route: Route,
    directory: &'a Directory,
}

impl Known<'_> {
    /// Adds the records of a partition from `from` on; gives the last sequence that was there.
    async fn learn(&mut self, journal: &Journal, partition: &Partition, from: u64) -> Result<u64, AppError> {
        let (mut next, mut last) = (from, from.saturating_sub(1));
        loop {
            let records = journal.some_records(partition, next, AT_ONCE).await?;
            let Some((end, ..)) = records.last() else { return Ok(last) };
            (last, next) = (*end, end.saturating_add(1));
            for (seq, _, record) in records {
                let envelope = &record.envelope;
                self.moves.learn(envelope);
                self.comparison.know(&Entry {
                    id: envelope.event_id().0,
                    partition: partition.clone(),
                    seq,
                    alert: alert(envelope),
                    received_at: envelope.received_at,
                    is_wanted: is_wanted(&self.route, self.directory, envelope),
                })?;
            }
        }
    }
}

/// Finds out where the missing records of a range went. Only these are read again, since most often there are none.
async fn place(
    journal: &Journal,
    range: &Delivered,
    surroundings: &Surroundings<'_>,
    comparison: &mut Comparison,
    remains: &Remains<'_>,
) -> Result<(), AppError> {
    let mut devices: HashMap<(AccountUid, DeviceRef), Option<KnownDevice>> = HashMap::new();
    let mut after = range.from.saturating_sub(1);
    loop {
        let wanted = comparison.missing(range, remains, after, SOME_AT_ONCE)?;
        let Some(first) = wanted.first().copied() else { return Ok(()) };
        let records = journal.some_records(&range.partition, first, SOME_AT_ONCE).await?;
        // One that was trimmed meanwhile is passed over.
        after = records.last().map_or(first, |(last, ..)| *last);
        for (seq, _, record) in records {
            if wanted.binary_search(&seq).is_err() {
                continue;
            }
            if devices.len() >= DEVICES_AT_ONCE {
                devices.clear();
            }
            let Envelope { account, device, .. } = &record.envelope;
            let device = match devices.entry((account.clone(), device.clone())) {
                Slot::Occupied(known) => known.into_mut(),
                Slot::Vacant(free) => {
                    let found = journal.device(account, device).await?;
                    free.insert(found.as_ref().map(KnownDevice::of))
                }
            };
            let (address, is_wanted) = surroundings.address(&record, device.as_ref());
            comparison.place(record.envelope.event_id().0, &address, is_wanted, remains)?;
        }
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

fn alert(envelope: &Envelope) -> Option<u64> {
    if envelope.kind != RecordKind::Alert {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    (&envelope.account, &envelope.native_id).hash(&mut hasher);
    Some(hasher.finish())
}

fn is_wanted(route: &Route, directory: &Directory, envelope: &Envelope) -> bool {
    match directory.decide(&envelope.account, &envelope.site) {
        Decision::Org(tenant) => route.names(envelope.kind.stream(), &tenant.id),
        Decision::Ignored | Decision::Dropped | Decision::Held(_) => false,
    }
}

/// Reads the topics on a thread of its own: the library's calls block.
async fn read(
    settings: Settings,
    earlier: Vec<String>,
    mut comparison: Comparison,
) -> Result<(Vec<TopicPartition>, Comparison), AppError> {
    let sink = settings.sink.clone();
    let read = move || {
        let reader = Reader::new(&settings)?;
        let topics = reader.partitions(&settings, &earlier)?;
        reader.read(&topics, |seen: Seen| comparison.see(&seen).map_err(|error| error.to_string()))?;
        Ok((topics, comparison))
    };
    let outcome: Result<Result<_, String>, _> = tokio::task::spawn_blocking(read).await;
    let outcome = outcome.unwrap_or_else(|_| Err("reading has stopped".to_owned()));
    outcome.map_err(|reason| AppError::Failed(format!("sink {sink}: its topics cannot be read: {reason}")))
}
