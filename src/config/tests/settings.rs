//! What a good file means.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::collect::alerts::fields::Updates;
use crate::collect::inventory::look::{PostureChanges, Snapshot};
use crate::collect::source::Start;
use crate::config::settings::kafka::{
    Delivery, KafkaCompression, KafkaConfig, PasswordMechanism, SaslConfig, TlsConfig, TopicTemplate,
};
use crate::config::settings::{
    Config, Endpoint, EventsConfig, InventoryConfig, LimitsConfig, PollConfig, RouteConfig, SinkKind, UsersConfig,
};
use crate::inventory::SiteType;
use crate::journal::StartAt;
use crate::normalize::ocsf::severity::Overrides;
use crate::normalize::udf::Udfs;
use crate::normalize::{Alerting, Format, RawData};
use crate::org::{AccountPolicy, Filter, Org, Rules, Unmapped};
use crate::record::Stream;
use crate::sink::kafka::{MessageTime, TopicPart};

const ACCOUNT: &str = r#"
[accounts.acme]
platform = "merlot"
api_key = { env = "K" }
api_secret = { env = "S" }
"#;

/// An account, a console and more.
fn with(more: &str) -> Config {
    good(&format!("{ACCOUNT}\n{more}\n[sinks.stdout.console]\n")).config
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_lens_reads_the_operator_s_rules_first() {
    use crate::normalize::lens::Lens;
    assert_eq!(*with("").lens, Lens::shipped());
    assert_eq!(*with("[lens]\nenabled = false").lens, Lens::default());
    let main =
        format!("{ACCOUNT}\n[lens]\nfile = \"my.toml\"\napi_users = [\" Svc-Vintner \"]\n[sinks.stdout.console]\n");
    let rules = "[rules.mine]\ncategory = \"job\"\nlast = true\n";
    let (_directory, loaded) = load_files(&[("vintner.toml", &main), ("my.toml", rules)]);
    let lens = loaded.unwrap().config.lens;
    assert_eq!((lens.rules[0].id.as_str(), &lens.api_users), ("mine", &vec!["svc-vintner".to_owned()]));
    assert_eq!(lens.rules.len(), Lens::shipped().rules.len() + 1);
    let alone = main.replace("[lens]", "[lens]\ndefaults = false");
    let (_directory, loaded) = load_files(&[("vintner.toml", &alone), ("my.toml", rules)]);
    assert_eq!(loaded.unwrap().config.lens.rules.len(), 1);
}

#[test]
fn defaults_are_those_of_the_contract() {
    let config = with("");
    assert_eq!(config.shutdown_timeout, seconds(30));
    assert_eq!(config.journal.path, PathBuf::from("vintner.db"));
    assert_eq!((config.journal.retain, config.journal.max_bytes), (seconds(7 * 86_400), 10 * 1024 * 1024 * 1024));
    assert_eq!(config.hold_for, seconds(30 * 86_400));
    assert_eq!(config.policy.orgs, None);
    assert_eq!((config.admin, config.webhook.is_none(), config.telemetry.is_none()), (None, true, true));
    let account = &config.accounts[0];
    assert_eq!(account.endpoint, Endpoint::Platform("merlot"));
    assert_eq!(account.start, Start::Ago(seconds(86_400)));
    assert_eq!(account.updates, Updates::All);
    let minute = Some(seconds(60));
    assert_eq!(account.poll, PollConfig { alerts: minute, activity: minute, inventory: Some(seconds(3600)) });
    assert_eq!(
        account.inventory,
        InventoryConfig { snapshot: Snapshot::Off, posture: PostureChanges::Told, udfs: Udfs::NONE }
    );
    assert_eq!(config.events, EventsConfig::default());
    let limits = LimitsConfig { budget: 0.8, block_pause: seconds(300), max_body: 32 << 20, timeout: seconds(30) };
    assert_eq!(account.limits, limits);
    let sink = &config.sinks[0];
    assert_eq!((&sink.kind, sink.format, sink.raw_data), (&SinkKind::Stdout, Format::Ocsf, RawData::Off));
    assert_eq!((sink.from, sink.route.is_none()), (StartAt::Oldest, true));
}

#[test]
fn an_account_is_read_in_full() {
    let config = with(
        r#"
        [accounts.acme.poll]
        alerts = "1m30s"
        activity = "off"
        [accounts.acme.alerts]
        updates = "state"
        [accounts.acme.limits]
        budget = 1
        max_body = "1MB"
        [accounts.acme.filter]
        include_sites = ["*"]
        exclude_sites = ["Lab*"]
        site_types = ["managed", "on_demand"]
        min_priority = "moderate"
        [accounts.local]
        api_url = "http://[::1]:8080/"
        api_key = { file = "key" }
        api_secret = { credential = "secret" }
        user_activity_org = "msp"
        start = "all"
        "#,
    );
    let acme = &config.accounts[0];
    let poll = PollConfig { alerts: Some(seconds(90)), activity: None, inventory: Some(seconds(3600)) };
    assert_eq!((acme.poll, acme.updates, acme.limits.budget), (poll, Updates::State, 1.0));
    assert_eq!(acme.limits.max_body, 1_000_000);
    let filter = Filter {
        include_sites: Some(vec!["*".into()]),
        exclude_sites: vec!["Lab*".into()],
        site_types: Some(vec![SiteType::Managed, SiteType::OnDemand]),
        min_severity: Some(3),
    };
    assert_eq!(config.policy.accounts["acme"], AccountPolicy { user_activity_org: None, filter });
    let local = &config.accounts[1];
    assert_eq!(local.endpoint, Endpoint::ApiUrl("http://[::1]:8080".parse().unwrap()));
    assert_eq!((local.start, local.api_secret.key.as_str()), (Start::All, "accounts.local.api_secret"));
    assert_eq!(config.policy.accounts["local"].user_activity_org.as_deref(), Some("msp"));
}

#[test]
fn what_of_the_inventory_and_of_severities_is_told() {
    let config = with(
        r#"
        [accounts.acme.inventory]
        snapshot = "daily"
        posture = "off"
        udfs = [300, 1, 7, 1]
        entra_device_id_udf = 12
        [events]
        alert_url = "https://{platform}.example/alert/{alert_uid}"
        severities = { Moderate = "high", urgent = "fatal", "posture.at_risk" = "low", Information = "unknown", Ransomware_ctx = "critical", "posture.patch" = "informational" }
        alerting = ["security"]
        users = "hash"
        users_key = { env = "USERS_KEY" }
        "#,
    );
    let udfs = Udfs { listed: vec![1, 7, 300], entra_device_id: Some(12) };
    let inventory = InventoryConfig { snapshot: Snapshot::Daily, posture: PostureChanges::Untold, udfs };
    assert_eq!(config.accounts[0].inventory, inventory);
    assert_eq!(config.events.alert_url.as_deref(), Some("https://{platform}.example/alert/{alert_uid}"));
    assert_eq!(config.events.alerting, Alerting(vec!["security"]));
    let UsersConfig::Hash(key) = &config.events.users else { panic!("{:?}", config.events.users) };
    assert_eq!(key.key, "events.users_key");
    assert!(config.secrets().contains(&key), "check looks whether it can be read");
    let severities = [
        ("moderate", 4),
        ("urgent", 6),
        ("posture.at_risk", 2),
        ("information", 0),
        ("ransomware_ctx", 5),
        ("posture.patch", 1),
    ]
    .map(|(key, id)| (key.to_owned(), id));
    assert_eq!(config.events.severities, Overrides(severities.into()));
}

#[test]
fn organizations_keep_file_order_and_come_from_both_files() {
    let main = format!(
        "{ACCOUNT}
        [sinks.stdout.console]
        [orgs]
        file = \"orgs.toml\"
        unmapped = \"default\"
        [orgs.ignore]
        sites = [\"Old\"]
        [orgs.list.zeta]
        sites = [\" Zeta HQ \"]
        accounts = [\"acme\"]
        "
    );
    let mapping = "autotask = true\ndefault_org = \"rest\"\n[ignore]\nsites = [\"Lab\"]\n[list.\"a.b\"]\nname = \"Alpha\"\nlabels = { tier = \"1\" }\n";
    let (_directory, loaded) = load_files(&[("vintner.toml", &main), ("orgs.toml", mapping)]);
    let rules = loaded.unwrap().config.policy.orgs.unwrap();
    let zeta = Org {
        id: "zeta".into(),
        name: "zeta".into(),
        accounts: Some(vec!["acme".into()]),
        sites: vec!["Zeta HQ".into()],
        labels: BTreeMap::new(),
    };
    let alpha = Org {
        id: "a.b".into(),
        name: "Alpha".into(),
        accounts: None,
        sites: Vec::new(),
        labels: BTreeMap::from([("tier".to_owned(), "1".to_owned())]),
    };
    let expected = Rules {
        list: vec![zeta, alpha],
        ignore: vec!["Old".into(), "Lab".into()],
        auto_match: true,
        autotask: true,
        unmapped: Unmapped::Default("rest".into()),
    };
    assert_eq!(rules, expected);
}

#[test]
fn sinks_keep_file_order_and_their_routes() {
    let config = with(
        r#"
        [sinks.file.late]
        path = "events"
        format = "raw"
        raw_data = "all"
        from = "now"
        route = { streams = ["alerts", "vintner"], orgs = ["a"], min_severity = "high", labels = ["security", "posture"] }
        "#,
    );
    let names: Vec<&str> = config.sinks.iter().map(|sink| sink.name.as_str()).collect();
    assert_eq!(names, ["late", "console"]);
    let late = &config.sinks[0];
    assert_eq!((late.format, late.raw_data, late.from), (Format::Raw, RawData::All, StartAt::Now));
    let route = RouteConfig {
        streams: Some(vec![Stream::Alerts, Stream::Vintner]),
        orgs: Some(vec!["a".into()]),
        min_severity: Some(4),
        labels: Some(vec!["security", "posture"]),
    };
    assert_eq!(late.route, Some(route));
}

fn kafka(keys: &str) -> KafkaConfig {
    let config = with(&format!("[sinks.kafka.siem]\nbrokers = [\"127.0.0.1:9092\", \"[::1]:9093\"]\n{keys}\n"));
    let SinkKind::Kafka(kafka) = &config.sinks[0].kind else { panic!("{:?}", config.sinks[0]) };
    (**kafka).clone()
}

#[test]
fn a_kafka_sink_has_defaults() {
    let expected = KafkaConfig {
        brokers: vec!["127.0.0.1:9092".into(), "[::1]:9093".into()],
        topic: TopicTemplate { parts: vec![TopicPart::Text("security.ocsf.datto-rmm".into())] },
        delivery: Delivery::ExactlyOnce,
        timestamp: MessageTime::Logged,
        offsets_topic: "vintner-offsets".into(),
        create_topics: false,
        compression: KafkaCompression::Zstd,
        tls: None,
        sasl: None,
        librdkafka: BTreeMap::new(),
    };
    assert_eq!(kafka(""), expected);
}

#[test]
fn a_kafka_sink_is_read_in_full() {
    let kafka = kafka(
        r#"
        topic = "security.{org}-{stream}.v1"
        tls = {}
        sasl = { mechanism = "SCRAM-SHA-256", username = "u", password = { env = "P" } }
        librdkafka = { "linger.ms" = 5, "ssl.key.password" = { env = "Q" } }
        "#,
    );
    let text = |text: &str| TopicPart::Text(text.into());
    let parts = vec![text("security."), TopicPart::Org, text("-"), TopicPart::Stream, text(".v1")];
    assert_eq!(kafka.topic, TopicTemplate { parts });
    assert_eq!(kafka.tls, Some(TlsConfig::default()));
    let Some(SaslConfig::Password { mechanism, username, .. }) = &kafka.sasl else { panic!("{:?}", kafka.sasl) };
    assert_eq!((*mechanism, username.as_str()), (PasswordMechanism::ScramSha256, "u"));
    let keys: Vec<&str> = kafka.secrets().iter().map(|secret| secret.key.as_str()).collect();
    assert_eq!(keys, ["sinks.kafka.siem.sasl.password", "sinks.kafka.siem.librdkafka.\"ssl.key.password\""]);
    let linger = kafka.librdkafka["linger.ms"].read(&Variables(HashMap::new())).unwrap();
    assert_eq!(linger.expose(), "5");
}

#[test]
fn a_file_from_another_editor_is_read() {
    let text = format!("\u{feff}{ACCOUNT}[sinks.stdout.console]\n").replace('\n', "\r\n");
    assert_eq!(good(&text).config, with(""));
}

#[test]
fn what_is_not_built_is_told() {
    let loaded = good(&format!(
        "{ACCOUNT}
        [sinks.file.f]
        path = \"p\"
        [webhook]
        listen = \"127.0.0.1:1\"
        secret = {{ env = \"W\" }}
        [telemetry]
        otlp_endpoint = \"http://127.0.0.1:4317\"
        "
    ));
    let messages: Vec<String> = loaded.unbuilt().into_iter().map(|found| found.message).collect();
    let expected = ["the webhook", "telemetry over OTLP"];
    assert_eq!(messages, expected.map(|what| format!("{what} is not part of this version yet")));
}
