//! `check --online --probe`: a report that can be pasted.

use serde_json::{Value, json};

use crate::simulated::Simulated;
use crate::workplace::Workplace;

#[test]
fn a_probe_prints_forms_and_no_value_of_the_account() {
    let simulated = Simulated::start(&json!({"sites": 6, "devices": 30, "open_alerts": 20, "resolved_alerts": 30}));
    let place = Workplace::new(&simulated, "");
    let output = place.run(&["check", "--online", "--probe"]);
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        report.starts_with(concat!("vintner ", env!("CARGO_PKG_VERSION"), ", probe of account 1 of 1")),
        "{report}"
    );
    for part in ["resolved alerts", "order by resolvedOn", "falling", "decimal seconds", "absent"] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let truth = simulated.get("/sim/truth");
    let mut values: Vec<&str> = ["account_uid", "api_key", "api_secret"].map(|key| simulated.text(key)).to_vec();
    for (list, keys) in [("sites", &["uid", "name"][..]), ("devices", &["uid", "hostname"]), ("alerts", &["uid"])] {
        let rows = truth[list].as_array().unwrap();
        assert!(rows.len() > 5);
        values.extend(rows.iter().flat_map(|row| keys.iter().filter_map(|key| row.get(key).and_then(Value::as_str))));
    }
    assert!(values.len() > 100, "{}", values.len());
    let text = format!("{report}{}", String::from_utf8_lossy(&output.stdout));
    for value in values.into_iter().chain(["acme", "127.0.0.1", "planted-secret"]) {
        assert!(!text.contains(value), "{value}: {text}");
    }
    let requests = simulated.get("/sim/requests")["requests"].as_u64().unwrap();
    assert!(requests <= 25 + 6, "{requests}: the probe, and what `check --online` asks anyway");
}

#[test]
fn a_probe_is_a_part_of_the_online_check() {
    let simulated = Simulated::start(&json!({"sites": 3}));
    let place = Workplace::new(&simulated, "");
    let output = place.run(&["check", "--probe"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--online"));
    assert_eq!(place.run(&["check", "--online"]).stdout, b"", "no report unless it is asked for");

    let refused = place.with_secret("wrong").run(&["check", "--online", "--probe"]);
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0));
}
