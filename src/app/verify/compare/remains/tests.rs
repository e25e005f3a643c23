//! Topics that lost their beginnings, each in its own way, and a record that is missing.

use uuid::Uuid;

use super::*;
use crate::app::verify::compare::tests::report;
use crate::app::verify::compare::{Comparison, Entry};
use crate::journal::Lane as JournalLane;
use crate::record::AccountUid;
use crate::sink::kafka::MessageTime;
use crate::sink::kafka::read::Seen;

const ACCOUNT: &str = "ab1c0002";

/// A comparison with its topics; records 1 to 100 of two lanes were taken in, one a second.
struct World {
    comparison: Comparison,
    topics: Vec<TopicPartition>,
    offsets: Vec<i64>,
}

fn lane(lane: JournalLane) -> Partition {
    Partition { account: AccountUid::new(ACCOUNT), lane }
}

fn entry(lane_of: JournalLane, seq: u64) -> Entry {
    let id = Uuid::from_u128(u128::from(seq) + if lane_of == JournalLane::Live { 0 } else { 1000 });
    let received_at = Millis(i64::try_from(seq).unwrap() * 1000);
    Entry { id, partition: lane(lane_of), seq, alert: None, received_at, is_wanted: true }
}

fn standing(entry: &Entry) -> Standing<'_> {
    Standing { partition: &entry.partition, seq: entry.seq, received_at: entry.received_at }
}

impl World {
    /// Partitions by topic, each with its first offset.
    fn new(topics: &[(&str, Role, &[i64])]) -> Self {
        Self::with_times(MessageTime::Logged, topics)
    }

    fn with_times(times: MessageTime, topics: &[(&str, Role, &[i64])]) -> Self {
        let mut comparison = Comparison::new([ACCOUNT.to_owned()].into(), times, 1).unwrap();
        for lane in [JournalLane::Live, JournalLane::Backfill] {
            (1..=100).for_each(|seq| comparison.know(&entry(lane, seq)).unwrap());
        }
        let mut partitions = Vec::new();
        for (topic, role, starts) in topics {
            for (number, start) in (0..).zip(*starts) {
                let topic = (*topic).to_owned();
                partitions.push(TopicPartition { topic, number, start: *start, end: 1000, role: *role });
            }
        }
        let offsets = partitions.iter().map(|partition| partition.start).collect();
        Self { comparison, topics: partitions, offsets }
    }

    fn message(&mut self, partition: usize, lane: JournalLane, seq: u64) -> Seen {
        self.offsets[partition] += 1;
        let Entry { id, received_at, .. } = entry(lane, seq);
        Seen {
            id: Some(id),
            account: Some(ACCOUNT.into()),
            is_replay: false,
            is_by_key: true,
            partition,
            offset: self.offsets[partition],
            time: Some(received_at),
        }
    }

    /// Records of a lane stand in a partition, by its index.
    fn with_lane(mut self, partition: usize, lane: JournalLane, seqs: impl IntoIterator<Item = u64>) -> Self {
        for seq in seqs {
            let seen = self.message(partition, lane, seq);
            self.comparison.see(&seen).unwrap();
        }
        self
    }

    fn with(self, partition: usize, seqs: impl IntoIterator<Item = u64>) -> Self {
        self.with_lane(partition, JournalLane::Live, seqs)
    }

    /// The same of one message that is made otherwise.
    fn with_made(mut self, partition: usize, seq: u64, make: impl Fn(Seen) -> Seen) -> Self {
        let seen = make(self.message(partition, JournalLane::Live, seq));
        self.comparison.see(&seen).unwrap();
        self
    }

    fn fate(&self, seq: u64, address: &Address) -> Fate {
        self.comparison.remains(&self.topics).unwrap().fate(standing(&entry(JournalLane::Live, seq)), address)
    }

    /// What became of records, each with the number of the partition that its key says.
    fn fates<const N: usize>(&self, records: [(u64, usize); N]) -> [Fate; N] {
        records.map(|(seq, number)| self.fate(seq, &at(number, self.topics.len())))
    }
}

/// The topic `t`, and a key that says this one of so many partitions.
fn at(number: usize, count: usize) -> Address {
    let keys = (0..).map(|n: u32| KeyHash::of(&n.to_le_bytes()));
    let key = keys.into_iter().find(|key| key.partition(count) == Some(number)).unwrap();
    Address { keys: Some(vec![key]), topic: Some("t".into()) }
}

use Fate::{Expired, Lost, Unclear};
use Role::{Earlier, Own};

#[test]
fn only_the_partition_that_a_record_went_to_says_whether_it_expired() {
    // The last one gets records rarely: retention left only a young one there.
    let world = World::new(&[("t", Own, &[10, 0, 7])]).with(0, [30, 60]).with(1, [2, 61]).with(2, [95]);
    assert_eq!(world.fates([(50, 0), (50, 1), (50, 2)]), [Lost, Lost, Expired]);
    assert_eq!(world.fates([(20, 0), (20, 1), (96, 2)]), [Expired, Lost, Lost]);
}

#[test]
fn a_partition_that_lost_all_excuses_only_what_went_there() {
    let world = World::new(&[("t", Own, &[40, 0])]).with(1, [1, 99]);
    assert_eq!(world.fates([(50, 0), (50, 1)]), [Expired, Lost]);
    let all = World::new(&[("t", Own, &[40, 40])]);
    assert_eq!(all.fates([(50, 0), (50, 1)]), [Expired, Expired]);
    let none = World::new(&[("t", Own, &[0, 0])]);
    assert_eq!(none.fates([(50, 0), (50, 1)]), [Lost, Lost]);
}

#[test]
fn records_of_one_page_are_told_apart_by_their_order() {
    let mut world = World::new(&[("t", Own, &[40])]).with(0, [50, 52]);
    for found in [false, true] {
        let page = Entry { received_at: Millis(50_000), ..entry(JournalLane::Live, if found { 51 } else { 49 }) };
        let fate = world.comparison.remains(&world.topics).unwrap().fate(standing(&page), &at(0, 1));
        assert_eq!(fate, if found { Lost } else { Expired });
    }
    // A copy at the end, as of a tool that copies topics, is not where the record stood.
    world = world.with(0, [3, 80]);
    assert_eq!(world.fates([(10, 0), (51, 0)]), [Expired, Lost]);
}

#[test]
fn without_its_key_a_record_may_have_gone_anywhere_in_its_topic() {
    let world = World::new(&[("t", Own, &[10, 10])]).with(0, [30, 60]).with(1, [70]);
    let anywhere = Address { keys: None, topic: Some("t".into()) };
    assert_eq!([20, 50, 80].map(|seq| world.fate(seq, &anywhere)), [Expired, Unclear, Lost]);
    let either = Address { keys: Some([0, 1].map(|n| at(n, 2).keys.unwrap()[0]).into()), ..anywhere };
    assert_eq!([20, 50, 80].map(|seq| world.fate(seq, &either)), [Expired, Unclear, Lost]);
}

#[test]
fn keys_say_nothing_once_a_message_stands_elsewhere() {
    let world = World::new(&[("t", Own, &[10, 10])]).with(0, [30, 60]).with(1, [70]);
    assert_eq!(world.fates([(20, 0), (50, 0), (50, 1), (80, 0)]), [Expired, Lost, Expired, Lost]);
    let world = world.with_made(1, 75, |seen| Seen { is_by_key: false, ..seen });
    assert_eq!(world.fates([(20, 0), (50, 0), (50, 1), (80, 0)]), [Expired, Unclear, Unclear, Lost]);
    let report = report(&world.comparison, &[], &world.comparison.remains(&world.topics).unwrap());
    assert_eq!(report.misplaced, 1);
    // A stranger's message may stand where it likes.
    let stranger = |seen| Seen { is_by_key: false, id: Some(Uuid::from_u128(9999)), account: None, ..seen };
    let world = World::new(&[("t", Own, &[10, 10])]).with(0, [30]).with(1, [70]).with_made(1, 75, stranger);
    assert_eq!(world.fates([(50, 0), (50, 1)]), [Lost, Expired]);
}

#[test]
fn a_partition_may_be_younger_than_the_record() {
    // Nothing shows that the second one was there when record 50 was sent, and what the first one held then is gone.
    let added = World::new(&[("t", Own, &[10, 0])]).with(0, [70]).with(1, [80]);
    assert_eq!(added.fates([(50, 1), (90, 1)]), [Unclear, Lost]);
    let old = World::new(&[("t", Own, &[10, 0])]).with(0, [70]).with(1, [40, 80]);
    assert_eq!(old.fates([(50, 1)]), [Lost]);
    let kept = World::new(&[("t", Own, &[10, 0])]).with(0, [40, 70]).with(1, [80]);
    assert_eq!(kept.fates([(50, 1)]), [Lost], "no partition lost what stood there then");
}

#[test]
fn between_lanes_times_decide_as_far_as_they_keep_the_order() {
    use JournalLane::Backfill;
    let ordered = World::new(&[("t", Own, &[10])]).with_lane(0, Backfill, [50, 51]).with(0, [60, 61]);
    assert_eq!(ordered.fates([(40, 0), (55, 0), (62, 0)]), [Expired, Lost, Lost]);
    // Back-filled records were taken in ten seconds before the live ones that they stand behind.
    let mixed = World::new(&[("t", Own, &[10])]).with_lane(0, Backfill, [50, 65, 55, 66]).with(0, [70, 71]);
    assert_eq!(mixed.fates([(39, 0), (45, 0), (59, 0), (62, 0)]), [Expired, Unclear, Unclear, Lost]);
}

#[test]
fn a_deliberate_repeat_does_not_tell_how_old_a_partition_is() {
    let replay = |seen| Seen { is_replay: true, ..seen };
    let world = World::new(&[("t", Own, &[10])]).with_made(0, 3, replay).with(0, [60]);
    assert_eq!(world.fates([(50, 0), (61, 0)]), [Expired, Lost]);
}

#[test]
fn with_the_events_own_time_a_stranger_tells_no_age() {
    let stranger = |seen| Seen { id: Some(Uuid::from_u128(9999)), ..seen };
    let shown = |times| World::with_times(times, &[("t", Own, &[10])]).with_made(0, 30, stranger).with(0, [60, 70]);
    assert_eq!(shown(MessageTime::Logged).fates([(20, 0), (50, 0), (65, 0)]), [Expired, Lost, Lost]);
    assert_eq!(shown(MessageTime::Event).fates([(20, 0), (50, 0), (65, 0)]), [Unclear, Unclear, Lost]);
    // What the journal knows has its time of taking in there.
    let known = World::with_times(MessageTime::Event, &[("t", Own, &[10])]);
    let known = known.with_made(0, 60, |seen| Seen { time: Some(Millis(1)), ..seen });
    assert_eq!(known.fates([(50, 0), (65, 0)]), [Expired, Lost]);
}

#[test]
fn a_template_names_the_topic_unless_the_organization_changed() {
    let world = World::new(&[("t", Own, &[10]), ("u", Own, &[10])]).with(0, [30, 60]).with(1, [70]);
    let to = |topic: Option<&str>| Address { topic: topic.map(str::to_owned), ..at(0, 1) };
    assert_eq!(world.fate(50, &to(Some("t"))), Lost);
    assert_eq!(world.fate(50, &to(Some("u"))), Expired);
    assert_eq!([20, 50, 80].map(|seq| world.fate(seq, &to(None))), [Expired, Unclear, Lost]);
    assert_eq!(world.fate(20, &to(Some("gone"))), Lost, "a topic that somebody deleted lost its records");
    assert_eq!(World::new(&[]).fate(20, &to(None)), Lost);
}

#[test]
fn an_earlier_topic_excuses_only_what_may_have_gone_there() {
    // The earlier topic lost all before 30, the present one nothing.
    let changed = World::new(&[("t", Own, &[0]), ("old", Earlier, &[10])]).with(0, [61, 90]).with(1, [30, 59]);
    let fates = |world: &World, seqs: [u64; 4]| seqs.map(|seq| world.fate(seq, &at(0, 1)));
    assert_eq!(fates(&changed, [20, 40, 60, 70]), [Expired, Lost, Lost, Lost]);
    // Of the earlier one nothing is left: what stands before all that was found may have gone to either.
    let trimmed = World::new(&[("t", Own, &[0]), ("old", Earlier, &[10])]).with(0, [61, 90]);
    assert_eq!(fates(&trimmed, [20, 60, 70, 95]), [Unclear, Unclear, Lost, Lost]);
    // The same of the present one.
    let rare = World::new(&[("t", Own, &[10]), ("old", Earlier, &[0])]).with(0, [90]).with(1, [1, 59]);
    assert_eq!(fates(&rare, [40, 70, 85, 95]), [Lost, Unclear, Unclear, Lost]);
    // Both may have held it, and both lost it.
    let both = World::new(&[("t", Own, &[10]), ("old", Earlier, &[10])]).with(0, [90]);
    assert_eq!(fates(&both, [40, 70, 89, 95]), [Expired, Expired, Expired, Lost]);
}
