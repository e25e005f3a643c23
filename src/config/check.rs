//! What spans several keys: names that must exist, things that must not meet, settings without effect.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::config::nearest::nearest;
use crate::config::places::{Problems, join};
use crate::config::settings::otlp::OtlpProtocol;
use crate::config::settings::{Config, SinkKind};
use crate::org::{Rules, Unmapped};
use crate::sink::kafka::TopicPart;

pub(crate) mod claims;

/// Adds what is wrong with a configuration as a whole.
pub(crate) fn check(config: &Config, problems: &Problems) {
    required_tables(problems);
    same_api_user(config, problems);
    outputs(config, problems);
    listeners(config, problems);
    if let Some(rules) = &config.policy.orgs {
        claims::check(rules, problems);
        nothing_mapped(rules, problems);
    }
    org_references(config, problems);
}

fn required_tables(problems: &Problems) {
    // A table that is there but wrong was reported where it stands.
    if problems.names_below("accounts").is_empty() {
        let hint = "add [accounts.<name>] with platform, api_key and api_secret, or start from `vintner init`";
        problems.error_of_file("no account: there is nothing to collect", hint);
    }
    let kinds = ["stdout", "file", "kafka", "otlp"].map(|kind| join("sinks", kind));
    // So was a table of no known kind.
    let is_foreign = problems.names_below("sinks").iter().any(|name| !kinds.contains(&join("sinks", name)));
    if kinds.iter().all(|kind| problems.names_below(kind).is_empty()) && !is_foreign {
        let hint = "add for example [sinks.stdout.console]";
        problems.error_of_file("no sink: there is nowhere to deliver to", hint);
    }
}

/// Two accounts with one API user are one Datto account, which the running vintner refuses (contract.md section 4).
fn same_api_user(config: &Config, problems: &Problems) {
    for (index, account) in config.accounts.iter().enumerate() {
        let earlier = config.accounts.iter().take(index);
        let mut twins = earlier
            .filter(|other| other.endpoint == account.endpoint && other.api_key.origin == account.api_key.origin);
        if let Some(twin) = twins.next() {
            let message = format!("`{}` and `{}` log in with the same API key", twin.name, account.name);
            let hint = "two tables of one Datto RMM account are both refused when they run".to_owned();
            problems.warn_at(&account.api_key.key, message, Some(hint));
        }
    }
}

/// Two sinks must not write to one place, nor a sink into the journal.
fn outputs(config: &Config, problems: &Problems) {
    let mut files: BTreeMap<PathBuf, &str> = BTreeMap::new();
    let mut console: Option<&str> = None;
    let mut topics: Vec<(&[String], &[TopicPart], &str)> = Vec::new();
    for sink in &config.sinks {
        let table = join(&join("sinks", sink.kind.as_str()), &sink.name);
        match &sink.kind {
            SinkKind::File { path } => {
                let key = join(&table, "path");
                if plain(path) == plain(&config.journal.path) {
                    problems.error_at(&key, "this is the journal's own file", None);
                }
                if let Some(other) = files.insert(plain(path), &sink.name) {
                    problems.error_at(&key, format!("the sink `{other}` writes to this file already"), None);
                }
            }
            SinkKind::Stdout => {
                if let Some(other) = console.replace(&sink.name) {
                    let message = format!("the sink `{other}` writes to standard output too: their lines will mix");
                    problems.warn_at(&table, message, None);
                }
            }
            SinkKind::Kafka(kafka) => {
                let (brokers, topic) = (&kafka.brokers[..], &kafka.topic.parts[..]);
                let twin = topics.iter().find(|(others, same, _)| *others == brokers && *same == topic);
                // A key that was refused has its default here.
                if let Some((.., other)) = twin.filter(|_| !problems.has_errors()) {
                    let message = format!("the sink `{other}` writes to this topic too");
                    let hint =
                        "what the routes of both name arrives there twice, and `vintner verify` calls it repeated";
                    problems.warn_at(&join(&table, "topic"), message, Some(hint.to_owned()));
                }
                topics.push((brokers, topic, &sink.name));
            }
            SinkKind::Otlp(otlp) => {
                if otlp.protocol == OtlpProtocol::Http
                    && otlp.endpoint.path().trim_end_matches('/').ends_with("/v1/logs")
                {
                    let hint = "leave it out of the endpoint".to_owned();
                    problems.warn_at(
                        &join(&table, "endpoint"),
                        "vintner adds /v1/logs to the endpoint itself",
                        Some(hint),
                    );
                }
            }
        }
    }
}

/// A path without the steps that lead nowhere.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

fn listeners(config: &Config, problems: &Problems) {
    if let (Some(admin), Some(webhook)) = (config.admin, &config.webhook)
        && admin == webhook.listen
        && admin.port() != 0
    {
        problems.error_at("webhook.listen", "[admin] listens on this address already", None);
    }
}

/// A section that maps nothing holds everything, which nobody wants for long.
fn nothing_mapped(rules: &Rules, problems: &Problems) {
    if rules.list.is_empty() && !rules.autotask && rules.unmapped == Unmapped::Hold {
        let message = "no organization is listed: the records of every site are held";
        let hint = "list organizations, or leave [orgs] out: then every site is its own".to_owned();
        problems.warn_at("orgs", message, Some(hint));
    }
}

/// Organizations that a key names but no table lists. Such an id may be meant (it just has no name), so this only warns, and
/// only where the id cannot arise otherwise or looks like a slip.
fn org_references(config: &Config, problems: &Problems) {
    let Some(rules) = &config.policy.orgs else { return };
    let listed: Vec<&str> = rules.list.iter().map(|org| org.id.as_str()).collect();
    let slip = |key: &str, id: &str| {
        let near = nearest(id, listed.iter().copied()).filter(|_| !listed.contains(&id));
        if let Some(near) = near {
            let hint = Some(format!("did you mean {near:?}?"));
            problems.warn_at(key, format!("{id:?} is not one of the listed organizations"), hint);
        }
    };
    if let Unmapped::Default(id) = &rules.unmapped {
        slip("orgs.default_org", id);
    }
    let mut arising = listed.clone();
    for (name, account) in &config.policy.accounts {
        if let Some(id) = &account.user_activity_org {
            slip(&join(&join("accounts", name), "user_activity_org"), id);
            arising.push(id);
        }
    }
    if let Unmapped::Default(id) = &rules.unmapped {
        arising.push(id);
    }
    for sink in &config.sinks {
        let table = join(&join("sinks", sink.kind.as_str()), &sink.name);
        let orgs = sink.route.iter().flat_map(|route| route.orgs.iter().flatten());
        for (index, id) in orgs.enumerate() {
            let own_account = config.accounts.iter().any(|account| account.user_activity_org.is_none());
            let may_arise = arising.contains(&id.as_str()) || (rules.autotask && id.starts_with("autotask-"));
            if !may_arise {
                let near = nearest(id, arising.iter().copied()).map(|near| format!("did you mean {near:?}?"));
                let hint = near.or_else(|| own_account.then(|| "fine if it is the uid of an account".to_owned()));
                let message = format!("{id:?} is not one of the listed organizations");
                problems.warn_at(&format!("{table}.route.orgs.{index}"), message, hint);
            }
        }
    }
}
