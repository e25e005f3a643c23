//! The contract of all sinks as tests: each sink brings a destination whose content can be read back.

use std::future::Future;
use std::time::Duration;

use crate::event::Event;
use crate::record::EventId;
use crate::sink::lines::tests::event;
use crate::sink::{Delivered, Sink};

/// A destination that a sink delivers to.
pub(crate) trait Destination {
    /// The bodies that arrived, in the order in which they arrived.
    fn arrived(&self) -> impl Future<Output = Vec<String>>;
}

/// Events with bodies of their own and equal keys.
pub(crate) fn events(first: usize, count: usize) -> Vec<Event> {
    let make = |number: usize| {
        let id = EventId(uuid::Uuid::from_u128(number as u128 + 1));
        Event { id, ..event(&format!("{{\"number\":{number}}}")) }
    };
    (first..first + count).map(make).collect()
}

/// What every sink must do.
pub(crate) async fn check<S: Sink>(mut sink: S, destination: &impl Destination) {
    sink.healthcheck().await.expect("the destination is there");
    assert!(destination.arrived().await.is_empty(), "a health check sends nothing");

    let first = events(0, 300);
    assert_eq!(sink.deliver(&first).await, Ok(Delivered::default()));
    assert_eq!(destination.arrived().await, bodies(&first), "all of a confirmed batch, in order");

    assert_eq!(sink.deliver(&[]).await, Ok(Delivered::default()), "an empty batch is no problem");

    // A delivery that is dropped half-way has an open outcome: the batch comes again, and the sink still works.
    let second = events(300, 50);
    drop(tokio::time::timeout(Duration::from_micros(50), sink.deliver(&second)).await);
    assert_eq!(sink.deliver(&second).await, Ok(Delivered::default()));
    let arrived = destination.arrived().await;
    let (before, after) = arrived.split_at(300);
    assert_eq!(before, bodies(&first));
    assert!(after.ends_with(&bodies(&second)), "the repeat is whole and in order: {after:?}");

    let large = event(&format!("{{\"text\":\"{}\"}}", "x".repeat(700_000)));
    assert_eq!(sink.deliver(std::slice::from_ref(&large)).await, Ok(Delivered::default()));
    assert_eq!(destination.arrived().await.last(), Some(&large.json));
}

fn bodies(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| event.json.clone()).collect()
}
