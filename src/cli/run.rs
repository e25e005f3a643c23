//! `vintner run`.

use std::io::IsTerminal;

use clap_complete::ArgValueCompleter;

use crate::app::progress::Form;
use crate::app::running::Running;
use crate::app::surroundings::Surroundings;
use crate::cli::color::{self, Output};
use crate::cli::forms::Shown;
use crate::cli::open::Purpose;
use crate::cli::{ConfigFile, completions, open};
use crate::config::load::ProcessEnvironment;
use crate::config::settings::{Config, SinkKind};
use crate::output::descriptor::Descriptor;

/// A line on the terminal where nothing else is written to it: events on stdout may end there too, through a pipe.
fn progress(config: &Config) -> Form {
    let has_console = config.sinks.iter().any(|sink| sink.kind == SinkKind::Stdout);
    let is_file = Descriptor::stdout().is_ok_and(|stdout| stdout.is_file());
    let is_terminal = std::io::stderr().is_terminal() && color::is_on(Output::Stderr);
    if is_terminal && (!has_console || is_file) { Form::Bar } else { Form::Log }
}

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
        let (progress, look) = (progress(&config), self.shown.look());
        let surroundings = Surroundings { progress, look, ..Surroundings::of_process(environment) };
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
