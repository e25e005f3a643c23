//! What the journal says was sent, against what Kafka shows: pure.
//!
//! The journal does not keep which record a sink got, only how many of each range of a partition (sent, skipped, dead). So a range is
//! proven by its count, and single records are named where the count leaves no doubt.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use self::range::Range;
use self::remains::{Address, Content, Fate, Remains};
use crate::clock::Millis;
use crate::journal::coverage::Delivered;
use crate::journal::{Lane, Partition};
use crate::sink::kafka::MessageTime;
use crate::sink::kafka::read::{Seen, TopicPartition};

mod range;
pub mod remains;

/// Records that a report names one by one.
const MOST_NAMED: usize = 100;

/// A record that the journal retains.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The id of its event.
    pub id: Uuid,
    /// Its partition.
    pub partition: Partition,
    /// Its sequence there.
    pub seq: u64,
    /// Of an alert's record: what its alert is, by any hash.
    pub alert: Option<u64>,
    /// When it was received.
    pub received_at: Millis,
    /// Whether the sink's route names it under the mapping in force now.
    pub is_wanted: bool,
}

/// What was found of a record.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    times: u32,
    /// Where its first message stands: index of the topic's partition, offset.
    first: Option<(usize, i64)>,
    /// What became of it if it is missing, once that was asked.
    fate: Option<Fate>,
}

/// What was found of an id that the journal does not retain.
#[derive(Clone, Debug)]
struct Stranger {
    times: u32,
    /// Its account is one of the journal's.
    is_ours: bool,
    time: Option<Millis>,
}

/// What the journal says, filled with what Kafka shows.
#[derive(Debug)]
pub struct Comparison {
    /// Which time messages carry: only that of taking in says whether the journal may have trimmed them.
    times: MessageTime,
    /// Of the mapping by which entries are wanted.
    version: u64,
    entries: Vec<Entry>,
    found: Vec<Found>,
    index: HashMap<Uuid, usize>,
    strangers: HashMap<Uuid, Stranger>,
    accounts: BTreeSet<String>,
    without_id: u64,
    replays: u64,
    messages: u64,
    /// By index of the topic's partition.
    contents: HashMap<usize, Content>,
}

/// What came of it. Counts are records, unless they say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Messages that Kafka shows at `read_committed`.
    pub messages: u64,
    /// Sent, by the journal's counts, and still known to it by name.
    pub sent: u64,
    /// Of these, found.
    pub found: u64,
    /// Of these, neither found nor expired.
    pub lost: u64,
    /// The same, by event id, where it is certain which ones; at most 100.
    pub lost_ids: Vec<Uuid>,
    /// Events that are there more than once, deliberate repeats apart.
    pub repeated: u64,
    /// The same, by event id; at most 100.
    pub repeated_ids: Vec<Uuid>,
    /// Events that stand before an earlier one of their alert in one partition of a topic.
    pub out_of_order: u64,
    /// Sent and no longer there: the beginning of the partition that they went to is gone.
    pub expired: u64,
    /// Messages of this journal that stand in another partition than their key says: the topic had another number of partitions.
    pub misplaced: u64,
    /// Messages that this journal cannot have sent.
    pub foreign: u64,
    /// Records of this journal that the sink's route does not name: another sink wrote them.
    pub stray: u64,
    /// Found, and older than what the journal retains.
    pub earlier: u64,
    /// Sent, and no longer retained by the journal: they can only be counted.
    pub trimmed: u64,
    /// Missing, and nobody can tell whether they are lost: they may have been skipped (their range is trimmed in part, or the mapping
    /// changed), or they may have expired.
    pub unclear: u64,
    /// Skipped by the route.
    pub skipped: u64,
    /// Dead letters.
    pub dead: u64,
    /// Deliberate repeats sent.
    pub replays_sent: u64,
    /// Deliberate repeats found, as messages with their header.
    pub replays_found: u64,
}

impl Comparison {
    /// A comparison for a journal of these accounts, under the mapping of this version.
    pub fn new(accounts: BTreeSet<String>, times: MessageTime, version: u64) -> Self {
        Self {
            times,
            version,
            entries: Vec::new(),
            found: Vec::new(),
            index: HashMap::new(),
            strangers: HashMap::new(),
            accounts,
            without_id: 0,
            replays: 0,
            messages: 0,
            contents: HashMap::new(),
        }
    }

    /// Adds what the journal retains, in the order of each partition.
    pub fn know(&mut self, entry: Entry) {
        self.strangers.remove(&entry.id);
        if !self.index.contains_key(&entry.id) {
            self.index.insert(entry.id, self.entries.len());
            self.entries.push(entry);
            self.found.push(Found::default());
        }
    }

    /// Takes a message.
    pub fn see(&mut self, seen: &Seen) {
        self.messages = self.messages.saturating_add(1);
        let content = self.contents.entry(seen.partition).or_default();
        let known = seen.id.and_then(|id| self.index.get(&id)).copied();
        let is_ours = known.is_some() || seen.account.as_ref().is_some_and(|account| self.accounts.contains(account));
        if is_ours && !seen.is_by_key {
            content.misplaced = content.misplaced.saturating_add(1);
        }
        if seen.is_replay && seen.id.is_some() {
            self.replays = self.replays.saturating_add(1);
            return;
        }
        if let Some((entry, found)) = known.and_then(|at| self.entries.get(at).zip(self.found.get_mut(at))) {
            found.times = found.times.saturating_add(1);
            if found.times == 1 {
                found.first = Some((seen.partition, seen.offset));
                content.take(seen.offset, Some(entry.received_at));
            }
            return;
        }
        content.take(seen.offset, seen.time.filter(|_| self.times == MessageTime::Logged));
        let Some(id) = seen.id else {
            self.without_id = self.without_id.saturating_add(1);
            return;
        };
        let stranger = self.strangers.entry(id).or_insert(Stranger { times: 0, is_ours, time: seen.time });
        stranger.times = stranger.times.saturating_add(1);
    }

    /// What is left in these topics, once all was seen.
    pub fn remains<'t>(&self, topics: &'t [TopicPartition]) -> Remains<'t> {
        let found = self.entries.iter().zip(&self.found).filter_map(|(entry, found)| Some((entry, found.first?)));
        Remains::new(topics, &self.contents, found)
    }

    /// The missing records of which it has to be known where they went: their partition and sequence, in order.
    pub fn missing(&self, ranges: &[Delivered], remains: &Remains<'_>) -> Vec<(Partition, u64)> {
        let entries = self.in_order();
        let of_sink = ranges.iter().filter(|range| range.partition.lane != Lane::Replayed);
        let mut missing: Vec<_> = of_sink
            .map(|range| Range::new(range, &entries, self.version))
            .filter(|range| range.absent > 0 && (remains.is_cut() || range.is_ambiguous()))
            .flat_map(|range| range.missing)
            .map(|(entry, _)| (entry.partition.clone(), entry.seq))
            .collect();
        missing.sort();
        missing
    }

    /// Takes where a missing record went, and whether the sink's route takes its event.
    pub fn place(&mut self, id: Uuid, address: &Address, is_wanted: bool, remains: &Remains<'_>) {
        let Some(at) = self.index.get(&id).copied() else { return };
        if let Some((entry, found)) = self.entries.get_mut(at).zip(self.found.get_mut(at)) {
            found.fate = Some(remains.fate(entry, address));
            entry.is_wanted = is_wanted;
        }
    }

    /// Compares. A missing record of which nothing was said may have gone anywhere.
    pub fn report(&self, ranges: &[Delivered], remains: &Remains<'_>) -> Report {
        let mut report = Report { messages: self.messages, replays_found: self.replays, ..Report::default() };
        report.misplaced = self.contents.values().map(|content| content.misplaced).fold(0, u64::saturating_add);
        let entries = self.in_order();
        for range in ranges {
            if range.partition.lane == Lane::Replayed {
                report.replays_sent = report.replays_sent.saturating_add(range.sent);
            } else {
                Range::new(range, &entries, self.version).judge(remains, &mut report);
            }
        }
        self.repeats(&mut report);
        report.out_of_order = out_of_order(&entries);
        self.strangers(&mut report);
        report
    }

    fn in_order(&self) -> Vec<(&Entry, &Found)> {
        let mut entries: Vec<(&Entry, &Found)> = self.entries.iter().zip(&self.found).collect();
        entries.sort_by(|(a, _), (b, _)| (&a.partition, a.seq).cmp(&(&b.partition, b.seq)));
        entries
    }

    fn repeats(&self, report: &mut Report) {
        let known = self.entries.iter().zip(&self.found).map(|(entry, found)| (entry.id, found.times));
        let strange = self.strangers.iter().map(|(id, stranger)| (*id, stranger.times));
        for (id, _) in known.chain(strange).filter(|(_, times)| *times > 1) {
            report.repeated = report.repeated.saturating_add(1);
            if report.repeated_ids.len() < MOST_NAMED {
                report.repeated_ids.push(id);
            }
        }
    }

    fn strangers(&self, report: &mut Report) {
        let oldest = self.entries.iter().map(|entry| entry.received_at).min();
        let mut earlier: u64 = 0;
        for stranger in self.strangers.values() {
            let is_newer = self.times == MessageTime::Logged
                && stranger.time.zip(oldest).is_some_and(|(time, oldest)| time > oldest);
            if stranger.is_ours && !is_newer {
                earlier = earlier.saturating_add(1);
            } else {
                report.foreign = report.foreign.saturating_add(u64::from(stranger.times));
            }
        }
        // No more can be of this journal than it sent and forgot.
        report.earlier = earlier.min(report.trimmed);
        report.foreign = report.foreign.saturating_add(earlier.saturating_sub(report.earlier));
        report.foreign = report.foreign.saturating_add(self.without_id);
    }
}

impl Report {
    /// Whether everything that was sent is there once.
    pub fn is_good(&self) -> bool {
        self.lost == 0 && self.repeated == 0
    }
}

fn out_of_order(entries: &[(&Entry, &Found)]) -> u64 {
    let mut last: HashMap<u64, (usize, i64)> = HashMap::new();
    let mut count: u64 = 0;
    for (entry, found) in entries {
        let (Some(alert), Some((partition, offset))) = (entry.alert, found.first) else { continue };
        // Partitions of a topic have no order among each other.
        match last.insert(alert, (partition, offset)) {
            Some((before, earlier)) if before == partition && earlier > offset => count = count.saturating_add(1),
            Some(_) | None => {}
        }
    }
    count
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
