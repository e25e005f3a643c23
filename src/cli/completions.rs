//! `vintner completions <shell>`.

use clap::CommandFactory;

use crate::cli::{Arguments, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

impl Completions {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "vintner", &mut script);
        table::print(&String::from_utf8_lossy(&script))
    }
}
