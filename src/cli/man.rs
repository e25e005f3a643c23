//! `vintner man`: manual pages out of the same definitions as the help.

use std::path::PathBuf;

use clap::CommandFactory as _;

use crate::app::AppError;
use crate::cli::{Arguments, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// Folder to write one page for each command to; without it the page of vintner goes to standard output
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let command = Arguments::command().disable_help_subcommand(true);
        let Some(folder) = self.folder else {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            return table::print(&String::from_utf8_lossy(&page));
        };
        let failed = |error: std::io::Error| AppError::Failed(format!("{}: {error}", folder.display()));
        std::fs::create_dir_all(&folder).map_err(failed)?;
        clap_mangen::generate_to(command, &folder).map_err(failed)?;
        Ok(())
    }
}
