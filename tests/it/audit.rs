//! vintner's own events: who sees what from now on, for sinks whose route names the stream `vintner`, and for no other.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::inventory::{act, quiet, tag};
use crate::simulated::Simulated;
use crate::workplace::{Workplace, account, events, ids};

/// Kind of an event of vintner's own, without the prefix.
fn kind(event: &Value) -> &str {
    event["metadata"]["type"].as_str().unwrap().strip_prefix("vintner.").expect("an event of vintner's own")
}

/// How often each kind occurs.
fn kinds(events: &[Value]) -> BTreeMap<&str, usize> {
    let mut kinds = BTreeMap::new();
    events.iter().for_each(|event| *kinds.entry(kind(event)).or_insert(0) += 1);
    kinds
}

struct Audited<'a> {
    place: Workplace,
    simulated: &'a Simulated,
    read: usize,
}

impl Audited<'_> {
    /// Puts a mapping in force: organization, name, site.
    fn map(&self, rows: &[(&str, &str)]) {
        let rows: String = rows.iter().map(|(org, site)| format!("{org},{org},{site}\n")).collect();
        std::fs::write(self.place.path("orgs.csv"), format!("id,name,site\n{rows}")).unwrap();
        let account = account("acme", self.simulated.text("api_url"));
        let audit = "[sinks.file.audit]\npath = \"audit.ndjson\"\nroute = { streams = [\"vintner\"] }\n";
        self.place.configure(&format!("{account}{audit}[orgs]\nfile = \"orgs.csv\"\n"));
    }

    /// A complete pass; gives what came on stdout, and what vintner told of itself.
    fn pass(&mut self) -> (Vec<Value>, Vec<Value>) {
        let printed = self.place.once();
        let all = events(&std::fs::read(self.place.path("audit.ndjson")).unwrap_or_default());
        let own = all[self.read..].to_vec();
        self.read = all.len();
        for event in &own {
            assert_eq!((&event["metadata"]["product"]["name"], &event["class_uid"]), (&json!("vintner"), &json!(3004)));
            assert_eq!(event["metadata"]["tenant_uid"], "msp", "{event}");
        }
        assert!(printed.iter().all(|event| event["metadata"]["product"]["name"] == "Datto RMM"), "only the audit sink");
        assert!(ids(&all).values().all(|n| *n == 1), "an event came twice");
        (printed, own)
    }
}

#[test]
fn who_sees_what_is_told_once_and_only_where_the_route_names_it() {
    let simulated = quiet();
    let truth = simulated.get("/sim/truth");
    let site = |n: usize| truth["sites"][n]["uid"].as_str().unwrap().to_owned();
    let (one, two) = (site(0), site(1));
    let mut audited = Audited { place: Workplace::new(&simulated, ""), simulated: &simulated, read: 0 };
    audited.map(&[("contoso", &one), ("fabrikam", &two)]);
    let (printed, own) = audited.pass();
    assert!(!printed.is_empty() && own.is_empty(), "a first start changes nothing: {own:?}");

    // A mapping that changed between two starts, as on SIGHUP.
    audited.map(&[("contoso", &two), ("new", &one)]);
    let (_, own) = audited.pass();
    assert_eq!(kinds(&own), [("mapping_changed", 1), ("site_moved", 2)].into());
    let changed = &own.iter().find(|event| kind(event) == "mapping_changed").unwrap()["unmapped"]["datto_rmm"];
    let flow = |from: &str, to: &str| json!({"from": from, "to": to, "sites": 1});
    assert_eq!(changed["moves"], json!([flow("contoso", "new"), flow("fabrikam", "contoso")]), "{changed}");
    let moved = own.iter().find(|event| tag(event, "datto.site_uid") == one.as_str()).unwrap();
    assert_eq!(
        (&moved["entity"]["org"]["uid"], &moved["entity_result"]["org"]["uid"]),
        (&json!("contoso"), &json!("new"))
    );
    assert_eq!(tag(moved, "datto.to_tenant_uid"), "new");
    assert!(audited.pass().1.is_empty(), "the same mapping again");

    // What the inventory shows.
    act(&simulated, json!({"kind": "rename_site", "site": one, "name": "Another name"}));
    act(&simulated, json!({"kind": "add_site", "name": "contoso"}));
    let own = audited.pass().1;
    assert_eq!(kinds(&own), [("site_created", 1), ("site_renamed", 1)].into());
    let created = own.iter().find(|event| kind(event) == "site_created").unwrap();
    assert_eq!(created["entity"]["org"]["uid"], "contoso", "its name is the organization's");
    let renamed = own.iter().find(|event| kind(event) == "site_renamed").unwrap();
    assert_eq!(renamed["entity_result"]["name"], "Another name");

    let devices = simulated.get("/sim/truth")["devices"].clone();
    let of_one = devices.as_array().unwrap().iter().find(|device| device["site"] == one.as_str()).unwrap();
    act(&simulated, json!({"kind": "move_device", "device": of_one["uid"], "site": two}));
    let own = audited.pass().1;
    assert_eq!(kinds(&own), [("device_moved", 1)].into());
    let device = |entity: &str| own[0][entity]["device"].clone();
    assert_eq!((&device("entity")["uid"], &device("entity")["org"]["uid"]), (&of_one["uid"], &json!("new")));
    assert_eq!(device("entity_result")["org"]["uid"], "contoso");
    assert_eq!(device("entity_result")["org"]["ou_uid"], two.as_str());

    act(&simulated, json!({"kind": "remove_site", "site": two}));
    let own = audited.pass().1;
    assert_eq!(kinds(&own), [("site_removed", 1)].into());
    assert_eq!(own[0]["entity"]["org"]["uid"], "contoso");
    assert!(audited.pass().1.is_empty());
}
