//! Rows that concern several things: a record for each of them, once, with the tenant of the thing itself.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::app::testing::{Fixture, START};
use crate::collect::activity::ActivityStream;
use crate::collect::alerts::Thoroughness;
use crate::collect::inventory::InventoryStream;
use crate::collect::source::SharedSource;
use crate::collect::unsettled::settle;
use crate::record::part::Part;
use crate::record::place::SiteRef;
use crate::record::{EventId, Marker, Record, Stream};
use crate::sim::command::{Act, Command};
use crate::sim::world::Options as World;

const MINUTE: Duration = Duration::from_secs(60);

/// An account whose inventory was read, with a device in each of two sites.
struct Place {
    fixture: Fixture,
    source: SharedSource,
    sites: [String; 2],
    devices: [Device; 2],
}

/// A device, by both of its ids.
#[derive(Clone)]
struct Device {
    uid: String,
    id: i64,
}

impl Place {
    async fn new(orgs: &str) -> Self {
        let world = World { seed: 825, activity_history: 0, activity_delay_max_ms: 0, ..World::quiet() };
        let fixture = Fixture::new("acme", world, orgs).await;
        let source = fixture.task.connect_once(&fixture.shared).await.unwrap();
        let sites = fixture.sim.truth().sites;
        let sites = [sites[0].uid.clone(), sites[1].uid.clone()];
        let add = |site: &String, name: &str| {
            let command = Command {
                kind: Act::AddDevice,
                site: Some(site.clone()),
                name: Some(name.into()),
                ..Command::default()
            };
            fixture.sim.apply(&command).unwrap().uid.unwrap()
        };
        let uids = [add(&sites[0], "DESK-1"), add(&sites[1], "DESK-2")];
        InventoryStream::new(source.clone()).pass(Thoroughness::Whole).await.unwrap();
        let mut devices = Vec::new();
        for uid in uids {
            let known =
                fixture.journal().device(&fixture.account(), &crate::record::place::DeviceRef::Uid(uid.clone())).await;
            devices.push(Device { uid, id: known.unwrap().unwrap().id.unwrap() });
        }
        tokio::time::sleep(MINUTE).await;
        Self { fixture, source, sites, devices: devices.try_into().unwrap_or_else(|_| panic!("two devices")) }
    }

    /// A row that staff leave in the log; gives its id.
    fn write(&self, category: &str, action: &str, details: &Value) -> String {
        let command = Command {
            kind: Act::WriteActivity,
            category: Some(category.into()),
            action: Some(action.into()),
            details: Some(details.to_string()),
            ..Command::default()
        };
        self.fixture.sim.apply(&command).unwrap().uid.unwrap()
    }

    fn remove(&self, device: &Device) {
        let device = Some(device.uid.clone());
        self.fixture.sim.apply(&Command { kind: Act::RemoveDevice, device, ..Command::default() }).unwrap();
    }

    /// A pass of the stream; every one begins as after a restart.
    async fn pass(&self) {
        tokio::time::sleep(MINUTE).await;
        ActivityStream::new(self.source.clone(), START.minus(MINUTE * 600)).pass().await.unwrap();
    }

    /// Marker and site of the records of a row that were taken in.
    async fn of(&self, row: &str) -> BTreeMap<String, SiteRef> {
        let records = self.records(row).await;
        let found: BTreeMap<_, _> =
            records.iter().map(|record| (record.envelope.marker.to_string(), record.envelope.site.clone())).collect();
        assert_eq!(found.len(), records.len(), "each of them once");
        found
    }

    async fn records(&self, row: &str) -> Vec<Record> {
        let records = self.fixture.records().await;
        records.into_iter().filter(|record| record.envelope.native_id == row).collect()
    }

    fn in_site(&self, n: usize) -> SiteRef {
        SiteRef::Uid(self.sites[n].clone())
    }
}

fn device(device: &Device) -> String {
    format!("device:{}", device.uid)
}

#[tokio::test(start_paused = true)]
async fn removed_devices_have_a_record_each_in_the_site_where_they_were_last() {
    let place = Place::new("").await;
    let [one, two] = place.devices.clone();
    let never = "7f0a6b8c-6c0e-3d5b-9d43-51b0a8f6d101";
    let forms = [
        json!([one.uid, two.uid, never]),
        json!(json!([one.uid, two.uid]).to_string()),
        json!([one.id, two.id, 987_654_321]),
        json!(format!("[{}, {}]", one.id, two.id)),
    ];
    place.remove(&one);
    place.remove(&two);
    InventoryStream::new(place.source.clone()).pass(Thoroughness::Whole).await.unwrap();
    let rows = forms.map(|list| place.write("device", "delete", &json!({ "data.device_list": list })));
    place.pass().await;
    let expected =
        [("1".to_owned(), SiteRef::None), (device(&one), place.in_site(0)), (device(&two), place.in_site(1))];
    for row in &rows {
        assert_eq!(place.of(row).await, expected.clone().into(), "one that was never seen has none");
        let records = place.records(row).await;
        let source = |marker: &Marker| {
            let of = records.iter().find(|record| record.envelope.marker == *marker).unwrap();
            of.source.get().to_owned()
        };
        let (whole, alone) = (source(&Marker::Once), source(&Marker::Derived(Part::Device(one.uid.clone()))));
        let is_named =
            |source: &str, device: &Device| source.contains(&device.uid) || source.contains(&device.id.to_string());
        assert!(is_named(&whole, &one) && is_named(&whole, &two));
        assert!(is_named(&alone, &one) && !is_named(&alone, &two), "a customer reads nothing of others: {alone}");
    }
    let ids = async || -> Vec<EventId> {
        place.fixture.records().await.iter().map(|record| record.envelope.event_id()).collect()
    };
    let before = ids().await;
    place.pass().await;
    assert_eq!(ids().await, before, "read again, also after a restart: nothing new");
    let taken = place.source.status.get()[&Stream::Activity].taken;
    assert_eq!(taken, 12, "counted like any other");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_removes_one_device_belongs_to_the_site_where_it_was_last() {
    let place = Place::new("").await;
    let [one, two] = place.devices.clone();
    place.remove(&one);
    place.remove(&two);
    let by_list = place.write("device", "remove", &json!({ "data.device_list": [one.id] }));
    let by_uid = place.write("agent", "uninstall", &json!({ "data.device_uid": two.uid }));
    let unknown = place.write("device", "remove", &json!({ "data.device_list": [987_654_321] }));
    place.pass().await;
    assert_eq!(place.of(&by_list).await, [("1".to_owned(), place.in_site(0))].into());
    assert_eq!(place.of(&by_uid).await, [("1".to_owned(), place.in_site(1))].into());
    assert_eq!(place.of(&unknown).await, BTreeMap::new(), "it waits for a look-up");
    settle(&place.source, Thoroughness::Whole).await.unwrap();
    assert_eq!(place.of(&unknown).await, [("1".to_owned(), SiteRef::None)].into());
}

#[tokio::test(start_paused = true)]
async fn a_device_that_stays_follows_the_rule_for_devices() {
    let place = Place::new("").await;
    let [one, two] = place.devices.clone();
    let row = place.write("job", "rerun", &json!({ "job.uid": "j-1", "data.device_uids": [one.uid, two.uid] }));
    place.pass().await;
    assert_eq!(place.of(&row).await, [("1".to_owned(), SiteRef::None)].into(), "the others wait for an observation");
    settle(&place.source, Thoroughness::Whole).await.unwrap();
    let expected =
        [("1".to_owned(), SiteRef::None), (device(&one), place.in_site(0)), (device(&two), place.in_site(1))];
    assert_eq!(place.of(&row).await, expected.into());
}

#[tokio::test(start_paused = true)]
async fn derived_records_are_held_and_filtered_by_their_own_site() {
    let sites = Place::new("").await.sites;
    let orgs = "filter.exclude_sites = [\"SITE1\"]\n[orgs]\n[orgs.list.acme]\nname = \"Acme\"\nsites = [\"none\"]\n";
    let place = Place::new(&orgs.replace("SITE1", &sites[1])).await;
    let [one, two] = place.devices.clone();
    let row = place.write("device", "delete", &json!({ "data.device_list": [one.uid, two.uid] }));
    let before = place.fixture.journal().held().await.unwrap().iter().map(|held| held.count).sum::<u64>();
    place.pass().await;
    assert_eq!(place.of(&row).await, [("1".to_owned(), SiteRef::None)].into());
    let state = place.source.status.get()[&Stream::Activity].clone();
    assert_eq!((state.taken, state.held, state.filtered), (1, 1, 1));
    let after = place.fixture.journal().held().await.unwrap().iter().map(|held| held.count).sum::<u64>();
    assert_eq!(after, before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_user_made_with_roles_has_a_record_for_the_roles() {
    let place = Place::new("").await;
    let with = |given: Value| json!({ "data.user_id": 7, "data.user_name": "sam.lee", "data.new_roles": given });
    let rows = [json!(["Administrator"]), json!("[\"Administrator\"]")]
        .map(|roles| place.write("user", "create", &with(roles)));
    let none = place.write("user", "create", &with(json!("[]")));
    let edited = place.write("user", "edit", &with(json!(["Administrator"])));
    place.pass().await;
    for row in rows {
        let expected = [("1".to_owned(), SiteRef::None), ("roles".to_owned(), SiteRef::None)];
        assert_eq!(place.of(&row).await, expected.into());
    }
    for row in [none, edited] {
        assert_eq!(place.of(&row).await, [("1".to_owned(), SiteRef::None)].into());
    }
}
