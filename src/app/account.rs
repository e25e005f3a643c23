//! One account from its first login to its last pass.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admin::view::AccountView;
use crate::app::AppError;
use crate::app::parts::Shared;
use crate::app::supervise::Supervised;
use crate::collect::activity::ActivityStream;
use crate::collect::alerts::AlertStream;
use crate::collect::alerts::closed::Closed;
use crate::collect::alerts::fields::Updates;
use crate::collect::alerts::look::Rules;
use crate::collect::inventory::InventoryStream;
use crate::collect::inventory::look::{self, Telling};
use crate::collect::proof;
use crate::collect::schedule::{AnyStream, Once};
use crate::collect::sites::{SiteList, end_wait, ending_wait};
use crate::collect::source::{Cut, PassError, SharedSource, Source};
use crate::collect::status::{Status, StreamState};
use crate::config::settings::{AccountConfig, InventoryConfig};
use crate::datto::client::Client;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::model::account as model;
use crate::diagnostic::panics::{Panicked, caught_in, why_ended};
use crate::diagnostic::{causes, words};
use crate::inventory::Account;
use crate::journal::accounts::OpenAccountError;
use crate::record::Stream;

mod start;

/// A first connection that failed for no lasting reason is tried again after this.
const RETRY: Duration = Duration::from_secs(30);

/// Name of the cursor that says that the inventory was read whole once.
const INVENTORY_READ: &str = "inventory.read";

/// A configured account and its client.
#[derive(Clone, Debug)]
pub struct AccountTask {
    /// What the configuration says.
    pub config: Arc<AccountConfig>,
    /// How it is asked.
    pub client: Client,
    /// The platform's name, or the host of `api_url`.
    pub platform: String,
    /// Host of the API, without port.
    pub api_host: String,
    /// What status shows of it.
    pub view: AccountView,
}

/// Why an account is not connected.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("the account cannot be read")]
    Client(#[from] ClientError),
    #[error(transparent)]
    Open(#[from] OpenAccountError),
}

impl AccountTask {
    /// Collects until `stop`. Ends with an error only when the whole program must end.
    pub async fn run(self, shared: Shared, stop: CancellationToken) -> Result<(), AppError> {
        let all = stop;
        let stop = shared.accounts.token(&self.config.name, &all);
        let supervised = self.supervised("account", self.config.name.clone(), &shared, &stop);
        let collect = || async { ending_wait(&shared.journal, &self.config.name, self.collect(&shared, &stop)).await? };
        let outcome = supervised.run(collect, |why| self.view.failed(why.to_owned())).await;
        if stop.is_cancelled() && !all.is_cancelled() {
            end_wait(&shared.journal, &self.config.name).await?;
            self.view.failed("it is the same Datto RMM account as another one in the configuration".to_owned());
        }
        outcome.unwrap_or(Ok(()))
    }

    fn supervised(&self, kind: &'static str, name: String, shared: &Shared, stop: &CancellationToken) -> Supervised {
        Supervised { kind, name, metrics: shared.metrics.clone(), stop: stop.clone() }
    }

    async fn collect(&self, shared: &Shared, stop: &CancellationToken) -> Result<(), AppError> {
        #[cfg(test)]
        crate::diagnostic::planted::visit("connect", &self.config.name);
        let Some(source) = self.connect_patiently(shared, stop).await? else { return Ok(()) };
        for stream in Stream::COLLECTED.into_iter().filter(|stream| self.interval(*stream).is_some()) {
            source.status.expect(stream, shared.clock.now());
        }
        let Some(cut) = self.cut_patiently(&source, stop).await? else { return Ok(()) };
        if self.interval(Stream::Inventory).is_none() {
            let shown = tokio::select! {
                shown = source.show_sites() => shown,
                () = stop.cancelled() => return Ok(()),
            };
            shown.map_err(|error| self.ended(error))?;
        }
        if self.reads_inventory_first(&source).await? {
            // Names and organizations first: what is collected next is then told with them at once.
            let outcome = tokio::select! {
                outcome = self.once_caught(Stream::Inventory, &source, cut) => outcome,
                () = stop.cancelled() => return Ok(()),
            };
            match outcome {
                Ok(outcome) => note_inventory(&source, &outcome).await?,
                Err(panic) => source.status.panicked(Stream::Inventory, &panic.to_string()),
            }
        }
        let (mut tasks, updates) = (JoinSet::new(), self.config.updates);
        for stream in Stream::COLLECTED {
            let Some(interval) = self.interval(stream) else { continue };
            let name = format!("{}/{stream}", self.config.name);
            let (source, stop) = (Arc::clone(&source), stop.clone());
            let supervised = self.supervised("stream", name, shared, &stop);
            tasks.spawn(async move {
                let start = || {
                    let (source, stop) = (Arc::clone(&source), stop.clone());
                    let mut running = any_stream(stream, &source, updates, cut);
                    async move { running.run(&source, interval, &stop).await }
                };
                supervised.run(start, |why| source.status.panicked(stream, why)).await.unwrap_or(Ok(()))
            });
        }
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(self.ended(error)),
                Err(ended) => {
                    let why = why_ended(ended);
                    return Err(AppError::Failed(format!("a stream of {} ended: {why}", self.config.name)));
                }
            }
        }
        Ok(())
    }

    fn ended(&self, error: PassError) -> AppError {
        match error {
            PassError::Journal(error) => AppError::Journal(error),
            PassError::Client(source) => AppError::Account { account: self.config.name.clone(), source },
        }
    }

    /// Connects once, for `run --once`. Two accounts that turn out to be one are both told so.
    pub async fn connect_once(&self, shared: &Shared) -> Result<SharedSource, AppError> {
        match self.connect(shared).await {
            Ok(source) => Ok(source),
            Err(ConnectError::Client(source)) => Err(AppError::Account { account: self.config.name.clone(), source }),
            Err(error) => Err(self.fatal(&error)),
        }
    }

    /// One complete pass of every stream: the inventory first, since names and organizations hang on it.
    pub async fn once(self, source: SharedSource) -> Result<(), AppError> {
        let name = self.config.name.clone();
        let cut = self.cut_once(&source).await?;
        if self.interval(Stream::Inventory).is_none() {
            source.show_sites().await.map_err(|error| self.ended(error))?;
        }
        let mut failures = Vec::new();
        if self.interval(Stream::Inventory).is_some() {
            let outcome = self.once_caught(Stream::Inventory, &source, cut).await;
            if let Ok(outcome) = &outcome {
                note_inventory(&source, outcome).await?;
            }
            judge(&name, Stream::Inventory, outcome, &mut failures);
        }
        let mut tasks = JoinSet::new();
        for stream in [Stream::Alerts, Stream::Activity] {
            if self.interval(stream).is_some() {
                let (task, source) = (self.clone(), Arc::clone(&source));
                tasks.spawn(async move { (stream, task.once_caught(stream, &source, cut).await) });
            }
        }
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok((stream, outcome)) => judge(&name, stream, outcome, &mut failures),
                Err(ended) => failures.push(format!("a stream of {name} ended: {}", why_ended(ended))),
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(AppError::Failed(failures.join("\n"))) }
    }

    /// Connects, however long it takes; `None` if `stop` comes first or the account is refused for good.
    async fn connect_patiently(
        &self,
        shared: &Shared,
        stop: &CancellationToken,
    ) -> Result<Option<SharedSource>, AppError> {
        loop {
            let error = tokio::select! {
                connected = self.connect(shared) => match connected {
                    Ok(source) => return Ok(Some(source)),
                    Err(error) => error,
                },
                () = stop.cancelled() => return Ok(None),
            };
            let chain = causes::line(&error);
            self.view.failed(chain.clone());
            if !matches!(error, ConnectError::Client(ClientError::Stopped)) {
                end_wait(&shared.journal, &self.config.name).await?;
            }
            let wait = match &error {
                ConnectError::Open(OpenAccountError::Duplicate { .. }) => {
                    tracing::error!(account = self.config.name, error = chain, "this account is not collected");
                    return Ok(None);
                }
                ConnectError::Open(OpenAccountError::OrgFixed { .. }) => {
                    tracing::error!(
                        account = self.config.name,
                        error = chain,
                        "this account is not collected; the others run on"
                    );
                    return Ok(None);
                }
                ConnectError::Open(OpenAccountError::Journal(_)) => return Err(self.fatal(&error)),
                ConnectError::Client(ClientError::Stopped) => return Ok(None),
                ConnectError::Client(error) => error.retry_after(shared.clock.now(), RETRY),
            };
            self.view.retries(shared.clock.now().plus(wait));
            let retry_in = words::duration(wait);
            tracing::warn!(account = self.config.name, error = chain, retry_in, "account cannot be connected");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return Ok(None),
            }
        }
    }

    fn fatal(&self, error: &ConnectError) -> AppError {
        let text = format!("account {}: {}", self.config.name, causes::line(error));
        match error {
            ConnectError::Open(OpenAccountError::OrgFixed { .. }) => AppError::Configuration(text),
            ConnectError::Open(OpenAccountError::Duplicate { .. } | OpenAccountError::Journal(_))
            | ConnectError::Client(_) => AppError::Failed(text),
        }
    }

    /// Logs in, reads who the account is, and opens it in the journal.
    async fn connect(&self, shared: &Shared) -> Result<SharedSource, ConnectError> {
        self.view.connecting(self.client.clone());
        let account = self.identify().await?;
        let opened = shared.journal.open_account(&account, self.config.user_activity_org.as_deref()).await;
        if let Err(OpenAccountError::Duplicate { other_name }) = &opened {
            shared.accounts.refuse(other_name);
        }
        opened?;
        let status = Status::default();
        self.view.connected(account.uid.as_str(), status.clone());
        tracing::info!(account = account.name, uid = %account.uid, display_name = account.display_name, "connected");
        Ok(Arc::new(Source {
            account,
            client: self.client.clone(),
            journal: shared.journal.clone(),
            clock: shared.clock.clone(),
            metrics: shared.metrics.clone(),
            status,
            inventory: inventory_rules(&self.config),
            closed: Closed::default(),
            settling: Mutex::default(),
            sites: Mutex::new(SiteList::default()),
        }))
    }

    /// Logs in and reads who the account is.
    pub async fn identify(&self) -> Result<Account, ClientError> {
        let answer = self.client.get(Lane::Alerts, proof::ACCOUNT, &[]).await?;
        let unusable = |reason: String| ClientError::Failed { path: proof::ACCOUNT.to_owned(), reason, attempts: 1 };
        let found = model::decode(&answer.json).map_err(|error| unusable(error.to_string()))?;
        Ok(Account {
            uid: found.uid,
            name: self.config.name.clone(),
            display_name: found.display_name,
            platform: self.platform.clone(),
            api_host: self.api_host.clone(),
        })
    }

    /// One pass of a stream as `run --once` makes it; an error: it panicked.
    async fn once_caught(&self, stream: Stream, source: &SharedSource, cut: Cut) -> Result<Once, Panicked> {
        let mut stream = any_stream(stream, source, self.config.updates, cut);
        caught_in(Box::pin(stream.once(source))).await
    }

    /// Whether the inventory is collected and was never read whole.
    async fn reads_inventory_first(&self, source: &Source) -> Result<bool, AppError> {
        let was_read = source.journal.cursor(&source.account.uid, INVENTORY_READ).await?.is_some();
        Ok(!was_read && self.interval(Stream::Inventory).is_some())
    }

    /// Whether every stream has a pass behind it, complete or not, or the account cannot be used at present.
    pub fn is_past_first_pass(&self) -> bool {
        let states = self.view.streams();
        let is_past = |stream: Stream| states.get(&stream).is_some_and(StreamState::is_past_first_pass);
        let read = Stream::COLLECTED.into_iter().filter(|stream| self.interval(*stream).is_some());
        self.view.has_problem() || (self.view.uid().is_some() && read.into_iter().all(is_past))
    }

    fn interval(&self, stream: Stream) -> Option<Duration> {
        match stream {
            Stream::Alerts => self.config.poll.alerts,
            Stream::Activity => self.config.poll.activity,
            Stream::Inventory => self.config.poll.inventory,
            Stream::Vintner => None,
        }
    }
}

/// What the configuration says about telling the inventory, in the collectors' words.
fn inventory_rules(config: &AccountConfig) -> look::Rules {
    let InventoryConfig { snapshot, posture, udfs } = &config.inventory;
    look::Rules {
        telling: if config.poll.inventory.is_some() { Telling::Records } else { Telling::Nothing },
        snapshot: *snapshot,
        posture: *posture,
        udfs: udfs.clone(),
    }
}

/// A stream without a pass behind it.
fn any_stream(stream: Stream, source: &SharedSource, updates: Updates, cut: Cut) -> AnyStream {
    let source = Arc::clone(source);
    match stream {
        Stream::Alerts => {
            AnyStream::Alerts(Box::new(AlertStream::new(source, Rules { cut: cut.at, updates }, cut.is_new)))
        }
        Stream::Activity => AnyStream::Activity(Box::new(ActivityStream::new(source, cut.at))),
        Stream::Inventory | Stream::Vintner => AnyStream::Inventory(InventoryStream::new(source)),
    }
}

async fn note_inventory(source: &Source, outcome: &Once) -> Result<(), AppError> {
    if matches!(outcome, Once::Done) {
        let now = source.clock.now().0.to_string();
        let uid = &source.account.uid;
        if source.journal.cursor(uid, INVENTORY_READ).await?.is_none() {
            source.journal.put_cursors(uid, vec![(INVENTORY_READ.to_owned(), now)]).await?;
        }
    }
    Ok(())
}

fn judge(account: &str, stream: Stream, outcome: Result<Once, Panicked>, failures: &mut Vec<String>) {
    match outcome {
        Ok(Once::Done) => {}
        Err(panic) => failures.push(format!("account {account}, {stream}: {panic}")),
        Ok(Once::Forbidden(error)) => {
            let error = causes::line(&error);
            tracing::warn!(
                account,
                stream = stream.as_str(),
                error,
                "the API user may not read this stream; the others go on"
            );
        }
        Ok(Once::Failed(error)) => {
            failures.push(format!("account {account}, {stream}: {}", causes::line(&error)));
        }
    }
}

#[cfg(test)]
mod tests;
