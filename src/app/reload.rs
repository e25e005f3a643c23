//! SIGHUP: the configuration is read again, checked whole, and taken over or refused. A refused one leaves the running one as it is.

use std::path::PathBuf;

use tokio::sync::watch;

use crate::app::AppError;
use crate::app::assemble::settle_user_activity_org;
use crate::collect::changes;
use crate::config::files::Severities;
use crate::config::load::{self, Loaded};
use crate::config::secrets::Environment;
use crate::config::settings::Config;
use crate::diagnostic::{Diagnostic, Severity, causes};
use crate::journal::sqlite::Journal;
use crate::telemetry::Metrics;

/// Watches for reloads of one run.
#[derive(Debug)]
pub struct Reloader<E> {
    /// The configuration file.
    pub file: PathBuf,
    /// What runs.
    pub config: Config,
    /// Where secrets are looked for.
    pub environment: E,
    /// Counts the asks.
    pub hangups: watch::Receiver<u64>,
    /// The journal of the run.
    pub journal: Journal,
    /// For the gauge of refused reloads.
    pub metrics: Metrics,
}

/// What a changed file asks for.
enum Change {
    None,
    /// Only mapping and filters: in force at once, between two batches.
    Policy(Box<Config>),
    /// Something that the parts of the run are built from.
    Parts(Box<Config>),
}

impl<E: Environment + Sync> Reloader<E> {
    /// Takes changes of the mapping over as they come; ends with the first configuration that must be run anew, and with the
    /// asks, so that none is lost or answered twice.
    pub async fn changed(mut self) -> (Box<Config>, watch::Receiver<u64>) {
        loop {
            if self.hangups.changed().await.is_err() {
                // Nobody can ask any more.
                std::future::pending::<()>().await;
            }
            tracing::info!(file = %self.file.display(), "SIGHUP: files are reopened, the configuration is read again");
            let outcome = match self.read() {
                Ok(Change::None) => {
                    tracing::info!("the configuration is as it was");
                    Ok(None)
                }
                Ok(Change::Policy(config)) => self.take_over(*config).await.map(|()| None),
                Ok(Change::Parts(config)) => Ok(Some(config)),
                Err(problems) => Err(problems),
            };
            self.metrics.gauges().reload_ok.set(i64::from(outcome.is_ok()));
            match outcome {
                Ok(None) => {}
                Ok(Some(config)) => return (config, self.hangups),
                Err(problems) => refused(&problems),
            }
        }
    }

    fn read(&self) -> Result<Change, Vec<String>> {
        let loaded = load::load(&self.file).map_err(|found| told(&found))?;
        let found = self.problems(&loaded);
        if found.iter().any(|problem| problem.severity == Severity::Error) {
            return Err(told(&found));
        }
        for warning in loaded.warnings.iter().chain(&found) {
            tracing::warn!("{warning}");
        }
        let config = Box::new(loaded.config);
        if *config == self.config {
            return Ok(Change::None);
        }
        let same_parts = Config { policy: config.policy.clone(), ..self.config.clone() } == *config;
        Ok(if same_parts { Change::Policy(config) } else { Change::Parts(config) })
    }

    fn problems(&self, loaded: &Loaded) -> Vec<Diagnostic> {
        let files = loaded.files(Severities::RELOAD);
        [loaded.unbuilt(), loaded.secrets(&self.environment), loaded.certificates(), files].concat()
    }

    /// Puts another mapping in force.
    async fn take_over(&mut self, config: Config) -> Result<(), Vec<String>> {
        let line = |error: AppError| vec![causes::line(&error)];
        for account in &config.accounts {
            settle_user_activity_org(&self.journal, account, &[]).await.map_err(line)?;
        }
        let failed = |error| line(AppError::Journal(error));
        let change = self.journal.set_policy(config.policy.clone()).await.map_err(failed)?;
        let directory = self.journal.directory().await.map_err(failed)?;
        self.config = config;
        tracing::info!(
            version = change.version,
            released = change.released,
            dropped = change.dropped,
            "the mapping is in force: held records that it maps go before newer ones"
        );
        changes::log(&directory, &change.changes);
        changes::warn_of_ambiguities(&[], &directory);
        Ok(())
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
