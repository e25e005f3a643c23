//! `check --online`: logs in to each account, reads one page of each list, and probes each sink, all side by side, one attempt each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::app::AppError;
use crate::app::account::AccountTask;
use crate::app::assemble::{ClientParts, account_task, credentials, http_transport};
use crate::app::probe::{Line, probe};
use crate::app::sinks::Planned;
use crate::clock::{Clock, Millis};
use crate::collect::activity::user_rows::{self, Asked};
use crate::collect::inventory::sight::{DEVICES, SITES};
use crate::config::secrets::Environment;
use crate::config::settings::Config;
use crate::datto::client::Client;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::memory::{Memory, ProcessMemory};
use crate::datto::model::activity::Entity;
use crate::datto::page::PageRequest;
use crate::datto::retry::Patience;
use crate::datto::skew::APART_HINT;
use crate::diagnostic::causes;
use crate::diagnostic::panics::why_ended;

/// How much of the activity log its page may hold.
const ACTIVITY: Duration = Duration::from_secs(900);

/// What a result is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An account.
    Account,
    /// A sink.
    Sink,
}

/// The result of one account or sink.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it is about.
    pub kind: Kind,
    /// The name in the configuration.
    pub name: String,
    /// What was done, or every failure.
    pub message: Result<String, String>,
    /// What works and is still not as it should be.
    pub warnings: Vec<String>,
    /// How the API answers, if that was asked for and the account could be looked at.
    pub probed: Option<Probed>,
}

/// The probe of one account.
#[derive(Clone, Debug)]
pub struct Probed {
    /// Its place in the configuration, from 1 on: a report names no account.
    pub number: usize,
    /// Its platform, or `custom`.
    pub platform: String,
    /// What the look showed.
    pub lines: Vec<Line>,
}

/// Looks at each account and each sink, and hands every result to `report` as it arrives; with `probes`, also looks at how the API
/// answers.
pub async fn check(
    config: &Config,
    environment: &(impl Environment + Clone + Send + Sync + 'static),
    probes: bool,
    mut report: impl FnMut(Outcome),
) -> Result<(), AppError> {
    let clock = Clock::system();
    let memory: Arc<dyn Memory> = Arc::new(ProcessMemory::default());
    let mut platforms = HashMap::new();
    let mut looks = JoinSet::new();
    for (account, number) in config.accounts.iter().zip(1..) {
        let transport = http_transport(account, environment)?;
        let parts = ClientParts { transport: &transport, memory: &memory, clock: &clock, patience: Patience::Once };
        let task = account_task(account, credentials(account, environment), &mut platforms, &parts).await?;
        let (clock, number) = (clock.clone(), probes.then_some(number));
        looks.spawn(async move { of_account(task, &clock, number).await });
    }
    for sink in &config.sinks {
        let (planned, clock) = (Planned::new(sink.clone()).beside(&config.journal.path), clock.clone());
        looks.spawn(async move {
            let message = planned.check(&clock).await.map(|()| "reached, it would take events".to_owned());
            Outcome { kind: Kind::Sink, name: planned.name.clone(), message, warnings: Vec::new(), probed: None }
        });
    }
    while let Some(ended) = looks.join_next().await {
        report(ended.map_err(|ended| AppError::Failed(format!("a check ended: {}", why_ended(ended))))?);
    }
    Ok(())
}

/// One look at an account; `number`: its place in the configuration, if the answers themselves are to be looked at.
async fn of_account(task: AccountTask, clock: &Clock, number: Option<usize>) -> Outcome {
    let mut look = Look { client: &task.client, read: Vec::new(), failures: Vec::new(), warnings: Vec::new() };
    let (mut ended, mut probed) = (look.all(clock.now()).await, None);
    if let Some(number) = number.filter(|_| ended.is_ok() && look.failures.is_empty()) {
        ended = probe(&task, clock.now()).await.map(|lines| {
            probed = Some(Probed { number, platform: task.platform.clone(), lines });
        });
    }
    let Look { read, mut failures, warnings, .. } = look;
    failures.extend(ended.err().map(|error| words(&error)));
    let clocks = task.client.clocks();
    failures.extend(clocks.problem().filter(|_| clocks.refuses()).map(|problem| format!("{problem}. {APART_HINT}")));
    let message = match failures.as_slice() {
        [] if read.is_empty() => Ok("logged in, no list may be read".to_owned()),
        [] => Ok(format!("logged in, read one page of each of: {}", read.join(", "))),
        failures => Err(failures.join("; ")),
    };
    Outcome { kind: Kind::Account, name: task.config.name.clone(), message, warnings, probed }
}

/// A look under way.
struct Look<'a> {
    client: &'a Client,
    /// Lists of which a page was read.
    read: Vec<&'static str>,
    failures: Vec<String>,
    warnings: Vec<String>,
}

impl Look<'_> {
    /// Logs in, reads the first page of each list, and asks the activity log for USER rows. An error ends the look: every further
    /// request would meet it too.
    async fn all(&mut self, now: Millis) -> Result<(), ClientError> {
        let activity = PageRequest::activity(now.minus(ACTIVITY), now, 20);
        self.page("open alerts", &PageRequest::list("/v2/account/alerts/open", "alerts")).await?;
        self.page("resolved alerts", &PageRequest::list("/v2/account/alerts/resolved", "alerts")).await?;
        self.page("sites", &PageRequest::list(SITES, "sites")).await?;
        self.page("devices", &PageRequest::list(DEVICES, "devices")).await?;
        if self.page("activity log", &activity).await? {
            self.user_rows(now).await?;
        }
        Ok(())
    }

    /// Reads a page. A list that the API user may not read is a warning: the other streams go on without it, so it is no reason not to
    /// start.
    async fn page(&mut self, name: &'static str, request: &PageRequest) -> Result<bool, ClientError> {
        match self.client.page(Lane::Lookup, request).await {
            Ok(_) => {
                self.read.push(name);
                return Ok(true);
            }
            Err(ClientError::Forbidden { needs, .. }) => {
                self.warnings.push(format!("the API user may not read the list `{name}`: {needs}"));
            }
            Err(error) if error.is_of_account() || matches!(error, ClientError::Unreachable { .. }) => {
                return Err(error);
            }
            Err(error) => self.failures.push(format!("{name}: {}", words(&error))),
        }
        Ok(false)
    }

    /// Warns of a log that shows DEVICE rows of the last days and no USER row. A log without any rows proves nothing.
    async fn user_rows(&mut self, now: Millis) -> Result<(), ClientError> {
        let warning = match user_rows::ask(self.client, Lane::Lookup, Entity::User, now).await {
            Ok(Asked::Shown) => return Ok(()),
            Ok(Asked::Nothing) => {
                let devices = user_rows::ask(self.client, Lane::Lookup, Entity::Device, now).await?;
                if devices != Asked::Shown {
                    return Ok(());
                }
                "the activity log shows DEVICE rows and no USER row of the last 7 days".to_owned()
            }
            Ok(Asked::Unfiltered) => {
                let account = self.client.account();
                tracing::info!(account, "the activity log cannot be asked for USER rows alone; `run` watches for them");
                return Ok(());
            }
            Err(error @ (ClientError::Forbidden { .. } | ClientError::Failed { .. })) => {
                format!("the activity log does not answer when it is asked for USER rows ({})", words(&error))
            }
            Err(error) => return Err(error),
        };
        self.warnings.push(format!("{warning}; {}", user_rows::HINT));
        Ok(())
    }
}

/// An error in the words of somebody who tries once.
fn words(error: &ClientError) -> String {
    if let ClientError::Blocked { host, until } = error {
        format!("{host} blocks this machine's address; send nothing to it before {until}")
    } else {
        causes::line(error)
    }
}
