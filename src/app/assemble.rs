//! From a checked configuration to an engine that can run.

use std::collections::HashMap;
use std::sync::Arc;

use url::Url;

use crate::admin::listen::Listener;
use crate::admin::view::{AccountView, View};
use crate::app::AppError;
use crate::app::account::AccountTask;
use crate::app::egress;
use crate::app::engine::Engine;
use crate::app::keep::Kept;
use crate::app::parts::{Accounts, Shared};
use crate::app::prepare::Resources;
use crate::app::progress::Form;
use crate::app::sinks::Planned;
use crate::app::stop::Control;
use crate::app::surroundings::Surroundings;
use crate::clock::Clock;
use crate::collect::changes;
use crate::config::secrets::{Environment, SecretRef};
use crate::config::settings::{AccountConfig, Config, Endpoint, SinkConfig, UsersConfig};
use crate::datto::Transport;
use crate::datto::breaker::Platform;
use crate::datto::client::{Client, Settings};
use crate::datto::credential::{CredentialError, CredentialSource, Credentials};
use crate::datto::endpoint;
use crate::datto::memory::Memory;
use crate::datto::retry::Patience;
use crate::datto::transport::HttpTransport;
use crate::diagnostic::causes;
use crate::journal::setup::{Installed, Setup};
use crate::journal::sqlite::Journal;
use crate::net::{Egress, EgressError};
use crate::normalize;
use crate::normalize::udf::Udfs;
use crate::normalize::users::Users;
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

/// Builds the parts of a run on what it needs from outside. The journal says the same as before: [`install`] comes last.
pub async fn from_config(
    config: Config,
    surroundings: &Surroundings<impl Environment + Clone + Send + Sync + 'static>,
    resources: &Resources,
    control: &Control,
    metrics: Metrics,
) -> Result<Engine, AppError> {
    // One clock for all, since it knows what the APIs show of theirs.
    let (clock, journal) = (resources.journal.clock().clone(), resources.journal.clone());
    let admin = resources.admin.clone().listener().await?;
    let memory: Arc<dyn Memory> = Arc::new(Kept(journal.clone()));
    let mut accounts = Vec::new();
    let mut platforms = HashMap::new();
    for account in &config.accounts {
        let transport = (surroundings.transport)(account)?;
        if let Some(proxy) = transport.proxy() {
            tracing::info!(
                account = account.name,
                proxy = proxy.address(),
                named_by = proxy.named_by(),
                "requests to the API go through a proxy"
            );
        }
        let parts = ClientParts { transport: &transport, memory: &memory, clock: &clock, patience: Patience::Usual };
        accounts.push(
            account_task(account, credentials(account, &surroundings.environment), &mut platforms, &parts).await?,
        );
    }
    let shared = Shared { journal, clock, metrics, accounts: Accounts::default() };
    let mut sinks = planned(&config, &surroundings.environment)?;
    sinks.iter_mut().for_each(|sink| sink.look = surroundings.look);
    #[cfg(test)]
    let sinks = sinks.into_iter().map(|sink| sink.received_by(surroundings.receivers.clone())).collect();
    let engine = engine(&config, sinks, shared, accounts, admin, control)?;
    Ok(Engine { progress: surroundings.progress, ..engine })
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
    /// How often its calls are tried.
    pub patience: Patience,
}

/// The client of an account; accounts with one address share their platform and its block.
pub async fn account_task(
    config: &AccountConfig,
    credentials: Arc<dyn CredentialSource>,
    platforms: &mut HashMap<String, Arc<Platform>>,
    parts: &ClientParts<'_>,
) -> Result<AccountTask, AppError> {
    let failed = |why: String| AppError::Failed(format!("account {}: {why}", config.name));
    let url = api_url(config)?;
    let label = match &config.endpoint {
        Endpoint::ApiUrl(_) => "custom",
        Endpoint::Platform(platform) => *platform,
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
        patience: parts.patience,
    };
    let (transport, memory) = (Arc::clone(parts.transport), Arc::clone(parts.memory));
    let client = Client::open(settings, platform, transport, memory, parts.clock.clone()).await;
    let client = client.map_err(|error| failed(causes::line(&error)))?;
    let view = AccountView::new(&config.name, &label);
    Ok(AccountTask { config: Arc::new(config.clone()), client, platform: label, api_host: host, view })
}

/// Where an account's API is.
fn api_url(config: &AccountConfig) -> Result<Url, AppError> {
    match &config.endpoint {
        Endpoint::ApiUrl(url) => Ok(url.clone()),
        Endpoint::Platform(platform) => endpoint::platform_url(platform)
            .map_err(|error| AppError::Configuration(format!("account {}: {error}", config.name))),
    }
}

/// What carries an account's requests over HTTP, through its proxy.
pub fn http_transport(config: &AccountConfig, environment: &dyn Environment) -> Result<Arc<dyn Transport>, AppError> {
    let user_agent = concat!("vintner/", env!("CARGO_PKG_VERSION"));
    let open = |url: &Url| {
        let proxy = egress::proxy(url, config.proxy.as_ref(), environment).map_err(EgressError::from)?;
        HttpTransport::new(user_agent, Egress { proxy, ca_file: config.ca_file.clone() })
    };
    let transport = open(&api_url(config)?);
    let transport = transport
        .map_err(|error| AppError::Configuration(format!("account {}: {}", config.name, causes::line(&error))))?;
    Ok(Arc::new(transport))
}

/// The sinks of a configuration, not built yet.
pub fn planned(config: &Config, environment: &impl Environment) -> Result<Vec<Planned>, AppError> {
    let options = event_options(config, environment)?;
    let planned = |sink: &SinkConfig| Planned::new(sink.clone()).emitting(options.clone()).beside(&config.journal.path);
    Ok(config.sinks.iter().map(planned).collect())
}

/// Puts parts together, and builds the deliverer of each of `sinks`.
pub fn engine(
    config: &Config,
    sinks: Vec<Planned>,
    shared: Shared,
    accounts: Vec<AccountTask>,
    admin: Option<Listener>,
    control: &Control,
) -> Result<Engine, AppError> {
    let view = View {
        journal: shared.journal.clone(),
        metrics: shared.metrics.clone(),
        clock: shared.clock.clone(),
        started: Some(shared.clock.now()),
        accounts: accounts.iter().map(|account| account.view.clone()).collect(),
        sinks: sinks.iter().map(|sink| (sink.name.clone(), Some(sink.status.clone()))).collect(),
    };
    let mut deliverers = Vec::new();
    for sink in &sinks {
        let Shared { journal, clock, metrics, .. } = shared.clone();
        let built = sink.deliverer(journal, clock, metrics);
        deliverers.push(built.map_err(|error| AppError::Failed(format!("sink {}: {error}", sink.name)))?);
    }
    Ok(Engine {
        shared,
        accounts,
        sinks,
        deliverers,
        admin: admin.map(|listener| (listener, view)),
        shutdown_timeout: config.shutdown_timeout,
        progress: Form::default(),
        // A child: a run that ends to make room for the next one does not stop the process.
        stop: control.stop.child_token(),
        reopen: control.hangups.clone(),
    })
}

/// Puts mapping, filters and sinks of a configuration whose parts are built in force, all at once: the last step before they run.
/// `accepted`: accounts whose `user_activity_org` may be another than the stored one.
pub async fn install(journal: &Journal, config: &Config, accepted: &[String]) -> Result<(), AppError> {
    let replaced = config.accounts.iter().filter(|account| accepted.contains(&account.name));
    let setup = Setup {
        policy: config.policy.clone(),
        replaced_orgs: replaced.map(|account| (account.name.clone(), account.user_activity_org.clone())).collect(),
        sinks: config.sinks.iter().map(|sink| (sink.name.clone(), sink.from)).collect(),
    };
    let Installed { policy: change, sinks } = journal.install(setup).await?;
    for sink in sinks.iter().filter(|sink| sink.missed > 0) {
        tracing::warn!(
            sink = sink.name,
            missed = sink.missed,
            "this sink was away and missed records that were trimmed meanwhile"
        );
    }
    if change.released > 0 || change.dropped > 0 {
        tracing::info!(released = change.released, dropped = change.dropped, "the mapping decided on held records");
    }
    let directory = journal.directory().await?;
    changes::log(&directory, &change.changes);
    changes::warn_of_ambiguities(&[], &directory);
    Ok(())
}

/// What all sinks emit alike (`[events]`, `[lens]`). The error is a key for hashes that cannot be read.
pub fn event_options(config: &Config, environment: &impl Environment) -> Result<normalize::Options, AppError> {
    let listed = config.accounts.iter().filter(|account| account.inventory.udfs != Udfs::NONE);
    Ok(normalize::Options {
        severities: config.events.severities.clone(),
        alert_url: config.events.alert_url.clone(),
        lens: Arc::clone(&config.lens),
        udfs: listed.map(|account| (account.name.clone(), account.inventory.udfs.clone())).collect(),
        alerting: config.events.alerting.clone(),
        users: users(&config.events.users, environment)?,
        ..normalize::Options::default()
    })
}

/// What events say of users, with the key that they are hashed by.
fn users(config: &UsersConfig, environment: &impl Environment) -> Result<Users, AppError> {
    match config {
        UsersConfig::Full => Ok(Users::Full),
        UsersConfig::Name => Ok(Users::Name),
        UsersConfig::Hash(key) => {
            let failed = |error| AppError::Configuration(format!("{}: {error}", key.key));
            key.read(environment).map(Users::Hash).map_err(failed)
        }
    }
}
