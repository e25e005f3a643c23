//! One item of an answer: decoding it may fail, or even panic, without harm to the rest of its page.

use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::diagnostic::panics::caught;
use crate::journal::Rejected;
use crate::normalize::redact;

/// Does `work` on an item; a panic rejects the item.
pub fn guarded<T>(path: &str, item: &RawValue, work: impl FnOnce() -> T) -> Result<T, Rejected> {
    caught(work).map_err(|panicked| rejected(path, &panicked.to_string(), item))
}

/// An item that no record can be made of.
pub fn rejected(path: &str, reason: &str, item: &RawValue) -> Rejected {
    let content = caught(|| redact::strip_text(item.get())).unwrap_or_else(|_| stand_in(item));
    Rejected { path: path.to_owned(), reason: reason.to_owned(), content }
}

/// Identifies an item that cannot be kept: secrets cannot be removed from it, or it is too large.
pub fn stand_in(item: &RawValue) -> String {
    let hash: String = Sha256::digest(item.get()).iter().map(|byte| format!("{byte:02x}")).collect();
    serde_json::json!({ "bytes": item.get().len(), "sha256": hash }).to_string()
}
