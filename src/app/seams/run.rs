//! One simulation: the whole program under simulated time, and what happens to it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fastrand::Rng;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::app::AppError;
use crate::app::progress::Form;
use crate::app::running::Running;
use crate::app::seams::draft::{Account, Draft, Kind, OTHERS, Orgs, Sink};
use crate::app::seams::figures::Figures;
use crate::app::seams::receiver::Receivers;
use crate::app::seams::trap::Trap;
use crate::app::seams::watched::Watched;
use crate::app::seams::world::{self, START};
use crate::app::simulated::Simulated;
use crate::app::stop::Control;
use crate::app::surroundings::Surroundings;
use crate::clock::Clock;
use crate::config::load;
use crate::config::secrets::Environment;
use crate::datto::Transport;
use crate::sim::Sim;
use crate::telemetry::Metrics;

/// The longest that a stop or a reload may take: `shutdown_timeout`, and a little for the rest.
pub(crate) const STOPPED: Duration = Duration::from_secs(7);

/// Knows every variable but one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variables;

impl Environment for Variables {
    fn variable(&self, name: &str) -> Option<OsString> {
        (name != "UNSET").then(|| name.into())
    }
}

/// A configuration and when it may have been in force.
#[derive(Clone, Debug)]
pub(crate) struct Epoch {
    pub(crate) draft: Draft,
    pub(crate) from: Instant,
    /// `None`: it still is.
    pub(crate) until: Option<Instant>,
}

/// A started program.
#[derive(Debug)]
pub(crate) struct Process {
    running: JoinHandle<Result<(), AppError>>,
    stop: CancellationToken,
    hangup: watch::Sender<u64>,
    metrics: Metrics,
}

/// A simulation.
pub(crate) struct Run {
    pub(crate) rng: Rng,
    pub(crate) folder: TempDir,
    /// The program's time, which may jump.
    pub(crate) clock: Clock,
    pub(crate) began: Instant,
    /// By account uid.
    pub(crate) platforms: Vec<(String, Sim)>,
    pub(crate) watched: Watched,
    pub(crate) receivers: Receivers,
    pub(crate) trap: Trap,
    /// The configuration in force.
    pub(crate) draft: Draft,
    pub(crate) epochs: Vec<Epoch>,
    pub(crate) process: Option<Process>,
    pub(crate) figures: Figures,
    /// Times around which an answer may have been read and lost again: from, until.
    pub(crate) disturbed: Vec<(Instant, Instant)>,
    /// Accounts and ids of items that make the program panic at least once.
    pub(crate) planted: Vec<(String, String)>,
    /// What was done, for people.
    pub(crate) trace: Vec<String>,
}

impl Run {
    /// The simulation of `seed`, not started yet.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let (api, clock) = (Clock::manual(START), Clock::manual(START));
        let folder = folder(&mut rng);
        let trap = Trap::default();
        let (mut accounts, mut platforms, mut by_host) = (Vec::new(), Vec::new(), BTreeMap::new());
        for number in 0..if rng.u8(0..4) == 0 { 2 } else { 1 } {
            let account = Account {
                name: ["acme", "beta"][number as usize].to_owned(),
                uid: format!("ab1c000{number}"),
                key: "KEY".to_owned(),
                own_org: rng.bool().then(|| "msp".to_owned()),
                exclude: Vec::new(),
                min_priority: None,
                poll: 60,
                updates: if rng.u8(0..4) == 0 { "state" } else { "all" },
            };
            let sim = world::platform(&mut rng, number, &account.uid, &api);
            by_host.insert(account.host(), (account.uid.clone(), Simulated(sim.clone())));
            platforms.push((account.uid.clone(), sim));
            accounts.push(account);
        }
        let mut sinks = vec![
            Sink::all("main", Kind::AtLeastOnce, "raw"),
            Sink::all("exact", Kind::ExactlyOnce, if rng.bool() { "raw" } else { "ocsf" }),
        ];
        if rng.bool() {
            let name = rng.choice(OTHERS).unwrap();
            sinks.push(Sink::draw(name, &mut rng, folder.path()));
        }
        let draft = Draft {
            accounts,
            orgs: rng.bool().then(Orgs::default),
            sinks,
            admin: (rng.u8(0..3) == 0).then(free_address),
            journal: folder.path().join("vintner.db"),
            max_kib: 1 << 20,
            spoiled_by: String::new(),
        };
        let receivers = Receivers::new(trap.clone(), *rng.choice(&[4, 20, 100, 1000]).unwrap());
        let watched = Watched::new(by_host, api, trap.clone());
        Self {
            rng,
            folder,
            clock,
            began: Instant::now(),
            platforms,
            watched,
            receivers,
            trap,
            draft,
            epochs: Vec::new(),
            process: None,
            figures: Figures::default(),
            disturbed: Vec::new(),
            planted: Vec::new(),
            trace: Vec::new(),
        }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("vintner.toml")
    }

    pub(crate) fn say(&mut self, text: impl Into<String>) {
        let line = format!("{:>6.1} s  {}", self.began.elapsed().as_secs_f64(), text.into());
        self.trace.push(line);
    }

    /// Starts the program with the configuration in force.
    pub(crate) async fn start(&mut self) -> Result<(), String> {
        self.receivers.restart();
        self.draft.write(&self.file());
        if self.epochs.is_empty() {
            self.epochs.push(Epoch { draft: self.draft.clone(), from: Instant::now(), until: None });
        }
        let file = self.file();
        let loaded = load::load(&file).map_err(|problems| format!("{problems:?}"))?;
        let watched: Arc<dyn Transport> = Arc::new(self.watched.clone());
        let surroundings = Surroundings {
            environment: Variables,
            clock: self.clock.clone(),
            transport: Arc::new(move |_| Ok(Arc::clone(&watched))),
            progress: Form::default(),
            look: None,
            receivers: Some(self.receivers.clone()),
        };
        let (stop, (hangup, hangups)) = (CancellationToken::new(), watch::channel(0));
        let (control, metrics) = (Control::by(stop.clone(), hangups), Metrics::default());
        let running = Running {
            file,
            config: loaded.config,
            surroundings,
            accept_user_activity_org: Vec::new(),
            accept_clock: false,
        };
        let running = tokio::spawn(running.steered_by(control, metrics.clone()));
        self.process = Some(Process { running, stop, hangup, metrics });
        Ok(())
    }

    /// Lets `time` pass; the program must still run then.
    pub(crate) async fn pass(&mut self, time: Duration) -> Result<(), String> {
        tokio::time::sleep(time).await;
        self.must_run().await
    }

    async fn must_run(&mut self) -> Result<(), String> {
        match self.process.take_if(|process| process.running.is_finished()) {
            None => Ok(()),
            Some(process) => Err(format!("the program ended by itself: {:?}", process.running.await)),
        }
    }

    /// Kills the program where it stands.
    pub(crate) async fn kill(&mut self) -> Result<(), String> {
        let Some(process) = self.process.take() else { return Ok(()) };
        process.running.abort();
        if let Ok(ended) = process.running.await {
            return Err(format!("the program ended by itself before it was killed: {ended:?}"));
        }
        self.trap.clear();
        let now = Instant::now();
        self.disturbed.push((now, now));
        self.figures.kills += 1;
        self.unlocked().await?;
        self.tear();
        Ok(())
    }

    /// A kill in the middle of a write leaves a torn line at the end of a file.
    fn tear(&mut self) {
        for sink in &self.draft.sinks {
            let Kind::File(path) = &sink.kind else { continue };
            let Ok(text) = std::fs::read_to_string(path) else { continue };
            let torn = text.lines().last().filter(|line| line.is_ascii()).map(|line| &line[..line.len() / 2]);
            if let Some(torn) = torn.filter(|_| self.rng.bool()) {
                std::fs::write(path, format!("{text}{torn}")).unwrap();
            }
        }
    }

    /// Moves the files of file sinks away, as logrotate does.
    pub(crate) fn rotate(&mut self) {
        for sink in &self.draft.sinks {
            if let Kind::File(path) = &sink.kind {
                let rotated = self.folder.path().join(format!("{}.{}.ndjson", sink.name, self.rng.u32(..)));
                drop(std::fs::rename(path, rotated));
            }
        }
    }

    /// Waits until what the killed program had begun has ended, as it has when a process is gone.
    async fn unlocked(&self) -> Result<(), String> {
        let mut name = self.draft.journal.clone().into_os_string();
        name.push("-lock");
        for _ in 0..100_000 {
            let Ok(lock) = std::fs::File::open(&name) else { return Ok(()) };
            if lock.try_lock().is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Err("the killed program still has the journal".to_owned())
    }

    /// Stops the program as SIGTERM does. Gives how long that took.
    pub(crate) async fn stop(&mut self) -> Result<Duration, String> {
        let Some(process) = self.process.take() else { return Ok(Duration::ZERO) };
        let (began, is_busy) = (Instant::now(), self.receivers.is_busy());
        process.stop.cancel();
        let ended = tokio::time::timeout(STOPPED, process.running).await;
        let ended = ended.map_err(|_| "the program does not stop".to_owned())?;
        self.disturbed.push((began, Instant::now()));
        match ended {
            Ok(Ok(())) => Ok(began.elapsed()),
            // A receiver that takes long is waited for as long as a stop may take.
            Ok(Err(AppError::Deadline)) if is_busy => Ok(began.elapsed()),
            other => Err(format!("the stop failed: {other:?}")),
        }
    }

    /// Sends SIGHUP with `draft` in the file, and waits until it is decided on. Says whether it is in force.
    pub(crate) async fn reload(&mut self, draft: Draft) -> Result<bool, String> {
        let Some(process) = &self.process else { return Ok(false) };
        let (asked, metrics) = (Instant::now(), process.metrics.clone());
        draft.write(&self.file());
        metrics.gauges().reload_ok.set(7);
        process.hangup.send_modify(|count| *count += 1);
        let decided = async {
            while metrics.gauges().reload_ok.get() == 7 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let decided = tokio::time::timeout(Duration::from_secs(60), decided).await;
        decided.map_err(|_| "a reload is never decided on".to_owned())?;
        if metrics.gauges().reload_ok.get() == 1 {
            // The parts stop and start.
            tokio::time::sleep(STOPPED).await;
        }
        self.must_run().await?;
        let is_in_force = metrics.gauges().reload_ok.get() == 1;
        if is_in_force {
            self.in_force_since(asked, draft);
        } else {
            self.draft.write(&self.file());
        }
        self.disturbed.push((asked, Instant::now()));
        Ok(is_in_force)
    }

    /// `draft` may be in force since `from`, and is from now on.
    pub(crate) fn in_force_since(&mut self, from: Instant, draft: Draft) {
        if let Some(last) = self.epochs.last_mut() {
            last.until = Some(Instant::now());
        }
        self.epochs.push(Epoch { draft: draft.clone(), from, until: None });
        self.draft = draft;
    }
}

/// Where the run's files are: in memory where the machine offers that, or on the disk.
fn folder(rng: &mut Rng) -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if rng.u8(0..8) > 0 && memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

/// An address that no other simulation of this machine listens on.
pub(crate) fn free_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let (number, process) = (NEXT.fetch_add(1, Ordering::Relaxed), std::process::id());
    format!("127.{}.{}.{}:9598", 64 + process % 64, number / 250 % 250, 1 + number % 250)
}
