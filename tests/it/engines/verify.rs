//! `vintner verify` on a real topic, with each fault planted in it.

use std::time::Duration;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use super::broker::{Broker, Read};
use super::kafka::open_an_alert;
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

/// A workplace with the sink `siem` into `topic`.
fn workplace(broker: &Broker, simulated: &Simulated, topic: &str) -> Workplace {
    Workplace::new(
        simulated,
        &format!(
            "[sinks.kafka.siem]\nbrokers = [\"{}\"]\ntopic = \"{topic}\"\noffsets_topic = \"{topic}.offsets\"\ncreate_topics = true\n\
             route = {{ streams = [\"alerts\", \"activity\"] }}\n",
            broker.endpoint
        ),
    )
}

fn producer(broker: &Broker) -> BaseProducer {
    broker.client().set("partitioner", "murmur2_random").create().expect("a producer")
}

fn produce(broker: &Broker, topic: &str, id: Option<&str>) {
    let producer = producer(broker);
    let mut headers = OwnedHeaders::new();
    if let Some(id) = id {
        headers = headers.insert(Header { key: "ce_id", value: Some(id) });
    }
    let record = BaseRecord::<str, str>::to(topic).key("k").payload("{}").headers(headers);
    producer.send(record).map_err(|(error, _)| error).expect("sent");
    producer.flush(Duration::from_secs(30)).expect("flushed");
}

/// Sends messages again as they were read.
fn copy<'r>(broker: &Broker, topic: &str, reads: impl Iterator<Item = &'r Read>) {
    let producer = producer(broker);
    for read in reads {
        let mut headers = OwnedHeaders::new();
        for (key, value) in &read.headers {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let payload = read.event.to_string();
        let record = BaseRecord::to(topic).key(&read.key).payload(&payload).headers(headers).timestamp(read.timestamp);
        producer.send(record).map_err(|(error, _)| error).expect("sent");
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_secs(30)).expect("flushed");
}

/// Makes a topic of three partitions anew.
fn make_anew(broker: &Broker, topic: &str) {
    broker.tool("TopicCommand", &["--delete", "--topic", topic]);
    std::thread::sleep(Duration::from_secs(2));
    broker.tool("TopicCommand", &["--create", "--topic", topic, "--partitions", "3"]);
}

/// What retention does: a partition begins at `offset` from now on.
fn cut(broker: &Broker, place: &Workplace, topic: &str, partition: i32, offset: i64) {
    let offsets = json!({"partitions": [{"topic": topic, "partition": partition, "offset": offset}], "version": 1});
    std::fs::write(place.path("offsets.json"), offsets.to_string()).unwrap();
    let file = place.path("offsets.json").to_string_lossy().into_owned();
    broker.tool("DeleteRecordsCommand", &["--offset-json-file", &file]);
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn each_fault_of_a_topic_is_told_by_its_word() {
    let broker = Broker::start();
    let simulated = Simulated::start(&still_world());
    let place = workplace(&broker, &simulated, "verified");
    place.once();
    let (code, good, said) = verify(&place);
    let sent = good["sent"].as_u64().unwrap();
    assert_eq!((code, &good["found"]), (0, &json!(sent)), "{good} {said}");
    assert!(sent > 2000 && good["skipped"].as_u64() > Some(60), "{good}");
    for word in [
        "lost",
        "repeated",
        "out_of_order",
        "expired",
        "foreign",
        "earlier",
        "trimmed",
        "unclear",
        "misplaced",
        "pending",
    ] {
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
    cut(&broker, &place, "verified", 0, 50);
    let (_, report, _) = verify(&place);
    let expired = report["expired"].as_u64().unwrap();
    assert!(expired > 0 && report["lost"] == 0, "{report}");
    assert_eq!(report["found"].as_u64().unwrap() + expired, sent, "{report}");

    // A topic that somebody deleted and made anew lost everything, and says nothing of it by itself.
    make_anew(&broker, "verified");
    let (code, report, said) = verify(&place);
    assert_eq!((code, &report["lost"], &report["found"]), (1, &json!(sent), &json!(0)), "{report}");
    assert!(said.contains(&format!("{sent} lost, 0 repeated")), "{said}");
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn what_is_missing_is_judged_by_the_partition_that_it_went_to() {
    let broker = Broker::start();
    let simulated = Simulated::start(&still_world());
    let place = workplace(&broker, &simulated, "rare");
    place.once();
    let reads = broker.committed("rare");
    let of = |number: i32| reads.iter().filter(move |read| read.partition == number).collect::<Vec<_>>();
    let (busy, rare) = (of(0), u64::try_from(of(2).len()).unwrap());
    let lost = &busy[busy.len() / 2].event["metadata"]["uid"];
    make_anew(&broker, "rare");
    copy(&broker, "rare", reads.iter().filter(|read| read.event["metadata"]["uid"] != *lost));
    let (code, report, _) = verify(&place);
    assert_eq!((code, &report["lost"], &report["lost_ids"]), (1, &json!(1), &json!([lost])), "{report}");

    // Of another partition only the last message is left, and it is younger than what is missing.
    let left = broker.committed("rare").into_iter().filter(|read| read.partition == 2).map(|read| read.offset).max();
    cut(&broker, &place, "rare", 2, left.unwrap());
    let (code, report, said) = verify(&place);
    assert_eq!((code, &report["lost"], &report["lost_ids"]), (1, &json!(1), &json!([lost])), "{report} {said}");
    // Of a record that names its device by a number it is not certain that the inventory knew the device then.
    let [expired, unclear] = ["expired", "unclear"].map(|word| report[word].as_u64().unwrap());
    assert!(expired + unclear == rare - 1 && unclear < rare / 20, "{report}");

    // With more partitions keys no longer say where a record went.
    broker.tool("TopicCommand", &["--alter", "--topic", "rare", "--partitions", "5"]);
    let (_, report, _) = verify(&place);
    assert!(report["misplaced"].as_u64() > Some(0), "{report}");
    assert_eq!((&report["lost"], &report["expired"]), (&json!(0), &json!(0)), "{report}");
    assert_eq!(report["unclear"], json!(rare), "{report}");

    broker.tool("TopicCommand", &["--delete", "--topic", "rare"]);
    std::thread::sleep(Duration::from_secs(2));
    let output = place.run(&["verify"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the topic rare does not exist or may not be read"), "{said}");
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn what_was_sent_before_the_topic_was_changed_is_found_in_the_earlier_one() {
    let broker = Broker::start();
    let simulated = Simulated::start(&still_world());
    let place = workplace(&broker, &simulated, "before");
    place.once();
    let before = broker.committed("before");
    let configuration = std::fs::read_to_string(place.path("vintner.toml")).unwrap();
    place.configure(&configuration.replace("topic = \"before\"", "topic = \"after\""));
    open_an_alert(&simulated);
    place.once();
    assert_eq!(broker.committed("after").len(), 1);

    let (code, report, _) = verify(&place);
    assert_eq!((code, &report["lost"], &report["found"]), (1, &json!(before.len()), &json!(1)), "{report}");
    let earlier = ["--topic", "before"];
    let (code, report, said) = verify_with(&place, &earlier);
    assert_eq!((code, &report["lost"], &report["repeated"]), (0, &json!(0), &json!(0)), "{report} {said}");
    assert_eq!((&report["found"], &report["sent"]), (&json!(before.len() + 1), &json!(before.len() + 1)), "{report}");
    assert_eq!(report["topics"], json!(["after", "before"]));

    let output = place.run(&["verify", "--topic", "nowhere"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the topic nowhere does not exist or may not be read"), "{said}");

    // Retention goes on in the earlier one.
    let cut_off = before.iter().filter(|read| read.partition == 0 && read.offset < 50).count();
    cut(&broker, &place, "before", 0, 50);
    let (code, report, _) = verify_with(&place, &earlier);
    assert_eq!((code, &report["expired"], &report["lost"]), (0, &json!(cut_off), &json!(0)), "{report}");

    // No event should be in both.
    let copied = before.iter().rfind(|read| read.partition == 0).unwrap();
    copy(&broker, "after", std::iter::once(copied));
    let (code, report, _) = verify_with(&place, &earlier);
    assert_eq!((code, &report["repeated"]), (1, &json!(1)), "{report}");
    assert_eq!(report["repeated_ids"][0], copied.event["metadata"]["uid"], "{report}");
}
