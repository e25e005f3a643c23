//! Where records were sent, by what they name and by what changed since.

use std::sync::Arc;

use serde_json::json;
use serde_json::value::RawValue;

use super::*;
use crate::inventory::{Account, Device, Site, SiteType};
use crate::org::Policy;
use crate::record::Marker;
use crate::sink::kafka::place::KeyHash;
use crate::sink::kafka::{self, TopicPart};

fn settings(topic: Vec<TopicPart>) -> Settings {
    Settings { topic, ..kafka::tests::settings("127.0.0.1:1") }
}

fn account() -> AccountUid {
    AccountUid::new("ab1")
}

fn directory() -> Directory {
    let msp = Account {
        uid: account(),
        name: "acme".into(),
        display_name: "Acme".into(),
        platform: "vidal".into(),
        api_host: "vidal-api.centrastage.net".into(),
    };
    let (uid, name) = ("site-1".to_owned(), "HQ".to_owned());
    let site = Site { account: account(), uid, id: Some(7), name, site_type: SiteType::Managed, autotask: None };
    Directory::new(1, Arc::new(Policy::default()), vec![msp], vec![site])
}

fn device() -> KnownDevice {
    KnownDevice::of(&Device {
        account: account(),
        uid: "device-1".into(),
        id: Some(9),
        site_uid: Some("site-1".into()),
        hostname: Some("FS01".into()),
        source: json!({"uid": "device-1", "id": 9, "hostname": "FS01"}).to_string().into(),
    })
}

fn record(kind: RecordKind, site: SiteRef, device: DeviceRef, source: &serde_json::Value) -> Record {
    let envelope = Envelope {
        account: account(),
        kind,
        native_id: "native".into(),
        marker: if kind == RecordKind::Alert { Marker::Open } else { Marker::Once },
        site,
        device,
        path: "/v2/account/alerts/open".into(),
        received_at: Millis(5000),
        changed: Vec::new(),
        synthesized: false,
    };
    Record { envelope, source: serde_json::from_str::<&RawValue>(&source.to_string()).unwrap().to_owned() }
}

fn alert(site: SiteRef) -> Record {
    record(RecordKind::Alert, site, DeviceRef::None, &json!({"alertUid": "native", "priority": "High"}))
}

fn activity(device: DeviceRef) -> Record {
    let source = json!({"id": "native", "entity": "DEVICE", "category": "job", "action": "run"});
    record(RecordKind::ActivityDevice, SiteRef::Id(7), device, &source)
}

/// The address of a record in the topic `t.<organization>`, and whether it is wanted.
fn address(record: &Record, device: Option<&KnownDevice>, moves: &Moves) -> (Address, bool) {
    let settings = settings(vec![TopicPart::Text("t.".into()), TopicPart::Org]);
    let (route, options, directory) = (Route::default(), Options::default(), directory());
    let surroundings =
        Surroundings { settings: &settings, route: &route, options: &options, directory: &directory, moves };
    surroundings.address(record, device)
}

fn key(record: &Record, device: Option<&KnownDevice>) -> Option<Vec<KeyHash>> {
    address(record, device, &Moves::default()).0.keys
}

fn hashes<const N: usize>(keys: [&str; N]) -> Option<Vec<KeyHash>> {
    Some(keys.map(|key| KeyHash::of(key.as_bytes())).into())
}

fn site() -> SiteRef {
    SiteRef::Uid("site-1".into())
}

#[tokio::test]
async fn the_key_is_the_one_that_the_event_had() {
    let named = json!({"alertUid": "native", "priority": "High", "alertSourceInfo": {"deviceUid": "device-1"}});
    let of_device = record(RecordKind::Alert, site(), DeviceRef::Uid("device-1".into()), &named);
    assert_eq!(key(&of_device, None), hashes(["device-1"]));
    assert_eq!(key(&of_device, Some(&device())), hashes(["device-1"]));
    assert_eq!(key(&alert(site()), None), hashes(["site-1"]));
    assert_eq!(key(&alert(SiteRef::Id(7)), None), hashes(["site-1"]));
    assert_eq!(key(&alert(SiteRef::None), None), hashes(["ab1"]));
    assert_eq!(key(&alert(SiteRef::Id(8)), None), None, "a site that nobody knows any more");
    assert_eq!(key(&alert(SiteRef::Name("HQ".into())), None), None, "another site may have had the name");
}

#[tokio::test]
async fn a_device_that_only_the_inventory_names_may_not_have_been_known() {
    let by_id = activity(DeviceRef::Id(9));
    assert_eq!(key(&by_id, Some(&device())), hashes(["device-1", "site-1"]));
    assert_eq!(key(&by_id, None), None, "it may have been known then");
    assert_eq!(key(&activity(DeviceRef::None), None), hashes(["site-1"]));
}

#[tokio::test]
async fn the_topic_is_known_while_the_organization_is_the_same() {
    let topic = |record: &Record, moves: &Moves| address(record, None, moves).0.topic;
    let mut moves = Moves::default();
    let told = |kind, native_id: &str, at| {
        let own = record(RecordKind::Own(kind), SiteRef::None, DeviceRef::None, &json!({}));
        Envelope { native_id: native_id.into(), received_at: Millis(at), ..own.envelope }
    };
    moves.learn(&told(OwnKind::SiteMoved, "site-1", 4999));
    moves.learn(&told(OwnKind::SiteMoved, "site-2", 9000));
    moves.learn(&told(OwnKind::SiteRenamed, "site-1", 9000));
    assert_eq!(topic(&alert(site()), &moves), Some("t.site-1".into()));
    assert_eq!(topic(&alert(SiteRef::Id(7)), &moves), Some("t.site-1".into()));
    assert_eq!(topic(&alert(SiteRef::None), &moves), Some("t.ab1".into()));
    moves.learn(&told(OwnKind::MappingChanged, "mapping", 9000));
    assert_eq!(topic(&alert(SiteRef::None), &moves), None);
    moves.learn(&told(OwnKind::SiteMoved, "site-1", 9000));
    moves.learn(&told(OwnKind::SiteMoved, "site-1", 3000));
    assert_eq!(topic(&alert(site()), &moves), None);
    assert_eq!(topic(&alert(SiteRef::Id(7)), &moves), None);
    // Its key does not depend on the organization, and a topic without it neither.
    assert_eq!(address(&alert(site()), None, &moves).0.keys, hashes(["site-1"]));
    let (route, options, directory) = (Route::default(), Options::default(), directory());
    let settings = settings(vec![TopicPart::Text("all".into())]);
    let surroundings =
        Surroundings { settings: &settings, route: &route, options: &options, directory: &directory, moves: &moves };
    assert_eq!(surroundings.address(&alert(site()), None).0.topic, Some("all".into()));
    // A site that is gone is nobody's.
    let (gone, is_wanted) = surroundings.address(&alert(SiteRef::Id(8)), None);
    assert_eq!((gone.topic, is_wanted), (Some("all".into()), false));
}

#[tokio::test]
async fn the_route_says_by_the_event_whether_it_takes_a_record() {
    let settings = settings(vec![TopicPart::Text("all".into())]);
    let (options, directory, moves) = (Options::default(), directory(), Moves::default());
    let takes = |least| {
        let route = Route { min_severity: Some(least), ..Route::default() };
        let route = &route;
        Surroundings { settings: &settings, route, options: &options, directory: &directory, moves: &moves }
            .address(&alert(site()), None)
            .1
    };
    assert_eq!([4, 5].map(takes), [true, false]);
}
