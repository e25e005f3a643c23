//! What is known of an account, its sites and its devices: plain data for names, organizations and enrichment.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::record::AccountUid;

/// A Datto RMM account as configured and as `/v2/account` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its uid at Datto.
    pub uid: AccountUid,
    /// The name of its `[accounts.<name>]` table.
    pub name: String,
    /// Its display name at Datto (the MSP's name); empty if Datto gave none.
    pub display_name: String,
    /// The platform, e.g. `vidal`; for an `api_url` that names none, `custom`.
    pub platform: String,
    /// Host of the API, without port, e.g. `vidal-api.centrastage.net`.
    pub api_host: String,
}

/// How Datto manages a site (the `site_types` filter of contract.md section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SiteType {
    /// An ordinary site.
    Managed,
    /// A site with `onDemand` true, or the system site "OnDemand".
    OnDemand,
    /// The system site "Deleted Devices".
    Deleted,
}

/// A site of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// The account it belongs to.
    pub account: AccountUid,
    /// Its uid; not always a UUID ("Deleted Devices").
    pub uid: String,
    /// The numeric id that the activity log uses.
    pub id: Option<i64>,
    /// Its name as received.
    pub name: String,
    /// How it is managed.
    pub site_type: SiteType,
    /// The Autotask company linked to it: id and name.
    pub autotask: Option<(String, String)>,
}

/// A device of an account, with its source record for enrichment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The account it belongs to.
    pub account: AccountUid,
    /// Its uid.
    pub uid: String,
    /// The numeric id that the activity log uses.
    pub id: Option<i64>,
    /// The site it is in.
    pub site_uid: Option<String>,
    /// Its host name.
    pub hostname: Option<String>,
    /// The source record, stripped of secrets and of UDFs (but for the device's id in Entra, if one of them holds it), compact JSON.
    pub source: Arc<str>,
}
