//! `vintner explain`: the record of an event, or one that is given, with what surrounds it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::app::AppError;
use crate::app::assemble::event_options;
use crate::app::fetch::{What, records};
use crate::clock::Clock;
use crate::config::load::ProcessEnvironment;
use crate::config::settings::Config;
use crate::inventory::Device;
use crate::journal::sqlite::Journal;
use crate::normalize::explain::{Explanation, explain};
use crate::normalize::lens::Lens;
use crate::normalize::udf::Udfs;
use crate::normalize::{Context, Options};
use crate::org::Policy;
use crate::org::directory::{Decision, Directory, Rule, Tenant};
use crate::record::place::SiteRef;
use crate::record::{AccountUid, EventId, Record};

/// The organization of a record that names its site otherwise than by uid, where no site is known.
pub(crate) const UNASSIGNED: &str = "unassigned";

/// Explains the event with this id: its record is looked for in the journal. There is no index of events, so every batch may have
/// to be read, newest first.
pub async fn of_event(config: Config, event: EventId) -> Result<Explanation, AppError> {
    let options = event_options(&config, &ProcessEnvironment)?;
    of_journal(&config.journal.path, event, options, Some(config.policy)).await
}

/// The same without a configuration: organizations by the mapping that was in force last, everything else as it is by default.
pub async fn of_event_alone(journal: &Path, event: EventId) -> Result<Explanation, AppError> {
    of_journal(journal, event, defaults(), None).await
}

async fn of_journal(
    path: &Path,
    event: EventId,
    options: Options,
    policy: Option<Policy>,
) -> Result<Explanation, AppError> {
    let journal = Journal::open_reader(path, Clock::system())?;
    let (_, record) = journal.find(event).await?.ok_or_else(|| {
        AppError::Failed(format!(
            "no record of the event {event} is in {}: it may be older than `journal.retain`, held, or of another journal",
            path.display()
        ))
    })?;
    let device = journal.device(&record.envelope.account, &record.envelope.device).await?;
    let stored = journal.directory().await?;
    let directory = policy.map_or_else(|| Arc::clone(&stored), |policy| Arc::new(stored.under(policy)));
    let tenant = tenant(&record, &directory)?;
    explained(&record, &directory, &tenant, device.as_ref(), options, None)
}

/// Explains the event that a record as Datto sends it would become. With a configuration whose journal is there, names and
/// organizations are those of its only account.
pub async fn of_text(config: Option<Config>, text: &str, what: Option<What>) -> Result<Explanation, AppError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let item: Box<RawValue> =
        serde_json::from_str(text).map_err(|error| AppError::Failed(format!("this is not one JSON value: {error}")))?;
    let what = what.or_else(|| guess(item.get())).ok_or_else(|| {
        AppError::Configuration(
            "what kind of record is this? Name it with --type alert, activity, site or device".into(),
        )
    })?;
    let is_alone = config.is_none();
    let (directory, account, options) = surroundings(config).await?;
    let now = Clock::system().now();
    let records = records::of_item(&account, what, &item, now, &Udfs::NONE);
    let records =
        records.map_err(|rejected| AppError::Failed(format!("no record can be made of it: {}", rejected.reason)))?;
    let record = records.into_iter().next().ok_or_else(|| AppError::Failed("no record can be made of it".into()))?;
    let tenant = if is_alone { own_site(&record, &directory)? } else { tenant(&record, &directory)? };
    explained(&record, &directory, &tenant, None, options, Some(text))
}

async fn surroundings(config: Option<Config>) -> Result<(Directory, AccountUid, Options), AppError> {
    let unknown = || Directory::new(0, Arc::new(Policy::default()), Vec::new(), Vec::new());
    let nobody = unknown_account();
    let Some(config) = config else { return Ok((unknown(), nobody, defaults())) };
    let options = event_options(&config, &ProcessEnvironment)?;
    if !Path::new(&config.journal.path).exists() {
        return Ok((unknown().under(config.policy), nobody, options));
    }
    let journal = Journal::open_reader(&config.journal.path, Clock::system())?;
    let account = journal.partitions().await?.into_iter().map(|(partition, _)| partition.account).next();
    let directory = journal.directory().await?.under(config.policy);
    Ok((directory, account.unwrap_or(nobody), options))
}

/// What events are made by when nothing is configured.
pub(crate) fn defaults() -> Options {
    Options { lens: Arc::new(Lens::shipped()), ..Options::default() }
}

/// The organization of a record.
fn tenant(record: &Record, directory: &Directory) -> Result<Arc<Tenant>, AppError> {
    let why = match directory.decide(&record.envelope.account, &record.envelope.site) {
        Decision::Org(tenant) => return Ok(tenant),
        Decision::Ignored => "its site is on the ignore list: no event is made of it".to_owned(),
        Decision::Dropped => "its site is not mapped: no event is made of it".to_owned(),
        Decision::Held(why) => format!("it would be held, and no event made of it: {why}"),
    };
    Err(AppError::Failed(why))
}

/// The organization of a record where no site is known: the site that it names.
fn own_site(record: &Record, directory: &Directory) -> Result<Arc<Tenant>, AppError> {
    let id = match &record.envelope.site {
        SiteRef::None => return tenant(record, directory),
        SiteRef::Uid(uid) => uid.clone(),
        SiteRef::Id(_) | SiteRef::Name(_) | SiteRef::Device | SiteRef::Unknown => UNASSIGNED.to_owned(),
    };
    Ok(organization(&id))
}

/// An organization of which only the id is known.
pub(crate) fn organization(id: &str) -> Arc<Tenant> {
    Arc::new(Tenant { id: id.to_owned(), name: None, labels: BTreeMap::new(), rule: Rule::OwnSite })
}

/// The uid of an account that nobody has asked: no record names it.
pub(crate) fn unknown_account() -> AccountUid {
    AccountUid::new("unknown-account")
}

fn explained(
    record: &Record,
    directory: &Directory,
    tenant: &Tenant,
    device: Option<&Device>,
    options: Options,
    received: Option<&str>,
) -> Result<Explanation, AppError> {
    let processed_at = record.envelope.received_at;
    let context = Context { directory, tenant, device: None, processed_at, options: &options };
    explain(record, &context, device, received).map_err(|error| AppError::Failed(error.to_string()))
}

/// What a record is by the fields that only its kind has.
fn guess(text: &str) -> Option<What> {
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    let has = |key: &str| fields.contains_key(key);
    match () {
        () if has("alertUid") => Some(What::OpenAlerts),
        () if has("entity") && has("category") => Some(What::Activity),
        () if has("deviceClass") || has("deviceType") => Some(What::Devices),
        () if has("devicesStatus") || has("onDemand") => Some(What::Sites),
        () => None,
    }
}
