//! `vintner fetch`: one list, once, normalized, on stdout. No journal: nothing is remembered.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::app::AppError;
use crate::app::account::AccountTask;
use crate::app::assemble::{ClientParts, account_task};
use crate::app::fetch::printer::Printer;
use crate::app::fetch::target::Target;
use crate::clock::{Clock, Millis};
use crate::collect::activity::list::WindowList;
use crate::collect::activity::window::{Reached, Window};
use crate::collect::inventory::sight::{DEVICES, SITES};
use crate::collect::walk::Walk;
use crate::datto::client::Client;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::memory::{Memory, ProcessMemory};
use crate::datto::model::{activity, site};
use crate::datto::page::{ListPage, PageRequest};
use crate::datto::retry::Patience;
use crate::inventory::{Account, Site};
use crate::journal::UNDATED;
use crate::normalize::{Format, Options, RawData};
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
    fn list(self, since: Option<Millis>, now: Millis, reached: Reached) -> List {
        let numbered = |path, array| List::Numbered(Walk::new(PageRequest::list(path, array)));
        match self {
            Self::OpenAlerts => numbered("/v2/account/alerts/open", "alerts"),
            Self::ResolvedAlerts => numbered("/v2/account/alerts/resolved", "alerts"),
            Self::Activity => {
                let from = since.unwrap_or(now.minus(ACTIVITY_REACH));
                List::Window(WindowList::new(Window::since(None, Duration::ZERO, from, reached)))
            }
            Self::Sites => numbered(SITES, "sites"),
            Self::Devices => numbered(DEVICES, "devices"),
        }
    }
}

/// Fetches and prints; gives how many events were printed.
pub async fn run(target: Target, what: What, format: Format, since: Option<Duration>) -> Result<u64, AppError> {
    let clock = Clock::system();
    let memory: Arc<dyn Memory> = Arc::new(ProcessMemory::default());
    let parts =
        ClientParts { transport: &target.transport, memory: &memory, clock: &clock, patience: Patience::OnceAtFirst };
    let task = account_task(&target.config, Arc::clone(&target.credentials), &mut HashMap::new(), &parts).await?;
    let failed = |source| AppError::Account { account: target.config.name.clone(), source };
    let account = task.identify().await.map_err(failed)?;
    let directory = directory(&task, &account, &target.policy).await.map_err(failed)?;
    let stdout = Stdout::new(OnError::Fail).map_err(|error| AppError::Failed(format!("standard output: {error}")))?;
    // No journal keeps what is printed here, so the source's text goes with it.
    let options = Options { format, raw_data: RawData::Findings, ..target.options.clone() };
    let udfs = &target.config.inventory.udfs;
    let time = task.client.source_time();
    let now = time.now.unwrap_or(time.latest);
    let mut printer = Printer { directory, clock, options, stdout, left_out: 0, printed: 0 };
    let least = since.map(|reach| now.minus(reach));
    let mut list = what.list(least, now, Reached { certain: time.earliest, latest: time.latest });
    let mut seen = HashSet::new();
    while let Some(page) = list.page(&task.client).await.map_err(failed)? {
        let records = records::of_page(&account.uid, what, &page.items, page.received_at, least, udfs);
        // Lists move while they are read: a row that comes again is printed once.
        let fresh = records.into_iter().filter(|record| seen.insert(record.envelope.event_id()));
        printer.print(fresh.collect()).await?;
    }
    printer.finish();
    match list.is_whole() {
        true => Ok(printer.printed),
        false => Err(AppError::Failed("the list led back to a page that was read: it is not whole".to_owned())),
    }
}

/// A list that is read to its end.
enum List {
    Numbered(Walk),
    Window(WindowList),
}

impl List {
    async fn page(&mut self, client: &Client) -> Result<Option<ListPage>, ClientError> {
        match self {
            Self::Numbered(list) => list.page(client, Lane::Alerts).await,
            Self::Window(list) => {
                let page = list.page(client, Lane::Alerts).await?;
                let rows = page.iter().flat_map(|page| &page.items).filter_map(|item| activity::decode(item).ok());
                list.note(rows.map(|row| (row.id, row.date.unwrap_or(UNDATED))));
                Ok(page)
            }
        }
    }

    /// Whether nothing of the list was left out. A window whose list leads back is read anew from its last row.
    fn is_whole(&self) -> bool {
        match self {
            Self::Numbered(list) => !list.is_looped,
            Self::Window(_) => true,
        }
    }
}

/// The account's sites under the policy.
async fn directory(task: &AccountTask, account: &Account, policy: &Policy) -> Result<Directory, ClientError> {
    let client: &Client = &task.client;
    let mut sites: Vec<Site> = Vec::new();
    let mut list = Walk::kept(PageRequest::list(SITES, "sites"), client);
    while let Some(page) = list.page(client, Lane::Alerts).await? {
        sites.extend(page.items.iter().filter_map(|item| site::decode(item, &account.uid).ok()));
    }
    Ok(Directory::new(0, Arc::new(policy.clone()), vec![account.clone()], sites))
}
