//! How a client of the Kafka library is set up, and what it tells while it works.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use rdkafka::{ClientConfig, ClientContext, Statistics};

use super::connection::{Heard, Manner, Name};
use super::{Settings, Tokens};
use crate::sink::Trouble;

/// Settings that vintner prefers; the operator's own win over them.
const PREFERRED: [(&str, &str); 4] = [
    // The broker is the judge of sizes, which it takes after compression.
    ("message.max.bytes", "16777216"),
    ("reconnect.backoff.max.ms", "2000"),
    ("socket.keepalive.enable", "true"),
    ("socket.timeout.ms", "20000"),
];

/// Messages of one batch are handed over at once: no more than a moment is needed to fill a request.
const LINGER_MS: &str = "5";

/// What the client library calls back.
pub(super) struct Context {
    tokens: Option<Arc<dyn Tokens>>,
    trouble: Trouble,
    manner: Manner,
    refusal: Mutex<Option<Refusal>>,
    /// Why there is no new token: an old one that the broker refuses then says less.
    tokenless: Mutex<Option<String>>,
    reports: Mutex<Vec<(usize, Option<Code>)>>,
    /// Why the last transaction failed: the library says it nowhere but in its log.
    transaction: Mutex<Option<String>>,
}

/// Why a broker does not take this client as it comes: the next one, made with the settings as they are then, may be welcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// In words.
    pub(super) text: String,
    /// The broker (`host:port`) whose certificate is not accepted, if that is why and it is not known what is wrong with it.
    pub(super) untrusted: Option<String>,
}

/// The facility under which the library logs why a transaction failed.
const TRANSACTION_FAILED: &str = "TXNERR";
/// The facility under which it logs why a connection failed.
const CONNECTION_FAILED: &str = "FAIL";

impl Context {
    /// A context that tells `trouble` what goes wrong.
    pub(super) fn new(settings: &Settings, trouble: &Trouble) -> Self {
        Self {
            tokens: settings.tokens.clone(),
            trouble: trouble.clone(),
            manner: Manner::of(settings),
            refusal: Mutex::default(),
            tokenless: Mutex::default(),
            reports: Mutex::default(),
            transaction: Mutex::default(),
        }
    }

    /// Why a transaction failed since the last call.
    pub(super) fn take_transaction_failure(&self) -> Option<String> {
        self.transaction.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Why a broker refused this client since it last worked.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A broker refuses this client.
    pub(super) fn refused(&self, refusal: Refusal) {
        self.trouble.set(refusal.text.clone());
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
    }

    /// The same by a reason of the library: that there is no new token comes first.
    fn refused_for(&self, reason: String) {
        let tokenless = self.tokenless.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.refused(Refusal { text: tokenless.unwrap_or(reason), untrusted: None });
    }

    /// It works.
    pub(super) fn works(&self) {
        self.trouble.clear();
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Where it tells what goes wrong.
    pub(super) fn trouble(&self) -> &Trouble {
        &self.trouble
    }

    /// The reports since the last call: the index of the message, and why it failed if it did.
    pub(super) fn take_reports(&self) -> Vec<(usize, Option<Code>)> {
        std::mem::take(&mut *self.reports.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What all clients of a sink have in common. The error is for people.
pub(super) fn config(settings: &Settings) -> Result<ClientConfig, String> {
    let mut config = ClientConfig::new();
    for (key, value) in PREFERRED {
        config.set(key, value);
    }
    config.set("client.id", "vintner");
    let protocol = match (settings.tls.is_some(), settings.sasl_mechanism.is_some()) {
        (false, false) => "plaintext",
        (true, false) => "ssl",
        (false, true) => "sasl_plaintext",
        (true, true) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if let Some(tls) = &settings.tls {
        if let Some(path) = &tls.ca_file {
            config.set("ssl.ca.location", path.to_string_lossy());
        }
        if let Some((cert_file, key_file)) = &tls.client {
            config.set("ssl.certificate.location", cert_file.to_string_lossy());
            config.set("ssl.key.location", key_file.to_string_lossy());
        }
    }
    for (key, value) in settings.secrets.options()? {
        config.set(key, value.expose());
    }
    // What the guarantees stand on comes last.
    config.set("bootstrap.servers", settings.brokers.join(","));
    if let Some(mechanism) = settings.sasl_mechanism {
        config.set("sasl.mechanism", mechanism);
    }
    // What `debug` asks for comes at a level of its own.
    let is_debugged = config.get("debug").is_some();
    config.set_log_level(if is_debugged { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Info });
    Ok(config)
}

/// A producer's settings: all replicas confirm, a repeat by the library is no repeat in the topic, and no topic comes into
/// being by itself (a deleted one would come back empty, without an error).
pub(super) fn producer_config(settings: &Settings) -> Result<ClientConfig, String> {
    let mut config = config(settings)?;
    config.set("compression.codec", settings.compression);
    if config.get("linger.ms").is_none() {
        config.set("linger.ms", LINGER_MS);
    }
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("allow.auto.create.topics", "false")
        .set("partitioner", "murmur2_random")
        .set("delivery.report.only.error", "false");
    Ok(config)
}

/// The library's name of a log level.
fn severity(level: RDKafkaLogLevel) -> &'static str {
    match level {
        RDKafkaLogLevel::Emerg => "emergency",
        RDKafkaLogLevel::Alert => "alert",
        RDKafkaLogLevel::Critical => "critical",
        RDKafkaLogLevel::Error => "error",
        RDKafkaLogLevel::Warning => "warning",
        RDKafkaLogLevel::Notice => "notice",
        RDKafkaLogLevel::Info => "info",
        RDKafkaLogLevel::Debug => "debug",
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // What fails is told by the deliverer, once, not by every attempt to connect.
        let severity = severity(level);
        tracing::debug!(severity, facility, text = message, "Kafka client");
        let text = message.split_once("]: ").map_or(message, |(_, text)| text);
        // A hang-up is told here only; one that says nothing more is no trouble, brokers end idle connections.
        if facility == CONNECTION_FAILED
            && let Heard::Refused(text) = self.manner.hear(text)
        {
            self.refused_for(text);
        }
        if facility == TRANSACTION_FAILED {
            // What follows from the first failure says less.
            self.transaction.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text.to_owned());
        }
    }

    fn stats(&self, _statistics: Statistics) {}

    fn stats_raw(&self, _statistics: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka client");
        match error.rdkafka_error_code() {
            // That all brokers are down follows from the errors before it, which say why; the end of a topic is no error.
            Some(Code::AllBrokersDown | Code::PartitionEOF) => {}
            Some(_) | None => match self.manner.hear(reason) {
                Heard::Failed(text) => self.trouble.set(text),
                Heard::Refused(text) => self.refused_for(text),
                Heard::Untrusted(broker) => {
                    self.refused(Refusal {
                        text: self.manner.untrusted(&broker, Name::Unknown),
                        untrusted: Some(broker),
                    });
                }
            },
        }
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let tokens = self.tokens.as_ref().ok_or("no token server is configured")?;
        let token = tokens.token().map_err(|reason| reason.chars().filter(|c| !c.is_control()).collect::<String>());
        *self.tokenless.lock().unwrap_or_else(PoisonError::into_inner) = token.as_ref().err().cloned();
        let token = token.inspect_err(|reason| self.refused(Refusal { text: reason.clone(), untrusted: None }))?;
        Ok(OAuthToken {
            token: token.text.expose().to_owned(),
            principal_name: token.principal,
            lifetime_ms: token.expires.as_i64(),
        })
    }
}

impl ConsumerContext for Context {}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, index: usize) {
        let failed = match result {
            Ok(_) => None,
            Err((error, _)) => Some(error.rdkafka_error_code().unwrap_or(Code::Unknown)),
        };
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).push((index, failed));
    }
}
