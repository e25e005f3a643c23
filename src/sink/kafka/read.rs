//! Reading the topics of a sink back, from their beginning to their end at `read_committed`, for `vintner verify`.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Headers;
use rdkafka::{Message as _, Offset, TopicPartitionList};
use tokio::time::Instant;
use uuid::Uuid;

use super::client::Context;
use super::consumer::{self, Isolation};
use super::failure::words;
use super::place::KeyHash;
use super::topic::fixed;
use super::{Settings, TopicPart};
use crate::clock::Millis;
use crate::sink::Trouble;

/// How long nothing may come before reading is given up.
const LIMIT: Duration = Duration::from_secs(60);
/// One look.
const LOOK: Duration = Duration::from_millis(200);
/// `ce_source` of an event: this, and the account's uid.
const SOURCE: &str = "/datto-rmm/";

/// A message as far as it says whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `ce_id`; `None` if it has none that is an event's id.
    pub id: Option<Uuid>,
    /// The account's uid in `ce_source`.
    pub account: Option<String>,
    /// It has the header `vintner-replay`: a deliberate repeat.
    pub is_replay: bool,
    /// It stands in the partition that its key says.
    pub is_by_key: bool,
    /// Index of its partition in what [`Reader::partitions`] gave.
    pub partition: usize,
    /// Its offset.
    pub offset: i64,
    /// Its time.
    pub time: Option<Millis>,
}

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPartition {
    /// The topic.
    pub topic: String,
    /// Its number in the topic.
    pub number: i32,
    /// Its first offset: above 0 once retention or somebody removed its beginning.
    pub start: i64,
    /// Where it ended when reading began.
    pub end: i64,
    /// Whose topic it is.
    pub role: Role,
}

/// What a topic is to the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The sink writes to it, or may by its template.
    Own,
    /// It wrote to it before its `topic` was changed.
    Earlier,
}

/// What reads the topics of a sink. Its calls block.
pub struct Reader {
    consumer: BaseConsumer<Context>,
    uncommitted: BaseConsumer<Context>,
    trouble: Trouble,
}

impl Reader {
    /// A reader at the sink's brokers; the error is for people.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let trouble = Trouble::default();
        let consumer = |isolation| consumer::open(settings, isolation, &trouble);
        let (committed, uncommitted) = (consumer(Isolation::Committed)?, consumer(Isolation::Uncommitted)?);
        Ok(Self { consumer: committed, uncommitted, trouble })
    }

    /// The partitions of every topic that the sink's template can name: the one topic, or all with its literal prefix but the
    /// offsets topic. Then those of the `earlier` topics.
    pub fn partitions(&self, settings: &Settings, earlier: &[String]) -> Result<Vec<TopicPartition>, String> {
        let one = fixed(&settings.topic);
        let prefix = match settings.topic.first() {
            Some(TopicPart::Text(prefix)) => prefix.as_str(),
            _ => "",
        };
        if earlier.contains(&settings.offsets_topic) {
            return Err(format!("the topic {} holds positions, not events", settings.offsets_topic));
        }
        let is_earlier = |name: &str| one != Some(name) && earlier.iter().any(|earlier| earlier == name);
        let is_own = |name: &str| match one {
            Some(one) => one == name,
            None => name.starts_with(prefix) && name != settings.offsets_topic && !is_earlier(name),
        };
        let mut found = self.partitions_of(one, Role::Own, is_own)?;
        for name in earlier.iter().map(String::as_str).collect::<BTreeSet<_>>() {
            if is_earlier(name) {
                found.extend(self.partitions_of(Some(name), Role::Earlier, |other| other == name)?);
            }
        }
        Ok(found)
    }

    /// The partitions of `one` topic, or of all, that is ours.
    fn partitions_of(
        &self,
        one: Option<&str>,
        role: Role,
        is_ours: impl Fn(&str) -> bool,
    ) -> Result<Vec<TopicPartition>, String> {
        let metadata = self.asked(|consumer| consumer.fetch_metadata(one, Duration::from_secs(5)))?;
        let mut found = Vec::new();
        for topic in metadata.topics().iter().filter(|topic| is_ours(topic.name())) {
            if topic.partitions().is_empty() {
                return Err(format!("the topic {} does not exist or may not be read", topic.name()));
            }
            for partition in topic.partitions() {
                let (name, number) = (topic.name(), partition.id());
                let limits =
                    self.asked_of(&self.uncommitted, |consumer| consumer.fetch_watermarks(name, number, LIMIT / 6))?;
                let (start, end) = limits;
                found.push(TopicPartition { topic: name.to_owned(), number, start, end, role });
            }
        }
        Ok(found)
    }

    /// Gives every message of `partitions` up to their ends to `each`, each partition in its order; its first error ends the reading.
    pub fn read(
        &self,
        partitions: &[TopicPartition],
        mut each: impl FnMut(Seen) -> Result<(), String>,
    ) -> Result<(), String> {
        let filled = || partitions.iter().enumerate().filter(|(_, partition)| partition.end > partition.start);
        for (_, partition) in filled() {
            self.wait_until_stable(partition)?;
        }
        // Topic by topic: the library names the partition that ends, but not its topic.
        let topics: BTreeSet<&str> = filled().map(|(_, partition)| partition.topic.as_str()).collect();
        for topic in topics {
            let mut open: HashMap<i32, usize> = HashMap::new();
            let mut assignment = TopicPartitionList::new();
            for (index, partition) in filled().filter(|(_, partition)| partition.topic == topic) {
                let added = assignment.add_partition_offset(topic, partition.number, Offset::Beginning);
                added.map_err(|error| words(&error))?;
                open.insert(partition.number, index);
            }
            self.consumer.assign(&assignment).map_err(|error| words(&error))?;
            let count = partitions.iter().filter(|partition| partition.topic == topic).count();
            self.read_topic(partitions, open, count, &mut each)?;
        }
        Ok(())
    }

    fn read_topic(
        &self,
        partitions: &[TopicPartition],
        mut open: HashMap<i32, usize>,
        count: usize,
        each: &mut impl FnMut(Seen) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut deadline = Instant::now() + LIMIT;
        while !open.is_empty() {
            match self.consumer.poll(LOOK) {
                Some(Ok(message)) => {
                    deadline = Instant::now() + LIMIT;
                    let Some(index) = open.get(&message.partition()) else { continue };
                    // What came since reading began is not asked for.
                    if partitions.get(*index).is_some_and(|partition| message.offset() < partition.end) {
                        each(seen(&message, *index, count))?;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(number))) => drop(open.remove(&number)),
                Some(Err(error)) => self.trouble.set(words(&error)),
                None if Instant::now() >= deadline => return Err(self.stuck(partitions, open.values())),
                None => {}
            }
        }
        Ok(())
    }

    /// Waits until no transaction that is still open hides what lies before the partition's end.
    fn wait_until_stable(&self, partition: &TopicPartition) -> Result<(), String> {
        let (topic, number, deadline) = (&partition.topic, partition.number, Instant::now() + LIMIT);
        loop {
            let (_, stable) = self.asked(|consumer| consumer.fetch_watermarks(topic, number, LIMIT / 6))?;
            if stable >= partition.end {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let end = partition.end;
                return Err(format!(
                    "{topic}/{number}: a transaction is open from offset {stable} on, before the end {end}"
                ));
            }
            drop(self.consumer.poll(LOOK));
        }
    }

    fn stuck<'i>(&self, partitions: &[TopicPartition], open: impl Iterator<Item = &'i usize>) -> String {
        let names: Vec<String> = open
            .filter_map(|index| partitions.get(*index))
            .map(|partition| format!("{}/{}", partition.topic, partition.number))
            .collect();
        let why = self.trouble.get().unwrap_or_else(|| "no answer in time".to_owned());
        format!("the end of {} was not reached in {} s: {why}", names.join(", "), LIMIT.as_secs())
    }

    fn asked<T>(&self, ask: impl Fn(&BaseConsumer<Context>) -> Result<T, KafkaError>) -> Result<T, String> {
        self.asked_of(&self.consumer, ask)
    }

    fn asked_of<T>(
        &self,
        consumer: &BaseConsumer<Context>,
        ask: impl Fn(&BaseConsumer<Context>) -> Result<T, KafkaError>,
    ) -> Result<T, String> {
        consumer::ask(consumer, Instant::now() + LIMIT, ask, |why| format!("no broker answers: {why}"))
    }
}

/// `count`: how many partitions its topic has.
fn seen(message: &impl rdkafka::Message, partition: usize, count: usize) -> Seen {
    let header = |name: &str| {
        let found = message.headers()?.iter().find(|header| header.key == name)?;
        std::str::from_utf8(found.value?).ok().map(str::to_owned)
    };
    let by_key = message.key().and_then(|key| KeyHash::of(key).partition(count));
    Seen {
        id: header("ce_id").and_then(|id| id.parse().ok()),
        account: header("ce_source").and_then(|source| source.strip_prefix(SOURCE).map(str::to_owned)),
        is_replay: header("vintner-replay").is_some(),
        is_by_key: by_key.is_some() && by_key == usize::try_from(message.partition()).ok(),
        partition,
        offset: message.offset(),
        time: message.timestamp().to_millis().map(Millis),
    }
}
