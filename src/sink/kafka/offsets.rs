//! The offsets topic: the position of each partition of each sink, written in the same transaction as the events.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use super::Settings;
use super::client::Context;
use super::consumer::{self, Isolation};
use super::failure::words;
use super::message::Message;
use crate::sink::{Position, TransactionError, Trouble};

/// Every position lies in this partition, however many the topic has: entries of one key must never be split.
const PARTITION: i32 = 0;
/// How long a broker may take to answer, and how long a transaction of somebody else may hide the end of the topic at a time.
const LIMIT: Duration = Duration::from_secs(30);
/// One attempt to ask.
const ATTEMPT: Duration = Duration::from_secs(2);
/// One look.
const LOOK: Duration = Duration::from_millis(200);

/// Key of an entry: the journal's id, the sink, the partition, as a JSON array.
type Key = (Uuid, String, String);

/// Value of an entry.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    seq: u64,
    batch: Uuid,
}

/// The message that moves a position.
pub(super) fn message(settings: &Settings, position: &Position) -> Result<Message, String> {
    let key = (settings.journal, &settings.sink, &position.partition);
    let entry = Entry { seq: position.seq, batch: position.id };
    let json = |made: serde_json::Result<String>| made.map_err(|error| format!("no entry can be written: {error}"));
    Ok(Message {
        topic: settings.offsets_topic.clone(),
        partition: Some(PARTITION),
        key: json(serde_json::to_string(&key))?,
        payload: json(serde_json::to_string(&entry))?,
        timestamp: None,
        headers: Vec::new(),
    })
}

/// Every position of this sink in the offsets topic.
///
/// The end is the high watermark: a transaction that somebody else has open in the topic hides what lies behind its begin,
/// perhaps our newest entry, so it is waited for.
pub(super) fn read_back(settings: &Settings, trouble: &Trouble) -> Result<Vec<Position>, TransactionError> {
    let deadline = Instant::now() + LIMIT;
    let committed = consumer(settings, Isolation::Committed, trouble)?;
    let end = watermark(&consumer(settings, Isolation::Uncommitted, trouble)?, settings, deadline)?;
    loop {
        let stable = watermark(&committed, settings, deadline)?;
        if stable >= end {
            break;
        }
        let text = format!(
            "another producer has a transaction open in the offsets topic {} (from offset {stable}, end {end}): waiting for its end",
            settings.offsets_topic
        );
        if Instant::now() >= deadline {
            return Err(TransactionError::Retry(text));
        }
        trouble.set(text);
        drop(committed.poll(LOOK));
    }
    let mut found = BTreeMap::new();
    read(&committed, settings, Offset::Beginning, deadline, |key, value| note(&mut found, settings, key, value))?;
    trouble.clear();
    Ok(found.into_values().collect())
}

/// Looks whether the offsets topic may be read at all: its end is.
pub(super) fn end(settings: &Settings, trouble: &Trouble) -> Result<(), TransactionError> {
    let consumer = consumer(settings, Isolation::Uncommitted, trouble)?;
    read(&consumer, settings, Offset::End, Instant::now() + LIMIT, |_, _| Ok(()))
}

/// Reads the offsets topic from an offset to its end; gives the key and the value of each entry to `each`.
fn read(
    consumer: &BaseConsumer<Context>,
    settings: &Settings,
    from: Offset,
    deadline: Instant,
    mut each: impl FnMut(Option<&[u8]>, Option<&[u8]>) -> Result<(), TransactionError>,
) -> Result<(), TransactionError> {
    let unreadable = |why: String| format!("the offsets topic {} cannot be read: {why}", settings.offsets_topic);
    let failed = |error: KafkaError| TransactionError::Retry(unreadable(words(&error)));
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(&settings.offsets_topic, PARTITION, from).map_err(failed)?;
    consumer.assign(&assignment).map_err(failed)?;
    let trouble = consumer.context().trouble();
    loop {
        match consumer.poll(LOOK) {
            Some(Ok(message)) => each(message.key(), message.payload())?,
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            Some(Err(error)) if error.rdkafka_error_code() == Some(Code::TopicAuthorizationFailed) => {
                return Err(failed(error));
            }
            // One broker of several may be away, and the library asks for a group, which is not needed here.
            Some(Err(error)) => trouble.set(unreadable(words(&error))),
            None if Instant::now() >= deadline => {
                let why = trouble.get().unwrap_or_else(|| unreadable("no answer in time".to_owned()));
                return Err(TransactionError::Retry(why));
            }
            None => {}
        }
    }
}

/// Takes an entry of this sink; the newest of a partition wins, and one without a value takes it back.
fn note(
    found: &mut BTreeMap<String, Position>,
    settings: &Settings,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), TransactionError> {
    // Keys of other sinks, and of others who use the topic, are none of our business.
    let Some((journal, sink, partition)) = key.and_then(|key| serde_json::from_slice::<Key>(key).ok()) else {
        return Ok(());
    };
    if journal != settings.journal || sink != settings.sink {
        return Ok(());
    }
    let Some(value) = value else {
        found.remove(&partition);
        return Ok(());
    };
    let entry: Entry = serde_json::from_slice(value).map_err(|error| {
        TransactionError::Stopped(format!(
            "the offsets topic {} has an entry of this sink that vintner did not write ({partition}: {error})",
            settings.offsets_topic
        ))
    })?;
    found.insert(partition.clone(), Position { partition, seq: entry.seq, id: entry.batch });
    Ok(())
}

fn consumer(
    settings: &Settings,
    isolation: Isolation,
    trouble: &Trouble,
) -> Result<BaseConsumer<Context>, TransactionError> {
    consumer::open(settings, isolation, trouble).map_err(TransactionError::Retry)
}

/// The end that a consumer's isolation shows: the high watermark, or the last stable offset.
fn watermark(
    consumer: &BaseConsumer<Context>,
    settings: &Settings,
    deadline: Instant,
) -> Result<i64, TransactionError> {
    let topic = &settings.offsets_topic;
    let limits = |consumer: &BaseConsumer<Context>| consumer.fetch_watermarks(topic, PARTITION, ATTEMPT);
    let late = |why| format!("the offsets topic {topic} cannot be read: {why}");
    consumer::ask(consumer, deadline, limits, late).map(|(_, end)| end).map_err(TransactionError::Retry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::kafka::tests::settings;

    #[tokio::test]
    async fn only_entries_of_this_journal_and_sink_count_and_the_newest_wins() {
        let ours = settings("127.0.0.1:1");
        let mut found = BTreeMap::new();
        let mut take = |settings: &Settings, partition: &str, seq| {
            let position = Position { partition: partition.into(), seq, id: Uuid::from_u128(u128::from(seq)) };
            let written = message(settings, &position).unwrap();
            let (key, value) = (written.key.clone(), written.payload.clone());
            note(&mut found, &ours, Some(key.as_bytes()), Some(value.as_bytes())).unwrap();
            key
        };
        take(&ours, "ab1/live", 4);
        let gone = take(&ours, "ab1/backfill", 2);
        take(&ours, "ab1/live", 7);
        take(&Settings { sink: "other".into(), ..ours.clone() }, "ab1/live", 99);
        take(&Settings { journal: Uuid::from_u128(1), ..ours.clone() }, "ab1/live", 99);
        note(&mut found, &ours, Some(b"not ours"), Some(b"x")).unwrap();
        note(&mut found, &ours, Some(gone.as_bytes()), None).unwrap();
        let positions: Vec<_> = found.values().map(|position| (position.partition.as_str(), position.seq)).collect();
        assert_eq!(positions, [("ab1/live", 7)]);
        let stopped = note(&mut found, &ours, Some(gone.as_bytes()), Some(b"{}")).unwrap_err();
        assert!(matches!(stopped, TransactionError::Stopped(_)), "{stopped}");
    }
}
