//! What `vintner --version` prints: everything that a report about a problem needs.

use std::sync::LazyLock;

use crate::journal::schema_version;
use crate::sink::kafka::library_version;

/// The text after the program's name.
pub(super) static LONG: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{}\ncommit: {}\ntarget: {}\nlibrdkafka: {}\njournal schema: {}",
        env!("CARGO_PKG_VERSION"),
        env!("VINTNER_COMMIT"),
        env!("VINTNER_TARGET"),
        library_version(),
        schema_version()
    )
});
