//! A loopback listener answers only requests that are addressed to it: a page of another site whose name was made to point here (DNS
//! rebinding) would read the status through its visitor's browser.

use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode, header};

/// The host that a request names, if it is not one of a loopback listener's own names: `localhost` or a loopback address, with any
/// port (a tunnel may have another). A request without a host comes from no browser.
pub(super) fn foreign<B>(request: &hyper::Request<B>) -> Option<String> {
    let in_target = request.uri().authority().map(|authority| authority.as_str().to_owned());
    in_target.into_iter().chain(named(request.headers())).find(|host| !is_own(host))
}

/// What a request for another host reads.
pub(super) fn refusal(host: &str) -> (StatusCode, String) {
    let text = format!("this listener answers as localhost or by its loopback address only, not as {host:?}\n");
    (StatusCode::MISDIRECTED_REQUEST, text)
}

fn named(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::HOST).iter();
    values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

fn is_own(host: &str) -> bool {
    let name = without_port(host.trim());
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    let is_loopback = address.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    is_loopback || name.strip_suffix('.').unwrap_or(name).eq_ignore_ascii_case("localhost")
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(target: &str, hosts: &[&str]) -> Option<String> {
        let mut request = hyper::Request::builder().uri(target);
        for host in hosts {
            request = request.header("Host", *host);
        }
        foreign(&request.body(()).unwrap())
    }

    #[test]
    fn only_loopback_names_and_addresses_are_its_own() {
        for own in
            ["localhost", "LOCALHOST:9598", "localhost.:1", "127.0.0.1", "127.0.0.1:9598", "127.1.2.3", "[::1]:80"]
        {
            assert_eq!(asked("/status", &[own]), None, "{own}");
        }
        for other in
            ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "[::2]", "a:b:c"]
        {
            assert_eq!(asked("/status", &[other]).as_deref(), Some(other), "{other}");
        }
        assert_eq!(asked("/status", &[]), None, "no browser leaves the host out");
        assert!(asked("/status", &["localhost", "evil.example"]).is_some(), "each of several counts");
        assert!(asked("http://evil.example/status", &["localhost"]).is_some(), "the target counts too");
    }
}
