//! Many sites under a mapping that changes while records come: plan, reload, release, and counts that add up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::SocketAddr;
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::{Value, json};

use crate::crash::epoch_ms;
use crate::reload::{free, metrics};
use crate::simulated::Simulated;
use crate::workplace::{Workplace, account, alert_steps, events, ids, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);
/// Mappings that come into force one after the other.
const STEPS: usize = 5;
/// Organizations that sites are spread over; one name sink gets the even ones, another the odd ones.
const GROUPS: usize = 16;

/// Where a mapping sends a site.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    Org(String),
    Held,
    Ignored,
}

/// A site of the simulation.
#[derive(Clone, Debug)]
struct Site {
    place: usize,
    uid: String,
    name: String,
    is_special: bool,
}

impl Site {
    fn group(&self) -> String {
        format!("org-{}", self.place / 10 % GROUPS)
    }

    fn neighbour(&self) -> String {
        format!("org-{}", (self.place / 10 % GROUPS) ^ 1)
    }

    /// The organization whose name is nearly that of the site.
    fn near(&self) -> String {
        format!("near-{}", self.place)
    }

    /// What the mapping of `step` says. Each standing of a site is in force during consecutive steps only.
    fn standing(&self, step: usize) -> Standing {
        let org = |id: String| Standing::Org(id);
        match self.place % 10 {
            _ if self.is_special => Standing::Ignored,
            3 if step >= 2 => Standing::Ignored,
            4 if step >= 3 => Standing::Held,
            5 if step >= 2 => org(self.neighbour()),
            6 if step < 1 => Standing::Held,
            7 if step < 3 => Standing::Held,
            7 => org(self.near()),
            8 if step < 2 => Standing::Held,
            8 => Standing::Ignored,
            9 if step < 4 || self.place % 20 == 9 => Standing::Held,
            _ => org(self.group()),
        }
    }

    fn is_ever_ignored(&self) -> bool {
        (0..STEPS).any(|step| self.standing(step) == Standing::Ignored)
    }

    fn is_steady(&self) -> bool {
        (0..STEPS).all(|step| self.standing(step) == self.standing(0))
    }
}

/// The mapping of a step as a PSA exports it: a row for each site that has an organization or is ignored, and the organizations
/// whose names are nearly those of sites.
fn export(sites: &[Site], step: usize) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["company_id", "company_name", "site_uid", "ignore"]).unwrap();
    for site in sites {
        match site.standing(step) {
            Standing::Org(id) => {
                let name = if id.starts_with("near-") { site.name.trim().to_owned() } else { format!("Customer {id}") };
                // By uid, or by the company's name alone.
                let uid = if id.starts_with("near-") { "" } else { &site.uid };
                writer.write_record([id.as_str(), &name, uid, ""]).unwrap();
            }
            Standing::Held if site.place % 10 == 7 => {
                let name = site.name.trim().to_uppercase();
                writer.write_record([site.near().as_str(), &name, "", ""]).unwrap();
            }
            Standing::Ignored => writer.write_record(["", "", &site.uid, "yes"]).unwrap(),
            Standing::Held => {}
        }
    }
    writer.into_inner().unwrap()
}

/// A run whose log is kept.
struct Run<'a> {
    place: &'a Workplace,
    child: Child,
    admin: SocketAddr,
}

impl<'a> Run<'a> {
    fn start(place: &'a Workplace, admin: SocketAddr) -> Self {
        let [out, log] = ["out", "log"].map(|name| File::create(place.path(name)).unwrap());
        let child = place.command(&["run"]).stdout(out).stderr(log).spawn().unwrap();
        Self { place, child, admin }
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// The lines of the log whose message begins like this.
    fn log(&self, message: &str) -> Vec<Value> {
        // Before the log begins, problems of the configuration are printed for people.
        let log = std::fs::read_to_string(self.place.path("log")).unwrap();
        let lines: Vec<&str> = log.lines().filter(|line| line.starts_with('{')).collect();
        let lines = events(format!("{}\n", lines.join("\n")).as_bytes());
        let begins = |line: &Value| line["message"].as_str().is_some_and(|text| text.starts_with(message));
        lines.into_iter().filter(begins).collect()
    }

    fn status(&self) -> Option<Value> {
        serde_json::from_slice(&self.place.run(&["status", "--json"]).stdout).ok()
    }

    fn backlog(&self, sink: &str) -> Option<u64> {
        let status = self.status()?;
        let sinks = status["sinks"].as_array()?;
        sinks.iter().find(|found| found["name"] == sink)?["backlog"].as_u64()
    }

    fn plan(&self) -> Value {
        let output = self.place.run(&["orgs", "plan", "--json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The records that were not collected since their site is ignored.
    fn ignored(&self) -> u64 {
        let text = metrics(self.admin).unwrap();
        let lines =
            text.lines().filter(|line| line.starts_with("vintner_records_total{") && line.contains("\"ignored\""));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
    }

    /// Sends SIGHUP and waits until the mapping is in force for the `nth` time: what the log says, and a time after it.
    fn reload(&self, nth: usize) -> (Value, u128) {
        self.signal("-HUP");
        let lines = wait_for(PATIENCE, || Some(self.log("the mapping is in force")).filter(|lines| lines.len() >= nth));
        assert_eq!(lines.len(), nth);
        (lines[nth - 1].clone(), epoch_ms())
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits until nothing is taken in any more and both sinks that work have everything. The API must have fallen silent before.
fn settle(run: &Run<'_>) {
    let mut before = Value::Null;
    wait_for(PATIENCE, || {
        std::thread::sleep(Duration::from_millis(600));
        let status = run.status()?;
        let taken: Vec<Value> = status["accounts"][0]["streams"]
            .as_array()?
            .iter()
            .map(|stream| json!([stream["taken"], stream["held"]]))
            .collect();
        let drained = run.backlog("all") == Some(0) && run.backlog("east") == Some(0);
        let now = json!(taken);
        (std::mem::replace(&mut before, now.clone()) == now && drained).then_some(())
    });
}

/// The plan of the mapping for `step` names exactly the sites that stand elsewhere then.
fn check_moves(plan: &Value, sites: &[Site], step: usize) {
    let text = |standing: Standing| match standing {
        Standing::Org(id) => id,
        Standing::Held => "(held)".to_owned(),
        Standing::Ignored => "(ignored)".to_owned(),
    };
    let moved = sites.iter().filter(|site| site.standing(step - 1) != site.standing(step));
    let expected: BTreeSet<(String, String, String)> =
        moved.map(|site| (site.uid.clone(), text(site.standing(step - 1)), text(site.standing(step)))).collect();
    let word = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = plan["moves"].as_array().unwrap();
    let planned: BTreeSet<_> =
        rows.iter().map(|row| (word(row, "site_uid"), word(row, "from"), word(row, "to"))).collect();
    assert_eq!(planned, expected, "step {step}");
    assert_eq!(rows.len(), expected.len());
    let near: BTreeSet<String> =
        plan["near_misses"].as_array().unwrap().iter().map(|row| word(row, "site_uid")).collect();
    let is_near = |site: &&Site| site.place % 10 == 7 && !site.is_special && site.standing(step) == Standing::Held;
    let expected: BTreeSet<String> = sites.iter().filter(is_near).map(|site| site.uid.clone()).collect();
    assert_eq!(near, expected, "near misses of step {step}");
    let unmapped = sites.iter().filter(|site| site.standing(step) == Standing::Held).count();
    assert_eq!(plan["unmapped_sites"], unmapped);
}

fn tag<'a>(event: &'a Value, name: &str) -> Option<&'a str> {
    event["metadata"]["tags"].as_array()?.iter().find(|tag| tag["name"] == name)?["value"].as_str()
}

/// How many records the simulation has shown, by site; those that name none under `None`.
fn shown(truth: &Value) -> BTreeMap<Option<String>, u64> {
    let mut shown: BTreeMap<Option<String>, u64> = BTreeMap::new();
    let mut add = |site: &Value, count: u64| *shown.entry(site.as_str().map(str::to_owned)).or_default() += count;
    let list = |name: &str| truth[name].as_array().unwrap();
    for alert in list("alerts") {
        let (open, resolved) = (alert["shown_open"] == true, alert["shown_resolved"] == true);
        add(&alert["site"], u64::from(open || resolved) + u64::from(resolved));
    }
    list("activities").iter().filter(|row| row["shown"] == true).for_each(|row| add(&row["site"], 1));
    list("sites").iter().for_each(|site| add(&site["uid"], site["shown_states"].as_u64().unwrap()));
    for device in list("devices") {
        add(&device["site"], device["shown_states"].as_u64().unwrap() + device["shown_postures"].as_u64().unwrap());
    }
    shown
}

/// Fails if an event carries an organization other than that of the mapping in force when it was made. `in_force` has, of each
/// step, a time at which its mapping was surely in force, and how many lines the file had before it was asked for.
fn check_tenants(all: &[Value], sites: &[Site], in_force: &[(u128, usize)]) {
    let by_uid: BTreeMap<&str, &Site> = sites.iter().map(|site| (site.uid.as_str(), site)).collect();
    let mut reached: BTreeMap<&str, usize> = BTreeMap::new();
    for (line, event) in all.iter().enumerate() {
        let tenant = event["metadata"]["tenant_uid"].as_str().unwrap();
        let Some(uid) = tag(event, "datto.site_uid") else {
            assert_eq!(tenant, "msp", "{event}");
            continue;
        };
        let site = by_uid[uid];
        let logged = event["metadata"]["logged_time"].as_u64().map(u128::from).unwrap();
        // What was taken in after a mapping was in force is decided under it or a later one, and a sink never goes back.
        let taken = in_force.iter().rposition(|(at, _)| logged >= *at).unwrap_or(0);
        let least = taken.max(reached.get(site.uid.as_str()).copied().unwrap_or(0));
        let step = (least..STEPS).find(|step| site.standing(*step) == Standing::Org(tenant.to_owned()));
        let step = step
            .unwrap_or_else(|| panic!("{tenant} is not the organization of {site:?} from step {least} on: {event}"));
        assert!(line >= in_force[step].1, "line {line} carries a mapping that nobody had asked for yet: {event}");
        reached.insert(&site.uid, step);
    }
}

/// Runs the whole story with `count` sites.
fn story(count: usize) {
    let simulated = Simulated::start(&json!({
        "sites": count, "devices": 3 * count, "open_alerts": 2 * count, "resolved_alerts": count, "activity_history": 2 * count,
        "history_days": 2, "alert_rate_per_hour": 30_000.0, "resolve_rate_per_hour": 15_000.0, "update_rate_per_hour": 0.0,
        "activity_rate_per_hour": 30_000.0, "inventory_rate_per_hour": 0.0, "reopen_share": 0.0, "vanish_share": 0.0,
        "oddity_share": 0.0, "activity_delay_max_ms": 0, "request_limit": 100_000
    }));
    let truth = simulated.get("/sim/truth");
    let listed = truth["sites"].as_array().unwrap().iter().enumerate();
    let sites: Vec<Site> = listed
        .map(|(place, site)| {
            let (uid, name) = (site["uid"].as_str().unwrap().to_owned(), site["name"].as_str().unwrap().to_owned());
            Site { place, uid, is_special: ["OnDemand", "Deleted Devices"].contains(&name.as_str()), name }
        })
        .collect();
    let admin = free();
    let place = Workplace::new(&simulated, "");
    let orgs = |parity: usize| {
        let groups = (0..GROUPS).filter(|n| n % 2 == parity).map(|n| format!("org-{n}"));
        let near = sites.iter().filter(|site| site.place % 10 == 7 && parity == 0).map(Site::near);
        groups.chain(near).collect::<BTreeSet<String>>()
    };
    let (east, west) = (orgs(0), orgs(1));
    let account = account("acme", simulated.text("api_url")).replace("[sinks.stdout.console]\n", "");
    place.configure(&format!(
        "{account}\n[accounts.acme.poll]\nalerts = \"1s\"\nactivity = \"1s\"\ninventory = \"1h\"\n\n\
         [admin]\nlisten = \"{admin}\"\n\n[orgs]\nfile = \"orgs.csv\"\n\n[sinks.file.all]\npath = \"all.ndjson\"\n\n\
         [sinks.file.east]\npath = \"east.ndjson\"\nroute = {{ orgs = {} }}\n\n\
         [sinks.file.west]\npath = \"later/west.ndjson\"\nroute = {{ orgs = {} }}\n",
        json!(east),
        json!(west)
    ));
    let map = |step: usize| std::fs::write(place.path("orgs.csv"), export(&sites, step)).unwrap();
    let read = |name: &str| events(&std::fs::read(place.path(name)).unwrap_or_default());
    map(0);
    let mut run = Run::start(&place, admin);
    wait_for(PATIENCE, || {
        let ended = run.child.try_wait().unwrap();
        assert!(ended.is_none(), "{}", std::fs::read_to_string(place.path("log")).unwrap());
        let status = run.status()?;
        let streams = status["accounts"][0]["streams"].as_array()?;
        (streams.len() == 3 && streams.iter().all(|stream| stream["last_pass"].is_number())).then_some(())
    });
    let mut in_force = vec![(0, 0)];
    std::thread::sleep(Duration::from_millis(1_500));
    let mut dropped = 0;
    for step in 1..STEPS {
        // Half of the changes come while records do, half while the counts stand still.
        let is_frozen = step == 2 || step == 3;
        // Each mapping has records that were taken in under it, however busy the machine is.
        let before = in_force[step - 1].0;
        let is_new =
            |event: &&Value| event["metadata"]["logged_time"].as_u64().is_some_and(|at| u128::from(at) >= before);
        wait_for(PATIENCE, || (read("all.ndjson").iter().filter(is_new).count() > 20).then_some(()));
        if is_frozen {
            simulated.stand_still();
            settle(&run);
        }
        map(step);
        let plan = run.plan();
        check_moves(&plan, &sites, step);
        if step == STEPS - 1 {
            // A mapping that contradicts itself changes nothing.
            let mut bad = export(&sites, step);
            bad.extend(format!("org-0,Customer org-0,{0},\norg-1,Customer org-1,{0},\n", sites[9].uid).into_bytes());
            std::fs::write(place.path("orgs.csv"), bad).unwrap();
            run.signal("-HUP");
            wait_for(PATIENCE, || (!run.log("the changed configuration is refused").is_empty()).then_some(()));
            map(step);
        }
        let lines = read("all.ndjson").len();
        let (told, at) = run.reload(step);
        in_force.push((at, lines));
        let count = |of: &Value, key: &str| of[key].as_u64().unwrap();
        println!("step {step}: plan {} {} {}, log {told}", plan["released"], plan["dropped"], plan["dead_letters"]);
        if is_frozen {
            assert_eq!((&told["released"], &told["dropped"]), (&plan["released"], &plan["dropped"]), "step {step}");
        } else {
            assert!(count(&told, "released") >= count(&plan, "released"), "{plan} {told}");
        }
        dropped += count(&told, "dropped");
        assert!(count(&told, "released") > 0 || step == 2, "step {step} releases something");
        assert_eq!(count(&told, "dropped") > 0, step == 2, "step {step}");
        if step == 3 {
            // The sink that is down still has records of sites that have no organization any more. SIGHUP made it try once more,
            // perhaps with a batch that was read before: that one shall be over.
            std::thread::sleep(Duration::from_secs(2));
            std::fs::create_dir(place.path("later")).unwrap();
            run.signal("-HUP");
            wait_for(PATIENCE, || run.backlog("west").filter(|backlog| *backlog == 0));
            let letters = events(&place.run(&["dead-letters", "list", "--json"]).stdout);
            assert!(letters.iter().all(|letter| letter["sink"] == "west" && letter["kind"] == "unmapped"));
            assert!(!letters.is_empty());
            assert_eq!(plan["dead_letters"], json!({"west": letters.len()}));
        }
        if is_frozen {
            simulated.go_on();
        }
        std::thread::sleep(Duration::from_millis(1_500));
    }
    simulated.post("/sim/faults", &json!([{"kind": "status", "status": 503, "path": "/api/v2/"}]));
    settle(&run);
    wait_for(PATIENCE, || run.backlog("west").filter(|backlog| *backlog == 0));

    let truth = simulated.get("/sim/truth");
    let shown = shown(&truth);
    let held: BTreeMap<String, u64> = events(&place.run(&["orgs", "list", "--json"]).stdout)
        .iter()
        .map(|row| (row["site_uid"].as_str().unwrap().to_owned(), row["held"].as_u64().unwrap()))
        .collect();
    let waiting = run.status().unwrap()["journal"]["held_records"].as_u64().unwrap() - held.values().sum::<u64>();
    let ignored = run.ignored();
    run.signal("-TERM");
    assert_eq!(wait_for(PATIENCE, || run.child.try_wait().unwrap()).code(), Some(0));
    drop(run);

    let all = read("all.ndjson");
    assert!(ids(&all).values().all(|n| *n == 1), "nothing comes twice");
    let steps = alert_steps(&all);
    assert!(
        steps.values().all(|steps| [&[1][..], &[1, 3]].contains(&steps.as_slice())),
        "an alert's events are in order"
    );
    check_tenants(&all, &sites, &in_force);
    let activities = truth["activities"].as_array().unwrap().iter();
    let siteless: BTreeSet<&str> =
        activities.filter(|row| row["site"].is_null()).map(|row| row["id"].as_str().unwrap()).collect();
    let is_siteless =
        |event: &&Value| event["metadata"]["original_event_uid"].as_str().is_some_and(|id| siteless.contains(id));
    let is_derived = |event: &&Value| event["metadata"]["labels"].to_string().contains("\"derived\"");
    let siteless_told = all.iter().filter(|event| is_siteless(event) && !is_derived(event)).count() as u64;
    let mut told: BTreeMap<Option<String>, u64> = BTreeMap::new();
    for event in all.iter().filter(|event| !is_siteless(event)) {
        *told.entry(tag(event, "datto.site_uid").map(str::to_owned)).or_default() += 1;
    }
    let count = |of: &BTreeMap<Option<String>, u64>, uid: &str| of.get(&Some(uid.to_owned())).copied().unwrap_or(0);
    let (mut untold, mut of_devices) = (0, 0);
    for site in &sites {
        let (told, held, shown) = (count(&told, &site.uid), held[&site.uid], count(&shown, &site.uid));
        let last = site.standing(STEPS - 1);
        assert!(last == Standing::Held || held == 0, "{site:?} holds {held}");
        if site.is_ever_ignored() {
            untold += shown - told;
        } else {
            // Besides its own it holds records that name only a device which was in it.
            assert!(told + held >= shown && told <= shown, "{site:?}: {told} told, {held} held of {shown}");
            of_devices += told + held - shown;
        }
    }
    assert_eq!(told.get(&None), None, "what names a site has it");
    // What names no site is the account's, that of the site in which its device was, or waits for that.
    let siteless = siteless_told + waiting + of_devices;
    assert!(siteless <= shown[&None], "{siteless_told} told, {waiting} and {of_devices} held of {}", shown[&None]);
    untold += shown[&None] - siteless;
    // What is ignored may be counted at more than one look.
    assert!(
        dropped < untold && untold <= ignored + dropped,
        "of ignored sites: {untold}, {ignored} ignored, {dropped} dropped"
    );
    println!(
        "{count} sites: {} told, {} held, {ignored} ignored, {dropped} dropped, {} shown",
        all.len(),
        held.values().sum::<u64>(),
        shown.values().sum::<u64>(),
        count = sites.len()
    );

    let steady: BTreeSet<&str> = sites.iter().filter(|site| site.is_steady()).map(|site| site.uid.as_str()).collect();
    for (name, orgs) in [("east.ndjson", &east), ("later/west.ndjson", &west)] {
        let routed = read(name);
        assert!(routed.iter().all(|event| orgs.contains(event["metadata"]["tenant_uid"].as_str().unwrap())), "{name}");
        check_tenants(&routed, &sites, &in_force.iter().map(|(at, _)| (*at, 0)).collect::<Vec<_>>());
        let of_steady = |events: &[Value]| {
            let wanted = events.iter().filter(|event| {
                orgs.contains(event["metadata"]["tenant_uid"].as_str().unwrap())
                    && tag(event, "datto.site_uid").is_some_and(|uid| steady.contains(uid))
            });
            ids(&wanted.cloned().collect::<Vec<Value>>())
        };
        assert!(!of_steady(&routed).is_empty());
        assert_eq!(of_steady(&routed), of_steady(&all), "{name}: everything of the organizations that its route names");
    }
}

/// Guarantees: whatever the mapping does while records come, each record that was shown is told, held, ignored or dropped, once;
/// each event carries the organization of a mapping that was in force; a plan is what a reload does.
#[test]
fn five_hundred_sites_under_a_changing_mapping_lose_and_leak_nothing() {
    story(500);
}
