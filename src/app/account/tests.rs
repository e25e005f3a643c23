//! An account at its edges: records and tasks that panic, a full journal, a right that is missing.

mod clock;
mod derived;
mod devices;
mod endless;
mod resolved;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::app::testing::{Fixture, START};
use crate::collect::activity::row::{self, Row};
use crate::diagnostic::planted::plant;
use crate::journal::dead::DeadLetter;
use crate::journal::sqlite::Journal;
use crate::journal::{JournalError, Lane, Page, StartAt};
use crate::record::{AccountUid, Marker, Record, RecordKind, Stream};
use crate::sim::fault::Faults;
use crate::sim::world::Options as World;

const MINUTE: Duration = Duration::from_secs(60);

fn world(seed: u64) -> World {
    World { seed, open_alerts: 8, activity_history: 12, history_days: 1, ..World::quiet() }
}

#[tokio::test(start_paused = true)]
async fn an_item_that_makes_a_collector_panic_is_a_dead_letter_and_its_page_goes_on() {
    let mut fixture = Fixture::new("acme", world(815), "poll.inventory = \"2m\"").await;
    let truth = fixture.sim.truth();
    let (alert, looked) = (truth.alerts[0].uid.clone(), truth.alerts[1].uid.clone());
    let (activity, device) = (truth.activities[0].id.clone(), truth.devices[0].uid.clone());
    plant("alert", &alert, u32::MAX);
    plant("alert look", &looked, u32::MAX);
    plant("activity", &activity, u32::MAX);
    plant("device", &device, u32::MAX);
    fixture.start();
    tokio::time::sleep(MINUTE * 5).await;
    fixture.end().await;

    let (records, letters) = (fixture.records().await, fixture.dead_letters().await);
    let taken: BTreeSet<_> = records.iter().map(|record| record.envelope.native_id.as_str()).collect();
    let (alerts, activities, devices) = ("/v2/account/alerts/open", "/v2/activity-logs", "/v2/account/devices");
    for (uid, path) in [(&alert, alerts), (&looked, alerts), (&activity, activities), (&device, devices)] {
        assert!(!taken.contains(uid.as_str()), "{uid} panics");
        let is_of_it = |letter: &&DeadLetter| letter.path == path && letter.content.contains(uid.as_str());
        let of_it: Vec<_> = letters.iter().filter(is_of_it).collect();
        assert_eq!(of_it.len(), 1, "{uid}: once, however often it is seen: {letters:?}");
        assert!(
            of_it[0].reason.contains("a panic at") && !of_it[0].reason.contains("planted for"),
            "{}",
            of_it[0].reason
        );
    }
    let count = |kind: RecordKind| records.iter().filter(|record| record.envelope.kind == kind).count();
    assert_eq!((count(RecordKind::Alert), count(RecordKind::Device)), (6, truth.devices.len() - 1));
    let rows = |record: &&Record| record.envelope.path == activities && record.envelope.marker == Marker::Once;
    assert_eq!(records.iter().filter(rows).count(), truth.activities.len() - 1);
    assert!(
        !fixture
            .shared
            .metrics
            .render()
            .contains("vintner_task_restarts_total{task=\"stream\",name=\"acme/alerts\"} 1")
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_panics_is_started_anew_and_unready_until_a_pass_is_complete() {
    let mut fixture = Fixture::new("panicking-stream", world(816), "").await;
    plant("pass", "panicking-stream/alerts", 5);
    fixture.start();
    // Pauses of 1, 2, 4, 8, 16 seconds.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let reasons = fixture.unready().await;
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(reasons[0].starts_with("alerts of panicking-stream: ") && reasons[0].contains("a panic at"), "{reasons:?}");
    let records = fixture.records().await;
    assert!(records.iter().any(|record| record.envelope.kind == RecordKind::ActivityUser), "the others go on");
    tokio::time::sleep(MINUTE).await;
    assert_eq!(fixture.unready().await, Vec::<String>::new());
    let text = fixture.shared.metrics.render();
    for (stream, restarts) in [("alerts", 5), ("activity", 0), ("inventory", 0)] {
        let line =
            format!("vintner_task_restarts_total{{task=\"stream\",name=\"panicking-stream/{stream}\"}} {restarts}");
        assert!(text.contains(&line), "{line}\n{text}");
    }
    fixture.end().await;
    let alerts = fixture.records().await.iter().filter(|record| record.envelope.kind == RecordKind::Alert).count();
    assert_eq!(alerts, 8, "nothing is lost and nothing comes twice");
}

#[tokio::test(start_paused = true)]
async fn an_inventory_whose_first_pass_panics_holds_no_other_stream_up() {
    let mut fixture = Fixture::new("panicking-inventory", world(817), "").await;
    plant("pass", "panicking-inventory/inventory", u32::MAX);
    fixture.start();
    tokio::time::sleep(MINUTE).await;
    let reasons = fixture.unready().await;
    assert!(reasons.len() == 1 && reasons[0].starts_with("inventory of panicking-inventory: "), "{reasons:?}");
    let records = fixture.records().await;
    assert_eq!(records.iter().filter(|record| record.envelope.kind == RecordKind::Alert).count(), 8);
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_connecting_is_a_pause_of_that_account() {
    let mut fixture = Fixture::new("panicking-account", world(818), "").await;
    plant("connect", "panicking-account", 3);
    let journal = fixture.journal().clone();
    let awaited = async || journal.directory().await.unwrap().is_awaited("panicking-account");
    assert!(awaited().await, "rules by name wait for its site list");
    fixture.start();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!awaited().await, "as after any other failure");
    let reasons = fixture.unready().await;
    assert!(reasons[0].starts_with("account panicking-account: ") && reasons[0].contains("a panic at"), "{reasons:?}");
    tokio::time::sleep(MINUTE).await;
    assert_eq!(fixture.unready().await, Vec::<String>::new());
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_the_site_list_is_read_ends_the_wait_for_it() {
    let mut fixture = Fixture::new("panicking-sites", world(820), "").await;
    plant("sites", "panicking-sites", u32::MAX);
    let journal = fixture.journal().clone();
    let awaited = async || journal.directory().await.unwrap().is_awaited("panicking-sites");
    assert!(awaited().await);
    fixture.start();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!awaited().await, "rules by name of other accounts go on without it");
    let reasons = fixture.unready().await;
    assert!(reasons.iter().any(|reason| reason.starts_with("inventory of panicking-sites: ")), "{reasons:?}");
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_panics_fails_run_once_and_the_others_are_complete() {
    let fixture = Fixture::new("panicking-once", world(819), "").await;
    plant("pass", "panicking-once/alerts", u32::MAX);
    let source = fixture.task.connect_once(&fixture.shared).await.unwrap();
    let error = fixture.task.clone().once(source).await.unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(
        error.to_string().contains("account panicking-once, alerts: ") && !error.to_string().contains("planted for")
    );
    let records = fixture.records().await;
    assert!(records.iter().any(|record| record.envelope.kind == RecordKind::ActivityUser));
}

/// Takes records in until there is no room for more.
async fn fill(journal: &Journal, account: &AccountUid) {
    for number in 0.. {
        let noise: String = std::iter::repeat_with(fastrand::alphanumeric).take(200_000).collect();
        let item = format!(
            r#"{{"id":"noise-{number}","entity":"USER","category":"a","action":"b","date":1795212000.0,"details":"{noise}"}}"#
        );
        let item = RawValue::from_string(item).unwrap();
        let Row::Record(record, _) = row::read(account, &item, START) else { panic!("{item}") };
        let page = Page {
            account: account.clone(),
            stream: Stream::Activity,
            lane: Lane::Live,
            received_at: START,
            cursors: Vec::new(),
            alerts: Vec::new(),
            records: vec![*record],
            rejected: Vec::new(),
        };
        match journal.commit(page).await {
            Ok(_) => {}
            Err(JournalError::Full { .. }) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn run_once_waits_for_room_instead_of_leaving_inventory_records_out() {
    let fixture = Fixture::with_journal("full", World { devices: 20, ..World::quiet() }, "", 4 << 20).await;
    let journal = fixture.journal().clone();
    journal.use_sinks(vec![("stuck".to_owned(), StartAt::Oldest)]).await.unwrap();
    fill(&journal, &fixture.account()).await;
    let source = fixture.task.connect_once(&fixture.shared).await.unwrap();
    let once = fixture.task.clone().once(source);
    tokio::pin!(once);
    let early = tokio::time::timeout(MINUTE * 10, &mut once).await;
    assert!(early.is_err(), "records are left out: {early:?}");
    // The only sink from now on needs nothing of what is there.
    journal.use_sinks(vec![("new".to_owned(), StartAt::Now)]).await.unwrap();
    journal.maintain().await.unwrap();
    tokio::time::timeout(MINUTE * 10, once).await.expect("there is room").unwrap();
    let text = fixture.shared.metrics.render();
    assert!(text.contains(r#"vintner_records_total{account="full",stream="inventory",fate="taken"} 24"#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_account_that_may_not_be_read_is_asked_for_hourly_and_reported() {
    let faults = r#"{"rules": [{"kind": "forbidden", "path": "/api/v2/account", "times": 3}]}"#;
    let faults: Faults = serde_json::from_str(faults).unwrap();
    let mut fixture = Fixture::new("forbidden", World { faults, ..World::quiet() }, "").await;
    fixture.start();
    let asked = |fixture: &Fixture| fixture.sim.traffic().paths.get("/api/v2/account").map_or(0, |path| path.requests);
    tokio::time::sleep(MINUTE * 50).await;
    assert_eq!(asked(&fixture), 1);
    let reasons = fixture.unready().await;
    assert!(reasons.len() == 1 && reasons[0].starts_with("account forbidden: "), "{reasons:?}");
    tokio::time::sleep(MINUTE * 60 * 2).await;
    assert_eq!(asked(&fixture), 3);
    tokio::time::sleep(MINUTE * 60).await;
    // Connected, each pass over the inventory asks for the account too.
    assert!(asked(&fixture) > 3, "the right was given");
    assert_eq!(fixture.unready().await, Vec::<String>::new());
    fixture.end().await;
}

/// The lists of the API begin with the newest.
#[tokio::test(start_paused = true)]
async fn the_records_of_a_page_are_oldest_first() {
    let mut fixture = Fixture::new("acme", world(816), "").await;
    fixture.start();
    tokio::time::sleep(MINUTE).await;
    fixture.end().await;
    let records = fixture.records().await;
    let times = |path: &str, key: &str| -> Vec<f64> {
        let of_list = records.iter().filter(|record| record.envelope.path == path);
        let source = of_list.map(|record| serde_json::from_str::<serde_json::Value>(record.source.get()).unwrap());
        source.map(|source| source[key].as_f64().unwrap_or_default()).collect()
    };
    for (path, key) in [("/v2/account/alerts/open", "timestamp"), ("/v2/activity-logs", "date")] {
        let times = times(path, key);
        assert!(times.len() > 4 && times.is_sorted(), "{path}: {times:?}");
    }
}
