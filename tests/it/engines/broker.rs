//! Apache Kafka on loopback: started once, killed and started again by the tests.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;

use super::{data, free_ports, printed, script, signal};

/// The ports of the one broker that this run of the tests starts: plain text, SASL, controller, SASL with TLS, TLS, watched, its door.
static PORTS: Mutex<Option<[u16; 7]>> = Mutex::new(None);

/// A running broker.
pub(crate) struct Broker {
    /// `host:port`; whoever comes by it may do everything.
    pub(crate) endpoint: String,
    /// `host:port` for SASL with PLAIN: user `vintner`, password `secret`, who may do what an ACL allows.
    pub(crate) sasl: String,
    /// The ports of [`super::door::Door`]: where the broker listens for what comes through it, and where it must stand.
    pub(crate) watched: [u16; 2],
    /// The port for TLS and any login, as user `keeper`, who may do everything.
    pub(crate) sasl_tls: u16,
    /// The port for TLS with a client certificate.
    pub(crate) tls: u16,
    pid: String,
}

/// A message as a consumer sees it.
pub(crate) struct Read {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) timestamp: i64,
    pub(crate) event: Value,
}

impl Broker {
    /// The broker, started unless it runs.
    pub(crate) fn start() -> Self {
        let mut ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
        let ports = *ports.get_or_insert_with(free_ports);
        let [plain, sasl, _, sasl_tls, tls, watched, door] = ports;
        let folder = data("kafka");
        let running = std::fs::read_to_string(folder.join("pid")).ok();
        let running = running.filter(|pid| PathBuf::from(format!("/proc/{}", pid.trim())).exists());
        let pid = running.map_or_else(
            || {
                let ports = ports.map(|port| port.to_string());
                let mut arguments = vec![folder.to_str().expect("UTF-8")];
                arguments.extend(ports.iter().map(String::as_str));
                let output = script("kafka-up", &arguments, &[]);
                printed(&output, "pid")
            },
            |pid| pid.trim().to_owned(),
        );
        Self {
            endpoint: format!("127.0.0.1:{plain}"),
            sasl: format!("127.0.0.1:{sasl}"),
            sasl_tls,
            tls,
            watched: [watched, door],
            pid,
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(&self) {
        signal(&self.pid, "-KILL");
        // Reaped by nobody: it is the child of a script that has ended.
        crate::workplace::wait_for(Duration::from_secs(30), || {
            let state = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
            (state.is_empty() || state.contains(") Z ")).then_some(())
        });
        drop(std::fs::remove_file(data("kafka").join("pid")));
    }

    /// SIGKILL, silence, and a new start on the same data.
    pub(crate) fn crash(&mut self, silence: Duration) {
        self.kill();
        std::thread::sleep(silence);
        *self = Self::start();
    }

    /// The process stands still until the guard goes.
    pub(crate) fn freeze(&self) -> Frozen<'_> {
        signal(&self.pid, "-STOP");
        Frozen(self)
    }

    /// One of Kafka's own programs.
    pub(crate) fn tool(&self, name: &str, arguments: &[&str]) -> String {
        let all = [&[name, "--bootstrap-server", &self.endpoint], arguments].concat();
        script("kafka-tool", &all, &[])
    }

    /// Gives the SASL user rights: the words of an `AclCommand`, e.g. `--topic events --operation Write`.
    pub(crate) fn allow(&self, words: &str) {
        let arguments = format!("--add --allow-principal User:vintner {words}");
        self.tool("AclCommand", &arguments.split(' ').collect::<Vec<_>>());
    }

    /// Gives `keeper` a password for a SCRAM mechanism.
    pub(crate) fn scram(&self, mechanism: &str, password: &str) {
        let credential = format!("{mechanism}=[iterations=4096,password={password}]");
        let user = ["--alter", "--entity-type", "users", "--entity-name", "keeper", "--add-config", &credential];
        self.tool("ConfigCommand", &user);
    }

    /// A file of the broker's folder, e.g. `tls/ca.pem`.
    pub(crate) fn file(&self, name: &str) -> String {
        data("kafka").join(name).to_string_lossy().into_owned()
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

/// A broker that stands still (SIGSTOP); goes on when this goes.
pub(crate) struct Frozen<'a>(&'a Broker);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        signal(&self.0.pid, "-CONT");
    }
}

fn read(message: &impl Message) -> Read {
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).expect("UTF-8");
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    Read {
        partition: message.partition(),
        offset: message.offset(),
        key: text(message.key()),
        headers: headers.map(|header| (header.key.to_owned(), text(header.value))).collect(),
        timestamp: message.timestamp().to_millis().unwrap_or(-1),
        event: serde_json::from_slice(message.payload().expect("a value")).expect("JSON"),
    }
}
