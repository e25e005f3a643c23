//! A `vintner simulate` process and its oracle.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A running simulation; ends with its owner.
pub(crate) struct Simulated {
    child: Child,
    /// What it printed at its start: `api_url`, `api_key`, `api_secret`, `account_uid`.
    pub(crate) hello: Value,
}

impl Simulated {
    /// Starts one with `options` (JSON of the world's options).
    pub(crate) fn start(options: &Value) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vintner"))
            .args(["simulate", "--listen", "127.0.0.1:0", "--options", &options.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let hello = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { child, hello }
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.hello[key].as_str().expect("text")
    }

    /// Stops the simulation, oracle included, in the middle of whatever it does: no answer comes until [`Self::go_on`].
    pub(crate) fn stand_still(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill runs").success());
    }

    /// `GET` of an oracle's path, as JSON.
    pub(crate) fn get(&self, path: &str) -> Value {
        self.exchange("GET", path, "")
    }

    /// `POST` of JSON to an oracle's path.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        self.exchange("POST", path, &body.to_string())
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> Value {
        let address = self.text("api_url").trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).expect("the simulation listens");
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        assert!(head.contains(" 200 "), "{method} {path}: {head}\n{body}");
        serde_json::from_str(body).unwrap_or(Value::Null)
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
