//! The world as a whole: the same seed, the same world; the truth is what the lists show.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::sim::truth::AlertState;

fn lively(seed: u64) -> Options {
    Options { seed, request_limit: 100_000, page_cap: 1000, dropped_parameters: Vec::new(), ..Options::default() }
}

const PATHS: [&str; 6] = [
    "/api/v2/account",
    "/api/v2/account/sites",
    "/api/v2/account/devices",
    "/api/v2/account/alerts/open",
    "/api/v2/account/alerts/resolved",
    "/api/v2/activity-logs?from=2026-11-20T00:00:00Z&size=1000",
];

async fn bodies(seed: u64, looks_a_minute: u32) -> Vec<Vec<u8>> {
    let client = Client::new(lively(seed));
    for _ in 0..looks_a_minute * 240 {
        tokio::time::advance(Duration::from_secs(60) / looks_a_minute).await;
        client.get("/api/v2/system/pagination");
    }
    PATHS.iter().map(|path| client.get(path).body).collect()
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_answers_however_often_one_looks() {
    let first = bodies(7, 1).await;
    assert!(first == bodies(7, 1).await, "same seed, same times");
    assert!(first == bodies(7, 4).await, "same seed, more looks in between");
    assert!(first != bodies(8, 1).await, "another seed");
}

/// A time that is a number or, oddly, text.
fn time(value: &Value) -> i64 {
    let text = || value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
    value.as_i64().unwrap_or_else(text)
}

/// What a client that reads everything every few seconds has seen.
#[derive(Default)]
struct Log {
    open: BTreeSet<String>,
    resolved: BTreeMap<String, i64>,
    rows: BTreeSet<String>,
}

impl Log {
    fn look(&mut self, client: &Client) {
        self.open.extend(uids(&client.walk(PATHS[3], "alerts"), "alertUid"));
        // Newest first: what ended since the last look stands in front.
        for alert in client.json("/api/v2/account/alerts/resolved?max=150")["alerts"].as_array().unwrap() {
            let uid = alert["alertUid"].as_str().unwrap().to_owned();
            self.resolved.insert(uid, time(&alert["resolvedOn"]));
        }
        self.rows.extend(uids(&client.walk("/api/v2/activity-logs?size=1000", "activities"), "id"));
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_day_the_truth_is_what_the_lists_showed() {
    let client = Client::new(Options { history_days: 3, ..lively(3) });
    let mut log = Log::default();
    for _ in 0..24 * 6 {
        log.look(&client);
        pass(600).await;
    }
    log.look(&client);
    let truth = client.sim.truth();
    assert!(truth.alerts.len() > 600, "some thirty an hour: {}", truth.alerts.len());
    let mut counts = BTreeMap::new();
    for alert in &truth.alerts {
        assert_eq!(alert.shown_open, log.open.contains(&alert.uid), "{alert:?}");
        assert_eq!(alert.shown_resolved, log.resolved.contains_key(&alert.uid), "{alert:?}");
        assert!(alert.listed_open || !alert.shown_open, "{alert:?}");
        if let Some(on) = alert.resolved {
            assert_eq!(log.resolved[&alert.uid], on.0);
            assert_eq!(alert.history.len(), alert.shown_steps, "{alert:?}");
        }
        if alert.state == AlertState::Open {
            assert!(alert.shown_open && alert.shown_steps == alert.history.len(), "{alert:?}");
        }
        let short = alert.listed_open && !alert.shown_open;
        let reopened = alert.history.iter().any(|step| step.what == crate::sim::alerts::Change::Reopened);
        *counts.entry((alert.state as u8, short, reopened)).or_insert(0_usize) += 1;
    }
    assert!(counts.keys().any(|(state, _, _)| *state == AlertState::Vanished as u8), "some vanish: {counts:?}");
    assert!(counts.keys().any(|(_, short, _)| *short), "some live only between two looks: {counts:?}");
    assert!(counts.keys().any(|(_, _, reopened)| *reopened), "some open again: {counts:?}");
    assert_eq!(
        log.open.len() + log.resolved.keys().filter(|uid| !log.open.contains(*uid)).count(),
        shown(&truth.alerts)
    );
    let late = truth.activities.iter().filter(|row| row.visible_from > row.date).count();
    assert!(late > 1000, "most rows come late: {late}");
    for row in truth.activities.iter().filter(|row| row.date >= START && row.visible_from <= truth.now) {
        assert!(row.shown && log.rows.contains(&row.id), "{row:?}");
    }
    assert!(log.rows.len() <= truth.activities.len());
}

fn shown(alerts: &[crate::sim::truth::AlertTruth]) -> usize {
    alerts.iter().filter(|alert| alert.shown_open || alert.shown_resolved).count()
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_goes_back_changes_nothing() {
    let clock = Clock::manual(START);
    let sim = Sim::new(lively(1), clock.clone());
    let client = Client { token: login(&sim).unwrap(), sim };
    pass(3600).await;
    let before = client.get(PATHS[3]).body;
    clock.jump(-3_000_000);
    assert!(client.get(PATHS[3]).body == before);
    assert_eq!(client.sim.truth().now, Millis(START.0 + 3_600_000));
}

#[tokio::test(start_paused = true)]
async fn the_inventory_moves_too() {
    let client = Client::new(Options { inventory_rate_per_hour: 60.0, ..lively(1) });
    let before = client.walk(PATHS[2], "devices");
    pass(6 * 3600).await;
    let after = client.walk(PATHS[2], "devices");
    let differs = |key: &str| before.iter().zip(&after).filter(|(old, new)| old[key] != new[key]).count();
    assert!(after.len() > before.len(), "new devices");
    for key in ["siteUid", "hostname", "antivirus", "patchManagement", "online"] {
        assert!(differs(key) > 0, "{key}");
    }
    assert!(client.walk(PATHS[1], "sites").len() > 20, "new sites");
}

#[tokio::test(start_paused = true)]
async fn thirty_thousand_open_alerts_are_read_to_the_end() {
    let client = Client::new(Options { page_cap: 250, request_limit: 1000, ..Options::large(30_000) });
    let alerts = client.walk(PATHS[3], "alerts");
    assert_eq!(uids(&alerts, "alertUid").into_iter().collect::<BTreeSet<_>>().len(), 30_000);
    assert_eq!(client.sim.traffic().paths[PATHS[3]].requests, 120);
}

#[tokio::test(start_paused = true)]
async fn options_read_from_json_and_refuse_what_they_do_not_know() {
    let options: Options = serde_json::from_str(
        r#"{"seed": 9, "open_order": "shuffled", "alert_rate_per_hour": 1.5, "api_secret": "x", "start": 5,
            "total_count": ["open_alerts"], "faults": {"rules": [{"kind": "reset", "share": 0.01}]}}"#,
    )
    .unwrap();
    assert_eq!((options.seed, options.sites, options.start), (9, 20, Millis(5)));
    assert!(!format!("{options:?}").contains("\"x\""), "the secret does not print");
    assert!(serde_json::from_str::<Options>(r#"{"sead": 1}"#).is_err());
}
