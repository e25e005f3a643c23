//! `vintner verify`: what a Kafka sink's topics hold, against what the journal says was sent.

pub mod compare;

use std::hash::{DefaultHasher, Hash, Hasher};

use self::compare::{Comparison, Entry, Report};
use crate::app::AppError;
use crate::app::sinks::Planned;
use crate::clock::Clock;
use crate::config::settings::SinkConfig;
use crate::deliver::route::Route;
use crate::journal::sqlite::Journal;
use crate::journal::{Lane, Partition};
use crate::org::directory::{Decision, Directory};
use crate::record::{Envelope, RecordKind};
use crate::sink::kafka::read::{Reader, Seen, TopicPartition};
use crate::sink::kafka::{MessageTime, Settings};

/// Records read from the journal at once.
const AT_ONCE: usize = 2_000;

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

/// Reads the topics of `sink` and compares. The journal is only read, beside a running instance or not.
pub async fn verify(journal: &Journal, sink: &SinkConfig) -> Result<Verified, AppError> {
    let planned = Planned::new(sink.clone());
    let settings = planned.kafka(journal.id(), &Clock::system()).ok_or_else(|| {
        AppError::Configuration(format!("the sink {} is no Kafka sink: only topics can be read back", sink.name))
    })?;
    let directory = journal.directory().await?;
    let accounts = directory.accounts().map(|account| account.uid.to_string()).collect();
    let mut comparison = Comparison::new(accounts);
    // First what was sent, then what is there: what is sent meanwhile is not missed.
    let ranges = journal.delivered(&sink.name).await?;
    let mut backlog = journal.backlog(&sink.name).await?;
    backlog.retain(|entry| entry.partition.lane != Lane::Replayed);
    backlog.sort_by(|a, b| a.partition.cmp(&b.partition));
    let pending = backlog.iter().map(|entry| entry.pending).fold(0, u64::saturating_add);
    let (route, mut known) = (planned.route(), Vec::new());
    for entry in &backlog {
        let last = learn(journal, &entry.partition, 0, &mut comparison, &route, &directory).await?;
        known.push((entry.partition.clone(), last));
    }
    let times_are_logged = settings.timestamp == MessageTime::Logged;
    let (topics, mut comparison) = read(settings, comparison).await?;
    for (partition, last) in known {
        learn(journal, &partition, last.saturating_add(1), &mut comparison, &route, &directory).await?;
    }
    let report = comparison.report(&ranges, &topics, times_are_logged);
    let mut topics: Vec<String> = topics.into_iter().map(|partition| partition.topic).collect();
    topics.dedup();
    Ok(Verified { sink: sink.name.clone(), topics, pending, report })
}

/// Adds the records of a partition from `from` on; gives the last sequence that was there.
async fn learn(
    journal: &Journal,
    partition: &Partition,
    from: u64,
    comparison: &mut Comparison,
    route: &Route,
    directory: &Directory,
) -> Result<u64, AppError> {
    let (mut next, mut last) = (from, from.saturating_sub(1));
    loop {
        let records = journal.records(partition, next, AT_ONCE).await?;
        let Some((end, ..)) = records.last() else { return Ok(last) };
        (last, next) = (*end, end.saturating_add(1));
        for (seq, _, record) in records {
            let envelope = &record.envelope;
            comparison.know(Entry {
                id: envelope.event_id().0,
                partition: partition.clone(),
                seq,
                alert: alert(envelope),
                received_at: envelope.received_at,
                is_wanted: is_wanted(route, directory, envelope),
            });
        }
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
async fn read(settings: Settings, mut comparison: Comparison) -> Result<(Vec<TopicPartition>, Comparison), AppError> {
    let sink = settings.sink.clone();
    let read = move || {
        let reader = Reader::new(&settings)?;
        let topics = reader.partitions(&settings)?;
        reader.read(&topics, |seen: Seen| comparison.see(&seen))?;
        Ok((topics, comparison))
    };
    let outcome: Result<Result<_, String>, _> = tokio::task::spawn_blocking(read).await;
    let outcome = outcome.unwrap_or_else(|_| Err("reading has stopped".to_owned()));
    outcome.map_err(|reason| AppError::Failed(format!("sink {sink}: its topics cannot be read: {reason}")))
}
