//! What a list no longer shows is gone only if the API says so: not on a wrong path, behind a gateway, or with a list cut short.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vintner::admin::report::ListReport;
use vintner::record::{Marker, Record, RecordKind};
use vintner::sim::command::{Act, Command};
use vintner::sim::fault::{Fault, Faults, Rule};
use vintner::sim::world::{List, Options as World};

use crate::day::Polling;

const MINUTE: Duration = Duration::from_secs(60);

const ALERT: &str = "/api/v2/alert/";
const DEVICE: &str = "/api/v2/device/";
const SITE: &str = "/api/v2/site/";

/// The 404 of a path that exists.
const UNKNOWN: &str = r#"{"errorMessage":"not found"}"#;

/// An inventory pass every five minutes.
const POLL: &str = "[accounts.acme.poll]\ninventory = \"5m\"";

/// A 404 on `path` for every uid.
fn not_found(path: &str, body: &str) -> Rule {
    Rule::new(Fault::Status).on(path).status(404).text(body)
}

/// Every form of a 404 that is not the API's word about one thing.
fn unrouted(path: &str) -> Vec<Rule> {
    vec![
        not_found(path, r#"{"message":"No static resource v2/x."}"#),
        not_found(path, r#"{"errorMessage":"no STATIC resource v2/x"}"#),
        not_found(path, r#"{"status":404,"detail":"No static resource v2/x.","instance":"/api/v2/x"}"#),
        not_found(path, "[]"),
        not_found(path, "\"not found\""),
        not_found(path, "default backend - 404"),
        Rule::new(Fault::Empty).on(path).status(404),
        Rule::new(Fault::Html).on(path).status(404),
    ]
}

/// Does `kind` to the alert, the device or the site `uid`, whichever it is about.
fn act(polling: &Polling, kind: Act, uid: &str) {
    let uid = Some(uid.to_owned());
    let command = Command { kind, device: uid.clone(), site: uid.clone(), uid, ..Command::default() };
    polling.sim.apply(&command).unwrap();
}

/// Who was reported as gone, in order.
fn vanished(records: &[Record], kind: RecordKind) -> Vec<&str> {
    let gone = |record: &&Record| record.envelope.kind == kind && matches!(record.envelope.marker, Marker::Vanished(_));
    records.iter().filter(gone).map(|record| record.envelope.native_id.as_str()).collect()
}

fn alerts(open_alerts: u32) -> World {
    World { open_alerts, ..World::quiet() }
}

fn open_uids(polling: &Polling) -> Vec<String> {
    polling.sim.truth().alerts.into_iter().map(|alert| alert.uid).collect()
}

/// Uids of a device and of a site that the lists show.
fn some_items(polling: &Polling) -> (String, String) {
    let truth = polling.sim.truth();
    (truth.devices[0].uid.clone(), truth.sites[0].uid.clone())
}

#[tokio::test(start_paused = true)]
async fn a_404_that_is_not_the_apis_word_closes_no_alert() {
    for rule in unrouted(ALERT) {
        let polling = Polling::start(alerts(3), POLL).await;
        polling.pass(2 * MINUTE).await;
        let uids = open_uids(&polling);
        polling.sim.add_faults(vec![rule.clone()]);
        act(&polling, Act::VanishAlert, &uids[0]);
        polling.pass(10 * MINUTE).await;
        assert_eq!(vanished(&polling.records().await, RecordKind::Alert), [""; 0], "{rule:?}");
        polling.sim.set_faults(Faults::default());
        polling.pass(60 * MINUTE).await;
        assert_eq!(vanished(&polling.finish().await, RecordKind::Alert), [uids[0].as_str()], "{rule:?}");
    }
}

/// A path that answers 404 for every uid, in the form of an unknown one: a thing that the pass has just seen is unknown too.
#[tokio::test(start_paused = true)]
async fn a_404_closes_no_alert_where_an_alert_of_the_list_is_not_found_either() {
    let polling = Polling::start(alerts(5), POLL).await;
    polling.pass(2 * MINUTE).await;
    let uids = open_uids(&polling);
    polling.sim.add_faults(vec![not_found(ALERT, UNKNOWN)]);
    act(&polling, Act::VanishAlert, &uids[0]);
    act(&polling, Act::VanishAlert, &uids[1]);
    polling.pass(30 * MINUTE).await;
    assert_eq!(vanished(&polling.records().await, RecordKind::Alert), [""; 0]);
    let asked = polling.traffic().paths["/api/v2/alert/{uid}"].requests;
    assert!((2..60).contains(&asked), "{asked} requests to a path that knows nothing");
    polling.sim.set_faults(Faults::default());
    polling.pass(60 * MINUTE).await;
    let records = polling.finish().await;
    let mut gone = vanished(&records, RecordKind::Alert);
    gone.sort_unstable();
    let mut expected = [uids[0].as_str(), uids[1].as_str()];
    expected.sort_unstable();
    assert_eq!(gone, expected);
}

/// A gateway's page may pass, so each such look-up is tried for about a minute: a few in a row end the round.
#[tokio::test(start_paused = true)]
async fn look_ups_that_fail_do_not_hold_up_the_lists() {
    let polling = Polling::start(alerts(24), POLL).await;
    polling.pass(2 * MINUTE).await;
    let asked = |polling: &Polling| polling.traffic().paths["/api/v2/account/alerts/open"].requests;
    polling.sim.add_faults(vec![Rule::new(Fault::Html).on(ALERT).status(404)]);
    for uid in open_uids(&polling).iter().take(20) {
        act(&polling, Act::VanishAlert, uid);
    }
    let before = asked(&polling);
    polling.pass(15 * MINUTE).await;
    assert!(asked(&polling) - before >= 3, "{} passes", asked(&polling) - before);
    polling.finish().await;
}

/// With both lists empty there is no alert to ask for; then the account must answer.
#[tokio::test(start_paused = true)]
async fn the_last_alert_is_closed_only_if_the_account_answers() {
    let polling = Polling::start(alerts(1), POLL).await;
    polling.pass(2 * MINUTE).await;
    let uids = open_uids(&polling);
    polling.sim.add_faults(vec![not_found("/api/v2/account$", UNKNOWN)]);
    act(&polling, Act::VanishAlert, &uids[0]);
    polling.pass(10 * MINUTE).await;
    assert_eq!(vanished(&polling.records().await, RecordKind::Alert), [""; 0]);
    polling.sim.set_faults(Faults::default());
    polling.pass(60 * MINUTE).await;
    assert_eq!(vanished(&polling.finish().await, RecordKind::Alert), [uids[0].as_str()]);
}

/// One request for a known alert proves the path for all that vanished.
#[tokio::test(start_paused = true)]
async fn the_proof_costs_one_request_a_pass_that_closes() {
    let polling = Polling::start(alerts(9), POLL).await;
    polling.pass(2 * MINUTE).await;
    let uids = open_uids(&polling);
    for uid in &uids[..4] {
        act(&polling, Act::VanishAlert, uid);
    }
    polling.pass(10 * MINUTE).await;
    assert_eq!(polling.traffic().paths["/api/v2/alert/{uid}"].requests, 5);
    assert_eq!(vanished(&polling.finish().await, RecordKind::Alert).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_404_that_is_not_the_apis_word_makes_nothing_of_the_inventory_gone() {
    for (device, site) in unrouted(DEVICE).into_iter().zip(unrouted(SITE)) {
        let polling = Polling::start(World::quiet(), POLL).await;
        polling.pass(2 * MINUTE).await;
        let (device_uid, site_uid) = some_items(&polling);
        let form = format!("{device:?}");
        polling.sim.add_faults(vec![device, site]);
        act(&polling, Act::RemoveDevice, &device_uid);
        act(&polling, Act::RemoveSite, &site_uid);
        polling.pass(12 * MINUTE).await;
        let records = polling.records().await;
        assert_eq!(vanished(&records, RecordKind::Device), [""; 0], "{form}");
        assert_eq!(vanished(&records, RecordKind::Site), [""; 0], "{form}");
        polling.sim.set_faults(Faults::default());
        polling.pass(12 * MINUTE).await;
        let records = polling.finish().await;
        assert!(vanished(&records, RecordKind::Device).contains(&device_uid.as_str()), "{form}");
        assert_eq!(vanished(&records, RecordKind::Site), [site_uid.as_str()], "{form}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_404_makes_nothing_gone_where_an_item_of_the_list_is_not_found_either() {
    for (path, kind) in [(DEVICE, RecordKind::Device), (SITE, RecordKind::Site)] {
        let polling = Polling::start(World::quiet(), POLL).await;
        polling.pass(2 * MINUTE).await;
        let (device, site) = some_items(&polling);
        polling.sim.add_faults(vec![not_found(path, UNKNOWN)]);
        act(&polling, Act::RemoveDevice, &device);
        act(&polling, Act::RemoveSite, &site);
        polling.pass(12 * MINUTE).await;
        assert_eq!(vanished(&polling.records().await, kind), [""; 0], "{path}");
        polling.sim.set_faults(Faults::default());
        polling.pass(12 * MINUTE).await;
        let records = polling.finish().await;
        assert!(vanished(&records, RecordKind::Device).contains(&device.as_str()), "{path}");
        assert_eq!(vanished(&records, RecordKind::Site), [site.as_str()], "{path}");
    }
}

/// What `status` says of a list.
async fn list(polling: &Polling, name: &str) -> ListReport {
    let report = polling.view.report().await.unwrap();
    let lists: Vec<ListReport> = report.accounts[0].streams.iter().flat_map(|stream| stream.lists.clone()).collect();
    lists.iter().find(|list| list.list == name).cloned().unwrap_or_else(|| panic!("no {name} in {lists:?}"))
}

async fn missing_rows(polling: &Polling, name: &str) -> String {
    let text = polling.view.metrics_text().await.unwrap();
    let begin = format!("vintner_list_missing_rows{{account=\"acme\",list=\"{name}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&begin)).unwrap_or_else(|| panic!("{text}")).to_owned()
}

/// The user's visibility was cut: a row is missing from the list though its count has it, and the look-up answers a genuine 404.
#[tokio::test(start_paused = true)]
async fn nothing_is_gone_that_a_list_shorter_than_its_count_does_not_show() {
    for (list_path, item_path, name, kind, removal) in [
        ("/api/v2/account/devices", DEVICE, "devices", RecordKind::Device, Act::RemoveDevice),
        ("/api/v2/account/sites", SITE, "sites", RecordKind::Site, Act::RemoveSite),
    ] {
        let polling = Polling::start(World::quiet(), POLL).await;
        polling.pass(2 * MINUTE).await;
        let truth = polling.sim.truth();
        let (device, site) = (truth.devices.last().unwrap(), truth.sites.last().unwrap());
        let uid = if kind == RecordKind::Device { &device.uid } else { &site.uid };
        let whole = list(&polling, name).await;
        assert_eq!((whole.missing, whole.may_prove_absence, &whole.shortage), (0, true, &None), "{name}");
        let cut = Rule::new(Fault::MissingRow).on(list_path);
        polling.sim.add_faults(vec![cut, not_found(&format!("{item_path}{uid}$"), UNKNOWN)]);
        polling.pass(12 * MINUTE).await;
        assert_eq!(vanished(&polling.records().await, kind), [""; 0], "{name}");
        let short = list(&polling, name).await;
        assert_eq!((short.missing, short.may_prove_absence), (1, false), "{short:?}");
        assert_eq!((short.rows + 1, short.total_count), (whole.rows, Some(whole.rows)));
        assert!(short.shortage.is_some_and(|words| words.contains("is short: ")));
        assert_eq!(missing_rows(&polling, name).await, "1");
        let lookups =
            polling.traffic().paths.get(format!("{item_path}{{uid}}").as_str()).map_or(0, |counts| counts.requests);
        assert_eq!(lookups, 0, "no look-up can prove anything while the list is short");

        polling.sim.set_faults(Faults { rules: vec![not_found(&format!("{item_path}{uid}$"), UNKNOWN)] });
        polling.pass(6 * MINUTE).await;
        assert_eq!((list(&polling, name).await, missing_rows(&polling, name).await.as_str()), (whole, "0"));
        act(&polling, removal, uid);
        polling.pass(6 * MINUTE).await;
        assert_eq!(vanished(&polling.finish().await, kind), [uid.as_str()], "{name}");
    }
}

/// Collects log lines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn with(&self, part: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_list_is_logged_when_it_begins_and_when_it_ends_and_never_between() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let polling = Polling::start(World::quiet(), POLL).await;
    polling.pass(7 * MINUTE).await;
    assert_eq!((log.with("is short"), log.with("is whole again")), (Vec::new(), Vec::new()), "no news");
    polling.sim.add_faults(vec![Rule::new(Fault::MissingRow).on("/api/v2/account/devices")]);
    polling.pass(20 * MINUTE).await;
    let short = log.with("device list is short");
    assert_eq!(short.len(), 1, "{short:?}");
    for field in ["WARN", "account=\"acme\"", "rows=11", "total_count=12", "account_devices=12", "hint="] {
        assert!(short[0].contains(field), "{field}: {}", short[0]);
    }
    polling.sim.set_faults(Faults::default());
    polling.pass(20 * MINUTE).await;
    assert_eq!((log.with("is short").len(), log.with("device list is whole again").len()), (1, 1));
    polling.finish().await;
}

/// What the account counts may be more than any list shows, for ever: that is said, and stops nothing.
#[tokio::test(start_paused = true)]
async fn a_device_is_gone_though_the_account_counts_more_than_its_list_shows() {
    let world = World { unlisted_devices: 3, unlisted_are_counted: false, ..World::quiet() };
    let polling = Polling::start(world, POLL).await;
    polling.pass(2 * MINUTE).await;
    let devices = list(&polling, "devices").await;
    assert_eq!((devices.rows, devices.total_count, devices.account_devices), (9, Some(9), Some(12)));
    assert_eq!((devices.missing, devices.may_prove_absence), (3, true));
    assert!(devices.shortage.unwrap().starts_with("device list is short: 9 rows, totalCount 9, account counts 12"));
    let uid = polling.sim.truth().devices.last().unwrap().uid.clone();
    act(&polling, Act::RemoveDevice, &uid);
    polling.pass(6 * MINUTE).await;
    assert_eq!(vanished(&polling.finish().await, RecordKind::Device), [uid.as_str()]);
}

/// An open list with a count of more than it showed was not read whole; without a count the same 404 closes the alert.
#[tokio::test(start_paused = true)]
async fn no_alert_is_closed_that_an_open_list_shorter_than_its_count_does_not_show() {
    for is_counted in [true, false] {
        let total_count = if is_counted { vec![List::Devices, List::OpenAlerts] } else { vec![List::Devices] };
        let polling = Polling::start(World { total_count, ..alerts(4) }, POLL).await;
        polling.pass(2 * MINUTE).await;
        let alerts = polling.sim.truth().alerts;
        let uid = alerts.iter().min_by_key(|alert| alert.opened).unwrap().uid.clone();
        let cut = Rule::new(Fault::MissingRow).on("/api/v2/account/alerts/open");
        polling.sim.add_faults(vec![cut, not_found(&format!("{ALERT}{uid}$"), UNKNOWN)]);
        polling.pass(10 * MINUTE).await;
        let open = list(&polling, "open_alerts").await;
        assert_eq!((open.rows, open.total_count), (3, is_counted.then_some(4)));
        assert_eq!(
            (open.missing, missing_rows(&polling, "open_alerts").await),
            (u64::from(is_counted), u64::from(is_counted).to_string())
        );
        let expected: &[&str] = if is_counted { &[] } else { &[&uid] };
        assert_eq!(vanished(&polling.finish().await, RecordKind::Alert), expected);
    }
}

/// Devices and sites come and go while the pages are read slowly.
#[tokio::test(start_paused = true)]
async fn what_comes_and_goes_while_a_list_is_read_does_not_make_it_short() {
    let world = World { devices: 150, page_cap: 20, inventory_rate_per_hour: 600.0, ..World::quiet() };
    let polling =
        Polling::start(world, "[accounts.acme.poll]\ninventory = \"5m\"\nalerts = \"off\"\nactivity = \"off\"").await;
    polling.sim.add_faults(vec![Rule::new(Fault::SlowAnswer).on("/api/v2/account/devices")]);
    let mut short = Vec::new();
    for _ in 0..18 {
        polling.pass(5 * MINUTE).await;
        for name in ["devices", "sites"] {
            short.extend(list(&polling, name).await.shortage);
        }
    }
    let truth = polling.sim.truth();
    let gone = truth.devices.iter().filter(|device| !device.listed).count();
    assert!(gone > 10 && truth.devices.len() > 160, "devices come and go: {gone} of {}", truth.devices.len());
    assert_eq!(short, [""; 0]);
    polling.finish().await;
}
