//! `vintner tail`: what sinks get is shown, nothing that they must not get, and nothing that a terminal would obey.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::once::still_world;
use crate::simulated::Simulated;
use crate::workplace::{Workplace, account, events, ids, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);
const ARCHIVE: &str = "[sinks.file.archive]\npath = \"events.ndjson\"\n";

fn tail(place: &Workplace, arguments: &[&str]) -> Vec<Value> {
    let output = place.run(&[&["tail", "--no-follow"], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    events(&output.stdout)
}

fn archived(place: &Workplace) -> Vec<Value> {
    events(&std::fs::read(place.path("events.ndjson")).unwrap_or_default())
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Writes `orgs.csv`: the first half of the sites to organizations `one` and `two` by turns, the others to nobody.
fn map_half(place: &Workplace, truth: &Value) {
    let mut rows = "id,name,site\n".to_owned();
    let sites = truth["sites"].as_array().unwrap();
    for (n, site) in sites.iter().take(sites.len() / 2).enumerate() {
        let (id, uid) = (["one", "two"][n % 2], site["uid"].as_str().unwrap());
        rows += &format!("{id},{id},{uid}\n");
    }
    std::fs::write(place.path("orgs.csv"), rows).unwrap();
}

/// Guarantee: beside a running instance everything that a sink gets is shown, once, in the order of each alert, with equal ids.
#[test]
fn a_live_world_is_shown_as_a_file_gets_it() {
    let mut world = still_world();
    for (key, rate) in [
        ("alert_rate_per_hour", 36_000.0),
        ("resolve_rate_per_hour", 36_000.0),
        ("activity_rate_per_hour", 36_000.0),
        ("inventory_rate_per_hour", 3_600.0),
    ] {
        world[key] = json!(rate);
    }
    let simulated = Simulated::start(&world);
    let place = Workplace::new(&simulated, "");
    let account = account("acme", simulated.text("api_url"));
    let text =
        format!("{account}{ARCHIVE}[accounts.acme.poll]\nalerts = \"1s\"\nactivity = \"1s\"\ninventory = \"2s\"\n");
    place.configure(&format!("{text}[orgs]\nfile = \"orgs.csv\"\n"));
    map_half(&place, &simulated.get("/sim/truth"));
    let mut running = place.spawn(&["run"], "out");
    wait_for(PATIENCE, || place.run(&["orgs", "list"]).status.success().then_some(()));
    let mut shown = place.spawn(&["tail", "--json", "--since", "1h"], "shown");
    let mut ones = place.spawn(&["tail", "--json", "--since", "1h", "--org", "one"], "ones");
    let mut raw = place.spawn(&["tail", "--raw", "--since", "1h"], "raw");
    wait_for(PATIENCE, || (archived(&place).len() > 2_500).then_some(()));
    signal(&running, "-TERM");
    assert_eq!(running.wait().unwrap().code(), Some(0));
    let kept = archived(&place);
    let read = |name: &str| events(&std::fs::read(place.path(name)).unwrap());
    let of_one = |all: &[Value]| {
        let of_one = all.iter().filter(|event| event["metadata"]["tenant_uid"] == "one");
        of_one.cloned().collect::<Vec<Value>>()
    };
    wait_for(PATIENCE, || {
        (read("shown").len() >= kept.len() && read("ones").len() >= of_one(&kept).len()).then_some(())
    });
    wait_for(PATIENCE, || (read("raw").len() >= kept.len()).then_some(()));
    for (child, name) in [(&mut shown, "-INT"), (&mut ones, "-TERM"), (&mut raw, "-HUP")] {
        signal(child, name);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{name}");
    }
    assert!(ids(&kept).values().all(|count| *count == 1));
    assert_eq!(ids(&read("shown")), ids(&kept));
    assert_eq!(steps(&read("shown")), steps(&kept));
    assert_eq!(ids(&read("ones")), ids(&of_one(&kept)), "exactly those of the organization");
    assert!(!of_one(&kept).is_empty() && of_one(&kept).len() < kept.len());
    let by_id: BTreeMap<String, Value> =
        kept.iter().map(|event| (event["metadata"]["uid"].as_str().unwrap().to_owned(), event.clone())).collect();
    for line in read("raw") {
        let event = &by_id[line["event_id"].as_str().unwrap()];
        assert_eq!(line["tenant_uid"], event["metadata"]["tenant_uid"], "{line}");
        assert!(line["source"].is_object() && line["envelope"]["path"].is_string(), "{line}");
    }
    assert_eq!(read("raw").len(), kept.len());
}

/// The order in which each alert's steps come.
fn steps(events: &[Value]) -> BTreeMap<String, Vec<String>> {
    let mut steps: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["class_uid"] == 2004) {
        let uid = event["finding_info"]["uid"].as_str().unwrap().to_owned();
        steps.entry(uid).or_default().push(event["metadata"]["uid"].as_str().unwrap().to_owned());
    }
    steps
}

/// Guarantee: a record of a site that nobody claims is shown under no organization, and only on demand.
#[test]
fn filters_are_exact_and_held_records_show_only_as_held() {
    let simulated = Simulated::start(&still_world());
    let truth = simulated.get("/sim/truth");
    let place = Workplace::new(&simulated, "");
    let missing = place.run(&["tail", "--no-follow"]);
    assert_eq!(missing.status.code(), Some(1), "there is no journal yet");
    assert!(String::from_utf8_lossy(&missing.stderr).contains("there is no journal"));
    let account = account("acme", simulated.text("api_url"));
    place.configure(&format!("{account}{ARCHIVE}[orgs]\nfile = \"orgs.csv\"\n"));
    map_half(&place, &truth);
    place.once();
    let kept = archived(&place);
    let all = tail(&place, &["--json", "-n", "1000000"]);
    assert_eq!(ids(&all), ids(&kept));
    let last: Vec<Value> = all.iter().rev().take(10).rev().cloned().collect();
    assert_eq!(ids(&tail(&place, &["--json"])), ids(&last), "without -n the last ten");
    assert_eq!(tail(&place, &["--json", "-n", "0"]).len(), 0);

    let of = |wanted: &dyn Fn(&Value) -> bool| {
        ids(&all.iter().filter(|event| wanted(event)).cloned().collect::<Vec<Value>>())
    };
    let many = "1000000";
    let low = tail(&place, &["--json", "-n", many, "--severity", "medium", "--stream", "alerts"]);
    let is_alert = |event: &Value| event["metadata"]["type"] == "alert";
    assert_eq!(
        ids(&low),
        of(&|event| is_alert(event) && !matches!(event["severity_id"].as_u64(), Some(1 | 2))),
        "unknown severities pass as in a route"
    );
    let two = tail(&place, &["--json", "-n", "25", "--org", "two"]);
    assert_eq!(two.len(), 25, "the last 25 of the organization, not those among the last 25");
    assert!(two.iter().all(|event| event["metadata"]["tenant_uid"] == "two"));
    assert_eq!(place.run(&["tail", "--org", "tw"]).status.code(), Some(2), "an id is compared whole");
    assert_eq!(tail(&place, &["--json", "-n", many, "--account", "acme"]).len(), all.len());
    assert_eq!(place.run(&["tail", "--account", "nobody"]).status.code(), Some(2));
    assert_eq!(place.run(&["tail", "--stream", "nothing"]).status.code(), Some(2));

    let status: Value = serde_json::from_slice(&place.run(&["status", "--json"]).stdout).unwrap();
    let held = status["journal"]["held_records"].as_u64().unwrap();
    let raw = tail(&place, &["--raw", "--held", "-n", many]);
    let (waiting, others): (Vec<Value>, Vec<Value>) = raw.into_iter().partition(|line| line["held"].is_string());
    assert_eq!((waiting.len() as u64, others.len()), (held, all.len()));
    let mapped: BTreeSet<&str> =
        truth["sites"].as_array().unwrap().iter().take(4).map(|site| site["uid"].as_str().unwrap()).collect();
    for line in &waiting {
        assert!(line["tenant_uid"].is_null() && line["lane"].is_null(), "{line}");
        let site = line["envelope"]["site"]["uid"].as_str().unwrap_or_default();
        assert!(!mapped.contains(site), "{line}");
    }
    for refused in [["--held", "--org=one"], ["--held", "--json"], ["--raw", "--json"], ["-n=1", "--since=1h"]] {
        assert_eq!(place.run(&[&["tail"][..], &refused].concat()).status.code(), Some(2), "{refused:?}");
    }

    // A site that loses its organization after its records were taken in: no sink gets them any more, and nobody sees them here.
    std::fs::write(place.path("orgs.csv"), "id,name,site\none,one,nowhere\n").unwrap();
    place.once();
    let left = tail(&place, &["--json", "-n", many]);
    assert!(left.iter().all(|event| event["metadata"]["tenant_uid"] == "msp"), "only what names no site");
    let lines = place.run(&["tail", "--no-follow", "--held", "-n", many]);
    let text = String::from_utf8_lossy(&lines.stdout).into_owned();
    assert_eq!(text.lines().filter(|line| line.contains("  (held)  ")).count() + left.len(), all.len() + waiting.len());
}

/// Safety: what devices and scripts write does not steer the terminal of who looks at it.
#[test]
fn hostile_text_is_shown_as_text_and_a_closed_pipe_ends_quietly() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, ARCHIVE);
    let device = simulated.get("/sim/truth")["devices"][0]["uid"].clone();
    let text = "\u{1b}]0;owned\u{7}\u{1b}[2J\r\n2026-01-01T00:00:00Z  Critical  faked line \u{9b}31m\u{202e}";
    simulated.post(
        "/sim/events",
        &json!([
            {"kind": "rename_device", "device": device, "name": format!("SRV{text}")},
            {"kind": "open_alert", "device": device, "priority": "Critical", "diagnostics": text,
             "context": {"@class": "custom_ctx", "message": text, "samples": {text: text}}},
        ]),
    );
    place.once();
    for form in [&["-n", "100000"][..], &["-n", "100000", "--json"], &["-n", "100000", "--raw"]] {
        let output = place.run(&[&["tail", "--no-follow"], form].concat());
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(printed.contains("owned"), "it is shown");
        let obeyed = printed.chars().find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202e}'));
        assert_eq!(obeyed, None, "{form:?}");
        assert_eq!(printed.lines().count(), archived(&place).len(), "one line each: {form:?}");
    }
    assert_eq!(ids(&tail(&place, &["--json", "-n", "100000"])), ids(&archived(&place)), "and the JSON means the same");

    let mut child =
        place.command(&["tail", "-n", "100000"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    lines.read_line(&mut String::new()).unwrap();
    drop(lines);
    let code = wait_for(PATIENCE, || child.try_wait().unwrap());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((code.code(), said.as_str()), (Some(0), ""));

    // Nothing is printed, and the reader goes away all the same; with a reader, or into a file, it waits on.
    let quiet = || place.command(&["tail", "-n", "0"]).stdout(Stdio::piped()).spawn().unwrap();
    let (mut left, mut kept, mut filed) = (quiet(), quiet(), place.spawn(&["tail", "-n", "0"], "filed"));
    drop(left.stdout.take());
    assert_eq!(wait_for(PATIENCE, || left.try_wait().unwrap()).code(), Some(0));
    std::thread::sleep(Duration::from_secs(1));
    for child in [&mut kept, &mut filed] {
        assert!(child.try_wait().unwrap().is_none());
        signal(child, "-INT");
        assert_eq!(wait_for(PATIENCE, || child.try_wait().unwrap()).code(), Some(0));
    }

    // Nobody reads, the pipe is full: a signal still ends it.
    let mut child = place.command(&["tail", "-n", "100000", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert!(child.try_wait().unwrap().is_none());
    signal(&child, "-INT");
    assert_eq!(wait_for(PATIENCE, || child.try_wait().unwrap()).code(), Some(0));
}
