//! The sinks against Apache Kafka and the OpenTelemetry Collector themselves. `tests/engines/run` runs these tests, which
//! need the engines; the default run leaves them out.

mod broker;
mod collector;
mod door;
mod kafka;
mod kafka_commit;
mod kafka_crash;
mod kafka_faults;
mod kafka_logins;
mod otlp;
mod token_server;
mod verify;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a script of `tests/engines` and gives what it printed.
fn script(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = try_script(name, arguments, environment);
    output.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The same; what it said on standard error if it failed.
fn try_script(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<String, String> {
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engines").join(name))
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .expect("the script starts");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8(output.stdout).expect("UTF-8"))
}

/// Where the engines keep their data.
fn data(name: &str) -> PathBuf {
    let folder = std::env::var("VINTNER_ENGINES_DATA").expect("tests/engines/run sets VINTNER_ENGINES_DATA");
    PathBuf::from(folder).join(name)
}

/// The value of `<key>=` in what a script printed.
fn printed(output: &str, key: &str) -> String {
    let prefix = format!("{key}=");
    let found = output.split_whitespace().find_map(|word| word.strip_prefix(&prefix));
    found.unwrap_or_else(|| panic!("no {key} in {output}")).to_owned()
}

/// Ports of 127.0.0.1 that nobody listens on. They lie below those that the system gives to clients: one of these could get
/// the port of an engine that is down for a moment.
fn free_ports<const N: usize>() -> [u16; N] {
    let mut found = [0; N];
    let mut held = Vec::new();
    for port in &mut found {
        let (listener, free) = (0..1000)
            .map(|_| fastrand::u16(20_000..32_000))
            .find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok().map(|listener| (listener, port)))
            .expect("a free port");
        held.push(listener);
        *port = free;
    }
    found
}

/// Sends a process a signal, e.g. `-KILL`, by its id.
fn signal(pid: &str, signal: &str) {
    assert!(Command::new("kill").args([signal, pid]).status().expect("kill").success(), "kill {signal} {pid}");
}

/// A number that the caller's environment may set.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
