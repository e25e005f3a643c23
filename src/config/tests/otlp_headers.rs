//! Headers of an OTLP sink: what cannot be sent is refused before anything runs.

use super::*;

/// What is said of a sink with this header; `None` if it is taken.
fn said(protocol: &str, header: &str) -> Option<String> {
    let config = format!(
        "[accounts.acme]\nplatform = \"merlot\"\napi_key = {{ env = \"K\" }}\napi_secret = {{ env = \"S\" }}\n\
         [sinks.otlp.o]\nendpoint = \"http://127.0.0.1:4317\"\nprotocol = \"{protocol}\"\nheaders = {{ {header} }}\n"
    );
    let (directory, loaded) = load_files(&[("vintner.toml", &config)]);
    loaded.map(drop).err().map(|found| told(&found, directory.path().to_str().unwrap()))
}

#[test]
fn headers_that_belong_to_the_connection_or_to_vintner_are_refused() {
    for name in [
        "host",
        "te",
        "trailer",
        "Transfer-Encoding",
        "upgrade",
        "keep-alive",
        "proxy-connection",
        "http2-settings",
        "expect",
        "content-type",
        "Content-Encoding",
        "content-length",
        "accept-encoding",
        "user-agent",
        "grpc-timeout",
        "connection",
    ] {
        for protocol in ["grpc", "http"] {
            let said = said(protocol, &format!("\"{name}\" = \"x\"")).unwrap_or_else(|| panic!("{name} is taken"));
            assert!(said.contains("set by vintner") || said.contains("belongs to the connection"), "{said}");
        }
    }
    for name in [":path", "x y", "\u{fc}"] {
        let said = said("http", &format!("\"{name}\" = \"x\"")).unwrap_or_else(|| panic!("{name} is taken"));
        assert!(said.contains("not the name of a header"), "{said}");
    }
}

#[test]
fn grpc_takes_fewer_names_than_http_and_binary_ones_with_any_value() {
    assert_eq!(said("http", "\"x!y\" = \"a\""), None);
    let bad = said("grpc", "\"x!y\" = \"a\"").unwrap();
    assert!(bad.contains("gRPC"), "{bad}");
    for (protocol, header) in
        [("http", "x-scope = \"a b\""), ("grpc", "x-scope = \"a b\""), ("grpc", "x-scope-bin = \"\u{fc}\"")]
    {
        assert_eq!(said(protocol, header), None, "{protocol} {header}");
    }
}

#[test]
fn a_value_that_no_header_holds_is_refused() {
    for protocol in ["grpc", "http"] {
        for value in ["\u{fc}", "a\\nb", "a\\u0000"] {
            let said = said(protocol, &format!("x-scope = \"{value}\"")).unwrap_or_else(|| panic!("{value} is taken"));
            assert!(said.contains("visible ASCII"), "{said}");
        }
    }
    let said = said("http", "x-scope-bin = \"\u{fc}\"").unwrap();
    assert!(said.contains("visible ASCII"), "over HTTP it is a header like others: {said}");
}
