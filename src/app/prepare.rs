//! What a configuration needs from outside, taken before anything that runs is touched: a configuration that cannot start is refused
//! here, and nothing has changed.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::admin::listen::Listener;
use crate::app::AppError;
use crate::app::assemble::{ClientParts, account_task, credentials};
use crate::app::sinks;
use crate::app::surroundings::Surroundings;
use crate::clock::Clock;
use crate::config::secrets::Environment;
use crate::config::settings::{AccountConfig, Config, SinkKind};
use crate::datto::memory::{Memory, ProcessMemory};
use crate::datto::retry::Patience;
use crate::journal::sqlite::{Journal, Options};

/// What outlives the parts of a run: a reload hands it on.
#[derive(Clone, Debug)]
pub struct Resources {
    /// The journal, open.
    pub journal: Journal,
    /// The admin listener.
    pub admin: Admin,
}

/// The admin listener of a configuration.
#[derive(Clone, Debug)]
pub enum Admin {
    /// None is configured.
    Off,
    /// It listens.
    Bound(Listener),
    /// Another listener of this process is in the way; it is bound once that one is gone.
    Pending(SocketAddr),
}

/// A configuration and what it needs: it can start.
#[derive(Debug)]
pub struct Prepared {
    /// The configuration.
    pub config: Config,
    /// What it takes over, and what it has that the one before it had not.
    pub resources: Resources,
}

impl Resources {
    /// For a start. The admin's port is taken after the journal's lock, so that a second instance hears of the journal first.
    pub async fn take(config: &Config, accepted: &[String], clock: &Clock) -> Result<Self, AppError> {
        let journal = Journal::open(&config.journal.path, journal_options(config), clock.clone())?;
        check_user_activity_orgs(&journal, &config.accounts, accepted).await?;
        let admin = match config.admin {
            Some(address) => Admin::Bound(bind(address).await?),
            None => Admin::Off,
        };
        Ok(Self { journal, admin })
    }

    /// For a reload: what `config` needs beside what runs. Whatever cannot be had is an error, and nothing was changed.
    pub async fn prepare(
        &self,
        config: Config,
        surroundings: &Surroundings<impl Environment + Clone + Send + Sync + 'static>,
    ) -> Result<Prepared, AppError> {
        for sink in &config.sinks {
            if let SinkKind::File { path } = &sink.kind {
                openable(&sink.name, path).await?;
            }
        }
        try_clients(&config, surroundings).await?;
        let admin = self.admin.succeed(config.admin).await?;
        let journal = if self.journal.is_at(&config.journal.path) {
            self.journal.clone()
        } else {
            Journal::open(&config.journal.path, journal_options(&config), self.journal.clock().clone())?
        };
        let prepared = Prepared { config, resources: Self { journal, admin } };
        let checked = check_user_activity_orgs(&prepared.resources.journal, &prepared.config.accounts, &[]).await;
        if let Err(error) = checked {
            prepared.resources.close_unless(&self.journal).await;
            return Err(error);
        }
        Ok(prepared)
    }

    /// Closes the journal unless it is `other`.
    pub async fn close_unless(&self, other: &Journal) {
        if !self.journal.is_at(other.path())
            && let Err(error) = self.journal.close().await
        {
            tracing::error!(error = crate::diagnostic::causes::line(&error), "the journal could not be closed");
        }
    }
}

impl Admin {
    /// The listener for `address`: this one, if it listens there.
    async fn succeed(&self, address: Option<SocketAddr>) -> Result<Self, AppError> {
        let Some(address) = address else { return Ok(Self::Off) };
        let in_the_way = match self {
            Self::Bound(listener) if listener.asked() == address => return Ok(self.clone()),
            Self::Bound(listener) => listener.asked().port() == address.port(),
            Self::Off | Self::Pending(_) => false,
        };
        match Listener::bind(address).await {
            Ok(listener) => Ok(Self::Bound(listener)),
            Err(error) if in_the_way && error.kind() == ErrorKind::AddrInUse => Ok(Self::Pending(address)),
            Err(error) => Err(cannot_listen(address, &error)),
        }
    }

    /// Gives the port free; it is bound again when it is needed.
    pub fn release(&mut self) {
        if let Self::Bound(listener) = self {
            *self = Self::Pending(listener.asked());
        }
    }

    /// The listener, bound now if another one was in its way.
    pub async fn listener(self) -> Result<Option<Listener>, AppError> {
        match self {
            Self::Off => Ok(None),
            Self::Bound(listener) => Ok(Some(listener)),
            Self::Pending(address) => bind(address).await.map(Some),
        }
    }
}

/// What the configuration says about the journal.
pub fn journal_options(config: &Config) -> Options {
    let max_bytes = config.journal.max_bytes;
    #[cfg(test)]
    let max_bytes = max_bytes / SMALLER.get();
    Options { retain: config.journal.retain, max_bytes, hold_for: config.hold_for }
}

#[cfg(test)]
thread_local! {
    /// A simulation of small worlds has journals that are smaller by this factor.
    pub(crate) static SMALLER: std::cell::Cell<u64> = const { std::cell::Cell::new(1) };
}

/// Where account-level records go is fixed once there is data: another value must be accepted by name, before anything is
/// delivered under it.
pub async fn check_user_activity_orgs(
    journal: &Journal,
    accounts: &[AccountConfig],
    accepted: &[String],
) -> Result<(), AppError> {
    for account in accounts.iter().filter(|account| !accepted.contains(&account.name)) {
        let (name, configured) = (&account.name, account.user_activity_org.clone());
        let Some(stored) = journal.fixed_org(name).await?.filter(|stored| *stored != configured) else { continue };
        let said = |org: Option<String>| {
            org.map_or_else(|| "nothing (the account itself)".to_owned(), |org| format!("\"{org}\""))
        };
        return Err(AppError::Configuration(format!(
            "account {name}: user_activity_org is {}, but account-level records of this account went to {} since its first \
             data; put that value back, or accept the change once with `vintner run --accept-user-activity-org {name}`",
            said(configured),
            said(stored)
        )));
    }
    Ok(())
}

/// Makes every client once, without the journal: what it was asked last is not known before the ones that run have ended.
async fn try_clients(
    config: &Config,
    surroundings: &Surroundings<impl Environment + Clone + Send + Sync + 'static>,
) -> Result<(), AppError> {
    let memory: Arc<dyn Memory> = Arc::new(ProcessMemory::default());
    let mut platforms = HashMap::new();
    for account in &config.accounts {
        let parts = ClientParts {
            transport: &(surroundings.transport)(account)?,
            memory: &memory,
            clock: &surroundings.clock,
            patience: Patience::Usual,
        };
        account_task(account, credentials(account, &surroundings.environment), &mut platforms, &parts).await?;
    }
    Ok(())
}

async fn openable(sink: &str, path: &Path) -> Result<(), AppError> {
    let tried = sinks::file::try_open(path.to_owned()).await;
    tried.map_err(|error| AppError::Failed(format!("sink {sink}: {} cannot be written: {error}", path.display())))
}

async fn bind(address: SocketAddr) -> Result<Listener, AppError> {
    Listener::bind(address).await.map_err(|error| cannot_listen(address, &error))
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> AppError {
    AppError::Failed(format!("the admin listener cannot listen on {address}: {error}"))
}
