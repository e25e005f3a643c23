//! Kafka, exactly once: what arrives, and every way in which journal and broker can come to differ.

use std::time::Duration;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::json;

use super::broker::Broker;
use crate::once::still_world;
use crate::simulated::Simulated;
use crate::workplace::{Workplace, alert_steps, ids, wait_for};

/// A sink into `topic`; its positions go into `<topic>.offsets`.
fn sink(broker: &Broker, topic: &str, more: &str) -> String {
    format!(
        "[sinks.kafka.siem]\nbrokers = [\"{}\"]\ntopic = \"{topic}\"\noffsets_topic = \"{topic}.offsets\"\ncreate_topics = true\n{more}\n",
        broker.endpoint
    )
}

/// Runs `run --once`, which must fail, and gives its log.
fn fails(place: &Workplace) -> String {
    let output = place.run(&["run", "--once"]);
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{log}");
    log
}

pub(super) fn open_an_alert(simulated: &Simulated) {
    let device = simulated.get("/sim/truth")["alerts"][0]["device"].clone();
    simulated.post("/sim/events", &json!([{"kind": "open_alert", "device": device}]));
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn every_event_arrives_once_with_its_key_time_and_headers() {
    let broker = Broker::start();
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, &sink(&broker, "plain", ""));
    let printed = place.once();
    let reads = broker.committed("plain");
    assert_eq!(reads.len(), printed.len());
    for read in &reads {
        let header = |name: &str| read.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let event = &read.event;
        assert_eq!(header("ce_id"), event["metadata"]["uid"].as_str());
        assert_eq!(header("ce_tenantuid"), event["metadata"]["tenant_uid"].as_str());
        assert_eq!(header("ce_partitionkey"), Some(read.key.as_str()));
        assert_eq!(header("vintner-replay"), None);
        assert_eq!(Some(read.timestamp), event["metadata"]["logged_time"].as_i64());
        if let Some(device) = event["device"]["uid"].as_str() {
            assert_eq!(read.key, device);
        }
    }
    let events: Vec<_> = reads.into_iter().map(|read| read.event).collect();
    assert_eq!(ids(&events), ids(&printed));
    assert_eq!(alert_steps(&events), alert_steps(&printed), "one alert's events keep their order");

    assert_eq!(place.once().len(), 0);
    assert_eq!(broker.events("plain").len(), events.len(), "nothing is new");
    open_an_alert(&simulated);
    place.once();
    assert_eq!(broker.events("plain").len(), events.len() + 1);
    assert_eq!(broker.count_by_console_consumer("plain"), events.len() + 1, "Kafka's own consumer agrees");
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn a_missing_topic_is_told_and_never_made_unasked() {
    let broker = Broker::start();
    let simulated = Simulated::start(&still_world());
    let more = format!(
        "[sinks.kafka.siem]\nbrokers = [\"{}\"]\ntopic = \"nowhere\"\noffsets_topic = \"nowhere.offsets\"\n",
        broker.endpoint
    );
    let place = Workplace::new(&simulated, &more);
    let configuration = std::fs::read_to_string(place.path("vintner.toml")).unwrap();
    place.configure(&format!("shutdown_timeout = \"4s\"\n{configuration}"));
    let log = fails(&place);
    assert!(log.contains("the topic nowhere.offsets does not exist") && log.contains("create_topics"), "{log}");
    assert!(!broker.tool("TopicCommand", &["--list"]).contains("nowhere"));
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn a_restored_journal_and_a_deleted_offsets_topic_stop_the_sink_and_change_nothing() {
    let broker = Broker::start();
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, &sink(&broker, "restored", ""));
    place.once();
    std::fs::copy(place.path("vintner.db"), place.path("backup.db")).unwrap();
    open_an_alert(&simulated);
    place.once();
    let before = broker.events("restored").len();

    std::fs::copy(place.path("vintner.db"), place.path("newest.db")).unwrap();
    std::fs::copy(place.path("backup.db"), place.path("vintner.db")).unwrap();
    let log = fails(&place);
    assert!(log.contains("stopped") && log.contains("copied or restored") && log.contains("new name"), "{log}");
    assert_eq!(broker.events("restored").len(), before, "nothing is repeated");

    std::fs::copy(place.path("newest.db"), place.path("vintner.db")).unwrap();
    place.once();
    broker.tool("TopicCommand", &["--delete", "--topic", "restored.offsets"]);
    let log = fails(&place);
    assert!(log.contains("stopped") && log.contains("Kafka has no position"), "also if nothing waits: {log}");
    open_an_alert(&simulated);
    let log = fails(&place);
    assert!(log.contains("Kafka has no position") && log.contains("offsets topic was deleted"), "{log}");
    assert_eq!(broker.events("restored").len(), before);
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn a_second_instance_with_a_copy_of_the_journal_shuts_the_first_one_out() {
    let broker = Broker::start();
    let simulated = Simulated::start(&still_world());
    let fast = "[accounts.acme.poll]\nalerts = \"1s\"\nactivity = \"off\"\ninventory = \"off\"\n";
    let first = Workplace::new(&simulated, &format!("{}{fast}", sink(&broker, "fenced", "")));
    first.once();
    let second = Workplace::new(&simulated, &format!("{}{fast}", sink(&broker, "fenced", "")));
    std::fs::copy(first.path("vintner.db"), second.path("vintner.db")).unwrap();
    let mut running = first.command(&["run"]);
    let log = std::fs::File::create(first.path("log")).unwrap();
    let mut running = running.stdout(std::process::Stdio::null()).stderr(log).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(4));
    open_an_alert(&simulated);
    let count = broker.events("fenced").len();
    wait_for(Duration::from_secs(30), || (broker.events("fenced").len() > count).then_some(()));

    // The copy knows nothing of that alert's delivery: it must not tell it again.
    let output = second.run(&["run", "--once"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("copied or restored"), "{told}");
    open_an_alert(&simulated);
    let log = wait_for(Duration::from_secs(60), || {
        let text = std::fs::read_to_string(first.path("log")).unwrap();
        text.contains("took over sink").then_some(text)
    });
    assert!(log.contains("sink stopped"), "{log}");
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(ids(&broker.events("fenced")).values().all(|count| *count == 1), "an event came twice");
    // Alone again, the first one goes on where it was.
    first.once();
    let events = broker.events("fenced");
    assert!(ids(&events).values().all(|count| *count == 1), "an event came twice");
    assert_eq!(events.len(), count + 2);
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn a_strangers_open_transaction_in_the_offsets_topic_is_waited_for() {
    let broker = Broker::start();
    let simulated = Simulated::start(&still_world());
    let fast = "[accounts.acme.poll]\nalerts = \"1s\"\nactivity = \"off\"\ninventory = \"off\"\n";
    let place = Workplace::new(&simulated, &format!("{}{fast}", sink(&broker, "strange", "")));
    place.once();
    let count = broker.events("strange").len();
    let mut running = place.spawn(&["run"], "out");
    open_an_alert(&simulated);
    wait_for(Duration::from_secs(30), || (broker.events("strange").len() == count + 1).then_some(()));
    let stranger: BaseProducer = broker
        .client()
        .set("transactional.id", "stranger")
        .set("transaction.timeout.ms", "60000")
        .create()
        .expect("a producer");
    stranger.init_transactions(Duration::from_secs(30)).expect("initialised");
    stranger.begin_transaction().expect("begun");
    let record = BaseRecord::<str, str>::to("strange.offsets").partition(0).key("k").payload("v");
    stranger.send(record).map_err(|(error, _)| error).expect("sent");
    stranger.flush(Duration::from_secs(30)).expect("flushed");

    // The entry of this batch lies behind the begin of the stranger's transaction: a `read_committed` reader does not see it.
    open_an_alert(&simulated);
    wait_for(Duration::from_secs(30), || (broker.events("strange").len() == count + 2).then_some(()));
    running.kill().unwrap();
    running.wait().unwrap();

    open_an_alert(&simulated);
    let mut running = place.command(&["run", "--once"]).stdout(std::process::Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(broker.events("strange").len(), count + 2, "it waits");
    assert!(running.try_wait().unwrap().is_none(), "it waits");
    stranger.commit_transaction(Duration::from_secs(30)).expect("committed");
    assert!(running.wait().unwrap().success());
    let events = broker.events("strange");
    assert_eq!(events.len(), count + 3);
    assert!(ids(&events).values().all(|count| *count == 1));
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn records_over_the_topics_limit_are_dead_letters_and_the_others_arrive_once() {
    let broker = Broker::start();
    let arguments = ["--create", "--topic", "narrow", "--partitions", "1", "--config", "max.message.bytes=3000"];
    broker.tool("TopicCommand", &arguments);
    let simulated = Simulated::start(&json!({
        "sites": 3, "devices": 10, "open_alerts": 40, "resolved_alerts": 10, "activity_history": 40, "history_days": 1,
        "alert_rate_per_hour": 0.0, "resolve_rate_per_hour": 0.0, "update_rate_per_hour": 0.0,
        "activity_rate_per_hour": 0.0, "inventory_rate_per_hour": 0.0, "reopen_share": 0.0, "activity_delay_max_ms": 0
    }));
    for delivery in ["exactly_once", "at_least_once"] {
        let place = Workplace::new(
            &simulated,
            &sink(&broker, "narrow", &format!("delivery = \"{delivery}\"\ncompression = \"none\"")),
        );
        let before = ids(&broker.events("narrow"));
        let printed = ids(&place.once());
        let listed = place.run(&["dead-letters", "list", "--sink", "siem", "--json"]);
        let dead = String::from_utf8(listed.stdout).unwrap();
        let dead: Vec<serde_json::Value> = dead.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(!dead.is_empty() && dead.len() < printed.len(), "{} dead of {}", dead.len(), printed.len());
        assert!(dead.iter().all(|letter| letter["reason"].as_str().unwrap().contains("too large")), "{:?}", dead[0]);
        let arrived = ids(&broker.events("narrow"));
        for id in printed.keys() {
            let is_dead = dead.iter().any(|letter| letter["event_id"] == id.as_str());
            let count = arrived.get(id).copied().unwrap_or(0) - before.get(id).copied().unwrap_or(0);
            match delivery {
                "exactly_once" => assert_eq!(count, usize::from(!is_dead), "{id}"),
                _ => assert_eq!(count > 0, !is_dead, "{id}"),
            }
        }
    }
}
