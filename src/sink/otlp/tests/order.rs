//! Requests beside each other, with answers in any order and failures of every kind: of each alert and each device the events
//! first arrive in the order in which they were sent, and nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message;

use super::super::Body;
use super::super::answer::Verdict;
use super::super::carried::Carried;
use super::super::course::Exchange;
use super::ids_of;
use crate::event::Event;
use crate::record::EventId;
use crate::sink::lines::tests::event;
use crate::sink::{Delivered, SinkError};

/// Batches of one run, and events of one batch.
const BATCHES: usize = 3;
const EVENTS: usize = 120;

/// A receiver whose answers take their time, and fail.
#[derive(Clone)]
struct Moody(Arc<Mutex<World>>);

struct World {
    dice: fastrand::Rng,
    /// How many requests in a hundred fail.
    faults: u32,
    /// Most records of a request that it takes.
    most: usize,
    poison: BTreeSet<String>,
    arrived: Vec<String>,
    under_way: usize,
    most_under_way: usize,
}

/// What it does with one request.
enum Fate {
    Take,
    TakeAndLose,
    Fail(Verdict),
}

impl World {
    fn fate(&mut self, ids: &[String]) -> Fate {
        if ids.iter().any(|id| self.poison.contains(id)) {
            return Fate::Fail(Verdict::Smaller("a bad record".into()));
        }
        if ids.len() > self.most {
            let verdict = if self.dice.bool() { Verdict::Smaller } else { Verdict::Throttled };
            return Fate::Fail(verdict("too large".into()));
        }
        if ids.is_empty() || self.dice.u32(0..100) >= self.faults {
            return Fate::Take;
        }
        match self.dice.u8(0..5) {
            0 => Fate::Fail(Verdict::Later("busy".into(), None)),
            1 => Fate::Fail(Verdict::Later("busy".into(), Some(Duration::from_secs(1)))),
            2 => Fate::Fail(Verdict::Down("no right".into())),
            3 if ids.len() > 1 => Fate::Fail(Verdict::Throttled("too much".into())),
            _ => Fate::TakeAndLose,
        }
    }

    fn wait(&mut self) -> Duration {
        Duration::from_millis(self.dice.u64(0..300))
    }
}

impl Exchange for Moody {
    async fn exchange(&self, request: Vec<u8>) -> Result<Verdict, SinkError> {
        let ids = ids_of(&ExportLogsServiceRequest::decode(request.as_slice()).unwrap());
        let before = {
            let mut world = self.0.lock().unwrap();
            world.under_way += 1;
            world.most_under_way = world.most_under_way.max(world.under_way);
            world.wait()
        };
        let _count = UnderWay(self.clone());
        tokio::time::sleep(before).await;
        let (fate, after) = {
            let mut world = self.0.lock().unwrap();
            let fate = world.fate(&ids);
            if matches!(fate, Fate::Take | Fate::TakeAndLose) {
                world.arrived.extend(ids);
            }
            (fate, world.wait())
        };
        tokio::time::sleep(after).await;
        Ok(match fate {
            Fate::Take => Verdict::Accepted(None),
            Fate::TakeAndLose => Verdict::Later("the answer was lost".into(), None),
            Fate::Fail(verdict) => verdict,
        })
    }
}

/// Counts a request until it ends, also by being dropped.
struct UnderWay(Moody);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().under_way -= 1;
    }
}

fn batch(number: usize, dice: &mut fastrand::Rng) -> Vec<Event> {
    let make = |place: usize| {
        let id = EventId(uuid::Uuid::from_u128((number * EVENTS + place) as u128 + 1));
        let mut event = Event { id, ..event(&format!("{{\"text\":\"{}\"}}", "x".repeat(4096))) };
        event.pivots.subject = format!("alert-{}", dice.u32(0..60));
        event.pivots.device_uid = dice.bool().then(|| format!("device-{}", dice.u32(0..40)));
        event
    };
    (0..EVENTS).map(make).collect()
}

/// Delivers a batch until it is accepted, as a deliverer does; some deliveries are dropped half-way.
async fn until_accepted(receiver: &Moody, batch: &[Event]) -> Delivered {
    let mut carried = Carried::default();
    for attempt in 0..200 {
        let patience = {
            let mut world = receiver.0.lock().unwrap();
            // What fails often must calm down for the run to end.
            world.faults = if attempt < 12 { world.faults } else { 0 };
            if attempt < 12 && world.dice.u8(0..4) == 0 { world.wait() * 3 } else { Duration::from_secs(3600) }
        };
        match tokio::time::timeout(patience, carried.deliver(receiver, batch, Body::Json, 4)).await {
            Ok(Ok(delivered)) => return delivered,
            Ok(Err(SinkError::Retry(_) | SinkError::Later { .. })) | Err(_) => {}
            Ok(Err(error @ SinkError::Closed { .. })) => panic!("{error}"),
        }
    }
    panic!("it never ends");
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_each_alert_and_device_keeps_its_order_and_nothing_is_lost() {
    let mut together = 0;
    for seed in 0..24 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let batches: Vec<Vec<Event>> = (0..BATCHES).map(|number| batch(number, &mut dice)).collect();
        let sent = batches.concat();
        let poison: BTreeSet<String> =
            (0..dice.usize(0..3)).map(|_| sent[dice.usize(0..sent.len())].id.to_string()).collect();
        let (faults, most) = (dice.u32(0..30), [3, 40, 1000][dice.usize(0..3)]);
        let world = World { dice, faults, most, poison, arrived: Vec::new(), under_way: 0, most_under_way: 0 };
        let receiver = Moody(Arc::new(Mutex::new(world)));
        let mut refused = BTreeSet::new();
        for batch in &batches {
            receiver.0.lock().unwrap().faults = faults;
            let delivered = until_accepted(&receiver, batch).await;
            refused.extend(delivered.refused.iter().map(|(index, _)| batch[*index].id.to_string()));
        }
        let world = receiver.0.lock().unwrap();
        assert_eq!(refused, world.poison, "seed {seed}: exactly what is bad is refused");
        assert_order(&sent, &world, seed);
        assert!(world.most_under_way <= 4, "seed {seed}: {} requests at once", world.most_under_way);
        together = together.max(world.most_under_way);
    }
    assert_eq!(together, 4, "requests travel beside each other");
}

fn assert_order(sent: &[Event], world: &World, seed: u64) {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, id) in world.arrived.iter().enumerate() {
        first.entry(id).or_insert(place);
    }
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for event in sent.iter().filter(|event| !world.poison.contains(&event.id.to_string())) {
        let id = event.id.to_string();
        let place = *first.get(id.as_str()).unwrap_or_else(|| panic!("seed {seed}: {id} is lost"));
        for key in event.pivots.order_keys() {
            let before = last.insert(key, place);
            assert!(before.is_none_or(|before| before < place), "seed {seed}: {key} is out of order at {id}");
        }
    }
}

/// A record that is judged alone has the receiver for itself: one that is only busy with our other requests would else look as if
/// it refused the record.
#[tokio::test(start_paused = true)]
async fn nothing_is_given_up_for_the_load_of_our_own_requests() {
    #[derive(Clone)]
    struct OneAtATime(Arc<Mutex<usize>>);

    impl Exchange for OneAtATime {
        async fn exchange(&self, request: Vec<u8>) -> Result<Verdict, SinkError> {
            let others = {
                let mut busy = self.0.lock().unwrap();
                *busy += 1;
                *busy - 1
            };
            tokio::time::sleep(Duration::from_millis(if request.is_empty() { 1 } else { 900 })).await;
            *self.0.lock().unwrap() -= 1;
            Ok(if others == 0 || request.is_empty() {
                Verdict::Accepted(None)
            } else {
                Verdict::Exhausted("one at a time".into())
            })
        }
    }

    let mut dice = fastrand::Rng::with_seed(1);
    let busy = OneAtATime(Arc::default());
    let delivered = Carried::default().deliver(&busy, &batch(0, &mut dice), Body::Json, 8).await;
    assert_eq!(delivered, Ok(Delivered::default()));
}
