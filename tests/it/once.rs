//! `run --once` against a simulated account: everything once, then only what is new.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::simulated::Simulated;
use crate::workplace::{Workplace, account, alert_steps, events, ids};

/// A world without events of its own but with a past.
pub(crate) fn still_world() -> Value {
    json!({
        "sites": 8, "devices": 60, "open_alerts": 700, "resolved_alerts": 600, "activity_history": 900, "history_days": 3,
        "alert_rate_per_hour": 0.0, "resolve_rate_per_hour": 0.0, "update_rate_per_hour": 0.0,
        "activity_rate_per_hour": 0.0, "inventory_rate_per_hour": 0.0, "reopen_share": 0.0, "activity_delay_max_ms": 0
    })
}

fn uids(truth: &Value, list: &str, key: &str) -> BTreeSet<String> {
    truth[list].as_array().unwrap().iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
}

/// Every activity row was emitted, but for those that name no site, of which a device was named: gives their number.
fn check_emitted(emitted: &BTreeSet<String>, truth: &Value) -> u64 {
    let rows = truth["activities"].as_array().unwrap().iter().filter(|row| row["shown"] != false);
    let missing: Vec<&Value> = rows.filter(|row| !emitted.contains(row["id"].as_str().unwrap())).collect();
    assert!(missing.iter().all(|row| row["entity"] == "USER" && row["site"].is_null()), "{missing:?}");
    missing.len() as u64
}

fn held(place: &Workplace) -> u64 {
    let status = place.run(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    status["journal"]["held_records"].as_u64().unwrap()
}

#[test]
fn every_record_arrives_once_and_a_second_run_prints_only_what_is_new() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    let first = place.once();
    let truth = simulated.get("/sim/truth");

    assert!(ids(&first).values().all(|n| *n == 1), "an event came twice");
    let steps = alert_steps(&first);
    for alert in truth["alerts"].as_array().unwrap() {
        let expected: &[i64] = match alert["state"].as_str().unwrap() {
            "open" => &[1],
            "resolved" => &[1, 3],
            _ => continue,
        };
        let uid = alert["uid"].as_str().unwrap();
        assert_eq!(steps.get(uid).map(Vec::as_slice), Some(expected), "alert {uid}");
    }
    let activity: BTreeSet<String> = first
        .iter()
        .filter(|event| event["metadata"]["log_name"] == "datto_rmm.activity")
        .map(|event| event["metadata"]["original_event_uid"].as_str().unwrap().to_owned())
        .collect();
    let waiting = check_emitted(&activity, &truth);
    assert_eq!(waiting, held(&place), "rows of devices that nobody had seen at that time are held");
    assert!(waiting < activity.len() as u64 / 5, "{waiting}");
    for (class, list) in [(5001, "devices"), (5023, "sites")] {
        let items = first.iter().filter(|event| event["class_uid"] == class);
        let items: Vec<_> = items.map(|event| event["metadata"]["original_event_uid"].as_str().unwrap()).collect();
        assert_eq!(items.len(), truth[list].as_array().unwrap().len(), "each of the {list} once");
        assert_eq!(items.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), uids(&truth, list, "uid"));
    }

    assert_eq!(place.once().len(), 0, "nothing is new");

    let device = truth["alerts"][0]["device"].as_str().unwrap();
    let created = simulated.post("/sim/events", &json!([{"kind": "open_alert", "device": device}]));
    let news = place.once();
    assert_eq!(news.len(), 1, "{created}");
    assert_eq!(news[0]["activity_id"], 1);
}

#[test]
fn a_pass_over_lists_that_stand_still_reads_each_page_once() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    for pass in 1..=2 {
        place.once();
        let paths = &simulated.get("/sim/requests")["paths"];
        assert_eq!(paths["/api/v2/account/alerts/open"]["requests"], 3 * pass, "{paths}");
        assert_eq!(paths["/api/v2/account/alerts/resolved"]["requests"], 3 * pass, "{paths}");
    }
}

#[test]
fn every_event_names_the_site_and_the_organization() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    for event in place.once() {
        let tags = event["metadata"]["tags"].as_array().unwrap();
        let tag = |name: &str| tags.iter().find(|tag| tag["name"] == name).map(|tag| tag["value"].clone());
        assert_eq!(tag("datto.account_uid"), Some(simulated.hello["account_uid"].clone()));
        let tenant = event["metadata"]["tenant_uid"].clone();
        match tag("datto.site_uid") {
            Some(site) => assert_eq!(tenant, site, "without [orgs] a site is its own organization"),
            None => assert_eq!(tenant, "msp", "{event}"),
        }
    }
}

#[test]
fn a_closed_reader_ends_quietly_and_loses_nothing() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    let whole =
        format!("{} run --once | head -n 100 > first; echo ${{PIPESTATUS[0]}} > code", env!("CARGO_BIN_EXE_vintner"));
    let mut shell = std::process::Command::new("bash");
    let template = place.command(&[]);
    shell
        .args(["-c", &whole])
        .current_dir(place.path("."))
        .envs(template.get_envs().filter_map(|(k, v)| Some((k, v?))));
    assert!(shell.status().unwrap().success());
    assert_eq!(std::fs::read_to_string(place.path("code")).unwrap().trim(), "0");
    let mut all = events(&std::fs::read(place.path("first")).unwrap());
    assert_eq!(all.len(), 100);
    // What the pipe had accepted and `head` did not read is gone with the pipe: only a file or a broker can confirm.
    all.extend(place.once());
    assert!(ids(&all).values().all(|n| *n == 1), "nothing is told twice when the reader closes");
}

#[test]
fn a_file_keeps_every_event_and_two_sinks_do_not_wait_for_each_other() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "[sinks.file.archive]\npath = \"events.ndjson\"\n");
    let printed = place.once();
    let kept = events(&std::fs::read(place.path("events.ndjson")).unwrap());
    assert_eq!(ids(&printed).keys().collect::<Vec<_>>(), ids(&kept).keys().collect::<Vec<_>>());

    place.configure(&format!(
        "shutdown_timeout = \"1s\"\n{}\n[sinks.file.archive]\npath = \"events.ndjson\"\n[sinks.file.broken]\npath = \"no/such/folder/file\"\n",
        account("acme", simulated.text("api_url"))
    ));
    let output = place.run(&["run", "--once"]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "a sink without progress fails --once: {log}");
    assert!(log.contains("broken") && log.contains("no/such/folder"), "{log}");
}

#[test]
fn the_lists_may_move_while_they_are_read() {
    let mut world = still_world();
    for (key, rate) in
        [("alert_rate_per_hour", 36_000.0), ("resolve_rate_per_hour", 36_000.0), ("activity_rate_per_hour", 36_000.0)]
    {
        world[key] = json!(rate);
    }
    let simulated = Simulated::start(&world);
    let place = Workplace::new(&simulated, "");
    let mut all = place.once();
    for _ in 0..3 {
        all.extend(place.once());
    }
    assert!(ids(&all).values().all(|n| *n == 1), "an event came twice");
    let truth = simulated.get("/sim/truth");
    let steps = alert_steps(&all);
    for alert in truth["alerts"].as_array().unwrap() {
        let uid = alert["uid"].as_str().unwrap();
        if alert["shown_resolved"] == true {
            let told = steps.get(uid).unwrap_or_else(|| panic!("alert {uid} was shown and never told"));
            assert_eq!((told.first(), told.last()), (Some(&1), Some(&3)), "alert {uid}: {told:?}");
        } else if alert["shown_open"] == true {
            assert!(steps.contains_key(uid), "alert {uid} was shown open and never told");
        }
    }
    let emitted = all.iter().filter_map(|event| Some(event["metadata"]["original_event_uid"].as_str()?.to_owned()));
    assert_eq!(check_emitted(&emitted.collect(), &truth), held(&place));
}

/// A Kafka sink whose broker never answers may turn out to be stopped, so that its opening is waited for, but not for ever.
#[test]
fn a_sink_without_an_outcome_of_its_opening_fails_the_run_although_nothing_waits() {
    let simulated = Simulated::start(&still_world());
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Workplace::new(&simulated, "");
    place.once();
    let broker = silent.local_addr().unwrap();
    let more = format!("[sinks.kafka.siem]\nbrokers = [\"{broker}\"]\ntopic = \"t\"\nfrom = \"now\"\n");
    let config = std::fs::read_to_string(place.path("vintner.toml")).unwrap();
    place.configure(&format!("shutdown_timeout = \"2s\"\n{config}\n{more}"));
    let output = place.run(&["run", "--once"]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains("sink siem was not opened in time"), "{log}");
}
