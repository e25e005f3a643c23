//! Alerts and their two moving lists.

use std::collections::BTreeSet;

use super::*;
use crate::sim::alerts::Change;
use crate::sim::shape::context;
use crate::sim::truth::AlertState;
use crate::sim::world::{AlertSite, Order};

const OPEN: &str = "/api/v2/account/alerts/open";
const RESOLVED: &str = "/api/v2/account/alerts/resolved";

fn with_alerts(count: usize, order: Order) -> (Client, Vec<String>) {
    let client = Client::new(Options { open_order: order, ..Options::quiet() });
    let opened = (0..count).map(|_| client.open()).collect();
    (client, opened)
}

#[tokio::test(start_paused = true)]
async fn a_resolution_between_two_pages_skips_a_row() {
    let (client, opened) = with_alerts(6, Order::Oldest);
    let first = client.json(&format!("{OPEN}?max=2"));
    client.resolve(&opened[0]);
    let second = client.json(first["pageDetails"]["nextPageUrl"].as_str().unwrap());
    let seen =
        [uids(first["alerts"].as_array().unwrap(), "alertUid"), uids(second["alerts"].as_array().unwrap(), "alertUid")];
    assert_eq!(seen.concat(), [&opened[0], &opened[1], &opened[3], &opened[4]].map(String::clone));
}

#[tokio::test(start_paused = true)]
async fn a_new_alert_between_two_pages_repeats_a_row() {
    let (client, opened) = with_alerts(4, Order::Newest);
    let first = client.json(&format!("{OPEN}?max=2"));
    client.open();
    let second = client.json(first["pageDetails"]["nextPageUrl"].as_str().unwrap());
    assert_eq!(uids(first["alerts"].as_array().unwrap(), "alertUid"), [opened[3].clone(), opened[2].clone()]);
    assert_eq!(uids(second["alerts"].as_array().unwrap(), "alertUid"), [opened[2].clone(), opened[1].clone()]);
}

#[tokio::test(start_paused = true)]
async fn pages_link_to_each_other_and_forget_parameters() {
    let (client, _) = with_alerts(5, Order::Newest);
    let page = client.json(&format!("{OPEN}?muted=false&max=2&page=1"));
    let details = &page["pageDetails"];
    assert_eq!(details["nextPageUrl"], format!("{HOST}{OPEN}?max=2&page=2"));
    assert_eq!(details["prevPageUrl"], format!("{HOST}{OPEN}?max=2&page=0"));
    assert_eq!(details.get("totalCount"), None);
    assert_eq!(client.json(&format!("{OPEN}?max=2&page=2"))["pageDetails"]["nextPageUrl"], Value::Null);
    let beyond = client.json(&format!("{OPEN}?max=2&page=99999"));
    assert_eq!((beyond["alerts"].as_array().unwrap().len(), &beyond["pageDetails"]["nextPageUrl"]), (0, &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn a_page_is_capped_silently() {
    let (client, _) = with_alerts(260, Order::Newest);
    let page = client.json(&format!("{OPEN}?max=500"));
    assert_eq!(page["alerts"].as_array().unwrap().len(), 250);
    assert_eq!(page["pageDetails"]["nextPageUrl"], format!("{HOST}{OPEN}?max=250&page=1"));
}

#[tokio::test(start_paused = true)]
async fn an_alert_opens_changes_resolves_and_opens_again() {
    let client = Client::new(Options::quiet());
    let uid = client.open();
    let alone = format!("/api/v2/alert/{uid}");
    let mut last = client.json(&alone);
    assert_eq!((&last["resolved"], &last["ticketNumber"]), (&Value::Bool(false), &Value::Null));
    for what in [Change::Ticket, Change::Priority, Change::Response, Change::Diagnostics, Change::Ticket] {
        pass(10).await;
        client.act(Command { kind: Act::UpdateAlert, uid: Some(uid.clone()), what: Some(what), ..Command::default() });
        let now = client.json(&alone);
        assert_ne!(now, last, "{what:?} changes the alert");
        last = now;
    }
    assert!(last["ticketNumber"].as_str().unwrap().ends_with(".0002"));
    client.resolve(&uid);
    let resolved = client.json(&alone);
    assert_eq!(resolved["resolvedOn"], START.0 + 50_000);
    assert_eq!(client.walk(RESOLVED, "alerts"), [resolved]);
    assert!(client.walk(OPEN, "alerts").is_empty());
    client.act(Command { kind: Act::ReopenAlert, uid: Some(uid.clone()), ..Command::default() });
    assert_eq!(client.json(&alone), last);
    client.act(Command { kind: Act::VanishAlert, uid: Some(uid.clone()), ..Command::default() });
    assert_eq!(client.get(&alone).status, 404);
    assert!(client.walk(OPEN, "alerts").is_empty() && client.walk(RESOLVED, "alerts").is_empty());
    let truth = client.sim.truth();
    let alert = &truth.alerts[0];
    assert_eq!((alert.state, alert.updates, alert.history.len()), (AlertState::Vanished, 5, 8));
    assert!(client.sim.apply(&Command { kind: Act::ResolveAlert, uid: Some(uid), ..Command::default() }).is_err());
}

#[tokio::test(start_paused = true)]
async fn every_class_occurs_and_so_do_odd_shapes() {
    let options = Options { open_alerts: 6000, oddity_share: 0.05, request_limit: 10_000, ..Options::default() };
    let alerts = Client::new(options).walk(OPEN, "alerts");
    assert_eq!(alerts.len(), 6000);
    let seen: BTreeSet<&str> = alerts.iter().filter_map(|alert| alert["alertContext"]["@class"].as_str()).collect();
    let missing: Vec<_> = context::names().filter(|name| !seen.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let any = |wanted: &dyn Fn(&Value) -> bool| alerts.iter().any(wanted);
    assert!(any(&|alert| alert.get("alertContext").is_none()), "no context");
    assert!(any(&|alert| alert.get("alertContext") == Some(&Value::Null)), "null context");
    assert!(any(&|alert| alert["alertContext"]["samples"].get("").is_some()), "empty sample key");
    assert!(any(&|alert| alert["alertContext"]["@class"] == "esxi_datastore_ctx"), "unknown class");
    for priority in ["Critical", "High", "Moderate", "Low", "Information", "Unknown"] {
        assert!(any(&|alert| alert["priority"] == priority), "{priority}");
    }
    assert!(any(&|alert| alert["responseActions"].is_null()) && any(&|alert| alert["diagnostics"].is_null()));
}

#[tokio::test(start_paused = true)]
async fn muted_filters_the_list() {
    let client = Client::new(Options::quiet());
    let muted = client.act(Command { kind: Act::OpenAlert, muted: Some(true), ..Command::default() });
    client.act(Command { kind: Act::OpenAlert, muted: Some(false), ..Command::default() });
    assert_eq!(uids(&client.walk(&format!("{OPEN}?muted=true"), "alerts"), "alertUid"), [muted]);
    assert_eq!(client.walk(OPEN, "alerts").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_alert_can_follow_its_device_to_another_site() {
    for (which, moves) in [(AlertSite::AtOpening, false), (AlertSite::OfDevice, true)] {
        let client = Client::new(Options { alert_site: which, ..Options::quiet() });
        let alert = format!("/api/v2/alert/{}", client.open());
        let before = client.json(&alert)["alertSourceInfo"].clone();
        let sites = uids(&client.walk("/api/v2/account/sites", "sites"), "uid");
        let to = sites.iter().find(|uid| **uid != before["siteUid"]).unwrap();
        let device = before["deviceUid"].as_str().unwrap().to_owned();
        client.act(Command {
            kind: Act::MoveDevice,
            device: Some(device),
            site: Some(to.clone()),
            ..Command::default()
        });
        let after = client.json(&alert)["alertSourceInfo"].clone();
        assert_eq!(after["siteUid"] == *to, moves);
        let told = client.walk("/api/v2/activity-logs", "activities");
        assert_eq!((told.len(), &told[0]["action"]), (1, &Value::from("move.device")));
    }
}

#[tokio::test(start_paused = true)]
async fn the_resolved_list_may_be_short() {
    let times = |resolved_order, resolved_limit| -> Vec<i64> {
        let options = Options { resolved_alerts: 40, resolved_limit, resolved_order, ..Options::quiet() };
        let shown = Client::new(options).walk(&format!("{RESOLVED}?max=4"), "alerts");
        shown.iter().map(|alert| alert["resolvedOn"].as_i64().unwrap()).collect()
    };
    let all = times(Order::Newest, 0);
    assert!(all.len() == 40 && all.is_sorted_by(|a, b| a >= b), "newest first: {all:?}");
    let latest = times(Order::Newest, 10);
    assert_eq!(latest, all[..10]);
    assert!(times(Order::Oldest, 10).iter().rev().eq(&latest));
}
