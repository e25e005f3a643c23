//! `vintner fetch`: one list, once, for pipes.

use std::time::Duration;

use clap_complete::ArgValueCompleter;

use crate::app::fetch::target::Target;
use crate::app::fetch::{self, What};
use crate::cli::forms::LineFormat;
use crate::cli::open::Purpose;
use crate::cli::{ConfigFile, completions, demo, environment, logging, open};
use crate::config::load::ProcessEnvironment;

#[derive(Debug, clap::Args)]
pub(crate) struct Fetch {
    /// What to fetch
    #[arg(value_enum)]
    what: List,
    /// Form of the lines
    #[arg(long, value_enum, default_value = "ocsf")]
    format: LineFormat,
    /// Only what happened within this time, e.g. `24h` [default: whole lists, activity of 24h]
    #[arg(long, value_parser = demo::duration)]
    since: Option<Duration>,
    /// Account of the configuration; without it VINTNER_PLATFORM or VINTNER_API_URL, VINTNER_API_KEY and VINTNER_API_SECRET
    #[arg(long, add = ArgValueCompleter::new(completions::accounts))]
    account: Option<String>,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum List {
    OpenAlerts,
    ResolvedAlerts,
    Activity,
    Sites,
    Devices,
}

impl List {
    fn words(self) -> &'static str {
        match self {
            Self::OpenAlerts => "the list of open alerts",
            Self::ResolvedAlerts => "the list of resolved alerts",
            Self::Activity => "the activity log",
            Self::Sites => "the list of sites",
            Self::Devices => "the list of devices",
        }
    }
}

impl Fetch {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let what = match self.what {
            List::OpenAlerts => What::OpenAlerts,
            List::ResolvedAlerts => What::ResolvedAlerts,
            List::Activity => What::Activity,
            List::Sites => What::Sites,
            List::Devices => What::Devices,
        };
        let uses_file = self.account.is_some() || self.file.config.is_some();
        let target = if uses_file {
            let config = open::configuration(&self.file, Purpose::Look)?;
            Target::of_account(config, self.account.as_deref(), &ProcessEnvironment)?
        } else {
            Target::of_environment(environment::variable, &ProcessEnvironment)?
        };
        if fetch::run(target, what, self.format.into(), self.since).await? == 0 {
            let reach = if self.since.is_some() || self.what == List::Activity { " within that time" } else { "" };
            logging::complain(&format!("nothing to print: {} has no record{reach}", self.what.words()));
        }
        Ok(())
    }
}
