//! Deliverers of a random history: one step at a time, with faults between any two; and the Kafka that one of them sends to.

use uuid::Uuid;

use super::oracle::{Key, Sent};
use super::support::uid;
use super::world::{SINKS, World};
use crate::journal::intent::Intent;
use crate::journal::{Attempt, BatchLimit, Lane, Partition, Place, Refused, RefusedKind, Settlement};
use crate::org::directory::Decision;
use crate::record::place::SiteRef;

/// What a deliverer is about; a crash takes it.
#[derive(Clone, Default)]
pub(super) enum Phase {
    #[default]
    Idle,
    Decided(Batch),
    /// The sink has it (Kafka: its transaction is committed), the journal does not know.
    Done(Batch, Uuid),
    /// Kafka: the intent is stored.
    Intended(Batch, Uuid),
    /// Kafka: the transaction is open.
    Open(Batch, Uuid),
    /// Kafka: a new producer must read the positions first.
    Unsure,
}

/// An attempt and what was decided of its records.
#[derive(Clone)]
pub(super) struct Batch {
    pub(super) attempt: Attempt,
    pub(super) verdicts: Vec<Verdict>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Send,
    Skip,
    Unmapped,
    Refused,
}

impl World {
    pub(super) async fn begin(&mut self, sink: u8, lane: u8, most: u8) {
        let (sink, route) = SINKS[usize::from(sink)];
        let idle = matches!(self.memory.get(sink), None | Some(Phase::Idle));
        if !self.on.contains(sink) || !idle {
            return;
        }
        let lane = [Lane::Live, Lane::Backfill, Lane::Replayed][usize::from(lane)];
        let partition = Partition { account: uid(), lane };
        let limit = BatchLimit { records: usize::from(most), bytes: 1 << 20 };
        let Some(attempt) = self.journal.read(sink, &partition, limit).await.unwrap() else { return };
        let verdicts = attempt.items.iter().map(|item| {
            let site = &item.record.envelope.site;
            let verdict = match attempt.directory.decide(&uid(), site) {
                Decision::Org(tenant) if route.is_none_or(|route| route == tenant.id) => Verdict::Send,
                Decision::Org(_) | Decision::Ignored | Decision::Dropped => Verdict::Skip,
                Decision::Held(_) => Verdict::Unmapped,
            };
            let SiteRef::Uid(site) = site else { panic!("{site}") };
            let known = self.mapping[site.as_str()];
            let expected = match (known, route) {
                (0, _) => Verdict::Unmapped,
                (1, None | Some("X")) | (2, None | Some("Y")) => Verdict::Send,
                _ => Verdict::Skip,
            };
            assert_eq!(verdict, expected, "ROUTE: {sink}: {:?}", item.place);
            let refused = verdict == Verdict::Send && self.bad.contains(&Key::of(&item.record));
            if refused { Verdict::Refused } else { verdict }
        });
        let verdicts = verdicts.collect();
        self.memory.insert(sink, Phase::Decided(Batch { attempt, verdicts }));
    }

    pub(super) async fn catch_up(&mut self, sink: u8) {
        let (name, _) = SINKS[usize::from(sink)];
        for lane in [0, 1] {
            let mut steps = 0;
            while self.on.contains(name) && steps < 5 {
                self.begin(sink, lane, 100).await;
                self.deliver(SINKS[usize::from(sink)], 9).await;
                steps += 1;
            }
        }
    }

    /// The next step of a deliverer: 0 fails, 1 loses the answer, 2 refuses a record, the others succeed.
    pub(super) async fn deliver(&mut self, (sink, _): (&'static str, Option<&'static str>), how: u8) {
        if !self.on.contains(sink) {
            return;
        }
        let phase = self.memory.remove(sink).unwrap_or_default();
        let next = match (phase, sink == "kafka") {
            (Phase::Idle, _) => Phase::Idle,
            (Phase::Decided(batch), false) => self.send(sink, batch, how),
            (Phase::Done(batch, _), false) => {
                self.journal.settle(settlement(sink, &batch)).await.unwrap();
                self.oracle.settled(sink, &counted(&batch));
                Phase::Idle
            }
            (Phase::Decided(batch), true) => self.intend(batch).await,
            (Phase::Intended(batch, id), _) => match how {
                0 => Phase::Idle,
                2 => {
                    self.refuse_one(&batch);
                    Phase::Idle
                }
                _ => Phase::Open(batch, id),
            },
            (Phase::Open(batch, id), _) => match how {
                0 => Phase::Unsure,
                1 => {
                    self.kafka_commit(&batch, id);
                    Phase::Unsure
                }
                _ => {
                    self.kafka_commit(&batch, id);
                    Phase::Done(batch, id)
                }
            },
            (Phase::Done(batch, id), true) => {
                self.journal.mirror(sink, &batch.attempt.partition, batch.attempt.to, id).await.unwrap();
                Phase::Idle
            }
            (Phase::Unsure, _) => {
                let entries = self.kafka.iter().map(|(of, (seq, id))| (of.clone(), *seq, *id)).collect();
                self.journal.adopt(sink, entries).await.unwrap();
                Phase::Idle
            }
        };
        self.memory.insert(sink, next);
    }

    pub(super) fn kafka_commit(&mut self, batch: &Batch, id: Uuid) {
        self.oracle.delivered("kafka", &sendable(batch), &[], Sent::Once);
        self.oracle.settled("kafka", &counted(batch));
        self.kafka.insert(batch.attempt.partition.clone(), (batch.attempt.to, id));
        self.bad.clear();
    }

    fn send(&mut self, sink: &'static str, mut batch: Batch, how: u8) -> Phase {
        if how == 0 {
            return Phase::Idle;
        }
        if how == 2
            && let Some(first) = batch.verdicts.iter_mut().find(|verdict| **verdict == Verdict::Send)
        {
            *first = Verdict::Refused;
        }
        self.oracle.delivered(sink, &sendable(&batch), &unsent(&batch), Sent::MayRepeat);
        if how == 1 {
            self.oracle.excuse(sink, &sendable(&batch));
            return Phase::Idle;
        }
        Phase::Done(batch, Uuid::nil())
    }

    async fn intend(&mut self, batch: Batch) -> Phase {
        let Settlement { partition, from, to, version, sent, skipped, dead, .. } = settlement("kafka", &batch);
        let id = Uuid::new_v4();
        let intent = Intent { partition, from, to, id, version, sent, skipped, dead };
        self.journal.intend("kafka", intent).await.unwrap();
        // What an intent that is not taken over skips and gives up does not count, so the oracle learns it from Kafka.
        Phase::Intended(batch, id)
    }

    fn refuse_one(&mut self, batch: &Batch) {
        let send = batch.verdicts.iter().position(|verdict| *verdict == Verdict::Send);
        self.bad.extend(send.map(|at| Key::of(&batch.attempt.items[at].record)));
    }
}

pub(super) fn sendable(batch: &Batch) -> Vec<(Place, u64)> {
    select(batch, |verdict| verdict == Verdict::Send)
}

fn unsent(batch: &Batch) -> Vec<(Place, u64)> {
    select(batch, |verdict| verdict != Verdict::Send)
}

fn select(batch: &Batch, wanted: impl Fn(Verdict) -> bool) -> Vec<(Place, u64)> {
    let items = batch.attempt.items.iter().zip(&batch.verdicts).filter(|(_, verdict)| wanted(**verdict));
    items.map(|(item, _)| (item.place.clone(), item.replay)).collect()
}

/// What the settlement of a batch counts: each record, and whether its route skips it.
fn counted(batch: &Batch) -> Vec<(Place, u64, bool)> {
    let items = batch.attempt.items.iter().zip(&batch.verdicts);
    items.map(|(item, verdict)| (item.place.clone(), item.replay, *verdict == Verdict::Skip)).collect()
}

fn settlement(sink: &str, batch: &Batch) -> Settlement {
    let count = |of| batch.verdicts.iter().filter(|verdict| **verdict == of).count() as u64;
    let kind = |verdict| match verdict {
        Verdict::Unmapped => Some(RefusedKind::Unmapped),
        Verdict::Refused => Some(RefusedKind::Refused),
        Verdict::Send | Verdict::Skip => None,
    };
    let items = batch.attempt.items.iter().zip(&batch.verdicts);
    let dead = items.filter_map(|(item, verdict)| {
        let kind = kind(*verdict)?;
        Some(Refused { place: item.place.clone(), replay: item.replay, kind, reason: "so".into(), among: Vec::new() })
    });
    Settlement {
        sink: sink.into(),
        partition: batch.attempt.partition.clone(),
        from: batch.attempt.from,
        to: batch.attempt.to,
        version: batch.attempt.directory.version,
        sent: count(Verdict::Send),
        skipped: count(Verdict::Skip),
        dead: dead.collect(),
    }
}
