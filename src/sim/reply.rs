//! Answers as they go out: status, headers, bytes, and what shall go wrong on the way.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::Value;

use crate::clock::Millis;
use crate::sim::failure::ErrorBody;
use crate::sim::fault::{Fault, Rule};
use crate::sim::world::{Options, RetryAfter};

/// What the firewall in front answers.
const BLOCK_PAGE: &str = "<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body>\r\n<center><h1>403 Forbidden</h1></center>\r\n</body>\r\n</html>\r\n";

/// An answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers besides the length.
    pub headers: Vec<(String, String)>,
    /// The body, whole even if `cut` says that not all of it arrives.
    pub body: Vec<u8>,
    /// How long to wait before the first byte (the brake, slow answers).
    pub delay: Duration,
    /// Over how long the body is spread.
    pub trickle: Duration,
    /// Where the connection breaks.
    pub cut: Cut,
}

/// Where a connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nowhere.
    None,
    /// Before the answer: the client sees a reset.
    Reset,
    /// After this many bytes of the body.
    Truncate(usize),
}

impl Reply {
    /// An answer with `body`, which is JSON text.
    pub(crate) fn of_bytes(status: u16, body: Vec<u8>) -> Self {
        Self::typed(status, "application/json;charset=UTF-8", body)
    }

    /// An answer with `body` as JSON.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::of_bytes(status, body.to_string().into_bytes())
    }

    /// The firewall's page, as for a blocked address.
    pub(crate) fn blocked() -> Self {
        Self::typed(403, "text/html", BLOCK_PAGE.as_bytes().to_vec())
    }

    /// 429, saying about `wait` what `options` ask for.
    pub(crate) fn too_many(options: &Options, now: Millis, wait: Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1000);
        let header = match options.retry_after {
            RetryAfter::None => None,
            RetryAfter::Seconds => Some(seconds.to_string()),
            RetryAfter::Date => http_date(now.plus(wait)),
            RetryAfter::Absurd => Some("99999999999999999999".to_owned()),
        };
        let mut reply = Self::error(options.error_body, 429, "rate limit exceeded");
        reply.headers.extend(header.map(|value| ("retry-after".to_owned(), value)));
        reply
    }

    /// An error as JSON.
    pub(crate) fn error(form: ErrorBody, status: u16, message: &str) -> Self {
        Self::json(status, &form.of(status, message))
    }

    /// The answer that `rule` puts in place of the true one.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the kinds that alter a true answer are never asked for here")]
    pub(crate) fn instead(rule: &Rule, form: ErrorBody) -> Self {
        let status = |default: u16| rule.status.unwrap_or(default);
        let with_header = |mut reply: Self, name: &str, value: Option<&str>| {
            reply.headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
            reply
        };
        match rule.kind {
            Fault::Html => {
                Self::typed(status(200), "text/html;charset=UTF-8", b"<!doctype html><title>Login</title>".to_vec())
            }
            Fault::Empty => Self::typed(status(200), "application/json", Vec::new()),
            Fault::Unauthorized => Self::json(401, &unauthorized()),
            Fault::Forbidden => Self::error(form, 403, "Authenticated user doesn't have access to this resource."),
            Fault::BlockHtml => Self::blocked(),
            Fault::BlockEmpty => Self::typed(403, "text/html", Vec::new()),
            Fault::TooMany => {
                with_header(Self::error(form, 429, "rate limit exceeded"), "retry-after", rule.text.as_deref())
            }
            Fault::Redirect => {
                let to = rule.text.as_deref().unwrap_or("https://elsewhere.example/api/v2/account");
                with_header(Self::typed(302, "text/html", Vec::new()), "location", Some(to))
            }
            Fault::GzipBomb => {
                let body = zipped_blanks(rule.bytes.unwrap_or(64 << 20));
                with_header(Self::of_bytes(200, body), "content-encoding", Some("gzip"))
            }
            Fault::HugeBody => Self::of_bytes(200, vec![b' '; rule.bytes.unwrap_or(48 << 20)]),
            Fault::Reset => Self { cut: Cut::Reset, ..Self::of_bytes(0, Vec::new()) },
            _ => match &rule.text {
                Some(body) => Self::of_bytes(status(500), body.clone().into_bytes()),
                None => Self::error(form, status(500), "simulated failure"),
            },
        }
    }

    fn typed(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { status, headers, body, delay: Duration::ZERO, trickle: Duration::ZERO, cut: Cut::None }
    }
}

/// The body of a 401 from the API.
pub(crate) fn unauthorized() -> Value {
    serde_json::json!({"error": "invalid_token", "error_description": "Access token expired or unknown"})
}

/// `bytes` blanks, compressed: about a thousandth.
fn zipped_blanks(bytes: usize) -> Vec<u8> {
    const CHUNK: usize = 64 << 10;
    let blanks = [b' '; CHUNK];
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let mut left = bytes;
    while left > 0 {
        let part = blanks.get(..left.min(CHUNK)).unwrap_or_default();
        if encoder.write_all(part).is_err() {
            break;
        }
        left -= part.len();
    }
    // Writing to memory does not fail.
    encoder.finish().unwrap_or_default()
}

pub(crate) fn http_date(at: Millis) -> Option<String> {
    let time = Timestamp::from_millisecond(at.0).ok()?;
    Some(time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}
