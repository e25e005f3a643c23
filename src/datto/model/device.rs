//! A device (datto-rmm-api.md section 8.3).

use std::sync::Arc;

use serde_json::value::RawValue;

use super::Malformed;
use super::object::Object;
use crate::inventory::Device;
use crate::record::AccountUid;
use crate::record::place::SiteRef;

/// What of a device decides what is told of it, beside [`Device`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its site: by uid, else by id, else by name.
    pub site: SiteRef,
    /// `antivirus.antivirusStatus`.
    pub antivirus: Option<String>,
    /// `patchManagement.patchStatus`.
    pub patch: Option<String>,
    /// `rebootRequired`.
    pub reboot: Option<bool>,
}

/// Decodes a device of `account` from its source record. The record becomes the device's `source` as it is, so its
/// secrets must be stripped before (event-schema.md section 10).
pub fn decode(stripped: &RawValue, account: &AccountUid) -> Result<Device, Malformed> {
    let object = Object::parse(stripped)?;
    let uid = object.own_id("uid")?;
    Ok(Device {
        account: account.clone(),
        uid,
        id: object.integer("id"),
        site_uid: object.id("siteUid"),
        hostname: object.text("hostname"),
        source: Arc::from(stripped.get()),
    })
}

/// Reads where a device is and how it stands.
pub fn standing(raw: &RawValue) -> Result<Standing, Malformed> {
    let object = Object::parse(raw)?;
    let site = match (object.id("siteUid"), object.integer("siteId"), object.id("siteName")) {
        (Some(uid), _, _) => SiteRef::Uid(uid),
        (None, Some(id), _) => SiteRef::Id(id),
        (None, None, Some(name)) => SiteRef::Name(name),
        (None, None, None) => SiteRef::None,
    };
    Ok(Standing {
        site,
        antivirus: object.object("antivirus").and_then(|antivirus| antivirus.id("antivirusStatus")),
        patch: object.object("patchManagement").and_then(|patch| patch.id("patchStatus")),
        reboot: object.truth("rebootRequired"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_names_its_site_by_uid_else_by_id_else_by_name() {
        let site = |json: &str| standing(&RawValue::from_string(json.to_owned()).expect("valid JSON")).map(|s| s.site);
        assert_eq!(site(r#"{"siteUid":"s","siteId":7,"siteName":"HQ"}"#), Ok(SiteRef::Uid("s".into())));
        assert_eq!(site(r#"{"siteUid":null,"siteId":7,"siteName":"HQ"}"#), Ok(SiteRef::Id(7)));
        assert_eq!(site(r#"{"siteUid":"","siteName":"HQ"}"#), Ok(SiteRef::Name("HQ".into())));
        assert_eq!(site("{}"), Ok(SiteRef::None));
    }

    #[test]
    fn a_device_is_read_and_keeps_its_source() {
        let json =
            r#"{"id":"7","uid":"d1","siteUid":"","hostname":"SRV","antivirus":{},"deviceClass":"rmmnetworkdevice"}"#;
        let raw = RawValue::from_string(json.to_owned()).expect("valid JSON");
        let device = decode(&raw, &AccountUid::new("a")).expect("a device");
        assert_eq!((device.id, device.site_uid, device.hostname.as_deref()), (Some(7), None, Some("SRV")));
        assert_eq!(&*device.source, json);
    }
}
