//! Lists without an end: a pass over one fails, says so, and the next one starts anew. Lists that only move are read to their end.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::app::testing::{Fixture, START};
use crate::collect::activity::window::Window;
use crate::collect::status::Phase;
use crate::collect::walk::{MAX_PAGES, Walk};
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::page::PageRequest;
use crate::record::{RecordKind, Stream};
use crate::sim::command::{Act, Command};
use crate::sim::fault::{Fault, Faults, Rule};
use crate::sim::world::Options as World;

const MINUTE: Duration = Duration::from_secs(60);

const OPEN: &str = "/api/v2/account/alerts/open";
const RESOLVED: &str = "/api/v2/account/alerts/resolved";
const ACTIVITY: &str = "/api/v2/activity-logs";
const SITES: &str = "/api/v2/account/sites";
const DEVICES: &str = "/api/v2/account/devices";

fn world(seed: u64) -> World {
    World {
        seed,
        sites: 8,
        devices: 12,
        open_alerts: 9,
        resolved_alerts: 9,
        activity_history: 12,
        history_days: 1,
        page_cap: 4,
        ..World::quiet()
    }
}

fn stuck(path: &str, kinds: &[Fault]) -> Vec<Rule> {
    kinds.iter().map(|kind| Rule::new(*kind).on(path)).collect()
}

fn requests(fixture: &Fixture, path: &str) -> u64 {
    fixture.sim.traffic().paths.get(path).map_or(0, |counts| counts.requests)
}

/// Every form of a list that shows the same rows for ever.
fn forms(path: &str) -> Vec<Vec<Rule>> {
    let numbered = vec![
        stuck(path, &[Fault::IgnoresPlace]),
        stuck(path, &[Fault::IgnoresPlace, Fault::NoDetails]),
        stuck(path, &[Fault::IgnoresPlace, Fault::AlwaysNext, Fault::NoTotalCount]),
    ];
    let cursors = vec![stuck(path, &[Fault::IgnoresPlace, Fault::AlwaysNext])];
    if path == ACTIVITY { cursors } else { numbered }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_shows_the_same_rows_for_ever_ends_its_pass_and_is_seen() {
    let lists = [
        (OPEN, Stream::Alerts),
        (RESOLVED, Stream::Alerts),
        (ACTIVITY, Stream::Activity),
        (SITES, Stream::Inventory),
        (DEVICES, Stream::Inventory),
    ];
    for (path, stream) in lists {
        for rules in forms(path) {
            let form = format!("{path}: {:?}", rules.iter().map(|rule| rule.kind).collect::<Vec<_>>());
            let mut fixture = Fixture::new("acme", world(830), "poll.inventory = \"1m\"").await;
            fixture.sim.set_faults(Faults { rules });
            fixture.start();
            tokio::time::sleep(Duration::from_secs(45)).await;
            // An activity list is asked for anew from its last row on while that shows more rows.
            let most = if stream == Stream::Activity { 30 } else { 8 };
            let asked = requests(&fixture, path);
            assert!((2..=most).contains(&asked), "{form}: {asked} requests");
            let state = fixture.task.view.streams()[&stream].clone();
            assert_eq!(state.phase, Phase::Failing, "{form}: {state:?}");
            let reason = state.reason.unwrap();
            let list = path.trim_start_matches("/api");
            assert!(reason.contains(list) && reason.contains("no row that was not shown before"), "{form}: {reason}");
            let unready = fixture.unready().await;
            assert!(unready.len() == 1 && unready[0].contains(&format!("{stream} of acme: ")), "{form}: {unready:?}");
            // The rows are there all the same, and the next pass reads all of them.
            fixture.sim.set_faults(Faults::default());
            tokio::time::sleep(MINUTE * 5).await;
            assert_eq!(fixture.unready().await, Vec::<String>::new(), "{form}");
            fixture.end().await;
            let records = fixture.records().await;
            let alerts = records.iter().filter(|record| record.envelope.kind == RecordKind::Alert).count();
            let rows = records.iter().filter(|record| record.envelope.kind.stream() == Stream::Activity).count();
            // A row that names a device and no site may wait for the device's site.
            let held = fixture.held_ids().await.len();
            // A resolved alert that was never open has two events.
            assert_eq!((alerts, rows + held), (9 + 9 * 2, 12), "{form}");
        }
    }
}

/// A pass that fails now and then is no reason: the next one is seconds away.
#[tokio::test(start_paused = true)]
async fn a_stream_is_not_ready_after_three_failed_passes_in_a_row() {
    let mut fixture = Fixture::new("acme", world(838), "").await;
    fixture.start();
    tokio::time::sleep(Duration::from_secs(30)).await;
    fixture.sim.set_faults(Faults { rules: stuck(OPEN, &[Fault::IgnoresPlace]) });
    let mut seen = BTreeSet::new();
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let failures = || fixture.task.view.streams()[&Stream::Alerts].failures;
        let (before, unready) = (failures(), fixture.unready().await.len());
        // A pass may have ended meanwhile.
        if before == failures() {
            assert_eq!(unready, usize::from(before >= 3), "{before} failures");
            seen.insert(before);
        }
    }
    assert!(seen.is_superset(&BTreeSet::from([0, 1, 2, 3])), "{seen:?}");
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn lag_counts_from_the_start_of_the_first_pass() {
    let mut fixture = Fixture::new("acme", world(831), "").await;
    fixture.sim.set_faults(Faults { rules: vec![Rule::new(Fault::TooMany).on(DEVICES).text("900")] });
    fixture.start();
    tokio::time::sleep(MINUTE * 3).await;
    let text = fixture.view().metrics_text().await.unwrap();
    for stream in Stream::COLLECTED {
        let line = format!("vintner_stream_lag_seconds{{account=\"acme\",stream=\"{stream}\"}} 1");
        assert!(text.contains(&line), "{line}: {text}");
    }
    fixture.end().await;
}

/// Rows without end, each new: a bound on pages ends the pass.
#[tokio::test(start_paused = true)]
async fn a_list_of_ever_new_rows_ends_at_the_bound_on_pages() {
    let window = Window { from: START.minus(MINUTE), until: START, certain: Some(START) };
    for (path, request) in [
        (RESOLVED, PageRequest::list("/v2/account/alerts/resolved", "alerts")),
        (ACTIVITY, PageRequest::activity(window.from, window.until, 250)),
    ] {
        let fixture = Fixture::new("acme", World { start: START.minus(MINUTE), ..world(832) }, "").await;
        let faults = stuck(path, &[Fault::IgnoresPlace, Fault::AlwaysNext, Fault::NewIds, Fault::RepeatedRow]);
        fixture.sim.set_faults(Faults { rules: faults });
        for _ in 0..3 {
            fixture.sim.apply(&Command { kind: Act::WriteActivity, ..Command::default() }).unwrap();
        }
        let mut list = Walk::new(request).after(MAX_PAGES - 9);
        let error = loop {
            match list.page(&fixture.task.client, Lane::Alerts).await {
                Ok(page) => assert!(page.is_some_and(|page| !page.items.is_empty()), "{path}"),
                Err(error) => break error,
            }
            assert!(list.requests < 20, "{path}: it is read without end");
        };
        assert_eq!(requests(&fixture, path), 9);
        assert!(list.is_too_long && matches!(&error, ClientError::Endless { .. }), "{error}");
        assert!(error.to_string().contains("after 10000 pages it still names a next page"), "{error}");
    }
}

/// The site list is kept whole while it is read, so that it is bounded in bytes too.
#[tokio::test(start_paused = true)]
async fn a_list_that_is_kept_whole_is_bounded_in_bytes() {
    let fixture = Fixture::new("acme", world(837), "").await;
    let sites = || Walk::new(PageRequest::list("/v2/account/sites", "sites"));
    let mut list = sites().with_bytes(100);
    assert!(list.page(&fixture.task.client, Lane::Lookup).await.unwrap().is_some());
    let error = list.page(&fixture.task.client, Lane::Lookup).await.unwrap_err().to_string();
    assert!(error.contains("at most 100 can be kept") && error.contains("limits.max_body"), "{error}");
    let mut list = sites().with_bytes(1 << 20);
    while list.page(&fixture.task.client, Lane::Lookup).await.unwrap().is_some() {}
    assert_eq!(list.requests, 2);
}

/// A window of the log with too many rows for one pass is read in shorter ones from then on.
#[tokio::test(start_paused = true)]
#[ignore = "reads ten thousand pages: a minute"]
async fn a_window_with_too_many_pages_is_followed_by_a_shorter_one() {
    let world = World { page_cap: 1, ..world(836) };
    let mut fixture = Fixture::new("acme", world, "poll.inventory = \"off\"\npoll.alerts = \"off\"").await;
    let faults = stuck(ACTIVITY, &[Fault::IgnoresPlace, Fault::AlwaysNext, Fault::NewIds]);
    fixture.sim.set_faults(Faults { rules: faults });
    fixture.start();
    while fixture.task.view.streams().get(&Stream::Activity).is_none_or(|state| state.failures == 0) {
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    tokio::time::sleep(MINUTE * 2).await;
    fixture.end().await;
    let traffic = fixture.sim.traffic();
    let lengths: Vec<i64> = traffic.recent.iter().filter_map(|seen| length_of(&seen.target)).collect();
    let (longest, last) = (lengths.iter().max().unwrap(), lengths.last().unwrap());
    assert!(*last <= (longest / 4).max(86_400) && last < longest, "{longest} s, then {last} s");
}

fn length_of(target: &str) -> Option<i64> {
    let url = url::Url::parse("http://h/").unwrap().join(target).ok()?;
    let value = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let seconds = |name: &str| Some(value(name)?.parse::<jiff::Timestamp>().unwrap().as_second());
    Some(seconds("until")? - seconds("from")?)
}

/// A server that holds a request back for ever, by way of 429, is given up for this pass.
#[tokio::test(start_paused = true)]
async fn a_pass_ends_after_an_hour_without_a_new_row() {
    let mut fixture = Fixture::new("acme", world(833), "poll.inventory = \"off\"").await;
    let held = Rule { query: "page=1".to_owned(), ..Rule::new(Fault::TooMany).on(OPEN).text("900") };
    fixture.sim.set_faults(Faults { rules: vec![held] });
    fixture.start();
    tokio::time::sleep(MINUTE * 59).await;
    assert_eq!(fixture.task.view.streams()[&Stream::Alerts].phase, Phase::Polling);
    tokio::time::sleep(MINUTE * 3).await;
    let state = fixture.task.view.streams()[&Stream::Alerts].clone();
    assert!(state.failures == 1 && state.reason.clone().unwrap().contains("no new row for 60 minutes"), "{state:?}");
    fixture.end().await;
}

/// Alerts that open in front of the list while it is read push whole pages of known rows behind them. That is no error.
#[tokio::test(start_paused = true)]
async fn a_list_that_grows_by_pages_in_front_while_it_is_read_is_read_to_its_end() {
    let mut fixture = Fixture::new("acme", World { page_cap: 3, ..world(834) }, "poll.inventory = \"off\"").await;
    let held = Rule { query: "page=2".to_owned(), ..Rule::new(Fault::TooMany).on(OPEN).text("30").times(1) };
    fixture.sim.set_faults(Faults { rules: vec![held] });
    fixture.start();
    // Two pages are read, the third one waits: meanwhile four pages of alerts come in front.
    tokio::time::sleep(Duration::from_secs(15)).await;
    for _ in 0..12 {
        fixture.sim.apply(&Command { kind: Act::OpenAlert, ..Command::default() }).unwrap();
    }
    tokio::time::sleep(MINUTE * 3).await;
    fixture.end().await;
    let text = fixture.shared.metrics.render();
    let passes = |outcome: &str| {
        let line = format!("vintner_passes_total{{account=\"acme\",stream=\"alerts\",outcome=\"{outcome}\"}}");
        text.contains(&line)
    };
    assert!(passes("complete") && !passes("failed"), "{text}");
    let records = fixture.records().await;
    let opened: BTreeSet<&str> = records.iter().map(|record| record.envelope.native_id.as_str()).collect();
    let truth = fixture.sim.truth();
    for alert in truth.alerts.iter().filter(|alert| alert.shown_open) {
        assert!(opened.contains(alert.uid.as_str()), "{}", alert.uid);
    }
    assert_eq!(truth.alerts.iter().filter(|alert| alert.shown_open).count(), 21);
}

/// A log that ignores cursors, but not its window, is read by windows.
#[tokio::test(start_paused = true)]
async fn a_log_without_cursors_is_read_by_windows_until_that_shows_nothing_new() {
    let world = World { activity_history: 0, ..world(835) };
    let mut fixture = Fixture::new("acme", world, "poll.inventory = \"off\"\npoll.alerts = \"off\"").await;
    for minutes in 1..=20 {
        let date_ms = Some(START.minus(MINUTE * minutes).0);
        fixture.sim.apply(&Command { kind: Act::WriteActivity, date_ms, ..Command::default() }).unwrap();
    }
    fixture.sim.set_faults(Faults { rules: stuck(ACTIVITY, &[Fault::IgnoresPlace, Fault::AlwaysNext]) });
    fixture.start();
    tokio::time::sleep(Duration::from_secs(45)).await;
    fixture.end().await;
    assert_eq!(fixture.records().await.len(), 20, "every row, though no pass can be complete");
    assert_eq!(fixture.task.view.streams()[&Stream::Activity].completed, None);
}

#[tokio::test(start_paused = true)]
async fn passes_whose_answers_take_longer_than_the_poll_interval_do_not_overlap() {
    let mut fixture = Fixture::new("slow", World { page_cap: 250, ..world(88) }, "poll.alerts = \"5s\"").await;
    let mut slow = Rule::new(Fault::SlowAnswer).on(OPEN);
    slow.millis = Some(25_000);
    fixture.sim.set_faults(Faults { rules: vec![slow] });
    fixture.start();
    tokio::time::sleep(10 * MINUTE).await;
    // A page of 25 s after the other fits in 24 times.
    let asked = requests(&fixture, OPEN);
    assert!((20..=24).contains(&asked), "{asked} requests");
    // The interval counts from a pass's end: no burst makes up for what was missed.
    fixture.sim.set_faults(Faults::default());
    tokio::time::sleep(MINUTE).await;
    let more = requests(&fixture, OPEN) - asked;
    assert!((10..=13).contains(&more), "{more} requests in a minute");
    fixture.end().await;
}
