//! Settings that operators pass through to the client library, looked at before anything runs.

use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

/// What is wrong with a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionProblem {
    /// The library has none of that name.
    UnknownName,
    /// It does not take this value.
    BadValue,
}

/// What is wrong with the setting `name`, as far as the library can tell without a connection. `value` is `None` where it is not
/// known yet.
pub fn problem(name: &str, value: Option<&str>) -> Option<OptionProblem> {
    let mut config = ClientConfig::new();
    config.set(name, value.unwrap_or_default());
    let error = config.create_native_config().err()?;
    if matches!(error, KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) {
        return Some(OptionProblem::UnknownName);
    }
    value.map(|_| OptionProblem::BadValue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_judged_by_the_library() {
        assert_eq!(problem("linger.ms", Some("20")), None);
        assert_eq!(problem("linger.ms", Some("soon")), Some(OptionProblem::BadValue));
        assert_eq!(problem("linger.ms", None), None);
        assert_eq!(problem("ssl.key.password", None), None);
        assert_eq!(problem("linger", Some("20")), Some(OptionProblem::UnknownName));
        assert_eq!(problem("linger", None), Some(OptionProblem::UnknownName));
    }
}
