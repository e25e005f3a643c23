//! The Kafka sinks against librdkafka's own mock cluster. It has no transactions worth the name: what exactly-once promises
//! is proven on a real broker (`tests/it/engines`).

use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::at_least_once::AtLeastOnce;
use super::{MessageTime, MissingTopics, Options, Settings, TopicPart};
use crate::clock::Clock;
use crate::normalize::Format;
use crate::secret::Secret;
use crate::sink::contract::{self, Arrived};
use crate::sink::{Sink, SinkError};

mod contract_of_sinks;
mod reading;

struct NoSecrets;

impl Options for NoSecrets {
    fn options(&self) -> Result<Vec<(String, Secret)>, String> {
        Ok(Vec::new())
    }
}

/// A sink named `siem` at `brokers`.
pub(crate) fn settings(brokers: &str) -> Settings {
    let runtime = Handle::try_current().unwrap_or_else(|_| {
        // Tests without a runtime never wait for anything.
        Box::leak(Box::new(tokio::runtime::Runtime::new().unwrap())).handle().clone()
    });
    Settings {
        sink: "siem".into(),
        // Tests run beside each other, and a journal has one client for each sink.
        journal: Uuid::new_v5(&Uuid::NAMESPACE_URL, brokers.as_bytes()),
        brokers: vec![brokers.into()],
        topic: vec![TopicPart::Text("events".into())],
        format: Format::Ocsf,
        timestamp: MessageTime::Logged,
        offsets_topic: "offsets".into(),
        missing_topics: MissingTopics::Told,
        compression: "zstd",
        tls: None,
        sasl_mechanism: None,
        secrets: Arc::new(NoSecrets),
        tokens: None,
        clock: Clock::system(),
        runtime,
    }
}

/// librdkafka's mock cluster with the topic `events`.
struct Mock {
    cluster: MockCluster<'static, DefaultProducerContext>,
    partitions: i32,
}

impl Mock {
    fn new(partitions: i32) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("events", partitions, 1).unwrap();
        Self { cluster, partitions }
    }

    fn sink(&self) -> AtLeastOnce {
        AtLeastOnce::new(settings(&self.cluster.bootstrap_servers())).unwrap()
    }

    fn bodies(&self) -> Vec<String> {
        self.read().into_iter().map(|arrived| arrived.body).collect()
    }

    /// Everything in the topic, partition by partition.
    fn read(&self) -> Vec<Arrived> {
        let consumer: BaseConsumer<Quiet> = ClientConfig::new()
            .set("bootstrap.servers", self.cluster.bootstrap_servers())
            .set("group.id", "judge")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "10")
            .create_with_context(Quiet)
            .unwrap();
        let mut assignment = TopicPartitionList::new();
        for partition in 0..self.partitions {
            assignment.add_partition_offset("events", partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&assignment).unwrap();
        let mut read = vec![Vec::new(); usize::try_from(self.partitions).unwrap()];
        let mut open = self.partitions;
        while open > 0 {
            match consumer.poll(Duration::from_secs(1)) {
                Some(Ok(message)) => read[usize::try_from(message.partition()).unwrap()].push(arrived(&message)),
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                Some(Err(_)) | None => {}
            }
        }
        read.concat()
    }
}

fn arrived(message: &BorrowedMessage<'_>) -> Arrived {
    let id = message.headers().unwrap().iter().find(|header| header.key == "ce_id").unwrap().value.unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Arrived { id: text(id), body: text(message.payload().unwrap()) }
}

/// Says nothing.
struct Quiet;

impl rdkafka::ClientContext for Quiet {
    fn error(&self, _: KafkaError, _: &str) {}
}

impl rdkafka::consumer::ConsumerContext for Quiet {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_topic_is_told_and_not_made() {
    let cluster = MockCluster::new(1).unwrap();
    let missing = Settings { topic: vec![TopicPart::Text("nowhere".into())], ..settings(&cluster.bootstrap_servers()) };
    cluster.topic_error("nowhere", RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    let mut sink = AtLeastOnce::new(missing).unwrap();
    let error = sink.deliver(&contract::events(0..1)).await.unwrap_err();
    assert!(error.to_string().contains("nowhere does not exist") && matches!(error, SinkError::Retry(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_refused_as_a_whole_goes_again_in_parts_and_nothing_is_given_up() {
    let mock = Mock::new(1);
    let mut sink = mock.sink();
    let too_large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    mock.cluster.request_errors(RDKafkaApiKey::Produce, &[too_large, too_large]);
    let events = contract::events(0..40);
    assert_eq!(sink.deliver(&events).await.unwrap().refused, []);
    let expected: Vec<_> = events.iter().map(|event| event.json.clone()).collect();
    let mut arrived = mock.bodies();
    arrived.dedup();
    assert_eq!(arrived, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_record_that_is_refused_alone_is_named() {
    let mock = Mock::new(1);
    let mut sink = mock.sink();
    mock.cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
    let refused = sink.deliver(&contract::events(0..1)).await.unwrap().refused;
    assert_eq!(refused.len(), 1);
    assert!(refused[0].1.contains("too large"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_login_or_right_gives_nothing_up() {
    let mock = Mock::new(1);
    let mut sink = mock.sink();
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    mock.cluster.request_errors(RDKafkaApiKey::Produce, &[denied]);
    let error = sink.deliver(&contract::events(0..3)).await.unwrap_err();
    assert!(error.to_string().contains("ACL"), "{error}");
    assert_eq!(sink.deliver(&contract::events(0..3)).await.unwrap().refused, []);
}
