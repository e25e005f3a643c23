//! The whole file: its sections in turn.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::read::{Section, accounts, events, lens, orgs, sinks};
use crate::config::settings::{Config, DEFAULT_JOURNAL, JournalConfig, WebhookConfig};
use crate::config::values::{self, Bad};
use crate::normalize::lens::rule::Rule;
use crate::org::Policy;

/// Reads every section. What is bad is reported and left out or replaced by its default, so that `check` can go on.
pub(crate) fn read(root: Section<'_>, mapping: Option<Section<'_>>, lens_rules: Vec<Rule>) -> Config {
    let shutdown_timeout = root.parse("shutdown_timeout", values::duration).unwrap_or(Duration::from_secs(30));
    let journal = journal(root.section("journal"));
    let (accounts, policies) = root.section("accounts").map(accounts::read).unwrap_or_default();
    let orgs = root.section("orgs").map(|section| orgs::read(section, mapping));
    let events = root.section("events").map(events::read).unwrap_or_default();
    let sinks = root.section("sinks").map(sinks::read).unwrap_or_default();
    let lens = Arc::new(lens::read(root.section("lens"), lens_rules));
    let admin = root.section("admin").and_then(|section| {
        let listen = section.required("listen", "for example listen = \"127.0.0.1:9598\"");
        section.finish();
        listen?.parse(values::listen)
    });
    let webhook = root.section("webhook").and_then(webhook);
    let telemetry = root.section("telemetry").and_then(|section| {
        let endpoint = section.required("otlp_endpoint", "for example otlp_endpoint = \"http://127.0.0.1:4317\"");
        section.finish();
        endpoint?.url(values::web_url)
    });
    root.finish();
    let hold_for = orgs.as_ref().map_or(orgs::HOLD_FOR, |orgs| orgs.hold_for);
    let policy = Policy { orgs: orgs.map(|orgs| orgs.rules), accounts: policies };
    Config { shutdown_timeout, journal, accounts, policy, hold_for, events, sinks, lens, admin, webhook, telemetry }
}

/// Smallest `journal.max_bytes`, in bytes.
const LEAST_JOURNAL: u64 = 1_000_000;

fn journal(section: Option<Section<'_>>) -> JournalConfig {
    const DAY: Duration = Duration::from_secs(86_400);
    let mut journal = JournalConfig { path: PathBuf::from(DEFAULT_JOURNAL), retain: DAY * 7, max_bytes: 10 << 30 };
    let Some(section) = section else { return journal };
    if let Some(path) = section.item("path").and_then(|item| item.file()) {
        journal.path = path;
    }
    if let Some(url) = section.item("url") {
        // It is not even parsed: it may hold a password.
        section.problems.mask(&url.at);
        let hint = "leave `url` out; `path` names the SQLite file";
        url.error("a journal in PostgreSQL is not built yet", Some(hint));
    }
    journal.retain = section.parse("retain", values::duration).unwrap_or(journal.retain);
    journal.max_bytes = section.parse("max_bytes", journal_size).unwrap_or(journal.max_bytes);
    section.finish();
    journal
}

/// A size that one page of records and the write-ahead log fit into: below it collectors would pause for good.
fn journal_size(text: &str) -> Result<u64, Bad> {
    let size = values::size(text)?;
    if size >= LEAST_JOURNAL {
        return Ok(size);
    }
    let hint = "collecting pauses at this size, and one page of records and the write-ahead log have to fit; the default is \"10GiB\"";
    Err(Bad::hint(format!("a journal of {text:?} is too small: at least \"1MB\""), hint))
}

fn webhook(section: Section<'_>) -> Option<WebhookConfig> {
    let listen = section.required("listen", "for example listen = \"127.0.0.1:8099\"");
    let secret = section.required("secret", "for example secret = { env = \"VINTNER_WEBHOOK_SECRET\" }");
    section.finish();
    let listen = listen.and_then(|item| item.parse(values::listen));
    let secret = secret.and_then(|item| item.secret());
    Some(WebhookConfig { listen: listen?, secret: secret? })
}
