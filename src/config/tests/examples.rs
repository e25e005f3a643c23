//! Every configuration that is shipped is read, and the one that shows every key really does.

use std::collections::BTreeSet;

use super::*;
use crate::config::settings::Endpoint;
use crate::config::template::{Place, TemplateError, template};

/// The text with every line switched on that begins with `#` and a key.
pub(super) fn switched_on(text: &str) -> String {
    let switch = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => rest.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(switch).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_shipped_configuration_is_good() {
    let examples = std::fs::read_dir(package("config/examples")).unwrap().map(|entry| entry.unwrap().path());
    let configurations = examples.filter(|path| !path.ends_with("msp-orgs.toml"));
    let mut count = 0;
    for path in configurations.chain([package("config/vintner.toml")]) {
        let loaded = load(&path).unwrap_or_else(|found| panic!("{}", told(&found, "")));
        assert_eq!(told(&loaded.found, ""), "", "{}", path.display());
        count += 1;
    }
    assert_eq!(count, 10);
}

#[test]
fn shipped_examples_are_built() {
    for name in ["quickstart", "msp", "archive", "elastic", "kafka", "otlp", "systemd", "redpanda", "event-hubs"] {
        let loaded = load(&package(&format!("config/examples/{name}.toml"))).unwrap();
        assert!(loaded.unbuilt().is_empty(), "{name}");
    }
}

#[test]
fn the_reference_shows_the_defaults() {
    let text = std::fs::read_to_string(package("config/vintner.toml")).unwrap();
    let loaded = good(&text).config;
    let defaults: Vec<&str> =
        text.lines().filter(|line| line.starts_with('#') && line.contains("# default. ")).collect();
    let mut on = text.clone();
    for line in &defaults {
        on = on.replace(*line, &line[1..]);
    }
    assert!(defaults.len() > 20, "{}", defaults.len());
    let mut on = good(&on).config;
    // A form that is named is what a terminal is shown too, also where it is the default.
    on.sinks.iter_mut().zip(&loaded.sinks).for_each(|(on, loaded)| on.has_format = loaded.has_format);
    assert_eq!(on, loaded);
}

/// The keys that the source of the reader asks for, by the calls that ask.
fn keys_asked() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for entry in std::fs::read_dir(package("src/config/read")).unwrap() {
        let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for call in
            ["item(\"", "section(\"", "parse(\"", "required(\"", "(&sections, \"", " flag(\"", " text(\"", "secret(\""]
        {
            let arguments = source.split(call).skip(1);
            keys.extend(arguments.map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
    }
    keys
}

/// Guarantees: whatever the reader understands, the reference shows, and it can be switched on there.
#[test]
fn the_reference_shows_every_key() {
    let text = std::fs::read_to_string(package("config/vintner.toml")).unwrap();
    let on = switched_on(&text).replace("file = \"orgs.toml\"", "").replace("file = \"lens.toml\"", "");
    let config = good(&on).config;
    assert!(config.policy.orgs.is_some_and(|rules| rules.list[0].labels.len() == 1));
    let keys = keys_asked();
    assert!(keys.len() > 50, "{}", keys.len());
    let shows = |key: &str| {
        let key_forms = [" ", "#", "\n"].map(|before| format!("{before}{key} ="));
        let table_forms = [format!("[{key}]"), format!("[{key}."), format!(".{key}]"), format!(".{key}.")];
        key_forms.iter().chain(&table_forms).any(|form| text.contains(form.as_str()))
    };
    let untold: Vec<String> = keys.into_iter().filter(|key| !shows(key)).collect();
    assert_eq!(untold, ["otlp_endpoint", "secret", "telemetry", "url", "webhook"], "what is refused is not shown");
}

#[test]
fn init_writes_a_good_configuration() {
    let platform = |name: &str| Place::Platform(name.to_owned());
    let text = template(&platform("vidal"), "north_1").unwrap();
    let loaded = good(&text);
    assert_eq!(loaded.config.accounts[0].name, "north_1");
    assert!(loaded.found.is_empty() && loaded.unbuilt().is_empty());
    assert!(loaded.config.admin.is_some());
    assert_eq!(template(&platform("burgundy"), "a"), Err(TemplateError::Platform("burgundy".into())));
    assert_eq!(template(&platform("vidal"), "a b"), Err(TemplateError::Account("a b".into())));
    let gateway = template(&Place::ApiUrl("https://rmm.example:8443".to_owned()), "a").unwrap();
    assert!(matches!(good(&gateway).config.accounts[0].endpoint, Endpoint::ApiUrl(_)));
    for bad in ["http://rmm.example", "https://rmm.example/api", "rmm.example", "https://a\"\n[admin]"] {
        assert!(matches!(template(&Place::ApiUrl(bad.to_owned()), "a"), Err(TemplateError::ApiUrl(_))), "{bad}");
    }
}
