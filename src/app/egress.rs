//! The proxy in front of a host, as the configuration says it or else the environment.

use url::Url;

use crate::config::secrets::Environment;
use crate::config::settings::ProxyConfig;
use crate::net::is_loopback;
use crate::net::proxy::{Proxy, ProxyError};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

/// The proxy in front of `target`, by `setting`, or else by `environment`; `None`: there is none. A loopback host has none.
pub fn proxy(
    target: &Url,
    setting: Option<&ProxyConfig>,
    environment: &dyn Environment,
) -> Result<Option<Proxy>, ProxyError> {
    match setting {
        _ if is_loopback(target) => Ok(None),
        Some(ProxyConfig::Off) => Ok(None),
        Some(ProxyConfig::At { key, address }) => {
            let unreadable = |source| ProxyError::Unreadable { named_by: key.clone(), source: Box::new(source) };
            let text = address.read(environment).map_err(unreadable)?;
            Proxy::at(text.expose(), key).map(Some)
        }
        None => Proxy::of_environment(target, |name| environment.variable(name)),
    }
}
