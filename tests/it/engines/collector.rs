//! The OpenTelemetry Collector on loopback.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::{data, free_ports, printed, script, signal};

/// A running Collector; it ends with its owner.
pub(crate) struct Collector {
    /// Its port for gRPC.
    pub(crate) grpc: u16,
    /// Its port for HTTP.
    pub(crate) http: u16,
    folder: String,
    environment: Vec<(&'static str, &'static str)>,
    pid: String,
}

impl Collector {
    /// Starts one with its data in the folder `name`.
    pub(crate) fn start(name: &str, environment: &[(&'static str, &'static str)]) -> Self {
        let folder = data(name).to_string_lossy().into_owned();
        let [grpc, http] = free_ports();
        let mut collector = Self { grpc, http, folder, environment: environment.to_vec(), pid: String::new() };
        collector.up();
        collector
    }

    fn up(&mut self) {
        let (grpc, http) = (self.grpc.to_string(), self.http.to_string());
        let output = script("collector-up", &[&self.folder, &grpc, &http], &self.environment);
        self.pid = printed(&output, "pid");
    }

    /// SIGKILL, silence, and a new start on the same data.
    pub(crate) fn crash(&mut self, silence: Duration) {
        signal(&self.pid, "-KILL");
        std::thread::sleep(silence);
        self.up();
    }

    /// How often each `log.record.uid` is in the Collector's file.
    pub(crate) fn ids(&self) -> BTreeMap<String, usize> {
        let mut ids = BTreeMap::new();
        for record in self.records() {
            *ids.entry(attribute(&record, "log.record.uid")).or_insert(0) += 1;
        }
        ids
    }

    /// Every log record in the Collector's file, as OTLP JSON.
    pub(crate) fn records(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(format!("{}/out.jsonl", self.folder)).unwrap_or_default();
        // A line torn by a kill was never confirmed.
        let requests = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let list = |mut value: Value, key: &str| value[key].as_array_mut().map(std::mem::take).unwrap_or_default();
        requests
            .flat_map(|request| list(request, "resourceLogs"))
            .flat_map(|logs| list(logs, "scopeLogs"))
            .flat_map(|scope| list(scope, "logRecords"))
            .collect()
    }

    /// A file of the Collector's folder, e.g. `tls/ca.pem`.
    pub(crate) fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        drop(std::process::Command::new("kill").arg(&self.pid).status());
    }
}

/// A text attribute of a record.
pub(crate) fn attribute(record: &Value, key: &str) -> String {
    let attributes = record["attributes"].as_array().expect("attributes");
    let found = attributes.iter().find(|pair| pair["key"] == key).unwrap_or_else(|| panic!("no {key}: {record}"));
    found["value"]["stringValue"].as_str().expect("a text").to_owned()
}
