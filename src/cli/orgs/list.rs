//! `vintner orgs list`: which site goes to which organization, and why.

use serde::Serialize;

use crate::app::AppError;
use crate::cli::open::Purpose;
use crate::cli::{ConfigFile, open, table};
use crate::inventory::Site;
use crate::org::changes::Standing;
use crate::org::directory::Decision;
use crate::record::{AccountUid, SiteRef};

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    file: ConfigFile,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let Self { file, json } = self;
        let config = open::configuration(&file, Purpose::Look)?;
        let journal = open::reader(&config.journal.path)?;
        let stored = journal.directory().await.map_err(AppError::Journal)?;
        // The mapping in the file counts, also where no instance has taken it over yet.
        let directory = stored.under(config.policy);
        let held = journal.held().await.map_err(AppError::Journal)?;
        let mut rows = Vec::new();
        for row in directory.listing() {
            let why = match &row.decision {
                Decision::Held(reason) => reason.clone(),
                Decision::Org(_) | Decision::Ignored | Decision::Dropped => row.why.clone(),
            };
            let waiting = held.iter().filter(|entry| names(&entry.site, &entry.account, &row.site));
            rows.push(Row {
                account: row.account,
                site_uid: row.site.uid.clone(),
                site_name: row.site.name.clone(),
                organization: Standing::of(&row.decision).to_string(),
                held: waiting.map(|entry| entry.count).sum(),
                filtered: row.filtered,
                why,
            });
        }
        if json {
            return table::print_lines(&rows);
        }
        let cells = |row: &Row| {
            let held = if row.filtered { "filtered".to_owned() } else { row.held.to_string() };
            [&row.account, &row.site_uid, &row.site_name, &row.organization, &held, &row.why].map(Clone::clone).to_vec()
        };
        let headings = ["ACCOUNT", "SITE UID", "SITE NAME", "ORGANIZATION", "HELD", "WHY"];
        table::print(&table::table(&headings, &rows.iter().map(cells).collect::<Vec<_>>()))
    }
}

/// One site, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Row {
    account: String,
    site_uid: String,
    site_name: String,
    organization: String,
    held: u64,
    filtered: bool,
    why: String,
}

/// Whether a reference of `account` names `site`.
pub(super) fn names(reference: &SiteRef, account: &AccountUid, site: &Site) -> bool {
    *account == site.account
        && match reference {
            SiteRef::None | SiteRef::Device | SiteRef::Unknown => false,
            SiteRef::Uid(uid) => *uid == site.uid,
            SiteRef::Id(id) => Some(*id) == site.id,
            SiteRef::Name(name) => *name == site.name,
        }
}
