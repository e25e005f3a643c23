//! Jobs, sessions and patches.

use serde::Serialize;

use super::identity::User;
use crate::normalize::ocsf::choice::Text;

/// A job of Datto RMM.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Job<'a> {
    pub(crate) name: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run_state_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run_state: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_run_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<User<'a>>,
}

/// A remote session.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Session<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created_time: Option<i64>,
    pub(crate) is_remote: bool,
    pub(crate) issuer: &'static str,
}

/// A patch (`kb_article`).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Patch<'a> {
    pub(crate) uid: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<Text<'a>>,
    pub(crate) install_state_id: u32,
    pub(crate) install_state: Text<'a>,
}
