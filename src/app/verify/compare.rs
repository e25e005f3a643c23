//! What the journal says was sent, against what Kafka shows: pure.
//!
//! The journal does not keep which record a sink got, only how many of each range of a partition (sent, skipped, dead). So a range is
//! proven by its count, and single records are named where the count leaves no doubt.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use crate::clock::Millis;
use crate::journal::coverage::Delivered;
use crate::journal::{Lane, Partition};
use crate::sink::kafka::read::{Seen, TopicPartition};

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
#[derive(Debug, Default)]
pub struct Comparison {
    entries: Vec<Entry>,
    found: Vec<Found>,
    index: HashMap<Uuid, usize>,
    strangers: HashMap<Uuid, Stranger>,
    accounts: BTreeSet<String>,
    without_id: u64,
    replays: u64,
    messages: u64,
    /// Time of the first message of each of the topic's partitions.
    begins: HashMap<usize, Millis>,
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
    /// Sent and no longer there, in a partition of a topic that lost its beginning.
    pub expired: u64,
    /// Messages that this journal cannot have sent.
    pub foreign: u64,
    /// Found, and older than what the journal retains.
    pub earlier: u64,
    /// Sent, and no longer retained by the journal: they can only be counted.
    pub trimmed: u64,
    /// Missing, and nobody can tell whether the route skipped them or they are lost: their range is trimmed in part.
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
    /// A comparison for a journal of these accounts.
    pub fn new(accounts: BTreeSet<String>) -> Self {
        Self { accounts, ..Self::default() }
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
        if let Some(time) = seen.time {
            self.begins.entry(seen.partition).or_insert(time);
        }
        let Some(id) = seen.id else {
            self.without_id = self.without_id.saturating_add(1);
            return;
        };
        if seen.is_replay {
            self.replays = self.replays.saturating_add(1);
            return;
        }
        if let Some(found) = self.index.get(&id).and_then(|index| self.found.get_mut(*index)) {
            found.times = found.times.saturating_add(1);
            found.first.get_or_insert((seen.partition, seen.offset));
            return;
        }
        let is_ours = seen.account.as_ref().is_some_and(|account| self.accounts.contains(account));
        let stranger = self.strangers.entry(id).or_insert(Stranger { times: 0, is_ours, time: seen.time });
        stranger.times = stranger.times.saturating_add(1);
    }

    /// Compares. `times_are_logged`: messages carry the time of taking in, so that their age says whether the journal may have
    /// trimmed them.
    pub fn report(&self, ranges: &[Delivered], topics: &[TopicPartition], times_are_logged: bool) -> Report {
        let mut report = Report { messages: self.messages, replays_found: self.replays, ..Report::default() };
        let horizon = self.horizon(topics);
        let mut entries: Vec<(&Entry, &Found)> = self.entries.iter().zip(&self.found).collect();
        entries.sort_by(|(a, _), (b, _)| (&a.partition, a.seq).cmp(&(&b.partition, b.seq)));
        for range in ranges {
            if range.partition.lane == Lane::Replayed {
                report.replays_sent = report.replays_sent.saturating_add(range.sent);
            } else {
                judge(range, &entries, horizon, &mut report);
            }
        }
        self.repeats(&mut report);
        report.out_of_order = out_of_order(&entries);
        self.strangers(times_are_logged, &mut report);
        report
    }

    /// What was sent before this may have expired: a partition of a topic lost its beginning, and its first message is this old.
    fn horizon(&self, topics: &[TopicPartition]) -> Option<Millis> {
        let cut = topics.iter().enumerate().filter(|(_, partition)| partition.start > 0);
        cut.map(|(index, _)| self.begins.get(&index).copied().unwrap_or(Millis(i64::MAX))).max()
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

    fn strangers(&self, times_are_logged: bool, report: &mut Report) {
        let oldest = self.entries.iter().map(|entry| entry.received_at).min();
        let mut earlier: u64 = 0;
        for stranger in self.strangers.values() {
            let is_newer = times_are_logged && stranger.time.zip(oldest).is_some_and(|(time, oldest)| time > oldest);
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

/// Adds what is to say of one range; `entries` are all that are retained, in order.
fn judge(range: &Delivered, entries: &[(&Entry, &Found)], horizon: Option<Millis>, report: &mut Report) {
    let begin = entries.partition_point(|(entry, _)| (&entry.partition, entry.seq) < (&range.partition, range.from));
    let end = entries.partition_point(|(entry, _)| (&entry.partition, entry.seq) <= (&range.partition, range.to));
    let entries = entries.get(begin..end).unwrap_or_default();
    let retained = count(entries.len());
    let found = count(entries.iter().filter(|(_, found)| found.times > 0).count());
    let total = range.sent.saturating_add(range.skipped).saturating_add(range.dead);
    let trimmed = total.saturating_sub(retained);
    report.skipped = report.skipped.saturating_add(range.skipped);
    report.dead = report.dead.saturating_add(range.dead);
    report.found = report.found.saturating_add(found);
    let missing = retained.saturating_sub(found);
    let excused = range.skipped.saturating_add(range.dead);
    let absent = missing.saturating_sub(excused);
    // Of a range that is trimmed in part, what was not sent may be retained or not.
    let unclear = if trimmed == 0 { 0 } else { missing.min(excused) };
    let known = if trimmed == 0 { range.sent } else { found.saturating_add(absent) };
    report.sent = report.sent.saturating_add(known);
    report.trimmed = report.trimmed.saturating_add(range.sent.saturating_sub(known));
    report.unclear = report.unclear.saturating_add(unclear);
    let wanted: Vec<&Entry> = entries
        .iter()
        .filter(|(entry, found)| found.times == 0 && (entry.is_wanted || excused == 0))
        .map(|(entry, _)| *entry)
        .collect();
    let is_expired = |entry: &&&Entry| horizon.is_some_and(|horizon| entry.received_at <= horizon);
    let expired = count(wanted.iter().filter(is_expired).count()).min(absent);
    let lost = absent.saturating_sub(expired);
    report.expired = report.expired.saturating_add(expired);
    report.lost = report.lost.saturating_add(lost);
    let suspects: Vec<Uuid> = wanted.iter().filter(|entry| !is_expired(entry)).map(|entry| entry.id).collect();
    if lost > 0 && count(suspects.len()) == lost {
        let room = MOST_NAMED.saturating_sub(report.lost_ids.len());
        report.lost_ids.extend(suspects.into_iter().take(room));
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
