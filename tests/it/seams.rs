//! Where parts meet: a refused reload, the admin port, requests from another version, sites of one name in two accounts.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::once::still_world;
use crate::reload::{free, metrics};
use crate::simulated::Simulated;
use crate::workplace::{Workplace, account, events, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running instance whose log is kept; it is killed with its owner.
struct Running<'a> {
    place: &'a Workplace,
    child: Child,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl<'a> Running<'a> {
    fn start(place: &'a Workplace, mut command: Command) -> Self {
        let [out, log] = ["out", "log"].map(|name| std::fs::File::create(place.path(name)).unwrap());
        let child = command.stdout(out).stderr(log).spawn().unwrap();
        Self { place, child }
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.place.path("log")).unwrap()
    }

    /// Waits until the log says `text` once more than `times` times.
    fn said(&self, text: &str, times: usize) {
        wait_for(PATIENCE, || (self.log().matches(text).count() > times).then_some(()));
    }

    fn out(&self) -> Vec<Value> {
        events(&std::fs::read(self.place.path("out")).unwrap())
    }

    /// Once all streams of all accounts have a pass behind them and all is delivered.
    fn settle(&self, accounts: usize) {
        wait_for(PATIENCE, || {
            std::thread::sleep(Duration::from_millis(100));
            let report: Value = serde_json::from_slice(&self.place.run(&["status", "--json"]).stdout).ok()?;
            let reports = report["accounts"].as_array()?;
            let is_done = |account: &&Value| {
                let streams = account["streams"].as_array();
                streams.is_some_and(|all| all.len() == 3 && all.iter().all(|one| one["last_pass"].is_number()))
            };
            let delivered = report["sinks"].as_array()?.iter().all(|sink| sink["backlog"] == 0);
            (reports.iter().filter(is_done).count() >= accounts && delivered && report["started"].is_number())
                .then_some(())
        });
    }

    /// Stops it and gives exit code and time.
    fn stop(mut self) -> (Option<i32>, Duration) {
        let began = Instant::now();
        self.signal("-TERM");
        let code = wait_for(PATIENCE, || self.child.try_wait().unwrap());
        (code.code(), began.elapsed())
    }
}

fn admin_section(address: SocketAddr) -> String {
    format!("\n[admin]\nlisten = \"{address}\"\n")
}

/// What `orgs list` shows.
fn listed(place: &Workplace) -> Vec<Value> {
    events(&place.run(&["orgs", "list", "--json"]).stdout)
}

#[test]
fn a_reload_that_is_refused_since_its_port_is_taken_neither_releases_nor_drops_anything() {
    let simulated = Simulated::start(&still_world());
    let sites = simulated.get("/sim/truth")["sites"].clone();
    let (place, admin) = (Workplace::new(&simulated, ""), free());
    let base = format!("{}\n[orgs]\n", account("acme", simulated.text("api_url")));
    place.configure(&format!("{base}{}", admin_section(admin)));
    let running = Running::start(&place, place.command(&["run"]));
    running.settle(1);
    let total = |place: &Workplace| -> u64 {
        let report: Value = serde_json::from_slice(&place.run(&["status", "--json"]).stdout).unwrap();
        report["journal"]["held_records"].as_u64().unwrap()
    };
    let (before, out) = (total(&place), running.out().len());
    assert!(before > 1_000, "{before}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mapped = format!("unmapped = \"drop\"\n[orgs.list.one]\nname = \"One\"\nsites = [{}]\n", sites[0]["uid"]);
    place.configure(&format!("{base}{mapped}{}", admin_section(taken.local_addr().unwrap())));
    running.signal("-HUP");
    running.said("the changed configuration is refused", 0);
    place.configure(&format!("{base}{}", admin_section(admin)));
    running.settle(1);
    assert_eq!((total(&place), running.out().len()), (before, out), "{}", running.log());
    assert_eq!(running.stop().0, Some(0));
}

#[test]
fn a_file_that_was_moved_away_is_back_at_once_though_the_configuration_is_refused() {
    let simulated = Simulated::start(&still_world());
    let (place, admin) = (Workplace::new(&simulated, ""), free());
    let text = format!(
        "{}\n[sinks.file.archive]\npath = \"archive\"\n{}",
        account("acme", simulated.text("api_url")),
        admin_section(admin)
    );
    place.configure(&text);
    let running = Running::start(&place, place.command(&["run"]));
    running.settle(1);
    std::fs::rename(place.path("archive"), place.path("archive.1")).unwrap();
    place.configure(&format!("{text}\n[nonsense]\n"));
    running.signal("-HUP");
    running.said("the changed configuration is refused", 0);
    wait_for(Duration::from_secs(10), || place.path("archive").exists().then_some(()));
    assert_eq!(running.stop().0, Some(0));
}

#[test]
fn clients_of_the_admin_port_that_say_nothing_delay_neither_a_reload_nor_a_stop() {
    let simulated = Simulated::start(&still_world());
    let (place, admin) = (Workplace::new(&simulated, ""), free());
    let text = format!("{}{}", account("acme", simulated.text("api_url")), admin_section(admin));
    place.configure(&text);
    let running = Running::start(&place, place.command(&["run"]));
    running.settle(1);
    let quiet = |text: &str| {
        let mut stream = TcpStream::connect(admin).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    };
    let clients = [quiet(""), quiet("GET /status HT"), quiet("GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ")];
    let began = Instant::now();
    place.configure(&format!("shutdown_timeout = \"20s\"\n{text}"));
    running.signal("-HUP");
    running.said("the changed configuration is in force", 0);
    assert!(began.elapsed() < Duration::from_secs(10), "the reload took {:?}", began.elapsed());
    let more = [quiet(""), quiet("GET /status HT")];
    let (code, took) = running.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "the stop took {took:?}");
    drop((clients, more));
}

#[test]
fn more_connections_than_descriptors_do_not_end_the_process() {
    let simulated = Simulated::start(&still_world());
    let (place, admin) = (Workplace::new(&simulated, ""), free());
    place.configure(&format!("{}{}", account("acme", simulated.text("api_url")), admin_section(admin)));
    // Room for everything but the last connections that the listener would keep.
    let mut command = Command::new("bash");
    command.args(["-c", &format!("ulimit -n 80; exec {} run", env!("CARGO_BIN_EXE_vintner"))]);
    let own = place.command(&[]);
    command.current_dir(place.path(".")).envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut running = Running::start(&place, command);
    running.settle(1);
    let idle: Vec<TcpStream> = (0..200).filter_map(|_| TcpStream::connect(admin).ok()).collect();
    running.said("the admin listener cannot accept connections", 0);
    std::thread::sleep(Duration::from_secs(3));
    assert!(running.child.try_wait().unwrap().is_none(), "{}", running.log());
    drop(idle);
    wait_for(PATIENCE, || metrics(admin).filter(|text| text.contains("vintner_")));
    assert_eq!(running.stop().0, Some(0));
}

#[test]
fn a_loopback_listener_gives_nothing_to_a_page_of_another_host() {
    let simulated = Simulated::start(&still_world());
    let (place, admin) = (Workplace::new(&simulated, ""), free());
    place.configure(&format!("{}{}", account("acme", simulated.text("api_url")), admin_section(admin)));
    let running = Running::start(&place, place.command(&["run"]));
    running.settle(1);
    let mut stream = TcpStream::connect(admin).unwrap();
    stream.write_all(b"GET /status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 421") && !answer.contains("acme"), "{answer}");
    assert_eq!(running.stop().0, Some(0));
}

#[test]
fn a_request_of_another_version_is_refused_and_the_instance_runs_on() {
    let simulated = Simulated::start(&still_world());
    let (place, admin) = (Workplace::new(&simulated, ""), free());
    place.configure(&format!("{}{}", account("acme", simulated.text("api_url")), admin_section(admin)));
    let running = Running::start(&place, place.command(&["run"]));
    running.settle(1);
    let journal = rusqlite::Connection::open(place.path("vintner.db")).unwrap();
    journal.busy_timeout(Duration::from_secs(10)).unwrap();
    journal.execute("INSERT INTO requests (request, asked_at) VALUES ('{\"conjure\":{}}', 0)", []).unwrap();
    let answer: String = wait_for(PATIENCE, || {
        let sql = "SELECT answer FROM answers WHERE (SELECT COUNT(*) FROM requests) = 0";
        journal.query_row(sql, [], |row| row.get(0)).ok()
    });
    assert!(answer.contains("refused") && answer.contains("conjure"), "{answer}");
    // The same of a command whose number no dead letter can have.
    let output = place.run(&["dead-letters", "drop", "18446744073709551615"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    running.settle(1);
    assert_eq!(running.stop().0, Some(0));
}

/// Both accounts have a site of one name; the second account's list is late.
#[test]
fn a_name_maps_nothing_before_every_account_has_shown_its_sites() {
    let world = |seed: u64| {
        let mut world = still_world();
        world["seed"] = json!(seed);
        world["account_uid"] = json!(format!("ab1c000{seed}"));
        world
    };
    let (first, second) = (Simulated::start(&world(1)), Simulated::start(&world(2)));
    let sites = first.get("/sim/truth")["sites"].clone();
    let (double, unique) = (sites[0]["name"].as_str().unwrap(), "Only In One");
    first.post("/sim/events", &json!([{"kind": "add_site", "name": unique}]));
    second.post("/sim/events", &json!([{"kind": "add_site", "name": double}]));
    let (place, admin) = (Workplace::new(&first, ""), free());
    let beta = account("beta", second.text("api_url"))
        .replace("\n[sinks.stdout.console]\n", "")
        .replace("ACME_KEY", "BETA_KEY")
        .replace("ACME_SECRET", "BETA_SECRET");
    let orgs = format!(
        "[orgs.list.double]\nname = \"Double\"\nsites = [{double:?}]\n[orgs.list.unique]\nname = {unique:?}\n\
         [orgs.list.listed]\nname = \"Listed\"\nsites = [{}]\n",
        sites[2]["uid"]
    );
    let text = format!("{}{beta}\n{orgs}{}", account("acme", first.text("api_url")), admin_section(admin));
    place.configure(&text);
    second.stand_still();
    let mut command = place.command(&["run"]);
    command.env("BETA_KEY", second.text("api_key")).env("BETA_SECRET", second.text("api_secret"));
    let running = Running::start(&place, command);
    running.settle(1);
    let count = |running: &Running<'_>, tenant: &str| {
        running.out().iter().filter(|event| event["metadata"]["tenant_uid"] == tenant).count()
    };
    assert!(count(&running, "listed") > 0, "a uid waits for nobody");
    assert_eq!((count(&running, "double"), count(&running, "unique")), (0, 0));
    let why = |row: &&Value| row["why"].as_str().unwrap().contains("site list of beta");
    assert_eq!(listed(&place).iter().filter(why).count(), 2);
    second.go_on();
    running.settle(2);
    assert!(count(&running, "unique") > 0, "{}", running.log());
    assert_eq!(count(&running, "double"), 0, "two sites have the name");
    assert_eq!(running.stop().0, Some(0));
}

#[test]
fn held_records_are_warned_of_and_listed_also_of_sites_that_no_list_shows() {
    let simulated = Simulated::start(&still_world());
    let sites = simulated.get("/sim/truth")["sites"].clone();
    let place = Workplace::new(&simulated, "");
    let excluded = sites[1]["name"].as_str().unwrap();
    place.configure(&format!(
        "{}\n[accounts.acme.filter]\nexclude_sites = [{excluded:?}]\n[orgs.list.one]\nname = \"One\"\nsites = [{}]\n",
        account("acme", simulated.text("api_url")),
        sites[0]["uid"]
    ));
    let output = place.run(&["--log-format", "json", "run", "--once"]);
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{log}");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summaries: Vec<&Value> = lines.iter().filter(|line| line["message"] == "summary").collect();
    assert_eq!(summaries.len(), 2, "{log}");
    let (of_account, of_sink) = (summaries[0], summaries[1]);
    let held: u64 = listed(&place).iter().map(|row| row["held"].as_u64().unwrap()).sum();
    assert_eq!((&of_account["account"], &of_account["held"]), (&json!("acme"), &json!(held)), "{log}");
    assert!(of_account["filtered"].as_u64().unwrap() > 0 && of_account["taken"].as_u64().unwrap() > 0);
    for field in ["ignored", "dropped", "rejected"] {
        assert!(of_account[field].is_u64(), "{field}: {of_account}");
    }
    let sent = events(&output.stdout).len();
    assert_eq!((&of_sink["sink"], &of_sink["sent"]), (&json!("console"), &json!(sent)));
    assert_eq!((&of_sink["dead"], &of_sink["pending"]), (&json!(0), &json!(0)));
    assert_eq!(of_account["taken"].as_u64(), of_sink["sent"].as_u64());
    let warning = lines.iter().find(|line| line["hint"] == "vintner orgs list").expect(&log);
    assert_eq!((&warning["level"], &warning["held"]), (&json!("WARN"), &json!(held)));
    assert!(warning["sites"].as_str().unwrap().contains(sites[2]["name"].as_str().unwrap()), "{warning}");

    // A record of a site that was taken off every list.
    let journal = rusqlite::Connection::open(place.path("vintner.db")).unwrap();
    let gone = sites[3]["uid"].as_str().unwrap();
    journal.execute("DELETE FROM sites WHERE uid = ?1", [gone]).unwrap();
    journal.execute("UPDATE meta SET value = value + 1 WHERE name = 'decisions'", []).unwrap();
    drop(journal);
    let rows = listed(&place);
    let row = rows.iter().find(|row| row["site_uid"] == gone).expect("a row for it");
    assert!(row["held"].as_u64().unwrap() > 0 && row["listed"] == false, "{row}");
    assert_eq!(rows.iter().map(|row| row["held"].as_u64().unwrap()).sum::<u64>(), held, "every held record is shown");
    let text = String::from_utf8_lossy(&place.run(&["orgs", "list"]).stdout).into_owned();
    assert!(text.lines().any(|line| line.contains(gone) && line.contains("is not in the site list")), "{text}");
}
