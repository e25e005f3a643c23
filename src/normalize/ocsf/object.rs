//! OCSF objects in use, as types: what serializes is what the schema knows, and nothing empty is ever written.

pub(crate) mod asset;
pub(crate) mod attack;
pub(crate) mod device;
pub(crate) mod endpoint;
pub(crate) mod finding;
pub(crate) mod identity;
pub(crate) mod metadata;
pub(crate) mod observable;
pub(crate) mod work;
