//! The contract of all sinks as tests: one suite that every sink passes, against a destination that misbehaves on demand.
//!
//! A destination that cannot misbehave in some way says why ([`Cannot`]); nothing is left out silently.

use std::collections::BTreeSet;
use std::future::Future;
use std::ops::Range;
use std::time::Duration;

use crate::event::Event;
use crate::record::EventId;
use crate::sink::lines::tests::event;
use crate::sink::{Delivered, Sink, SinkError};

/// Copies of one batch that a sink may have in hand when its deliveries are dropped one after the other: being written, waiting
/// behind it, and the last, which is confirmed.
const MOST_COPIES: usize = 3;
/// Attempts until a destination that is back must be found.
const RETRIES: usize = 20;
/// Drops of a delivery while the destination stands still.
const DROPS: usize = 20;
/// How long a stumble lasts, and how long a destination holds back what a replaced sink sent.
const STUMBLE: Duration = Duration::from_millis(300);
/// By then what a replaced sink still writes has arrived.
const SETTLED: Duration = Duration::from_secs(2);

/// A destination that a sink delivers to.
pub(crate) trait Destination {
    /// What delivers to it.
    type Sink: Sink;

    /// A new sink on it.
    fn sink(&self) -> Self::Sink;

    /// What arrived, in the order in which it arrived; of a destination with several partitions, one after the other.
    fn arrived(&self) -> impl Future<Output = Vec<Arrived>>;

    /// The event, made so that the destination will never take it.
    fn poisoned(&self, event: Event) -> Result<Event, Cannot>;

    /// From now on it takes what it gets, and its answers are lost.
    fn lose_answers(&self) -> impl Future<Output = Result<(), Cannot>>;

    /// From now on it neither takes anything nor answers.
    fn stand_still(&self) -> impl Future<Output = Result<(), Cannot>>;

    /// From now on it takes a part of what it gets at most, and fails.
    fn stumble(&self) -> impl Future<Output = Result<(), Cannot>>;

    /// From now on it takes nothing, but may take what it is sent now when it is well again.
    fn hold_back(&self) -> impl Future<Output = Result<(), Cannot>>;

    /// From now on nobody is there. Gives a word of the reason that the sink must tell.
    fn go_away(&self) -> impl Future<Output = Result<&'static str, Cannot>>;

    /// All is well again.
    fn recover(&self) -> impl Future<Output = ()>;
}

/// An event at its destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// Its id, as the destination shows it.
    pub(crate) id: String,
    /// Its body.
    pub(crate) body: String,
}

/// Why a destination cannot misbehave in that way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cannot(pub(crate) &'static str);

/// What every sink must do.
pub(crate) async fn check(destination: &impl Destination) {
    check_present(destination).await;
    check_absent(destination).await;
}

/// What every sink must do while its destination is there.
pub(crate) async fn check_present(destination: &impl Destination) {
    all_of_a_confirmed_batch_is_there(destination).await;
    each_key_keeps_its_order(destination).await;
    a_refused_event_is_named_and_the_others_arrive(destination).await;
    a_lost_answer_leads_to_a_repeat_with_equal_ids(destination).await;
    a_dropped_delivery_is_repeated_whole(destination).await;
    a_destination_that_stands_still_holds_the_sink(destination).await;
    a_stumble_gives_nothing_up(destination).await;
    a_replaced_sink_never_mixes_with_its_successor(destination).await;
}

/// Events of the numbers in `range`, each with an id and a body of its own, all with equal keys.
pub(crate) fn events(range: Range<usize>) -> Vec<Event> {
    range.map(|number| numbered(number, 0)).collect()
}

/// The same with keys of several devices and alerts, and bodies large enough to be worth several requests.
pub(crate) fn keyed(range: Range<usize>) -> Vec<Event> {
    let key = |number: usize| {
        let mut event = numbered(number, 4096);
        (event.pivots.device_uid, event.pivots.subject) =
            (Some(format!("device-{}", number % 5)), format!("alert-{}", number % 15));
        event
    };
    range.map(key).collect()
}

/// Events of the numbers in `range`, together worth several writes.
fn large(range: Range<usize>) -> Vec<Event> {
    range.map(|number| numbered(number, 4096)).collect()
}

fn numbered(number: usize, padding: usize) -> Event {
    let id = EventId(uuid::Uuid::from_u128(number as u128 + 1));
    let mapping = r#"[{"name":"datto-rmm-ocsf"}]"#;
    let metadata = format!(r#"{{"uid":"{id}","transformation_info_list":{mapping}}}"#);
    let json = format!(r#"{{"metadata":{metadata},"number":{number},"text":"{}"}}"#, "x".repeat(padding));
    Event { id, ..event(&json) }
}

/// The ids of events that arrived as lines, whose body holds them.
pub(crate) fn of_line(line: &str) -> Arrived {
    let value: serde_json::Value = serde_json::from_str(line).expect("a whole event");
    Arrived { id: value["metadata"]["uid"].as_str().expect("an id").to_owned(), body: line.to_owned() }
}

async fn all_of_a_confirmed_batch_is_there(destination: &impl Destination) {
    let mut sink = destination.sink();
    sink.healthcheck().await.expect("the destination is there");
    assert!(destination.arrived().await.is_empty(), "a health check sends nothing");

    let first = events(0..300);
    assert_eq!(sink.deliver(&first).await, Ok(Delivered::default()));
    assert_eq!(destination.arrived().await, as_sent(&first), "all of a confirmed batch, in order");
    assert_eq!(sink.deliver(&[]).await, Ok(Delivered::default()), "an empty batch is no problem");

    let large = [numbered(300, 700_000)];
    assert_eq!(sink.deliver(&large).await, Ok(Delivered::default()));
    assert_eq!(arrived_of(destination, &large).await, as_sent(&large));
}

pub(crate) async fn each_key_keeps_its_order(destination: &impl Destination) {
    let mut sink = destination.sink();
    let batches = [keyed(1000..1400), keyed(1400..1500)];
    for batch in &batches {
        assert_eq!(sink.deliver(batch).await, Ok(Delivered::default()));
    }
    let sent = batches.concat();
    assert_order(&sent, &arrived_of(destination, &sent).await);
}

async fn a_refused_event_is_named_and_the_others_arrive(destination: &impl Destination) {
    let mut batch = events(2000..2020);
    match destination.poisoned(batch[7].clone()) {
        Ok(poisoned) => batch[7] = poisoned,
        Err(Cannot(why)) => return println!("it refuses nothing: {why}"),
    }
    let refused = destination.sink().deliver(&batch).await.expect("the others pass").refused;
    assert_eq!(refused.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [7], "{refused:?}");
    assert!(!refused[0].1.is_empty(), "the reason is told");
    let mut arrived = arrived_of(destination, &batch).await;
    let others = [&batch[..7], &batch[8..]].concat();
    assert!(arrived.len() <= others.len() + 1, "at most one comes again, to show that others are taken: {arrived:?}");
    let mut seen = BTreeSet::new();
    arrived.retain(|event| seen.insert(event.id.clone()));
    assert_eq!(arrived, as_sent(&others), "each of the others, in order");
}

async fn a_lost_answer_leads_to_a_repeat_with_equal_ids(destination: &impl Destination) {
    let mut sink = destination.sink();
    assert_eq!(sink.deliver(&events(3000..3001)).await, Ok(Delivered::default()));
    if let Err(Cannot(why)) = destination.lose_answers().await {
        return println!("it loses no answer: {why}");
    }
    let batch = events(3001..3050);
    let lost = sink.deliver(&batch).await;
    assert!(matches!(lost, Err(SinkError::Retry(_) | SinkError::Later { .. })), "an open outcome confirms: {lost:?}");
    destination.recover().await;
    let before = arrived_of(destination, &batch).await;
    assert_eq!(before, as_sent(&batch), "the first delivery was taken");
    until_delivered(&mut sink, &batch).await;
    let arrived = arrived_of(destination, &batch).await;
    assert!(arrived.len() >= 2 * batch.len(), "it came again");
    for copy in arrived.chunks(batch.len()) {
        assert_eq!(copy, as_sent(&batch), "a repeat has equal ids and bodies");
    }
}

async fn a_dropped_delivery_is_repeated_whole(destination: &impl Destination) {
    let mut sink = destination.sink();
    for (number, wait) in [(4000, 1), (4100, 50), (4200, 500), (4300, 5000)] {
        let batch = events(number..number + 50);
        drop(tokio::time::timeout(Duration::from_micros(wait), sink.deliver(&batch)).await);
        assert_eq!(sink.deliver(&batch).await, Ok(Delivered::default()), "the sink still works");
        let arrived = arrived_of(destination, &batch).await;
        assert!(arrived.ends_with(&as_sent(&batch)), "the repeat is whole and in order: {arrived:?}");
        assert!(arrived.len() <= 2 * batch.len());
    }
}

async fn a_destination_that_stands_still_holds_the_sink(destination: &impl Destination) {
    let mut sink = destination.sink();
    assert_eq!(sink.deliver(&events(5000..5001)).await, Ok(Delivered::default()));
    if let Err(Cannot(why)) = destination.stand_still().await {
        return println!("it never stands still: {why}");
    }
    let batch = events(5001..5101);
    for _ in 0..DROPS {
        let early = tokio::time::timeout(Duration::from_millis(20), sink.deliver(&batch)).await;
        assert!(early.is_err(), "what nobody took is confirmed: {early:?}");
    }
    destination.recover().await;
    assert_eq!(sink.deliver(&batch).await, Ok(Delivered::default()), "it goes on");
    let arrived = arrived_of(destination, &batch).await;
    assert!(arrived.ends_with(&as_sent(&batch)), "whole and in order");
    let copies = arrived.len().div_ceil(batch.len());
    assert!(copies <= MOST_COPIES, "it kept {copies} batches in hand: its memory grows with each attempt");
}

async fn a_stumble_gives_nothing_up(destination: &impl Destination) {
    let mut sink = destination.sink();
    assert_eq!(sink.deliver(&events(7000..7001)).await, Ok(Delivered::default()));
    if let Err(Cannot(why)) = destination.stumble().await {
        return println!("it never stumbles: {why}");
    }
    let batch = large(7001..7051);
    tokio::join!(until_delivered(&mut sink, &batch), recovery(destination));
    let arrived = arrived_of(destination, &batch).await;
    assert!(arrived.ends_with(&as_sent(&batch)), "whole and in order");
}

pub(crate) async fn a_replaced_sink_never_mixes_with_its_successor(destination: &impl Destination) {
    let mut sink = destination.sink();
    assert_eq!(sink.deliver(&events(8000..8001)).await, Ok(Delivered::default()));
    if let Err(Cannot(why)) = destination.hold_back().await {
        return println!("it holds nothing back: {why}");
    }
    let (older, newer) = (large(8001..8051), large(8051..8101));
    let early = tokio::time::timeout(Duration::from_millis(100), sink.deliver(&older)).await;
    assert!(!matches!(early, Ok(Ok(_))), "what nobody took is confirmed");
    drop(sink);
    let mut successor = destination.sink();
    tokio::join!(until_delivered(&mut successor, &newer), recovery(destination));
    tokio::time::sleep(SETTLED).await;
    let arrived = arrived_of(destination, &[older, newer.clone()].concat()).await;
    assert!(arrived.ends_with(&as_sent(&newer)), "whole, and behind all that its predecessor wrote");
}

/// The destination is well again after a while.
async fn recovery(destination: &impl Destination) {
    tokio::time::sleep(STUMBLE).await;
    destination.recover().await;
}

/// What every sink must do while its destination is away: tell it, and give nothing up.
pub(crate) async fn check_absent(destination: &impl Destination) {
    let word = match destination.go_away().await {
        Ok(word) => word,
        Err(Cannot(why)) => return println!("it is never away: {why}"),
    };
    let mut sink = destination.sink();
    let down = sink.healthcheck().await.expect_err("nobody is there").to_string();
    assert!(down.contains(word) && !down.contains('\n'), "the reason in one line: {down}");
    let batch = events(6000..6010);
    let failed = sink.deliver(&batch).await;
    assert!(matches!(failed, Err(SinkError::Retry(_) | SinkError::Later { .. })), "it is tried again: {failed:?}");
    destination.recover().await;
    until_delivered(&mut sink, &batch).await;
    sink.healthcheck().await.expect("the same sink sees that it is back");
    let arrived = arrived_of(destination, &batch).await;
    assert!(arrived.ends_with(&as_sent(&batch)), "nothing was given up: {arrived:?}");
}

/// Tries again as a deliverer does: a client may need a moment to find that its destination is back.
async fn until_delivered(sink: &mut impl Sink, batch: &[Event]) {
    for _ in 0..RETRIES {
        match sink.deliver(batch).await {
            Err(SinkError::Retry(_) | SinkError::Later { .. }) => tokio::time::sleep(Duration::from_millis(200)).await,
            outcome => return assert_eq!(outcome, Ok(Delivered::default())),
        }
    }
    panic!("it does not recover");
}

/// What arrived of these events.
async fn arrived_of(destination: &impl Destination, events: &[Event]) -> Vec<Arrived> {
    let ids: BTreeSet<String> = events.iter().map(|event| event.id.to_string()).collect();
    let mut arrived = destination.arrived().await;
    arrived.retain(|event| ids.contains(&event.id));
    arrived
}

fn as_sent(events: &[Event]) -> Vec<Arrived> {
    events.iter().map(|event| Arrived { id: event.id.to_string(), body: event.json.clone() }).collect()
}

/// Fails unless everything arrived, and of each alert and each device in the order in which it was sent.
fn assert_order(sent: &[Event], arrived: &[Arrived]) {
    let mut seen = BTreeSet::new();
    let first: Vec<&str> = arrived.iter().map(|event| event.id.as_str()).filter(|id| seen.insert(*id)).collect();
    assert_eq!(first.len(), sent.len(), "everything arrived");
    let mut keys: BTreeSet<&str> = sent.iter().map(|event| event.pivots.subject.as_str()).collect();
    keys.extend(sent.iter().filter_map(|event| event.pivots.device_uid.as_deref()));
    for key in keys {
        let of_key = |event: &&Event| event.pivots.subject == key || event.pivots.device_uid.as_deref() == Some(key);
        let sent: Vec<String> = sent.iter().filter(of_key).map(|event| event.id.to_string()).collect();
        let arrived: Vec<&str> = first.iter().copied().filter(|id| sent.iter().any(|sent| sent == id)).collect();
        assert_eq!(arrived, sent, "the order of {key}");
    }
}
