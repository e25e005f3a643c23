//! The resolved list hides what is new behind what is known: after an interrupted pass, and where it has no order.

use std::collections::HashSet;
use std::time::Duration;

use vintner::record::Marker;
use vintner::sim::command::{Act, Command};
use vintner::sim::fault::{Fault, Faults, Rule};
use vintner::sim::world::{Options as World, Order};

use crate::day::Polling;

const MINUTE: Duration = Duration::from_secs(60);
const RESOLVED: &str = "/api/v2/account/alerts/resolved";

/// A world in which nothing happens by itself, with twelve pages of resolved alerts.
fn world(resolved_order: Order) -> World {
    World { resolved_alerts: 3_000, resolved_order, ..World::quiet() }
}

/// Opens and resolves `count` alerts, so that only the resolved list ever shows them.
fn pass_by(polling: &Polling, count: usize) -> Vec<String> {
    let one = |_| {
        let opened = polling.sim.apply(&Command { kind: Act::OpenAlert, ..Command::default() }).unwrap();
        polling.sim.apply(&Command { kind: Act::ResolveAlert, uid: opened.uid.clone(), ..Command::default() }).unwrap();
        opened.uid.unwrap()
    };
    (0..count).map(one).collect()
}

/// Stops and looks which of `uids` were told as opened and as resolved.
async fn assert_told(polling: Polling, uids: &[String]) {
    let records = polling.finish().await;
    let of = |wanted: fn(&Marker) -> bool| -> HashSet<&str> {
        let found = records.iter().filter(|record| wanted(&record.envelope.marker));
        found.map(|record| record.envelope.native_id.as_str()).collect()
    };
    let opened = of(|marker| matches!(marker, Marker::Open));
    let closed = of(|marker| matches!(marker, Marker::Resolved(_)));
    let lost = uids.iter().filter(|uid| !opened.contains(uid.as_str()) || !closed.contains(uid.as_str())).count();
    assert_eq!(lost, 0, "of {} alerts", uids.len());
}

/// The first pages of an interrupted pass are known at the next one, and behind them is what nobody has read.
#[tokio::test(start_paused = true)]
async fn an_interrupted_pass_is_followed_by_a_sweep() {
    let polling = Polling::start(world(Order::Newest), "").await;
    polling.pass(2 * MINUTE + MINUTE / 2).await;
    let uids = pass_by(&polling, 900);
    let broken = Rule {
        kind: Fault::Status,
        path: RESOLVED.to_owned(),
        query: "page=2".to_owned(),
        after: 0,
        times: None,
        share: 1.0,
        status: None,
        bytes: None,
        millis: None,
        text: None,
    };
    polling.sim.add_faults(vec![broken]);
    polling.pass(3 * MINUTE).await;
    polling.sim.set_faults(Faults::default());
    // Less than the ten minutes after which a sweep would come anyway.
    polling.pass(3 * MINUTE).await;
    assert_told(polling, &uids).await;
}

/// Without an order the front says nothing about the rest.
#[tokio::test(start_paused = true)]
async fn a_list_without_order_is_swept() {
    let polling = Polling::start(world(Order::Shuffled), "").await;
    polling.pass(5 * MINUTE).await;
    let mut uids = Vec::new();
    for _ in 0..4 {
        // One at a time: each hides on a page of its own, most of them behind pages of known rows only.
        uids.extend(pass_by(&polling, 1));
        polling.pass(MINUTE).await;
    }
    polling.pass(MINUTE / 2).await;
    assert_told(polling, &uids).await;
}

/// Where the order says that news is at the front, a pass costs its first pages only.
#[tokio::test(start_paused = true)]
async fn a_list_in_order_costs_its_first_pages() {
    let polling = Polling::start(world(Order::Newest), "").await;
    polling.pass(5 * MINUTE + MINUTE / 2).await;
    let asked = |polling: &Polling| polling.traffic().paths[RESOLVED].requests;
    let before = asked(&polling);
    polling.pass(2 * MINUTE).await;
    assert_eq!(asked(&polling) - before, 4, "two pages a minute");
    polling.finish().await;
}

/// The state of an alert is forgotten in time, but never while a list still shows the alert: it would be emitted again.
#[tokio::test(start_paused = true)]
async fn an_alert_that_is_shown_for_a_year_is_emitted_once() {
    let polling = Polling::start(World { resolved_alerts: 20, open_alerts: 5, ..World::quiet() }, YEARLY).await;
    let uids = pass_by(&polling, 3);
    for _ in 0..230 {
        polling.pass(24 * 60 * MINUTE).await;
        polling.maintain().await;
    }
    let records = polling.finish().await;
    let mut seen = HashSet::new();
    for record in &records {
        let key = (record.envelope.kind, record.envelope.native_id.clone(), record.envelope.marker.to_string());
        assert!(seen.insert(key.clone()), "{key:?} was emitted twice");
    }
    assert!(uids.iter().all(|uid| records.iter().any(|record| record.envelope.native_id == *uid)));
}

const YEARLY: &str = "[accounts.acme.poll]\nalerts = \"24h\"\nactivity = \"off\"\ninventory = \"off\"\n";
