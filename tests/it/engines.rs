//! The sinks against Apache Kafka and the OpenTelemetry Collector themselves. `tests/engines/run` runs these tests, which
//! need the engines; the default run leaves them out.

mod broker;
mod collector;
mod kafka;
mod kafka_crash;
mod otlp;

use std::path::PathBuf;
use std::process::Command;

/// Runs a script of `$VINTNER_ENGINES` and gives what it printed.
fn script(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let folder = std::env::var("VINTNER_ENGINES").expect("VINTNER_ENGINES names the folder of the engines' scripts");
    let output = Command::new(PathBuf::from(folder).join(name))
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .expect("the script starts");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
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

/// Ends a process by its id, with SIGKILL.
fn kill_hard(pid: &str) {
    assert!(Command::new("kill").args(["-9", pid]).status().expect("kill").success(), "kill -9 {pid}");
}

/// A number that the caller's environment may set.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
