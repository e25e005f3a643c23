//! Whether a record that is missing would still be there, had it been sent: what is left in the partitions of the topics.
//!
//! Retention takes the beginning of a partition. So a record has expired only if the partition that it went to begins behind it; what
//! other partitions lost says nothing. Records of one partition of the journal stand in their order in a partition of a topic, which
//! decides wherever there is another such record; else the times decide, as far as the partition keeps their order.

use std::collections::{BTreeMap, HashMap};

use super::Standing;
use crate::clock::Millis;
use crate::journal::Partition;
use crate::sink::kafka::place::KeyHash;
use crate::sink::kafka::read::{Role, TopicPartition};

/// Where a missing record may have been sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// What its key says, one of these; `None`: its key is not known.
    pub keys: Option<Vec<KeyHash>>,
    /// Its topic, by the sink's template; `None`: any of the sink's own.
    pub topic: Option<String>,
}

/// What became of a missing record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It would still be there.
    Lost,
    /// Wherever it went, the beginning that it stood in is gone.
    Expired,
    /// It may have stood in what is gone, or not.
    Unclear,
}

/// What a partition of a topic shows while it is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    front: Option<Front>,
    newest: Option<Millis>,
    /// By how much a message is older than one that stands before it.
    disorder: i64,
    /// Messages of this journal that do not stand where their key says.
    pub(super) misplaced: u64,
}

/// The first message that is no deliberate repeat.
#[derive(Clone, Copy, Debug)]
struct Front {
    offset: i64,
    /// When it was taken in, if that can be told.
    time: Option<Millis>,
}

/// The same of all partitions of all topics.
#[derive(Debug)]
pub struct Remains<'t> {
    partitions: &'t [TopicPartition],
    /// The indexes of each topic's partitions.
    topics: BTreeMap<&'t str, Vec<usize>>,
    contents: Vec<Content>,
    lanes: HashMap<Partition, Lane>,
}

/// What is there of a partition of the journal.
#[derive(Debug, Default)]
struct Lane {
    /// By index of the topic's partition: offset and sequence of the first record there.
    firsts: HashMap<usize, (i64, u64)>,
    /// The lowest sequence in a topic that the sink writes to now.
    first_own: Option<u64>,
    /// The highest sequence in a topic that it wrote to earlier.
    last_earlier: Option<u64>,
}

/// Whether a record would be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum There {
    /// It would.
    Kept,
    /// Nothing was removed, but nothing shows either that there was such a partition then.
    Whole,
    /// What stood there then is gone.
    Cut,
    Unknown,
}

impl Content {
    /// Takes a message that is no deliberate repeat; `time`: when it was taken in, if that can be told.
    pub(super) fn take(&mut self, offset: i64, time: Option<Millis>) {
        self.front.get_or_insert(Front { offset, time });
        let Some(time) = time else { return };
        if let Some(newest) = self.newest {
            self.disorder = self.disorder.max(newest.0.saturating_sub(time.0));
        }
        self.newest = self.newest.max(Some(time));
    }
}

impl<'t> Remains<'t> {
    /// What is left, before the records that are there were [noted](Self::note).
    pub(super) fn new(partitions: &'t [TopicPartition], contents: &HashMap<usize, Content>) -> Self {
        let mut topics: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, partition) in partitions.iter().enumerate() {
            topics.entry(&partition.topic).or_default().push(index);
        }
        for indexes in topics.values_mut() {
            indexes.sort_by_key(|index| partitions.get(*index).map(|partition| partition.number));
        }
        let contents = (0..partitions.len()).map(|index| contents.get(&index).cloned().unwrap_or_default()).collect();
        Self { partitions, topics, contents, lanes: HashMap::new() }
    }

    /// Takes a record that is there: its sequence, and the index of the topic's partition and the offset where it stands.
    pub(super) fn note(&mut self, partition: &Partition, seq: u64, (index, offset): (usize, i64)) {
        if !self.lanes.contains_key(partition) {
            self.lanes.insert(partition.clone(), Lane::default());
        }
        let Some(lane) = self.lanes.get_mut(partition) else { return };
        let first = lane.firsts.entry(index).or_insert((offset, seq));
        *first = (*first).min((offset, seq));
        match self.partitions.get(index).map(|partition| partition.role) {
            Some(Role::Own) => lane.first_own = Some(lane.first_own.map_or(seq, |own| own.min(seq))),
            Some(Role::Earlier) => lane.last_earlier = lane.last_earlier.max(Some(seq)),
            None => {}
        }
    }

    /// Whether any partition lost its beginning.
    pub(super) fn is_cut(&self) -> bool {
        self.partitions.iter().any(|partition| partition.start > 0)
    }

    /// What became of a record that is missing.
    pub(super) fn fate(&self, entry: Standing<'_>, address: &Address) -> Fate {
        let lane = self.lanes.get(entry.partition);
        let (first_own, last_earlier) = lane.map_or((None, None), |lane| (lane.first_own, lane.last_earlier));
        // The topic changes, the position goes on: what stands behind a record of the own topic went there too, and what stands before
        // a record of an earlier one did not.
        let may_be_own =
            last_earlier.is_none_or(|last| last < entry.seq) || first_own.is_some_and(|own| own < entry.seq);
        let may_be_earlier =
            first_own.is_none_or(|own| own > entry.seq) || last_earlier.is_some_and(|last| last > entry.seq);
        let mut places = Vec::new();
        if may_be_own {
            places.extend(self.own(entry, address));
        }
        if may_be_earlier {
            places.extend(self.all_of(Role::Earlier).map(|indexes| self.in_topic(indexes, entry, address)));
        }
        match together(places) {
            There::Kept | There::Whole => Fate::Lost,
            There::Cut => Fate::Expired,
            There::Unknown => Fate::Unclear,
        }
    }

    fn own(&self, entry: Standing<'_>, address: &Address) -> Vec<There> {
        match &address.topic {
            // A topic that is not there lost everything, but not to retention.
            Some(name) => match self.topics.get(name.as_str()) {
                Some(indexes) => vec![self.in_topic(indexes, entry, address)],
                None => vec![There::Kept],
            },
            None => self.all_of(Role::Own).map(|indexes| self.in_topic(indexes, entry, address)).collect(),
        }
    }

    /// The topics of a role, each by the indexes of its partitions.
    fn all_of(&self, role: Role) -> impl Iterator<Item = &Vec<usize>> {
        let is_of = move |indexes: &&Vec<usize>| {
            let first = indexes.first().and_then(|index| self.partitions.get(*index));
            first.is_some_and(|partition| partition.role == role)
        };
        self.topics.values().filter(is_of)
    }

    fn in_topic(&self, indexes: &[usize], entry: Standing<'_>, address: &Address) -> There {
        let anywhere = || together(indexes.iter().map(|index| self.in_partition(*index, entry)));
        let is_by_key =
            indexes.iter().all(|index| self.contents.get(*index).is_none_or(|content| content.misplaced == 0));
        let Some(keys) = address.keys.as_ref().filter(|_| is_by_key) else { return anywhere() };
        let of_key = |key: &KeyHash| key.partition(indexes.len()).and_then(|number| indexes.get(number));
        let places = keys.iter().filter_map(of_key).map(|index| self.in_partition(*index, entry));
        match together(places) {
            // The partition may be younger than the record, which then went to another.
            There::Whole => anywhere(),
            there @ (There::Kept | There::Cut | There::Unknown) => there,
        }
    }

    fn in_partition(&self, index: usize, entry: Standing<'_>) -> There {
        let (Some(partition), Some(content)) = (self.partitions.get(index), self.contents.get(index)) else {
            return There::Unknown;
        };
        let first = self.lanes.get(entry.partition).and_then(|lane| lane.firsts.get(&index));
        if first.is_some_and(|(_, seq)| *seq < entry.seq) {
            return There::Kept;
        }
        let is_whole = partition.start == 0;
        let Some(front) = content.front else { return if is_whole { There::Whole } else { There::Cut } };
        let received_at = entry.received_at.0;
        match front.time.map(|time| time.0) {
            Some(time) if is_whole && time <= received_at => There::Kept,
            Some(_) | None if is_whole => There::Whole,
            Some(_) | None if first.is_some_and(|(offset, _)| *offset == front.offset) => There::Cut,
            Some(time) if received_at <= time.saturating_sub(content.disorder) => There::Cut,
            Some(time) if received_at > time.saturating_add(content.disorder) => There::Kept,
            Some(_) | None => There::Unknown,
        }
    }
}

/// What holds wherever the record went.
fn together(places: impl IntoIterator<Item = There>) -> There {
    let mut places = places.into_iter();
    let Some(first) = places.next() else { return There::Whole };
    places.fold(first, |all, there| match (all, there) {
        (There::Kept, There::Kept) => There::Kept,
        (There::Kept | There::Whole, There::Kept | There::Whole) => There::Whole,
        (There::Cut, There::Cut) => There::Cut,
        (There::Kept | There::Whole | There::Cut | There::Unknown, _) => There::Unknown,
    })
}

#[cfg(test)]
mod tests;
