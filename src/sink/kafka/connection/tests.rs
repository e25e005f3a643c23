//! Texts of librdkafka 2.12 as it gives them, and what is made of them.

use super::*;

const BARE: Manner = Manner { tls: None, sasl_mechanism: None };
const TLS: Manner = Manner { tls: Some(Certificates { has_ca_file: true, has_own: false }), sasl_mechanism: None };
const MUTUAL: Manner = Manner { tls: Some(Certificates { has_ca_file: true, has_own: true }), sasl_mechanism: None };
const LOGIN: Manner = Manner { sasl_mechanism: Some("SCRAM-SHA-512"), ..TLS };
const TOKEN: Manner = Manner { sasl_mechanism: Some("OAUTHBEARER"), ..TLS };

fn refused(manner: Manner, text: &str) -> String {
    match manner.hear(text) {
        Heard::Refused(text) => text,
        other @ (Heard::Failed(_) | Heard::Untrusted(_)) => panic!("{other:?}"),
    }
}

#[test]
fn what_varies_from_attempt_to_attempt_is_left_out() {
    let text = "127.0.0.1:21077/bootstrap: Connect to ipv4#127.0.0.1:21077 failed: Connection refused (after 0ms in state CONNECT, 1 identical error(s) suppressed)";
    let told = "127.0.0.1:21077: Connect to ipv4#127.0.0.1:21077 failed: Connection refused";
    assert_eq!(BARE.hear(text), Heard::Failed(told.into()));
    assert_eq!(BARE.hear("0/1 brokers\u{7} are down"), Heard::Failed("0/1 brokers are down".into()));
}

#[test]
fn a_login_that_is_refused_names_what_to_check() {
    let text = "sasl_ssl://kafka:9093/1: SASL authentication error: Authentication failed: Invalid username or password (after 301ms in state AUTH_REQ)";
    assert_eq!(
        refused(LOGIN, text),
        "kafka:9093 refuses the login (Authentication failed: Invalid username or password): check `username`, `password` and `mechanism` of `sasl`"
    );
    let coordinator =
        "sasl_ssl://TxnCoordinator: kafka:9093: SASL authentication error: no (after 1ms in state AUTH_REQ)";
    assert!(refused(LOGIN, coordinator).starts_with("kafka:9093 refuses the login (no)"));
    assert!(refused(TOKEN, text).contains("check `scope`"));
    let text = "sasl_plaintext://127.0.0.1:1/bootstrap: SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: PLAIN (after 300ms in state AUTH_HANDSHAKE)";
    assert!(refused(LOGIN, text).ends_with("to one of PLAIN"));
    let token = "Failed to acquire SASL OAUTHBEARER token: no access token from login:443: it answers HTTP 401";
    assert_eq!(refused(TOKEN, token), "no access token from login:443: it answers HTTP 401");
}

#[test]
fn a_certificate_that_is_not_accepted_is_told_with_its_cause() {
    let text = "ssl://kafka:9093/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified, verify that ssl.ca.location is correctly configured (after 2ms in state SSL_HANDSHAKE)";
    assert_eq!(TLS.hear(text), Heard::Untrusted("kafka:9093".into()));
    let told = |manner: Manner, name| manner.untrusted("kafka:9093", name);
    assert!(told(TLS, Name::Wrong).contains("is not made out to kafka:"));
    assert!(told(TLS, Name::NotTheCause).ends_with("no authority in `tls.ca_file` signed it, or it is out of date"));
    assert!(told(TLS, Name::Unknown).contains("not made out to kafka, or it is out of date"));
    let system = Manner { tls: Some(Certificates { has_ca_file: false, has_own: false }), ..BARE };
    assert!(told(system, Name::NotTheCause).contains("set `tls.ca_file` to yours"));
}

#[test]
fn a_client_certificate_that_is_missing_is_told_apart_from_one_that_is_not_accepted() {
    let text = "ssl://kafka:9094/bootstrap: Receive failed: error:0A000412:SSL routines::ssl/tls alert bad certificate: SSL alert number 42 (after 0ms in state APIVERSION_QUERY)";
    assert_eq!(refused(TLS, text), "kafka:9094 wants a client certificate: set `tls.cert_file` and `tls.key_file`");
    assert!(refused(MUTUAL, text).contains("does not accept the certificate in `tls.cert_file` (bad certificate)"));
}

#[test]
fn a_port_that_expects_something_else_is_told_by_when_it_hangs_up() {
    let gone = "Disconnected: connection closed by peer: receive 0 after POLLIN";
    let at = |state: &str| format!("kafka:9093/bootstrap: {gone} (after {state})");
    assert!(refused(BARE, &at("0ms in state APIVERSION_QUERY")).ends_with("set `tls = {}`"));
    assert!(refused(TLS, &at("0ms in state APIVERSION_QUERY")).contains("`tls.cert_file`"));
    assert!(refused(TLS, &at("0ms in state UP")).ends_with("set `sasl`"));
    // Brokers end connections that are idle, and their own lives.
    for (manner, state) in
        [(LOGIN, "0ms in state UP"), (BARE, "600000ms in state UP"), (MUTUAL, "0ms in state CONNECT")]
    {
        assert_eq!(manner.hear(&at(state)), Heard::Failed(format!("kafka:9093: {gone}")));
    }
    let plain = "ssl://kafka:9092/bootstrap: SSL handshake failed: Disconnected: SSL connection closed by peer: connecting to a PLAINTEXT broker listener? (after 0ms in state SSL_HANDSHAKE)";
    assert!(refused(TLS, plain).ends_with("name its port for TLS, or remove `tls`"));
}
