//! Records that name a device and no site: whose they are, or that they wait.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use serde_json::value::RawValue;

use crate::app::testing::Fixture;
use crate::clock::Millis;
use crate::collect::activity::row::{self, Row};
use crate::collect::alerts::Thoroughness;
use crate::collect::alerts::fields::Updates;
use crate::collect::alerts::look::Rules;
use crate::collect::alerts::page::{self, Shown};
use crate::collect::inventory::InventoryStream;
use crate::collect::source::SharedSource;
use crate::collect::unsettled::settle;
use crate::journal::{DatedRecord, Lane, Page, Seen};
use crate::record::Stream;
use crate::record::place::{DeviceRef, SiteRef};
use crate::sim::command::{Act, Command};
use crate::sim::fault::{Fault, Faults, Rule};
use crate::sim::world::Options as World;

const MINUTE: Duration = Duration::from_secs(60);

async fn pause(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// An account whose inventory was read once, and two of its sites.
struct Place {
    fixture: Fixture,
    source: SharedSource,
    sites: [String; 2],
}

impl Place {
    async fn new(name: &str, orgs: &str) -> Self {
        let fixture = Fixture::new(name, World { seed: 825, ..World::quiet() }, orgs).await;
        let source = fixture.task.connect_once(&fixture.shared).await.unwrap();
        InventoryStream::new(source.clone()).pass(Thoroughness::Whole).await.unwrap();
        let sites = fixture.sim.truth().sites;
        Self { fixture, source, sites: [sites[0].uid.clone(), sites[1].uid.clone()] }
    }

    fn act(&self, command: &Command) -> String {
        self.fixture.sim.apply(command).unwrap().uid.unwrap()
    }

    fn device_in(&self, site: usize) -> String {
        let site = Some(self.sites[site].clone());
        self.act(&Command { kind: Act::AddDevice, site, name: Some("DESK-1".into()), ..Command::default() })
    }

    fn move_to(&self, device: &str, site: usize) {
        let (device, site) = (Some(device.to_owned()), Some(self.sites[site].clone()));
        self.act(&Command { kind: Act::MoveDevice, device, site, ..Command::default() });
    }

    async fn observe(&self) {
        InventoryStream::new(self.source.clone()).pass(Thoroughness::Whole).await.unwrap();
    }

    /// Takes a row of this moment in, as the activity stream does.
    async fn take(&self, id: &str, device: Option<&str>, mut more: serde_json::Value) {
        let details = device.map_or_else(|| json!({}), |device| json!({ "data.device_uid": device }));
        let now = self.fixture.shared.clock.now();
        #[expect(clippy::cast_precision_loss, reason = "a time in seconds, as the API gives it")]
        let mut row = json!({"id": id, "entity": "USER", "category": "device", "action": "x", "date": now.0 as f64 / 1000.0,
            "site": null, "deviceId": null, "details": details.to_string()});
        row.as_object_mut().unwrap().append(more.as_object_mut().unwrap());
        let item = RawValue::from_string(row.to_string()).unwrap();
        let Row::Record(dated, _) = row::read(&self.source.account.uid, &item, now) else { panic!("{item}") };
        let DatedRecord { mut record, dated } = *dated;
        let envelope = &mut record.envelope;
        let named = [(&mut envelope.site, &envelope.device)].into_iter();
        self.source.leave_to_devices(named).await.unwrap();
        let page = Page {
            account: self.source.account.uid.clone(),
            stream: Stream::Activity,
            lane: Lane::Live,
            received_at: now,
            cursors: Vec::new(),
            alerts: Vec::new(),
            records: vec![DatedRecord { record, dated }],
            rejected: Vec::new(),
        };
        self.source.commit(page).await.unwrap();
    }

    /// The site of a record that was released.
    async fn site_of(&self, id: &str) -> Option<SiteRef> {
        let records = self.fixture.records().await;
        records.into_iter().find(|record| record.envelope.native_id == id).map(|record| record.envelope.site)
    }

    async fn held(&self) -> BTreeMap<SiteRef, u64> {
        let held = self.fixture.journal().held().await.unwrap();
        held.into_iter().map(|site| (site.site, site.count)).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_belongs_to_the_site_in_which_its_device_was_before_and_after_it() {
    let place = Place::new("acme", "").await;
    let device = place.device_in(0);
    place.observe().await;
    pause(60).await;
    place.take("one", Some(&device), json!({})).await;
    assert_eq!(place.held().await, [(SiteRef::Device, 1)].into(), "it waits, whatever the policy says");
    assert_eq!(settle(&place.source, Thoroughness::Bounded).await.unwrap(), 0, "an observation may lag behind a move");
    pause(10).await;
    assert_eq!(settle(&place.source, Thoroughness::Bounded).await.unwrap(), 1);
    assert_eq!(place.site_of("one").await, Some(SiteRef::Uid(place.sites[0].clone())));
    assert_eq!(place.held().await, BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn a_record_from_around_a_move_is_nobodys_and_one_after_it_belongs_to_the_new_site() {
    let place = Place::new("acme", "").await;
    let device = place.device_in(0);
    place.observe().await;
    pause(60).await;
    place.take("around", Some(&device), json!({})).await;
    place.move_to(&device, 1);
    pause(60).await;
    settle(&place.source, Thoroughness::Bounded).await.unwrap();
    assert_eq!((place.site_of("around").await, place.held().await), (None, [(SiteRef::Unknown, 1)].into()));
    let reason = place.fixture.journal().held().await.unwrap().remove(0).reason;
    assert!(reason.starts_with("site unknown"), "{reason}");
    pause(60).await;
    place.take("after", Some(&device), json!({})).await;
    settle(&place.source, Thoroughness::Whole).await.unwrap();
    assert_eq!(place.site_of("after").await, Some(SiteRef::Uid(place.sites[1].clone())));
}

#[tokio::test(start_paused = true)]
async fn an_observation_after_the_record_needs_no_look_up_and_a_late_record_finds_the_site_of_its_time() {
    let place = Place::new("acme", "").await;
    let device = place.device_in(0);
    place.observe().await;
    pause(60).await;
    let date = place.fixture.shared.clock.now();
    pause(60).await;
    place.observe().await;
    place.move_to(&device, 1);
    pause(60).await;
    place.observe().await;
    #[expect(clippy::cast_precision_loss, reason = "a time in seconds, as the API gives it")]
    place.take("late", Some(&device), json!({ "date": date.0 as f64 / 1000.0 })).await;
    assert_eq!(settle(&place.source, Thoroughness::Bounded).await.unwrap(), 0);
    assert_eq!(place.site_of("late").await, Some(SiteRef::Uid(place.sites[0].clone())));
}

#[tokio::test(start_paused = true)]
async fn a_device_never_seen_before_is_unknown_and_one_that_the_api_does_not_know_is_the_accounts() {
    let place = Place::new("acme", "").await;
    let device = place.device_in(0);
    place.take("unseen", Some(&device), json!({})).await;
    place.take("unheard", Some("7f0a6b8c-6c0e-3d5b-9d43-51b0a8f6d101"), json!({})).await;
    place.take("unheard number", None, json!({ "deviceId": 987_654_321 })).await;
    let requests = settle(&place.source, Thoroughness::Bounded).await.unwrap();
    assert_eq!(requests, 5, "and a known device for each of the two kinds of path");
    assert_eq!(place.site_of("unseen").await, None);
    assert_eq!(place.held().await, [(SiteRef::Unknown, 1)].into());
    assert_eq!(place.site_of("unheard").await, Some(SiteRef::None), "user_activity_org");
    assert_eq!(place.site_of("unheard number").await, Some(SiteRef::None));
}

/// A path that answers 404 for every device: the account's own organization must not get the records of customers.
#[tokio::test(start_paused = true)]
async fn a_404_that_known_devices_get_too_gives_no_record_to_the_account() {
    let place = Place::new("acme", "").await;
    let rule = Rule::new(Fault::Status).on("/api/v2/device/").status(404).text(r#"{"errorMessage":"not found"}"#);
    place.fixture.sim.add_faults(vec![rule]);
    place.take("by uid", Some("7f0a6b8c-6c0e-3d5b-9d43-51b0a8f6d101"), json!({})).await;
    place.take("by number", None, json!({ "deviceId": 987_654_321 })).await;
    for thoroughness in [Thoroughness::Bounded, Thoroughness::Whole] {
        let requests = settle(&place.source, thoroughness).await.unwrap();
        assert_eq!(
            (requests, place.held().await),
            (4, [(SiteRef::Device, 2)].into()),
            "one look-up, three known devices"
        );
    }
    place.fixture.sim.set_faults(Faults::default());
    settle(&place.source, Thoroughness::Bounded).await.unwrap();
    assert_eq!(place.site_of("by uid").await, Some(SiteRef::None));
    assert_eq!(place.site_of("by number").await, Some(SiteRef::None));
}

#[tokio::test(start_paused = true)]
async fn the_policy_decides_on_a_record_of_an_unknown_site_only_once_it_is_settled() {
    let orgs = "[orgs]\nunmapped = \"drop\"\n[orgs.list.all]\nname = \"All\"\nsites = [\"SITE\"]\n";
    let sites = Place::new("probe", "").await.sites;
    let place = Place::new("acme", &orgs.replace("SITE", &sites[0])).await;
    assert_eq!(place.sites, sites, "the same world");
    let (device, unseen) = (place.device_in(0), place.device_in(1));
    place.act(&Command { kind: Act::RemoveDevice, device: Some(unseen.clone()), ..Command::default() });
    place.observe().await;
    pause(60).await;
    let fresh = place.device_in(0);
    place.take("mapped", Some(&device), json!({})).await;
    place.take("unknown", Some(&fresh), json!({})).await;
    assert_eq!(place.held().await, [(SiteRef::Device, 2)].into());
    settle(&place.source, Thoroughness::Whole).await.unwrap();
    assert_eq!(place.site_of("mapped").await, Some(SiteRef::Uid(sites[0].clone())));
    assert_eq!((place.site_of("unknown").await, place.held().await), (None, BTreeMap::new()), "dropped by the policy");
}

#[tokio::test(start_paused = true)]
async fn a_name_of_several_sites_means_the_one_that_the_device_is_in() {
    let place = Place::new("acme", "").await;
    for site in &place.sites {
        let (kind, site) = (Act::RenameSite, Some(site.clone()));
        place.act(&Command { kind, site, name: Some("Main Office".into()), ..Command::default() });
    }
    let third = place.act(&Command { kind: Act::AddSite, name: Some("Elsewhere".into()), ..Command::default() });
    let (device, other) = (place.device_in(1), place.device_in(0));
    place.act(&Command { kind: Act::MoveDevice, device: Some(other.clone()), site: Some(third), ..Command::default() });
    place.observe().await;
    pause(60).await;
    let main = json!({ "site": "Main Office" });
    place.take("in one of them", Some(&device), main.clone()).await;
    place.take("in none of them", Some(&other), main.clone()).await;
    place.take("no device", None, main).await;
    let name = SiteRef::Name("Main Office".into());
    assert_eq!(place.held().await, [(SiteRef::Device, 2), (name.clone(), 1)].into());
    settle(&place.source, Thoroughness::Whole).await.unwrap();
    assert_eq!(place.site_of("in one of them").await, Some(SiteRef::Uid(place.sites[1].clone())));
    assert_eq!(place.held().await, [(name, 2)].into());
}

/// The whole account under polling: devices go to and fro between customers while records name them.
async fn nobody_gets_a_record_of_another_customer(seed: u64) -> (usize, u64) {
    let world = World { seed, sites: 5, devices: 6, ..World::quiet() };
    let mut fixture = Fixture::new("acme", world, "poll.inventory = \"3m\"").await;
    fixture.start();
    tokio::time::sleep(MINUTE * 5).await;
    let (mut dice, mut truth) = (fastrand::Rng::with_seed(seed), BTreeMap::new());
    let (mut places, sites): (BTreeMap<String, (String, Millis)>, Vec<String>) = {
        let truth = fixture.sim.truth();
        let start = Millis(0);
        let places = truth.devices.iter().map(|device| (device.uid.clone(), (device.site.clone(), start)));
        (places.collect(), truth.sites.iter().take(3).map(|site| site.uid.clone()).collect())
    };
    let devices: Vec<String> = places.keys().cloned().collect();
    for _ in 0..150 {
        tokio::time::sleep(Duration::from_millis(dice.u64(0..90_000))).await;
        let (device, now) = (dice.choice(&devices).unwrap().clone(), fixture.shared.clock.now());
        let (site, since) = places[&device].clone();
        // No device moves twice between two passes over the inventory: nobody could know.
        if dice.bool() && now.since(since) > MINUTE * 8 {
            let to = dice.choice(&sites).unwrap().clone();
            let command = Command {
                kind: Act::MoveDevice,
                device: Some(device.clone()),
                site: Some(to.clone()),
                ..Command::default()
            };
            fixture.sim.apply(&command).unwrap();
            places.insert(device, (to, now));
        } else {
            let details = Some(json!({ "data.device_uid": device }).to_string());
            let delay_ms = dice.u64(0..600_000);
            let (kind, category) = (Act::WriteActivity, Some("device".into()));
            let id = fixture.sim.apply(&Command { kind, category, details, delay_ms, ..Command::default() }).unwrap();
            truth.insert(id.uid.unwrap(), site);
        }
    }
    tokio::time::sleep(MINUTE * 30).await;
    fixture.end().await;
    let mut settled = 0;
    for record in fixture.records().await {
        let Some(site) = truth.get(&record.envelope.native_id) else { continue };
        assert_eq!(record.envelope.site, SiteRef::Uid(site.clone()), "seed {seed}: {record:?}");
        assert!(matches!(record.envelope.device, DeviceRef::Uid(_)));
        settled += 1;
    }
    let held: BTreeMap<_, _> =
        fixture.journal().held().await.unwrap().into_iter().map(|held| (held.site, held.count)).collect();
    let unknown = held.get(&SiteRef::Unknown).copied().unwrap_or_default();
    assert!(held.keys().all(|site| *site == SiteRef::Unknown), "seed {seed}: nothing waits for ever: {held:?}");
    assert_eq!(settled as u64 + unknown, truth.len() as u64, "seed {seed}: all are accounted for");
    (settled, unknown)
}

#[tokio::test(start_paused = true)]
async fn no_record_reaches_the_wrong_customer_while_its_device_moves() {
    let (mut settled, mut unknown) = (0, 0);
    for seed in 1..=3 {
        let found = nobody_gets_a_record_of_another_customer(seed).await;
        (settled, unknown) = (settled + found.0, unknown + found.1);
    }
    assert!(settled > 150 && unknown > 2, "{settled} settled, {unknown} unknown");
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_names_only_its_device_keeps_the_site_of_its_opening() {
    let place = Place::new("acme", "").await;
    let device = place.device_in(0);
    place.observe().await;
    pause(60).await;
    let take = async |path: &str, seen, resolved_on: Option<i64>| {
        let opened = place.fixture.shared.clock.now().0;
        let item = json!({"alertUid": "a-1", "priority": "High", "timestamp": opened, "resolved": resolved_on.is_some(),
            "resolvedOn": resolved_on, "alertSourceInfo": {"deviceUid": device}});
        let (path, items) = (path.to_owned(), vec![RawValue::from_string(item.to_string()).unwrap()]);
        let received_at = place.fixture.shared.clock.now();
        let rules = Rules { cut: Millis(i64::MIN), updates: Updates::All };
        page::take(&place.source, rules, Shown { path, seen, received_at, items }).await.unwrap();
    };
    take("/v2/account/alerts/open", Seen::Open, None).await;
    pause(60).await;
    // Closed before its site is settled: the Close waits behind the Create.
    let now = place.fixture.shared.clock.now().0;
    take("/v2/account/alerts/resolved", Seen::Resolved, Some(now)).await;
    assert_eq!(place.held().await, [(SiteRef::Device, 2)].into());
    settle(&place.source, Thoroughness::Bounded).await.unwrap();
    place.move_to(&device, 1);
    pause(60).await;
    // Open again after its device has moved.
    take("/v2/account/alerts/open", Seen::Open, None).await;
    let records = place.fixture.records().await;
    let of_it: Vec<_> = records.iter().filter(|record| record.envelope.native_id == "a-1").collect();
    let markers: Vec<_> = of_it.iter().map(|record| record.envelope.marker.to_string()).collect();
    assert!(
        markers[0] == "open" && markers[1].starts_with("resolved") && markers[2].starts_with("update"),
        "{markers:?}"
    );
    let first = SiteRef::Uid(place.sites[0].clone());
    assert!(of_it.iter().all(|record| record.envelope.site == first), "{of_it:?}");
    assert_eq!(place.held().await, BTreeMap::new());
}
