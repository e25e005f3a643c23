//! The guarantees of `model.py` (architecture.md section 2), checked on the real journal after every step of random histories.
//!
//! `World` is what happens around the journal, `Oracle` is what only the checker knows.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::world::{SINKS, SITES, World, dead_letters, positions, references};
use crate::journal::counters;
use crate::journal::held;
use crate::journal::tx::rows;

/// One step. Small numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Op {
    /// A page: the next version of each alert chosen, and activity records.
    Take {
        alerts: [bool; 3],
        backfill: bool,
        activity: Option<u8>,
    },
    /// A page that was computed from a state that is gone.
    Stale {
        alert: u8,
    },
    /// A site gets another organization: none, X, Y, or the ignore list.
    Map {
        site: u8,
        org: u8,
    },
    /// The same, with a release that is broken off.
    MapInPart {
        site: u8,
        org: u8,
        steps: u8,
    },
    Tick,
    Maintain,
    /// A deliverer reads a batch of at most `most` records.
    Begin {
        sink: u8,
        lane: u8,
        most: u8,
    },
    /// A deliverer takes its next step; `how` says what goes wrong.
    Step {
        sink: u8,
        how: u8,
    },
    /// A deliverer passes everything that is there but replays, without a fault.
    CatchUp {
        sink: u8,
    },
    /// The process dies; `committed`: an open Kafka transaction was prepared.
    Crash {
        committed: bool,
    },
    Ask {
        sink: u8,
        what: u8,
    },
    Serve,
    /// A request is served in part.
    ServeStep,
    Switch {
        sink: u8,
        now: bool,
    },
}

fn any_op() -> impl Strategy<Value = Op> {
    let take = (any::<[bool; 3]>(), any::<bool>(), proptest::option::weighted(0.4, 0..8u8));
    prop_oneof![
        6 => take.prop_map(|(alerts, backfill, activity)| Op::Take { alerts, backfill, activity }),
        1 => (0..3u8).prop_map(|alert| Op::Stale { alert }),
        3 => (0..3u8, 0..4u8).prop_map(|(site, org)| Op::Map { site, org }),
        3 => (0..3u8, 0..4u8, 0..3u8).prop_map(|(site, org, steps)| Op::MapInPart { site, org, steps }),
        4 => Just(Op::Tick),
        5 => Just(Op::Maintain),
        8 => (0..4u8, 0..3u8, 1..5u8).prop_map(|(sink, lane, most)| Op::Begin { sink, lane, most }),
        16 => (0..4u8, 0..10u8).prop_map(|(sink, how)| Op::Step { sink, how }),
        14 => (0..4u8).prop_map(|sink| Op::CatchUp { sink }),
        1 => any::<bool>().prop_map(|committed| Op::Crash { committed }),
        5 => (0..4u8, 0..5u8).prop_map(|(sink, what)| Op::Ask { sink, what }),
        5 => Just(Op::Serve),
        3 => Just(Op::ServeStep),
        3 => (0..4u8, any::<bool>()).prop_map(|(sink, now)| Op::Switch { sink, now }),
    ]
}

impl World {
    async fn run(mut self, ops: Vec<Op>) {
        for op in ops {
            self.step(&op).await;
            self.check().await;
        }
        self.drain().await;
    }

    async fn step(&mut self, op: &Op) {
        match *op {
            Op::Take { alerts, backfill, activity } => self.take(alerts, backfill, activity).await,
            Op::Stale { alert } => self.take_stale(alert).await,
            Op::Map { site, org } => self.remap(SITES[usize::from(site)], org).await,
            Op::MapInPart { site, org, steps } => self.remap_in_part(SITES[usize::from(site)], org, steps).await,
            Op::Tick => self.tick(),
            Op::Maintain => self.maintain().await,
            Op::Begin { sink, lane, most } => self.begin(sink, lane, most).await,
            Op::Step { sink, how } => self.deliver(SINKS[usize::from(sink)], how).await,
            Op::CatchUp { sink } => self.catch_up(sink).await,
            Op::Crash { committed } => self.crash(committed),
            Op::Ask { sink, what } => self.ask(SINKS[usize::from(sink)].0, what).await,
            Op::Serve => self.serve().await,
            Op::ServeStep => drop(self.serve_step().await),
            Op::Switch { sink, now } => self.switch(SINKS[usize::from(sink)].0, now).await,
        }
    }

    async fn check(&mut self) {
        self.oracle.see(&self.journal).await;
        let differences = self.journal.look(|view| counters::differences(view.connection)).await.unwrap();
        assert_eq!(differences, Vec::<String>::new(), "COUNTERS");
        assert_eq!(self.journal.is_full(), self.journal.usage().await.unwrap().full, "FLAG");
        let is_releasing = self.journal.look(|view| held::is_pending(view.connection)).await.unwrap();
        let stuck = self.first_held().await;
        for (site, key) in stuck.into_iter().filter(|_| !is_releasing) {
            assert_eq!(self.mapping[site.as_str()], 0, "STUCK: {key} is held though its site is mapped");
        }
        let dead = dead_letters(&self.journal).await;
        for sink in &self.on {
            let positions: BTreeMap<_, _> = positions(&self.journal, sink).await.into_iter().collect();
            let references = references(&self.journal, sink).await;
            let dead: Vec<_> =
                dead.iter().filter(|(of, ..)| of == sink).map(|(_, place, mark)| (place.clone(), *mark)).collect();
            self.oracle.check(sink, &positions, &dead, &references);
        }
    }

    /// Site and key of the first held record of each alert, and of every other held record.
    async fn first_held(&self) -> Vec<(String, String)> {
        let sql = "SELECT site, COALESCE(hex(alert), seq) FROM held h WHERE alert IS NULL
            OR seq = (SELECT MIN(seq) FROM held i WHERE i.alert = h.alert)";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        let found = self.journal.look(move |view| rows(view.connection, sql, [], read)).await.unwrap();
        found.into_iter().map(|(site, key)| (site.split('"').nth(3).unwrap_or_default().to_owned(), key)).collect()
    }

    /// No more faults: every site is mapped, everything moves, and in the end nothing is left.
    async fn drain(mut self) {
        for site in 0..3 {
            self.step(&Op::Map { site, org: 2 }).await;
            self.check().await;
        }
        for _ in 0..self.journal.requests().await.unwrap().len() {
            self.serve().await;
            self.check().await;
        }
        assert!(self.journal.requests().await.unwrap().is_empty(), "REQUEST: a served one still waits");
        for _ in 0..10_000 {
            let mut pending = 0;
            for (n, (sink, route)) in SINKS.into_iter().enumerate() {
                if !self.on.contains(sink) {
                    continue;
                }
                for lane in 0..3 {
                    self.begin(n as u8, lane, 4).await;
                    self.deliver((sink, route), 9).await;
                }
                pending += self.journal.backlog(sink).await.unwrap().iter().map(|b| b.pending).sum::<u64>();
            }
            self.check().await;
            if pending == 0 {
                assert!(self.journal.held().await.unwrap().is_empty(), "STUCK: every site is mapped");
                assert_eq!(self.journal.check_pages().await.unwrap().problems, Vec::<String>::new());
                return;
            }
        }
        panic!("DEADLOCK: not everything is delivered, and nothing moves");
    }
}

fn history(ops: Vec<Op>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { World::new().await.run(ops).await });
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn every_history_keeps_the_guarantees(ops in proptest::collection::vec(any_op(), 60..160)) {
        history(ops);
    }
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    #[ignore = "takes minutes"]
    fn many_long_histories_keep_the_guarantees(ops in proptest::collection::vec(any_op(), 100..300)) {
        history(ops);
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, max_shrink_iters: 400, failure_persistence: None, ..ProptestConfig::default() }
}
