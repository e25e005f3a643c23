//! `vintner demo`: the simulated Datto RMM and the whole pipeline in one process; nothing is left behind.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::app::AppError;
use crate::app::assemble::{ClientParts, account_task, engine, install, planned};
use crate::app::keep::Kept;
use crate::app::parts::{Accounts, Shared};
use crate::app::simulated::Simulated;
use crate::app::stop::Control;
use crate::clock::Clock;
use crate::config::load;
use crate::config::load::ProcessEnvironment;
use crate::config::settings::Config;
use crate::datto::Transport;
use crate::datto::credential::{CredentialSource, Credentials};
use crate::datto::memory::Memory;
use crate::datto::retry::Patience;
use crate::journal::sqlite::{Journal, Options as JournalOptions};
use crate::sim::Sim;
use crate::sim::world::Options as World;
use crate::sink::readable::Look;
use crate::sink::stdout::{OnError, Stdout};
use crate::sink::{Sink as _, Trouble};
use crate::telemetry::Metrics;

/// How often the demo looks whether its output can be written.
const LOOK: Duration = Duration::from_millis(50);

/// The configuration that the demo runs with, as a user would write it.
const CONFIG: &str = include_str!("demo/vintner.toml");

/// When the demo ends, and what world it shows.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// After exactly this many events.
    pub events: Option<u64>,
    /// After this long.
    pub duration: Duration,
    /// Seed of the world.
    pub seed: u64,
    /// How events are shown to people; `None`: as they are.
    pub look: Option<Look>,
}

/// Runs the demo.
pub async fn run(options: Options) -> Result<(), AppError> {
    if options.events == Some(0) {
        return Ok(());
    }
    let config = load::from_text(Path::new("demo.toml"), CONFIG)
        .map_err(|problems| AppError::Failed(problems.iter().map(ToString::to_string).collect()))?
        .config;
    let folder = tempfile::tempdir().map_err(|error| AppError::Failed(format!("no temporary folder: {error}")))?;
    let clock = Clock::system();
    let journal = JournalOptions {
        retain: config.journal.retain,
        max_bytes: config.journal.max_bytes,
        hold_for: config.hold_for,
    };
    let journal = Journal::open(&folder.path().join("demo.db"), journal, clock.clone())?;
    let metrics = Metrics::default();
    let shared = Shared { journal, clock: clock.clone(), metrics, accounts: Accounts::default() };
    let world = World { seed: options.seed, start: clock.now(), ..World::demo() };
    let accounts = accounts(&config, world, &shared).await?;
    let control = Control::take().map_err(|error| AppError::Failed(format!("signals cannot be watched: {error}")))?;
    let mut sinks = planned(&config, &ProcessEnvironment)?;
    sinks.iter_mut().for_each(|sink| (sink.most, sink.look) = (options.events, options.look));
    let engine = engine(&config, sinks, shared.clone(), accounts, None, &control)?;
    install(&shared.journal, &config, &[]).await?;
    let stop = engine.stop.clone();
    let mut ending = JoinSet::new();
    ending.spawn(async move {
        tokio::time::sleep(options.duration).await;
        stop.cancel();
    });
    let stdout = Stdout::new(OnError::Wait).map_err(|error| AppError::Failed(format!("standard output: {error}")))?;
    let outcome = tokio::select! {
        outcome = engine.run(std::future::pending::<()>()) => outcome.map(drop),
        reason = failure(stdout.trouble()) => Err(AppError::Failed(reason)),
    };
    drop(folder);
    outcome
}

/// Why standard output cannot be written, as soon as it cannot.
async fn failure(trouble: Trouble) -> String {
    loop {
        if let Some(reason) = trouble.get() {
            return reason;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn accounts(
    config: &Config,
    world: World,
    shared: &Shared,
) -> Result<Vec<crate::app::account::AccountTask>, AppError> {
    let credentials = Credentials { key: world.api_key.clone(), secret: world.api_secret.clone() };
    let credentials: Arc<dyn CredentialSource> = Arc::new(credentials);
    let transport: Arc<dyn Transport> = Arc::new(Simulated(Sim::new(world, shared.clock.clone())));
    let memory: Arc<dyn Memory> = Arc::new(Kept(shared.journal.clone()));
    let parts = ClientParts { transport: &transport, memory: &memory, clock: &shared.clock, patience: Patience::Usual };
    let mut platforms = HashMap::new();
    let mut tasks = Vec::new();
    for account in &config.accounts {
        tasks.push(account_task(account, Arc::clone(&credentials), &mut platforms, &parts).await?);
    }
    Ok(tasks)
}
