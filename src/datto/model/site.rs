//! A site (datto-rmm-api.md section 8.2).

use serde_json::value::RawValue;

use super::Malformed;
use super::account::number_of_devices;
use super::object::Object;
use crate::inventory::{Site, SiteType};
use crate::record::AccountUid;

/// Decodes a site of `account`.
pub fn decode(raw: &RawValue, account: &AccountUid) -> Result<Site, Malformed> {
    let object = Object::parse(raw)?;
    let uid = object.own_id("uid")?;
    let name = object.text("name").unwrap_or_default();
    let site_type = site_type(&name, object.truth("onDemand"));
    let company = object.id("autotaskCompanyId");
    let autotask = company.map(|id| (id, object.text("autotaskCompanyName").unwrap_or_default()));
    Ok(Site { account: account.clone(), uid, id: object.integer("id"), name, site_type, autotask })
}

/// How many devices a site says that it has, `devicesStatus.numberOfDevices`; `None` where it does not say.
pub fn devices(raw: &RawValue) -> Option<u64> {
    number_of_devices(&Object::parse(raw).ok()?)
}

pub(crate) fn site_type(name: &str, on_demand: Option<bool>) -> SiteType {
    match name.trim() {
        "Deleted Devices" => SiteType::Deleted,
        "OnDemand" => SiteType::OnDemand,
        _ if on_demand == Some(true) => SiteType::OnDemand,
        _ => SiteType::Managed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(json: &str) -> Result<Site, Malformed> {
        decode(&RawValue::from_string(json.to_owned()).expect("valid JSON"), &AccountUid::new("ab1c0002"))
    }

    #[test]
    fn a_site_is_read() {
        let hq = site(
            r#"{"id":218140,"uid":"1111","name":"Voorbeeld Klant B.V.","onDemand":false,"autotaskCompanyId":1234,
            "autotaskCompanyName":"Voorbeeld","proxySettings":{"password":"x"}}"#,
        )
        .expect("a site");
        assert_eq!((hq.id, hq.site_type), (Some(218_140), SiteType::Managed));
        assert_eq!(hq.autotask, Some(("1234".into(), "Voorbeeld".into())));
    }

    #[test]
    fn system_sites_have_a_type_of_their_own() {
        let kind = |json: &str| site(json).expect("a site").site_type;
        assert_eq!(kind(r#"{"uid":"Deleted Devices","name":"Deleted Devices"}"#), SiteType::Deleted);
        assert_eq!(kind(r#"{"uid":"x","name":"OnDemand"}"#), SiteType::OnDemand);
        assert_eq!(kind(r#"{"uid":"x","name":"Lab","onDemand":true}"#), SiteType::OnDemand);
        assert_eq!(kind(r#"{"uid":"x","name":null,"onDemand":null}"#), SiteType::Managed);
        assert_eq!(site(r#"{"name":"x"}"#), Err(Malformed::NoId("uid")));
    }
}
