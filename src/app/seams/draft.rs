//! A configuration of the simulation: what the run reads as TOML, and what the oracle reads as it is.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use fastrand::Rng;

/// A whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Draft {
    pub(crate) accounts: Vec<Account>,
    /// `None`: every site is its own organization.
    pub(crate) orgs: Option<Orgs>,
    pub(crate) sinks: Vec<Sink>,
    pub(crate) admin: Option<String>,
    pub(crate) journal: PathBuf,
    pub(crate) max_kib: u64,
    /// Extra text at the end, which makes it one that is refused.
    pub(crate) spoiled_by: String,
}

/// One account.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Account {
    pub(crate) name: String,
    /// The account's own uid.
    pub(crate) uid: String,
    /// The variable of its key.
    pub(crate) key: String,
    pub(crate) own_org: Option<String>,
    /// Site names or uids.
    pub(crate) exclude: Vec<String>,
    pub(crate) min_priority: Option<&'static str>,
    /// Seconds between passes of alerts and activity.
    pub(crate) poll: u64,
    pub(crate) updates: &'static str,
}

/// `[orgs]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Orgs {
    pub(crate) list: Vec<Org>,
    pub(crate) ignore: Vec<String>,
    pub(crate) auto_match: bool,
    pub(crate) unmapped: Unmapped,
    /// In a mapping file beside the configuration.
    pub(crate) in_file: bool,
}

/// One organization.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Org {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The only account whose sites it takes.
    pub(crate) account: Option<String>,
    /// Names or uids.
    pub(crate) sites: Vec<String>,
}

/// What becomes of sites that no rule maps.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Unmapped {
    #[default]
    Hold,
    Drop,
    Default,
}

/// Organization of `unmapped = "default"`.
pub(crate) const REST: &str = "rest";

/// One sink.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sink {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) format: &'static str,
    /// `None`: all that are collected.
    pub(crate) streams: Option<Vec<&'static str>>,
    pub(crate) orgs: Option<Vec<String>>,
    pub(crate) min_severity: Option<&'static str>,
    pub(crate) from_now: bool,
    /// Changes nothing but makes it another sink of the same name.
    pub(crate) turn: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    ExactlyOnce,
    AtLeastOnce,
    Otlp,
    /// The real one.
    File(PathBuf),
    /// The real one, on a pipe of the simulation.
    Stdout,
}

/// Sinks beside the two that take everything.
pub(crate) const OTHERS: [&str; 5] = ["once", "least", "otlp", "out", "file"];

pub(crate) const STREAMS: [&str; 4] = ["alerts", "activity", "inventory", "vintner"];

impl Draft {
    /// Writes the file that the run reads, and the mapping file.
    pub(crate) fn write(&self, file: &Path) {
        let mut text = String::new();
        let mapping = file.with_file_name("orgs.toml");
        writeln!(text, "shutdown_timeout = \"5s\"\n[journal]\npath = {:?}", self.journal).unwrap();
        writeln!(text, "retain = \"30d\"\nmax_bytes = \"{}KiB\"", self.max_kib).unwrap();
        for account in &self.accounts {
            account.write(&mut text);
        }
        if let Some(orgs) = &self.orgs {
            let (mut head, mut list) = (String::from("[orgs]\n"), String::new());
            orgs.write(&mut head, &mut list, if orgs.in_file { "" } else { "orgs." });
            if orgs.in_file {
                std::fs::write(&mapping, list).unwrap();
                head += "file = \"orgs.toml\"\n";
            } else {
                head += &list;
            }
            text += &head;
        }
        for sink in &self.sinks {
            sink.write(&mut text);
        }
        if let Some(admin) = &self.admin {
            writeln!(text, "[admin]\nlisten = {admin:?}").unwrap();
        }
        text += &self.spoiled_by;
        std::fs::write(file, text).unwrap();
    }

    pub(crate) fn account(&self, uid: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.uid == uid)
    }
}

impl Account {
    /// The host of its platform.
    pub(crate) fn host(&self) -> String {
        format!("{}.example", self.name)
    }

    /// Where its records without a site go.
    pub(crate) fn own(&self) -> &str {
        self.own_org.as_deref().unwrap_or(&self.uid)
    }

    fn write(&self, text: &mut String) {
        let Self { name, key, poll, updates, exclude, .. } = self;
        writeln!(text, "[accounts.{name}]\napi_url = \"https://{}\"\nstart = \"all\"", self.host()).unwrap();
        writeln!(text, "api_key = {{ env = \"{key}\" }}\napi_secret = {{ env = \"SECRET\" }}").unwrap();
        if let Some(org) = &self.own_org {
            writeln!(text, "user_activity_org = {org:?}").unwrap();
        }
        writeln!(text, "[accounts.{name}.poll]\nalerts = \"{poll}s\"\nactivity = \"{poll}s\"\ninventory = \"150s\"")
            .unwrap();
        writeln!(text, "[accounts.{name}.limits]\nblock_pause = \"30s\"").unwrap();
        writeln!(text, "[accounts.{name}.alerts]\nupdates = {updates:?}").unwrap();
        writeln!(text, "[accounts.{name}.filter]\nexclude_sites = {exclude:?}").unwrap();
        if let Some(priority) = self.min_priority {
            writeln!(text, "min_priority = {priority:?}").unwrap();
        }
    }
}

impl Orgs {
    fn write(&self, head: &mut String, list: &mut String, prefix: &str) {
        let unmapped = match self.unmapped {
            Unmapped::Hold => "hold",
            Unmapped::Drop => "drop",
            Unmapped::Default => "default",
        };
        writeln!(head, "auto_match = {}\nunmapped = {unmapped:?}", self.auto_match).unwrap();
        if self.unmapped == Unmapped::Default {
            writeln!(head, "default_org = {REST:?}").unwrap();
        }
        writeln!(list, "[{prefix}ignore]\nsites = {:?}", self.ignore).unwrap();
        for Org { id, name, account, sites } in &self.list {
            writeln!(list, "[{prefix}list.{id}]\nname = {name:?}\nsites = {sites:?}").unwrap();
            if let Some(account) = account {
                writeln!(list, "accounts = [{account:?}]").unwrap();
            }
        }
    }
}

impl Sink {
    /// One that takes everything.
    pub(crate) fn all(name: &str, kind: Kind, format: &'static str) -> Self {
        let streams = Some(STREAMS.to_vec());
        let name = name.to_owned();
        Self { name, kind, format, streams, orgs: None, min_severity: None, from_now: false, turn: 0 }
    }

    /// One with a drawn route.
    pub(crate) fn draw(name: &str, rng: &mut Rng, folder: &Path) -> Self {
        // A sink of one name keeps its kind: a position in a receiver belongs to one journal's history.
        let kind = match name {
            "once" => Kind::ExactlyOnce,
            "least" => Kind::AtLeastOnce,
            "otlp" => Kind::Otlp,
            "out" => Kind::Stdout,
            _ => Kind::File(folder.join(format!("{name}.ndjson"))),
        };
        let format = *rng.choice(&["ocsf", "ecs", "raw"]).unwrap();
        let mut sink = Self::all(name, kind, format);
        sink.from_now = rng.u8(0..4) == 0;
        sink.draw_route(rng);
        sink
    }

    pub(crate) fn draw_route(&mut self, rng: &mut Rng) {
        let some: Vec<&'static str> = STREAMS.into_iter().filter(|_| rng.bool()).collect();
        self.streams = (!some.is_empty()).then_some(some);
        self.orgs = (rng.u8(0..3) == 0).then(|| vec!["a".to_owned(), "msp".to_owned(), REST.to_owned()]);
        self.min_severity = (rng.u8(0..4) == 0).then(|| *rng.choice(&["low", "medium", "high"]).unwrap());
    }

    fn write(&self, text: &mut String) {
        let Self { name, format, turn, .. } = self;
        match &self.kind {
            Kind::ExactlyOnce => writeln!(
                text,
                "[sinks.kafka.{name}]\nbrokers = [\"127.0.0.1:{}\"]\ntopic = {name:?}\ndelivery = \"exactly_once\"",
                9092 + turn
            ),
            Kind::AtLeastOnce => writeln!(
                text,
                "[sinks.kafka.{name}]\nbrokers = [\"127.0.0.1:{}\"]\ntopic = {name:?}\ndelivery = \"at_least_once\"",
                9092 + turn
            ),
            Kind::Otlp => writeln!(text, "[sinks.otlp.{name}]\nendpoint = \"http://127.0.0.1:{}\"", 4317 + turn),
            Kind::Stdout => writeln!(text, "[sinks.stdout.{name}]"),
            Kind::File(path) => writeln!(text, "[sinks.file.{name}]\npath = {path:?}"),
        }
        .unwrap();
        writeln!(text, "format = {format:?}").unwrap();
        if self.from_now {
            writeln!(text, "from = \"now\"").unwrap();
        }
        let mut route = Vec::new();
        route.extend(self.streams.as_ref().map(|streams| format!("streams = {streams:?}")));
        route.extend(self.orgs.as_ref().map(|orgs| format!("orgs = {orgs:?}")));
        route.extend(self.min_severity.map(|least| format!("min_severity = {least:?}")));
        if !route.is_empty() {
            writeln!(text, "route = {{ {} }}", route.join(", ")).unwrap();
        }
    }
}
