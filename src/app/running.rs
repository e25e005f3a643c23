//! A run from its start to its stop, over as many configurations as it is given meanwhile.

use std::path::PathBuf;

use crate::app::AppError;
use crate::app::assemble;
use crate::app::engine::{Ended, Engine};
use crate::app::held;
use crate::app::names;
use crate::app::prepare::{Admin, Prepared, Resources, journal_options};
use crate::app::reload::{Change, Reloader, refused};
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
    /// Whether this machine's clock is right though an API's is a day or more away, or unknown.
    pub accept_clock: bool,
}

impl<E: Environment + Clone + Send + Sync + 'static> Running<E> {
    /// One complete pass of every stream of every account, everything delivered.
    pub async fn once(self) -> Result<(), AppError> {
        let control = control()?;
        let (engine, _) = self.first(&control, &Metrics::default()).await?;
        engine.once().await
    }

    /// Runs until it is asked to stop. A reloaded configuration that changes more than the mapping stops the parts and starts them
    /// anew; if they do not start with it, they do with the one before it.
    pub async fn until_stopped(mut self) -> Result<(), AppError> {
        let (control, metrics) = (control()?, Metrics::default());
        let (mut engine, mut resources) = self.first(&control, &metrics).await?;
        let mut hangups = control.hangups.clone();
        loop {
            let reloader = Reloader {
                file: self.file.clone(),
                config: self.config.clone(),
                environment: self.environment.clone(),
                hangups,
                resources: resources.clone(),
                metrics: metrics.clone(),
            };
            let Ended::Changed(change) = engine.run(reloader.changed()).await? else { return Ok(()) };
            if control.stop.is_cancelled() {
                return resources.journal.close().await.map_err(AppError::Journal);
            }
            hangups = change.hangups.clone();
            engine = self.replace(&mut resources, change, &control, &metrics).await?;
        }
    }

    /// Starts with a prepared configuration; if that fails, with the one before it. The parts of the one before it have ended.
    async fn replace(
        &mut self,
        resources: &mut Resources,
        change: Change,
        control: &Control,
        metrics: &Metrics,
    ) -> Result<Engine, AppError> {
        let Change { prepared: Prepared { config, resources: mut next }, in_force, hangups: _ } = change;
        self.config = in_force;
        if matches!(next.admin, Admin::Pending(_)) {
            resources.admin.release();
        }
        match self.start(&config, &mut next, &[], control, metrics).await {
            Ok(engine) => {
                resources.close_unless(&next.journal).await;
                (self.config, *resources) = (config, next);
                tracing::info!("the changed configuration is in force");
                held::warn(&resources.journal).await?;
                Ok(engine)
            }
            Err(error) => {
                refused(&[causes::line(&error)]);
                metrics.gauges().reload_ok.set(0);
                next.close_unless(&resources.journal).await;
                if next.journal.is_at(resources.journal.path()) {
                    resources.journal = next.journal;
                }
                let config = self.config.clone();
                self.start(&config, resources, &[], control, metrics).await
            }
        }
    }

    /// Starts for the first time.
    async fn first(&self, control: &Control, metrics: &Metrics) -> Result<(Engine, Resources), AppError> {
        let accepted = &self.accept_user_activity_org;
        for name in accepted {
            names::account(&self.config, name)?;
        }
        let mut resources = Resources::take(&self.config, accepted).await?;
        if self.accept_clock {
            resources.journal.clock().accept();
        }
        let engine = self.start(&self.config, &mut resources, accepted, control, metrics).await?;
        Ok((engine, resources))
    }

    /// Builds the parts, then puts the configuration in force: if anything fails, the journal says the same as before.
    async fn start(
        &self,
        config: &Config,
        resources: &mut Resources,
        accepted: &[String],
        control: &Control,
        metrics: &Metrics,
    ) -> Result<Engine, AppError> {
        resources.journal = resources.journal.under(journal_options(config)).await?;
        resources.admin = match resources.admin.clone().listener().await? {
            Some(listener) => Admin::Bound(listener),
            None => Admin::Off,
        };
        let engine =
            assemble::from_config(config.clone(), &self.environment, resources, control, metrics.clone()).await?;
        assemble::install(&resources.journal, config, accepted).await?;
        Ok(engine)
    }
}

fn control() -> Result<Control, AppError> {
    Control::take().map_err(|error| AppError::Failed(format!("signals cannot be watched: {error}")))
}

#[cfg(test)]
mod tests;
