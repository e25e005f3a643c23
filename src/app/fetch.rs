//! `vintner fetch`: one list, once, normalized, on stdout. No journal: nothing is remembered.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::app::AppError;
use crate::app::account::AccountTask;
use crate::app::assemble::{ClientParts, account_task, http_transport};
use crate::app::fetch::printer::Printer;
use crate::app::fetch::target::Target;
use crate::clock::{Clock, Millis};
use crate::collect::activity::PAGE_SIZE;
use crate::datto::Transport;
use crate::datto::client::Client;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::memory::{Memory, ProcessMemory};
use crate::datto::model::site;
use crate::datto::page::PageRequest;
use crate::inventory::{Account, Site};
use crate::normalize::{Format, Options};
use crate::org::Policy;
use crate::org::directory::Directory;
use crate::sink::stdout::{OnError, Stdout};

mod printer;
pub(crate) mod records;
pub mod target;

/// Without `--since`, this much of the activity log.
const ACTIVITY_REACH: Duration = Duration::from_secs(24 * 3600);

/// What to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// `/v2/account/alerts/open`
    OpenAlerts,
    /// `/v2/account/alerts/resolved`
    ResolvedAlerts,
    /// `/v2/activity-logs`
    Activity,
    /// `/v2/account/sites`
    Sites,
    /// `/v2/account/devices`
    Devices,
}

impl What {
    fn request(self, since: Option<Millis>, now: Millis) -> PageRequest {
        match self {
            Self::OpenAlerts => PageRequest::list("/v2/account/alerts/open", "alerts"),
            Self::ResolvedAlerts => PageRequest::list("/v2/account/alerts/resolved", "alerts"),
            Self::Activity => PageRequest::activity(since.unwrap_or(now.minus(ACTIVITY_REACH)), now, PAGE_SIZE),
            Self::Sites => PageRequest::list("/v2/account/sites", "sites"),
            Self::Devices => PageRequest::list("/v2/account/devices", "devices"),
        }
    }
}

/// Fetches and prints.
pub async fn run(target: Target, what: What, format: Format, since: Option<Duration>) -> Result<(), AppError> {
    let clock = Clock::system();
    let transport: Arc<dyn Transport> = Arc::new(http_transport()?);
    let memory: Arc<dyn Memory> = Arc::new(ProcessMemory::default());
    let parts = ClientParts { transport: &transport, memory: &memory, clock: &clock };
    let task = account_task(&target.config, Arc::clone(&target.credentials), &mut HashMap::new(), &parts).await?;
    let failed = |source| AppError::Account { account: target.config.name.clone(), source };
    let account = task.identify().await.map_err(failed)?;
    let directory = directory(&task, &account, &target.policy).await.map_err(failed)?;
    let stdout = Stdout::new(OnError::Fail).map_err(|error| AppError::Failed(format!("standard output: {error}")))?;
    let options = Options { format, ..target.told.clone() };
    let udfs = &target.config.inventory.udfs;
    let now = clock.now();
    let mut printer = Printer { directory, clock, options, stdout, left_out: 0 };
    let least = since.map(|reach| now.minus(reach));
    let mut next = Some(what.request(least, now));
    let (mut visited, mut seen) = (HashSet::new(), HashSet::new());
    while let Some(request) = next.filter(|request| visited.insert(request.key())) {
        let page = task.client.page(Lane::Alerts, &request).await.map_err(failed)?;
        let records = records::of_page(&account.uid, what, &page.items, page.received_at, least, udfs);
        // Lists move while they are read: a row that comes again is printed once.
        let fresh = records.into_iter().filter(|record| seen.insert(record.envelope.event_id()));
        printer.print(fresh.collect()).await?;
        next = page.next;
    }
    printer.finish();
    Ok(())
}

/// The account's sites under the policy.
async fn directory(task: &AccountTask, account: &Account, policy: &Policy) -> Result<Directory, ClientError> {
    let client: &Client = &task.client;
    let mut sites: Vec<Site> = Vec::new();
    let mut visited = HashSet::new();
    let mut next = Some(PageRequest::list("/v2/account/sites", "sites"));
    while let Some(request) = next.filter(|request| visited.insert(request.key())) {
        let page = client.page(Lane::Alerts, &request).await?;
        sites.extend(page.items.iter().filter_map(|item| site::decode(item, &account.uid).ok()));
        next = page.next;
    }
    Ok(Directory::new(0, Arc::new(policy.clone()), vec![account.clone()], sites))
}
