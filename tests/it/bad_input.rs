//! What can go wrong between vintner and the API: each case says what contract.md section 5 asks for, and loses nothing.

use std::process::Output;

use serde_json::{Value, json};

use crate::once::still_world;
use crate::simulated::Simulated;
use crate::workplace::{Workplace, account, alert_steps, events, ids};

const OPEN: &str = "/api/v2/account/alerts/open";

fn log(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs `--once` under `rules`, then without any: together every record once.
fn under(rules: &Value, expect_code: i32) -> (String, Vec<Value>) {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    simulated.post("/sim/faults", &json!({ "rules": rules }));
    let output = place.run(&["run", "--once"]);
    assert_eq!(output.status.code(), Some(expect_code), "{}", log(&output));
    simulated.post("/sim/faults", &json!({ "rules": [] }));
    let mut all = events(&output.stdout);
    all.extend(place.once());
    assert!(ids(&all).values().all(|n| *n == 1), "an event came twice");
    assert_eq!(alert_steps(&all).len(), 1300, "an alert is missing");
    for secret in ["api_key", "api_secret"] {
        assert!(!log(&output).contains(simulated.text(secret)), "a secret is in the log");
    }
    (log(&output), all)
}

#[test]
fn a_wrong_secret_names_the_account_and_the_usual_causes() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "").with_secret("wrong-secret-4711");
    let output = place.run(&["run", "--once"]);
    assert_eq!(output.status.code(), Some(1));
    let log = log(&output);
    for word in ["acme", "refused", "API access", "regenerated", "platform"] {
        assert!(log.to_lowercase().contains(&word.to_lowercase()), "`{word}` is missing: {log}");
    }
    assert!(!log.contains("wrong-secret-4711"), "{log}");
    let logins = simulated.get("/sim/requests")["refused_logins"].as_u64().unwrap();
    assert!((1..=2).contains(&logins), "{logins} logins");
}

#[test]
fn an_unreachable_host_fails_once_with_its_address() {
    let simulated = Simulated::start(&still_world());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = Workplace::new(&simulated, "");
    place.configure(
        &account("acme", &format!("http://{free}"))
            .replace("[sinks.stdout.console]", "[accounts.acme.limits]\ntimeout = \"1s\"\n[sinks.stdout.console]"),
    );
    let output = place.run(&["run", "--once"]);
    assert_eq!(output.status.code(), Some(1), "{}", log(&output));
    assert!(log(&output).contains("connect"), "{}", log(&output));
}

#[test]
fn html_instead_of_json_is_tried_again() {
    under(&json!([{"kind": "html", "path": OPEN, "times": 2}]), 0);
}

#[test]
fn truncated_bodies_resets_and_gateway_errors_are_tried_again() {
    under(
        &json!([
            {"kind": "truncate", "path": OPEN, "times": 1},
            {"kind": "reset", "path": "/api/v2/activity-logs", "times": 1},
            {"kind": "status", "status": 504, "path": "/api/v2/account/alerts/resolved", "times": 1}
        ]),
        0,
    );
}

#[test]
fn one_broken_item_costs_only_itself() {
    let rules = json!([
        {"kind": "item_no_object", "path": OPEN, "times": 1},
        {"kind": "item_without_id", "path": OPEN, "after": 1, "times": 1},
        {"kind": "item_duplicate_key", "path": OPEN, "after": 2, "times": 1}
    ]);
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    simulated.post("/sim/faults", &json!({ "rules": rules }));
    let output = place.run(&["run", "--once"]);
    assert_eq!(output.status.code(), Some(0), "{}", log(&output));
    assert_eq!(alert_steps(&events(&output.stdout)).len(), 1300);
    let letters = place.run(&["dead-letters", "list", "--json"]);
    let letters = events(&letters.stdout);
    assert_eq!(letters.len(), 3, "{letters:?}");
    assert!(letters.iter().all(|letter| letter["kind"] == "malformed"));
}

#[test]
fn nulls_in_every_field_cost_nothing() {
    under(&json!([{"kind": "null_fields"}]), 0);
}

#[test]
fn a_gzip_bomb_and_a_huge_body_are_refused_within_bounds() {
    let (log, _) = under(&json!([{"kind": "gzip_bomb", "path": OPEN, "bytes": 268_435_456, "times": 1}]), 1);
    assert!(log.contains("max_body"), "{log}");
    let (log, _) = under(&json!([{"kind": "huge_body", "path": "/api/v2/account/alerts/resolved", "times": 1}]), 1);
    assert!(log.contains("max_body"), "{log}");
}

#[test]
fn a_next_page_on_another_host_is_not_followed() {
    let rules = json!([{"kind": "next_elsewhere", "path": OPEN, "times": 1, "text": "http://127.0.0.2:9"}]);
    let (log, _) = under(&rules, 1);
    assert!(log.contains("127.0.0.2") && log.contains("not followed"), "{log}");
}

#[test]
fn a_missing_right_to_the_activity_log_is_a_warning() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    simulated.post("/sim/faults", &json!({"rules": [{"kind": "forbidden", "path": "/api/v2/activity-logs"}]}));
    let output = place.run(&["run", "--once"]);
    assert_eq!(output.status.code(), Some(0), "{}", log(&output));
    assert!(log(&output).contains("Administrator"), "{}", log(&output));
    assert_eq!(alert_steps(&events(&output.stdout)).len(), 1300);
}

#[test]
fn a_block_ends_once_at_once_and_the_next_run_stays_silent() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    simulated.post("/sim/faults", &json!({"rules": [{"kind": "block_html", "path": OPEN, "times": 1}]}));
    let output = place.run(&["run", "--once"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(log(&output).contains("block") && log(&output).contains("nothing is lost"), "{}", log(&output));
    let before = simulated.get("/sim/requests")["requests"].as_u64().unwrap();
    let again = place.run(&["run", "--once"]);
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(simulated.get("/sim/requests")["requests"].as_u64().unwrap(), before, "a blocked platform was asked");
}

#[test]
fn an_error_in_an_activity_page_is_a_failure_and_nothing_is_skipped() {
    under(&json!([{"kind": "activity_error", "text": "search failed", "times": 1}]), 0);
}

#[test]
fn two_accounts_with_one_uid_are_both_refused() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    let url = simulated.text("api_url");
    let second = account("again", url).replace("[sinks.stdout.console]\n", "");
    place.configure(&format!("{second}{}", account("acme", url)));
    let output = place.run(&["run", "--once"]);
    assert_eq!(output.status.code(), Some(1), "{}", log(&output));
    assert!(log(&output).contains("same"), "{}", log(&output));
    assert_eq!(events(&output.stdout).len(), 0, "both are refused");
}
