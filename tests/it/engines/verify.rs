//! `vintner verify` on a real topic, with each fault planted in it.

use std::time::Duration;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use super::broker::Broker;
use crate::once::still_world;
use crate::simulated::Simulated;
use crate::workplace::Workplace;

/// Runs `verify --json`; gives its exit code, its report, and what it said.
pub(super) fn verify(place: &Workplace) -> (i32, Value, String) {
    verify_with(place, &[])
}

/// The same with more arguments.
pub(super) fn verify_with(place: &Workplace, arguments: &[&str]) -> (i32, Value, String) {
    let output = place.run(&[&["verify", "--json"], arguments].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (output.status.code().expect("an exit code"), report, said)
}

fn produce(broker: &Broker, topic: &str, id: Option<&str>) {
    let producer: BaseProducer = broker.client().create().expect("a producer");
    let mut headers = OwnedHeaders::new();
    if let Some(id) = id {
        headers = headers.insert(Header { key: "ce_id", value: Some(id) });
    }
    let record = BaseRecord::<str, str>::to(topic).key("k").payload("{}").headers(headers);
    producer.send(record).map_err(|(error, _)| error).expect("sent");
    producer.flush(Duration::from_secs(30)).expect("flushed");
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn each_fault_of_a_topic_is_told_by_its_word() {
    let broker = Broker::start();
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(
        &simulated,
        &format!(
            "[sinks.kafka.siem]\nbrokers = [\"{}\"]\ntopic = \"verified\"\noffsets_topic = \"verified.offsets\"\ncreate_topics = true\n\
             route = {{ streams = [\"alerts\", \"activity\"] }}\n",
            broker.endpoint
        ),
    );
    place.once();
    let (code, good, said) = verify(&place);
    let sent = good["sent"].as_u64().unwrap();
    assert_eq!((code, &good["found"]), (0, &json!(sent)), "{good} {said}");
    assert!(sent > 2000 && good["skipped"].as_u64() > Some(60), "{good}");
    for word in ["lost", "repeated", "out_of_order", "expired", "foreign", "earlier", "trimmed", "unclear", "pending"] {
        assert_eq!(good[word], 0, "{word}: {good}");
    }
    let human = String::from_utf8(place.run(&["verify", "--sink", "siem"]).stdout).unwrap();
    assert!(human.contains(&format!("found          {sent}")), "{human}");

    produce(&broker, "verified", None);
    let (code, report, _) = verify(&place);
    assert_eq!((code, &report["foreign"]), (0, &json!(1)), "{report}");

    assert!(place.run(&["replay", "--sink", "siem"]).status.success());
    place.once();
    let (code, report, _) = verify(&place);
    assert_eq!((code, &report["replays_sent"], &report["replays_found"]), (0, &json!(sent), &json!(sent)), "{report}");

    let id = broker.events("verified").iter().find_map(|event| event["metadata"]["uid"].as_str().map(str::to_owned));
    produce(&broker, "verified", id.as_deref());
    let (code, report, said) = verify(&place);
    assert_eq!((code, &report["repeated"], &report["repeated_ids"][0]), (1, &json!(1), &json!(id)), "{report}");
    assert!(said.contains("0 lost, 1 repeated"), "{said}");

    // What retention takes: the beginning of a partition.
    let offsets = json!({"partitions": [{"topic": "verified", "partition": 0, "offset": 50}], "version": 1});
    std::fs::write(place.path("offsets.json"), offsets.to_string()).unwrap();
    let file = place.path("offsets.json").to_string_lossy().into_owned();
    broker.tool("DeleteRecordsCommand", &["--offset-json-file", &file]);
    let (_, report, _) = verify(&place);
    let expired = report["expired"].as_u64().unwrap();
    assert!(expired > 0 && report["lost"] == 0, "{report}");
    assert_eq!(report["found"].as_u64().unwrap() + expired, sent, "{report}");

    // A topic that somebody deleted and made anew lost everything, and says nothing of it by itself.
    broker.tool("TopicCommand", &["--delete", "--topic", "verified"]);
    std::thread::sleep(Duration::from_secs(2));
    broker.tool("TopicCommand", &["--create", "--topic", "verified", "--partitions", "3"]);
    let (code, report, said) = verify(&place);
    assert_eq!((code, &report["lost"], &report["found"]), (1, &json!(sent), &json!(0)), "{report}");
    assert!(said.contains(&format!("{sent} lost, 0 repeated")), "{said}");
}
