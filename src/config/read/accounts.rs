//! `[accounts.<name>]`: where an account is, how it is read, what of it is collected.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::collect::alerts::fields::Updates;
use crate::collect::inventory::look::{PostureChanges, Snapshot};
use crate::collect::source::Start;
use crate::config::read::Section;
use crate::config::read::item::Item;
use crate::config::settings::{AccountConfig, Endpoint, InventoryConfig, LimitsConfig, PLATFORMS, PollConfig};
use crate::config::values::{self, Bad};
use crate::inventory::SiteType;
use crate::normalize::udf::Udfs;
use crate::org::{AccountPolicy, Filter};

const KEY_HINT: &str = "for example api_key = { env = \"VINTNER_API_KEY\" }";
const SECRET_HINT: &str = "for example api_secret = { env = \"VINTNER_API_SECRET\" }";
const SITE_TYPES: [(&str, SiteType); 3] =
    [("managed", SiteType::Managed), ("on_demand", SiteType::OnDemand), ("deleted", SiteType::Deleted)];
const UPDATES: [(&str, Updates); 3] = [("all", Updates::All), ("state", Updates::State), ("off", Updates::Off)];
const SNAPSHOTS: [(&str, Snapshot); 2] = [("off", Snapshot::Off), ("daily", Snapshot::Daily)];
const POSTURES: [(&str, PostureChanges); 2] = [("on", PostureChanges::Told), ("off", PostureChanges::Untold)];
/// A device's user-defined fields (datto-rmm-api.md section 8.3).
const UDFS: std::ops::RangeInclusive<u16> = 1..=300;
/// Datto's priorities as severity ids (event-schema.md section 4).
const PRIORITIES: [(&str, u8); 5] = [("Information", 1), ("Low", 2), ("Moderate", 3), ("High", 4), ("Critical", 5)];

/// Reads all accounts in file order; an account that lacks something is reported and left out.
pub(crate) fn read(section: Section<'_>) -> (Vec<AccountConfig>, BTreeMap<String, AccountPolicy>) {
    let mut accounts = Vec::new();
    let mut policies = BTreeMap::new();
    for (name, item) in section.entries() {
        if let Err(bad) = values::name(name) {
            section.problems.error(item.key.clone(), bad.message, bad.hint);
        }
        let Some(table) = item.section() else { continue };
        let (account, policy) = account(name, table);
        policies.insert(name.to_owned(), policy);
        accounts.extend(account);
    }
    (accounts, policies)
}

fn account(name: &str, section: Section<'_>) -> (Option<AccountConfig>, AccountPolicy) {
    let endpoint = endpoint(&section);
    let proxy = section.item("proxy").and_then(|item| item.proxy());
    let ca_file = section.item("ca_file").and_then(|item| item.file());
    let api_key = section.required("api_key", KEY_HINT).and_then(|item| item.secret());
    let api_secret = section.required("api_secret", SECRET_HINT).and_then(|item| item.secret());
    let org = section.parse("user_activity_org", |text| values::org_id(text).map(|()| text.to_owned()));
    let start = section.parse("start", start).unwrap_or(Start::Ago(Duration::from_secs(86_400)));
    let poll = poll(section.section("poll"));
    let updates = section.section("alerts").and_then(|alerts| {
        let updates = alerts.parse("updates", |text| values::word(text, &UPDATES));
        alerts.finish();
        updates
    });
    let inventory = section.section("inventory").map(inventory).unwrap_or_default();
    let limits = limits(section.section("limits"));
    let filter = section.section("filter").map(filter).unwrap_or_default();
    section.finish();
    let policy = AccountPolicy { user_activity_org: org.clone(), filter };
    let account = || {
        Some(AccountConfig {
            name: name.to_owned(),
            endpoint: endpoint?,
            proxy,
            ca_file,
            api_key: api_key?,
            api_secret: api_secret?,
            user_activity_org: org,
            start,
            poll,
            updates: updates.unwrap_or(Updates::All),
            inventory,
            limits,
        })
    };
    (account(), policy)
}

/// Exactly one of `platform` and `api_url`.
fn endpoint(section: &Section<'_>) -> Option<Endpoint> {
    let platform = section.item("platform");
    let api_url = section.item("api_url");
    match (platform, api_url) {
        (Some(platform), None) => {
            let words = PLATFORMS.map(|name| (name, name));
            platform.parse(|text| values::word(text, &words)).map(Endpoint::Platform)
        }
        (None, Some(api_url)) => api_url.url(values::host_root).map(Endpoint::ApiUrl),
        (Some(_), Some(api_url)) => {
            api_url.url(values::host_root);
            section.problems.error(api_url.key, "`api_url` stands instead of `platform`, not beside it", None);
            None
        }
        (None, None) => {
            let hint = format!("the platform is in the portal's address: {}", PLATFORMS.join(", "));
            let message = format!("[{}] needs the key `platform` (or `api_url`)", section.path);
            section.problems.error(section.at.clone(), message, Some(hint));
            None
        }
    }
}

fn start(text: &str) -> Result<Start, Bad> {
    match text {
        "now" => Ok(Start::Now),
        "all" => Ok(Start::All),
        _ => values::duration(text).map(Start::Ago).map_err(|bad| Bad {
            hint: Some("write \"now\", \"all\" or how far back, like \"24h\"".to_owned()),
            ..bad
        }),
    }
}

fn poll(section: Option<Section<'_>>) -> PollConfig {
    let minute = Duration::from_secs(60);
    let mut poll = PollConfig { alerts: Some(minute), activity: Some(minute), inventory: Some(minute * 60) };
    let Some(section) = section else { return poll };
    poll.alerts = section.parse("alerts", interval).unwrap_or(poll.alerts);
    poll.activity = section.parse("activity", interval).unwrap_or(poll.activity);
    poll.inventory = section.parse("inventory", interval).unwrap_or(poll.inventory);
    section.finish();
    poll
}

fn interval(text: &str) -> Result<Option<Duration>, Bad> {
    if text == "off" {
        return Ok(None);
    }
    let hint = Some("write how often, like \"60s\", or \"off\"".to_owned());
    values::duration(text).map(Some).map_err(|bad| Bad { hint, ..bad })
}

fn inventory(section: Section<'_>) -> InventoryConfig {
    let number = |item: &Item<'_>, hint: &str| {
        let number = item.number()?;
        let known = UDFS.clone().find(|udf| f64::from(*udf) == number);
        if known.is_none() {
            item.error("user-defined fields are numbered 1 to 300", Some(hint));
        }
        known
    };
    let udfs = section.item("udfs").and_then(|item| item.list()).unwrap_or_default();
    let listed = udfs.iter().filter_map(|item| number(item, "udfs = [1, 7] tells `udf1` and `udf7`"));
    let listed: BTreeSet<u16> = listed.collect();
    let entra = section.item("entra_device_id_udf");
    let hint = "entra_device_id_udf = 12 if `udf12` holds it";
    let entra_device_id = entra.and_then(|item| number(&item, hint));
    let inventory = InventoryConfig {
        snapshot: section.parse("snapshot", |text| values::word(text, &SNAPSHOTS)).unwrap_or_default(),
        posture: section.parse("posture", |text| values::word(text, &POSTURES)).unwrap_or_default(),
        udfs: Udfs { listed: listed.into_iter().collect(), entra_device_id },
    };
    section.finish();
    inventory
}

fn limits(section: Option<Section<'_>>) -> LimitsConfig {
    let mut limits = LimitsConfig {
        budget: 0.8,
        block_pause: Duration::from_secs(300),
        max_body: 32 << 20,
        timeout: Duration::from_secs(30),
    };
    let Some(section) = section else { return limits };
    if let Some(item) = section.item("budget") {
        match item.number() {
            Some(budget) if budget > 0.0 && budget <= 1.0 => limits.budget = budget,
            Some(_) => item.error("a budget is a share: above 0, at most 1", Some("0.8 leaves a fifth to others")),
            None => {}
        }
    }
    limits.block_pause = section.parse("block_pause", values::duration).unwrap_or(limits.block_pause);
    limits.max_body = section.parse("max_body", values::size).unwrap_or(limits.max_body);
    limits.timeout = section.parse("timeout", values::duration).unwrap_or(limits.timeout);
    section.finish();
    limits
}

fn filter(section: Section<'_>) -> Filter {
    let glob = |text: &str| {
        if text.trim().is_empty() { Err(Bad::new("this must not be empty")) } else { Ok(text.to_owned()) }
    };
    let types = |text: &str| values::word(text, &SITE_TYPES);
    let filter = Filter {
        include_sites: section.item("include_sites").and_then(|item| item.parse_filled_list(glob)),
        exclude_sites: section.item("exclude_sites").and_then(|item| item.parse_list(glob)).unwrap_or_default(),
        site_types: section.item("site_types").and_then(|item| item.parse_filled_list(types)),
        min_severity: section.parse("min_priority", priority),
    };
    section.finish();
    filter
}

/// A priority without regard to case; also the two words that other schemas use for Datto's.
fn priority(text: &str) -> Result<u8, Bad> {
    let datto = match text.to_lowercase().as_str() {
        "informational" => "Information",
        "medium" => "Moderate",
        lower => PRIORITIES.iter().find(|(word, _)| word.to_lowercase() == lower).map_or(text, |(word, _)| word),
    };
    values::word(datto, &PRIORITIES)
}
