//! Journal to Kafka, beside the client library's own producer with the same messages, the same compression and the same broker.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer, ProducerContext};
use tokio::runtime::Handle;
use vintner::event::Event;
use vintner::normalize::Format;
use vintner::secret::Secret;
use vintner::sink::kafka::at_least_once::AtLeastOnce;
use vintner::sink::kafka::exactly_once::ExactlyOnce;
use vintner::sink::kafka::{MessageTime, MissingTopics, Options, Settings, TopicPart};

use crate::table::Table;
use crate::{World, timed_blocking};

const COMPRESSION: &str = "zstd";
const PARTITIONS: i32 = 4;

/// A broker and the messages for it.
pub(crate) struct Setup {
    brokers: String,
    topic: String,
    messages: Arc<Vec<Message>>,
    /// Ends with its owner; a real broker has transactions, this one has none.
    mock: Option<MockCluster<'static, DefaultProducerContext>>,
}

struct Message {
    key: String,
    payload: String,
    headers: Vec<(&'static str, String)>,
    timestamp: i64,
}

/// Settings of the library on top of vintner's: `VINTNER_BENCH_LIBRDKAFKA`, e.g. `linger.ms=0,batch.size=500000`.
struct FromEnvironment;

impl Options for FromEnvironment {
    fn options(&self) -> Result<Vec<(String, Secret)>, String> {
        let text = std::env::var("VINTNER_BENCH_LIBRDKAFKA").unwrap_or_default();
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        Ok(pairs.map(|(key, value)| (key.to_owned(), Secret::new(value))).collect())
    }
}

impl Setup {
    pub(crate) fn start(world: &World) -> Self {
        let messages = Arc::new(world.events.iter().map(message).collect());
        if let Ok(brokers) = std::env::var("VINTNER_BENCH_KAFKA") {
            let topic = format!("vintner-bench-{}", std::process::id());
            return Self { brokers, topic, messages, mock: None };
        }
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic("bench", PARTITIONS, 1).unwrap();
        Self { brokers: mock.bootstrap_servers(), topic: "bench".into(), messages, mock: Some(mock) }
    }

    /// One round of each: vintner first, which makes the topic if it is not there.
    pub(crate) async fn round(&self, world: &mut World, table: &mut Table) {
        let sink = AtLeastOnce::new(self.settings(world, "bench")).unwrap();
        let (_, own) = world.drain(sink).await;
        let (brokers, topic, messages) = (self.brokers.clone(), self.topic.clone(), Arc::clone(&self.messages));
        let raw = timed_blocking(move || produce(&brokers, &topic, &messages)).await;
        table.add("kafka: the library alone", None, raw);
        table.add("kafka: journal, at least once", Some("kafka: the library alone"), own);
        if self.mock.is_none() {
            let mut settings = self.settings(world, "");
            let exactly = |name: &str| {
                settings.sink = name.to_owned();
                ExactlyOnce::new(settings).unwrap()
            };
            let own = world.drain_transactional(exactly).await;
            table.add("kafka: journal, exactly once", Some("kafka: the library alone"), own);
        }
    }

    fn settings(&self, world: &World, sink: &str) -> Settings {
        Settings {
            sink: sink.to_owned(),
            journal: world.journal.id(),
            brokers: vec![self.brokers.clone()],
            topic: vec![TopicPart::Text(self.topic.clone())],
            format: Format::Ocsf,
            timestamp: MessageTime::Logged,
            offsets_topic: format!("{}-offsets", self.topic),
            missing_topics: MissingTopics::Made,
            compression: COMPRESSION,
            tls: None,
            sasl_mechanism: None,
            secrets: Arc::new(FromEnvironment),
            tokens: None,
            clock: world.clock.clone(),
            runtime: Handle::current(),
        }
    }
}

/// Counts what was confirmed.
struct Count;

impl rdkafka::ClientContext for Count {}

impl ProducerContext for Count {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        result.as_ref().unwrap();
    }
}

/// Hands everything over as fast as the library takes it, and waits for the last confirmation.
fn produce(brokers: &str, topic: &str, messages: &[Message]) {
    let producer: BaseProducer<Count> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("compression.codec", COMPRESSION)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "5")
        .create_with_context(Count)
        .unwrap();
    for message in messages {
        let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
        for (key, value) in &message.headers {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let record = BaseRecord::to(topic).key(&message.key).payload(&message.payload);
        let mut record = record.timestamp(message.timestamp).headers(headers);
        while let Err((error, back)) = producer.send(record) {
            assert!(matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)), "{error}");
            producer.poll(Duration::from_millis(1));
            record = back;
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_secs(60)).unwrap();
}

/// Key, value and headers as the sink makes them (event-schema.md section 12).
fn message(event: &Event) -> Message {
    let pivots = &event.pivots;
    let key = pivots.device_uid.as_ref().or(pivots.site_uid.as_ref()).unwrap_or(&pivots.account_uid).clone();
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", event.id.to_string()),
        ("ce_time", pivots.time.to_string()),
        ("ce_source", format!("/datto-rmm/{}", pivots.account_uid)),
        ("ce_type", format!("io.ocsf.{}.{}", pivots.class_name, pivots.activity_name.to_lowercase())),
        ("ce_subject", pivots.subject.clone()),
        ("ce_partitionkey", key.clone()),
        ("ce_ocsfclassuid", pivots.class_uid.to_string()),
        ("ce_ocsfseverityid", pivots.severity_id.to_string()),
        ("ce_tenantuid", pivots.tenant_uid.clone()),
        ("ce_dataschema", format!("https://schema.ocsf.io/1.8.0/classes/{}", pivots.class_name)),
    ];
    Message { key, payload: event.json.clone(), headers, timestamp: pivots.logged_time.as_i64() }
}
