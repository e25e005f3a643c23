//! The three HTTP clients behind a proxy and a private certificate authority, in real time.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::testing::{CA_FILE, Gate, HOST, Network};
use crate::clock::Clock;
use crate::config::secrets::{Environment, Origin, SecretRef, SecretText};
use crate::config::settings::ProxyConfig;
use crate::datto::transport::HttpTransport;
use crate::datto::{Auth, ConnectFailure, Request, Response, Transport, TransportError};
use crate::net::Egress;
use crate::secret::Secret;
use crate::sink::Sink;
use crate::sink::kafka::Tokens;
use crate::sink::kafka::token::TokenServer;
use crate::sink::otlp::{Body, Compression, Headers, OtlpSink, Protocol, Settings, Tls};

const ANSWER: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

struct NoHeaders;

impl Headers for NoHeaders {
    fn headers(&self) -> Result<Vec<(String, Secret)>, String> {
        Ok(Vec::new())
    }
}

/// One variable with the proxy's address.
struct Variable(String);

impl Environment for Variable {
    fn variable(&self, name: &str) -> Option<OsString> {
        ["HTTPS_PROXY", "OWN"].contains(&name).then(|| self.0.clone().into())
    }
}

fn target() -> Url {
    Url::parse(&format!("https://{HOST}/api/v2/account")).unwrap()
}

/// Through the proxy that the environment names, with what stands before its address.
fn egress(network: &Network, login: &str) -> Egress {
    let variable = Variable(format!("http://{login}{}", network.proxy()));
    let proxy = super::proxy(&target(), None, &variable).unwrap();
    Egress { proxy, ca_file: Some(CA_FILE.into()) }
}

async fn send(egress: Egress) -> Result<Response, TransportError> {
    let transport = HttpTransport::new("vintner/test", egress).unwrap();
    let auth = Auth::Bearer(Secret::new("t0ken"));
    transport.send(Request { url: target(), auth, max_body: 1000, timeout: Duration::from_secs(5) }).await
}

/// The failure and its text.
fn failed(outcome: Result<Response, TransportError>) -> (ConnectFailure, String) {
    match outcome {
        Err(TransportError::Connect { failure, words }) => (failure, words),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_request_goes_through_the_proxy_which_resolves_the_name() {
    let network = Network::new(Gate::Open, ANSWER).await;
    assert_eq!(send(egress(&network, "")).await.unwrap().status, 200);
    let asked = network.asked().concat();
    assert!(asked.starts_with(&format!("CONNECT {HOST}:443 HTTP/1.1\r\n")), "{asked}");
    assert!(!asked.contains("t0ken") && !asked.to_lowercase().contains("proxy-authorization"), "{asked}");
    let received = network.received().concat();
    assert!(
        received.starts_with("GET /api/v2/account HTTP/1.1\r\n") && received.contains("Bearer t0ken"),
        "{received}"
    );
}

#[tokio::test]
async fn a_login_at_the_proxy_comes_from_a_secret_and_goes_to_the_proxy_alone() {
    // user:p@ss
    let network = Network::new(Gate::Login("Basic dXNlcjpwQHNz"), ANSWER).await;
    let own = SecretRef { key: "accounts.acme.proxy".to_owned(), origin: Origin::Env("OWN".to_owned()) };
    let own = ProxyConfig::At { key: own.key.clone(), address: SecretText::Reference(own) };
    let variable = Variable(format!("http://user:p%40ss@{}", network.proxy()));
    let proxy = super::proxy(&target(), Some(&own), &variable).unwrap();
    let egress = Egress { proxy, ca_file: Some(CA_FILE.into()) };
    assert_eq!(send(egress).await.unwrap().status, 200);
    assert!(!network.received().concat().to_lowercase().contains("proxy-authorization"));
}

#[tokio::test]
async fn a_proxy_that_refuses_or_is_not_there_is_named_as_the_cause() {
    for (gate, words) in [
        (Gate::Refusing("403 Forbidden"), "it refuses to connect"),
        (Gate::Login("Basic b3RoZXI6b3RoZXI="), "it wants a user name and a password"),
    ] {
        let network = Network::new(gate, ANSWER).await;
        let (failure, text) = failed(send(egress(&network, "user:s3cr3t@")).await);
        let address = format!("http://{}, which HTTPS_PROXY names: ", network.proxy());
        assert_eq!(failure, ConnectFailure::Proxy, "{text}");
        assert!(text.starts_with(&address) && text.contains(words) && !text.contains("s3cr3t"), "{text}");
        assert!(network.received().is_empty());
    }
    let network = Network::new(Gate::Open, ANSWER).await;
    let gone = egress(&network, "");
    drop(network);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let gone = Egress { ca_file: None, ..gone };
    let (failure, text) = failed(send(gone).await);
    assert!(failure == ConnectFailure::Proxy && text.contains("refused"), "{text}");
}

#[tokio::test]
async fn without_the_proxy_the_name_has_no_address_and_without_the_authority_nothing_is_sent() {
    let network = Network::new(Gate::Open, ANSWER).await;
    let (failure, text) = failed(send(Egress { proxy: None, ..egress(&network, "") }).await);
    assert_eq!(failure, ConnectFailure::Name, "{text}");
    let (failure, text) = failed(send(Egress { ca_file: None, ..egress(&network, "") }).await);
    assert_eq!(failure, ConnectFailure::Certificate, "{text}");
    assert!(network.received().is_empty());
    let missing = Egress { ca_file: Some("no-such.pem".into()), ..egress(&network, "") };
    let error = HttpTransport::new("vintner/test", missing).unwrap_err().to_string();
    assert!(error.starts_with("no-such.pem cannot be read: "), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_through_the_proxy() {
    const TOKEN: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 42\r\nconnection: close\r\n\r\n\
        {\"access_token\": \"abc\", \"expires_in\": 600}";
    let network = Network::new(Gate::Open, TOKEN).await;
    let out = egress(&network, "");
    let server = TokenServer {
        url: target(),
        client_id: "vintner".to_owned(),
        client_secret: Box::new(|| Ok(Secret::new("s3cr3t"))),
        scope: None,
        egress: Box::new(move || Ok(out.clone())),
        clock: Clock::system(),
        runtime: tokio::runtime::Handle::current(),
    };
    let token = tokio::task::spawn_blocking(move || server.token()).await.unwrap().unwrap();
    assert_eq!(token.text.expose(), "abc");
    assert_eq!(network.asked().len(), 1);
}

#[tokio::test]
async fn an_otlp_receiver_is_reached_through_the_proxy() {
    const TAKEN: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let network = Network::new(Gate::Open, TAKEN).await;
    let through = egress(&network, "").proxy;
    let mut sink = OtlpSink::new(Settings {
        endpoint: target(),
        protocol: Protocol::Http,
        compression: Compression::None,
        concurrency: 1,
        headers: Arc::new(NoHeaders),
        tls: Tls { ca_file: Some(CA_FILE.into()), client: None },
        proxy: Arc::new(move || Ok(through.clone())),
        body: Body::Json,
        clock: Clock::system(),
    });
    sink.healthcheck().await.unwrap();
    assert!(network.received().concat().starts_with("POST /api/v2/account/v1/logs HTTP/1.1\r\n"));
}

/// Some variables.
struct Variables(BTreeMap<&'static str, &'static str>);

impl Environment for Variables {
    fn variable(&self, name: &str) -> Option<OsString> {
        self.0.get(name).map(OsString::from)
    }
}

#[test]
fn a_setting_stands_above_the_environment_and_loopback_above_both() {
    let url = |text: &str| Url::parse(text).unwrap();
    let environment =
        Variables([("HTTPS_PROXY", "http://env:1"), ("NO_PROXY", "*"), ("P", "http://u:s3cr3t@own:2")].into());
    let own = SecretRef { key: "accounts.acme.proxy".to_owned(), origin: Origin::Env("P".to_owned()) };
    let own = ProxyConfig::At { key: own.key.clone(), address: SecretText::Reference(own) };
    let found = super::proxy(&url("https://api.example/"), Some(&own), &environment).unwrap().unwrap();
    assert_eq!((found.address().as_str(), found.named_by()), ("http://own:2", "accounts.acme.proxy"));
    assert!(!format!("{found:?}").contains("s3cr3t"), "{found:?}");
    for host in ["http://127.0.0.1:8080/", "https://localhost/", "https://[::1]/"] {
        assert_eq!(super::proxy(&url(host), Some(&own), &environment).unwrap(), None, "{host}");
    }
    let environment = Variables([("HTTPS_PROXY", "http://env:1")].into());
    assert!(super::proxy(&url("https://api.example/"), None, &environment).unwrap().is_some());
    assert_eq!(super::proxy(&url("https://api.example/"), Some(&ProxyConfig::Off), &environment).unwrap(), None);
    let missing = super::proxy(&url("https://api.example/"), Some(&own), &environment).unwrap_err();
    assert_eq!(missing.to_string(), "accounts.acme.proxy: the environment variable P is not set");
}
