//! A changed configuration beside a running instance: planned, reloaded, refused.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::{Value, json};

use crate::once::still_world;
use crate::simulated::Simulated;
use crate::workplace::{Workplace, account, events, ids, wait_for};

const PATIENCE: Duration = Duration::from_secs(30);

/// A running instance with an admin listener and its output in `out`.
struct Running<'a> {
    place: &'a Workplace,
    child: Child,
    admin: std::net::SocketAddr,
}

impl<'a> Running<'a> {
    fn start(place: &'a Workplace, admin: std::net::SocketAddr) -> Self {
        let child = place.spawn(&["run"], "out");
        let running = Self { place, child, admin };
        // A report is no moment: what was taken in between its backlogs and its passes shows in the next one.
        wait_for(PATIENCE, || {
            let before = running.settled().map(|_| running.out().len())?;
            std::thread::sleep(Duration::from_millis(300));
            running.settled().filter(|_| running.out().len() == before)
        });
        running
    }

    /// Once all streams have a pass behind them and all is delivered.
    fn settled(&self) -> Option<Value> {
        let report: Value = serde_json::from_slice(&self.place.run(&["status", "--json"]).stdout).ok()?;
        let streams = report["accounts"][0]["streams"].as_array()?;
        let done = streams.len() == 3 && streams.iter().all(|stream| stream["last_pass"].is_number());
        let delivered = report["sinks"].as_array()?.iter().all(|sink| sink["backlog"] == 0);
        (done && delivered && report["started"].is_number()).then_some(report)
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn out(&self) -> Vec<Value> {
        events(&std::fs::read(self.place.path("out")).unwrap())
    }

    fn metric(&self, name: &str) -> Option<f64> {
        metrics(self.admin)?.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    fn stop(mut self) {
        self.signal("-TERM");
        let code = wait_for(PATIENCE, || self.child.try_wait().unwrap());
        assert_eq!(code.code(), Some(0));
    }
}

/// The metrics of a running instance, as text.
pub(crate) fn metrics(admin: std::net::SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(admin).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

/// An address that nobody listens on.
pub(crate) fn free() -> std::net::SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn tenants(events: &[Value]) -> BTreeMap<String, usize> {
    let mut tenants = BTreeMap::new();
    for event in events {
        *tenants.entry(event["metadata"]["tenant_uid"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    tenants
}

fn configuration(simulated: &Simulated, admin: std::net::SocketAddr, more: &str) -> String {
    let account = account("acme", simulated.text("api_url"));
    format!("{account}\n[admin]\nlisten = \"{admin}\"\n\n[orgs]\nfile = \"orgs.csv\"\n{more}")
}

#[test]
fn a_changed_mapping_is_planned_then_reloaded_and_releases_what_was_held() {
    let simulated = Simulated::start(&still_world());
    let truth = simulated.get("/sim/truth");
    let sites: Vec<(String, String)> = truth["sites"]
        .as_array()
        .unwrap()
        .iter()
        .map(|site| (site["uid"].as_str().unwrap().to_owned(), site["name"].as_str().unwrap().to_owned()))
        .collect();
    let admin = free();
    let place = Workplace::new(&simulated, "");
    place.configure(&configuration(&simulated, admin, ""));
    let write = |rows: &str| std::fs::write(place.path("orgs.csv"), format!("id,name,site\n{rows}")).unwrap();
    write(&format!("one,One,{}\n", sites[0].0));
    let running = Running::start(&place, admin);
    let before = running.out();
    let told: BTreeSet<String> = tenants(&before).into_keys().collect();
    assert_eq!(told, ["msp".to_owned(), "one".to_owned()].into(), "everything else is held");

    write(&format!("one,One,{}\ntwo,Two,{}\n", sites[0].0, sites[1].0));
    let plan: Value = serde_json::from_slice(&place.run(&["orgs", "plan", "--json"]).stdout).unwrap();
    assert_eq!(plan["moves"].as_array().unwrap().len(), 1, "{plan}");
    assert_eq!((&plan["moves"][0]["site_uid"], &plan["moves"][0]["to"]), (&json!(sites[1].0), &json!("two")));
    let released = plan["released"].as_u64().unwrap();
    assert!(released > 0 && plan["moves"][0]["held"] == released, "{plan}");
    assert_eq!(running.out().len(), before.len(), "a plan changes nothing");

    running.signal("-HUP");
    wait_for(PATIENCE, || {
        (tenants(&running.out()).get("two") == Some(&usize::try_from(released).unwrap())).then_some(())
    });
    let after = running.out();
    assert_eq!(after.len(), before.len() + usize::try_from(released).unwrap());
    assert!(ids(&after).values().all(|n| *n == 1), "nothing comes twice");
    assert_eq!(simulated.get("/sim/requests")["logins"], 1, "a mapping is taken over without a new start");

    // A mapping that contradicts itself is refused, and the one before it runs on.
    write(&format!("one,One,{0}\ntwo,Two,{0}\n", sites[0].0));
    running.signal("-HUP");
    wait_for(PATIENCE, || (running.metric("vintner_config_reload_ok") == Some(0.0)).then_some(()));
    let listed = place.run(&["orgs", "list"]);
    assert_eq!(listed.status.code(), Some(2));
    let device = truth["alerts"][0]["device"].as_str().unwrap();
    simulated.post("/sim/events", &json!([{"kind": "open_alert", "device": device}]));
    write(&format!("one,One,{}\ntwo,Two,{}\n", sites[0].0, sites[1].0));
    running.signal("-HUP");
    wait_for(PATIENCE, || (running.metric("vintner_config_reload_ok") == Some(1.0)).then_some(()));
    running.stop();
}

#[test]
fn a_new_sink_starts_on_reload_and_the_others_repeat_nothing() {
    let simulated = Simulated::start(&still_world());
    let admin = free();
    let place = Workplace::new(&simulated, "");
    std::fs::write(place.path("orgs.csv"), "id,name,ignore,site\n,,yes,nowhere\nall,All,,x\n").unwrap();
    let base = configuration(&simulated, admin, "unmapped = \"default\"\ndefault_org = \"all\"\n");
    place.configure(&base);
    let running = Running::start(&place, admin);
    let before = running.out();
    let archive = place.path("archive.ndjson");
    place.configure(&format!("{base}\n[sinks.file.archive]\npath = {archive:?}\n"));
    running.signal("-HUP");
    let archived = wait_for(PATIENCE, || {
        let archived = events(&std::fs::read(&archive).ok()?);
        (archived.len() >= before.len()).then_some(archived)
    });
    assert_eq!(ids(&archived), ids(&before));
    wait_for(PATIENCE, || running.settled());
    assert_eq!(running.out().len(), before.len(), "stdout got nothing again");

    // A configuration whose parts cannot start leaves the one before it.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    place.configure(&base.replace(&admin.to_string(), &taken.local_addr().unwrap().to_string()));
    running.signal("-HUP");
    wait_for(PATIENCE, || (running.metric("vintner_config_reload_ok") == Some(0.0)).then_some(()));
    wait_for(PATIENCE, || running.metric("vintner_sink_backlog_records{sink=\"archive\"}").filter(|n| *n == 0.0));
    running.stop();
}

#[test]
fn an_exported_mapping_is_the_mapping() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    place.once();
    let list = |place: &Workplace| {
        let rows = events(&place.run(&["orgs", "list", "--json"]).stdout);
        let listed = rows.iter().filter(|row| row["listed"] == true);
        let pairs = listed.map(|row| (row["site_uid"].to_string(), row["organization"].to_string()));
        pairs.collect::<BTreeMap<_, _>>()
    };
    let before = list(&place);
    assert_eq!(before.len(), 8);
    for form in ["csv", "json", "toml"] {
        let exported = place.run(&["orgs", "export", "--format", form]);
        assert!(exported.status.success());
        std::fs::write(place.path(&format!("orgs.{form}")), &exported.stdout).unwrap();
    }
    for form in ["csv", "json", "toml"] {
        let account = account("acme", simulated.text("api_url"));
        place.configure(&format!("{account}\n[orgs]\nfile = \"orgs.{form}\"\nauto_match = false\n"));
        let after = list(&place);
        assert_eq!(after, before, "{form}");
    }
}

/// Guarantees: what a mapping cannot tell apart, and what no site has, is told with its place and delivered to nobody.
#[test]
fn an_unknown_site_and_two_sites_of_one_name_are_told_and_nothing_is_guessed() {
    let simulated = Simulated::start(&still_world());
    let truth = simulated.get("/sim/truth");
    let (uid, name) = (truth["sites"][0]["uid"].as_str().unwrap(), truth["sites"][0]["name"].as_str().unwrap());
    simulated.post("/sim/events", &json!([{"kind": "add_site", "name": name}]));
    let place = Workplace::new(&simulated, "");
    let account = account("acme", simulated.text("api_url"));
    place.configure(&format!("{account}\n[orgs]\nfile = \"orgs.csv\"\n"));
    let unknown = "11111111-2222-4333-8444-555555555555";
    std::fs::write(place.path("orgs.csv"), format!("\u{feff}id;name;site\r\none;One;{name}\r\ntwo;Two;{unknown}\r\n"))
        .unwrap();
    let output = place.run(&["run", "--once"]);
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(log.contains("list them by uid") && log.contains(uid), "{log}");
    let told: BTreeSet<String> = tenants(&events(&output.stdout)).into_keys().collect();
    assert_eq!(told, ["msp".to_owned()].into(), "what two sites share a name for goes to nobody");
    let plan = place.run(&["orgs", "plan"]);
    let said = String::from_utf8_lossy(&plan.stderr).into_owned();
    assert!(said.contains("orgs.csv:3:") && said.contains(unknown) && said.contains("orgs list"), "{said}");
    assert!(!said.contains("orgs.csv:2:"), "{said}");
}
