//! `vintner orgs`: which site goes to which organization, what a changed mapping would do, and the mapping as a file.

mod export;
mod list;
mod plan;

#[derive(Debug, clap::Args)]
pub(crate) struct Orgs {
    #[command(subcommand)]
    command: OrgsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum OrgsCommand {
    /// List every known site with its organization
    List(list::List),
    /// Show what the mapping in the file would change, before it is reloaded
    Plan(plan::Plan),
    /// Print the mapping of every known site, by uid, as a mapping file
    Export(export::Export),
}

impl Orgs {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.command {
            OrgsCommand::List(command) => command.run().await,
            OrgsCommand::Plan(command) => command.run().await,
            OrgsCommand::Export(command) => command.run().await,
        }
    }
}
