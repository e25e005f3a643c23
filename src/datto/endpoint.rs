//! Addresses of the API: the six platforms, what an operator may put instead, and paths.

use url::Url;

use crate::net;

/// The platforms of Datto RMM, named after grapes (datto-rmm-api.md section 1).
pub const PLATFORMS: [&str; 6] = ["pinotage", "merlot", "concord", "vidal", "zinfandel", "syrah"];

/// The token endpoint, at the host root.
pub(super) const TOKEN_PATH: &str = "/auth/oauth/token";
/// What every API path stands under.
pub(super) const API_ROOT: &str = "/api";
/// The account-wide request count.
pub(super) const RATE_PATH: &str = "/v2/system/request_rate";
/// Answers without a token: the probe of a blocked platform.
pub(super) const STATUS_PATH: &str = "/v2/system/status";

/// Why an address is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No platform has this name.
    #[error("there is no platform `{0}`; the platforms are pinotage, merlot, concord, vidal, zinfandel and syrah")]
    UnknownPlatform(String),
    /// Credentials would travel in the clear.
    #[error("`{0}` is not https; plain http is allowed to a loopback address only")]
    NotEncrypted(String),
    /// Credentials do not belong into an address.
    #[error("an API address must not hold a user name or password")]
    HoldsCredentials,
    /// More than a host root.
    #[error("`{0}` is not a host root: leave out the path, the query and `/api` (`/auth/…` and `/api/…` are added)")]
    NotRoot(String),
    /// Not an address that requests can be sent to.
    #[error("`{0}` names no host")]
    NoHost(String),
    /// A path that an address cannot hold as it is.
    #[error("`{0}` cannot be a path of the API")]
    BadPath(String),
}

/// Host root of a platform's API, e.g. `https://merlot-api.centrastage.net/`.
pub fn platform_url(platform: &str) -> Result<Url, EndpointError> {
    let unknown = || EndpointError::UnknownPlatform(platform.to_owned());
    let known = PLATFORMS.contains(&platform).then_some(platform).ok_or_else(unknown)?;
    Url::parse(&format!("https://{known}-api.centrastage.net/")).map_err(|_| unknown())
}

/// Whether an address names the public API host of one of the six platforms, on its usual port.
pub(super) fn is_platform(url: &Url) -> bool {
    url.port().is_none()
        && PLATFORMS.iter().any(|name| platform_url(name).is_ok_and(|platform| platform.host() == url.host()))
}

/// The portal where an API user of the platform is managed, e.g. `https://merlot.centrastage.net`; `None` for a platform
/// that is not one of the six.
pub fn portal_url(platform: &str) -> Option<String> {
    PLATFORMS.contains(&platform).then(|| format!("https://{platform}.centrastage.net"))
}

/// Checks what an operator put as `api_url`: https, or http to a loopback host; a bare host root.
pub fn check_api_url(url: &Url) -> Result<(), EndpointError> {
    if url.host().is_none() {
        return Err(EndpointError::NoHost(without_credentials(url)));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EndpointError::HoldsCredentials);
    }
    let stays_here = url.scheme() == "http" && net::is_loopback(url);
    if url.scheme() != "https" && !stays_here {
        return Err(EndpointError::NotEncrypted(without_credentials(url)));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(EndpointError::NotRoot(without_credentials(url)));
    }
    Ok(())
}

/// One segment of a path, percent-encoded: for ids, which are the API's data.
pub fn segment(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The absolute address of an API path such as `/v2/account/alerts/open`. A path that an address would change (`..`, `?`)
/// is refused, so that an id cannot turn a call into another one.
pub(super) fn api_url(root: &Url, path: &str, query: &[(String, String)]) -> Result<Url, EndpointError> {
    let whole = format!("{API_ROOT}{path}");
    let mut url = root.clone();
    url.set_path(&whole);
    if url.path() != whole || !path.starts_with('/') {
        return Err(EndpointError::BadPath(path.to_owned()));
    }
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url)
}

/// The absolute address of the token endpoint.
pub(super) fn token_url(root: &Url) -> Url {
    let mut url = root.clone();
    url.set_path(TOKEN_PATH);
    url
}

fn without_credentials(url: &Url) -> String {
    let mut shown = url.clone();
    if shown.set_username("").and_then(|()| shown.set_password(None)).is_err() {
        return format!("{}:…", url.scheme());
    }
    shown.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), EndpointError> {
        check_api_url(&Url::parse(text).expect("an address"))
    }

    #[test]
    fn the_six_platforms_have_addresses() {
        assert_eq!(platform_url("vidal").expect("known").as_str(), "https://vidal-api.centrastage.net/");
        assert!(matches!(platform_url("malbec"), Err(EndpointError::UnknownPlatform(_))));
        assert!(matches!(platform_url("evil.example/"), Err(EndpointError::UnknownPlatform(_))));
    }

    #[test]
    fn plain_http_goes_to_loopback_only() {
        for good in [
            "https://gw.example",
            "http://127.0.0.1:8080",
            "http://127.9.9.9/",
            "http://[::1]:1/",
            "http://localhost:9",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["http://gw.example", "http://10.0.0.1", "http://localhost.evil.example/", "ftp://127.0.0.1/"] {
            assert!(matches!(check(bad), Err(EndpointError::NotEncrypted(_))), "{bad}");
        }
    }

    #[test]
    fn an_address_is_a_bare_root_without_credentials() {
        assert!(matches!(check("https://gw.example/api"), Err(EndpointError::NotRoot(_))));
        assert!(matches!(check("https://gw.example/?x=1"), Err(EndpointError::NotRoot(_))));
        let refused = check("https://key:s3cret@gw.example/").expect_err("refused");
        assert_eq!(refused, EndpointError::HoldsCredentials);
        assert!(matches!(check("unix:/run/x"), Err(EndpointError::NoHost(_))));
    }

    #[test]
    fn an_id_stays_one_segment() {
        let root = platform_url("merlot").expect("known");
        let path = format!("/v2/alert/{}", segment("a/../b?c#d é"));
        let url = api_url(&root, &path, &[]).expect("encoded");
        assert_eq!(url.path(), "/api/v2/alert/a%2F..%2Fb%3Fc%23d%20%C3%A9");
        assert!(api_url(&root, &format!("/v2/alert/{}", segment("..")), &[]).is_err());
        assert!(api_url(&root, "/v2/alert/a?b", &[]).is_err());
        assert!(api_url(&root, "@evil.example/", &[]).is_err());
    }
}
