//! kill -9 at random moments of a live run: nothing is lost, and what comes again has the same id.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::forms::drawn;
use crate::simulated::Simulated;
use crate::workplace::{Workplace, alert_steps, events};

// A vanished alert is shown no more: if it was shown only to a process that was killed before it took it in, nobody can tell it.
// Hence a world without vanishing alerts.

/// Kills of the default run; `VINTNER_KILLS` asks for more.
const KILLS: u64 = 12;

#[test]
fn nothing_is_lost_over_kills_at_random_moments() {
    let kills = std::env::var("VINTNER_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let seed = std::env::var("VINTNER_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(7);
    println!("kills {kills} seed {seed}");
    let options = json!({
        "seed": seed, "sites": 5, "devices": 30, "open_alerts": 700, "resolved_alerts": 600, "activity_history": 800, "vanish_share": 0.0, "history_days": 2,
        "alert_rate_per_hour": 8_000.0, "resolve_rate_per_hour": 8_000.0, "update_rate_per_hour": 3_000.0,
        "activity_rate_per_hour": 8_000.0, "activity_delay_max_ms": 500, "inventory_rate_per_hour": 8_000.0, "request_limit": 100_000
    });
    let simulated = Simulated::start(&drawn(options, seed));
    let place =
        Workplace::new(&simulated, "[accounts.acme.poll]\nalerts = \"1s\"\nactivity = \"1s\"\ninventory = \"1s\"\n");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut all = Vec::new();
    for kill in 0..kills {
        let mut child = place.spawn(&["run"], "out");
        std::thread::sleep(Duration::from_millis(random.u64(100..2500)));
        child.kill().expect("SIGKILL");
        child.wait().expect("reaped");
        all.extend(events(&std::fs::read(place.path("out")).expect("read")));
        println!("kill {kill}: {} events so far", all.len());
    }
    // What happens during the last run may be at a site that appeared after its list was read, and is held until the next.
    let settled = epoch_ms();
    all.extend(place.once());

    // The same id always carries the same record.
    let mut seen: BTreeMap<String, (String, i64)> = BTreeMap::new();
    for event in &all {
        let id = event["metadata"]["uid"].as_str().unwrap().to_owned();
        let is =
            (event["metadata"]["original_event_uid"].as_str().unwrap().to_owned(), event["type_uid"].as_i64().unwrap());
        let was = seen.entry(id).or_insert_with(|| is.clone());
        assert_eq!(*was, is, "one id, two records");
    }
    assert_told(&all, &simulated.get("/sim/truth"), settled);
}

/// The time now.
pub(crate) fn epoch_ms() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis()
}

/// Fails if something that the simulation showed, and that happened before `settled` (epoch milliseconds), is not among `all`.
pub(crate) fn assert_told(all: &[Value], truth: &Value, settled: u128) {
    let is_settled = |at: &Value| at.as_u64().is_some_and(|at| u128::from(at) < settled);
    let steps = alert_steps(all);
    for alert in truth["alerts"].as_array().unwrap().iter().filter(|alert| is_settled(&alert["opened"])) {
        let uid = alert["uid"].as_str().unwrap();
        let told: BTreeSet<i64> = steps.get(uid).into_iter().flatten().copied().collect();
        if alert["shown_open"] == true || alert["shown_resolved"] == true {
            assert!(told.contains(&1), "alert {uid} was shown and its Create is lost: {alert}");
        }
        if alert["shown_resolved"] == true && alert["state"] == "resolved" {
            assert!(told.contains(&3), "alert {uid} was shown resolved and its Close is lost");
        }
    }
    let told: BTreeSet<&str> =
        all.iter().filter_map(|event| event["metadata"]["original_event_uid"].as_str()).collect();
    let rows = truth["activities"].as_array().unwrap().iter().filter(|row| is_settled(&row["date"]));
    // A row that names no site may wait for that of its device.
    let may_wait = |row: &Value| row["site"].is_null() && row["entity"] == "USER";
    for row in rows.filter(|row| row["shown"] == true && !may_wait(row)) {
        assert!(told.contains(row["id"].as_str().unwrap()), "activity {row} is lost");
    }
    check_inventory(all, truth);
}

/// The last state of each device that an answer showed has arrived, whatever was killed; no state was made up.
fn check_inventory(all: &[Value], truth: &Value) {
    let mut told: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for event in all.iter().filter(|event| event["class_uid"] == 5001) {
        // An event that came again after a kill is no other change.
        if ids.insert(event["metadata"]["uid"].as_str().unwrap()) {
            told.entry(event["metadata"]["original_event_uid"].as_str().unwrap()).or_default().push(event);
        }
    }
    for device in truth["devices"].as_array().unwrap() {
        let uid = device["uid"].as_str().unwrap();
        let events = told.get(uid).map(Vec::as_slice).unwrap_or_default();
        let (gone, states): (Vec<&Value>, Vec<&Value>) = events.iter().partition(|event| event["status"] == "Vanished");
        assert!(states.len() as u64 <= device["shown_states"].as_u64().unwrap(), "a change is told twice: {device}");
        assert!(gone.len() <= usize::from(device["listed"] == false), "{device}");
        // What was shown only to a process that was killed, and then removed, nobody can tell.
        let Some(shown) = device["shown_as"].as_array().filter(|_| device["listed"] == true) else { continue };
        let last = states.last().unwrap_or_else(|| panic!("{device} was shown and is lost"));
        assert_eq!((&last["device"]["hostname"], &last["device"]["org"]["ou_uid"]), (&shown[0], &shown[1]), "{uid}");
    }
}
