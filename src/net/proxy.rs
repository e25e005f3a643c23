//! The proxy in front of a host: a setting, or what the environment says, read as curl reads it.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::ClientBuilder;
use url::Url;

use crate::net::{host_and_port, is_loopback};

#[cfg(test)]
mod tests;

/// A proxy in use. Neither `Debug` nor [`Proxy::address`] shows its user name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// With user name and password, if it wants any.
    url: Url,
    /// The key or the variable that names it.
    named_by: String,
}

/// Why there is no proxy though one is asked for.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The secret that holds its address cannot be read.
    #[error("{named_by}: {source}")]
    Unreadable {
        /// The key that refers to it.
        named_by: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The text is no address of a proxy. It is not shown: it may hold a password.
    #[error("{named_by}: {reason}")]
    NoAddress {
        /// The key or the variable.
        named_by: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The HTTP client does not take it.
    #[error("{0}: the HTTP client takes no such proxy")]
    Unusable(String),
}

impl Proxy {
    /// The proxy that the environment puts in front of `target`; `None`: there is none. `variable` gives the value of a variable that
    /// is set.
    pub fn of_environment(
        target: &Url,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Option<Self>, ProxyError> {
        let https: &[&str] = if target.scheme() == "https" { &["https_proxy", "HTTPS_PROXY"] } else { &[] };
        let Some((name, text)) = first(&variable, https)?.or(first(&variable, &["all_proxy", "ALL_PROXY"])?) else {
            return Ok(None);
        };
        let excepted = first(&variable, &["no_proxy", "NO_PROXY"])?;
        if is_loopback(target) || excepted.is_some_and(|(_, list)| is_excepted(target, &list)) {
            return Ok(None);
        }
        Self::at(&text, name).map(Some)
    }

    /// The proxy at an address, which `named_by` names.
    pub fn at(text: &str, named_by: &str) -> Result<Self, ProxyError> {
        let url = address(text).map_err(|reason| ProxyError::NoAddress { named_by: named_by.to_owned(), reason })?;
        Ok(Self { url, named_by: named_by.to_owned() })
    }

    /// `scheme://host:port`.
    pub fn address(&self) -> String {
        format!("{}://{}", self.url.scheme(), host_and_port(&self.url))
    }

    /// The key of the configuration or the environment variable that names it.
    pub fn named_by(&self) -> &str {
        &self.named_by
    }
}

/// Makes a client go through `proxy` alone, or through none.
pub fn apply(proxy: Option<&Proxy>, builder: ClientBuilder) -> Result<ClientBuilder, ProxyError> {
    let builder = builder.no_proxy();
    let Some(proxy) = proxy else { return Ok(builder) };
    let made = reqwest::Proxy::all(proxy.url.clone()).map_err(|_| ProxyError::Unusable(proxy.named_by.clone()))?;
    Ok(builder.proxy(made))
}

/// The address of a proxy, with or without a scheme.
pub(crate) fn address(text: &str) -> Result<Url, &'static str> {
    let text = text.trim();
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme).map_err(|_| "this is not the address of a proxy, like http://proxy:3128")?;
    match url.scheme() {
        "http" | "https" => {}
        _ => return Err("vintner needs an HTTP proxy (CONNECT), like http://proxy:3128; SOCKS is not supported"),
    }
    if url.host_str().is_none_or(str::is_empty) || url.path() != "/" || url.query().is_some() {
        return Err("the address of a proxy is host and port, like http://proxy:3128");
    }
    Ok(url)
}

/// The first of these variables that is set and not empty.
fn first<'a>(
    variable: impl Fn(&str) -> Option<OsString>,
    names: &[&'a str],
) -> Result<Option<(&'a str, String)>, ProxyError> {
    for name in names {
        let Some(value) = variable(name).filter(|value| !value.is_empty()) else { continue };
        let reason = "its value is not UTF-8";
        let text = value.into_string().map_err(|_| ProxyError::NoAddress { named_by: (*name).to_owned(), reason })?;
        return Ok(Some((name, text)));
    }
    Ok(None)
}

/// Whether `NO_PROXY` names the host: by name, by a domain that it is in, by address or network, or by `*`. Commas and blanks
/// separate the names.
fn is_excepted(target: &Url, list: &str) -> bool {
    let names: Vec<&str> = list.split([',', ' ', '\t']).filter(|name| !name.is_empty()).collect();
    let everyone = Matcher::builder().all("http://proxy").no(names.join(",")).build();
    target.as_str().parse::<Uri>().is_ok_and(|target| everyone.intercept(&target).is_none())
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("address", &self.address()).field("named_by", &self.named_by).finish()
    }
}
