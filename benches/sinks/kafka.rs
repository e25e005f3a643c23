//! Kafka: the cluster, the sinks before it, and the client library alone with the messages that vintner wrote.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Headers, OwnedHeaders, OwnedMessage};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Message as _, Offset, TopicPartitionList};
use tokio::runtime::Handle;
use tokio::time::Instant;
use uuid::Uuid;
use vintner::clock::Clock;
use vintner::normalize::Format;
use vintner::secret::Secret;
use vintner::sink::kafka::at_least_once::AtLeastOnce;
use vintner::sink::kafka::exactly_once::ExactlyOnce;
use vintner::sink::kafka::{MessageTime, MissingTopics, Options, Settings, TopicPart};

use crate::deliver::{drained, paced};
use crate::filled::Filled;

/// The compression that a configuration without one gets.
const COMPRESSION: &str = "zstd";
/// Partitions of the mock cluster's topic, as a Kafka of `tests/engines/kafka-up` makes it.
const PARTITIONS: i32 = 3;
/// The mock cluster forgets what is above 5 MiB in a partition: so many hold everything.
const CAPTURE_PARTITIONS: i32 = 32;
/// Messages of a transaction: a deliverer's batch.
const TRANSACTION: usize = 1000;
const LIMIT: Duration = Duration::from_secs(60);
/// A turn of the client library's callbacks, which lasts so long whatever happens.
const LOOK: Duration = Duration::from_millis(1);

/// How messages are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    AtLeastOnce,
    ExactlyOnce,
}

/// A cluster with a topic for this run.
pub(crate) struct Cluster {
    brokers: String,
    topic: String,
    mock: Option<MockCluster<'static, DefaultProducerContext>>,
}

/// A message as vintner wrote it.
pub(crate) struct Written {
    message: OwnedMessage,
    headers: OwnedHeaders,
}

/// Nothing is secret here.
struct NoSecrets;

/// Counts what the brokers confirmed.
#[derive(Default)]
struct Confirmed(AtomicUsize);

/// What vintner writes of the whole journal, in its order. Read back, so that the floor sends the same keys, bodies, times and headers.
pub(crate) async fn captured(filled: &mut Filled) -> Vec<Written> {
    let cluster = Cluster::mock(CAPTURE_PARTITIONS);
    let mut runner = filled.runner(|name, journal| cluster.at_least_once(name, journal)).await;
    let count = filled.count();
    drained(&mut runner, count).await;
    tokio::task::block_in_place(|| cluster.read(count))
}

impl Cluster {
    pub(crate) fn new(brokers: Option<&str>) -> Self {
        let Some(brokers) = brokers else { return Self::mock(PARTITIONS) };
        Self { brokers: brokers.to_owned(), topic: format!("vintner-bench-{}", Uuid::new_v4()), mock: None }
    }

    fn mock(partitions: i32) -> Self {
        let (mock, topic) = (MockCluster::new(1).unwrap(), "events".to_owned());
        mock.create_topic(&topic, partitions, 1).unwrap();
        Self { brokers: mock.bootstrap_servers(), topic, mock: Some(mock) }
    }

    /// The mock cluster's are not worth the name.
    pub(crate) fn has_transactions(&self) -> bool {
        self.mock.is_none()
    }

    pub(crate) fn at_least_once(&self, sink: &str, journal: Uuid) -> AtLeastOnce {
        AtLeastOnce::new(self.settings(sink, journal)).unwrap()
    }

    pub(crate) fn exactly_once(&self, sink: &str, journal: Uuid) -> ExactlyOnce {
        ExactlyOnce::new(self.settings(sink, journal)).unwrap()
    }

    fn settings(&self, sink: &str, journal: Uuid) -> Settings {
        Settings {
            sink: sink.to_owned(),
            journal,
            brokers: vec![self.brokers.clone()],
            topic: vec![TopicPart::Text(self.topic.clone())],
            format: Format::Ocsf,
            timestamp: MessageTime::Logged,
            offsets_topic: format!("{}-offsets", self.topic),
            missing_topics: MissingTopics::Made,
            compression: COMPRESSION,
            tls: None,
            sasl_mechanism: None,
            secrets: Arc::new(NoSecrets),
            tokens: None,
            clock: Clock::system(),
            runtime: Handle::current(),
        }
    }

    /// How long the client library alone takes to send the messages, set up as the sinks set it up, at its
    /// pace behind the first of them.
    pub(crate) fn floor(&self, messages: &[Written], way: Way) -> Duration {
        tokio::task::block_in_place(|| self.send(messages, way))
    }

    fn send(&self, messages: &[Written], way: Way) -> Duration {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("compression.codec", COMPRESSION)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "5")
            .set("message.max.bytes", "16777216")
            .set("partitioner", "murmur2_random");
        if way == Way::ExactlyOnce {
            config.set("transactional.id", format!("{}-floor-{}", self.topic, Uuid::new_v4()));
        }
        let producer = BaseProducer::from_config_and_context(&config, Confirmed::default()).unwrap();
        producer.client().fetch_metadata(Some(&self.topic), LIMIT).unwrap();
        if way == Way::ExactlyOnce {
            producer.init_transactions(LIMIT).unwrap();
        }
        let (first, rest) = messages.split_at(TRANSACTION);
        self.all(&producer, first, way);
        let began = Instant::now();
        self.all(&producer, rest, way);
        let took = began.elapsed();
        assert_eq!(producer.context().0.load(Ordering::Relaxed), messages.len(), "the brokers confirmed every message");
        paced(took, rest.len(), messages.len())
    }

    fn all(&self, producer: &BaseProducer<Confirmed>, messages: &[Written], way: Way) {
        match way {
            Way::AtLeastOnce => self.hand_over(producer, messages),
            Way::ExactlyOnce => {
                for messages in messages.chunks(TRANSACTION) {
                    producer.begin_transaction().unwrap();
                    self.hand_over(producer, messages);
                    producer.commit_transaction(LIMIT).unwrap();
                }
            }
        }
    }

    /// Hands messages over as fast as the library takes them, and waits for all.
    fn hand_over(&self, producer: &BaseProducer<Confirmed>, messages: &[Written]) {
        for message in messages {
            let mut record = message.record(&self.topic);
            while let Err((error, refused)) = producer.send(record) {
                assert_eq!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
                producer.poll(LOOK);
                record = refused;
            }
        }
        // Not `flush`: it looks ten times a second only.
        while producer.in_flight_count() > 0 {
            producer.poll(LOOK);
        }
    }

    /// All messages of the topic, sorted by the alert that they tell of.
    fn read(&self, count: usize) -> Vec<Written> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", "bench")
            .set("auto.offset.reset", "error")
            .create()
            .unwrap();
        let mut assignment = TopicPartitionList::new();
        for partition in 0..CAPTURE_PARTITIONS {
            assignment.add_partition_offset(&self.topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&assignment).unwrap();
        let mut messages = Vec::with_capacity(count);
        while messages.len() < count {
            let polled = consumer.poll(LIMIT).expect("the mock cluster holds every message");
            messages.push(Written::new(polled.unwrap().detach()));
        }
        messages.sort_by_cached_key(Written::subject);
        messages.dedup_by_key(|message| message.subject());
        assert_eq!(messages.len(), count, "each alert is there once");
        messages
    }
}

impl Written {
    fn new(message: OwnedMessage) -> Self {
        let headers = message.headers().expect("headers").clone();
        Self { message, headers }
    }

    /// The event in JSON.
    pub(crate) fn body(&self) -> &[u8] {
        self.message.payload().expect("a body")
    }

    /// The alert's uid.
    fn subject(&self) -> Vec<u8> {
        let header = self.headers.iter().find(|header| header.key == "ce_subject").expect("a subject");
        header.value.expect("a value").to_vec()
    }

    fn record<'a>(&'a self, topic: &'a str) -> BaseRecord<'a, [u8], [u8]> {
        let record = BaseRecord::to(topic).key(self.message.key().expect("a key")).payload(self.body());
        let time = self.message.timestamp().to_millis().expect("a time");
        record.timestamp(time).headers(self.headers.clone())
    }
}

impl Options for NoSecrets {
    fn options(&self) -> Result<Vec<(String, Secret)>, String> {
        Ok(Vec::new())
    }
}

impl ClientContext for Confirmed {}

impl ProducerContext for Confirmed {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        if report.is_ok() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
