//! Kafka when something is wrong with it: each fault has a clear text, nothing is given up, and nothing is lost or repeated.

use std::fs::File;
use std::process::{Child, Stdio};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use super::broker::Broker;
use super::kafka_crash::live_world;
use super::verify::verify;
use crate::once::still_world;
use crate::simulated::Simulated;
use crate::workplace::{Workplace, ids, wait_for};

pub(super) const PATIENCE: Duration = Duration::from_secs(60);
pub(super) const QUICK: &str = "[accounts.acme.poll]\nalerts = \"1s\"\nactivity = \"1s\"\ninventory = \"20s\"\n";

pub(super) fn sink(brokers: &str, topic: &str, more: &str) -> String {
    format!(
        "[sinks.kafka.siem]\nbrokers = [\"{brokers}\"]\ntopic = \"{topic}\"\noffsets_topic = \"{topic}.offsets\"\n{more}\n"
    )
}

/// The program, running with its log in the file `log`.
pub(super) struct Running {
    child: Child,
}

/// A test that fails leaves no process behind.
impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            drop((self.child.kill(), self.child.wait()));
        }
    }
}

impl Running {
    pub(super) fn start(place: &Workplace) -> Self {
        Self::logging(place, "info")
    }

    /// The same, with a filter of the log.
    pub(super) fn logging(place: &Workplace, filter: &str) -> Self {
        let log = File::create(place.path("log")).unwrap();
        let mut command = place.command(&["run"]);
        let child = command.env("VINTNER_LOG", filter).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Self { child }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn signal(&self, name: &str) {
        super::signal(&self.child.id().to_string(), name);
    }

    /// SIGKILL.
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(super) fn stop(mut self) {
        self.signal("-TERM");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

pub(super) fn log(place: &Workplace) -> String {
    std::fs::read_to_string(place.path("log")).unwrap()
}

/// Waits until the log has all of `words`.
pub(super) fn says(place: &Workplace, words: &[&str]) -> String {
    wait_for(PATIENCE, || Some(log(place)).filter(|text| words.iter().all(|word| text.contains(word))))
}

pub(super) fn open_an_alert(simulated: &Simulated) {
    let device = simulated.get("/sim/truth")["alerts"][0]["device"].clone();
    simulated.post("/sim/events", &json!([{"kind": "open_alert", "device": device}]));
}

/// Waits until a batch is between its intent and its mirror: its transaction is open or being committed.
fn wait_for_a_commit_under_way(place: &Workplace) {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let journal = Connection::open_with_flags(place.path("vintner.db"), flags).unwrap();
    journal.busy_timeout(Duration::from_secs(5)).unwrap();
    let began = std::time::Instant::now();
    loop {
        let open: i64 = journal.query_row("SELECT COUNT(*) FROM intents", [], |row| row.get(0)).unwrap();
        if open > 0 {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "no batch came");
    }
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn a_broker_that_goes_away_in_the_middle_of_a_commit_costs_nothing() {
    let mut broker = Broker::start();
    let simulated = Simulated::start(&live_world(77));
    let more = format!("create_topics = true\n{QUICK}");
    let place = Workplace::new(&simulated, &sink(&broker.endpoint, "midway", &more));
    let running = Running::start(&place);
    says(&place, &["topic created", "midway.offsets"]);
    for round in 0..6 {
        std::thread::sleep(Duration::from_millis(700));
        wait_for_a_commit_under_way(&place);
        let frozen = broker.freeze();
        if round % 2 == 0 {
            // It stands still, and goes on.
            std::thread::sleep(Duration::from_secs(if round == 0 { 14 } else { 3 }));
            drop(frozen);
        } else {
            // It dies where it stands.
            broker.kill();
            std::mem::forget(frozen);
            std::thread::sleep(Duration::from_secs(1));
            broker = Broker::start();
        }
    }
    let text = says(&place, &["sink is down", "sink works again"]);
    assert!(!text.contains("sink stopped"), "{text}");
    running.stop();
    place.once();
    let events = broker.events("midway");
    assert!(ids(&events).values().all(|count| *count == 1), "an event came twice");
    let (code, report, said) = verify(&place);
    assert_eq!((code, &report["lost"], &report["found"]), (0, &json!(0), &json!(events.len())), "{report} {said}");
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn each_missing_right_is_named_and_once_it_is_given_everything_arrives() {
    let broker = Broker::start();
    for (topic, more) in [("guarded", ""), ("guarded.offsets", " --config cleanup.policy=compact")] {
        let words = format!("--create --topic {topic} --partitions 1{more}");
        broker.tool("TopicCommand", &words.split(' ').collect::<Vec<_>>());
    }
    let simulated = Simulated::start(&still_world());
    let login = "sasl = { mechanism = \"PLAIN\", username = \"vintner\", password = { file = \"password\" } }\n";
    let place = Workplace::new(&simulated, &sink(&broker.sasl, "guarded", login));
    let configuration = std::fs::read_to_string(place.path("vintner.toml")).unwrap();
    let patient = |time: &str| place.configure(&format!("shutdown_timeout = \"{time}\"\n{configuration}"));
    patient("14s");
    let fails = |words: &[&str]| {
        let output = place.run(&["run", "--once"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
        assert!(!text.contains("passw0rd") && !text.contains("\"secret\""), "{text}");
    };
    std::fs::write(place.path("password"), "passw0rd").unwrap();
    fails(&["sink is down", "uthentication"]);

    // Right after right, each asked for by name.
    patient("6s");
    std::fs::write(place.path("password"), "secret").unwrap();
    let prefixed = "--resource-pattern-type prefixed --operation";
    let steps = [
        (
            "the topic guarded.offsets cannot be used",
            "--topic guarded.offsets --operation Describe --operation Write".to_owned(),
        ),
        (
            "the topic guarded cannot be used",
            "--topic guarded --operation Describe --operation DescribeConfigs".to_owned(),
        ),
        (
            "may not use the transactional id",
            format!("--transactional-id vintner- {prefixed} Describe {prefixed} Write"),
        ),
        ("offsets topic guarded.offsets cannot be read", "--topic guarded.offsets --operation Read".to_owned()),
        ("opic authorization failed", "--topic guarded --operation Write".to_owned()),
    ];
    for (text, right) in steps {
        fails(&["sink is down", text]);
        // What can be known without sending anything, `check --online` says in the same words.
        let checked = place.run(&["check", "--online"]);
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        let is_told = !right.contains("--topic guarded --operation Write");
        assert_eq!(checked.status.code(), Some(i32::from(is_told)), "{said}");
        assert_eq!(said.contains(text), is_told, "{text}: {said}");
        broker.allow(&right.replace("--resource-pattern-type prefixed --operation Write", "--operation Write"));
    }
    let output = place.run(&["run", "--once"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let unreadable = place.run(&["verify"]);
    let said = String::from_utf8_lossy(&unreadable.stderr).into_owned();
    assert_eq!(unreadable.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot be read") && said.contains("uthoriz"), "{said}");
    broker.allow("--topic guarded --operation Read");
    let (code, report, said) = verify(&place);
    assert_eq!((code, &report["lost"], &report["repeated"]), (0, &json!(0), &json!(0)), "{report} {said}");
    assert!(report["found"].as_u64() > Some(2000), "{report}");
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn a_topic_that_is_deleted_under_a_live_sink_is_told_and_waited_for() {
    let broker = Broker::start();
    let simulated = Simulated::start(&still_world());
    let create = |topic: &str| broker.tool("TopicCommand", &["--create", "--topic", topic, "--partitions", "1"]);
    create("fleeting");
    create("fleeting.offsets");
    let place = Workplace::new(&simulated, &format!("{}{QUICK}", sink(&broker.endpoint, "fleeting", "")));
    place.once();
    let before = broker.events("fleeting").len();
    let running = Running::start(&place);
    open_an_alert(&simulated);
    wait_for(PATIENCE, || (broker.events("fleeting").len() == before + 1).then_some(()));
    // `create` made it as Kafka does if nobody says otherwise.
    says(&place, &["the offsets topic forgets positions after its retention", "cleanup.policy=compact"]);
    broker.tool("TopicCommand", &["--delete", "--topic", "fleeting"]);
    open_an_alert(&simulated);
    wait_for(PATIENCE, || {
        let text = log(&place);
        ["the topic fleeting does not exist", "Unknown topic"].iter().any(|word| text.contains(word)).then_some(())
    });
    says(&place, &["sink is down"]);
    create("fleeting");
    wait_for(PATIENCE, || (broker.events("fleeting").len() == 1).then_some(()));
    running.stop();
    let (code, report, _) = verify(&place);
    assert_eq!((code, &report["lost"], &report["found"]), (1, &json!(before + 1), &json!(1)), "{report}");
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn records_that_expire_are_no_loss_and_the_sink_goes_on() {
    let broker = Broker::start();
    let simulated = Simulated::start(&still_world());
    let place =
        Workplace::new(&simulated, &format!("{}{QUICK}", sink(&broker.endpoint, "expiring", "create_topics = true")));
    place.once();
    let before = broker.events("expiring").len();
    let retention = "--alter --entity-type topics --entity-name expiring --add-config retention.ms=1000";
    broker.tool("ConfigCommand", &retention.split(' ').collect::<Vec<_>>());
    wait_for(PATIENCE, || (broker.events("expiring").is_empty()).then_some(()));
    let keep = "--alter --entity-type topics --entity-name expiring --add-config retention.ms=-1";
    broker.tool("ConfigCommand", &keep.split(' ').collect::<Vec<_>>());
    open_an_alert(&simulated);
    place.once();
    assert_eq!(broker.events("expiring").len(), 1);
    let (code, report, _) = verify(&place);
    assert_eq!((code, &report["lost"], &report["expired"]), (0, &json!(0), &json!(before)), "{report}");
}

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn a_reload_that_changes_a_kafka_sink_loses_and_repeats_nothing() {
    let broker = Broker::start();
    let simulated = Simulated::start(&live_world(5));
    let base = |more: &str| {
        format!(
            "{}\n{}{QUICK}",
            crate::workplace::account("acme", simulated.text("api_url")),
            sink(&broker.endpoint, "reloaded", &format!("create_topics = true\n{more}"))
        )
    };
    let place = Workplace::new(&simulated, "");
    place.configure(&base(""));
    let running = Running::start(&place);
    says(&place, &["topic created"]);
    for round in 0..6 {
        std::thread::sleep(Duration::from_millis(1500));
        let linger = format!("librdkafka = {{ \"linger.ms\" = \"{}\" }}", round + 1);
        place.configure(&base(&linger));
        running.signal("-HUP");
    }
    wait_for(PATIENCE, || (log(&place).matches("the changed configuration is in force").count() >= 3).then_some(()));
    running.stop();
    place.once();
    let events = broker.events("reloaded");
    assert!(ids(&events).values().all(|count| *count == 1), "an event came twice");
    let (code, report, said) = verify(&place);
    assert_eq!((code, &report["lost"], &report["found"]), (0, &json!(0), &json!(events.len())), "{report} {said}");
}
