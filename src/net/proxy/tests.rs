//! The environment, read as curl reads it.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

/// The proxy that an environment puts in front of an address.
fn found<const N: usize>(target: &str, variables: [(&'static str, &'static str); N]) -> Option<String> {
    let variables = BTreeMap::from(variables);
    let found = Proxy::of_environment(&url(target), |name| variables.get(name).map(OsString::from)).unwrap();
    found.map(|proxy| format!("{} {}", proxy.address(), proxy.named_by()))
}

#[test]
fn the_environment_is_read_as_curl_reads_it() {
    let api = "https://merlot-api.example/";
    assert_eq!(found(api, []), None);
    assert_eq!(found(api, [("HTTPS_PROXY", "http://p:3128")]).unwrap(), "http://p:3128 HTTPS_PROXY");
    assert_eq!(found(api, [("HTTPS_PROXY", "p:3128")]).unwrap(), "http://p:3128 HTTPS_PROXY");
    let both = [("HTTPS_PROXY", "http://upper:1"), ("https_proxy", "http://lower:1"), ("ALL_PROXY", "http://all:1")];
    assert_eq!(found(api, both).unwrap(), "http://lower:1 https_proxy");
    assert_eq!(found(api, [("https_proxy", ""), ("all_proxy", "http://all:1")]).unwrap(), "http://all:1 all_proxy");
    // Of a plain address, only the variable for all.
    assert_eq!(found("http://collector.example:4318", [("HTTPS_PROXY", "http://p:1")]), None);
    assert!(found("http://collector.example:4318", [("ALL_PROXY", "http://p:1")]).is_some());
    // It is for servers, where a client may set it by the header `Proxy`.
    assert_eq!(found("http://collector.example:4318", [("HTTP_PROXY", "http://p:1")]), None);
}

#[test]
fn no_proxy_excepts_names_domains_addresses_and_networks() {
    let through = |target: &str, list: &'static str| {
        found(target, [("HTTPS_PROXY", "http://p:3128"), ("NO_PROXY", list)]).is_some()
    };
    for (target, list) in [
        ("https://api.example/", "*"),
        ("https://api.example/", "other.example,api.example"),
        ("https://API.example/", "api.example"),
        ("https://merlot.api.example/", "api.example"),
        ("https://merlot.api.example/", ".api.example"),
        ("https://api.example/", "one.example api.example"),
        ("https://192.0.2.7/", "192.0.2.7"),
        ("https://192.0.2.7/", "192.0.2.0/24"),
        ("https://[2001:db8::7]/", "2001:db8::/32"),
    ] {
        assert!(!through(target, list), "{target} is in {list}");
    }
    for (target, list) in [
        ("https://myapi.example/", "api.example"),
        ("https://api.example.net/", "api.example"),
        ("https://192.0.3.7/", "192.0.2.0/24"),
        ("https://api.example/", " , "),
    ] {
        assert!(through(target, list), "{target} is not in {list}");
    }
    assert!(found("https://api.example/", [("https_proxy", "http://p:1"), ("no_proxy", "api.example")]).is_none());
}

#[test]
fn what_is_no_address_is_an_error_without_the_text() {
    for text in ["socks5://u:s3cr3t@p:1080", "http://u:s3cr3t@p:port", "http://u:s3cr3t@p/path", "http://"] {
        let error = Proxy::at(text, "accounts.acme.proxy").unwrap_err().to_string();
        assert!(error.starts_with("accounts.acme.proxy: ") && !error.contains("s3cr3t"), "{error}");
    }
}
