//! What a receiver's answer means: the specification's retryable codes, and architecture.md section 7 for the others.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use prost::Message;
use reqwest::header::HeaderValue;

use self::json::of_json;
use crate::sink::SinkError;

mod json;

/// Longest time that a receiver may ask us to wait.
const MAX_WAIT: Duration = Duration::from_secs(300);
/// Pause before a receiver that rejects the connection, or every record, is asked again.
pub(super) const DOWN_PAUSE: Duration = Duration::from_secs(30);
/// Longest text of a receiver that is told on.
const MAX_WORDS: usize = 300;
/// The type of the detail in which a receiver says when to come again.
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// An answer, by what the sink does next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Everything was taken, but for what the partial success counts.
    Accepted(Option<ExportLogsPartialSuccess>),
    /// Busy or briefly away: the same request later, after the time that the receiver named.
    Later(String, Option<Duration>),
    /// It speaks of the connection (address, token, rights), not of the records: tried again slowly, nothing is given up.
    Down(String),
    /// It may speak of the records: a smaller request may pass.
    Smaller(String),
    /// Too large or too many at once, which gRPC receivers do not distinguish: a smaller request may pass, later too.
    Exhausted(String),
    /// Too many at once: a smaller request may pass, later too.
    Throttled(String),
}

impl Verdict {
    /// The partial success, if there is one, or what the deliverer is told.
    pub(super) fn outcome(self) -> Result<Option<ExportLogsPartialSuccess>, SinkError> {
        match self {
            Self::Accepted(partial) => Ok(partial),
            Self::Later(reason, Some(after)) => Err(SinkError::Later { reason, after }),
            Self::Down(reason) => Err(SinkError::Later { reason, after: DOWN_PAUSE }),
            Self::Later(reason, None) | Self::Smaller(reason) | Self::Exhausted(reason) | Self::Throttled(reason) => {
                Err(SinkError::Retry(reason))
            }
        }
    }

    /// Why not everything was taken; `None` if it was, but for what a partial success counts.
    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Self::Accepted(_) => None,
            Self::Later(reason, _)
            | Self::Down(reason)
            | Self::Smaller(reason)
            | Self::Exhausted(reason)
            | Self::Throttled(reason) => Some(reason),
        }
    }
}

/// `google.rpc.Status`, the body of HTTP errors and the detail of gRPC errors.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Status {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) details: Vec<Detail>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Detail {
    #[prost(string, tag = "1")]
    pub(super) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    pub(super) delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Delay {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}

impl Status {
    /// How long the receiver asks us to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let detail = self.details.iter().find(|detail| detail.type_url == RETRY_INFO)?;
        let delay = RetryInfo::decode(detail.value.as_slice()).ok()?.delay?;
        let seconds = u64::try_from(delay.seconds).ok()?;
        let nanos = u32::try_from(delay.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
        Some(Duration::new(seconds, nanos).min(MAX_WAIT))
    }
}

/// The verdict on an HTTP answer that is no success.
pub(super) fn of_http(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Verdict {
    let said = Status::decode(body).ok().filter(|status| !status.message.is_empty());
    let why = said.as_ref().map_or_else(String::new, |status| format!(": {}", words(&status.message)));
    let reason = format!("the receiver answered HTTP {status}{why}");
    let after = retry_after.or_else(|| said.as_ref().and_then(Status::retry_after));
    match (status, after) {
        (429, None) => Verdict::Throttled(reason),
        (400 | 413 | 422, _) => Verdict::Smaller(reason),
        (300..=399 | 401..=407 | 410 | 411 | 415 | 417 | 426 | 431 | 451, _) => Verdict::Down(reason),
        // Nothing else speaks of the records for certain (a proxy's 408, 421 or 425 does not): the same request may pass later.
        (_, after) => Verdict::Later(reason, after),
    }
}

/// The verdict on the status of a gRPC answer; 0 is success and not asked here.
pub(super) fn of_grpc(code: u16, message: &str, details: &Status) -> Verdict {
    let name = GRPC_CODES.get(usize::from(code)).copied().unwrap_or("an unknown code");
    let reason = format!("the receiver answered {name}: {}", words(message));
    let after = details.retry_after();
    match (name, after) {
        ("INVALID_ARGUMENT", _) => Verdict::Smaller(reason),
        ("RESOURCE_EXHAUSTED", None) => Verdict::Exhausted(reason),
        ("UNAUTHENTICATED" | "PERMISSION_DENIED" | "UNIMPLEMENTED" | "NOT_FOUND" | "FAILED_PRECONDITION", _) => {
            Verdict::Down(reason)
        }
        // UNKNOWN, INTERNAL and codes that nobody knows speak of the receiver, not of the records.
        (_, after) => Verdict::Later(reason, after),
    }
}

/// The verdict on a gRPC answer whose HTTP status is not 200, so that no gRPC server can have made it.
pub(super) fn of_grpc_http(status: u16, retry_after: Option<Duration>) -> Verdict {
    let reason = format!("the receiver answered HTTP {status} to a gRPC request");
    match status {
        413 => Verdict::Smaller(reason),
        408 | 409 | 421 | 423..=425 | 429 | 500..=599 => Verdict::Later(reason, retry_after),
        _ => Verdict::Down(reason),
    }
}

/// The verdict on a success over HTTP. Anything on the way may answer 200: only an OTLP answer says that records were taken. An
/// empty one is one (in Protobuf), and some receivers answer in JSON whatever they are asked in.
pub(super) fn of_success(content_type: Option<&str>, body: &[u8]) -> Verdict {
    let kind = content_type.map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    match kind.as_deref() {
        None | Some("application/x-protobuf" | "application/protobuf" | "application/octet-stream") => of_message(body),
        Some("application/json") if !body.is_empty() => of_json(body),
        Some("text/html") => no_otlp(),
        Some(_) if body.is_empty() => Verdict::Accepted(None),
        Some(_) => no_otlp(),
    }
}

/// The verdict on the message of a success.
pub(super) fn of_message(body: &[u8]) -> Verdict {
    ExportLogsServiceResponse::decode(body).map_or_else(|_| no_otlp(), |response| taken(response.partial_success))
}

fn taken(partial: Option<ExportLogsPartialSuccess>) -> Verdict {
    let says_something =
        |partial: &ExportLogsPartialSuccess| partial.rejected_log_records != 0 || !partial.error_message.is_empty();
    Verdict::Accepted(partial.filter(says_something))
}

fn no_otlp() -> Verdict {
    Verdict::Down("the answer is no OTLP answer: is this the address of an OTLP receiver?".to_owned())
}

/// `Retry-After` in seconds or as a date, bounded.
pub(super) fn retry_after(value: &HeaderValue, now: crate::clock::Millis) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number has are a long time too.
        return Some(text.parse().map_or(MAX_WAIT, Duration::from_secs).min(MAX_WAIT));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(crate::clock::Millis(date.as_millisecond()).since(now).min(MAX_WAIT))
}

/// A receiver's text, fit for one line of a log.
pub(super) fn words(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect()
}

/// Names of the gRPC codes, by number.
const GRPC_CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Millis;

    fn kind(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Accepted(_) => "accepted",
            Verdict::Later(..) => "later",
            Verdict::Down(_) => "down",
            Verdict::Smaller(_) => "smaller",
            Verdict::Exhausted(_) => "exhausted",
            Verdict::Throttled(_) => "throttled",
        }
    }

    fn info(seconds: i64) -> Status {
        let value = RetryInfo { delay: Some(Delay { seconds, nanos: 0 }) }.encode_to_vec();
        Status { code: 8, message: "busy".into(), details: vec![Detail { type_url: RETRY_INFO.into(), value }] }
    }

    #[test]
    fn every_http_status_has_its_place() {
        let groups: [(&str, &[u16]); 4] = [
            ("later", &[408, 409, 412, 418, 421, 423, 424, 425, 428, 499, 500, 502, 503, 504]),
            ("down", &[301, 401, 402, 403, 404, 405, 407, 410, 415, 431]),
            ("smaller", &[400, 413, 422]),
            ("throttled", &[429]),
        ];
        for (expected, statuses) in groups {
            for status in statuses {
                assert_eq!(kind(&of_http(*status, None, b"<html>")), expected, "{status}");
            }
        }
        assert_eq!(kind(&of_http(429, Some(Duration::from_secs(2)), b"")), "later");
        let told = of_http(429, None, &info(7).encode_to_vec());
        assert_eq!(told, Verdict::Later("the receiver answered HTTP 429: busy".into(), Some(Duration::from_secs(7))));
    }

    #[test]
    fn every_grpc_code_has_its_place() {
        let all: Vec<_> = (1..=17).map(|code| kind(&of_grpc(code, "x", &Status::default()))).collect();
        let later = [1, 2, 4, 6, 10, 11, 13, 14, 15, 17];
        let down = [5, 7, 9, 12, 16];
        for (code, verdict) in (1..=17).zip(all) {
            let expected = match code {
                8 => "exhausted",
                code if later.contains(&code) => "later",
                code if down.contains(&code) => "down",
                _ => "smaller",
            };
            assert_eq!(verdict, expected, "{code}");
        }
        assert!(matches!(of_grpc(8, "x", &info(3)), Verdict::Later(_, Some(wait)) if wait == Duration::from_secs(3)));
        assert!(matches!(of_grpc(14, "x", &info(1 << 40)), Verdict::Later(_, Some(MAX_WAIT))));
        assert!(matches!(of_grpc(14, "x", &info(-1)), Verdict::Later(_, None)));
    }

    #[test]
    fn only_an_otlp_answer_is_a_success() {
        let partial = |rejected_log_records, error_message: &str| {
            Verdict::Accepted(Some(ExportLogsPartialSuccess {
                rejected_log_records,
                error_message: error_message.into(),
            }))
        };
        let (protobuf, json) = (Some("application/x-protobuf"), Some("application/json; charset=utf-8"));
        let taken: [(Option<&str>, &[u8]); 9] = [
            (None, b""),
            (protobuf, b""),
            (protobuf, &[0x0a, 0x00]),
            (Some("text/plain"), b""),
            (json, b""),
            (json, b"{}"),
            (json, br#"{"partialSuccess":{}}"#),
            (json, br#"{"partialSuccess":null}"#),
            (json, br#"{"partialSuccess":{"rejectedLogRecords":null,"errorMessage":null}}"#),
        ];
        for (kind, body) in taken {
            assert_eq!(of_success(kind, body), Verdict::Accepted(None), "{kind:?} {body:?}");
        }
        let in_part = br#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"bad"}}"#;
        assert_eq!(of_success(json, in_part), partial(2, "bad"));
        assert_eq!(of_success(json, br#"{"partial_success":{"rejected_log_records":2}}"#), partial(2, ""));
        let down: [(Option<&str>, &[u8]); 8] = [
            (None, b"<html>signed out</html>"),
            (Some("text/html"), b""),
            (Some("text/plain; charset=utf-8"), b"accepted"),
            (Some("text/plain"), &[0x0a, 0x00]),
            (json, br#"{"error":"signed out"}"#),
            (json, b"[]"),
            (json, br#"{"partialSuccess":{"rejectedLogRecords":"many"}}"#),
            (protobuf, b"ok"),
        ];
        for (kind, body) in down {
            assert_eq!(super::tests::kind(&of_success(kind, body)), "down", "{kind:?} {body:?}");
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_bounded() {
        let now = Millis(1_795_212_345_000);
        let read = |text: &'static str| retry_after(&HeaderValue::from_static(text), now);
        assert_eq!(read("2"), Some(Duration::from_secs(2)));
        assert_eq!(read("Fri, 20 Nov 2026 22:06:00 GMT"), Some(Duration::from_secs(15)));
        assert_eq!(read("99999999"), Some(MAX_WAIT));
        assert_eq!(read("99999999999999999999999999"), Some(MAX_WAIT));
        assert_eq!(read("soon"), None);
    }
}
