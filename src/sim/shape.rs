//! JSON as the service writes it, built by hand from datto-rmm-api.md: no model is shared with the client.

pub(crate) mod account;
pub(crate) mod activity;
pub(crate) mod alert;
pub(crate) mod context;
pub(crate) mod details;
pub(crate) mod device;
