//! `vintner orgs list`: which site goes to which organization, and why.

use crate::app::AppError;
use crate::cli::open::Purpose;
use crate::cli::{ConfigFile, open, table};
use crate::inventory::Site;
use crate::org::directory::Decision;
use crate::record::{AccountUid, SiteRef};

#[derive(Debug, clap::Args)]
pub(crate) struct Orgs {
    #[command(subcommand)]
    command: OrgsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum OrgsCommand {
    /// List every known site with its organization
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

impl Orgs {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let OrgsCommand::List { file, json } = self.command;
        let config = open::configuration(&file, Purpose::Look)?;
        let journal = open::reader(&config.journal.path)?;
        let stored = journal.directory().await.map_err(AppError::Journal)?;
        // The mapping in the file counts, also where no instance has taken it over yet.
        let directory = stored.under(config.policy);
        let held = journal.held().await.map_err(AppError::Journal)?;
        let mut rows = Vec::new();
        for site in directory.listing() {
            let account =
                directory.account(&site.site.account).map_or_else(String::new, |account| account.name.clone());
            let (org, why) = match &site.decision {
                Decision::Org(tenant) => (tenant.id.clone(), site.why.clone()),
                Decision::Ignored => ("(ignored)".to_owned(), site.why.clone()),
                Decision::Dropped => ("(dropped)".to_owned(), site.why.clone()),
                Decision::Held(reason) => ("(held)".to_owned(), reason.clone()),
            };
            let waiting: u64 = held
                .iter()
                .filter(|entry| names(&entry.site, &entry.account, &site.site))
                .map(|entry| entry.count)
                .sum();
            rows.push(vec![account, site.site.uid.clone(), site.site.name.clone(), org, waiting.to_string(), why]);
        }
        let headings = ["account", "site_uid", "site_name", "organization", "held", "why"];
        if json {
            let line = |row: &Vec<String>| {
                let members = headings.iter().zip(row).map(|(name, cell)| ((*name).to_owned(), cell.as_str().into()));
                serde_json::Value::Object(members.collect()).to_string() + "\n"
            };
            return table::print(&rows.iter().map(line).collect::<String>());
        }
        let capitals: Vec<String> = headings.iter().map(|name| name.replace('_', " ").to_uppercase()).collect();
        table::print(&table::table(&capitals.iter().map(String::as_str).collect::<Vec<_>>(), &rows))
    }
}

/// Whether a reference of `account` names `site`.
fn names(reference: &SiteRef, account: &AccountUid, site: &Site) -> bool {
    *account == site.account
        && match reference {
            SiteRef::None => false,
            SiteRef::Uid(uid) => *uid == site.uid,
            SiteRef::Id(id) => Some(*id) == site.id,
            SiteRef::Name(name) => *name == site.name,
        }
}
