//! What is behind stdout and stderr never stops the work nor tears a line: full pipes, full disks, readers that go or do not read.

use std::fs::OpenOptions;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::once::still_world;
use crate::simulated::Simulated;
use crate::workplace::{Workplace, account, events, ids, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);

/// A world that is large enough to fill pipes, and no larger.
fn world() -> Value {
    json!({
        "sites": 4, "devices": 30, "open_alerts": 150, "resolved_alerts": 0, "activity_history": 50, "history_days": 1,
        "alert_rate_per_hour": 0.0, "resolve_rate_per_hour": 0.0, "update_rate_per_hour": 0.0,
        "activity_rate_per_hour": 0.0, "inventory_rate_per_hour": 0.0, "reopen_share": 0.0, "activity_delay_max_ms": 0
    })
}

fn full() -> Stdio {
    Stdio::from(OpenOptions::new().write(true).open("/dev/full").unwrap())
}

/// Starts the program with a pipe as stdout whose end the program gets does not block, as of a parent that runs an event loop.
fn spawn_non_blocking(mut command: Command) -> (Child, PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    let child = command.stdout(OwnedFd::from(writer)).stderr(Stdio::null()).spawn().unwrap();
    (child, reader)
}

/// Reads to the end, after a while in which the pipe stays full.
fn read_late(mut reader: PipeReader) -> Vec<u8> {
    std::thread::sleep(Duration::from_millis(700));
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    bytes
}

fn with_credentials(simulated: &Simulated, command: &mut Command) {
    command.env("VINTNER_API_URL", simulated.text("api_url"));
    command.env("VINTNER_API_KEY", simulated.text("api_key")).env("VINTNER_API_SECRET", simulated.text("api_secret"));
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_non_blocking_stdout_is_waited_for_and_nothing_comes_twice() {
    let simulated = Simulated::start(&world());
    let place = Workplace::new(&simulated, "");
    let (mut child, reader) = spawn_non_blocking(place.command(&["run", "--once"]));
    let all = events(&read_late(reader));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(all.len() > 200 && ids(&all).values().all(|n| *n == 1), "{}", all.len());

    let mut fetch = place.command(&["fetch", "open-alerts"]);
    with_credentials(&simulated, &mut fetch);
    let (mut child, reader) = spawn_non_blocking(fetch);
    assert_eq!(events(&read_late(reader)).len(), 150);
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let (mut child, reader) = spawn_non_blocking(place.command(&["tail", "--no-follow", "--json", "-n", "200"]));
    assert_eq!(events(&read_late(reader)).len(), 200);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_output_that_is_full_ends_a_command_with_1_and_the_reason() {
    let simulated = Simulated::start(&world());
    let place = Workplace::new(&simulated, "");
    for arguments in [&["demo"][..], &["demo", "--events", "3"], &["fetch", "sites"]] {
        let mut command = place.command(arguments);
        with_credentials(&simulated, &mut command);
        let output = command.stdout(full()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(text.contains("standard output cannot be written") && text.contains("No space left"), "{text}");
    }
}

#[test]
fn a_stderr_whose_reader_is_gone_or_whose_disk_is_full_ends_nothing() {
    let simulated = Simulated::start(&world());
    let gone = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(OwnedFd::from(writer))
    };
    for stderr in [full, gone as fn() -> Stdio] {
        let place = Workplace::new(&simulated, "");
        let mut fetch = place.command(&["fetch", "sites"]);
        with_credentials(&simulated, &mut fetch);
        let output = fetch.env("VINTNER_LOG", "trace").stderr(stderr()).output().unwrap();
        assert_eq!((output.status.code(), events(&output.stdout).len()), (Some(0), 4));

        let once = place.command(&["run", "--once"]).env("VINTNER_LOG", "debug").stderr(stderr()).output().unwrap();
        assert_eq!(once.status.code(), Some(0));
        assert!(events(&once.stdout).len() > 200);
        let failed = place.command(&["run", "-c", "nowhere.toml"]).stderr(stderr()).output().unwrap();
        assert_eq!(failed.status.code(), Some(2), "the message is lost, the code is not");
        assert_eq!(place.command(&["frobnicate"]).stderr(stderr()).output().unwrap().status.code(), Some(2));

        let mut running =
            place.command(&["run"]).env("VINTNER_LOG", "debug").stdout(Stdio::null()).stderr(stderr()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(running.try_wait().unwrap(), None, "it runs on");
        signal(&running, "-TERM");
        assert_eq!(wait_for(PATIENCE, || running.try_wait().unwrap()).code(), Some(0));
    }
}

#[test]
fn a_stderr_that_nobody_reads_stops_neither_the_work_nor_the_stop() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    let (mut unread, mut writer) = std::io::pipe().unwrap();
    let filled = fill(&mut writer);
    let out = std::fs::File::create(place.path("out")).unwrap();
    let mut command = place.command(&["run"]);
    command.env("VINTNER_LOG", "debug").stdout(out).stderr(OwnedFd::from(writer));
    let mut child = command.spawn().unwrap();
    drop(command);
    wait_for(PATIENCE, || {
        let whole = std::fs::read(place.path("out")).unwrap().iter().filter(|byte| **byte == b'\n').count();
        (whole > 2000).then_some(())
    });
    signal(&child, "-TERM");
    let code = wait_for(PATIENCE, || child.try_wait().unwrap());
    assert_eq!(code.code(), Some(0));
    let mut log = Vec::new();
    unread.read_to_end(&mut log).unwrap();
    assert_eq!(log.len(), filled, "the pipe stayed full");
}

/// Guarantees: what cannot be delivered does not keep a second signal from ending the process, whoever reads stderr.
#[test]
fn a_second_signal_ends_the_process_though_nobody_reads_stderr() {
    let simulated = Simulated::start(&world());
    let place = Workplace::new(&simulated, "");
    let (_unread, mut writer) = std::io::pipe().unwrap();
    fill(&mut writer);
    let (_blocked, mut out) = std::io::pipe().unwrap();
    fill(&mut out);
    let mut child = place.command(&["run"]).stdout(OwnedFd::from(out)).stderr(OwnedFd::from(writer)).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    signal(&child, "-TERM");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(child.try_wait().unwrap(), None, "it waits for stdout");
    signal(&child, "-TERM");
    assert_eq!(wait_for(Duration::from_secs(3), || child.try_wait().unwrap()).code(), Some(3));
}

/// Fills a pipe, and gives how many bytes it holds.
fn fill(writer: &mut PipeWriter) -> usize {
    rustix::io::ioctl_fionbio(&*writer, true).unwrap();
    let mut filled = 0;
    while let Ok(written) = writer.write(&[b'\n'; 4096]) {
        filled += written;
    }
    rustix::io::ioctl_fionbio(&*writer, false).unwrap();
    filled
}

/// Guarantees: each line of the log is an object without a key that stands twice, whatever writes it.
#[test]
fn log_lines_are_objects_without_repeated_keys() {
    let simulated = Simulated::start(&world());
    // The library of this sink says what goes wrong in its own words.
    let siem = "[sinks.kafka.siem]\nbrokers = [\"127.0.0.1:1\"]\ntopic = \"events\"\ndelivery = \"at_least_once\"\n";
    let place = Workplace::new(&simulated, siem);
    let text = std::fs::read_to_string(place.path("vintner.toml")).unwrap();
    place.configure(&format!("shutdown_timeout = \"1s\"\n{text}"));
    let output =
        place.command(&["run", "--once", "--log-format", "json"]).env("VINTNER_LOG", "debug").output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    // The last lines are no log, they say how it ended.
    let text = &text[..text.find("\nerror: ").unwrap()];
    assert!(text.contains("Kafka client"), "{text}");
    for line in text.lines() {
        let keys: Keys = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(keys.0[..2], ["timestamp", "level"], "{line}");
    }
}

/// The keys of an object, each once.
struct Keys(Vec<String>);

impl<'de> serde::Deserialize<'de> for Keys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Keys;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys: Vec<String> = Vec::new();
                while let Some((key, _)) = map.next_entry::<String, Value>()? {
                    if keys.contains(&key) {
                        return Err(serde::de::Error::custom(format!("the key {key} stands twice")));
                    }
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Guarantees: a sink that replaces another one on stdout queues behind the line that the other one has begun.
#[test]
fn a_replaced_sink_on_a_blocked_stdout_tears_no_line() {
    let simulated = Simulated::start(&world());
    let place = Workplace::new(&simulated, "");
    let configuration = |more: &str| {
        let timeout = "shutdown_timeout = \"1s\"\n";
        place.configure(&format!("{timeout}{}{more}\n", account("acme", simulated.text("api_url"))));
    };
    configuration("");
    let (mut reader, writer) = std::io::pipe().unwrap();
    let (log, log_writer) = std::io::pipe().unwrap();
    let mut command = place.command(&["run", "--log-format", "json"]);
    command.stdout(OwnedFd::from(writer)).stderr(OwnedFd::from(log_writer));
    let mut child = command.spawn().unwrap();
    drop(command);
    // The pipe is full long before everything is in it. Its reader wakes up once the second sink waits behind the first.
    std::thread::sleep(Duration::from_secs(2));
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(log));
    for format in ["ecs", "ocsf"] {
        configuration(&format!("format = \"{format}\"\n"));
        signal(&child, "-HUP");
        assert!(lines.any(|line| line.unwrap().contains("the changed configuration is in force")));
        std::thread::sleep(Duration::from_millis(500));
    }
    let reading = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        bytes
    });
    std::thread::spawn(move || lines.for_each(drop));
    std::thread::sleep(Duration::from_secs(2));
    signal(&child, "-TERM");
    wait_for(PATIENCE, || child.try_wait().unwrap());
    let bytes = reading.join().unwrap();
    assert_eq!(bytes.last(), Some(&b'\n'));
    // Every line is one event.
    let all = events(&bytes);
    let ocsf: Vec<Value> = all.into_iter().filter(|event| event["metadata"]["uid"].is_string()).collect();
    assert!(ids(&ocsf).len() > 200, "{}", ids(&ocsf).len());
}

/// Guarantees: what a file sink did not write is neither cut nor appended to, least of all the journal, by whatever name.
#[test]
fn a_file_sink_destroys_no_file_of_others() {
    let simulated = Simulated::start(&world());
    let place = Workplace::new(&simulated, "");
    place.once();
    std::fs::hard_link(place.path("vintner.db"), place.path("hard")).unwrap();
    std::os::unix::fs::symlink(place.path("vintner.db"), place.path("soft")).unwrap();
    std::fs::write(place.path("notes"), "a list\nof things").unwrap();
    std::fs::write(place.path("empty"), "").unwrap();
    let absolute = place.path("vintner.db-wal");
    let account = account("acme", simulated.text("api_url"));
    let check = |paths: &[&str]| {
        let sinks = paths.iter().enumerate();
        let sinks: String = sinks.map(|(n, path)| format!("[sinks.file.s{n}]\npath = \"{path}\"\n")).collect();
        place.configure(&format!("{account}{sinks}"));
        let output = place.run(&["check"]);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for path in ["./././vintner.db", "hard", "soft", absolute.to_str().unwrap(), "vintner.db-shm", "vintner.db-lock"] {
        let (code, text) = check(&[path]);
        assert!(code == Some(2) && text.contains("the journal's own file"), "{path}: {text}");
        assert_eq!(place.run(&["run", "--once"]).status.code(), Some(2), "{path}");
    }
    for path in ["/dev/null", "/dev/full", "."] {
        let (code, text) = check(&[path]);
        assert!(code == Some(2) && text.contains("a file sink needs a regular file"), "{path}: {text}");
    }
    let (code, text) = check(&["empty", "./../SELF/empty".replace("SELF", &folder_name(&place)).as_str()]);
    assert!(code == Some(2) && text.contains("writes to this file already"), "{text}");
    let (code, text) = check(&["notes"]);
    assert!(code == Some(2) && text.contains("no event of vintner"), "{text}");
    let text = std::fs::read_to_string(place.path("vintner.toml")).unwrap();
    place.configure(&format!("shutdown_timeout = \"1s\"\n{text}"));
    let once = place.run(&["run", "--once"]);
    assert_eq!(once.status.code(), Some(1), "the sink is down: {}", String::from_utf8_lossy(&once.stderr));
    assert_eq!(std::fs::read_to_string(place.path("notes")).unwrap(), "a list\nof things");
    assert!(place.run(&["check", "--journal", "-c", "vintner.toml"]).status.code() == Some(2));
    place.configure(&account);
    assert!(place.run(&["check", "--journal"]).status.success(), "the journal is whole");
}

fn folder_name(place: &Workplace) -> String {
    place.path("").file_name().unwrap().to_str().unwrap().to_owned()
}

/// Guarantees: a file that vintner wrote is taken up again in every format, and one that is removed is made anew with all that was not
/// confirmed.
#[test]
fn a_file_sink_takes_its_own_files_up_again() {
    let simulated = Simulated::start(&world());
    let place = Workplace::new(&simulated, "");
    let account = account("acme", simulated.text("api_url"));
    let all = r#"route = { streams = ["alerts", "activity", "inventory", "vintner"] }"#;
    let files = ["ocsf", "ecs", "raw"];
    let sinks =
        files.map(|format| format!("[sinks.file.{format}]\npath = \"{format}\"\nformat = \"{format}\"\n{all}\n"));
    place.configure(&format!("{account}{}", sinks.concat()));
    place.once();
    let lines = |file: &str| events(&std::fs::read(place.path(file)).unwrap()).len();
    let before = files.map(lines);
    let device = simulated.get("/sim/truth")["alerts"][0]["device"].as_str().unwrap().to_owned();
    for file in files {
        let mut text = OpenOptions::new().append(true).open(place.path(file)).unwrap();
        text.write_all(b"{\"torn\":").unwrap();
        simulated.post("/sim/events", &json!([{"kind": "open_alert", "device": device}]));
    }
    place.once();
    for (file, before) in files.into_iter().zip(before) {
        assert!(before > 200 && lines(file) > before, "{file}");
    }
}
