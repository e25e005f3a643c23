//! A run from its start to its stop, over as many configurations as it is given meanwhile.

use std::path::PathBuf;

use crate::app::AppError;
use crate::app::assemble;
use crate::app::engine::{Ended, Engine};
use crate::app::reload::{Reloader, refused};
use crate::app::stop::Control;
use crate::config::secrets::Environment;
use crate::config::settings::Config;
use crate::diagnostic::causes;
use crate::telemetry::Metrics;

/// What `vintner run` was started with.
#[derive(Debug)]
pub struct Running<E> {
    /// The configuration file, read again on SIGHUP.
    pub file: PathBuf,
    /// What it said at the start.
    pub config: Config,
    /// Where secrets are looked for.
    pub environment: E,
    /// Accounts whose `user_activity_org` may be another than the stored one.
    pub accept_user_activity_org: Vec<String>,
}

impl<E: Environment + Clone + Send + Sync + 'static> Running<E> {
    /// One complete pass of every stream of every account, everything delivered.
    pub async fn once(self) -> Result<(), AppError> {
        let control = control()?;
        self.engine(&control, &Metrics::default()).await?.once().await
    }

    /// Runs until it is asked to stop. A reloaded configuration that changes more than the mapping stops the parts and starts them
    /// anew; if they do not start with it, they do with the one before it.
    pub async fn until_stopped(mut self) -> Result<(), AppError> {
        let (control, metrics) = (control()?, Metrics::default());
        let mut engine = self.engine(&control, &metrics).await?;
        let mut hangups = control.hangups.clone();
        loop {
            let reloader = Reloader {
                file: self.file.clone(),
                config: self.config.clone(),
                environment: self.environment.clone(),
                hangups,
                journal: engine.shared.journal.clone(),
                metrics: metrics.clone(),
            };
            let Ended::Changed((config, asks)) = engine.run(reloader.changed()).await? else { return Ok(()) };
            if control.stop.is_cancelled() {
                return Ok(());
            }
            hangups = asks;
            let before = std::mem::replace(&mut self.config, *config);
            engine = match self.engine(&control, &metrics).await {
                Ok(engine) => {
                    tracing::info!("the changed configuration is in force");
                    engine
                }
                Err(error) => {
                    refused(&[causes::line(&error)]);
                    metrics.gauges().reload_ok.set(0);
                    self.config = before;
                    self.engine(&control, &metrics).await?
                }
            };
        }
    }

    async fn engine(&self, control: &Control, metrics: &Metrics) -> Result<Engine, AppError> {
        let (config, accepted) = (self.config.clone(), &self.accept_user_activity_org);
        assemble::from_config(config, &self.environment, accepted, control, metrics.clone()).await
    }
}

fn control() -> Result<Control, AppError> {
    Control::take().map_err(|error| AppError::Failed(format!("signals cannot be watched: {error}")))
}
