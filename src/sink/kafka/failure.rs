//! What an error of the Kafka client means, and how it is told.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::types::RDKafkaConfRes;

/// What a code speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meaning {
    /// The consequence of another message's failure: says nothing by itself.
    Follows,
    /// The connection, the topic, a right: tried again, nothing is given up.
    Passing,
    /// The message's time is one that the broker does not take.
    Time,
    /// A message that the broker will never take; it refuses the whole batch in which one stands.
    Refused,
    /// Another producer with the same transactional id took over.
    Fenced,
}

/// What `code` speaks of.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library has a hundred codes, and a new one is told like these")]
pub(super) fn meaning(code: Code) -> Meaning {
    match code {
        Code::ProducerFenced | Code::InvalidProducerEpoch | Code::Fenced => Meaning::Fenced,
        Code::MessageSizeTooLarge
        | Code::MessageBatchTooLarge
        | Code::InvalidMessageSize
        | Code::InvalidRecord
        | Code::PolicyViolation => Meaning::Refused,
        Code::InvalidTimestamp => Meaning::Time,
        Code::PurgeQueue | Code::PurgeInflight | Code::Fatal | Code::OutOfOrderSequenceNumber | Code::State => {
            Meaning::Follows
        }
        _ => Meaning::Passing,
    }
}

/// The code of an error, where it has one.
pub(super) fn code(error: &KafkaError) -> Option<Code> {
    if let KafkaError::Transaction(error) = error {
        return Some(error.code());
    }
    error.rdkafka_error_code()
}

/// The error in words; never the value of a setting, which may be a secret.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others are told by their code")]
pub(super) fn words(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, _, key, _) => {
            format!("the Kafka library knows no setting `{key}`")
        }
        KafkaError::ClientConfig(_, _, key, _) => format!("the Kafka library does not accept the value of `{key}`"),
        KafkaError::ClientCreation(text) => unmade(text),
        KafkaError::Transaction(error) => format!("{} ({}){}", error.string(), error.name(), hint(error.code())),
        error => code(error).map_or_else(|| error.to_string(), told),
    }
}

/// Why no client can be made, by the keys of `tls` where it is one of its files.
fn unmade(text: &str) -> String {
    let (key, why) = text.split_once(" failed: ").unwrap_or(("", text));
    let why = why.rsplit_once("::").map_or(why, |(_, why)| why);
    match key {
        "ssl.ca.location" => {
            format!("`tls.ca_file` cannot be used ({why}): it must be a readable file of certificates in PEM")
        }
        "ssl.certificate.location" => {
            format!("`tls.cert_file` cannot be used ({why}): it must be a readable file with a certificate in PEM")
        }
        "ssl.key.location" if why.contains("mismatch") => {
            "the key in `tls.key_file` is not that of `tls.cert_file`".to_owned()
        }
        "ssl.key.location" => format!(
            "`tls.key_file` cannot be used ({why}): it must be a readable file with a key in PEM; one with a pass phrase needs librdkafka = {{ \"ssl.key.password\" = {{ file = \"…\" }} }}"
        ),
        _ => format!("the Kafka client cannot be made: {text}"),
    }
}

/// A code in words, with what to do where that is known.
pub(super) fn told(code: Code) -> String {
    format!("{code}{}", hint(code))
}

/// What to do, where that is known.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library has a hundred codes, and a new one is told like these")]
fn hint(code: Code) -> &'static str {
    match code {
        Code::UnknownTopicOrPartition | Code::UnknownTopic => ": create the topic, or set create_topics = true",
        Code::TopicAuthorizationFailed => ": this user may not use the topic; an ACL for Describe and Write is missing",
        Code::TransactionalIdAuthorizationFailed => {
            ": this user may not use the transactional id; an ACL for Describe and Write on the prefix `vintner-` is missing"
        }
        Code::ClusterAuthorizationFailed => ": this user lacks a right on the cluster (IdempotentWrite)",
        Code::Authentication | Code::SaslAuthenticationFailed => ": check `sasl`",
        Code::InvalidTopic => ": Kafka takes no topic of that name, or has one that differs in `.` and `_` only",
        Code::MessageTimedOut => ": the brokers did not confirm it in time",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_meaning_wins() {
        let codes = [Code::PurgeQueue, Code::MessageTimedOut, Code::MessageSizeTooLarge, Code::ProducerFenced];
        let meanings: Vec<_> = codes.into_iter().map(meaning).collect();
        assert!(meanings.is_sorted(), "{meanings:?}");
    }

    #[test]
    fn the_value_of_a_setting_is_not_told() {
        let mut config = rdkafka::ClientConfig::new();
        config.set("sasl.password", "s3cr3t").set("linger.ms", "s3cr3t");
        let error = config.create_native_config().err().unwrap();
        assert_eq!(words(&error), "the Kafka library does not accept the value of `linger.ms`");
        let mut config = rdkafka::ClientConfig::new();
        config.set("no.such.thing", "s3cr3t");
        assert_eq!(
            words(&config.create_native_config().err().unwrap()),
            "the Kafka library knows no setting `no.such.thing`"
        );
    }

    #[test]
    fn a_file_of_tls_that_cannot_be_used_is_told_by_its_key() {
        let told = |text: &str| words(&KafkaError::ClientCreation(text.to_owned()));
        let none =
            told("ssl.ca.location failed: error:05800088:x509 certificate routines::no certificate or crl found");
        assert!(none.starts_with("`tls.ca_file` cannot be used (no certificate or crl found)"), "{none}");
        assert!(
            told("ssl.certificate.location failed: error:0A080009:SSL routines::PEM lib").contains("`tls.cert_file`")
        );
        let other = told("ssl.key.location failed: error:05800074:x509 certificate routines::key values mismatch");
        assert_eq!(other, "the key in `tls.key_file` is not that of `tls.cert_file`");
        assert!(told("ssl.key.location failed: error:0A080009:SSL routines::PEM lib").contains("pass phrase"));
        assert_eq!(told("No provider"), "the Kafka client cannot be made: No provider");
    }
}
