//! `check --online`: logs in to each account, reads one page, probes each sink.

use std::collections::HashMap;
use std::sync::Arc;

use crate::app::AppError;
use crate::app::assemble::{ClientParts, account_task, credentials, http_transport};
use crate::app::sinks::Planned;
use crate::clock::Clock;
use crate::config::secrets::Environment;
use crate::config::settings::Config;
use crate::datto::Transport;
use crate::datto::client::Client;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::memory::{Memory, ProcessMemory};
use crate::datto::page::PageRequest;
use crate::diagnostic::causes;

/// Everything that does not work, one text each.
pub async fn check(
    config: &Config,
    environment: &(impl Environment + Clone + Send + Sync + 'static),
) -> Result<Vec<String>, AppError> {
    let clock = Clock::system();
    let transport: Arc<dyn Transport> = Arc::new(http_transport()?);
    let memory: Arc<dyn Memory> = Arc::new(ProcessMemory::default());
    let parts = ClientParts { transport: &transport, memory: &memory, clock: &clock };
    let mut platforms = HashMap::new();
    let mut problems = Vec::new();
    for account in &config.accounts {
        let task = account_task(account, credentials(account, environment), &mut platforms, &parts).await?;
        if let Err(problem) = probe(&task.client, &clock).await {
            problems.push(format!("account {}: {problem}", account.name));
        } else {
            tracing::info!(account = account.name, "logged in, one page of each list read");
        }
    }
    for sink in &config.sinks {
        let planned = Planned::new(sink.clone()).beside(&config.journal.path);
        if let Err(problem) = planned.check(&clock).await {
            problems.push(format!("sink {}: {problem}", sink.name));
        } else {
            tracing::info!(sink = sink.name, "reached, it would take events");
        }
    }
    Ok(problems)
}

/// Logs in and reads the first page of an alert list and of the activity log.
async fn probe(client: &Client, clock: &Clock) -> Result<(), String> {
    let now = clock.now();
    let activity = PageRequest::activity(now.minus(std::time::Duration::from_secs(900)), now, 20);
    for request in [PageRequest::list("/v2/account/alerts/open", "alerts"), activity] {
        match client.page(Lane::Lookup, &request).await {
            Ok(_) => {}
            // The other streams go on without it, so it is no reason not to start.
            Err(error @ ClientError::Forbidden { .. }) => {
                tracing::warn!(error = causes::line(&error), "a stream that the API user may not read");
            }
            Err(error) => return Err(causes::line(&error)),
        }
    }
    Ok(())
}
