//! From a checked configuration to an engine that can run.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::admin;
use crate::admin::view::{AccountView, View};
use crate::app::AppError;
use crate::app::account::AccountTask;
use crate::app::engine::Engine;
use crate::app::keep::Kept;
use crate::app::parts::{Accounts, Shared};
use crate::app::sinks::Planned;
use crate::app::stop::Control;
use crate::clock::Clock;
use crate::collect::changes;
use crate::config::secrets::{Environment, SecretRef};
use crate::config::settings::{AccountConfig, Config, Endpoint};
use crate::datto::Transport;
use crate::datto::breaker::Platform;
use crate::datto::client::{Client, Settings};
use crate::datto::credential::{CredentialError, CredentialSource, Credentials};
use crate::datto::endpoint;
use crate::datto::memory::Memory;
use crate::datto::transport::HttpTransport;
use crate::diagnostic::causes;
use crate::journal::sqlite::{Journal, Options};
use crate::normalize;
use crate::normalize::udf::Udfs;
use crate::telemetry::Metrics;

/// Reads an account's secrets anew at each login.
struct FromConfig {
    key: SecretRef,
    secret: SecretRef,
    environment: Box<dyn Environment + Send + Sync>,
}

impl CredentialSource for FromConfig {
    fn credentials(&self) -> Result<Credentials, CredentialError> {
        let read = |reference: &SecretRef| {
            reference.read(self.environment.as_ref()).map_err(|error| CredentialError(error.to_string()))
        };
        Ok(Credentials { key: read(&self.key)?, secret: read(&self.secret)? })
    }
}

/// Builds everything that `run` needs.
pub async fn from_config(
    config: Config,
    environment: &(impl Environment + Clone + Send + Sync + 'static),
    accept_user_activity_org: &[String],
    control: &Control,
    metrics: Metrics,
) -> Result<Engine, AppError> {
    let clock = Clock::system();
    if let Some(name) = accept_user_activity_org.iter().find(|name| config.accounts.iter().all(|a| a.name != **name)) {
        return Err(AppError::Configuration(format!("there is no account `{name}` in the configuration")));
    }
    let journal = open_journal(&config, &clock, accept_user_activity_org).await?;
    let admin = match config.admin {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let transport: Arc<dyn Transport> = Arc::new(http_transport()?);
    let memory: Arc<dyn Memory> = Arc::new(Kept(journal.clone()));
    let mut accounts = Vec::new();
    let mut platforms = HashMap::new();
    for account in &config.accounts {
        let parts = ClientParts { transport: &transport, memory: &memory, clock: &clock };
        accounts.push(account_task(account, credentials(account, environment), &mut platforms, &parts).await?);
    }
    let shared = Shared { journal, clock, metrics, accounts: Accounts::default() };
    Ok(engine(config, shared, accounts, admin, control))
}

/// The admin's port; taken after the journal's lock, so that a second instance hears of the journal first.
async fn listen(address: SocketAddr) -> Result<TcpListener, AppError> {
    let bound = admin::bind(address).await;
    bound.map_err(|error| AppError::Failed(format!("the admin listener cannot listen on {address}: {error}")))
}

/// The key and secret of an account, read anew at each login.
pub fn credentials(
    account: &AccountConfig,
    environment: &(impl Environment + Clone + Send + Sync + 'static),
) -> Arc<dyn CredentialSource> {
    Arc::new(FromConfig {
        key: account.api_key.clone(),
        secret: account.api_secret.clone(),
        environment: Box::new(environment.clone()),
    })
}

/// What every client is made of.
pub struct ClientParts<'a> {
    /// What carries its requests.
    pub transport: &'a Arc<dyn Transport>,
    /// What it must not forget.
    pub memory: &'a Arc<dyn Memory>,
    /// Wall time.
    pub clock: &'a Clock,
}

/// The client of an account; accounts with one address share their platform and its block.
pub async fn account_task(
    config: &AccountConfig,
    credentials: Arc<dyn CredentialSource>,
    platforms: &mut HashMap<String, Arc<Platform>>,
    parts: &ClientParts<'_>,
) -> Result<AccountTask, AppError> {
    let unusable =
        |error: endpoint::EndpointError| AppError::Configuration(format!("account {}: {error}", config.name));
    let failed = |why: String| AppError::Failed(format!("account {}: {why}", config.name));
    let (url, label) = match &config.endpoint {
        Endpoint::ApiUrl(url) => (url.clone(), "custom"),
        Endpoint::Platform(platform) => (endpoint::platform_url(platform).map_err(unusable)?, *platform),
    };
    let (host, label) = (url.host_str().unwrap_or_default().to_owned(), label.to_owned());
    let key = url.origin().ascii_serialization();
    let platform = match platforms.get(&key) {
        Some(platform) => Arc::clone(platform),
        None => {
            let (pause, memory) = (config.limits.block_pause, Arc::clone(parts.memory));
            let made = Platform::open(&url, pause, memory, parts.clock.clone()).await;
            let made = made.map_err(|error| failed(causes::line(&error)))?;
            platforms.insert(key, Arc::clone(&made));
            made
        }
    };
    let settings = Settings {
        account_name: config.name.clone(),
        platform: label.clone(),
        api_url: url,
        credentials,
        budget: config.limits.budget,
        max_body: config.limits.max_body,
        timeout: config.limits.timeout,
    };
    let (transport, memory) = (Arc::clone(parts.transport), Arc::clone(parts.memory));
    let client = Client::open(settings, platform, transport, memory, parts.clock.clone()).await;
    let client = client.map_err(|error| failed(causes::line(&error)))?;
    let view = AccountView::new(&config.name, &label);
    Ok(AccountTask { config: Arc::new(config.clone()), client, platform: label, api_host: host, view })
}

/// The HTTP transport that all accounts share.
pub fn http_transport() -> Result<HttpTransport, AppError> {
    let user_agent = concat!("vintner/", env!("CARGO_PKG_VERSION"));
    HttpTransport::new(user_agent).map_err(|error| AppError::Failed(causes::line(&error)))
}

/// Puts built parts together.
pub fn engine(
    config: Config,
    shared: Shared,
    accounts: Vec<AccountTask>,
    admin: Option<TcpListener>,
    control: &Control,
) -> Engine {
    let (told, journal) = (told(&config), &config.journal.path);
    let planned = |sink| Planned::new(sink).telling(told.clone()).beside(journal);
    let sinks: Vec<Planned> = config.sinks.into_iter().map(planned).collect();
    let view = View {
        journal: shared.journal.clone(),
        metrics: shared.metrics.clone(),
        clock: shared.clock.clone(),
        started: Some(shared.clock.now()),
        accounts: accounts.iter().map(|account| account.view.clone()).collect(),
        sinks: sinks.iter().map(|sink| (sink.name.clone(), Some(sink.status.clone()))).collect(),
    };
    Engine {
        shared,
        accounts,
        sinks,
        admin: admin.map(|listener| (listener, view)),
        shutdown_timeout: config.shutdown_timeout,
        // A child: a run that ends to make room for the next one does not stop the process.
        stop: control.stop.child_token(),
        reopen: control.hangups.clone(),
    }
}

/// What all sinks tell alike.
pub fn told(config: &Config) -> normalize::Options {
    let listed = config.accounts.iter().filter(|account| account.inventory.udfs != Udfs::NONE);
    normalize::Options {
        severities: config.events.severities.clone(),
        alert_url: config.events.alert_url.clone(),
        lens: Arc::clone(&config.lens),
        udfs: listed.map(|account| (account.name.clone(), account.inventory.udfs.clone())).collect(),
        ..normalize::Options::default()
    }
}

async fn open_journal(config: &Config, clock: &Clock, accepted: &[String]) -> Result<Journal, AppError> {
    let options =
        Options { retain: config.journal.retain, max_bytes: config.journal.max_bytes, hold_for: config.hold_for };
    let journal = Journal::open(&config.journal.path, options, clock.clone())?;
    for account in &config.accounts {
        settle_user_activity_org(&journal, account, accepted).await?;
    }
    let change = journal.set_policy(config.policy.clone()).await?;
    if change.released > 0 || change.dropped > 0 {
        tracing::info!(released = change.released, dropped = change.dropped, "the mapping decided on held records");
    }
    let directory = journal.directory().await?;
    changes::log(&directory, &change.changes);
    changes::warn_of_ambiguities(&[], &directory);
    Ok(journal)
}

/// Where account-level records go is fixed once there is data: another value must be accepted by name, before anything is
/// delivered under it.
pub(crate) async fn settle_user_activity_org(
    journal: &Journal,
    account: &AccountConfig,
    accepted: &[String],
) -> Result<(), AppError> {
    let configured = account.user_activity_org.clone();
    let Some(stored) = journal.fixed_org(&account.name).await?.filter(|stored| *stored != configured) else {
        return Ok(());
    };
    if accepted.contains(&account.name) {
        journal.replace_user_activity_org(&account.name, configured.as_deref()).await?;
        return Ok(());
    }
    let name = &account.name;
    let said =
        |org: Option<String>| org.map_or_else(|| "nothing (the account itself)".to_owned(), |org| format!("\"{org}\""));
    Err(AppError::Configuration(format!(
        "account {name}: user_activity_org is {}, but account-level records of this account went to {} since its first data; \
         put that value back, or accept the change once with `vintner run --accept-user-activity-org {name}`",
        said(configured),
        said(stored)
    )))
}
