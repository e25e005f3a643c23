//! A device (datto-rmm-api.md section 8.3).

use std::sync::Arc;

use serde_json::value::RawValue;

use super::Malformed;
use super::object::Object;
use crate::inventory::Device;
use crate::record::AccountUid;

/// Decodes a device of `account` from its source record. The record becomes the device's `source` as it is, so its
/// secrets must be stripped before (event-schema.md section 10).
pub fn decode(stripped: &RawValue, account: &AccountUid) -> Result<Device, Malformed> {
    let object = Object::parse(stripped)?;
    let uid = object.id("uid").ok_or(Malformed::NoId("uid"))?;
    Ok(Device {
        account: account.clone(),
        uid,
        id: object.integer("id"),
        site_uid: object.id("siteUid"),
        hostname: object.text("hostname"),
        source: Arc::from(stripped.get()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
