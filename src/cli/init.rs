//! `vintner init`: a commented configuration, never over an existing file.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use crate::app::AppError;
use crate::cli::logging;
use crate::config::template;

#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// Datto RMM platform: pinotage, merlot, concord, vidal, zinfandel or syrah
    #[arg(long, default_value = "merlot")]
    platform: String,
    /// Name for the account, used in events, metrics and commands
    #[arg(long, default_value = "acme")]
    account: String,
    /// File to write
    #[arg(short, long, default_value = "vintner.toml")]
    config: PathBuf,
}

impl Init {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let text = template::template(&self.platform, &self.account)
            .map_err(|error| AppError::Configuration(error.to_string()))?;
        let path = self.config.display();
        let opened = OpenOptions::new().write(true).create_new(true).open(&self.config);
        let mut file = opened.map_err(|error| {
            let hint = "it is left as it is; name another file with --config, or move it away";
            if error.kind() == ErrorKind::AlreadyExists {
                AppError::Failed(format!("{path} exists already: {hint}"))
            } else {
                AppError::Failed(format!("{path} cannot be written: {error}"))
            }
        })?;
        file.write_all(text.as_bytes())
            .map_err(|error| AppError::Failed(format!("{path} cannot be written: {error}")))?;
        logging::complain(&format!("{path} is written; set the secrets that it names, then: vintner check --online"));
        Ok(())
    }
}
