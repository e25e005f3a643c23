//! `vintner orgs list`: which site goes to which organization, and why.

use std::collections::HashMap;

use serde::Serialize;

use crate::app::AppError;
use crate::cli::open::Purpose;
use crate::cli::{ConfigFile, logging, open, table};
use crate::journal::held::HeldSummary;
use crate::org::changes::Standing;
use crate::org::directory::{Decision, Directory};
use crate::record::place::SiteRef;

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
        let directory = open::directory(&journal, &config).await?;
        let held = journal.held().await.map_err(AppError::Journal)?;
        let (mut of_sites, mut unseen) = (HashMap::new(), Vec::new());
        for entry in held {
            match directory.site(&entry.account, &entry.site) {
                Some(site) => {
                    let count: &mut u64 = of_sites.entry((site.account.clone(), site.uid.clone())).or_default();
                    *count = count.saturating_add(entry.count);
                }
                None => unseen.push(entry),
            }
        }
        let mut rows = Vec::new();
        for row in directory.listing() {
            let why = match &row.decision {
                Decision::Held(reason) => reason.clone(),
                Decision::Org(_) | Decision::Ignored | Decision::Dropped => row.why.clone(),
            };
            rows.push(Row {
                account: row.account,
                site_uid: row.site.uid.clone(),
                site_name: row.site.name.clone(),
                site_id: row.site.id,
                is_listed: true,
                organization: Standing::of(&row.decision).to_string(),
                held: of_sites.get(&(row.site.account, row.site.uid)).copied().unwrap_or(0),
                filtered: row.filtered,
                why,
            });
        }
        rows.extend(unseen.into_iter().map(|entry| Row::unseen(&directory, entry)));
        if rows.is_empty() {
            logging::complain("no site is known yet: `vintner run --once` reads the list of sites");
        }
        if json {
            return table::print_lines(&rows);
        }
        let cells = |row: &Row| {
            let held = if row.filtered { "filtered".to_owned() } else { row.held.to_string() };
            let uid = match row.site_id {
                Some(id) if row.site_uid.is_empty() => format!("(id {id})"),
                _ => row.site_uid.clone(),
            };
            [&row.account, &uid, &row.site_name, &row.organization, &held, &row.why].map(Clone::clone).to_vec()
        };
        let headings = ["ACCOUNT", "SITE UID", "SITE NAME", "ORGANIZATION", "HELD", "WHY"];
        table::print(&table::table(&headings, &rows.iter().map(cells).collect::<Vec<_>>()))
    }
}

/// One site, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Row {
    account: String,
    /// Empty where held records name a site that no list shows by something else.
    site_uid: String,
    site_name: String,
    site_id: Option<i64>,
    /// Whether the site list shows it; else held records name it.
    #[serde(rename = "listed")]
    is_listed: bool,
    organization: String,
    held: u64,
    filtered: bool,
    why: String,
}

impl Row {
    /// Records of a site that no list shows, as they name it.
    fn unseen(directory: &Directory, entry: HeldSummary) -> Self {
        let decision = directory.decide(&entry.account, &entry.site);
        let account = directory.account(&entry.account);
        let text = entry.site.to_string();
        let (site_uid, site_name, site_id) = match entry.site {
            SiteRef::None | SiteRef::Device | SiteRef::Unknown => (String::new(), String::new(), None),
            SiteRef::Uid(uid) => (uid, String::new(), None),
            SiteRef::Id(id) => (String::new(), String::new(), Some(id)),
            SiteRef::Name(name) => (String::new(), name, None),
        };
        Self {
            account: account.map_or_else(|| entry.account.to_string(), |account| account.name.clone()),
            site_uid,
            site_name,
            site_id,
            is_listed: false,
            organization: Standing::of(&decision).to_string(),
            held: entry.count,
            filtered: false,
            why: match decision {
                Decision::Held(reason) => reason,
                Decision::Org(_) | Decision::Ignored | Decision::Dropped => format!("{text} is not in the site list"),
            },
        }
    }
}
