//! An alert of the open or the resolved list (datto-rmm-api.md section 8.1).

use serde_json::value::RawValue;

use super::Malformed;
use super::object::Object;
use crate::clock::Millis;
use crate::record::place::{DeviceRef, SiteRef};

/// Names of the fields whose change makes an alert another one (architecture.md section 4).
pub const WATCHED: [&str; 9] = [
    "priority",
    "ticketNumber",
    "muted",
    "responseActions",
    "alertContext",
    "diagnostics",
    "resolved",
    "resolvedBy",
    "resolvedOn",
];

/// An alert. Times and texts that cannot be read are `None`; the source record keeps them.
#[derive(Clone, Debug)]
pub struct Alert<'a> {
    /// `alertUid`, the identity.
    pub uid: String,
    /// `priority` as received, e.g. `Critical`.
    pub priority: Option<String>,
    /// `resolved`.
    pub resolved: Option<bool>,
    /// `resolvedBy`.
    pub resolved_by: Option<String>,
    /// `resolvedOn`.
    pub resolved_on: Option<Millis>,
    /// `timestamp`: when it was created.
    pub timestamp: Option<Millis>,
    /// `ticketNumber`.
    pub ticket: Option<String>,
    /// `muted`.
    pub muted: Option<bool>,
    /// Its site: by uid, else by name.
    pub site: SiteRef,
    /// `alertSourceInfo.siteName`.
    pub site_name: Option<String>,
    /// Its device, by uid.
    pub device: DeviceRef,
    /// The fields named in [`WATCHED`], in that order, undecoded; missing and null are both `None`.
    pub watched: [Option<&'a RawValue>; WATCHED.len()],
}

/// Decodes an alert.
pub fn decode(raw: &RawValue) -> Result<Alert<'_>, Malformed> {
    let object = Object::parse(raw)?;
    let uid = object.own_id("alertUid")?;
    let source = object.object("alertSourceInfo");
    let source = source.as_ref();
    let site_name = source.and_then(|s| s.id("siteName"));
    let site = match (source.and_then(|s| s.id("siteUid")), &site_name) {
        (Some(uid), _) => SiteRef::Uid(uid),
        (None, Some(name)) => SiteRef::Name(name.clone()),
        (None, None) => SiteRef::None,
    };
    Ok(Alert {
        uid,
        priority: object.text("priority"),
        resolved: object.truth("resolved"),
        resolved_by: object.text("resolvedBy"),
        resolved_on: object.time("resolvedOn"),
        timestamp: object.time("timestamp"),
        ticket: object.text("ticketNumber"),
        muted: object.truth("muted"),
        site,
        site_name,
        device: source.and_then(|s| s.id("deviceUid")).map_or(DeviceRef::None, DeviceRef::Uid),
        watched: WATCHED.map(|name| object.raw(name)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).expect("valid JSON")
    }

    #[test]
    fn an_alert_is_read() {
        let item = raw(
            r#"{"alertUid":"e001","priority":"Moderate","resolved":false,"resolvedOn":null,"muted":false,"ticketNumber":null,
            "timestamp":1787643495000,"alertContext":{"@class":"comp_script_ctx","samples":{"":"x"}},
            "alertSourceInfo":{"deviceUid":"d1","siteUid":"s1","siteName":"Voorbeeld B.V."},"autoresolveMins":1}"#,
        );
        let alert = decode(&item).expect("an alert");
        assert_eq!(alert.uid, "e001");
        assert_eq!(alert.timestamp, Some(Millis(1_787_643_495_000)));
        assert_eq!(alert.site, SiteRef::Uid("s1".into()));
        assert_eq!(alert.device, DeviceRef::Uid("d1".into()));
        let context = alert.watched[4].map(RawValue::get);
        assert_eq!(context, Some(r#"{"@class":"comp_script_ctx","samples":{"":"x"}}"#));
        assert!(alert.watched[1].is_none() && alert.watched[3].is_none());
    }

    #[test]
    fn an_alert_of_wrong_types_is_still_an_alert() {
        let item = raw(
            r#"{"alertUid":42,"priority":["x"],"resolved":"yes","resolvedOn":"soon","timestamp":{},"alertSourceInfo":[]}"#,
        );
        let alert = decode(&item).expect("an alert");
        assert_eq!(alert.uid, "42");
        assert_eq!((alert.priority, alert.resolved, alert.timestamp, alert.site), (None, None, None, SiteRef::None));
    }

    #[test]
    fn an_alert_without_an_id_is_malformed() {
        for json in ["{}", r#"{"alertUid":null}"#, r#"{"alertUid":""}"#, r#"{"alertUid":" "}"#, r#"{"alertUid":{}}"#] {
            assert_eq!(decode(&raw(json)).err(), Some(Malformed::NoId("alertUid")), "{json}");
        }
    }
}
