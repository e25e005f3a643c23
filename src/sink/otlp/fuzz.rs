//! What the fuzz target `otlp` does with an answer.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "built for tests and fuzzing only: a panic is how a target fails"
)]

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};

use super::answer::{self, Verdict};
use super::{compress, transport};
use crate::clock::Millis;

const NOW: Millis = Millis(1_795_212_345_000);
const MOST_DECODED: u64 = 1 << 20;
const KINDS: [Option<&str>; 6] = [
    None,
    Some("application/x-protobuf"),
    Some("application/json; charset=utf-8"),
    Some("text/html"),
    Some("text/plain"),
    Some("application/octet-stream"),
];

/// An answer means something, whatever it is; it asks for a bounded wait, and its words are fit for one line.
pub(crate) fn answer(data: &[u8]) {
    let [mode, status @ .., rest] = match data {
        [mode, high, low, rest @ ..] => [&[*mode][..], &[*high, *low], rest],
        _ => return,
    };
    let status = u16::from_be_bytes([status[0][0], status[0][1]]);
    let mode = usize::from(mode[0]);
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (line, body) = (&rest[..end], rest.get(end.saturating_add(1)..).unwrap_or_default());
    let header = HeaderValue::from_bytes(line).ok();
    let wait = header.as_ref().and_then(|value| answer::retry_after(value, NOW));
    assert!(wait.is_none_or(|wait| wait <= Duration::from_secs(300)), "{wait:?}");
    judge(&match mode % 6 {
        0 => answer::of_success(KINDS[mode / 6 % KINDS.len()], body),
        1 => answer::of_http(status, wait, body),
        2 => answer::of_grpc_http(status, wait),
        3 => {
            let mut headers = HeaderMap::new();
            if let Some(value) = header {
                headers.insert("grpc-message", value);
            }
            if let Ok(value) = HeaderValue::from_bytes(body) {
                headers.insert("grpc-status-details-bin", value);
            }
            answer::of_grpc(status, &transport::message(&headers), &transport::details(&headers))
        }
        4 => {
            let encoding = ["", "gzip", "zstd", "identity", "br"][mode / 6 % 5];
            transport::unframe(encoding, body).map_or_else(Verdict::Down, |message| answer::of_message(&message))
        }
        _ => {
            let encoding = ["", "gzip", "zstd", "identity", "br"][mode / 6 % 5];
            let decoded = compress::decode(encoding, body, MOST_DECODED).unwrap_or_default();
            assert!(decoded.len() as u64 <= MOST_DECODED, "{} bytes", decoded.len());
            answer::of_message(&decoded)
        }
    });
}

fn judge(verdict: &Verdict) {
    if let Some(reason) = verdict.reason() {
        assert!(reason.chars().count() <= 400 && !reason.contains(char::is_control), "{reason:?}");
    }
    if let Verdict::Later(_, Some(wait)) = verdict {
        assert!(*wait <= Duration::from_secs(300), "{wait:?}");
    }
    drop(verdict.clone().outcome());
}
