//! Apache Kafka on loopback: started once, killed and started again by the tests.

use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;

use super::{data, kill_hard, number, printed, script};

/// A running broker.
pub(crate) struct Broker {
    /// `host:port`.
    pub(crate) endpoint: String,
    pid: String,
}

/// A message as a consumer sees it.
pub(crate) struct Read {
    pub(crate) key: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) timestamp: i64,
    pub(crate) event: Value,
}

impl Broker {
    /// The broker, started unless it runs.
    pub(crate) fn start() -> Self {
        let port = number("VINTNER_KAFKA_PORT", 23_092).to_string();
        let folder = data("kafka");
        let settings = [("KAFKA_HEAP", "300m"), ("KAFKA_CONF", "auto.create.topics.enable=false\nnum.partitions=3")];
        let output = script("apache-kafka-up", &[&folder.to_string_lossy(), &port], &settings);
        Self { endpoint: printed(&output, "endpoint"), pid: printed(&output, "pid") }
    }

    /// SIGKILL, silence, and a new start on the same data.
    pub(crate) fn crash(&mut self, silence: Duration) {
        kill_hard(&self.pid);
        std::thread::sleep(silence);
        *self = Self::start();
    }

    /// One of Kafka's own programs.
    pub(crate) fn tool(&self, name: &str, arguments: &[&str]) -> String {
        let all = [&[name, "--bootstrap-server", &self.endpoint], arguments].concat();
        script("kafka-tool", &all, &[])
    }

    /// A client's settings.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.endpoint).set("reconnect.backoff.max.ms", "1000");
        config
    }

    /// Everything that a `read_committed` consumer sees of a topic, partition by partition, in order.
    pub(crate) fn committed(&self, topic: &str) -> Vec<Read> {
        let consumer: BaseConsumer = self
            .client()
            .set("group.id", "judge")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false")
            .create()
            .expect("a consumer");
        let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(30)).expect("metadata");
        let mut assignment = TopicPartitionList::new();
        let partitions: Vec<i32> = metadata.topics()[0].partitions().iter().map(|partition| partition.id()).collect();
        for partition in &partitions {
            assignment.add_partition_offset(topic, *partition, Offset::Beginning).expect("an offset");
        }
        consumer.assign(&assignment).expect("assigned");
        let mut reads: Vec<Vec<Read>> = partitions.iter().map(|_| Vec::new()).collect();
        let (mut ended, deadline) = (0, Instant::now() + Duration::from_secs(120));
        while ended < partitions.len() {
            assert!(Instant::now() < deadline, "the topic's end was not reached");
            match consumer.poll(Duration::from_millis(500)) {
                Some(Ok(message)) => {
                    let at = usize::try_from(message.partition()).expect("a partition");
                    reads[at].push(read(&message));
                }
                Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
                Some(Err(error)) => println!("judge: {error}"),
                None => {}
            }
        }
        reads.into_iter().flatten().collect()
    }

    /// The events of [`Broker::committed`].
    pub(crate) fn events(&self, topic: &str) -> Vec<Value> {
        self.committed(topic).into_iter().map(|read| read.event).collect()
    }

    /// How many messages Kafka's own console consumer sees at `read_committed`.
    pub(crate) fn count_by_console_consumer(&self, topic: &str) -> usize {
        let arguments =
            ["--topic", topic, "--from-beginning", "--isolation-level", "read_committed", "--timeout-ms", "8000"];
        self.tool("ConsoleConsumer", &arguments).lines().filter(|line| line.starts_with('{')).count()
    }
}

fn read(message: &impl Message) -> Read {
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).expect("UTF-8");
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    Read {
        key: text(message.key()),
        headers: headers.map(|header| (header.key.to_owned(), text(header.value))).collect(),
        timestamp: message.timestamp().to_millis().unwrap_or(-1),
        event: serde_json::from_slice(message.payload().expect("a value")).expect("JSON"),
    }
}
