//! Whether the topics are there before anything is sent, and making them if the operator asked for it.

use std::collections::HashSet;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::Producer as _;
use tokio::time::Instant;

use super::client::{Context, Refusal, config, producer_config};
use super::connection::{Manner, Name};
use super::failure::{told, words};
use super::producer::Producer;
use super::topic::fixed;
use super::{MissingTopics, Settings, Tls};
use crate::sink::Trouble;

/// How long the brokers may take to answer.
const LIMIT: Duration = Duration::from_secs(15);
/// The first attempt; between two the library's callbacks run, without which no refusal is heard and no token fetched. Each
/// attempt takes twice as long as the one before it.
const FIRST_ATTEMPT: Duration = Duration::from_millis(500);
/// The longest attempt.
const ATTEMPT: Duration = Duration::from_secs(2);
/// How long the library's callbacks run between two attempts.
const TURN: Duration = Duration::from_millis(100);
/// How long the brokers may take to show a certificate again.
const CERTIFICATE_LIMIT: Duration = Duration::from_secs(5);
/// How long a new topic may take until the brokers show it.
const SHOWN: Duration = Duration::from_secs(15);
/// The mechanism under which the library's administrative client is not served.
const OAUTHBEARER: &str = "OAUTHBEARER";

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Events.
    Events,
    /// Positions: one partition, compacted.
    Positions,
}

/// The topics that were seen, so that each is looked up once.
#[derive(Debug, Default)]
pub(super) struct Topics {
    seen: HashSet<String>,
}

impl Topics {
    /// Forgets what was seen: something failed, so topics may be gone.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }

    /// Whether a topic was seen.
    pub(super) fn have(&self, name: &str) -> bool {
        self.seen.contains(name)
    }

    /// Makes sure that what exactly-once delivery needs from the first moment on is there: the offsets topic, and the topic of events
    /// where there is only one.
    pub(super) fn require_all(&mut self, producer: &Producer, settings: &Settings) -> Result<(), String> {
        self.require(&settings.offsets_topic, Purpose::Positions, producer, settings)?;
        fixed(&settings.topic).map_or(Ok(()), |topic| self.require(topic, Purpose::Events, producer, settings))
    }

    /// Makes sure that a topic is there; the error is for people.
    pub(super) fn require(
        &mut self,
        name: &str,
        purpose: Purpose,
        producer: &Producer,
        settings: &Settings,
    ) -> Result<(), String> {
        if self.have(name) {
            return Ok(());
        }
        match look(producer, name, settings)? {
            Found::There => {}
            Found::Missing if settings.missing_topics == MissingTopics::Awaited => return Ok(()),
            Found::Missing if settings.missing_topics == MissingTopics::Told => {
                let how = match purpose {
                    Purpose::Events => "create it",
                    Purpose::Positions => "create it with one partition and cleanup.policy=compact",
                };
                return Err(format!("the topic {name} does not exist: {how}, or set create_topics = true"));
            }
            Found::Missing => {
                make(settings, name, purpose)?;
                wait_for(producer, name, settings)?;
                tracing::info!(sink = settings.sink, topic = name, "topic created");
            }
        }
        self.seen.insert(name.to_owned());
        Ok(())
    }
}

/// The largest batch of messages, after compression, that a topic takes; `None` if nobody may ask.
pub(super) fn largest_batch(settings: &Settings, name: &str) -> Option<usize> {
    setting_of(settings, name, "max.message.bytes")?.parse().ok()
}

/// Warns of an offsets topic that forgets: with an entry that is gone, a sink stops at its next start.
pub(super) fn warn_of_cleanup(settings: &Settings) {
    let topic = &settings.offsets_topic;
    if let Some(policy) = setting_of(settings, topic, "cleanup.policy").filter(|policy| policy != "compact") {
        tracing::warn!(
            sink = settings.sink,
            topic,
            policy,
            "the offsets topic forgets positions after its retention, and the sink would stop then: set cleanup.policy=compact on it"
        );
    }
}

/// A setting of a topic; `None` if nobody may ask.
fn setting_of(settings: &Settings, name: &str, key: &str) -> Option<String> {
    if settings.sasl_mechanism == Some(OAUTHBEARER) {
        return None;
    }
    let admin = admin(settings).ok()?;
    let options = AdminOptions::new().request_timeout(Some(LIMIT));
    let wanted = [ResourceSpecifier::Topic(name)];
    let asked = admin.describe_configs(&wanted, &options);
    let resource = settings.runtime.block_on(asked).ok()?.into_iter().next()?.ok()?;
    resource.get(key)?.value.clone()
}

enum Found {
    There,
    Missing,
}

fn look(producer: &Producer, name: &str, settings: &Settings) -> Result<Found, String> {
    let deadline = Instant::now() + LIMIT;
    let mut attempt = FIRST_ATTEMPT;
    let metadata = loop {
        match producer.inner.client().fetch_metadata(Some(name), attempt) {
            Ok(metadata) => break metadata,
            Err(error) => {
                producer.poll(TURN);
                if let Some(refusal) = producer.context().refusal() {
                    return Err(refused(producer, refusal, settings));
                }
                if Instant::now() >= deadline {
                    return Err(unreachable(producer, &error));
                }
                attempt = attempt.saturating_mul(2).min(ATTEMPT);
            }
        }
    };
    producer.context().works();
    let topic = metadata.topics().iter().find(|topic| topic.name() == name);
    let Some(topic) = topic else { return Ok(Found::Missing) };
    match topic.error().map(Code::from) {
        None if topic.partitions().is_empty() => Ok(Found::Missing),
        None => Ok(Found::There),
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Ok(Found::Missing),
        // A new or moving topic has no leader for a moment; sending waits for it.
        Some(Code::LeaderNotAvailable) => Ok(Found::There),
        Some(code) => Err(format!("the topic {name} cannot be used: {}", told(code))),
    }
}

/// A broker refused this client: in words, and of a certificate what is wrong with it.
fn refused(producer: &Producer, refusal: Refusal, settings: &Settings) -> String {
    let Some(broker) = refusal.untrusted else { return refusal.text };
    let text = Manner::of(settings).untrusted(&broker, name_in_certificate(&broker, settings));
    producer.context().refused(Refusal { text: text.clone(), untrusted: None });
    text
}

/// Asks for a broker's certificate once more, whatever name is in it: the library does not say by itself what is wrong with
/// one. Without a login or a certificate of our own: whoever it is gets none.
fn name_in_certificate(broker: &str, settings: &Settings) -> Name {
    let brokers = vec![broker.to_owned()];
    let tls = settings.tls.clone().map(|tls| Tls { client: None, ..tls });
    let nobody = Settings { brokers, tls, sasl_mechanism: None, tokens: None, ..settings.clone() };
    let Ok(mut config) = producer_config(&nobody) else { return Name::Unknown };
    config.remove("sasl.username").remove("sasl.password");
    config.set("security.protocol", "ssl").set("ssl.endpoint.identification.algorithm", "none");
    let Ok(producer) = Producer::open(&config, &nobody, &Trouble::default()) else { return Name::Unknown };
    let deadline = Instant::now() + CERTIFICATE_LIMIT;
    while Instant::now() < deadline {
        let answer = producer.inner.client().fetch_metadata(Some(&settings.offsets_topic), FIRST_ATTEMPT);
        producer.poll(TURN);
        match (answer, producer.context().refusal()) {
            (Err(_), Some(Refusal { untrusted: Some(_), .. })) => return Name::NotTheCause,
            // What is refused behind the certificate does not matter here.
            (Ok(_), _) | (Err(_), Some(_)) => return Name::Wrong,
            (Err(_), None) => {}
        }
    }
    Name::Unknown
}

/// No broker answered: what the library heard of them says more than the time-out.
fn unreachable(producer: &Producer, error: &KafkaError) -> String {
    match producer.context().trouble().get() {
        Some(trouble) => format!("no broker answers: {trouble}"),
        None => format!("no broker answers: {}", words(error)),
    }
}

fn wait_for(producer: &Producer, name: &str, settings: &Settings) -> Result<(), String> {
    let deadline = Instant::now() + SHOWN;
    loop {
        if let Found::There = look(producer, name, settings)? {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(format!("the topic {name} was created, and the brokers do not show it yet"));
        }
        producer.poll(Duration::from_millis(200));
    }
}

fn make(settings: &Settings, name: &str, purpose: Purpose) -> Result<(), String> {
    let failed = |why: String| format!("the topic {name} does not exist and cannot be created: {why}");
    if settings.sasl_mechanism == Some(OAUTHBEARER) {
        return Err(failed("with OAUTHBEARER vintner creates no topics, so create it yourself".to_owned()));
    }
    // -1: the cluster's default.
    let topic = match purpose {
        Purpose::Events => NewTopic::new(name, -1, TopicReplication::Fixed(-1)),
        Purpose::Positions => NewTopic::new(name, 1, TopicReplication::Fixed(-1)).set("cleanup.policy", "compact"),
    };
    let admin = admin(settings).map_err(failed)?;
    let options = AdminOptions::new().operation_timeout(Some(LIMIT)).request_timeout(Some(LIMIT));
    let made = settings.runtime.block_on(admin.create_topics(&[topic], &options));
    let outcome = made.map_err(|error| failed(words(&error)))?;
    match outcome.into_iter().next() {
        None | Some(Ok(_) | Err((_, Code::TopicAlreadyExists))) => Ok(()),
        Some(Err((_, code))) => Err(failed(told(code))),
    }
}

fn admin(settings: &Settings) -> Result<AdminClient<Context>, String> {
    use rdkafka::config::FromClientConfigAndContext;
    let config = config(settings)?;
    let context = Context::new(settings, &Trouble::default());
    AdminClient::from_config_and_context(&config, context).map_err(|error| words(&error))
}
