//! The configuration that `vintner init` writes.

use crate::config::settings::PLATFORMS;
use crate::config::values;

/// The text, with `@endpoint@` and `@account@` to be replaced.
const TEMPLATE: &str = include_str!("../../config/init.toml");

/// What `vintner init` was given does not fit into a configuration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Not one of Datto's platforms.
    #[error("{0:?} is not a platform of Datto RMM: pinotage, merlot, concord, vidal, zinfandel or syrah")]
    Platform(String),
    /// Not the host root of an API; why, and what to write.
    #[error("not an address of an API: {0}")]
    ApiUrl(String),
    /// Not the name of an account.
    #[error("{0:?} is not a name for an account: use 1 to 64 letters, digits, _ and -")]
    Account(String),
}

/// Where the account's API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// One of Datto's platforms.
    Platform(String),
    /// A gateway or a test server.
    ApiUrl(String),
}

/// A commented configuration for one account.
pub fn template(place: &Place, account: &str) -> Result<String, TemplateError> {
    check_place(place)?;
    check_account(account)?;
    let endpoint = match place {
        Place::Platform(platform) => {
            format!("platform = {:21} # in the portal's address: {}", format!("\"{platform}\""), PLATFORMS.join(", "))
        }
        Place::ApiUrl(url) => {
            format!("api_url = {:22} # a gateway or a test server: /auth/… and /api/… follow", format!("\"{url}\""))
        }
    };
    Ok(TEMPLATE.replace("@endpoint@", &endpoint).replace("@account@", account))
}

/// Whether the platform is one, or the address can be that of an API.
pub fn check_place(place: &Place) -> Result<(), TemplateError> {
    match place {
        Place::Platform(platform) if PLATFORMS.contains(&platform.as_str()) => Ok(()),
        Place::Platform(platform) => Err(TemplateError::Platform(platform.clone())),
        // Quotes would end the text in the file.
        Place::ApiUrl(url) if url.contains(['"', '\\']) || url.chars().any(char::is_control) => {
            Err(TemplateError::ApiUrl("it holds a character that no address has".to_owned()))
        }
        Place::ApiUrl(url) => values::host_root(url).map(drop).map_err(|bad| {
            TemplateError::ApiUrl([Some(bad.message), bad.hint].into_iter().flatten().collect::<Vec<_>>().join("; "))
        }),
    }
}

/// Whether an account may have this name.
pub fn check_account(account: &str) -> Result<(), TemplateError> {
    values::name(account).map_err(|_| TemplateError::Account(account.to_owned()))
}
