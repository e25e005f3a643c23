//! Names that options give: one that nothing has is a usage error that suggests the nearest one (contract.md section 1).

use std::collections::BTreeSet;

use crate::app::AppError;
use crate::config::nearest::nearest;
use crate::config::settings::{AccountConfig, Config, SinkConfig};
use crate::org::Unmapped;
use crate::org::directory::{Decision, Directory};

/// Most names that an error lists.
const MOST_LISTED: usize = 12;

/// The configured sink of this name.
pub fn sink<'c>(config: &'c Config, name: &str) -> Result<&'c SinkConfig, AppError> {
    let named = config.sinks.iter().find(|sink| sink.name == name);
    named.ok_or_else(|| unknown("sink", name, config.sinks.iter().map(|sink| sink.name.as_str())))
}

/// The configured account of this name.
pub fn account<'c>(config: &'c Config, name: &str) -> Result<&'c AccountConfig, AppError> {
    let named = config.accounts.iter().find(|account| account.name == name);
    named.ok_or_else(|| unknown("account", name, config.accounts.iter().map(|account| account.name.as_str())))
}

/// The configured account of this name; without a name the only one.
pub fn account_or_only<'c>(config: &'c Config, name: Option<&str>) -> Result<&'c AccountConfig, AppError> {
    match (name, config.accounts.as_slice()) {
        (Some(name), _) => account(config, name),
        (None, [one]) => Ok(one),
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|account| account.name.as_str()).collect();
            let text = format!("name one of the configured accounts with --account: {}", names.join(", "));
            Err(AppError::Configuration(text))
        }
    }
}

/// Checks the id of an organization that records may go to under the mapping in force.
pub fn organization(directory: &Directory, id: &str) -> Result<(), AppError> {
    let ids = organizations(directory);
    if ids.contains(id) { Ok(()) } else { Err(unknown("organization", id, ids.iter().map(String::as_str))) }
}

/// Every organization of the mapping, of sites that are organizations of their own, and of records without a site.
pub fn organizations(directory: &Directory) -> BTreeSet<String> {
    let policy = directory.policy();
    let mut ids = BTreeSet::new();
    if let Some(rules) = &policy.orgs {
        ids.extend(rules.list.iter().map(|org| org.id.clone()));
        if let Unmapped::Default(id) = &rules.unmapped {
            ids.insert(id.clone());
        }
    }
    ids.extend(policy.accounts.values().filter_map(|account| account.user_activity_org.clone()));
    ids.extend(directory.accounts().map(|account| account.uid.to_string()));
    ids.extend(directory.listing().into_iter().filter_map(|listed| match listed.decision {
        Decision::Org(tenant) => Some(tenant.id.clone()),
        Decision::Held(_) | Decision::Ignored | Decision::Dropped => None,
    }));
    ids
}

fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> AppError {
    let hint = match nearest(name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => listed(kind, &known.collect::<Vec<_>>()),
    };
    AppError::Configuration(format!("there is no {kind} `{name}`: {hint}"))
}

fn listed(kind: &str, known: &[&str]) -> String {
    let shown: Vec<String> = known.iter().take(MOST_LISTED).map(|name| format!("`{name}`")).collect();
    match known.len().checked_sub(MOST_LISTED) {
        _ if known.is_empty() => format!("no {kind} is known yet"),
        Some(more) if more > 0 => format!("known are {} and {more} more", shown.join(", ")),
        _ => format!("known: {}", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(name: &str, known: &[&str]) -> String {
        unknown("sink", name, known.iter().copied()).to_string()
    }

    #[test]
    fn a_name_that_nothing_has_is_an_error_with_the_nearest_one() {
        assert_eq!(error("consol", &["siem", "console"]), "there is no sink `consol`: did you mean `console`?");
        assert_eq!(error("nope", &["archive", "siem"]), "there is no sink `nope`: known: `archive`, `siem`");
        assert_eq!(error("nope", &[]), "there is no sink `nope`: no sink is known yet");
        let many: Vec<String> = (0..15).map(|n| format!("customer-{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(error("zzzzz", &many).ends_with("`customer-11` and 3 more"));
    }
}
