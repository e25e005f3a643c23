//! A folder with a configuration, and the program run in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::simulated::Simulated;

/// A folder with `vintner.toml`; goes away with its owner.
pub(crate) struct Workplace {
    folder: TempDir,
    key: String,
    secret: String,
}

impl Workplace {
    /// A configuration of one account at `simulated`, events on stdout, with `more` appended.
    pub(crate) fn new(simulated: &Simulated, more: &str) -> Self {
        let place = Self {
            folder: tempfile::tempdir().expect("a folder"),
            key: simulated.text("api_key").to_owned(),
            secret: simulated.text("api_secret").to_owned(),
        };
        place.configure(&format!("{}\n{more}", account("acme", simulated.text("api_url"))));
        place
    }

    /// Replaces the configuration.
    pub(crate) fn configure(&self, text: &str) {
        std::fs::write(self.path("vintner.toml"), text).expect("written");
    }

    /// Replaces the secret that the program finds in its environment.
    pub(crate) fn with_secret(mut self, secret: &str) -> Self {
        self.secret = secret.to_owned();
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with `arguments`, in this folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vintner"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("ACME_KEY", &self.key)
            .env("ACME_SECRET", &self.secret);
        // What leads out of the machine of the tests is no concern of theirs.
        for proxy in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(proxy);
        }
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary starts")
    }

    /// Runs `run --once` and gives its events; fails the test if it does not end well.
    pub(crate) fn once(&self) -> Vec<Value> {
        let output = self.run(&["run", "--once"]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        events(&output.stdout)
    }

    /// Starts the program with stdout in the file `name`.
    pub(crate) fn spawn(&self, arguments: &[&str], name: &str) -> Child {
        let out = File::create(self.path(name)).expect("a file");
        self.command(arguments).stdout(out).stderr(Stdio::null()).spawn().expect("the binary starts")
    }
}

/// An `[accounts.<name>]` table.
pub(crate) fn account(name: &str, api_url: &str) -> String {
    format!(
        "[accounts.{name}]\napi_url = \"{api_url}\"\napi_key = {{ env = \"ACME_KEY\" }}\napi_secret = {{ env = \"ACME_SECRET\" }}\n\
         user_activity_org = \"msp\"\nstart = \"all\"\n\n[sinks.stdout.console]\n"
    )
}

/// The whole lines of `output` as JSON.
pub(crate) fn events(output: &[u8]) -> Vec<Value> {
    let whole = output.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let text = std::str::from_utf8(&output[..whole]).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"))).collect()
}

/// How often each event id occurs.
pub(crate) fn ids(events: &[Value]) -> BTreeMap<String, usize> {
    let mut ids = BTreeMap::new();
    for event in events {
        let id = event["metadata"]["uid"].as_str().expect("an id").to_owned();
        *ids.entry(id).or_insert(0) += 1;
    }
    ids
}

/// The events of one alert, by activity.
pub(crate) fn alert_steps(events: &[Value]) -> BTreeMap<String, Vec<i64>> {
    let mut steps: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["class_uid"] == 2004) {
        let uid = event["finding_info"]["uid"].as_str().expect("a uid").to_owned();
        steps.entry(uid).or_default().push(event["activity_id"].as_i64().expect("a number"));
    }
    steps
}

/// Waits until `look` gives something, for at most `limit`.
pub(crate) fn wait_for<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < limit, "waited {limit:?} in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}
