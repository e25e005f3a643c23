//! Kafka, exactly once, over SIGKILLs of vintner and of the broker: nothing lost, nothing repeated.

use std::time::Duration;

use serde_json::{Value, json};

use super::broker::Broker;
use super::number;
use super::verify::verify;
use crate::crash::{assert_told, epoch_ms};
use crate::simulated::Simulated;
use crate::workplace::{Workplace, alert_steps, ids};

/// A world that changes all the time, without what nobody could tell after a kill (see `crash.rs`).
pub(super) fn live_world(seed: u64) -> Value {
    json!({
        "seed": seed, "sites": 5, "devices": 30, "open_alerts": 400, "resolved_alerts": 300, "activity_history": 500,
        "vanish_share": 0.0, "reopen_share": 0.0, "history_days": 2, "alert_rate_per_hour": 8_000.0,
        "resolve_rate_per_hour": 8_000.0, "update_rate_per_hour": 3_000.0, "activity_rate_per_hour": 12_000.0,
        "activity_delay_max_ms": 500, "request_limit": 100_000
    })
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn nothing_is_lost_and_nothing_is_repeated_over_kills_of_both_ends() {
    let (kills, broker_kills) = (number("VINTNER_KILLS", 20), number("VINTNER_BROKER_KILLS", 3));
    let seed = number("VINTNER_SEED", 11);
    println!("kills {kills} broker kills {broker_kills} seed {seed}");
    let mut broker = Broker::start();
    let simulated = Simulated::start(&live_world(seed));
    let topic = format!("kills-{seed}");
    let sink = format!(
        "[sinks.kafka.siem]\nbrokers = [\"{}\"]\ntopic = \"{topic}\"\noffsets_topic = \"{topic}.offsets\"\ncreate_topics = true\n",
        broker.endpoint
    );
    let place = Workplace::new(
        &simulated,
        &format!("{sink}[accounts.acme.poll]\nalerts = \"1s\"\nactivity = \"1s\"\ninventory = \"20s\"\n"),
    );
    let mut random = fastrand::Rng::with_seed(seed);
    let every = (kills / broker_kills.max(1)).max(1);
    for kill in 0..kills {
        let mut child = place.spawn(&["run"], "out");
        std::thread::sleep(Duration::from_millis(random.u64(200..5000)));
        if broker_kills > 0 && kill % every == every - 1 {
            broker.crash(Duration::from_millis(random.u64(0..3000)));
            std::thread::sleep(Duration::from_millis(random.u64(0..5000)));
        }
        child.kill().expect("SIGKILL");
        child.wait().expect("reaped");
    }
    let settled = epoch_ms();
    place.once();
    let events = broker.events(&topic);
    let repeated = ids(&events).values().filter(|count| **count > 1).count();
    println!("{} events, {repeated} repeated", events.len());
    assert_eq!(repeated, 0, "events came twice");
    assert_told(&events, &simulated.get("/sim/truth"), settled);
    for (alert, steps) in alert_steps(&events) {
        assert_eq!(steps.first(), Some(&1), "alert {alert}: {steps:?}");
        assert!(!steps.contains(&3) || steps.last() == Some(&3), "alert {alert}: {steps:?}");
    }
    assert_eq!(broker.count_by_console_consumer(&topic), events.len(), "Kafka's own consumer agrees");
    let (code, report, said) = verify(&place);
    println!("verify: {report}");
    assert_eq!((code, &report["lost"], &report["repeated"]), (0, &json!(0), &json!(0)), "{report} {said}");
    assert_eq!((&report["found"], &report["sent"]), (&json!(events.len()), &json!(events.len())), "{report}");
}
