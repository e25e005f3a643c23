//! An API out of reach: whoever waits reads at once why, and what to look at.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::once::still_world;
use crate::receiver::free_address;
use crate::simulated::Simulated;
use crate::workplace::{Workplace, account, wait_for};

/// When a report was made.
fn at(report: &Value) -> i64 {
    report["at"].as_i64().unwrap()
}

/// An account whose API nobody serves.
fn away(more: &str) -> (Workplace, String) {
    let (simulated, address) = (Simulated::start(&still_world()), free_address().to_string());
    let place = Workplace::new(&simulated, "");
    place.configure(&format!("{}\n{more}", account("acme", &format!("http://{address}"))));
    (place, address)
}

#[test]
fn fetch_makes_one_attempt_and_says_why() {
    let (place, address) = away("");
    let began = Instant::now();
    let output = place.run(&["fetch", "sites", "-c", "vintner.toml"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(output.status.code(), Some(1), "{text}");
    let why = format!("cannot reach {address}: no connection: Connection refused (os error 111) (tries: 1)");
    assert!(text.contains(&why) && text.contains("where only a proxy leads out"), "{text}");
    assert_eq!(text.matches("cannot reach").count(), 1, "{text}");
}

#[test]
fn a_run_reports_the_first_failed_request_and_status_the_last() {
    let admin = free_address();
    let (place, address) = away(&format!("[admin]\nlisten = \"{admin}\"\n"));
    let began = Instant::now();
    let mut child = place.command(&["run"]).stderr(File::create(place.path("log")).unwrap()).spawn().unwrap();
    let warned = wait_for(Duration::from_secs(10), || {
        let log = std::fs::read_to_string(place.path("log")).unwrap();
        log.lines().find(|line| line.contains("the API cannot be reached")).map(str::to_owned)
    });
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let line: Value = serde_json::from_str(&warned).unwrap();
    assert_eq!((&line["level"], &line["account"], &line["host"]), (&"WARN".into(), &"acme".into(), &address.into()));
    let error = line["error"].as_str().unwrap();
    assert!(error.starts_with("no connection: Connection refused") && line["hint"].is_string(), "{line}");
    assert!(line["retry_in"].as_str().is_some_and(|text| text.ends_with(" s")), "{line}");

    let report: Value = serde_json::from_slice(&place.run(&["status", "--json"]).stdout).unwrap();
    let shown = &report["accounts"][0];
    assert!(shown["problem"].as_str().is_some_and(|problem| problem.contains("Connection refused")), "{shown}");
    assert!(shown["retry_at"].is_number() && shown["unreachable_since"].is_number(), "{shown}");
    let human = String::from_utf8(place.run(&["status"]).stdout).unwrap();
    assert!(human.contains("Connection refused") && human.contains("next try"), "{human}");
    let mut watching = place.command(&["status", "--watch=100ms", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(watching.stdout.take().unwrap()).lines().take(3);
    let times: Vec<i64> = lines.map(|line| at(&serde_json::from_str(&line.unwrap()).unwrap())).collect();
    assert!(times.is_sorted() && times[0] < times[2], "each report is a new one: {times:?}");
    // Its reader is gone: it ends by itself.
    let code = wait_for(Duration::from_secs(10), || watching.try_wait().unwrap());
    assert_eq!(code.code(), Some(0));
    crate::outage::end(&mut child);
}
