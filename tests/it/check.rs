//! `check`: all problems at once, and a line for each account and sink as soon as its result is there.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::once::still_world;
use crate::receiver::free_address;
use crate::simulated::Simulated;
use crate::workplace::{Workplace, account};

/// Every class of problems in one file: keys, secrets, certificates, folders, sections of a later version.
const ALL_WRONG: &str = r#"shutdown_timout = "30s"
[journal]
path = "gone/vintner.db"
[accounts.acme]
platform = "merlot"
api_key = { env = "NO_SUCH_KEY" }
api_secret = { file = "no-such-file" }
[sinks.file.archive]
path = "missing/events.ndjson"
[sinks.kafka.siem]
brokers = ["127.0.0.1:9092"]
tls = { ca_file = "no-such-ca.pem" }
[webhook]
listen = "127.0.0.1:8099"
secret = { env = "NO_SUCH_SECRET" }
"#;

#[test]
fn all_classes_of_problems_are_reported_at_once_in_the_order_of_the_file() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    place.configure(ALL_WRONG);
    let check = place.run(&["check"]);
    let text = String::from_utf8_lossy(&check.stderr);
    assert_eq!(check.status.code(), Some(2), "{text}");
    let expected = [
        ("1:1: error", "unknown key `shutdown_timout`"),
        ("3:8: error", "its folder gone does not exist"),
        ("6:11: warning", "NO_SUCH_KEY"),
        ("7:14: warning", "no-such-file"),
        ("9:8: error", "its folder missing does not exist"),
        ("12:19: warning", "no-such-ca.pem"),
        ("13:2: error", "not part of this version"),
    ];
    let mut rest = &*text;
    for (place, message) in expected {
        let at = rest.find(&format!("vintner.toml:{place}")).unwrap_or_else(|| panic!("{place} {message}: {text}"));
        rest = &rest[at..];
        assert!(rest.lines().next().unwrap().contains(message), "{message}: {rest}");
    }

    let check = place.run(&["check", "--json"]);
    assert_eq!((check.status.code(), check.stderr.len()), (Some(2), 0), "{}", String::from_utf8_lossy(&check.stderr));
    let report: Value = serde_json::from_slice(&check.stdout).unwrap();
    let problems = report["problems"].as_array().unwrap();
    assert!(problems.len() >= expected.len() && report["online"] == json!([]), "{report}");
    let first = json!({
        "severity": "error", "file": "./vintner.toml", "line": 1, "column": 1,
        "message": "unknown key `shutdown_timout` at the top", "hint": "did you mean `shutdown_timeout`?",
    });
    assert_eq!(problems[0], first);
}

#[test]
fn a_mapping_that_cannot_be_read_hides_no_other_problem() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "[orgs]\nfile = \"none.toml\"\n[admin]\nlistn = \"127.0.0.1:1\"\n");
    let check = place.run(&["check"]);
    let text = String::from_utf8_lossy(&check.stderr);
    assert_eq!(check.status.code(), Some(2), "{text}");
    assert!(text.contains("none.toml: cannot be read") && text.contains("unknown key `listn`"), "{text}");
}

#[test]
fn warnings_end_with_2_only_where_they_are_denied() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "[sinks.stdout.second]\n");
    assert_eq!(place.run(&["check"]).status.code(), Some(0));
    let denied = place.run(&["check", "--deny-warnings"]);
    let text = String::from_utf8_lossy(&denied.stderr);
    assert!(denied.status.code() == Some(2) && text.contains("1 warning, which --deny-warnings"), "{text}");
    let place = Workplace::new(&simulated, "");
    assert_eq!(place.run(&["check", "--deny-warnings"]).status.code(), Some(0));
}

/// One line for each account and sink, each text once, nothing that the command will not do; the slow ones delay no others.
#[test]
fn an_online_check_reports_each_account_and_sink_once_and_side_by_side() {
    let simulated = Simulated::start(&still_world());
    let (refused, silent) = (free_address(), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let slow = format!("[sinks.otlp.silent]\nendpoint = \"http://{}\"\n", silent.local_addr().unwrap());
    let others = format!(
        "[sinks.kafka.siem]\nbrokers = [\"{refused}\"]\n[sinks.otlp.collector]\nendpoint = \"http://{refused}\"\n{}",
        account("away", &format!("http://{refused}")).replace("[sinks.stdout.console]\n", "")
    );
    let place = Workplace::new(&simulated, &format!("{slow}{others}"));
    let began = Instant::now();
    let check = place.run(&["check", "--online", "--json"]);
    let took = began.elapsed();
    assert_eq!(check.status.code(), Some(1), "{}", String::from_utf8_lossy(&check.stderr));
    assert_eq!(check.stderr.len(), 0, "{}", String::from_utf8_lossy(&check.stderr));
    let report: Value = serde_json::from_slice(&check.stdout).unwrap();
    let online = report["online"].as_array().unwrap();
    let of = |kind: &str, name: &str| online.iter().find(|entry| entry[kind] == name).unwrap();
    assert_eq!(online.len(), 6, "{report}");
    let good = of("account", "acme");
    let all = "logged in, read one page of each of: open alerts, resolved alerts, sites, devices, activity log";
    assert_eq!((&good["ok"], &good["message"]), (&json!(true), &json!(all)));
    let away = of("account", "away")["message"].as_str().unwrap();
    assert!(away.starts_with(&format!("cannot reach {refused}: no connection: ")) && !away.contains("again"), "{away}");
    let siem = of("sink", "siem");
    assert!(siem["ok"] == false && siem["message"].as_str().unwrap().contains(&refused.to_string()), "{siem}");
    assert!(of("sink", "console")["ok"] == true && of("sink", "silent")["ok"] == false, "{report}");
    assert_eq!(online.last().unwrap()["sink"], "silent", "whoever is slow comes last: {report}");
    assert!(took < Duration::from_secs(45), "{took:?}");

    place.configure(&format!("{}{others}", account("acme", simulated.text("api_url"))));
    let text = String::from_utf8_lossy(&place.run(&["check", "--online"]).stderr).into_owned();
    for line in ["ok: account acme: ", "error: account away: ", "ok: sink console: ", "error: sink siem: "] {
        assert_eq!(text.lines().filter(|found| found.starts_with(line)).count(), 1, "{line}: {text}");
    }
    assert_eq!(text.matches("cannot reach").count(), 1, "each text once: {text}");
}

#[test]
fn a_refused_login_and_a_forbidden_list_name_their_account() {
    let simulated = Simulated::start(&still_world());
    simulated.post("/sim/faults", &json!({"rules": [{"kind": "forbidden", "path": "/api/v2/activity-logs"}]}));
    let place = Workplace::new(&simulated, "");
    let check = place.run(&["check", "--online"]);
    let text = String::from_utf8_lossy(&check.stderr);
    assert_eq!(check.status.code(), Some(0), "{text}");
    assert!(text.contains("warning: account acme: the API user may not read the list `activity log`: "), "{text}");
    let read = "ok: account acme: logged in, read one page of each of: open alerts, resolved alerts, sites, devices\n";
    assert!(text.contains(read), "{text}");
    assert_eq!(place.run(&["check", "--online", "--deny-warnings"]).status.code(), Some(2));

    let place = place.with_secret("wrong");
    let check = place.run(&["check", "--online"]);
    let text = String::from_utf8_lossy(&check.stderr);
    assert_eq!(check.status.code(), Some(1), "{text}");
    assert_eq!(text.matches("refused the login").count(), 1, "{text}");
    assert!(text.contains("error: account acme: ") && !text.contains("again"), "{text}");
}
