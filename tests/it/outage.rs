//! A sink that is away while the world goes on: the journal keeps what it misses, the process does not grow, the status and the log
//! say so, and afterwards everything arrives in order.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::receiver::{Receiver, free_address};
use crate::simulated::Simulated;
use crate::workplace::{Workplace, events, ids, wait_for};

/// How long nobody listens, once the first pass is over; `VINTNER_AWAY_SECONDS` asks for more.
const AWAY_SECONDS: u64 = 8;
/// By how much the process may grow meanwhile, in KiB: SQLite's page caches fill (16 MiB of the writer, 2 MiB of each reader), and
/// alerts that are open are remembered. Not by the length of the absence: with 60 s it is no more than with 8 s.
const MOST_GROWTH_KIB: u64 = 40 * 1024;

#[test]
fn a_sink_away_costs_the_journal_room_and_nothing_else() {
    let away = std::env::var("VINTNER_AWAY_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(AWAY_SECONDS);
    let simulated = Simulated::start(&json!({
        "seed": 3, "sites": 5, "devices": 40, "open_alerts": 1500, "resolved_alerts": 500, "activity_history": 1500,
        "history_days": 2, "alert_rate_per_hour": 60_000.0, "resolve_rate_per_hour": 40_000.0,
        "update_rate_per_hour": 40_000.0, "activity_rate_per_hour": 60_000.0, "activity_delay_max_ms": 300,
        "vanish_share": 0.0, "request_limit": 100_000
    }));
    let (address, admin) = (free_address(), free_address());
    let place = Workplace::new(
        &simulated,
        &format!(
            "[sinks.file.archive]\npath = \"events.ndjson\"\n\
             [sinks.otlp.collector]\nendpoint = \"http://{address}\"\nprotocol = \"http\"\ncompression = \"none\"\nbody = \"json\"\n\
             [admin]\nlisten = \"{admin}\"\n[accounts.acme.poll]\nalerts = \"1s\"\nactivity = \"1s\"\n"
        ),
    );
    let (out, log) = (File::create(place.path("out")).unwrap(), File::create(place.path("log")).unwrap());
    let mut child = place.command(&["run"]).stdout(out).stderr(log).spawn().unwrap();

    let (first, since) = wait_for(Duration::from_secs(60), || {
        let report = report(&place)?;
        let sink = sink(&report, "collector");
        let is_behind = sink["backlog"].as_u64()? > 3000 && sink["failing_since"].is_number();
        (is_behind && sink_is_near_its_end(&report, "archive")).then(|| (sink.clone(), sink["failing_since"].clone()))
    });
    assert!(first["last_error"].as_str().unwrap().contains("no connection"), "{first}");
    let human = String::from_utf8(place.run(&["status"]).stdout).unwrap();
    assert!(human.contains("down for") && human.contains("no connection"), "{human}");
    let journal = |report: &Value| report["journal"]["used_bytes"].as_u64().unwrap();
    let before = (report(&place).as_ref().map(journal).unwrap(), resident_kib(&child));
    let (began, mut most) = (Instant::now(), before.1);
    while began.elapsed() < Duration::from_secs(away) {
        std::thread::sleep(Duration::from_millis(200));
        most = most.max(resident_kib(&child));
    }
    let later = report(&place).unwrap();
    let sink = sink(&later, "collector");
    println!("{first} then {sink}; journal {} then {}; {} then {most} KiB", before.0, journal(&later), before.1);
    assert_eq!(sink["failing_since"], since, "one absence");
    assert!(sink["backlog"].as_u64() > first["backlog"].as_u64(), "collecting goes on: {sink}");
    assert!(journal(&later) > before.0, "the journal is the buffer");
    assert!(sink_is_near_its_end(&later, "archive"), "other sinks do not wait: {later}");
    assert!(most < before.1 + MOST_GROWTH_KIB, "the process grew from {} to {most} KiB", before.1);

    let receiver = Receiver::start(address);
    wait_for(Duration::from_secs(120), || {
        let report = report(&place)?;
        sink_is_near_its_end(&report, "collector").then_some(())
    });
    end(&mut child);
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    let told = |text: &str| log.lines().any(|line| line.contains(text) && line.contains("collector"));
    assert!(told("sink is down") && log.contains("backlog") && told("sink works again"), "{log}");
    place.once();

    let (archived, arrived) = (events(&std::fs::read(place.path("events.ndjson")).unwrap()), receiver.events());
    assert!(ids(&arrived).values().all(|count| *count == 1), "nobody took anything meanwhile, so nothing comes again");
    assert_eq!(ids(&arrived), ids(&archived));
    assert_eq!(by_subject(&arrived), by_subject(&archived), "each alert's and each device's events are in order");
}

fn report(place: &Workplace) -> Option<Value> {
    serde_json::from_slice(&place.run(&["status", "--json"]).stdout).ok()
}

fn sink<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["sinks"].as_array().unwrap().iter().find(|sink| sink["name"] == name).unwrap()
}

/// A page or two may be under way at any moment.
fn sink_is_near_its_end(report: &Value, name: &str) -> bool {
    let sink = sink(report, name);
    sink["failing_since"].is_null() && sink["backlog"].as_u64().is_some_and(|backlog| backlog < 600)
}

fn resident_kib(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

pub(crate) fn end(child: &mut Child) {
    let killed = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let code = wait_for(Duration::from_secs(40), || child.try_wait().unwrap());
    assert_eq!(code.code(), Some(0));
}

/// The ids of each alert's and of each device's events, in order.
fn by_subject(events: &[Value]) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in events {
        let id = event["metadata"]["uid"].as_str().unwrap();
        let keys = [&event["finding_info"]["uid"], &event["device"]["uid"]].map(Value::as_str);
        for key in keys.into_iter().flatten() {
            found.entry(key.to_owned()).or_default().push(id.to_owned());
        }
    }
    found
}
