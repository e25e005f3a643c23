//! What the API's items say, decoded one by one and tolerantly (datto-rmm-api.md section 8): every field may be missing,
//! null or of another type, and costs no more than itself. Only an item that is not an object, names a key twice or has no
//! usable id is malformed.

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
    /// The field that identifies it is missing, null, empty or neither text nor number.
    #[error("no usable `{0}`")]
    NoId(&'static str),
}
