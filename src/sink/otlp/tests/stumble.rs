//! Receivers that stumble and are well from then on cost no record; records that are truly bad become dead letters, and no others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use proptest::prelude::*;
use prost::Message;

use super::super::Body;
use super::super::answer::{Status, Verdict, of_grpc, of_grpc_http, of_http};
use super::super::carried::Carried;
use super::super::course::Exchange;
use super::ids_of;
use crate::event::Event;
use crate::record::EventId;
use crate::sink::SinkError;
use crate::sink::lines::tests::event;

/// One way in which a receiver fails a request.
#[derive(Clone, Copy, Debug)]
enum Stumble {
    Http(u16),
    Grpc(u16),
    GrpcOverHttp(u16),
    /// The connection breaks before or after the records are taken.
    Broken {
        is_taken: bool,
    },
}

impl Stumble {
    fn verdict(self) -> Verdict {
        match self {
            Self::Http(status) => of_http(status, None, b""),
            Self::Grpc(code) => of_grpc(code, "no", &Status::default()),
            Self::GrpcOverHttp(status) => of_grpc_http(status, None),
            Self::Broken { .. } => Verdict::Later("the exchange broke off".into(), None),
        }
    }
}

/// A receiver that takes a few requests, fails the next ones as the script says, and is well again.
#[derive(Clone)]
struct Stumbling(Arc<Mutex<World>>);

struct World {
    well_before: usize,
    script: VecDeque<Stumble>,
    bad: BTreeSet<String>,
    requests: usize,
    arrived: Vec<String>,
}

impl Stumbling {
    fn new(script: impl IntoIterator<Item = Stumble>, bad: BTreeSet<String>) -> Self {
        let script = script.into_iter().collect();
        Self(Arc::new(Mutex::new(World { well_before: 0, script, bad, requests: 0, arrived: Vec::new() })))
    }
}

impl Exchange for Stumbling {
    async fn exchange(&self, request: Vec<u8>) -> Result<Verdict, SinkError> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let ids = ids_of(&ExportLogsServiceRequest::decode(request.as_slice()).unwrap());
        let mut world = self.0.lock().unwrap();
        world.requests += 1;
        if world.requests > world.well_before
            && let Some(stumble) = world.script.pop_front()
        {
            if matches!(stumble, Stumble::Broken { is_taken: true }) && !ids.iter().any(|id| world.bad.contains(id)) {
                world.arrived.extend(ids);
            }
            return Ok(stumble.verdict());
        }
        if ids.iter().any(|id| world.bad.contains(id)) {
            return Ok(of_http(400, None, b""));
        }
        world.arrived.extend(ids);
        Ok(Verdict::Accepted(None))
    }
}

/// What came of a batch that was delivered until it was accepted.
struct Outcome {
    refused: BTreeSet<usize>,
    arrived: Vec<String>,
    failures: usize,
    requests: usize,
}

async fn until_accepted(receiver: &Stumbling, batch: &[Event], concurrency: u32) -> Outcome {
    let mut carried = Carried::default();
    for failures in 0..500 {
        match carried.deliver(receiver, batch, Body::Json, concurrency).await {
            Ok(delivered) => {
                assert_eq!(delivered.unnamed, []);
                let world = receiver.0.lock().unwrap();
                let refused = delivered.refused.iter().map(|(index, _)| *index).collect();
                return Outcome { refused, arrived: world.arrived.clone(), failures, requests: world.requests };
            }
            Err(SinkError::Retry(_) | SinkError::Later { .. }) => tokio::time::sleep(Duration::from_secs(1)).await,
            Err(error @ SinkError::Closed { .. }) => panic!("{error}"),
        }
    }
    panic!("it never ends");
}

/// Events of the alerts that `alerts` numbers, one each, every third also of a device; with `is_large` worth several requests at once.
fn batch(alerts: &[u8], is_large: bool) -> Vec<Event> {
    let text = "x".repeat(if is_large { 16_000 } else { 10 });
    let make = |(place, alert): (usize, &u8)| {
        let mut event =
            Event { id: EventId(uuid::Uuid::from_u128(place as u128 + 1)), ..event(&format!("\"{text}\"")) };
        event.pivots.subject = format!("alert-{alert}");
        event.pivots.device_uid = (place % 3 == 2).then(|| format!("device-{}", place % 7));
        event
    };
    alerts.iter().enumerate().map(make).collect()
}

fn bad_ids(batch: &[Event], bad: &BTreeSet<usize>) -> BTreeSet<String> {
    bad.iter().map(|index| batch[*index].id.to_string()).collect()
}

fn assert_in_order(batch: &[Event], arrived: &[String]) {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, id) in arrived.iter().enumerate() {
        first.entry(id).or_insert(place);
    }
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for event in batch {
        let Some(place) = first.get(event.id.to_string().as_str()) else { continue };
        for key in event.pivots.order_keys() {
            let before = last.insert(key, *place);
            assert!(before.is_none_or(|before| before < *place), "{key} is out of order");
        }
    }
}

/// Each answer that the first requests may get, as often as it takes to bisect down to single records and back.
#[tokio::test(start_paused = true)]
async fn a_receiver_that_stumbles_in_one_way_however_often_costs_no_record() {
    let statuses = [302].into_iter().chain(400..=431).chain(500..=505);
    let http = statuses.clone().map(Stumble::Http);
    let grpc = (1..=17).map(Stumble::Grpc).chain(statuses.map(Stumble::GrpcOverHttp));
    let alerts: Vec<u8> = (0..20).map(|number| number % 7).collect();
    let batch = batch(&alerts, false);
    for stumble in http.chain(grpc) {
        for times in [1, 6, 30] {
            let receiver = Stumbling::new(std::iter::repeat_n(stumble, times), BTreeSet::new());
            let outcome = until_accepted(&receiver, &batch, 1).await;
            assert_eq!(outcome.refused, BTreeSet::new(), "{stumble:?}, {times} times");
            assert_eq!(outcome.arrived.iter().collect::<BTreeSet<_>>().len(), batch.len());
            assert_in_order(&batch, &outcome.arrived);
        }
    }
}

/// A record that is rejected before anything was taken waits for a proof, and its alert's later events wait with it.
#[tokio::test(start_paused = true)]
async fn later_events_of_an_alert_do_not_overtake_one_that_was_rejected_in_a_stumble() {
    let batch = batch(&[1, 1, 2, 3], false);
    // The whole, its first half, and the first record alone are rejected.
    let receiver = Stumbling::new([Stumble::Http(400); 3], BTreeSet::new());
    let outcome = until_accepted(&receiver, &batch, 1).await;
    assert_eq!((outcome.refused, outcome.failures), (BTreeSet::new(), 0));
    let ids = |places: [usize; 4]| places.map(|place| batch[place].id.to_string());
    assert_eq!(outcome.arrived, ids([2, 3, 0, 1]));
}

/// Nothing else can prove anything: after several attempts the later events of the same alert do.
#[tokio::test(start_paused = true)]
async fn a_bad_first_record_of_the_only_alert_does_not_hold_the_sink_up_for_ever() {
    for count in [2, 40] {
        let batch = batch(&vec![1; count], false);
        let bad = BTreeSet::from([0]);
        let receiver = Stumbling::new([], bad_ids(&batch, &bad));
        let outcome = until_accepted(&receiver, &batch, 4).await;
        assert_eq!(outcome.refused, bad);
        assert!(outcome.failures < 10, "{} attempts", outcome.failures);
        assert!(outcome.requests <= 80, "{} requests for {count} records", outcome.requests);
        assert_eq!(outcome.arrived.iter().collect::<BTreeSet<_>>().len(), count - 1);
    }
}

/// A busy receiver says nothing of a record, however long it stays busy.
#[tokio::test(start_paused = true)]
async fn a_record_is_never_given_up_for_a_429() {
    let batch = batch(&[1, 2], false);
    // The second record alone is answered 429 again and again, between requests that are taken.
    #[derive(Clone)]
    struct Busy(Arc<Mutex<usize>>);
    impl Exchange for Busy {
        async fn exchange(&self, request: Vec<u8>) -> Result<Verdict, SinkError> {
            let ids = ids_of(&ExportLogsServiceRequest::decode(request.as_slice()).unwrap());
            let mut left = self.0.lock().unwrap();
            if *left > 0 && ids.contains(&uuid::Uuid::from_u128(2).to_string()) {
                *left -= 1;
                return Ok(of_http(429, None, b""));
            }
            Ok(Verdict::Accepted(None))
        }
    }
    let (busy, mut carried) = (Busy(Arc::new(Mutex::new(60))), Carried::default());
    for _ in 0..60 {
        if let Ok(delivered) = carried.deliver(&busy, &batch, Body::Json, 1).await {
            return assert_eq!(delivered.refused, []);
        }
    }
    panic!("it never ends");
}

fn stumbles() -> impl Strategy<Value = Stumble> {
    prop_oneof![
        4 => Just(Stumble::Http(400)),
        1 => Just(Stumble::Grpc(3)),
        1 => Just(Stumble::Grpc(8)),
        1 => Just(Stumble::Http(429)),
        2 => (300_u16..600).prop_map(Stumble::Http),
        1 => (1_u16..20).prop_map(Stumble::Grpc),
        1 => (300_u16..600).prop_map(Stumble::GrpcOverHttp),
        1 => any::<bool>().prop_map(|is_taken| Stumble::Broken { is_taken }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_receiver_stumbles_over_only_bad_records_become_dead_letters(
        alerts in prop::collection::vec(0_u8..12, 1..60),
        script in prop::collection::vec(stumbles(), 0..60),
        bad in prop::collection::btree_set(0_usize..60, 0..5),
        is_large in any::<bool>(),
        well_before in 0_usize..6,
    ) {
        let batch = batch(&alerts, is_large);
        let mut bad: BTreeSet<usize> = bad.into_iter().filter(|index| *index < batch.len()).collect();
        if bad.len() == batch.len() {
            // Where every record is rejected, nothing says that it is not the receiver.
            bad.pop_first();
        }
        let count = script.len();
        let receiver = Stumbling::new(script, bad_ids(&batch, &bad));
        receiver.0.lock().unwrap().well_before = well_before;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let outcome = runtime.block_on(until_accepted(&receiver, &batch, 4));
        prop_assert_eq!(&outcome.refused, &bad);
        let arrived: BTreeSet<&String> = outcome.arrived.iter().collect();
        prop_assert_eq!(arrived.len(), batch.len() - bad.len(), "everything else arrived");
        let most = count + well_before + 40 + 30 * bad.len() + 40 * outcome.failures;
        prop_assert!(outcome.requests <= most, "{} requests for {} records", outcome.requests, batch.len());
        // After several failed attempts in which nothing at all was taken, order gives way to progress.
        if outcome.failures < 4 {
            assert_in_order(&batch, &outcome.arrived);
        }
    }
}
