//! Whose event it is, and what its tags say of account, platform and site (event-schema.md section 5).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::world::*;
use crate::record::place::SiteRef;
use crate::record::{Marker, Record};

fn tag<'v>(event: &'v Value, name: &str) -> Option<&'v str> {
    let tags = event["metadata"]["tags"].as_array().unwrap();
    tags.iter().find(|tag| tag["name"] == name)?["value"].as_str()
}

/// The alert, whose envelope says `told` and whose source says `now` of its site.
fn alert_at(told: SiteRef, now: Value) -> Record {
    let mut record = alert(json!({ "@class": "online_offline_status_ctx", "status": "OFFLINE" }));
    let mut source: Value = serde_json::from_str(record.source.get()).unwrap();
    source["alertSourceInfo"] = now;
    record.source = serde_json::value::to_raw_value(&source).unwrap();
    record.envelope.site = told;
    record
}

#[test]
fn organization_site_and_account_are_everywhere_the_same() {
    let event = World::contoso().alert(json!({ "@class": "wmi_ctx" }));
    let metadata = &event["metadata"];
    assert_eq!(metadata["tenant_uid"], "org-contoso");
    let org =
        json!({ "uid": "org-contoso", "name": "Contoso Dental", "ou_uid": SITE, "ou_name": "Contoso Dental - HQ" });
    assert_eq!(event["device"]["org"], org);
    let reporter = json!({ "name": "Datto RMM vidal", "hostname": "vidal-api.centrastage.net",
        "org": { "uid": "ab1c0002", "name": "Northwind IT Services" } });
    assert_eq!(metadata["reporter"], reporter);
    assert_eq!((tag(&event, "datto.account_uid"), tag(&event, "datto.platform")), (Some("ab1c0002"), Some("vidal")));
    assert_eq!(
        (tag(&event, "datto.site_uid"), tag(&event, "datto.site_name")),
        (Some(SITE), Some("Contoso Dental - HQ"))
    );
    assert_eq!(tag(&event, "datto.to_tenant_uid"), None);
}

#[test]
fn an_alert_keeps_the_site_of_its_create_and_says_where_it_went() {
    let now = json!({ "deviceUid": SERVER, "deviceName": "CDHQ-FS01", "siteUid": NORTH, "siteName": "Contoso Dental - North" });
    let event = World::contoso().event(&alert_at(SiteRef::Uid(SITE.into()), now.clone()));
    assert_eq!((tag(&event, "datto.site_uid"), tag(&event, "datto.to_tenant_uid")), (Some(SITE), Some(NORTH)));
    assert_eq!(event["device"]["org"]["ou_uid"], SITE);
    let left = json!({ "siteUid": NORTH, "siteName": "Contoso Dental - North" });
    assert_eq!(event["unmapped"]["datto_rmm"]["alertSourceInfo"], left);
    let mut same_owner = World::contoso();
    same_owner.tenant.id = NORTH.into();
    assert_eq!(tag(&same_owner.event(&alert_at(SiteRef::Uid(SITE.into()), now)), "datto.to_tenant_uid"), None);
    let unknown = json!({ "deviceUid": SERVER, "siteUid": "nobody-knows", "siteName": "New" });
    let event = World::contoso().event(&alert_at(SiteRef::Uid(SITE.into()), unknown));
    assert_eq!(tag(&event, "datto.to_tenant_uid"), None, "the organization is not known");
}

#[test]
fn a_site_that_the_inventory_lacks_is_named_by_the_record() {
    let now = json!({ "deviceUid": "d-2", "deviceName": "WS", "siteUid": "s-9", "siteName": "Brand new" });
    let mut world = World::contoso();
    world.tenant = tenant("s-9", None, crate::org::directory::Rule::OwnSite);
    let event = world.event(&alert_at(SiteRef::Uid("s-9".into()), now));
    assert_eq!((tag(&event, "datto.site_uid"), tag(&event, "datto.site_name")), (Some("s-9"), Some("Brand new")));
    assert_eq!(event["device"]["org"], json!({ "uid": "s-9", "ou_uid": "s-9", "ou_name": "Brand new" }));
    assert_eq!(event["device"]["type_id"], 0, "the inventory's device is another one");
    assert!(event["device"].get("ip").is_none());
}

#[test]
fn a_renamed_site_keeps_the_record_s_word() {
    let now = json!({ "deviceUid": SERVER, "deviceName": "CDHQ-FS01", "siteUid": SITE, "siteName": "Old name" });
    let event = World::contoso().event(&alert_at(SiteRef::Uid(SITE.into()), now));
    assert_eq!(tag(&event, "datto.site_name"), Some("Contoso Dental - HQ"));
    assert_eq!(event["unmapped"]["datto_rmm"]["alertSourceInfo"], json!({ "siteName": "Old name" }));
}

#[test]
fn a_numeric_site_id_that_nobody_knows_is_tagged() {
    let mut source = device_row("policy", "edit", json!({}));
    source["site"] = json!({ "id": 77, "name": "Unknown site" });
    let mut record = activity(source);
    record.envelope.site = SiteRef::Id(77);
    let event = World::contoso().event(&record);
    assert_eq!((tag(&event, "datto.site_id"), tag(&event, "datto.site_uid")), (Some("77"), None));
    assert_eq!(tag(&event, "datto.site_name"), Some("Unknown site"));
}

#[test]
fn a_record_without_a_site_has_no_site_tags() {
    let event = World::msp().activity(user_row("account", "login", json!({})));
    assert_eq!(event["metadata"]["tenant_uid"], "ab1c0002");
    assert_eq!(
        (tag(&event, "datto.site_uid"), tag(&event, "datto.site_id"), tag(&event, "datto.site_name")),
        (None, None, None)
    );
    assert_eq!(event["user"]["org"], json!({ "uid": "ab1c0002", "name": "Northwind IT Services" }));
}

#[test]
fn an_alert_without_a_device_names_its_site() {
    let event = World::contoso().event(&alert_at(SiteRef::Uid(SITE.into()), json!({ "siteUid": SITE })));
    assert!(event.get("device").is_none());
    let site = json!([{ "uid": SITE, "name": "Contoso Dental - HQ", "type": "Datto RMM site" }]);
    assert_eq!(event["resources"], site);
    assert_eq!(event["message"], "Contoso Dental - HQ is offline");
    let mut nowhere = alert_at(SiteRef::None, Value::Null);
    nowhere.envelope.marker = Marker::Vanished(1);
    let event = World::msp().event(&nowhere);
    assert!(event.get("resources").is_none() && event.get("device").is_none());
}

#[test]
fn labels_of_the_organization_travel_along() {
    let mut world = World::contoso();
    world.tenant.labels = BTreeMap::from([("tier".into(), "gold".into()), ("empty".into(), String::new())]);
    let event = world.alert(json!({ "@class": "wmi_ctx" }));
    assert_eq!((tag(&event, "org.tier"), tag(&event, "org.empty")), (Some("gold"), None));
}

#[test]
fn an_account_that_the_directory_lacks_is_named_by_its_uid() {
    let mut record = alert(json!({ "@class": "wmi_ctx" }));
    record.envelope.account = crate::record::AccountUid::new("zz9");
    let event = World::contoso().event(&record);
    assert_eq!(event["metadata"]["reporter"], json!({ "name": "Datto RMM", "org": { "uid": "zz9" } }));
}
