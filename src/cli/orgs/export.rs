//! `vintner orgs export`: the mapping of every known site, settled by uid, in a form that `[orgs] file` reads.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::cli::open::Purpose;
use crate::cli::plain::{self, Layout};
use crate::cli::{ConfigFile, logging, open, table};
use crate::org::directory::{Decision, SiteListing};

#[derive(Debug, clap::Args)]
pub(super) struct Export {
    #[command(flatten)]
    file: ConfigFile,
    /// Form of the file
    #[arg(long, value_enum, default_value_t = Form::Csv)]
    format: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// A row for each site, for spreadsheets
    Csv,
    /// A list of rows
    Json,
    /// The tables of the section `orgs`
    Toml,
}

/// One site that is mapped or ignored.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(skip_serializing_if = "String::is_empty")]
    organization_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    organization_name: String,
    site_uid: String,
    site_name: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ignore: bool,
}

impl Export {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let config = open::configuration(&self.file, Purpose::Look)?;
        let journal = open::reader(&config.journal.path)?;
        let directory = open::directory(&journal, &config).await?;
        let rows: Vec<Row> = directory.listing().into_iter().filter_map(row).collect();
        if rows.is_empty() {
            logging::complain("no site is mapped or ignored: `vintner orgs list` shows every known site");
        }
        let text = match self.format {
            Form::Csv => csv(&rows)?,
            Form::Json => plain::json(&serde_json::to_string_pretty(&rows)?, Layout::Kept) + "\n",
            Form::Toml => toml(&rows),
        };
        table::print(&text)
    }
}

/// The row of a site that has an organization or is ignored; the others are for `orgs plan` and `orgs list` to tell.
fn row(listed: SiteListing) -> Option<Row> {
    let (site_uid, site_name) = (listed.site.uid, listed.site.name);
    match listed.decision {
        Decision::Org(tenant) => Some(Row {
            organization_id: tenant.id.clone(),
            organization_name: tenant.name.clone().unwrap_or_else(|| tenant.id.clone()),
            site_uid,
            site_name,
            labels: tenant.labels.clone(),
            ignore: false,
        }),
        Decision::Ignored => Some(Row {
            organization_id: String::new(),
            organization_name: String::new(),
            site_uid,
            site_name,
            labels: BTreeMap::new(),
            ignore: true,
        }),
        Decision::Held(_) | Decision::Dropped => None,
    }
}

fn csv(rows: &[Row]) -> anyhow::Result<String> {
    let labels: BTreeSet<&str> = rows.iter().flat_map(|row| row.labels.keys().map(String::as_str)).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let fixed = ["organization_id", "organization_name", "site_uid", "site_name", "ignore"].map(str::to_owned);
    writer.write_record(fixed.into_iter().chain(labels.iter().map(|label| format!("label_{label}"))))?;
    for row in rows {
        let ignore = if row.ignore { "yes" } else { "" };
        let cells = [&row.organization_id, &row.organization_name, &row.site_uid, &row.site_name].map(String::as_str);
        let values = labels.iter().map(|label| row.labels.get(*label).map_or("", String::as_str));
        writer.write_record(cells.into_iter().chain([ignore]).chain(values))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn toml(rows: &[Row]) -> String {
    let mut orgs: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.ignore) {
        orgs.entry((&row.organization_id, &row.organization_name)).or_default().push(row);
    }
    let mut text = String::from("# [orgs] file = \"this file\"\n");
    let site = |row: &&Row| format!("  {}, # {}\n", quoted(&row.site_uid), table::printable(&row.site_name));
    let ignored: Vec<&Row> = rows.iter().filter(|row| row.ignore).collect();
    if !ignored.is_empty() {
        text += &format!("\n[ignore]\nsites = [\n{}]\n", ignored.iter().map(site).collect::<String>());
    }
    for ((id, name), sites) in orgs {
        let first = sites.first().map(|row| &row.labels);
        let sites: String = sites.iter().map(site).collect();
        text += &format!("\n[list.{}]\nname = {}\nsites = [\n{sites}]\n", quoted(id), quoted(name));
        if let Some(labels) = first.filter(|labels| !labels.is_empty()) {
            let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{} = {}", quoted(k), quoted(v))).collect();
            text += &format!("labels = {{ {} }}\n", labels.join(", "));
        }
    }
    text
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
