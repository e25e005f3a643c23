//! What only the checker knows: which record lies where, what each sink got, and what need not arrive.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use super::support::uid;
use crate::journal::sqlite::Journal;
use crate::journal::{Lane, Partition, Place};
use crate::record::{Marker, Record, RecordKind};

/// A record as the source names it: an alert (or another thing) and which of its records, from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    name: String,
    version: u32,
}

impl Key {
    pub(super) fn of(record: &Record) -> Self {
        let version = if let Marker::Update(n, _) = &record.envelope.marker { *n } else { 1 };
        Self { name: record.envelope.native_id.clone(), version }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// Whether a sink may get a record twice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// Never.
    Once,
    /// If the journal did not learn that it had it.
    MayRepeat,
}

#[derive(Default)]
pub(super) struct Oracle {
    /// Every record that ever was in a lane.
    ever: BTreeMap<Place, Key>,
    /// Those that are still there.
    there: HashSet<Place>,
    /// The last version of each alert in a lane.
    told: HashMap<String, u32>,
    lane: HashMap<String, Lane>,
    /// What each sink got, in order, with the mark of the replay.
    log: HashMap<String, Vec<(Key, u64)>>,
    /// What a sink need not get: its route skips it, an operator dropped it, it went while the sink was absent.
    skip: HashSet<(String, Place, u64)>,
    /// The same for whatever mark.
    gone: HashSet<(String, Place)>,
    /// What may be sent again.
    excuse: HashSet<(String, Key, u64)>,
    /// What was not sent in an attempt that was not stored: it may be sent later, behind newer ones.
    anew: HashSet<(String, Key)>,
    /// Every reference that ever was.
    due: BTreeMap<(String, u64), (Place, u64)>,
    top: HashMap<(String, Partition), u64>,
}

impl Oracle {
    /// Reads the lanes: what is new continues its alert, what was there is as it was.
    pub(super) async fn see(&mut self, journal: &Journal) {
        self.there.clear();
        for lane in [Lane::Live, Lane::Backfill] {
            let partition = Partition { account: uid(), lane };
            for (seq, _, record) in journal.records(&partition, 0, usize::MAX).await.unwrap() {
                let place = Place { partition: partition.clone(), seq };
                let key = Key::of(&record);
                self.there.insert(place.clone());
                if let Some(before) = self.ever.get(&place) {
                    assert_eq!(*before, key, "COUNTER: {place:?} was given out twice");
                    continue;
                }
                self.arrived(&key, record.envelope.kind, lane);
                self.ever.insert(place, key);
            }
        }
    }

    fn arrived(&mut self, key: &Key, kind: RecordKind, lane: Lane) {
        let told = self.told.insert(key.name.clone(), key.version).unwrap_or(0);
        assert_eq!(key.version, told + 1, "JOURNAL: {} in a lane after version {told}", key);
        let first = *self.lane.entry(key.name.clone()).or_insert(lane);
        assert!(kind != RecordKind::Alert || first == lane, "LANE: {key} is not in the lane of its alert's first");
    }

    pub(super) fn started(&mut self, sink: &str, partition: &Partition, position: u64) {
        let before = self.ever.keys().filter(|place| place.partition == *partition && place.seq <= position);
        self.gone.extend(before.map(|place| (sink.to_owned(), place.clone())));
        self.excuse_gone(sink);
    }

    /// What is not there any more, the sink need not get.
    pub(super) fn excuse_gone(&mut self, sink: &str) {
        let gone = self.ever.keys().filter(|place| !self.there.contains(place));
        self.gone.extend(gone.map(|place| (sink.to_owned(), place.clone())));
    }

    pub(super) fn skip(&mut self, sink: &str, place: &Place, mark: u64) {
        self.skip.insert((sink.to_owned(), place.clone(), mark));
    }

    pub(super) fn excuse(&mut self, sink: &str, items: &[(Place, u64)]) {
        let keys = items.iter().map(|(place, mark)| (sink.to_owned(), self.ever[place].clone(), *mark));
        self.excuse.extend(keys);
    }

    pub(super) fn due(&mut self, sink: &str, seq: u64, place: Place, mark: u64) {
        let before = self.due.insert((sink.to_owned(), seq), (place.clone(), mark));
        assert!(before.is_none_or(|before| before == (place, mark)), "COUNTER: reference {seq} of {sink} twice");
    }

    /// How many references of a sink there ever were under a mark.
    pub(super) fn count_due(&self, sink: &str, mark: u64) -> u64 {
        self.due.iter().filter(|((of, _), (_, with))| of == sink && *with == mark).count() as u64
    }

    /// A sink got `items`, and did not get `unsent` in the same attempt.
    pub(super) fn delivered(&mut self, sink: &str, items: &[(Place, u64)], unsent: &[(Place, u64)], sent: Sent) {
        for (place, _) in unsent {
            self.anew.insert((sink.to_owned(), self.ever[place].clone()));
        }
        let log = self.log.entry(sink.to_owned()).or_default();
        for (place, mark) in items {
            let key = &self.ever[place];
            let of = |key: &Key| (sink.to_owned(), key.clone());
            if log.contains(&(key.clone(), *mark)) {
                let excused = self.excuse.contains(&(sink.to_owned(), key.clone(), *mark));
                assert!(sent == Sent::MayRepeat && excused, "ONCE: {sink} gets {key} again (replay {mark})");
            } else if *mark == 0 && !self.anew.contains(&of(key)) {
                let later = log.iter().find(|(k, m)| k.name == key.name && k.version > key.version && *m == 0);
                assert!(later.is_none(), "ORDER: {sink} gets {key} after a later record of this alert");
            }
            log.push((key.clone(), *mark));
        }
    }

    /// The journal knows now what became of a batch; the flag: skipped by the route.
    pub(super) fn settled(&mut self, sink: &str, items: &[(Place, u64, bool)]) {
        for (place, mark, skipped) in items {
            if *skipped {
                self.skip(sink, place, *mark);
            } else {
                self.excuse.remove(&(sink.to_owned(), self.ever[place].clone(), *mark));
            }
        }
    }

    /// What holds of a configured sink in every state.
    pub(super) fn check(
        &mut self,
        sink: &str,
        positions: &BTreeMap<Partition, u64>,
        dead: &[(Place, u64)],
        references: &[(u64, Place, u64)],
    ) {
        for (partition, position) in positions {
            let top = self.top.entry((sink.to_owned(), partition.clone())).or_default();
            assert!(*position >= *top, "BACK: {sink} in {partition} from {top} to {position}");
            *top = *position;
        }
        let at = |lane| positions.get(&Partition { account: uid(), lane }).copied().unwrap_or(0);
        let waiting: HashSet<(Place, u64)> =
            dead.iter().cloned().chain(references.iter().map(|(_, place, mark)| (place.clone(), *mark))).collect();
        let passed = self.ever.keys().filter(|place| place.seq <= at(place.partition.lane)).map(|place| (place, 0));
        let replayed = self.due.iter().filter(|((of, seq), _)| of == sink && *seq <= at(Lane::Replayed));
        for (place, mark) in passed.chain(replayed.map(|(_, (place, mark))| (place, *mark))) {
            assert!(
                waiting.contains(&(place.clone(), mark))
                    || self.need_not(sink, place, mark)
                    || self.has(sink, place, mark),
                "LOST: {sink} passed {place:?} ({}, replay {mark}): not delivered, dead or counted",
                self.ever[place]
            );
        }
        for (place, mark) in dead {
            let passed = *mark > 0 || place.seq <= at(place.partition.lane);
            assert!(passed, "DEAD: {place:?} counts as a dead letter of {sink}, whose position has not passed it");
        }
        for (place, _) in &waiting {
            assert!(self.there.contains(place), "TRIMMED: {place:?} is gone and {sink} still needs it");
        }
        for place in self.ever.keys().filter(|place| place.seq > at(place.partition.lane)) {
            let needed = !self.need_not(sink, place, 0);
            assert!(!needed || self.there.contains(place), "TRIMMED: {place:?} is gone and {sink} has not passed it");
        }
    }

    fn need_not(&self, sink: &str, place: &Place, mark: u64) -> bool {
        self.skip.contains(&(sink.to_owned(), place.clone(), mark))
            || self.gone.contains(&(sink.to_owned(), place.clone()))
    }

    fn has(&self, sink: &str, place: &Place, mark: u64) -> bool {
        self.log.get(sink).is_some_and(|log| log.contains(&(self.ever[place].clone(), mark)))
    }
}
