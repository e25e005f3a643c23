//! `[sinks.otlp.<name>]`.

use std::collections::BTreeMap;

use crate::config::read::item::{Item, Writing};
use crate::config::read::{Section, kafka};
use crate::config::secrets::SecretText;
use crate::config::settings::ProxyConfig;
use crate::config::settings::otlp::{OtlpBody, OtlpCompression, OtlpConfig, OtlpProtocol};
use crate::config::values;
use crate::net;

const PROTOCOLS: [(&str, OtlpProtocol); 2] = [("grpc", OtlpProtocol::Grpc), ("http", OtlpProtocol::Http)];
const COMPRESSIONS: [(&str, OtlpCompression); 3] =
    [("gzip", OtlpCompression::Gzip), ("zstd", OtlpCompression::Zstd), ("none", OtlpCompression::None)];
const BODIES: [(&str, OtlpBody); 3] =
    [("structured", OtlpBody::Structured), ("json", OtlpBody::Json), ("message", OtlpBody::Message)];
/// Requests at once, unless the operator says otherwise.
const CONCURRENCY: u32 = 4;
/// Most requests at once: each holds a part of one batch, so more would not be used.
const MAX_CONCURRENCY: u32 = 64;
/// Headers that vintner sets.
const SET: [&str; 8] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
    "user-agent",
];
/// Headers that speak of one connection, or of what its two ends understand.
const OF_CONNECTION: [&str; 8] =
    ["accept-encoding", "expect", "http2-settings", "keep-alive", "proxy-connection", "trailer", "upgrade", "via"];
/// Parts of the names of headers that hold a secret.
const SECRET_PARTS: [&str; 6] = ["auth", "cookie", "key", "password", "secret", "token"];

/// Reads what only an OTLP sink has.
pub(crate) fn read(section: &Section<'_>) -> Option<OtlpConfig> {
    let endpoint = section.required("endpoint", "for example endpoint = \"http://127.0.0.1:4317\"");
    let url = endpoint.as_ref().and_then(|item| item.url(values::web_url));
    let protocol = section.parse("protocol", |text| values::word(text, &PROTOCOLS)).unwrap_or(OtlpProtocol::Grpc);
    let compression = section.parse("compression", |text| values::word(text, &COMPRESSIONS));
    let body = section.parse("body", |text| values::word(text, &BODIES)).unwrap_or(OtlpBody::Structured);
    let concurrency = section.item("concurrency").and_then(|item| concurrency(&item)).unwrap_or(CONCURRENCY);
    let headers = section.section("headers").map(|section| headers(section, protocol)).unwrap_or_default();
    let tls_item = section.item("tls");
    let tls = tls_item.as_ref().and_then(Item::section).map(kafka::tls);
    let plain = url.as_ref().is_some_and(|url| url.scheme() == "http");
    if let Some(item) = tls_item.filter(|_| plain) {
        let hint = "write https:// in `endpoint`";
        section.problems.error(item.key, "`tls` has no meaning for an http:// endpoint", Some(hint.to_owned()));
    }
    let exposed = plain && url.as_ref().is_some_and(|url| !net::is_loopback(url));
    if exposed && headers.values().any(|value| value.reference().is_some()) {
        let message = "secret headers go to this endpoint in clear text";
        section.problems.warn_at(&format!("{}.endpoint", section.path), message, Some("use https://".to_owned()));
    }
    let proxy_item = section.item("proxy");
    let proxy = proxy_item.as_ref().and_then(Item::proxy);
    if plain && protocol == OtlpProtocol::Grpc && matches!(proxy, Some(ProxyConfig::At { .. })) {
        let hint = "write https:// in `endpoint`, or protocol = \"http\"";
        proxy_item.iter().for_each(|item| item.error("gRPC without TLS goes through no proxy", Some(hint)));
    }
    let compression = compression.unwrap_or(OtlpCompression::Gzip);
    Some(OtlpConfig { endpoint: url?, protocol, compression, concurrency, headers, tls, body, proxy })
}

fn concurrency(item: &Item<'_>) -> Option<u32> {
    let number = item.number()?;
    let found = (1..=MAX_CONCURRENCY).find(|whole| f64::from(*whole) == number);
    if found.is_none() {
        let hint = "with 1, each request waits for the answer to the one before";
        item.error(format!("this must be a whole number from 1 to {MAX_CONCURRENCY}"), Some(hint));
    }
    found
}

fn headers(section: Section<'_>, protocol: OtlpProtocol) -> BTreeMap<String, SecretText> {
    let is_grpc = protocol == OtlpProtocol::Grpc;
    let mut headers = BTreeMap::new();
    for (name, item) in section.entries() {
        let lower = name.to_ascii_lowercase();
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let is_secret = SECRET_PARTS.iter().any(|part| lower.contains(part));
        let writing = if is_secret { Writing::Refused } else { Writing::Allowed };
        let value = item.secret_text(writing);
        let problem = if name.is_empty() || !name.chars().all(is_token) {
            Some("this is not the name of a header")
        } else if SET.contains(&lower.as_str()) || lower.starts_with("grpc-") {
            Some("this header is set by vintner")
        } else if OF_CONNECTION.contains(&lower.as_str()) {
            Some("this header belongs to the connection: it cannot be set")
        } else if is_grpc && !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            Some("gRPC takes only letters, digits, `-`, `_` and `.` in the name of a header")
        } else if headers.contains_key(&lower) {
            Some("this header stands twice: case does not count")
        } else {
            None
        };
        if let Some(SecretText::Text(text)) = &value
            && !(is_grpc && lower.ends_with("-bin"))
            && !text.expose().bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        {
            item.error("a header holds only visible ASCII characters and spaces", None);
        }
        match (problem, value) {
            (Some(message), _) => section.problems.error(item.key, message, None),
            (None, Some(value)) => drop(headers.insert(lower, value)),
            (None, None) => {}
        }
    }
    headers
}
