//! `[sinks.kafka.<name>]`.

use std::collections::BTreeMap;

use crate::config::nearest::nearest;
use crate::config::read::Section;
use crate::config::read::item::Writing;
use crate::config::secrets::SecretText;
use crate::config::settings::kafka::{
    ClientCertificate, Delivery, KafkaCompression, KafkaConfig, PasswordMechanism, SaslConfig, TlsConfig, TokenConfig,
    TopicTemplate,
};
use crate::config::values::{self, Bad};
use crate::net;
use crate::sink::kafka::option::{self, OptionProblem};
use crate::sink::kafka::{MessageTime, TopicPart};

const DELIVERIES: [(&str, Delivery); 2] =
    [("exactly_once", Delivery::ExactlyOnce), ("at_least_once", Delivery::AtLeastOnce)];
const TIMES: [(&str, MessageTime); 2] = [("logged", MessageTime::Logged), ("event", MessageTime::Event)];
const COMPRESSIONS: [(&str, KafkaCompression); 5] = [
    ("zstd", KafkaCompression::Zstd),
    ("lz4", KafkaCompression::Lz4),
    ("gzip", KafkaCompression::Gzip),
    ("snappy", KafkaCompression::Snappy),
    ("none", KafkaCompression::None),
];
const MECHANISMS: [(&str, Mechanism); 4] = [
    ("PLAIN", Mechanism::Password(PasswordMechanism::Plain)),
    ("SCRAM-SHA-256", Mechanism::Password(PasswordMechanism::ScramSha256)),
    ("SCRAM-SHA-512", Mechanism::Password(PasswordMechanism::ScramSha512)),
    ("OAUTHBEARER", Mechanism::OauthBearer),
];
/// Keys of the Kafka library on which vintner's guarantees stand, or that other keys of the sink set.
const RESERVED: [&str; 13] = [
    "acks",
    "allow.auto.create.topics",
    "bootstrap.servers",
    "delivery.report.only.error",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "isolation.level",
    "metadata.broker.list",
    "partitioner",
    "request.required.acks",
    "sasl.mechanism",
    "sasl.mechanisms",
    "transactional.id",
];
/// Parts of such keys that hold a secret.
const SECRET_PARTS: [&str; 4] = ["password", "secret", "key.pem", "token"];
/// Longest topic name that Kafka takes.
const MAX_TOPIC: usize = 249;

#[derive(Clone, Copy)]
enum Mechanism {
    Password(PasswordMechanism),
    OauthBearer,
}

/// Reads what only a Kafka sink has.
pub(crate) fn read(section: &Section<'_>) -> Option<KafkaConfig> {
    let brokers = section.required("brokers", "for example brokers = [\"127.0.0.1:9092\"]");
    let brokers =
        brokers.and_then(|item| item.parse_filled_list(|text| values::broker(text).map(|()| text.to_owned())));
    let (topic, offsets_topic) = topics(section);
    let tls = section.section("tls").map(tls);
    let sasl = section.section("sasl").and_then(|table| sasl(table, tls.is_some()));
    let compression = section.parse("compression", |text| values::word(text, &COMPRESSIONS));
    let delivery = section.parse("delivery", |text| values::word(text, &DELIVERIES));
    let timestamp = section.parse("timestamp", |text| values::word(text, &TIMES));
    let create_topics = section.item("create_topics").and_then(|item| item.flag());
    let librdkafka = section.section("librdkafka").map(librdkafka).unwrap_or_default();
    Some(KafkaConfig {
        brokers: brokers?,
        topic,
        delivery: delivery.unwrap_or(Delivery::ExactlyOnce),
        timestamp: timestamp.unwrap_or(MessageTime::Logged),
        offsets_topic,
        create_topics: create_topics.unwrap_or(false),
        compression: compression.unwrap_or(KafkaCompression::Zstd),
        tls,
        sasl,
        librdkafka,
    })
}

/// Where events go and where positions go: never into one topic.
fn topics(section: &Section<'_>) -> (TopicTemplate, String) {
    let default = || TopicTemplate { parts: vec![TopicPart::Text("security.ocsf.datto-rmm".to_owned())] };
    let given = section.item("topic");
    let topic = match &given {
        Some(item) => item.parse(topic),
        None => Some(default()),
    };
    let offsets = section.parse("offsets_topic", |text| topic_name(text).map(|()| text.to_owned()));
    let offsets = offsets.unwrap_or_else(|| "vintner-offsets".to_owned());
    if topic.as_ref().is_some_and(|topic| may_become(topic, &offsets)) {
        let hint = "events and positions need topics of their own: change `topic` or `offsets_topic`";
        let key = if given.is_some() { "topic" } else { "offsets_topic" };
        let message = format!("events could go into the offsets topic {offsets:?}");
        section.problems.error_at(&format!("{}.{key}", section.path), message, Some(hint.to_owned()));
    }
    (topic.unwrap_or_else(default), offsets)
}

/// `tls = { … }`, the same for every sink.
pub(crate) fn tls(section: Section<'_>) -> TlsConfig {
    let ca_file = section.item("ca_file").and_then(|item| item.file());
    let cert = section.item("cert_file");
    let key = section.item("key_file");
    if cert.is_some() != key.is_some() {
        let message = "`cert_file` and `key_file` belong together";
        section.problems.error(section.at.clone(), message, Some("give both, or none".to_owned()));
    }
    let pair = (cert.and_then(|item| item.file()), key.and_then(|item| item.file()));
    let client = match pair {
        (Some(cert_file), Some(key_file)) => Some(ClientCertificate { cert_file, key_file }),
        (_, None) | (None, _) => None,
    };
    section.finish();
    TlsConfig { ca_file, client }
}

fn sasl(section: Section<'_>, with_tls: bool) -> Option<SaslConfig> {
    let mechanism = section.required("mechanism", "for example mechanism = \"SCRAM-SHA-512\"");
    let mechanism = mechanism.and_then(|item| item.parse(|text| values::word(text, &MECHANISMS)));
    let secret = |key: &str| {
        section.required(key, &format!("for example {key} = {{ env = \"NAME\" }}")).and_then(|item| item.secret())
    };
    let text = |key: &str| section.required(key, "a text").and_then(|item| item.filled()).map(str::to_owned);
    let sasl = match mechanism {
        Some(Mechanism::Password(mechanism)) => {
            let (username, password) = (text("username"), secret("password"));
            username.zip(password).map(|(username, password)| SaslConfig::Password { mechanism, username, password })
        }
        Some(Mechanism::OauthBearer) => {
            let url = section.required("token_url", "for example token_url = \"https://login.example/token\"");
            let token_url = url.and_then(|item| item.url(values::web_url));
            let (client_id, client_secret) = (text("client_id"), secret("client_secret"));
            let scope = section.item("scope").and_then(|item| item.filled()).map(str::to_owned);
            let proxy = section.item("proxy").and_then(|item| item.proxy());
            let ca_file = section.item("ca_file").and_then(|item| item.file());
            if token_url.as_ref().is_some_and(|url| url.scheme() == "http" && !net::is_loopback(url)) {
                let message = "the client secret goes to this server in clear text";
                let key = format!("{}.token_url", section.path);
                section.problems.warn_at(&key, message, Some("use https://".to_owned()));
            }
            let client = client_id.zip(client_secret);
            token_url.zip(client).map(|(token_url, (client_id, client_secret))| {
                let token = TokenConfig { token_url, client_id, client_secret, scope, proxy, ca_file };
                SaslConfig::OauthBearer(Box::new(token))
            })
        }
        None => {
            // Which keys belong here is not known; the mechanism is reported already. Nothing of it is shown.
            section.problems.mask(&section.at);
            return None;
        }
    };
    let clear = matches!(mechanism, Some(Mechanism::OauthBearer | Mechanism::Password(PasswordMechanism::Plain)));
    if clear && !with_tls {
        let message = "the credentials go to the brokers in clear text";
        section.problems.warn_at(&section.path, message, Some("add tls = {}".to_owned()));
    }
    section.finish();
    sasl
}

fn librdkafka(section: Section<'_>) -> BTreeMap<String, SecretText> {
    let mut settings = BTreeMap::new();
    for (name, item) in section.entries() {
        let is_secret = SECRET_PARTS.iter().any(|part| name.contains(part)) && !name.ends_with(".url");
        let value = item.secret_text(if is_secret { Writing::Refused } else { Writing::Allowed });
        if RESERVED.contains(&name) {
            let message = format!("`{name}` is set by vintner: its guarantees stand on it");
            section.problems.error(item.key, message, None);
        } else if let Some(value) = value {
            let text = match &value {
                SecretText::Text(text) => Some(text.expose()),
                SecretText::Reference(_) => None,
            };
            match option::problem(name, text) {
                Some(OptionProblem::UnknownName) => {
                    section.problems.error(item.key, format!("the Kafka library knows no setting `{name}`"), None);
                    continue;
                }
                Some(OptionProblem::BadValue) => {
                    let message = format!("the Kafka library does not accept this value of `{name}`");
                    section.problems.error(item.at, message, None);
                    continue;
                }
                None => {}
            }
            settings.insert(name.to_owned(), value);
        }
    }
    settings
}

/// A topic template: literal text first, then text and placeholders.
fn topic(text: &str) -> Result<TopicTemplate, Bad> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let literal_end = rest.find(['{', '}']).unwrap_or(rest.len());
        let (literal, after) = rest.split_at_checked(literal_end).unwrap_or((rest, ""));
        if !literal.is_empty() {
            parts.push(TopicPart::Text(literal.to_owned()));
        }
        let Some(inner) = after.strip_prefix('{') else {
            if after.is_empty() {
                break;
            }
            return Err(Bad::new(format!("{text:?} has a }} without its {{")));
        };
        let (placeholder, next) =
            inner.split_once('}').ok_or_else(|| Bad::new(format!("{text:?} has a {{ without its }}")))?;
        parts.push(topic_part(placeholder)?);
        rest = next;
    }
    let literal: String = parts.iter().map(|part| if let TopicPart::Text(text) = part { text } else { "" }).collect();
    match parts.as_slice() {
        [TopicPart::Text(_)] => topic_name(&literal)?,
        [TopicPart::Text(_), ..] => topic_literal(&literal)?,
        _ => {
            let hint = "for example \"security.{org}\"";
            return Err(Bad::hint("a topic begins with literal text, before its first placeholder", hint));
        }
    }
    Ok(TopicTemplate { parts })
}

fn topic_part(placeholder: &str) -> Result<TopicPart, Bad> {
    Ok(match placeholder {
        "org" => TopicPart::Org,
        "account" => TopicPart::Account,
        "category" => TopicPart::Category,
        "class" => TopicPart::Class,
        "stream" => TopicPart::Stream,
        other => {
            let known = ["org", "account", "category", "class", "stream"];
            let hint = match nearest(other, known) {
                Some(near) => format!("did you mean {{{near}}}?"),
                None => "known: {org}, {account}, {category}, {class}, {stream}".to_owned(),
            };
            return Err(Bad::hint(format!("{{{other}}} is not a placeholder of topics"), hint));
        }
    })
}

fn topic_name(text: &str) -> Result<(), Bad> {
    if matches!(text, "" | "." | "..") {
        return Err(Bad::new(format!("{text:?} is not a topic name")));
    }
    topic_literal(text)
}

fn topic_literal(text: &str) -> Result<(), Bad> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.len() > MAX_TOPIC || !text.chars().all(fits) {
        let hint = format!("use at most {MAX_TOPIC} characters: letters, digits, ., _ and -");
        return Err(Bad::hint(format!("{text:?} is not a topic name"), hint));
    }
    if text.starts_with("__") {
        return Err(Bad::new("topics that begin with __ are Kafka's own"));
    }
    Ok(())
}

/// Whether a template can yield this name: the literal ends are there, and something may stand between.
fn may_become(template: &TopicTemplate, name: &str) -> bool {
    let (Some(TopicPart::Text(prefix)), parts) = (template.parts.first(), template.parts.len()) else { return false };
    let suffix = match template.parts.last() {
        Some(TopicPart::Text(suffix)) if parts > 1 => suffix.as_str(),
        _ => "",
    };
    let middle = name.strip_prefix(prefix.as_str());
    if parts == 1 { name == prefix } else { middle.is_some_and(|middle| middle.ends_with(suffix)) }
}
