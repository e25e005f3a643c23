//! What the journal says was sent, against what Kafka shows. Single records lie in a temporary database; in memory is only what does
//! not grow with them.
//!
//! The journal does not keep which record a sink got, only how many of each range of a partition (sent, skipped, dead). So a range is
//! proven by its count, and single records are named where the count leaves no doubt.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use self::range::{Fates, Range};
use self::remains::{Address, Content, Remains};
use self::store::{Missing, Of, Result, Store};
use crate::clock::Millis;
use crate::journal::coverage::Delivered;
use crate::journal::{Lane, Partition};
use crate::sink::kafka::MessageTime;
use crate::sink::kafka::read::{Seen, TopicPartition};

mod range;
pub mod remains;
pub mod store;

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

/// Where a record of the journal lies, and when it was received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing<'a> {
    pub(super) partition: &'a Partition,
    pub(super) seq: u64,
    pub(super) received_at: Millis,
}

/// What the journal says, filled with what Kafka shows.
#[derive(Debug)]
pub struct Comparison {
    /// Which time messages carry: only that of taking in says whether the journal may have trimmed them.
    times: MessageTime,
    /// Of the mapping by which entries are wanted.
    version: u64,
    store: Store,
    /// The partitions of the journal; an index is its number in the store.
    lanes: Vec<Partition>,
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
    pub fn new(accounts: BTreeSet<String>, times: MessageTime, version: u64) -> Result<Self> {
        Ok(Self {
            times,
            version,
            store: Store::new()?,
            lanes: Vec::new(),
            accounts,
            without_id: 0,
            replays: 0,
            messages: 0,
            contents: HashMap::new(),
        })
    }

    /// Adds what the journal retains, in the order of each partition.
    pub fn know(&mut self, entry: &Entry) -> Result<()> {
        let lane = self.lanes.iter().position(|lane| *lane == entry.partition).unwrap_or_else(|| {
            self.lanes.push(entry.partition.clone());
            self.lanes.len().saturating_sub(1)
        });
        self.store.know(number(lane), entry)
    }

    /// Takes a message.
    pub fn see(&mut self, seen: &Seen) -> Result<()> {
        self.messages = self.messages.saturating_add(1);
        let content = self.contents.entry(seen.partition).or_default();
        let known = seen.id.map(|id| self.store.find(id)).transpose()?.flatten();
        let is_ours = known.is_some() || seen.account.as_ref().is_some_and(|account| self.accounts.contains(account));
        if is_ours && !seen.is_by_key {
            content.misplaced = content.misplaced.saturating_add(1);
        }
        if seen.is_replay && seen.id.is_some() {
            self.replays = self.replays.saturating_add(1);
            return Ok(());
        }
        if let (Some(id), Some(known)) = (seen.id, known) {
            if known.times == 0 {
                content.take(seen.offset, Some(known.received_at));
            }
            return self.store.found(id, (seen.partition, seen.offset));
        }
        content.take(seen.offset, seen.time.filter(|_| self.times == MessageTime::Logged));
        let Some(id) = seen.id else {
            self.without_id = self.without_id.saturating_add(1);
            return Ok(());
        };
        self.store.stranger(id, is_ours, seen.time)
    }

    /// What is left in these topics, once all was seen.
    pub fn remains<'t>(&self, topics: &'t [TopicPartition]) -> Result<Remains<'t>> {
        let mut remains = Remains::new(topics, &self.contents);
        // Without a beginning that is gone, nothing has expired.
        if remains.is_cut() {
            self.store.each_found(|lane, seq, place| {
                if let Some(partition) = self.partition(lane) {
                    remains.note(partition, seq, place);
                }
            })?;
        }
        Ok(remains)
    }

    /// Sequences of missing records of a range, of which it has to be known where they went: those behind `after`, in order, at most
    /// `most`. None where that does not matter.
    pub fn missing(&self, of: &Delivered, remains: &Remains<'_>, after: u64, most: usize) -> Result<Vec<u64>> {
        let range = self.count(of)?;
        if of.partition.lane == Lane::Replayed || range.absent == 0 || !(remains.is_cut() || range.is_ambiguous()) {
            return Ok(Vec::new());
        }
        let mut seqs = Vec::new();
        let of = Of { after: after.max(of.from.saturating_sub(1)), ..self.all_of(of, range.is_certain) };
        self.store.each_missing(of, Some(most), |missing| seqs.push(missing.seq))?;
        Ok(seqs)
    }

    /// Takes where a missing record went, and whether the sink's route takes its event.
    pub fn place(&mut self, id: Uuid, address: &Address, is_wanted: bool, remains: &Remains<'_>) -> Result<()> {
        let Some((lane, seq, received_at)) = self.store.position(id)? else { return Ok(()) };
        let Some(partition) = self.partition(lane) else { return Ok(()) };
        let fate = remains.fate(Standing { partition, seq, received_at }, address);
        self.store.settle(id, fate, is_wanted)
    }

    /// Keeps what the journal says of a range, for [`Comparison::next_range`].
    pub fn keep_range(&mut self, range: &Delivered) -> Result<()> {
        self.store.keep_range(range)
    }

    /// The next range that was kept behind the number `after`, with its own number; the first behind 0.
    pub fn next_range(&self, after: i64) -> Result<Option<(i64, Delivered)>> {
        self.store.next_range(after)
    }

    /// Adds what is to say of a range. A missing record of which nothing was said may have gone anywhere.
    pub fn judge(&self, of: &Delivered, remains: &Remains<'_>, report: &mut Report) -> Result<()> {
        if of.partition.lane == Lane::Replayed {
            report.replays_sent = report.replays_sent.saturating_add(of.sent);
            return Ok(());
        }
        let range = self.count(of)?;
        let mut fates = Fates::default();
        if range.absent > 0 {
            self.store.each_missing(self.all_of(of, !range.takes_all()), None, |missing| {
                let Missing { id, seq, received_at, fate } = missing;
                let standing = Standing { partition: &of.partition, seq, received_at };
                fates.add(id, fate.unwrap_or_else(|| remains.fate(standing, &Address::default())));
            })?;
        }
        range.judge(fates, report);
        Ok(())
    }

    /// Adds what concerns no range, once all of them are judged.
    pub fn conclude(&self, report: &mut Report) -> Result<()> {
        report.messages = self.messages;
        report.replays_found = self.replays;
        report.misplaced = self.contents.values().map(|content| content.misplaced).fold(0, u64::saturating_add);
        (report.repeated, report.repeated_ids) = self.store.repeated(MOST_NAMED)?;
        report.out_of_order = self.out_of_order()?;
        self.strangers(report)
    }

    fn partition(&self, lane: i64) -> Option<&Partition> {
        usize::try_from(lane).ok().and_then(|lane| self.lanes.get(lane))
    }

    fn lane(&self, partition: &Partition) -> i64 {
        self.lanes.iter().position(|lane| lane == partition).map_or(-1, number)
    }

    fn count<'a>(&self, range: &'a Delivered) -> Result<Range<'a>> {
        let counts = self.store.counts(self.lane(&range.partition), range.from, range.to)?;
        Ok(Range::new(range, counts, self.version))
    }

    /// The missing entries of a range.
    fn all_of(&self, range: &Delivered, only_wanted: bool) -> Of {
        Of { lane: self.lane(&range.partition), after: range.from.saturating_sub(1), to: range.to, only_wanted }
    }

    fn out_of_order(&self) -> Result<u64> {
        let mut last: Option<(i64, (usize, i64))> = None;
        let mut count: u64 = 0;
        self.store.each_of_alerts(|alert, (partition, offset)| {
            // Partitions of a topic have no order among each other.
            match last.replace((alert, (partition, offset))) {
                Some((before, (at, earlier))) if before == alert && at == partition && earlier > offset => {
                    count = count.saturating_add(1);
                }
                Some(_) | None => {}
            }
        })?;
        Ok(count)
    }

    fn strangers(&self, report: &mut Report) -> Result<()> {
        let oldest = self.store.oldest()?;
        let (mut earlier, mut foreign): (u64, u64) = (0, self.without_id);
        self.store.each_stranger(|times, is_ours, time| {
            let is_newer =
                self.times == MessageTime::Logged && time.zip(oldest).is_some_and(|(time, oldest)| time > oldest);
            if is_ours && !is_newer {
                earlier = earlier.saturating_add(1);
            } else {
                foreign = foreign.saturating_add(times);
            }
        })?;
        // No more can be of this journal than it sent and forgot.
        report.earlier = earlier.min(report.trimmed);
        report.foreign = foreign.saturating_add(earlier.saturating_sub(report.earlier));
        Ok(())
    }
}

impl Report {
    /// Whether everything that was sent is there once.
    pub fn is_good(&self) -> bool {
        self.lost == 0 && self.repeated == 0
    }
}

fn number(lane: usize) -> i64 {
    i64::try_from(lane).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
