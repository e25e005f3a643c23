//! Reading back what a sink wrote, for `vintner verify`.

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::*;
use crate::sink::kafka::place::{KeyHash, Place};
use crate::sink::kafka::read::{Reader, Role, Seen, TopicPartition};

/// Everything in the sink's topic, as the reader tells it.
async fn read_back(mock: &Mock) -> (Vec<TopicPartition>, Vec<Seen>) {
    let settings = settings(&mock.cluster.bootstrap_servers());
    let read = move || {
        let reader = Reader::new(&settings).unwrap();
        let partitions = reader.partitions(&settings, &[]).unwrap();
        let mut all = Vec::new();
        let each = |seen| {
            all.push(seen);
            Ok(())
        };
        reader.read(&partitions, each).unwrap();
        (partitions, all)
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

/// Sends a message with this key to a partition, or to the one that the library chooses.
fn send(mock: &Mock, topic: &str, key: &str, partition: Option<i32>) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", mock.cluster.bootstrap_servers()).set("partitioner", "murmur2_random");
    let producer: BaseProducer = config.create().unwrap();
    let mut record = BaseRecord::to(topic).key(key).payload("{}");
    record.partition = partition;
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_secs(10)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_library_puts_each_event_where_its_key_says() {
    let mock = Mock::new(7);
    let mut events = contract::events(0..60);
    for (number, event) in events.iter_mut().enumerate() {
        // Lengths of all remainders by four, and bytes over 127.
        event.pivots.device_uid = Some(format!("{}{number}", "ü-".repeat(number % 5)));
    }
    assert_eq!(mock.sink().deliver(&events).await.unwrap().refused, []);
    let (partitions, all) = read_back(&mock).await;
    assert_eq!((partitions.len(), all.len()), (7, events.len()));
    assert!(all.iter().all(|seen| seen.is_by_key), "{all:?}");
    for event in &events {
        let place = Place::of(event, &settings("127.0.0.1:1")).unwrap();
        let seen = all.iter().find(|seen| seen.id == Some(event.id.0)).unwrap();
        assert_eq!((place.topic.as_str(), place.key.partition(7)), ("events", Some(seen.partition)));
    }
    send(&mock, "events", "k", None);
    let wrong = (KeyHash::of(b"k").partition(7).unwrap() + 1) % 7;
    send(&mock, "events", "k", i32::try_from(wrong).ok());
    let (_, all) = read_back(&mock).await;
    let others: Vec<bool> = all.iter().filter(|seen| seen.id.is_none()).map(|seen| seen.is_by_key).collect();
    assert_eq!(others.iter().filter(|is_by_key| !**is_by_key).count(), 1, "{others:?}");
    assert_eq!(others.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn earlier_topics_are_read_too_and_must_be_there() {
    let mock = Mock::new(2);
    mock.cluster.create_topic("old", 3, 1).unwrap();
    mock.cluster.topic_error("nowhere", RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    send(&mock, "old", "k", None);
    let settings = settings(&mock.cluster.bootstrap_servers());
    let templated = Settings { topic: vec![TopicPart::Text("ev".into()), TopicPart::Org], ..settings.clone() };
    let read = move || {
        let reader = Reader::new(&settings).unwrap();
        let roles = |settings: &Settings, earlier: &[&str]| {
            let earlier: Vec<String> = earlier.iter().map(|name| (*name).to_owned()).collect();
            let found = reader.partitions(settings, &earlier);
            found.map(|found| found.into_iter().map(|one| (one.topic, one.number, one.role)).collect::<Vec<_>>())
        };
        let own = [0, 1].map(|number| ("events".to_owned(), number, Role::Own));
        let old = [0, 1, 2].map(|number| ("old".to_owned(), number, Role::Earlier));
        assert_eq!(roles(&settings, &["old", "old"]).unwrap(), [own.as_slice(), old.as_slice()].concat());
        assert_eq!(roles(&settings, &["events"]).unwrap(), own, "it is read anyway");
        assert_eq!(roles(&templated, &[]).unwrap(), own);
        let earlier = own.clone().map(|(topic, number, _)| (topic, number, Role::Earlier));
        assert_eq!(roles(&templated, &["events"]).unwrap(), earlier);
        let missing = roles(&settings, &["nowhere"]).unwrap_err();
        assert_eq!(missing, "the topic nowhere does not exist or may not be read");
        assert!(roles(&settings, &["offsets"]).unwrap_err().contains("holds positions"));
    };
    tokio::task::spawn_blocking(read).await.unwrap();
}
