//! `check --online`: logs in to each account, reads one page, probes each sink.

use std::collections::HashMap;
use std::sync::Arc;

use crate::app::AppError;
use crate::app::assemble::{ClientParts, account_task, credentials, http_transport};
use crate::app::probe::{Line, probe};
use crate::app::sinks::Planned;
use crate::clock::{Clock, Millis};
use crate::collect::activity::user_rows::{self, Asked};
use crate::config::secrets::Environment;
use crate::config::settings::Config;
use crate::datto::Transport;
use crate::datto::client::Client;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::memory::{Memory, ProcessMemory};
use crate::datto::model::activity::Entity;
use crate::datto::page::PageRequest;
use crate::datto::skew::APART_HINT;
use crate::diagnostic::causes;

/// What a check found.
#[derive(Debug, Default)]
pub struct Found {
    /// Everything that does not work, one text each.
    pub problems: Vec<String>,
    /// The probes that were asked for, one for each account that could be looked at.
    pub probes: Vec<Probed>,
}

/// The probe of one account.
#[derive(Debug)]
pub struct Probed {
    /// Its place in the configuration, from 1 on: a report names no account.
    pub number: usize,
    /// Its platform, or `custom`.
    pub platform: String,
    /// What the look showed.
    pub lines: Vec<Line>,
}

/// Logs in to each account and tries each sink; with `probes`, also looks at how the API answers.
pub async fn check(
    config: &Config,
    environment: &(impl Environment + Clone + Send + Sync + 'static),
    probes: bool,
) -> Result<Found, AppError> {
    let clock = Clock::system();
    let transport: Arc<dyn Transport> = Arc::new(http_transport()?);
    let memory: Arc<dyn Memory> = Arc::new(ProcessMemory::default());
    let parts = ClientParts { transport: &transport, memory: &memory, clock: &clock };
    let mut platforms = HashMap::new();
    let mut found = Found::default();
    for (account, number) in config.accounts.iter().zip(1..) {
        let task = account_task(account, credentials(account, environment), &mut platforms, &parts).await?;
        let mut outcome = look(&task.client, &clock, &account.name).await;
        if probes && outcome.is_ok() {
            outcome = probe(&task, clock.now()).await.map(|lines| {
                found.probes.push(Probed { number, platform: task.platform.clone(), lines });
            });
        }
        let clocks = task.client.clocks();
        if let Some(problem) = clocks.problem().filter(|_| clocks.refuses()) {
            found.problems.push(format!("account {}: {problem}. {APART_HINT}", account.name));
        }
        if let Err(problem) = outcome {
            found.problems.push(format!("account {}: {}", account.name, causes::line(&problem)));
        } else {
            tracing::info!(account = account.name, "logged in, one page of each list read");
        }
    }
    for sink in &config.sinks {
        let planned = Planned::new(sink.clone()).beside(&config.journal.path);
        if let Err(problem) = planned.check(&clock).await {
            found.problems.push(format!("sink {}: {problem}", sink.name));
        } else {
            tracing::info!(sink = sink.name, "reached, it would take events");
        }
    }
    Ok(found)
}

/// Logs in, reads the first page of an alert list and of the activity log, and asks the log for USER rows.
async fn look(client: &Client, clock: &Clock, account: &str) -> Result<(), ClientError> {
    let now = clock.now();
    let activity = PageRequest::activity(now.minus(std::time::Duration::from_secs(900)), now, 20);
    may_read(client, &PageRequest::list("/v2/account/alerts/open", "alerts")).await?;
    if may_read(client, &activity).await? {
        look_for_user_rows(client, now, account).await?;
    }
    Ok(())
}

/// Reads a page. A list that the API user may not read is warned of: the other streams go on without it, so it is no reason
/// not to start.
async fn may_read(client: &Client, request: &PageRequest) -> Result<bool, ClientError> {
    match client.page(Lane::Lookup, request).await {
        Ok(_) => Ok(true),
        Err(error @ ClientError::Forbidden { .. }) => {
            tracing::warn!(error = causes::line(&error), "a stream that the API user may not read");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Warns of a log that shows DEVICE rows of the last days and no USER row. A log without any rows proves nothing.
async fn look_for_user_rows(client: &Client, now: Millis, account: &str) -> Result<(), ClientError> {
    let hint = user_rows::HINT;
    match user_rows::ask(client, Lane::Lookup, Entity::User, now).await {
        Ok(Asked::Shown) => {}
        Ok(Asked::Nothing) => {
            if user_rows::ask(client, Lane::Lookup, Entity::Device, now).await? == Asked::Shown {
                tracing::warn!(account, hint, "the activity log shows DEVICE rows and no USER row of the last 7 days");
            }
        }
        Ok(Asked::Unfiltered) => {
            tracing::info!(account, "the activity log cannot be asked for USER rows alone; `run` watches for them");
        }
        Err(error @ (ClientError::Forbidden { .. } | ClientError::Failed { .. })) => {
            let error = causes::line(&error);
            tracing::warn!(account, error, hint, "the activity log does not answer when it is asked for USER rows");
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
