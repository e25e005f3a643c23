//! Entry points of the fuzz targets in `fuzz/`, and of the test that runs them over their seeds. Built for tests and fuzzers only.
//!
//! A target takes any bytes and panics if vintner does, or if something does not hold that must hold for any input.

#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a target fails")]

mod page;

#[cfg(test)]
mod tests;

/// A target: it panics if an input shows a fault.
pub type Target = fn(&[u8]);

/// All targets by name; each has a folder of seeds in `fuzz/seeds`.
pub const TARGETS: [(&str, Target); 8] = [
    ("page", page),
    ("details", details),
    ("time", time),
    ("address", address),
    ("configuration", configuration),
    ("csv", csv),
    ("otlp", otlp),
    ("request_row", request_row),
];

/// An answer of a list: the first byte chooses the list, the rest is the body.
pub fn page(data: &[u8]) {
    page::page(data);
}

/// The `details` of an activity row: the first byte chooses its kind and its form, the rest is the text.
pub fn details(data: &[u8]) {
    page::details(data);
}

/// A point in time as Datto writes it.
pub fn time(data: &[u8]) {
    crate::normalize::fuzz::time(&text(data));
}

/// An IP address, or a JSON value with several.
pub fn address(data: &[u8]) {
    crate::normalize::fuzz::address(&text(data));
}

/// A configuration file.
pub fn configuration(data: &[u8]) {
    crate::config::fuzz::configuration(data);
}

/// A mapping file in CSV.
pub fn csv(data: &[u8]) {
    crate::config::fuzz::csv(data);
}

/// An answer of an OTLP receiver: the first bytes choose protocol and status, the first line is a header, the rest is the body.
pub fn otlp(data: &[u8]) {
    crate::sink::otlp::fuzz::answer(data);
}

/// A row that a command left in the journal: the request, and behind a zero byte its progress.
pub fn request_row(data: &[u8]) {
    crate::journal::fuzz::request_row(&text(data));
}

fn text(data: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(data)
}
