//! The configuration as the rest of vintner sees it: plain typed values, every default applied.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::collect::alerts::fields::Updates;
use crate::collect::inventory::look::{PostureChanges, Snapshot};
use crate::collect::source::Start;
use crate::config::secrets::{SecretRef, SecretText};
use crate::journal::StartAt;
use crate::normalize::lens::Lens;
use crate::normalize::ocsf::severity::Overrides;
use crate::normalize::udf::Udfs;
use crate::normalize::{Alerting, Format, RawData};
use crate::org::Policy;
use crate::record::Stream;

pub mod kafka;
pub mod otlp;

/// Datto's platforms (datto-rmm-api.md section 1).
pub const PLATFORMS: [&str; 6] = ["pinotage", "merlot", "concord", "vidal", "zinfandel", "syrah"];

/// A whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// How long a stop may take.
    pub shutdown_timeout: Duration,
    /// `[journal]`.
    pub journal: JournalConfig,
    /// `[accounts.*]`, in file order; at least one.
    pub accounts: Vec<AccountConfig>,
    /// `[orgs]` and the filters of all accounts.
    pub policy: Policy,
    /// Records held longer than this are dropped.
    pub hold_for: Duration,
    /// `[events]`.
    pub events: EventsConfig,
    /// `[sinks.*.*]`, in file order; at least one.
    pub sinks: Vec<SinkConfig>,
    /// `[lens]`: the rules in force.
    pub lens: Arc<Lens>,
    /// `[admin] listen`.
    pub admin: Option<SocketAddr>,
    /// `[webhook]`.
    pub webhook: Option<WebhookConfig>,
    /// `[telemetry] otlp_endpoint`.
    pub telemetry: Option<Url>,
}

/// `journal.path` unless it is set; relative to the working directory.
pub const DEFAULT_JOURNAL: &str = "vintner.db";

/// `[journal]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    /// The SQLite file; a relative path counts from the working directory.
    pub path: PathBuf,
    /// How long delivered records are kept for replay.
    pub retain: Duration,
    /// Size at which collectors pause.
    pub max_bytes: u64,
}

/// `[accounts.<name>]`, but for its filter and `user_activity_org`, which [`Config::policy`] holds too.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountConfig {
    /// The name of the table.
    pub name: String,
    /// Where its API is.
    pub endpoint: Endpoint,
    /// The proxy in front of its API; `None`: what the environment says.
    pub proxy: Option<ProxyConfig>,
    /// Certificates in PEM that are trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// API key of the API user.
    pub api_key: SecretRef,
    /// API secret key of the API user.
    pub api_secret: SecretRef,
    /// Where account-level activity goes; `None`: the account's uid.
    pub user_activity_org: Option<String>,
    /// How far back the first start reaches.
    pub start: Start,
    /// How often each stream is read.
    pub poll: PollConfig,
    /// Which updates of alerts are told.
    pub updates: Updates,
    /// `[accounts.<name>.inventory]`.
    pub inventory: InventoryConfig,
    /// `[accounts.<name>.limits]`.
    pub limits: LimitsConfig,
}

/// `[events]`: what all sinks tell alike, since an event has one id wherever it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventsConfig {
    /// Severities in place of the defaults.
    pub severities: Overrides,
    /// Address of an alert in the portal, with placeholders.
    pub alert_url: Option<String>,
    /// Labels of findings that are alerts.
    pub alerting: Alerting,
    /// What events say of users.
    pub users: UsersConfig,
}

/// `users` and `users_key`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UsersConfig {
    /// Names, full names, e-mail addresses, phone numbers.
    #[default]
    Full,
    /// Names alone.
    Name,
    /// Keyed hashes; where the key is.
    Hash(SecretRef),
}

/// Where an account's API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// One of Datto's platforms, by name.
    Platform(&'static str),
    /// `api_url`: the host root of a gateway or test server; https, or http to a loopback host.
    ApiUrl(Url),
}

/// `proxy` of an account, a sink or a token server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyConfig {
    /// None, whatever the environment says.
    Off,
    /// This one, whatever the environment says.
    At {
        /// The key that names it, e.g. `accounts.acme.proxy`.
        key: String,
        /// Its address; with user name and password only as a reference.
        address: SecretText,
    },
}

impl ProxyConfig {
    /// The secret that it refers to, if it does.
    pub fn secret(&self) -> Option<&SecretRef> {
        match self {
            Self::Off => None,
            Self::At { address, .. } => address.reference(),
        }
    }
}

/// `[accounts.<name>.poll]`; `None`: the stream is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollConfig {
    /// Alerts, open and resolved.
    pub alerts: Option<Duration>,
    /// The activity log.
    pub activity: Option<Duration>,
    /// Sites and devices.
    pub inventory: Option<Duration>,
}

/// `[accounts.<name>.inventory]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InventoryConfig {
    /// Whether unchanged devices and sites are told anew.
    pub snapshot: Snapshot,
    /// Whether posture changes are told.
    pub posture: PostureChanges,
    /// The user-defined fields that are told.
    pub udfs: Udfs,
}

/// `[accounts.<name>.limits]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimitsConfig {
    /// Share of the account's request limit, above 0 and at most 1.
    pub budget: f64,
    /// Pause after a 403 block.
    pub block_pause: Duration,
    /// Largest answer, in bytes, also after decompression.
    pub max_body: u64,
    /// Bound on one exchange.
    pub timeout: Duration,
}

/// `[sinks.<kind>.<name>]`.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkConfig {
    /// The name of the table, unique among all sinks.
    pub name: String,
    /// What it is, with the settings of its kind.
    pub kind: SinkKind,
    /// Form of the events.
    pub format: Format,
    /// Whether the configuration names the form: then a terminal is shown it too.
    pub has_format: bool,
    /// Which events carry the source text.
    pub raw_data: RawData,
    /// Where a sink that the journal never saw starts.
    pub from: StartAt,
    /// What it gets; `None`: everything but vintner's own events.
    pub route: Option<RouteConfig>,
}

/// The kinds of sinks.
#[derive(Clone, Debug, PartialEq)]
pub enum SinkKind {
    /// Standard output.
    Stdout,
    /// A file of one JSON object a line.
    File {
        /// A relative path counts from the working directory.
        path: PathBuf,
    },
    /// A Kafka topic.
    Kafka(Box<kafka::KafkaConfig>),
    /// An OTLP receiver.
    Otlp(Box<otlp::OtlpConfig>),
}

/// `route` of a sink. What is `None` does not narrow it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteConfig {
    /// Only these streams; `None`: all but vintner's own events.
    pub streams: Option<Vec<Stream>>,
    /// Only records of these organizations, by id.
    pub orgs: Option<Vec<String>>,
    /// Only events of this severity id (1 to 5) and above.
    pub min_severity: Option<u8>,
    /// Only events that have one of these labels.
    pub labels: Option<Vec<&'static str>>,
}

/// `[webhook]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What callers must know.
    pub secret: SecretRef,
}

impl Config {
    /// All secrets that it refers to, in no order.
    pub fn secrets(&self) -> Vec<&SecretRef> {
        let accounts = self.accounts.iter().flat_map(|account| {
            let proxy = account.proxy.as_ref().and_then(ProxyConfig::secret);
            [&account.api_key, &account.api_secret].into_iter().chain(proxy)
        });
        let sinks = self.sinks.iter().flat_map(|sink| match &sink.kind {
            SinkKind::Stdout | SinkKind::File { .. } => Vec::new(),
            SinkKind::Kafka(kafka) => kafka.secrets(),
            SinkKind::Otlp(otlp) => otlp.secrets(),
        });
        let users = match &self.events.users {
            UsersConfig::Hash(key) => Some(key),
            UsersConfig::Full | UsersConfig::Name => None,
        };
        accounts.chain(sinks).chain(users).chain(self.webhook.iter().map(|webhook| &webhook.secret)).collect()
    }
}

impl SinkKind {
    /// The word of the table path, e.g. `kafka` of `[sinks.kafka.siem]`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::File { .. } => "file",
            Self::Kafka(_) => "kafka",
            Self::Otlp(_) => "otlp",
        }
    }
}
