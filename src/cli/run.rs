//! `vintner run`.

use crate::app::assemble;
use crate::cli::open::Purpose;
use crate::cli::{ConfigFile, open};
use crate::config::load::ProcessEnvironment;

#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    #[command(flatten)]
    file: ConfigFile,
    /// One complete pass of every stream of every account, everything delivered, then exit
    #[arg(long)]
    once: bool,
    /// Let records that name no site of this account go to the `user_activity_org` that is configured now, though data exists
    #[arg(long, value_name = "ACCOUNT")]
    accept_user_activity_org: Vec<String>,
}

impl Run {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let config = open::configuration(&self.file, Purpose::Act)?;
        let engine = assemble::from_config(config, &ProcessEnvironment, &self.accept_user_activity_org).await?;
        if self.once {
            engine.once().await?
        } else {
            engine.run().await?
        }
        Ok(())
    }
}
