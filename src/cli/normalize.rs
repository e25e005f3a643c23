//! `vintner normalize`: raw records on stdin become events on stdout, for pipes and tests.

use std::num::NonZeroUsize;

use clap_complete::ArgValueCompleter;

use crate::app::pipe::line::Mapper;
use crate::app::pipe::{self, Totals};
use crate::app::{AppError, assemble, explain};
use crate::cli::forms::{Kind, LineFormat};
use crate::cli::open::Purpose;
use crate::cli::{ConfigFile, Reported, completions, logging, open};
use crate::config::load::ProcessEnvironment;
use crate::normalize::Options;
use crate::output::descriptor::Descriptor;

#[derive(Debug, clap::Args)]
pub(crate) struct Normalize {
    /// What the records on stdin are, one JSON object a line
    #[arg(long = "type", value_enum)]
    kind: Kind,
    /// Form of the events
    #[arg(long, value_enum, default_value = "ocsf")]
    format: LineFormat,
    /// Worker threads [default: one for each core]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Organization of records that name no site by uid [default: unassigned]
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Account of the configuration; not needed if it has only one
    #[arg(long, value_name = "NAME", requires = "config", add = ArgValueCompleter::new(completions::accounts))]
    account: Option<String>,
    #[command(flatten)]
    file: ConfigFile,
}

impl Normalize {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let has_file = self.file.config.is_some();
        let config = if has_file { Some(open::configuration(&self.file, Purpose::Look)?) } else { None };
        let options = match &config {
            Some(config) => assemble::event_options(config, &ProcessEnvironment)?,
            None => explain::defaults(),
        };
        let mapper = Mapper::new(self.kind.into(), Options { format: self.format.into(), ..options }, self.tenant);
        let mapper = match &config {
            Some(config) => mapper.of_account(config, self.account.as_deref())?,
            None => mapper,
        };
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let workers = self.jobs.unwrap_or_else(cores).get();
        let output = Descriptor::stdout();
        let mut output = output.map_err(|error| AppError::Failed(format!("standard output: {error}")))?;
        let report = |number: u64, reason: &str| logging::complain(&format!("line {number}: {reason}"));
        let totals = pipe::run(mapper, workers, std::io::stdin(), &mut output, report)?;
        finish(totals)
    }
}

/// Says what became no event; bad lines are a failure.
fn finish(totals: Totals) -> anyhow::Result<()> {
    let Totals { events, bad, left_out } = totals;
    if left_out > 0 {
        logging::complain(&format!(
            "{left_out} records left out: their sites are ignored, or no organization has them"
        ));
    }
    if bad > 0 {
        logging::complain(&format!("error: {bad} bad lines; {events} events written"));
        return Err(Reported(1).into());
    }
    Ok(())
}
