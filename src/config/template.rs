//! The configuration that `vintner init` writes.

use crate::config::settings::PLATFORMS;
use crate::config::values;

/// The text, with `@platform@` and `@account@` to be replaced.
const TEMPLATE: &str = include_str!("../../config/init.toml");

/// What `vintner init` was given does not fit into a configuration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Not one of Datto's platforms.
    #[error("{0:?} is not a platform of Datto RMM: pinotage, merlot, concord, vidal, zinfandel or syrah")]
    Platform(String),
    /// Not the name of an account.
    #[error("{0:?} is not a name for an account: use 1 to 64 letters, digits, _ and -")]
    Account(String),
}

/// A commented configuration for one account.
pub fn template(platform: &str, account: &str) -> Result<String, TemplateError> {
    if !PLATFORMS.contains(&platform) {
        return Err(TemplateError::Platform(platform.to_owned()));
    }
    values::name(account).map_err(|_| TemplateError::Account(account.to_owned()))?;
    Ok(TEMPLATE.replace("@platform@", platform).replace("@account@", account))
}
