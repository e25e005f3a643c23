use std::collections::BTreeMap;
use std::ffi::OsString;

use super::*;
use crate::config::secrets::{Origin, SecretRef, SecretText};
use crate::secret::Secret;

struct Variables(BTreeMap<&'static str, &'static str>);

impl Environment for Variables {
    fn variable(&self, name: &str) -> Option<OsString> {
        self.0.get(name).map(OsString::from)
    }
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

/// The proxy that an environment puts in front of an address.
fn found<const N: usize>(target: &str, variables: [(&'static str, &'static str); N]) -> Option<String> {
    let variables = Variables(variables.into());
    Proxy::of(&url(target), None, &variables).unwrap().map(|proxy| format!("{} {}", proxy.address(), proxy.named_by()))
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
fn a_setting_stands_above_the_environment_and_loopback_above_both() {
    let environment =
        Variables([("HTTPS_PROXY", "http://env:1"), ("NO_PROXY", "*"), ("P", "http://u:s3cr3t@own:2")].into());
    let own = SecretRef { key: "accounts.acme.proxy".to_owned(), origin: Origin::Env("P".to_owned()) };
    let own = ProxyConfig::At { key: "accounts.acme.proxy".to_owned(), address: SecretText::Reference(own) };
    let proxy = Proxy::of(&url("https://api.example/"), Some(&own), &environment).unwrap().unwrap();
    assert_eq!((proxy.address().as_str(), proxy.named_by()), ("http://own:2", "accounts.acme.proxy"));
    assert!(!format!("{proxy:?}").contains("s3cr3t"), "{proxy:?}");
    for host in ["http://127.0.0.1:8080/", "https://localhost/", "https://[::1]/"] {
        assert_eq!(Proxy::of(&url(host), Some(&own), &environment).unwrap(), None, "{host}");
    }
    let environment = Variables([("HTTPS_PROXY", "http://env:1")].into());
    assert_eq!(Proxy::of(&url("https://api.example/"), Some(&ProxyConfig::Off), &environment).unwrap(), None);
}

#[test]
fn what_is_no_address_is_an_error_without_the_text() {
    for text in ["socks5://u:s3cr3t@p:1080", "http://u:s3cr3t@p:port", "http://u:s3cr3t@p/path", "http://"] {
        let at =
            ProxyConfig::At { key: "accounts.acme.proxy".to_owned(), address: SecretText::Text(Secret::new(text)) };
        let error = Proxy::of(&url("https://api.example/"), Some(&at), &Variables(BTreeMap::new())).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("accounts.acme.proxy: ") && !error.contains("s3cr3t"), "{error}");
    }
}
