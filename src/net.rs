//! How connections leave this machine: the proxy that they go through and the certificates that are trusted, the same for the API of
//! Datto RMM, OTLP receivers and token servers.

use std::path::PathBuf;

use reqwest::ClientBuilder;
use url::{Host, Url};

use self::proxy::{Proxy, ProxyError};

pub mod proxy;
pub mod roots;

/// How connections to one host leave this machine.
#[derive(Clone, Debug, Default)]
pub struct Egress {
    /// The proxy in front of them; `None`: they go to the host itself.
    pub proxy: Option<Proxy>,
    /// Certificates in PEM that are trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
}

/// Why connections cannot leave as they should.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The proxy is not known or has no usable address.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// A file of certificates cannot be used.
    #[error(transparent)]
    Roots(#[from] roots::RootsError),
}

impl Egress {
    /// A client whose connections leave like this. The proxies that the library would find by itself are never used.
    pub fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, EgressError> {
        let builder = proxy::apply(self.proxy.as_ref(), builder)?;
        Ok(match &self.ca_file {
            Some(path) => builder.tls_certs_merge(roots::read(path)?),
            None => builder,
        })
    }
}

/// Whether the URL's host is this machine, by name or by address. Such a host is never asked through a proxy.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Host and port of an address, the usual port too: it is what a firewall asks for.
pub fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
