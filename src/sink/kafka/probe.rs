//! Whether a sink that delivers exactly once could work, for `check --online`: nothing is sent, and nobody is shut out.

use tokio_util::sync::CancellationToken;

use super::Settings;
use super::exactly_once::transactional_config;
use super::offsets;
use super::producer::Producer;
use super::topics::{Topics, warn_of_cleanup};
use super::transaction::init;
use crate::sink::{TransactionError, Trouble};

/// Looks for the topics, begins no transaction but asks for the right to, and reads the end of the offsets topic. The error is for
/// people. Its calls block.
pub fn probe(settings: &Settings) -> Result<(), String> {
    let trouble = Trouble::default();
    // The sink's own id would shut a running instance out.
    let (config, _) = transactional_config(settings, &format!("vintner-check-{}", settings.sink))?;
    let producer = Producer::open(&config, settings, &trouble)?;
    let mut topics = Topics::default();
    topics.require_all(&producer, settings)?;
    let told = |error: TransactionError| error.to_string();
    init(&producer, &CancellationToken::new()).map_err(told)?;
    if topics.have(&settings.offsets_topic) {
        warn_of_cleanup(settings);
        offsets::end(settings, &trouble).map_err(told)?;
    }
    Ok(())
}
