//! Devices and sites as events: at first sight, at each change, when they are gone, and never else.

use serde_json::{Value, json};

use crate::simulated::Simulated;
use crate::workplace::{Workplace, account, ids};

/// A world in which nothing happens by itself.
pub(crate) fn quiet() -> Simulated {
    Simulated::start(&json!({
        "sites": 5, "devices": 14, "open_alerts": 0, "resolved_alerts": 0, "activity_history": 0,
        "alert_rate_per_hour": 0.0, "resolve_rate_per_hour": 0.0, "update_rate_per_hour": 0.0, "oddity_share": 0.0,
        "activity_rate_per_hour": 0.0, "inventory_rate_per_hour": 0.0, "reopen_share": 0.0, "activity_delay_max_ms": 0
    }))
}

fn of_class(events: &[Value], class: u64) -> Vec<&Value> {
    events.iter().filter(|event| event["class_uid"] == class).collect()
}

pub(crate) fn tag<'a>(event: &'a Value, name: &str) -> &'a Value {
    let tags = event["metadata"]["tags"].as_array().unwrap();
    tags.iter().find(|tag| tag["name"] == name).map_or(&Value::Null, |tag| &tag["value"])
}

/// A device with an agent, and all of its site.
fn some_device(simulated: &Simulated) -> (String, String) {
    let truth = simulated.get("/sim/truth");
    let devices = truth["devices"].as_array().unwrap();
    let agent = |device: &&Value| device["hostname"].as_str().unwrap().starts_with("DESKTOP");
    let device = devices.iter().find(agent).expect("a desktop");
    (device["uid"].as_str().unwrap().to_owned(), device["site"].as_str().unwrap().to_owned())
}

pub(crate) fn act(simulated: &Simulated, command: Value) {
    let done = simulated.post("/sim/events", &json!([command]));
    assert!(done[0].get("error").is_none(), "{done}");
}

#[test]
fn each_change_is_told_once_and_what_has_not_changed_never() {
    let simulated = quiet();
    let place = Workplace::new(&simulated, "");
    let first = place.once();
    assert_eq!((of_class(&first, 5001).len(), of_class(&first, 5023).len(), first.len()), (14, 5, 19));
    assert_eq!(place.once().len(), 0, "nothing has changed");
    let (device, site) = some_device(&simulated);

    act(&simulated, json!({"kind": "rename_device", "device": device, "name": "RENAMED"}));
    let renamed = place.once();
    assert_eq!(renamed.len(), 1);
    assert_eq!((&renamed[0]["class_uid"], &renamed[0]["device"]["hostname"]), (&json!(5001), &json!("RENAMED")));
    assert_eq!(renamed[0]["metadata"]["type"], "device");

    act(&simulated, json!({"kind": "rename_site", "site": site, "name": "Renamed Site"}));
    let named = place.once();
    let truth = simulated.get("/sim/truth");
    let there = truth["devices"].as_array().unwrap().iter().filter(|device| device["site"] == site.as_str()).count();
    assert_eq!(
        (of_class(&named, 5023).len(), of_class(&named, 5001).len()),
        (1, there),
        "a device tells its site's name"
    );
    assert_eq!(of_class(&named, 5023)[0]["resources"][0]["name"], "Renamed Site");

    let mut all = [first, renamed, named].concat();
    all.extend(place.once());
    assert!(ids(&all).values().all(|n| *n == 1), "an event came twice");
}

/// Safety: a field that is named as that of the device's id in Entra tells ids and nothing else, whatever scripts write into it.
#[test]
fn an_id_in_entra_is_a_tag_of_the_events_of_its_device_and_no_other_value_is() {
    let simulated = quiet();
    let (device, _) = some_device(&simulated);
    let entra = |udf: u16| {
        let place = Workplace::new(&simulated, "");
        let account = account("acme", simulated.text("api_url"));
        place.configure(&format!(
            "{account}raw_data = \"all\"\n[accounts.acme.inventory]\nentra_device_id_udf = {udf}\n"
        ));
        place
    };
    let name = "datto.entra_device_id";
    let place = entra(12);
    let first = place.once();
    let devices = of_class(&first, 5001);
    let ids: Vec<&str> = devices.iter().filter_map(|event| tag(event, name).as_str()).collect();
    assert!(!ids.is_empty() && ids.len() < devices.len(), "some are joined, some are not: {ids:?}");
    assert!(ids.iter().all(|id| id.len() == 36 && id.starts_with("3c7d2a10-5e4b-4f60-8a91-")), "{ids:?}");
    assert!(!Value::from(first.clone()).to_string().contains("planted-secret"), "no other field is told");
    act(&simulated, json!({"kind": "open_alert", "device": device, "class": "ransomware_ctx"}));
    act(
        &simulated,
        json!({"kind": "write_activity", "entity": "DEVICE", "category": "remote", "action": "chat", "device": device}),
    );
    let own = devices.iter().find(|event| event["device"]["uid"] == device.as_str()).unwrap();
    let news = place.once();
    assert_eq!(news.len(), 2);
    for event in &news {
        assert_eq!(tag(event, name), tag(own, name), "{event}");
    }
    assert_eq!(place.once().len(), 0);

    // Half of the devices hold a recovery key there.
    let place = entra(1);
    let wrong = place.once();
    assert!(wrong.iter().all(|event| tag(event, name).is_null()));
    assert!(!Value::from(wrong.clone()).to_string().contains("bitlocker"));
    let noted = wrong.iter().filter(|event| event["metadata"]["debug"].to_string().contains("udf.udf1: not the id"));
    assert!(noted.count() > 0);
    let raw = place.run(&["tail", "--no-follow", "--raw", "-n", "1000"]);
    assert!(raw.stdout.len() > 1_000 && !String::from_utf8_lossy(&raw.stdout).contains("bitlocker"));
}

#[test]
fn posture_changes_are_events_of_their_own() {
    let simulated = quiet();
    let place = Workplace::new(&simulated, "");
    place.once();
    let (device, site) = some_device(&simulated);
    let mut told = Vec::new();
    for _ in 0..6 {
        act(&simulated, json!({"kind": "change_posture", "device": device}));
        told.extend(place.once());
    }
    let truth = simulated.get("/sim/truth");
    let truth =
        truth["devices"].as_array().unwrap().iter().find(|known| known["uid"] == device.as_str()).unwrap().clone();
    let postures = of_class(&told, 5019);
    assert_eq!(json!(postures.len()), truth["shown_postures"], "{truth}");
    assert_eq!(json!(of_class(&told, 5001).len() + 1), truth["shown_states"], "{truth}");
    assert!(!postures.is_empty());
    for event in postures {
        assert_eq!((&event["metadata"]["type"], &event["device"]["uid"]), (&json!("device.posture"), &json!(device)));
        assert_eq!(event["metadata"]["tenant_uid"], site.as_str());
        assert_ne!(event["unmapped"]["datto_rmm"]["previous"], Value::Null);
        assert_eq!(event["metadata"]["labels"], json!(["posture", "derived"]));
    }
}

#[test]
fn a_device_belongs_to_the_customer_whose_site_it_is_in() {
    let simulated = quiet();
    let place = Workplace::new(&simulated, "");
    place.once();
    let (device, from) = some_device(&simulated);
    let truth = simulated.get("/sim/truth");
    let to = truth["sites"].as_array().unwrap().iter().find(|site| site["uid"] != from.as_str()).unwrap();
    act(&simulated, json!({"kind": "move_device", "device": device, "site": to["uid"]}));
    let news = place.once();
    let moved = of_class(&news, 5001);
    assert_eq!(moved.len(), 1, "{news:?}");
    assert_eq!((&moved[0]["metadata"]["tenant_uid"], tag(moved[0], "datto.site_uid")), (&to["uid"], &to["uid"]));
    let row = of_class(&news, 3004);
    assert_eq!((row.len(), &row[0]["metadata"]["tenant_uid"]), (1, &json!(from)), "the old owner hears of the move");
}

#[test]
fn what_is_gone_is_looked_up_and_told_once() {
    let simulated = quiet();
    let place = Workplace::new(&simulated, "");
    place.once();
    let (device, site) = some_device(&simulated);
    act(&simulated, json!({"kind": "remove_device", "device": device}));
    let gone = place.once();
    assert_eq!(gone.len(), 1, "{gone:?}");
    let event = &gone[0];
    assert_eq!((&event["class_uid"], &event["device"]["uid"]), (&json!(5001), &json!(device)));
    assert_eq!((&event["status_id"], &event["status"]), (&json!(99), &json!("Vanished")));
    assert_eq!(event["metadata"]["tenant_uid"], site.as_str());
    assert_eq!(place.once().len(), 0);

    let truth = simulated.get("/sim/truth");
    let devices = truth["devices"].as_array().unwrap();
    let there = devices.iter().filter(|device| device["site"] == site.as_str() && device["listed"] == true).count();
    act(&simulated, json!({"kind": "remove_site", "site": site}));
    let closed = place.once();
    assert_eq!((of_class(&closed, 5023).len(), of_class(&closed, 5001).len()), (1, there));
    assert!(closed.iter().all(|event| event["status"] == "Vanished"), "{closed:?}");
    assert_eq!(place.once().len(), 0);
}

/// A list that loses a row to a shift of its pages must not make a device vanish.
#[test]
fn an_absence_that_a_look_up_does_not_confirm_is_nothing() {
    let simulated = quiet();
    let place = Workplace::new(&simulated, "");
    place.once();
    simulated.post("/sim/faults", &json!([{"path": "/api/v2/account/devices", "kind": "empty_page", "times": 1}]));
    let during = place.once();
    assert!(during.is_empty(), "{during:?}");
}

#[test]
fn filters_and_the_unmapped_policy_hold_for_the_inventory_too() {
    let simulated = quiet();
    let (_, site) = some_device(&simulated);
    let place = Workplace::new(&simulated, "");
    let base = account("acme", simulated.text("api_url"));
    place.configure(&format!("{base}\n[orgs.list.one]\nsites = [\"{site}\"]\n"));
    let mapped = place.once();
    assert!(!mapped.is_empty() && mapped.iter().all(|event| event["metadata"]["tenant_uid"] == "one"));
    assert_eq!(place.once().len(), 0);

    place.configure(&format!("{base}\n[accounts.acme.filter]\nexclude_sites = [\"{site}\"]\n"));
    let rest = place.once();
    let mut all = [mapped.clone(), rest].concat();
    assert_eq!(all.len(), 19, "what was held is released, each once");
    assert!(ids(&all).values().all(|n| *n == 1));
    act(&simulated, json!({"kind": "rename_site", "site": site, "name": "Hidden"}));
    assert_eq!(place.once().len(), 0, "filtered");
    place.configure(&base);
    let shown = place.once();
    assert_eq!(shown.len(), mapped.len(), "told as soon as the filter lets it pass");
    all.extend(shown);
    assert!(ids(&all).values().all(|n| *n == 1));
}

#[test]
fn a_route_names_the_inventory_and_a_switched_off_poll_tells_none() {
    let simulated = quiet();
    let place = Workplace::new(&simulated, "route = { streams = [\"inventory\"] }\n");
    assert_eq!(place.once().len(), 19);
    let other = Workplace::new(&simulated, "[accounts.acme.poll]\ninventory = \"off\"\n");
    let (device, _) = some_device(&simulated);
    act(&simulated, json!({"kind": "open_alert", "device": device}));
    let alerts = other.once();
    assert_eq!((alerts.len(), &alerts[0]["class_uid"]), (1, &json!(2004)), "the site list gives names, no events");
}

#[test]
fn what_the_configuration_lists_is_told_and_nothing_secret_else() {
    let simulated = quiet();
    let place = Workplace::new(
        &simulated,
        "raw_data = \"all\"\n[accounts.acme.inventory]\nudfs = [9]\n[events]\nseverities = { inventory = \"low\" }\n",
    );
    let told = place.once();
    assert!(told.iter().all(|event| event["severity"] == "Low"));
    assert!(told.iter().any(|event| tag(event, "datto.udf9").as_str().is_some_and(|value| value.contains("Ping"))));
    for event in &told {
        let text = event.to_string();
        for secret in ["planted-secret", "webRemoteUrl", "bitlocker", "proxyuser"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}
