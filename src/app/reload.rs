//! SIGHUP: the configuration is read again, checked whole, and taken over or refused. A refused one leaves the running one as it is.

use std::path::PathBuf;

use tokio::sync::watch;

use crate::app::AppError;
use crate::app::held;
use crate::app::prepare::{Prepared, Resources, check_user_activity_orgs};
use crate::app::surroundings::Surroundings;
use crate::collect::changes;
use crate::config::files::Severities;
use crate::config::load::{self, Loaded};
use crate::config::secrets::Environment;
use crate::config::settings::Config;
use crate::diagnostic::{Diagnostic, Severity, causes};
use crate::telemetry::Metrics;

/// Watches for reloads of one run.
#[derive(Debug)]
pub struct Reloader<E> {
    /// The configuration file.
    pub file: PathBuf,
    /// What runs.
    pub config: Config,
    /// What the run takes from the process.
    pub surroundings: Surroundings<E>,
    /// Counts the asks.
    pub hangups: watch::Receiver<u64>,
    /// What the run has from outside.
    pub resources: Resources,
    /// For the gauge of refused reloads.
    pub metrics: Metrics,
}

/// A configuration that can start, and must be run anew.
#[derive(Debug)]
pub struct Change {
    /// It and what it needs.
    pub prepared: Prepared,
    /// The configuration in force until now, reloaded mappings included.
    pub in_force: Config,
    /// The asks, so that none is lost or answered twice.
    pub hangups: watch::Receiver<u64>,
}

/// What a changed file asks for.
enum Asked {
    Nothing,
    /// Only mapping and filters: in force at once, between two batches.
    Policy(Box<Config>),
    /// Something that the parts of the run are built from.
    Parts(Box<Config>),
}

impl<E: Environment + Clone + Send + Sync + 'static> Reloader<E> {
    /// Takes changes of the mapping over as they come; ends with the first configuration that must be run anew and can start.
    pub async fn changed(mut self) -> Change {
        loop {
            if self.hangups.changed().await.is_err() {
                // Nobody can ask any more.
                std::future::pending::<()>().await;
            }
            tracing::info!(file = %self.file.display(), "SIGHUP: files are reopened, the configuration is read again");
            let outcome = self.answer().await;
            self.metrics.gauges().reload_ok.set(i64::from(outcome.is_ok()));
            match outcome {
                Ok(None) => {}
                Ok(Some(prepared)) => return Change { prepared, in_force: self.config, hangups: self.hangups },
                Err(problems) => refused(&problems),
            }
        }
    }

    /// Answers one ask: what must be run anew, `None` if what runs goes on. After an error everything is as it was.
    pub(crate) async fn answer(&mut self) -> Result<Option<Prepared>, Vec<String>> {
        match self.read()? {
            Asked::Nothing => {
                tracing::info!("the configuration is as it was");
                Ok(None)
            }
            Asked::Policy(config) => self.take_over(*config).await.map(|()| None),
            Asked::Parts(config) => self.prepare(*config).await.map(Some),
        }
    }

    async fn prepare(&self, config: Config) -> Result<Prepared, Vec<String>> {
        self.resources.prepare(config, &self.surroundings).await.map_err(|error| vec![causes::line(&error)])
    }

    fn read(&self) -> Result<Asked, Vec<String>> {
        let loaded = load::load(&self.file).map_err(|found| told(&found))?;
        let found = self.problems(&loaded);
        if found.iter().any(|problem| problem.severity == Severity::Error) {
            return Err(told(&found));
        }
        for warning in loaded.found.iter().chain(&found) {
            tracing::warn!("{warning}");
        }
        let config = Box::new(loaded.config);
        if *config == self.config {
            return Ok(Asked::Nothing);
        }
        let same_parts = Config { policy: config.policy.clone(), ..self.config.clone() } == *config;
        Ok(if same_parts { Asked::Policy(config) } else { Asked::Parts(config) })
    }

    fn problems(&self, loaded: &Loaded) -> Vec<Diagnostic> {
        let files = loaded.files(Severities::RELOAD, &self.config.sinks);
        [loaded.unbuilt(), loaded.secrets(&self.surroundings.environment), loaded.certificates(), files].concat()
    }

    /// Puts another mapping in force.
    async fn take_over(&mut self, config: Config) -> Result<(), Vec<String>> {
        let line = |error: AppError| vec![causes::line(&error)];
        let journal = &self.resources.journal;
        check_user_activity_orgs(journal, &config.accounts, &[]).await.map_err(line)?;
        let failed = |error| line(AppError::Journal(error));
        let change = journal.set_policy(config.policy.clone()).await.map_err(failed)?;
        self.config = config;
        let directory = journal.directory().await.map_err(failed)?;
        tracing::info!(
            version = change.version,
            released = change.released,
            dropped = change.dropped,
            "the mapping is in force: held records that it maps go before newer ones"
        );
        changes::log(&directory, &change.changes);
        changes::warn_of_ambiguities(&[], &directory);
        held::warn(journal).await.map_err(failed)
    }
}

/// Says why a configuration is not taken over.
pub fn refused(problems: &[String]) {
    for problem in problems {
        tracing::error!("{problem}");
    }
    tracing::error!(
        "the changed configuration is refused: the one before it runs on; mend the file and send SIGHUP again"
    );
}

fn told(found: &[Diagnostic]) -> Vec<String> {
    found.iter().map(ToString::to_string).collect()
}
