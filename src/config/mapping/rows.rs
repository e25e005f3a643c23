//! Rows of an export, each about one site of one organization, gathered into the tables of `[orgs]`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::config::places::{At, Problems};

/// A text and where it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

/// What one row says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: Option<Cell>,
    pub(super) name: Option<Cell>,
    pub(super) site_uid: Option<Cell>,
    pub(super) site_name: Option<Cell>,
    /// Further sites, in forms that can list them.
    pub(super) sites: Vec<Cell>,
    pub(super) accounts: Vec<Cell>,
    pub(super) labels: Vec<(Cell, Cell)>,
    /// The site shall not be mapped.
    pub(super) is_ignored: bool,
    /// The whole row.
    pub(super) span: Range<usize>,
}

/// What a column or key means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Id,
    Name,
    SiteUid,
    SiteName,
    Sites,
    Account,
    Label(String),
    Ignore,
}

/// The names that exports use, in the form of [`plain_heading`].
const NAMES: [(Role, &[&str]); 7] = [
    (Role::Id, &["organization_id", "org_id", "company_id", "client_id", "customer_id", "id"]),
    (
        Role::Name,
        &[
            "organization_name",
            "org_name",
            "company_name",
            "client_name",
            "customer_name",
            "organization",
            "company",
            "client",
            "customer",
            "name",
        ],
    ),
    (Role::SiteUid, &["site_uid"]),
    (Role::SiteName, &["site_name", "site"]),
    (Role::Sites, &["sites"]),
    (Role::Account, &["account", "account_name", "accounts"]),
    (Role::Ignore, &["ignore", "do_not_map"]),
];

/// For each of `headings` what it means; `None` for columns of no use here.
pub(super) fn roles(headings: &[&str]) -> Vec<Option<Role>> {
    let role = |heading: &&str| {
        let plain = plain_heading(heading);
        let named = NAMES.into_iter().find(|(_, names)| names.contains(&plain.as_str()));
        named.map(|(role, _)| role).or_else(|| label(&plain))
    };
    headings.iter().map(role).collect()
}

/// The first two headings that mean the same, by their index, and what is wrong with them.
pub(super) fn doubled(headings: &[&str], roles: &[Option<Role>]) -> Option<(usize, String)> {
    let known = || {
        headings.iter().zip(roles).enumerate().filter_map(|(index, (name, role))| Some((index, name, role.as_ref()?)))
    };
    let (index, first, second) = known().find_map(|(index, name, role)| {
        let (_, first, _) = known().take_while(|(before, ..)| *before < index).find(|(_, _, known)| *known == role)?;
        Some((index, first.trim(), name.trim()))
    })?;
    Some((index, format!("`{first}` and `{second}` mean the same: only one of them can count")))
}

/// What mends two headings that mean the same.
pub(super) const DOUBLED_HINT: &str = "remove one of them, or rename the one that means something else";

/// What headings are called, for a message.
pub(super) fn told_headings() -> &'static str {
    "name the columns organization_id, organization_name, and site_uid or site_name"
}

/// A heading without regard to case, spaces and punctuation.
fn plain_heading(heading: &str) -> String {
    let folded: String =
        heading.trim().chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    folded.trim_matches('_').to_owned()
}

fn label(heading: &str) -> Option<Role> {
    heading.strip_prefix("label_").filter(|name| !name.is_empty()).map(|name| Role::Label(name.to_owned()))
}

impl Row {
    /// Takes in one cell; an empty one says nothing.
    pub(super) fn take(&mut self, role: &Role, cell: Cell) {
        if cell.text.trim().is_empty() {
            return;
        }
        match role {
            Role::Id => self.id = Some(cell),
            Role::Name => self.name = Some(cell),
            Role::SiteUid => self.site_uid = Some(cell),
            Role::SiteName => self.site_name = Some(cell),
            Role::Sites => self.sites.push(cell),
            Role::Account => self.accounts.push(cell),
            Role::Label(name) => {
                let key = Cell { text: name.clone(), span: cell.span.clone() };
                self.labels.push((key, cell));
            }
            Role::Ignore => self.is_ignored = is_yes(&cell.text),
        }
    }

    /// Its sites: the uid where there is one, else the name.
    fn all_sites(&mut self) -> Vec<Cell> {
        let named = self.site_uid.take().or_else(|| self.site_name.take());
        named.into_iter().chain(std::mem::take(&mut self.sites)).collect()
    }

    fn is_blank(&self) -> bool {
        *self == Self { span: self.span.clone(), ..Self::default() }
    }
}

fn is_yes(text: &str) -> bool {
    ["true", "yes", "y", "1", "x"].contains(&text.trim().to_ascii_lowercase().as_str())
}

/// The tables `list` and `ignore` that `rows` spell.
pub(super) fn table(rows: Vec<Row>, file: usize, problems: &Problems) -> DeTable<'static> {
    let mut orgs: Vec<Row> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut ignored = Vec::new();
    for mut row in rows.into_iter().filter(|row| !row.is_blank()) {
        let sites = row.all_sites();
        let at = || At::new(file, row.span.clone());
        if row.is_ignored {
            if sites.is_empty() {
                problems.error(at(), "this row says what to ignore and names no site", None);
            }
            ignored.extend(sites);
            continue;
        }
        let Some(id) = row.id.clone() else {
            let hint = "give it an id, or mark its site with a column `ignore`".to_owned();
            problems.error(at(), "this row names no organization id", Some(hint));
            continue;
        };
        row.sites = sites;
        let place = *places.entry(id.text.trim().to_owned()).or_insert(orgs.len());
        match orgs.get_mut(place) {
            Some(org) => merge(org, row, file, problems),
            None => orgs.push(row),
        }
    }
    let mut root = DeTable::new();
    let entries = orgs.into_iter().filter_map(|org| Some((org.id.clone()?, organization(org))));
    let list: DeTable<'static> = entries.map(|(id, org)| (key(&id), spanned(id.span, DeValue::Table(org)))).collect();
    root.insert(named("list"), spanned(0..0, DeValue::Table(list)));
    if !ignored.is_empty() {
        let sites = [(named("sites"), array(ignored))];
        root.insert(named("ignore"), spanned(0..0, DeValue::Table(sites.into_iter().collect())));
    }
    root
}

/// Adds what a further row says of an organization. It must not say something else.
fn merge(org: &mut Row, row: Row, file: usize, problems: &Problems) {
    if let (Some(known), Some(name)) = (&org.name, &row.name)
        && known.text.trim() != name.text.trim()
    {
        let place = problems.place_of(&At::new(file, known.span.clone()));
        let message = format!("this organization is called {:?} here and {:?} at {place}", name.text, known.text);
        let hint = "one id is one organization: make the names equal, or the ids different".to_owned();
        problems.error(At::new(file, name.span.clone()), message, Some(hint));
    }
    for (label, value) in row.labels {
        let known = org.labels.iter().find(|(known, _)| known.text == label.text);
        match known {
            Some((_, before)) if before.text != value.text => {
                let place = problems.place_of(&At::new(file, before.span.clone()));
                let message =
                    format!("the label `{}` is {:?} here and {:?} at {place}", label.text, value.text, before.text);
                problems.error(At::new(file, value.span.clone()), message, None);
            }
            Some(_) => {}
            None => org.labels.push((label, value)),
        }
    }
    org.name = org.name.take().or(row.name);
    org.sites.extend(row.sites);
    let new = row.accounts.into_iter().filter(|account| !org.accounts.iter().any(|known| known.text == account.text));
    let new: Vec<Cell> = new.collect();
    org.accounts.extend(new);
}

fn organization(org: Row) -> DeTable<'static> {
    let mut table = DeTable::new();
    if let Some(name) = org.name {
        table.insert(named("name"), text(name));
    }
    if !org.sites.is_empty() {
        table.insert(named("sites"), array(org.sites));
    }
    if !org.accounts.is_empty() {
        table.insert(named("accounts"), array(org.accounts));
    }
    if !org.labels.is_empty() {
        let labels = org.labels.into_iter().map(|(name, value)| (key(&name), text(value)));
        table.insert(named("labels"), spanned(org.span, DeValue::Table(labels.collect())));
    }
    table
}

/// A key that the file does not spell.
pub(super) fn named(name: &'static str) -> Spanned<Cow<'static, str>> {
    Spanned::new(0..0, Cow::Borrowed(name))
}

/// A key that the file spells.
pub(super) fn key(cell: &Cell) -> Spanned<Cow<'static, str>> {
    Spanned::new(cell.span.clone(), Cow::Owned(cell.text.trim().to_owned()))
}

pub(super) fn text(cell: Cell) -> Spanned<DeValue<'static>> {
    spanned(cell.span, DeValue::String(Cow::Owned(cell.text.trim().to_owned())))
}

fn array(cells: Vec<Cell>) -> Spanned<DeValue<'static>> {
    let span = cells.first().map_or(0..0, |first| first.span.clone());
    spanned(span, DeValue::Array(cells.into_iter().map(text).collect::<DeArray<'static>>()))
}

pub(super) fn spanned(span: Range<usize>, value: DeValue<'static>) -> Spanned<DeValue<'static>> {
    Spanned::new(span, value)
}
