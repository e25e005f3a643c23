//! One OTLP exchange over HTTP or gRPC, with the one HTTP client.
//!
//! A unary gRPC call is an HTTP/2 POST whose body has a five-byte prefix and whose status stands in the trailers: no more
//! is needed here, so that no second HTTP and TLS stack comes in.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use prost::Message;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::redirect::Policy;
use url::Url;

use super::answer::{self, Status, Verdict};
use super::{Compression, Protocol, Settings, compress};
use crate::clock::Clock;
use crate::diagnostic::causes;
use crate::net::proxy::{self, Proxy};
use crate::net::roots;
use crate::secret::Secret;

/// Limit on connecting, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Limit on one exchange.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Most that is read of an answer, also after decompression.
const MAX_ANSWER: usize = 256 * 1024;
/// Path of the logs signal over HTTP.
const HTTP_PATH: &str = "v1/logs";
/// Path of the logs service over gRPC.
const GRPC_PATH: &str = "opentelemetry.proto.collector.logs.v1.LogsService/Export";
/// A gRPC message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// A connection pool to one receiver.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    client: reqwest::Client,
    url: Url,
    protocol: Protocol,
    compression: Compression,
    proxy: Option<Proxy>,
    clock: Clock,
}

impl Transport {
    /// Reads the certificates and makes the client; no connection is opened yet. The error is for people.
    pub(super) fn open(settings: &Settings) -> Result<Self, String> {
        // The only error means that a provider is already set, which serves as well.
        let _already_set = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("vintner/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            // A proxy in front of the receiver may still fold headers.
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .tcp_keepalive(Duration::from_secs(30));
        if settings.protocol == Protocol::Grpc {
            builder = builder.http2_prior_knowledge();
        }
        let proxy = (settings.proxy)().map_err(|error| causes::line(&error))?;
        builder = proxy::apply(proxy.as_ref(), builder).map_err(|error| causes::line(&error))?;
        if let Some(path) = &settings.tls.ca_file {
            builder = builder.tls_certs_only(roots::read(path).map_err(|error| error.to_string())?);
        }
        if let Some((cert_file, key_file)) = &settings.tls.client {
            let pem = [read(cert_file)?, b"\n".to_vec(), read(key_file)?].concat();
            let unusable =
                |_| format!("{} and {} are no certificate and its key in PEM", cert_file.display(), key_file.display());
            builder = builder.identity(reqwest::Identity::from_pem(&pem).map_err(unusable)?);
        }
        let client = builder.build().map_err(|error| format!("no TLS client can be made: {}", causes::root(&error)))?;
        let url = address(settings)?;
        let (protocol, compression) = (settings.protocol, settings.compression);
        Ok(Self { client, url, protocol, compression, proxy, clock: settings.clock.clone() })
    }

    /// Sends one request that is encoded and compressed. No exchange at all is [`Verdict::Later`].
    pub(super) async fn send(&self, request: Vec<u8>, headers: &[(String, Secret)]) -> Verdict {
        let sent = match self.protocol {
            Protocol::Http => self.http(request, headers).await,
            Protocol::Grpc => self.grpc(request, headers).await,
        };
        sent.unwrap_or_else(|reason| Verdict::Later(reason, None))
    }

    async fn http(&self, request: Vec<u8>, headers: &[(String, Secret)]) -> Result<Verdict, String> {
        let mut all = own(headers, Protocol::Http)?;
        all.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        all.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        if let Some(encoding) = self.compression.name() {
            all.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        let (status, headers, body, _) = self.exchange(all, request).await?;
        let body = decoded(&headers, &body, status)?;
        let wait = headers.get(RETRY_AFTER).and_then(|value| answer::retry_after(value, self.clock.now()));
        match status {
            200..=299 => {
                let content_type = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or("unreadable"));
                Ok(answer::of_success(content_type, &body))
            }
            _ => Ok(answer::of_http(status, wait, &body)),
        }
    }

    async fn grpc(&self, request: Vec<u8>, headers: &[(String, Secret)]) -> Result<Verdict, String> {
        let mut all = own(headers, Protocol::Grpc)?;
        all.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        all.insert("te", HeaderValue::from_static("trailers"));
        all.insert("grpc-accept-encoding", HeaderValue::from_static("identity,gzip,zstd"));
        if let Some(encoding) = self.compression.name() {
            all.insert("grpc-encoding", HeaderValue::from_static(encoding));
        }
        let body = frame(request, self.compression).map_err(|error| error.to_string())?;
        let (status, headers, body, trailers) = self.exchange(all, body).await?;
        if status != 200 {
            let wait = headers.get(RETRY_AFTER).and_then(|value| answer::retry_after(value, self.clock.now()));
            return Ok(answer::of_grpc_http(status, wait));
        }
        // An answer without a message has its status among the headers.
        let place = if headers.contains_key("grpc-status") { &headers } else { &trailers };
        let code = place.get("grpc-status").and_then(|value| value.to_str().ok()?.parse::<u16>().ok());
        match code {
            Some(0) => {
                let encoding = headers.get("grpc-encoding").and_then(|value| value.to_str().ok()).unwrap_or_default();
                Ok(unframe(encoding, &body).map_or_else(Verdict::Down, |message| answer::of_message(&message)))
            }
            Some(code) => Ok(answer::of_grpc(code, &message(place), &details(place))),
            None => Err("the answer ended without a gRPC status".to_owned()),
        }
    }

    async fn exchange(&self, headers: HeaderMap, body: Vec<u8>) -> Result<(u16, HeaderMap, Bytes, HeaderMap), String> {
        let sent = self.client.post(self.url.clone()).headers(headers).body(body).send().await;
        let response = sent.map_err(|error| {
            let through = self.proxy.as_ref().filter(|_| error.is_connect());
            let through = through
                .map(|proxy| format!(" (through the proxy {}, which {} names)", proxy.address(), proxy.named_by()));
            failure(&error) + &through.unwrap_or_default()
        })?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let (body, trailers) = collect(reqwest::Body::from(response), status).await?;
        Ok((status, headers, body, trailers))
    }
}

/// The answer and its trailers. Of a refusal the beginning is enough; of a success all is needed.
async fn collect(mut body: reqwest::Body, status: u16) -> Result<(Bytes, HeaderMap), String> {
    let (mut collected, mut trailers) = (Vec::new(), HeaderMap::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failure(&error))?;
        match frame.into_data() {
            Ok(data) if collected.len().saturating_add(data.len()) <= MAX_ANSWER => collected.extend_from_slice(&data),
            Ok(_) if matches!(status, 200..=299) => {
                return Err(format!("the answer is over {MAX_ANSWER} bytes: is this the address of an OTLP receiver?"));
            }
            Ok(_) => break,
            Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    Ok((collected.into(), trailers))
}

/// Where requests go.
fn address(settings: &Settings) -> Result<Url, String> {
    let path = match settings.protocol {
        Protocol::Http => HTTP_PATH,
        Protocol::Grpc => GRPC_PATH,
    };
    let mut url = settings.endpoint.clone();
    let base = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{base}/{path}"));
    Ok(url)
}

/// The decoded body of an answer over HTTP. One that cannot be decoded says nothing, unless it is a success.
fn decoded(headers: &HeaderMap, body: &[u8], status: u16) -> Result<Vec<u8>, String> {
    let encoding = headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes).unwrap_or_default();
    let encoding = String::from_utf8_lossy(encoding).trim().to_ascii_lowercase();
    match compress::decode(&encoding, body, MAX_ANSWER as u64) {
        Ok(body) => Ok(body),
        Err(_) if !matches!(status, 200..=299) => Ok(Vec::new()),
        Err(error) => Err(format!("the answer cannot be decoded: {error}")),
    }
}

/// The operator's headers. Over gRPC the value of one whose name ends in `-bin` is binary, and goes in base64.
fn own(headers: &[(String, Secret)], protocol: Protocol) -> Result<HeaderMap, String> {
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        let unusable = || {
            format!(
                "the header {name} has a value that no request can carry: a header holds visible ASCII characters and spaces"
            )
        };
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
        let is_binary = protocol == Protocol::Grpc && name.ends_with("-bin");
        let value = if is_binary {
            HeaderValue::try_from(to_base64(value.expose().as_bytes()))
        } else {
            HeaderValue::from_str(value.expose())
        };
        let mut value = value.map_err(|_| unusable())?;
        value.set_sensitive(true);
        all.insert(key, value);
    }
    Ok(all)
}

/// A message, compressed already, as gRPC has it.
fn frame(message: Vec<u8>, compression: Compression) -> Result<Vec<u8>, std::num::TryFromIntError> {
    let flag = u8::from(compression != Compression::None);
    let length = u32::try_from(message.len())?;
    let mut framed = Vec::with_capacity(message.len().saturating_add(PREFIX_BYTES));
    framed.push(flag);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(&message);
    Ok(framed)
}

/// The message of an answer.
pub(super) fn unframe(encoding: &str, body: &[u8]) -> Result<Vec<u8>, String> {
    let broken = || "the answer is no gRPC message".to_owned();
    let ([flag, length @ ..], message) = body.split_first_chunk::<PREFIX_BYTES>().ok_or_else(broken)?;
    if usize::try_from(u32::from_be_bytes(*length)) != Ok(message.len()) {
        return Err(broken());
    }
    let encoding = if *flag == 1 { encoding } else { "identity" };
    compress::decode(encoding, message, MAX_ANSWER as u64).map_err(|_| broken())
}

/// `grpc-message`, in which bytes beyond ASCII are percent-encoded.
pub(super) fn message(headers: &HeaderMap) -> String {
    let value = headers.get("grpc-message").map(HeaderValue::as_bytes).unwrap_or_default();
    let pairs = url::form_urlencoded::parse(value).next();
    let is_plain = value.iter().all(|byte| !b"+&=".contains(byte));
    match pairs {
        Some((text, _)) if is_plain => text.into_owned(),
        _ => String::from_utf8_lossy(value).into_owned(),
    }
}

/// `grpc-status-details-bin`: a `google.rpc.Status` in base64.
pub(super) fn details(headers: &HeaderMap) -> Status {
    let value = headers.get("grpc-status-details-bin").map(HeaderValue::as_bytes).unwrap_or_default();
    base64(value).and_then(|bytes| Status::decode(bytes.as_slice()).ok()).unwrap_or_default()
}

/// Standard base64 without padding, as gRPC sends binary headers.
fn to_base64(bytes: &[u8]) -> String {
    const DIGITS: [char; 64] = [
        'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V',
        'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r',
        's', 't', 'u', 'v', 'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '/',
    ];
    let digits = |chunk: &[u8]| {
        let bits = [16, 8, 0].iter().zip(chunk).fold(0_usize, |bits, (shift, byte)| bits | usize::from(*byte) << shift);
        let count = chunk.len().saturating_add(1);
        [18, 12, 6, 0]
            .into_iter()
            .take(count)
            .filter_map(move |shift| DIGITS.get((bits >> shift) & 63).copied())
            .collect::<Vec<_>>()
    };
    bytes.chunks(3).flat_map(digits).collect()
}

/// Decodes standard base64, padded or not.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in text.iter().take_while(|byte| **byte != b'=') {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            decoded.extend(u8::try_from((bits >> count) & 0xff));
        }
    }
    Some(decoded)
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

/// What went wrong, without the address: it may hold a token.
fn failure(error: &reqwest::Error) -> String {
    let stage = if error.is_connect() { "no connection" } else { "the exchange broke off" };
    if error.is_timeout() {
        return format!("{stage}: no answer in time");
    }
    let cause = answer::words(&causes::root(error));
    let hint = HINTS.iter().find(|(words, _)| cause.contains(words)).map_or("", |(_, hint)| hint);
    format!("{stage}: {cause}{hint}")
}

/// What the library says when the other side speaks something else, and what that means.
const HINTS: [(&str, &str); 5] = [
    ("InvalidContentType", " (it does not speak TLS: http:// instead of https://?)"),
    ("frame with invalid size", " (it does not speak gRPC: protocol = \"http\", or another port?)"),
    ("http2 error", " (it does not speak gRPC: protocol = \"http\", or another port?)"),
    ("unexpected message from connection", " (it does not speak HTTP/1: protocol = \"grpc\", or another port?)"),
    ("invalid HTTP version parsed", " (it does not speak HTTP/1: protocol = \"grpc\", or another port?)"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_framed_and_unframed() {
        for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
            let framed = frame(compression.encode(b"hello".to_vec()).unwrap(), compression).unwrap();
            assert_eq!(unframe(compression.name().unwrap_or_default(), &framed).unwrap(), b"hello");
        }
        assert!(unframe("", b"\0\0").is_err());
        assert!(unframe("", b"\0\0\0\0\x10").is_err(), "shorter than it says");
        assert!(unframe("", b"\0\0\0\0\0more").is_err(), "longer than it says");
        assert!(unframe("gzip", b"\x01\0\0\0\x01x").is_err());
    }

    #[test]
    fn base64_is_read_with_and_without_padding() {
        assert_eq!(base64(b"aGVsbG8=").unwrap(), b"hello");
        assert_eq!(base64(b"aGVsbG8").unwrap(), b"hello");
        assert_eq!(base64(b"//79").unwrap(), [0xff, 0xfe, 0xfd]);
        assert_eq!(base64(b"a b"), None);
        for bytes in [&b""[..], b"h", b"he", b"hel", b"hello", &[0xff, 0xfe, 0xfd, 0]] {
            assert_eq!(base64(to_base64(bytes).as_bytes()).unwrap(), bytes);
        }
        assert_eq!(to_base64(b"hello"), "aGVsbG8");
    }

    #[test]
    fn grpc_messages_are_decoded() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-message", HeaderValue::from_static(text));
            message(&headers)
        };
        assert_eq!(read("too large: 5 %3E 4"), "too large: 5 > 4");
        assert_eq!(read("a+b%20c"), "a+b%20c");
    }
}
