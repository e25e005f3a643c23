//! A log that shows DEVICE rows only: the API user is no administrator, and nothing else says so.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::Write;
use std::sync::Once;
use std::time::Duration;

use serde_json::{Value, json};

use vintner::admin::report::UserRowsReport;
use vintner::record::{Marker, RecordKind};
use vintner::sim::command::{Act, Command};
use vintner::sim::right::{Entity, MissingRight};
use vintner::sim::truth::ActivityTruth;
use vintner::sim::world::Options as World;

use crate::day::Polling;
use crate::simulated::Simulated;
use crate::workplace::Workplace;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const POLL: &str = "[accounts.acme.poll]\nalerts = \"off\"\nactivity = \"10m\"\ninventory = \"off\"\n";

/// A log with some rows of both kinds, of which the API user sees `entities`.
fn world(entities: &[Entity]) -> World {
    World {
        activity_history: 200,
        history_days: 3,
        activity_rate_per_hour: 4.0,
        activity_delay_max_ms: 1000,
        activity_entities: entities.to_vec(),
        ..World::quiet()
    }
}

async fn reported(polling: &Polling) -> UserRowsReport {
    let report = polling.view.report().await.unwrap();
    let streams = &report.accounts[0].streams;
    streams.iter().find(|stream| stream.stream == "activity").and_then(|stream| stream.user_rows.clone()).unwrap()
}

async fn metric(polling: &Polling) -> String {
    let text = polling.view.metrics_text().await.unwrap();
    text.lines().find(|line| line.starts_with("vintner_activity_user_rows_missing{")).unwrap_or_default().to_owned()
}

fn questions(polling: &Polling) -> usize {
    let traffic = polling.traffic();
    traffic.recent.iter().filter(|seen| seen.target.contains("entities=user")).count()
}

fn write_user_row(polling: &Polling) {
    let row = Command { kind: Act::WriteActivity, entity: Some("USER".to_owned()), ..Command::default() };
    polling.sim.apply(&row).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_log_with_rows_of_both_kinds_is_never_asked() {
    let polling = Polling::start(world(&[Entity::Device, Entity::User]), POLL).await;
    assert_eq!(metric(&polling).await, "vintner_activity_user_rows_missing{account=\"acme\"} 0", "from the start");
    polling.pass(3 * HOUR).await;
    assert_eq!(reported(&polling).await.missing_since, None);
    assert_eq!(questions(&polling), 0, "no pass costs more than before");
    assert!(reported(&polling).await.user_shown.is_some());
    polling.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_log_without_any_rows_is_neither_asked_nor_reported() {
    let polling = Polling::start(World::quiet(), POLL).await;
    polling.pass(30 * HOUR).await;
    assert_eq!(reported(&polling).await, UserRowsReport::default());
    assert_eq!(questions(&polling), 0);
    polling.finish().await;
}

/// Whatever a missing right looks like, one question answers it; the log is read on.
#[tokio::test(start_paused = true)]
async fn a_log_of_device_rows_is_reported_after_the_first_pass() {
    for missing_right in [MissingRight::Hidden, MissingRight::Forbidden] {
        let polling = Polling::start(World { missing_right, ..world(&[Entity::Device]) }, POLL).await;
        polling.pass(2 * MINUTE).await;
        assert!(reported(&polling).await.missing_since.is_some(), "{missing_right:?}");
        assert_eq!(metric(&polling).await, "vintner_activity_user_rows_missing{account=\"acme\"} 1");
        assert_eq!(questions(&polling), 1);
        polling.pass(2 * HOUR).await;
        assert_eq!(questions(&polling), 1, "not again for a day");
        polling.finish().await;
    }
}

/// A server error proves nothing, so that DEVICE rows over three days have to.
#[tokio::test(start_paused = true)]
async fn where_the_question_fails_three_days_of_device_rows_are_evidence() {
    let options = World { activity_history: 0, missing_right: MissingRight::ServerError, ..world(&[Entity::Device]) };
    let polling = Polling::start(options, POLL).await;
    polling.pass(70 * HOUR).await;
    assert_eq!(reported(&polling).await.missing_since, None);
    polling.pass(30 * HOUR).await;
    assert!(reported(&polling).await.missing_since.is_some());
    polling.finish().await;
}

/// Somebody makes the API user an administrator: the report ends, and the rows that were hidden until then are read.
#[tokio::test(start_paused = true)]
async fn the_first_user_row_ends_the_report_and_nothing_that_was_hidden_is_lost() {
    let polling = Polling::start(world(&[Entity::Device]), POLL).await;
    polling.pass(40 * HOUR).await;
    assert!(reported(&polling).await.missing_since.is_some());
    polling.sim.apply(&Command { kind: Act::GrantActivity, ..Command::default() }).unwrap();
    write_user_row(&polling);
    polling.pass(25 * MINUTE).await;
    assert_eq!(reported(&polling).await.missing_since, None);
    assert_eq!(metric(&polling).await, "vintner_activity_user_rows_missing{account=\"acme\"} 0");
    let truth = polling.sim.truth();
    let settled = truth.now.minus(15 * MINUTE);
    let held = polling.held().await;
    let records = polling.finish().await;
    let ids: HashSet<&str> = records.iter().map(|record| record.envelope.native_id.as_str()).collect();
    let derived = records.iter().filter(|record| matches!(record.envelope.marker, Marker::Derived(_))).count();
    assert_eq!(ids.len() + derived, records.len(), "each row once");
    let is_away = |row: &&ActivityTruth| row.visible_from < settled && !ids.contains(row.id.as_str());
    let away: Vec<_> = truth.activities.iter().filter(is_away).collect();
    // A row that names only a device is held where nobody knows in which site that was.
    assert!(away.iter().all(|row| row.entity == "USER" && row.site.is_none()), "{away:?}");
    assert!(away.len() as u64 <= held, "{} rows are away, {held} are held", away.len());
    assert!(records.iter().filter(|record| record.envelope.kind == RecordKind::ActivityUser).count() > 50);
}

thread_local! {
    /// What this thread has logged since the subscriber was installed.
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes log lines to [`LOGGED`]. A simulation runs on one thread, so that its lines are its own.
struct Lines;

impl Lines {
    /// For the whole process: a subscriber of one thread may miss lines whose place in the code another thread met first.
    fn capture() {
        static INSTALLED: Once = Once::new();
        let subscriber = || tracing_subscriber::fmt().with_ansi(false).with_writer(|| Self).finish();
        INSTALLED.call_once(|| tracing::subscriber::set_global_default(subscriber()).unwrap());
    }

    fn count(part: &str) -> usize {
        LOGGED.with_borrow(|bytes| String::from_utf8_lossy(bytes).lines().filter(|line| line.contains(part)).count())
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOGGED.with_borrow_mut(|lines| lines.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_warns_at_once_and_daily_and_says_when_it_is_over() {
    Lines::capture();
    let polling = Polling::start(world(&[Entity::Device]), POLL).await;
    let (warning, over) = ("shows DEVICE rows and no USER row", "shows USER rows again");
    for (hours, warnings) in [(1, 1), (22, 1), (2, 2), (24, 3)] {
        polling.pass(hours * HOUR).await;
        assert_eq!((Lines::count(warning), Lines::count(over)), (warnings, 0), "after {hours} hours more");
    }
    polling.sim.apply(&Command { kind: Act::GrantActivity, ..Command::default() }).unwrap();
    write_user_row(&polling);
    polling.pass(48 * HOUR).await;
    assert_eq!((Lines::count(warning), Lines::count(over)), (3, 1));
    polling.finish().await;
}

#[test]
fn the_real_program_warns_and_remembers_over_a_restart() {
    let options = |entities: Value| {
        json!({"sites": 3, "devices": 9, "open_alerts": 0, "resolved_alerts": 0, "activity_history": 120, "history_days": 2,
            "activity_rate_per_hour": 0, "activity_entities": entities})
    };
    let simulated = Simulated::start(&options(json!(["device"])));
    let place = Workplace::new(&simulated, "");
    let since = || {
        let output = place.run(&["run", "--once"]);
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{log}");
        assert!(log.contains("no USER row") && log.contains("security level Administrator"), "{log}");
        let status: Value = serde_json::from_slice(&place.run(&["status", "--json"]).stdout).unwrap();
        let streams = status["accounts"][0]["streams"].as_array().unwrap();
        let activity = streams.iter().find(|stream| stream["stream"] == "activity").unwrap();
        activity["user_rows"]["missing_since"].as_i64().unwrap_or_else(|| panic!("{activity}"))
    };
    assert_eq!(since(), since(), "the second run knows what the first one noticed");
    let asked = simulated.get("/sim/requests").to_string().matches("entities=user").count();
    assert_eq!(asked, 1, "and does not ask again");
    let text = place.run(&["status"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("no USER rows since"), "status says why");

    let check = |options: &Value| {
        let simulated = Simulated::start(options);
        let output = Workplace::new(&simulated, "").run(&["check", "--online"]);
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let warned = check(&options(json!(["device"])));
    assert!(warned.contains("no USER row") && warned.contains("log-ins, role changes and API keys"), "{warned}");
    let mut refused = options(json!(["device"]));
    refused["missing_right"] = json!("forbidden");
    let warned = check(&refused);
    assert!(warned.contains("does not answer") && warned.contains("security level Administrator"), "{warned}");
    assert!(!check(&options(json!(["device", "user"]))).contains("USER"));
    let empty = json!({"sites": 3, "devices": 9, "activity_history": 0, "activity_rate_per_hour": 0});
    assert!(!check(&empty).contains("USER"), "an account without rows proves nothing");
}
