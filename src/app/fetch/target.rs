//! Which account `fetch` asks: one of the configuration, or the one that the environment names.

use std::path::Path;
use std::sync::Arc;

use crate::app::assemble::{credentials, event_options, http_transport};
use crate::app::{AppError, names};
use crate::config::load;
use crate::config::secrets::Environment;
use crate::config::settings::{AccountConfig, Config};
use crate::datto::Transport;
use crate::datto::credential::CredentialSource;
use crate::normalize::Options;
use crate::org::Policy;

/// What the environment's account has besides its platform.
const FROM_ENVIRONMENT: &str = "\
api_key = { env = \"VINTNER_API_KEY\" }
api_secret = { env = \"VINTNER_API_SECRET\" }
[sinks.stdout.console]
";

/// The account to ask and the mapping to use.
pub struct Target {
    pub(crate) config: AccountConfig,
    pub(crate) credentials: Arc<dyn CredentialSource>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) policy: Policy,
    /// What every sink would emit.
    pub(crate) options: Options,
}

impl Target {
    /// An account of a configuration; its name may be left out if there is only one.
    pub fn of_account(
        config: Config,
        name: Option<&str>,
        environment: &(impl Environment + Clone + Send + Sync + 'static),
    ) -> Result<Self, AppError> {
        let options = event_options(&config, environment)?;
        let account = names::account_or_only(&config, name)?.clone();
        let credentials = credentials(&account, environment);
        credentials.credentials().map_err(|error| AppError::Configuration(error.to_string()))?;
        let transport = http_transport(&account, environment)?;
        Ok(Self { credentials, transport, config: account, policy: config.policy, options })
    }

    /// The account that the environment names.
    pub fn of_environment(
        variable: impl Fn(&str) -> Option<String>,
        environment: &(impl Environment + Clone + Send + Sync + 'static),
    ) -> Result<Self, AppError> {
        let endpoint = match (variable("VINTNER_API_URL"), variable("VINTNER_PLATFORM")) {
            (Some(url), _) => format!("api_url = {url:?}"),
            (None, Some(platform)) => format!("platform = {platform:?}"),
            (None, None) => {
                return Err(AppError::Configuration(
                    "VINTNER_PLATFORM is not set: set it (or VINTNER_API_URL), VINTNER_API_KEY and VINTNER_API_SECRET, \
                     or name an account of a configuration with --account"
                        .to_owned(),
                ));
            }
        };
        let text = format!("{endpoint}\n{FROM_ENVIRONMENT}");
        let loaded = load::from_text(Path::new("the environment"), &format!("[accounts.environment]\n{text}"));
        let loaded = loaded.map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            AppError::Configuration(lines.join("\n"))
        })?;
        Self::of_account(loaded.config, None, environment)
    }
}
