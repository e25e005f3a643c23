//! One account against a simulated Datto RMM in simulated time, for tests that need what only the crate's own tests can plant.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admin::view::View;
use crate::app::account::AccountTask;
use crate::app::assemble::{ClientParts, account_task};
use crate::app::keep::Kept;
use crate::app::parts::{Accounts, Shared};
use crate::app::simulated::Simulated;
use crate::clock::{Clock, Millis};
use crate::config::load;
use crate::datto::Transport;
use crate::datto::credential::{CredentialSource, Credentials};
use crate::datto::memory::Memory;
use crate::datto::retry::Patience;
use crate::journal::dead::{DeadFilter, DeadLetter};
use crate::journal::sqlite::{Journal, Options};
use crate::journal::{Lane, Partition};
use crate::record::{AccountUid, Record};
use crate::sim::Sim;
use crate::sim::world::Options as World;
use crate::telemetry::Metrics;

/// When tests begin.
pub(crate) const START: Millis = Millis(1_795_212_000_000);

/// An account, its world, and what they share.
pub(crate) struct Fixture {
    pub(crate) sim: Sim,
    pub(crate) task: AccountTask,
    pub(crate) shared: Shared,
    pub(crate) stop: CancellationToken,
    running: JoinSet<()>,
    setup: Setup,
    folder: TempDir,
}

/// What an account is made of, at each start anew.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) name: String,
    /// Lines of its configuration besides the platform and the key.
    pub(crate) text: String,
    pub(crate) journal: Options,
    /// How far this machine's clock is ahead of the world's, in milliseconds.
    pub(crate) ahead_ms: i64,
}

impl Fixture {
    /// The account `name` on `world`, not running yet; `text` goes into its configuration.
    pub(crate) async fn new(name: &str, world: World, text: &str) -> Self {
        Self::with_journal(name, world, text, 1 << 40).await
    }

    /// The same with a journal of at most `max_bytes`.
    pub(crate) async fn with_journal(name: &str, world: World, text: &str, max_bytes: u64) -> Self {
        let day = Duration::from_secs(86_400);
        let journal = Options { retain: 30 * day, max_bytes, hold_for: 30 * day };
        let text = format!("start = \"all\"\nuser_activity_org = \"msp\"\n{text}");
        Self::of(world, Setup { name: name.to_owned(), text, journal, ahead_ms: 0 }).await
    }

    /// An account as `setup` describes it.
    pub(crate) async fn of(world: World, setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials { key: world.api_key.clone(), secret: world.api_secret.clone() };
        let sim = Sim::new(world, Clock::manual(START));
        let (task, shared) = assembled(&setup, folder.path(), credentials, &sim).await;
        let (stop, running) = (CancellationToken::new(), JoinSet::new());
        Self { sim, task, shared, stop, running, setup, folder }
    }

    /// Ends, and begins anew on the same journal as a new process would, with this machine's clock `ahead_ms` ahead of the world's.
    pub(crate) async fn restart(&mut self, ahead_ms: i64) {
        self.end().await;
        self.task.client.close().await;
        self.journal().close().await.unwrap();
        self.setup.ahead_ms = ahead_ms;
        let world = World::default();
        let credentials = Credentials { key: world.api_key, secret: world.api_secret };
        (self.task, self.shared) = assembled(&self.setup, self.folder.path(), credentials, &self.sim).await;
        self.stop = CancellationToken::new();
        self.start();
    }
}

async fn assembled(setup: &Setup, folder: &Path, credentials: Credentials, sim: &Sim) -> (AccountTask, Shared) {
    let Setup { name, text, journal, ahead_ms } = setup;
    let now = sim.truth().now.0;
    let clock = Clock::manual(Millis(now + ahead_ms));
    let text = format!(
        "[accounts.{name}]\nplatform = \"vidal\"\napi_key = {{ env = \"K\" }}\napi_secret = {{ env = \"S\" }}\n\
             {text}\n[sinks.stdout.console]\n"
    );
    let loaded = load::from_text(Path::new("test.toml"), &text);
    let config = loaded.unwrap_or_else(|problems| panic!("{problems:?}")).config;
    let journal = Journal::open(&folder.join("test.db"), journal.clone(), clock.clone()).unwrap();
    journal.set_policy(config.policy.clone()).await.unwrap();
    let credentials: Arc<dyn CredentialSource> = Arc::new(credentials);
    let transport: Arc<dyn Transport> = Arc::new(Simulated(sim.clone()));
    let memory: Arc<dyn Memory> = Arc::new(Kept(journal.clone()));
    let parts = ClientParts { transport: &transport, memory: &memory, clock: &clock, patience: Patience::Usual };
    let task = account_task(&config.accounts[0], credentials, &mut HashMap::new(), &parts).await.unwrap();
    let shared = Shared { journal, clock, metrics: Metrics::default(), accounts: Accounts::default() };
    (task, shared)
}

impl Fixture {
    /// Begins to poll.
    pub(crate) fn start(&mut self) {
        let (task, shared, stop) = (self.task.clone(), self.shared.clone(), self.stop.clone());
        let (journal, upkeep_stop) = (shared.journal.clone(), stop.clone());
        self.running.spawn(async move { task.run(shared, stop).await.unwrap() });
        self.running.spawn(async move {
            while !upkeep_stop.is_cancelled() {
                journal.maintain().await.unwrap();
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(30)) => {}
                    () = upkeep_stop.cancelled() => {}
                }
            }
        });
    }

    /// Stops polling, and waits for it.
    pub(crate) async fn end(&mut self) {
        self.stop.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
        }
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    pub(crate) fn account(&self) -> AccountUid {
        AccountUid::new("ab1c0002")
    }

    /// What keeps it from being ready.
    pub(crate) async fn unready(&self) -> Vec<String> {
        self.view().report().await.unwrap().unready()
    }

    /// The account as the admin listener sees it.
    pub(crate) fn view(&self) -> View {
        View {
            journal: self.shared.journal.clone(),
            metrics: self.shared.metrics.clone(),
            clock: self.shared.clock.clone(),
            started: Some(START),
            accounts: vec![self.task.view.clone()],
            sinks: Vec::new(),
        }
    }

    /// Every record that was taken in.
    pub(crate) async fn records(&self) -> Vec<Record> {
        let partition = Partition { account: self.account(), lane: Lane::Live };
        let found = self.journal().records(&partition, 1, usize::MAX).await.unwrap();
        found.into_iter().map(|(_, _, record)| record).collect()
    }

    /// The places of all held records.
    pub(crate) async fn held_ids(&self) -> BTreeSet<u64> {
        self.journal().held_seqs().await.unwrap().into_iter().collect()
    }

    /// Every dead letter.
    pub(crate) async fn dead_letters(&self) -> Vec<DeadLetter> {
        self.journal().dead_letters(DeadFilter::default()).await.unwrap()
    }
}
