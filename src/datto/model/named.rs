//! The site that a record of any kind names, as far as the record describes it (datto-rmm-api.md sections 8 and 10).

use serde_json::value::RawValue;

use super::object::Object;
use super::site;
use crate::inventory::{Site, SiteType};
use crate::record::AccountUid;

/// What a record says about its site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NamedSite {
    /// Its uid, as alerts and devices give it.
    pub uid: Option<String>,
    /// Its numeric id, as the activity log gives it.
    pub id: Option<i64>,
    /// Its name.
    pub name: Option<String>,
    /// How it is managed, and the Autotask company linked to it: only the site's own record says so.
    described: Option<(SiteType, Option<(String, String)>)>,
}

impl NamedSite {
    /// The site of an alert (`alertSourceInfo`), of an activity row (`site`) or of a device (`siteUid`, `siteId`, `siteName`).
    pub fn of_record(raw: &RawValue) -> Self {
        let Ok(object) = Object::parse(raw) else { return Self::default() };
        if let Some(source) = object.object("alertSourceInfo") {
            return Self { uid: source.id("siteUid"), name: source.id("siteName"), ..Self::default() };
        }
        if let Some(site) = object.object("site") {
            return Self { id: site.integer("id"), name: site.id("name"), ..Self::default() };
        }
        let (uid, id, name) = (object.id("siteUid"), object.integer("siteId"), object.id("siteName"));
        Self { uid, id, name, described: None }
    }

    /// The site of a site's own record.
    pub fn of_site(raw: &RawValue, account: &AccountUid) -> Self {
        match site::decode(raw, account) {
            Ok(Site { uid, id, name, site_type, autotask, .. }) => {
                Self { uid: Some(uid), id, name: Some(name), described: Some((site_type, autotask)) }
            }
            Err(_) => Self::default(),
        }
    }

    /// An entry of the inventory made of it; `None` if nothing names the site. A site without a uid gets one of its id or name, which
    /// no other site has and no event may show.
    pub fn site(&self, account: &AccountUid) -> Option<Site> {
        let by_id = || self.id.map(|id| format!("id:{id}"));
        let by_name = || self.name.as_ref().map(|name| format!("name:{name}"));
        let uid = self.uid.clone().or_else(by_id).or_else(by_name)?;
        let name = self.name.clone().unwrap_or_default();
        let (site_type, autotask) = self.described.clone().unwrap_or_else(|| (site::site_type(&name, None), None));
        Some(Site { account: account.clone(), uid, id: self.id, name, site_type, autotask })
    }
}
