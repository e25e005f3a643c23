//! `vintner demo`: a simulated MSP inside the process.

use std::time::Duration;

use crate::app::demo;
use crate::cli::forms::Shown;
use crate::config::values;

#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// End after exactly this many events
    #[arg(long)]
    events: Option<u64>,
    /// End after this long, e.g. `5s`
    #[arg(long, value_parser = duration, default_value = "8s")]
    duration: Duration,
    /// Seed of the simulated world: the same seed shows the same world
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    shown: Shown,
}

impl Demo {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        Ok(demo::run(demo::Options {
            events: self.events,
            duration: self.duration,
            seed: self.seed,
            look: self.shown.look(),
        })
        .await?)
    }
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    values::duration(text).map_err(|bad| match bad.hint {
        Some(hint) => format!("{}: {hint}", bad.message),
        None => bad.message,
    })
}
