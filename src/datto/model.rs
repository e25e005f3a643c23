//! What the API's items say, decoded one by one and tolerantly (datto-rmm-api.md section 8): every field may be missing,
//! null or of another type, and costs no more than itself. Only an item that is not an object, names a key twice, has no
//! usable id or holds more values than any record can is malformed.

pub mod account;
pub mod activity;
pub mod alert;
pub mod device;
mod duplicates;
pub mod named;
pub(super) mod object;
pub mod rate;
pub mod site;
#[cfg(test)]
mod tests;

use serde_json::value::RawValue;

/// Most values in an item, at any depth; records have less than a thousand.
pub const MAX_VALUES: usize = 50_000;
/// Longest id of an item, in bytes; a UUID has 36.
pub const MAX_ID_BYTES: usize = 200;

/// Whether an item holds more values than a record can. Everything that decodes one checks this first.
pub fn is_excessive(item: &RawValue) -> bool {
    duplicates::has_too_many_values(item.get())
}

/// Whether an answer holds more than `most` values, for those who read it as a tree: that costs many times its bytes.
pub fn has_more_values_than(body: &[u8], most: usize) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| duplicates::has_more_values_than(text, most))
}

/// Why no record can be made of an item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is a number, a text, a list or null.
    #[error("not an object")]
    NotAnObject,
    /// A key occurs twice in one object: a reader that takes the last would lose a value.
    #[error("duplicate key `{key}` at depth {depth}")]
    DuplicateKey {
        /// The key, shortened and escaped.
        key: String,
        /// 1 for the item's own fields; lists count too.
        depth: usize,
    },
    /// It holds more values than a record can: each costs memory beyond its bytes.
    #[error("more than {MAX_VALUES} values")]
    TooManyValues,
    /// The field that identifies it is longer than an id.
    #[error("`{0}` is longer than {MAX_ID_BYTES} bytes")]
    LongId(&'static str),
    /// The field that identifies it is missing, null, empty or neither text nor number.
    #[error("no usable `{0}`")]
    NoId(&'static str),
}
