//! Who is at fault when a record is refused: the record is given up only if the receiver takes others after it. And what is settled
//! before a failure is not sent again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceRequest};
use proptest::prelude::*;
use prost::Message;

use super::super::Body;
use super::super::answer::Verdict;
use super::super::carried::Carried;
use super::super::course::Exchange;
use super::{events, ids, ids_of};
use crate::event::Event;
use crate::sink::{Delivered, SinkError};

/// A receiver with rules, which takes every empty request.
#[derive(Clone)]
struct Receiver(Arc<Mutex<World>>);

struct World {
    /// Ids that it never takes, and how it says so.
    poison: BTreeSet<String>,
    says: fn(String) -> Verdict,
    /// From this request on it refuses every record.
    breaks_at: usize,
    requests: usize,
    arrived: Vec<String>,
}

impl Receiver {
    fn new(poison: impl IntoIterator<Item = usize>, batch: &[Event], says: fn(String) -> Verdict) -> Self {
        let poison = poison.into_iter().map(|index| batch[index].id.to_string()).collect();
        Self(Arc::new(Mutex::new(World { poison, says, breaks_at: usize::MAX, requests: 0, arrived: Vec::new() })))
    }

    fn breaking_at(self, request: usize) -> Self {
        self.0.lock().unwrap().breaks_at = request;
        self
    }

    async fn takes(&self, batch: &[Event]) -> Result<Delivered, SinkError> {
        Carried::default().deliver(self, batch, Body::Json, 4).await
    }

    /// Attempts until the batch is accepted.
    async fn takes_in_the_end(&self, batch: &[Event]) -> Delivered {
        let mut carried = Carried::default();
        for _ in 0..10 {
            if let Ok(delivered) = carried.deliver(self, batch, Body::Json, 4).await {
                return delivered;
            }
        }
        panic!("it never ends");
    }

    fn requests(&self) -> usize {
        self.0.lock().unwrap().requests
    }

    fn arrived(&self) -> Vec<String> {
        self.0.lock().unwrap().arrived.clone()
    }
}

impl Exchange for Receiver {
    async fn exchange(&self, request: Vec<u8>) -> Result<Verdict, SinkError> {
        let ids = ids_of(&ExportLogsServiceRequest::decode(request.as_slice()).unwrap());
        let mut world = self.0.lock().unwrap();
        world.requests += 1;
        let is_broken = world.requests >= world.breaks_at && !ids.is_empty();
        if is_broken || ids.iter().any(|id| world.poison.contains(id)) {
            return Ok((world.says)("refused".into()));
        }
        world.arrived.extend(ids);
        Ok(Verdict::Accepted(None))
    }
}

/// The same events, each of an alert of its own.
fn of_several_alerts(mut batch: Vec<Event>) -> Vec<Event> {
    for (number, event) in batch.iter_mut().enumerate() {
        event.pivots.subject = format!("alert-{number}");
    }
    batch
}

fn first_copies(mut arrived: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    arrived.retain(|id| seen.insert(id.clone()));
    arrived
}

fn throttled(reason: String) -> Verdict {
    Verdict::Exhausted(reason)
}

fn smaller(reason: String) -> Verdict {
    Verdict::Smaller(reason)
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_takes_no_record_is_down_however_it_says_so_and_is_not_hammered() {
    for (says, most) in [(smaller as fn(_) -> _, 40), (throttled, 30)] {
        for count in [1, 2, 700] {
            let batch = of_several_alerts(events(count));
            let receiver = Receiver::new(0..batch.len(), &batch, says);
            let error = receiver.takes(&batch).await.unwrap_err();
            assert!(error.to_string().contains("takes no record: refused"), "{error}");
            // A few may be bad themselves; of many it is the receiver, which is left alone for longer.
            assert_eq!(matches!(error, SinkError::Later { .. }), count > 2, "{error:?}");
            assert!(receiver.requests() <= most, "{} requests for {count} records", receiver.requests());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_at_fault_is_given_up_wherever_it_stands_and_the_others_arrive_in_order() {
    let batch = events(40);
    for says in [smaller as fn(_) -> _, throttled] {
        for poison in [vec![0], vec![17], vec![39], vec![0, 1, 2, 38, 39]] {
            let receiver = Receiver::new(poison.iter().copied(), &batch, says);
            let delivered = receiver.takes_in_the_end(&batch).await;
            assert_eq!(delivered.refused.iter().map(|(index, _)| *index).collect::<Vec<_>>(), poison);
            let mut all = ids(&batch);
            all.retain(|id| !receiver.0.lock().unwrap().poison.contains(id));
            let arrived = receiver.arrived();
            // What proves that the receiver takes others comes again.
            assert!(arrived.len() <= all.len() + poison.len(), "{} of {}", arrived.len(), all.len());
            assert_eq!(first_copies(arrived), all);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_stops_taking_records_half_way_gives_nothing_up() {
    let batch = events(40);
    for says in [smaller as fn(_) -> _, throttled] {
        let receiver = Receiver::new([5], &batch, says).breaking_at(9);
        let refused = receiver.takes(&batch).await.map(|delivered| delivered.refused);
        assert!(refused.is_err(), "{refused:?}");
    }
}

/// A receiver of a few records at a time, which is away from one request to another and answers one in part.
#[derive(Clone)]
struct Away(Receiver, std::ops::Range<usize>, Option<(usize, i64)>);

impl Exchange for Away {
    async fn exchange(&self, request: Vec<u8>) -> Result<Verdict, SinkError> {
        let Self(receiver, away, in_part) = self;
        let ids = ids_of(&ExportLogsServiceRequest::decode(request.as_slice()).unwrap());
        let number = receiver.requests() + 1;
        if ids.len() > 4 {
            receiver.0.lock().unwrap().requests += 1;
            return Ok(smaller("too many".into()));
        }
        if away.contains(&number) {
            receiver.0.lock().unwrap().requests += 1;
            return Ok(Verdict::Later("away".into(), None));
        }
        let verdict = receiver.exchange(request).await?;
        match in_part {
            Some((at, rejected)) if *at == number && verdict.reason().is_none() => {
                let partial = ExportLogsPartialSuccess { rejected_log_records: *rejected, error_message: "bad".into() };
                Ok(Verdict::Accepted(Some(partial)))
            }
            Some(_) | None => Ok(verdict),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_settled_before_a_failure_is_not_sent_again() {
    let batch = events(24);
    let in_part = "the receiver rejected 1 of 3 without naming them: bad".to_owned();
    let whole = |index| (index, "the receiver rejected it: bad".to_owned());
    let bad = (7, "refused".to_owned());
    for (rejected, expected) in [
        (1, Delivered { refused: vec![bad.clone()], unnamed: vec![(vec![3, 4, 5], in_part)] }),
        (3, Delivered { refused: vec![whole(3), whole(4), whole(5), bad], unnamed: vec![] }),
    ] {
        // Requests 1 to 3 are halved, 4 takes the events 0 to 2, 5 takes 3 to 5 in part; 7, 9 and 10 hold the bad one.
        let receiver = Receiver::new([7], &batch, smaller);
        let away = Away(receiver.clone(), 12..16, Some((5, rejected)));
        let mut carried = Carried::default();
        let mut failures = 0;
        let delivered = loop {
            match carried.deliver(&away, &batch, Body::Json, 1).await {
                Ok(delivered) => break delivered,
                Err(error) => assert_eq!(error, SinkError::Retry("away".into())),
            }
            failures += 1;
        };
        assert_eq!(failures, 2, "the rest is halved anew");
        assert_eq!(delivered, expected, "also what was settled before the failures");
        let mut all = ids(&batch);
        all.remove(7);
        let arrived = receiver.arrived();
        let proofs = arrived.len() - all.len();
        assert!((1..=2).contains(&proofs), "one comes again per attempt, to show that the receiver takes others");
        assert_eq!(first_copies(arrived), all, "in order");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_another_one_now_goes_again_and_another_batch_begins_anew() {
    let mut batch = events(8);
    let receiver = Receiver::new([], &batch, smaller);
    let away = Away(receiver.clone(), 3..4, None);
    let mut carried = Carried::default();
    assert!(carried.deliver(&away, &batch, Body::Json, 1).await.is_err());
    assert_eq!(receiver.arrived(), ids(&batch[..4]));
    // Its site was mapped to another organization meanwhile.
    batch[1].json = "{\"metadata\":{}}".into();
    carried.deliver(&away, &batch, Body::Json, 1).await.unwrap();
    let again = [&ids(&batch[..4])[..], &ids(&batch[1..2]), &ids(&batch[4..])].concat();
    assert_eq!(receiver.arrived(), again);
    carried.deliver(&away, &batch, Body::Json, 1).await.unwrap();
    assert_eq!(receiver.arrived().len(), again.len() + 8, "a batch that was delivered is forgotten");
}

/// The rest of a batch is one record, which is refused alone: what was taken before the failure proves that it is at fault.
#[tokio::test(start_paused = true)]
async fn what_was_taken_before_a_failure_proves_a_fault_after_it() {
    let batch = events(3);
    let receiver = Receiver::new([2], &batch, smaller);
    // Request 2 takes the event 0, 4 takes 1, and 5 would hold the bad one alone.
    let away = Away(receiver.clone(), 5..6, None);
    let mut carried = Carried::default();
    assert!(carried.deliver(&away, &batch, Body::Json, 1).await.is_err());
    assert_eq!(receiver.arrived(), ids(&batch[..2]));
    let delivered = carried.deliver(&away, &batch, Body::Json, 1).await.unwrap();
    assert_eq!(delivered.refused, [(2, "refused".to_owned())]);
}

/// A batch of one record, as a replay may make: other batches tell, in between, whether the receiver takes others.
#[tokio::test(start_paused = true)]
async fn a_lone_bad_record_is_given_up_once_others_were_taken_again_and_again() {
    let all = events(30);
    for says in [smaller as fn(_) -> _, throttled] {
        let receiver = Receiver::new([0], &all, says);
        let mut carried = Carried::default();
        let mut attempts = 0;
        let refused = loop {
            attempts += 1;
            match carried.deliver(&receiver, &all[..1], Body::Json, 4).await {
                Ok(delivered) => break delivered.refused,
                Err(error) => assert!(error.to_string().contains("takes no record"), "{error}"),
            }
            assert!(attempts < 10, "it holds the sink up for ever");
            let others = &all[attempts..=attempts];
            assert_eq!(carried.deliver(&receiver, others, Body::Json, 4).await, Ok(Delivered::default()));
        };
        assert_eq!((attempts, refused), (3, vec![(0, "refused".to_owned())]));
        // Alone in the world it waits: nothing says that it is at fault.
        let mut carried = Carried::default();
        for _ in 0..9 {
            assert!(carried.deliver(&receiver, &all[..1], Body::Json, 4).await.is_err());
        }
    }
}

/// A request that began before the refusal and is answered after it says nothing of the receiver that refuses.
#[tokio::test(start_paused = true)]
async fn an_answer_to_an_earlier_request_proves_nothing() {
    #[derive(Clone)]
    struct Breaks(Arc<Mutex<usize>>);

    impl Exchange for Breaks {
        async fn exchange(&self, request: Vec<u8>) -> Result<Verdict, SinkError> {
            let number = {
                let mut requests = self.0.lock().unwrap();
                *requests += 1;
                *requests
            };
            // It breaks right after the first request, whose answer is long on its way.
            if number == 1 {
                tokio::time::sleep(std::time::Duration::from_secs(20)).await;
                return Ok(Verdict::Accepted(None));
            }
            assert!(!request.is_empty());
            Ok(smaller("broken".into()))
        }
    }

    let large = format!("{{\"text\":\"{}\"}}", "x".repeat(70_000));
    let batch: Vec<Event> = events(4).into_iter().map(|event| Event { json: large.clone(), ..event }).collect();
    let batch: Vec<Event> = (0..)
        .zip(batch)
        .map(|(number, mut event)| {
            event.pivots.subject = format!("alert-{number}");
            event
        })
        .collect();
    let refused = Carried::default().deliver(&Breaks(Arc::default()), &batch, Body::Json, 4).await;
    assert!(refused.is_err(), "{refused:?}");
}

/// A receiver that takes the witness only in part does not take it.
#[tokio::test(start_paused = true)]
async fn a_witness_that_is_rejected_proves_nothing() {
    let batch = events(2);
    let receiver = Receiver::new([1], &batch, smaller);
    // Requests: both, the first, the bad one, the first again.
    let away = Away(receiver, 0..0, Some((4, 1)));
    let refused = Carried::default().deliver(&away, &batch, Body::Json, 1).await;
    assert!(refused.is_err(), "{refused:?}");
}

proptest! {
    #[test]
    fn only_what_is_at_fault_is_ever_given_up(
        count in 1_u128..60,
        poison in prop::collection::btree_set(0_usize..60, 0..8),
        breaks_at in prop_oneof![Just(usize::MAX), 1_usize..80],
        is_throttled in any::<bool>(),
    ) {
        let batch = of_several_alerts(events(count));
        let poison: BTreeSet<usize> = poison.into_iter().filter(|index| *index < batch.len()).collect();
        let says = if is_throttled { throttled } else { smaller };
        let receiver = Receiver::new(poison.iter().copied(), &batch, says).breaking_at(breaks_at);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        if let Ok(delivered) = runtime.block_on(receiver.takes(&batch)) {
            let refused: BTreeSet<usize> = delivered.refused.iter().map(|(index, _)| *index).collect();
            prop_assert_eq!(&refused, &poison);
            let arrived: BTreeSet<String> = receiver.arrived().into_iter().collect();
            for (index, id) in ids(&batch).iter().enumerate() {
                prop_assert_eq!(arrived.contains(id), !poison.contains(&index), "record {}", index);
            }
        } else {
            let is_hopeless = poison.len() == batch.len() || breaks_at != usize::MAX;
            prop_assert!(is_hopeless || is_throttled, "some are taken, so those that are not are at fault");
        }
    }
}
