//! `vintner run`.

use clap_complete::ArgValueCompleter;

use crate::app::running::Running;
use crate::app::surroundings::Surroundings;
use crate::cli::forms::Shown;
use crate::cli::open::Purpose;
use crate::cli::{ConfigFile, completions, open};
use crate::config::load::ProcessEnvironment;

#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    #[command(flatten)]
    file: ConfigFile,
    /// One complete pass of every stream of every account, everything delivered, then exit
    #[arg(long)]
    once: bool,
    /// Let records that name no site of this account go to the `user_activity_org` that is configured now, though data exists
    #[arg(long, value_name = "ACCOUNT", add = ArgValueCompleter::new(completions::accounts))]
    accept_user_activity_org: Vec<String>,
    /// This machine's clock is right: go by it where the API's is a day or more away or unknown, for this run
    #[arg(long)]
    accept_clock: bool,
    #[command(flatten)]
    shown: Shown,
}

impl Run {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let (file, loaded) = open::loaded(&self.file, Purpose::Act)?;
        let (config, environment) = (loaded.config, ProcessEnvironment);
        let surroundings = Surroundings { look: self.shown.look(), ..Surroundings::of_process(environment) };
        let running = Running {
            file,
            config,
            surroundings,
            accept_user_activity_org: self.accept_user_activity_org,
            accept_clock: self.accept_clock,
        };
        if self.once {
            Box::pin(running.once()).await?
        } else {
            Box::pin(running.until_stopped()).await?
        }
        Ok(())
    }
}
