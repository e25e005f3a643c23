//! `vintner orgs plan`: what the mapping in the file would change. A draft: nothing is applied.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::app::AppError;
use crate::app::plan::{self, PlannedMove};
use crate::cli::open::Purpose;
use crate::cli::{ConfigFile, logging, open, table};
use crate::org::changes::{NearMiss, Standing};

#[derive(Debug, clap::Args)]
pub(super) struct Plan {
    #[command(flatten)]
    file: ConfigFile,
    /// The plan as one JSON object
    #[arg(long)]
    json: bool,
}

/// The plan, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Printed<'a> {
    moves: Vec<Move<'a>>,
    near_misses: Vec<Near<'a>>,
    released: u64,
    dropped: u64,
    dead_letters: BTreeMap<&'a str, u64>,
    unmapped_sites: u64,
}

#[derive(Debug, Serialize)]
struct Move<'a> {
    account: &'a str,
    site_uid: &'a str,
    site_name: &'a str,
    from: String,
    to: String,
    held: u64,
    undelivered: &'a BTreeMap<String, u64>,
    why: &'a str,
}

#[derive(Debug, Serialize)]
struct Near<'a> {
    account: &'a str,
    site_uid: &'a str,
    site_name: &'a str,
    organization: &'a str,
    organization_name: &'a str,
}

impl Plan {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (_, loaded) = open::loaded(&self.file, Purpose::Look)?;
        let journal = open::reader(&loaded.config.journal.path)?;
        let plan = plan::plan(&journal, &loaded.config).await?;
        let directory = journal.directory().await.map_err(AppError::Journal)?;
        loaded.unknown_sites(&directory).iter().for_each(|found| logging::complain(&found.to_string()));
        let printed = printed(&plan);
        if self.json {
            return table::print(&table::json_line(&printed)?);
        }
        table::print(&human(&printed))
    }
}

fn printed(plan: &plan::Plan) -> Printed<'_> {
    let to = |wanted: fn(&Standing) -> bool| plan.moves.iter().filter(move |moved| wanted(&moved.site.to));
    let mut dead_letters: BTreeMap<&str, u64> = BTreeMap::new();
    for moved in to(|standing| matches!(standing, Standing::Held | Standing::Dropped)) {
        for (sink, count) in &moved.undelivered {
            *dead_letters.entry(sink).or_default() += count;
        }
    }
    Printed {
        moves: plan.moves.iter().map(one_move).collect(),
        near_misses: plan.near_misses.iter().map(one_near).collect(),
        released: to(|standing| matches!(standing, Standing::Org(_))).map(|moved| moved.held).sum(),
        dropped: to(|standing| matches!(standing, Standing::Ignored | Standing::Dropped)).map(|moved| moved.held).sum(),
        dead_letters,
        unmapped_sites: plan.unmapped,
    }
}

fn one_move(moved: &PlannedMove) -> Move<'_> {
    Move {
        account: &moved.site.account,
        site_uid: &moved.site.site.uid,
        site_name: &moved.site.site.name,
        from: moved.site.from.to_string(),
        to: moved.site.to.to_string(),
        held: moved.held,
        undelivered: &moved.undelivered,
        why: &moved.site.why,
    }
}

fn one_near(near: &NearMiss) -> Near<'_> {
    Near {
        account: &near.account,
        site_uid: &near.site.uid,
        site_name: &near.site.name,
        organization: &near.org,
        organization_name: &near.org_name,
    }
}

fn human(plan: &Printed<'_>) -> String {
    if plan.moves.is_empty() && plan.near_misses.is_empty() {
        return format!("no known site would go elsewhere; {} without an organization\n", sites(plan.unmapped_sites));
    }
    let mut text = String::new();
    if !plan.moves.is_empty() {
        let row = |moved: &Move<'_>| {
            let undelivered: Vec<String> =
                moved.undelivered.iter().map(|(sink, count)| format!("{sink}: {count}")).collect();
            let undelivered = if undelivered.is_empty() { "-".to_owned() } else { undelivered.join(", ") };
            let (from, to, held) = (moved.from.clone(), moved.to.clone(), moved.held.to_string());
            let named = [moved.account, moved.site_name].map(str::to_owned);
            named.into_iter().chain([from, to, held, undelivered, moved.why.to_owned()]).collect()
        };
        let rows: Vec<Vec<String>> = plan.moves.iter().map(row).collect();
        text += &table::table(&["ACCOUNT", "SITE NAME", "FROM", "TO", "HELD", "UNDELIVERED", "WHY"], &rows);
        text.push('\n');
    }
    if !plan.near_misses.is_empty() {
        let row = |near: &Near<'_>| {
            [near.account, near.site_name, near.organization, near.organization_name, near.site_uid]
                .map(str::to_owned)
                .to_vec()
        };
        let rows: Vec<Vec<String>> = plan.near_misses.iter().map(row).collect();
        text +=
            "sites without an organization whose name is nearly that of one (list them by uid if they belong there):\n";
        text += &table::table(&["ACCOUNT", "SITE NAME", "ORGANIZATION", "ITS NAME", "SITE UID"], &rows);
        text.push('\n');
    }
    text += &format!(
        "{} would go elsewhere; held records: {} released, {} dropped; {} without an organization\n",
        sites(u64::try_from(plan.moves.len()).unwrap_or(u64::MAX)),
        plan.released,
        plan.dropped,
        sites(plan.unmapped_sites)
    );
    for (sink, count) in &plan.dead_letters {
        text += &format!("sink {sink}: {count} undelivered records would become dead letters\n");
    }
    text
}

fn sites(count: u64) -> String {
    if count == 1 { "1 site".to_owned() } else { format!("{count} sites") }
}
