//! OTLP into the Collector: nothing lost, over both protocols and every encoding, over kills of both ends.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::collector::Collector;
use super::number;
use crate::simulated::Simulated;
use crate::workplace::{Workplace, events, ids};

/// A file that keeps the same events beside the OTLP sink: the oracle.
const ARCHIVE: &str = "[sinks.file.archive]\npath = \"events.ndjson\"\n";

/// A still world whose events a test can read back quickly, six times over.
fn small_world() -> Value {
    let mut world = crate::once::still_world();
    for (key, count) in [("open_alerts", 120), ("resolved_alerts", 100), ("activity_history", 200)] {
        world[key] = json!(count);
    }
    world
}

fn archived(place: &Workplace) -> Vec<Value> {
    events(&std::fs::read(place.path("events.ndjson")).unwrap())
}

#[test]
#[ignore = "needs the OpenTelemetry Collector: tests/engines/run"]
fn every_event_arrives_over_both_protocols_and_every_encoding() {
    let collector = Collector::start("otlp-plain", &[]);
    let simulated = Simulated::start(&small_world());
    let mut sinks = String::from(ARCHIVE);
    for (protocol, port) in [("grpc", collector.grpc), ("http", collector.http)] {
        for compression in ["gzip", "zstd", "none"] {
            sinks += &format!(
                "[sinks.otlp.{protocol}-{compression}]\nendpoint = \"http://127.0.0.1:{port}\"\nprotocol = \"{protocol}\"\ncompression = \"{compression}\"\n"
            );
        }
    }
    let place = Workplace::new(&simulated, &sinks);
    place.once();
    let expected = ids(&archived(&place));
    let arrived = collector.ids();
    assert!(expected.len() > 400, "{}", expected.len());
    assert_eq!(arrived.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    assert!(arrived.values().all(|count| *count >= 6), "six sinks, each at least once");
    let record = collector.records().into_iter().find(|record| record["eventName"] == "ocsf.detection_finding");
    assert!(record.unwrap()["body"]["kvlistValue"]["values"].as_array().unwrap().len() > 10);
}

#[test]
#[ignore = "needs the OpenTelemetry Collector: tests/engines/run"]
fn mutual_tls_a_token_and_the_other_bodies() {
    let environment = [("TLS", "mutual"), ("AUTH", "s3cr3t")];
    let collector = Collector::start("otlp-tls", &environment);
    let simulated = Simulated::start(&small_world());
    let tls = format!(
        "tls = {{ ca_file = \"{}\", cert_file = \"{}\", key_file = \"{}\" }}",
        collector.file("tls/ca.pem"),
        collector.file("tls/client.pem"),
        collector.file("tls/client.key")
    );
    let sink = |name: &str, more: &str| {
        format!(
            "[sinks.otlp.{name}]\nendpoint = \"https://127.0.0.1:{}\"\nbody = \"{name}\"\n{tls}\n{more}\n",
            collector.grpc
        )
    };
    let token = "headers = { authorization = { file = \"token\" } }";
    let place = Workplace::new(&simulated, &format!("{ARCHIVE}{}{}", sink("json", token), sink("message", token)));
    std::fs::write(place.path("token"), "Bearer s3cr3t\n").unwrap();
    place.once();
    let arrived = collector.ids();
    assert_eq!(arrived.keys().collect::<Vec<_>>(), ids(&archived(&place)).keys().collect::<Vec<_>>());
    assert!(arrived.values().all(|count| *count >= 2));

    // A wrong token is a sink that is down: told, nothing given up.
    std::fs::write(place.path("token"), "Bearer wrong\n").unwrap();
    let device = simulated.get("/sim/truth")["alerts"][0]["device"].clone();
    simulated.post("/sim/events", &json!([{"kind": "open_alert", "device": device}]));
    let configuration = std::fs::read_to_string(place.path("vintner.toml")).unwrap();
    place.configure(&format!("shutdown_timeout = \"3s\"\n{configuration}"));
    let output = place.run(&["run", "--once"]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains("UNAUTHENTICATED") && !log.contains("Bearer wrong"), "{log}");
    std::fs::write(place.path("token"), "Bearer s3cr3t\n").unwrap();
    place.once();
    assert_eq!(collector.ids().len(), arrived.len() + 1);
}

#[test]
#[ignore = "needs the OpenTelemetry Collector: tests/engines/run"]
fn a_receiver_with_a_small_limit_gets_everything_in_parts() {
    let collector = Collector::start("otlp-small", &[("MAX_MIB", "1")]);
    let simulated = Simulated::start(&crate::once::still_world());
    let sink = |name: &str, port: u16| {
        format!("[sinks.otlp.{name}]\nendpoint = \"http://127.0.0.1:{port}\"\nprotocol = \"{name}\"\n")
    };
    let place = Workplace::new(
        &simulated,
        &format!("{ARCHIVE}{}{}", sink("grpc", collector.grpc), sink("http", collector.http)),
    );
    place.once();
    let arrived = collector.ids();
    assert_eq!(arrived.keys().collect::<Vec<_>>(), ids(&archived(&place)).keys().collect::<Vec<_>>());
    assert!(arrived.values().all(|count| *count >= 2), "two sinks, each at least once");
}

#[test]
#[ignore = "needs the OpenTelemetry Collector: tests/engines/run"]
fn nothing_is_lost_over_kills_of_both_ends() {
    let (kills, collector_kills) = (number("VINTNER_KILLS", 20), number("VINTNER_BROKER_KILLS", 3));
    let seed = number("VINTNER_SEED", 5);
    println!("kills {kills} collector kills {collector_kills} seed {seed}");
    let mut collector = Collector::start("otlp-kills", &[]);
    let simulated = Simulated::start(&super::kafka_crash::live_world(seed));
    let place = Workplace::new(
        &simulated,
        &format!(
            "{ARCHIVE}[sinks.otlp.collector]\nendpoint = \"http://127.0.0.1:{}\"\n[accounts.acme.poll]\nalerts = \"1s\"\nactivity = \"1s\"\n",
            collector.grpc
        ),
    );
    let mut random = fastrand::Rng::with_seed(seed);
    for kill in 0..kills {
        let mut child = place.spawn(&["run"], "out");
        std::thread::sleep(Duration::from_millis(random.u64(300..2500)));
        if kill % (kills / collector_kills.max(1)).max(1) == 0 {
            collector.crash(Duration::from_millis(random.u64(0..1000)));
            std::thread::sleep(Duration::from_millis(random.u64(300..2500)));
        }
        child.kill().expect("SIGKILL");
        child.wait().expect("reaped");
    }
    place.once();
    let arrived = collector.ids();
    let lost: BTreeSet<_> = ids(&archived(&place)).into_keys().filter(|id| !arrived.contains_key(id)).collect();
    assert!(lost.is_empty(), "{} lost: {lost:?}", lost.len());
    let repeats: usize = arrived.values().map(|count| count - 1).sum();
    println!("{} records, 0 lost, {repeats} repeated with equal ids", arrived.len());
}
