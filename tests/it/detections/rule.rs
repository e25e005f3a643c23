//! Sigma rules and correlations, as far as the detections use Sigma. What is not understood ends the test.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use serde_json::Value;

use super::condition::Condition;
use super::form::{Pipeline, text, values};
use super::yaml;

/// What every document says.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) name: String,
    pub(crate) source: Value,
}

/// A rule about single events.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) head: Head,
    pub(crate) service: String,
    pub(crate) category: Option<String>,
    selections: BTreeMap<String, Vec<Item>>,
    condition: Condition,
}

/// A rule about several events.
#[derive(Debug)]
pub(crate) struct Correlation {
    pub(crate) head: Head,
    pub(crate) rules: Vec<String>,
    pub(crate) group_by: Vec<String>,
    /// Milliseconds.
    pub(crate) span: i64,
    pub(crate) least: usize,
    /// Distinct values of this field are counted; without it events.
    pub(crate) field: Option<String>,
}

/// A field that has one of several values.
#[derive(Debug)]
struct Item {
    field: String,
    modifiers: Vec<String>,
    values: Vec<Value>,
}

/// The documents of a file.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    pub(crate) rules: Vec<Rule>,
    pub(crate) correlations: Vec<Correlation>,
}

impl Documents {
    pub(crate) fn read(path: &Path) -> Self {
        let mut read = Self::default();
        for source in yaml::documents(path) {
            let head = Head { name: source["name"].as_str().expect("a name").to_owned(), source: source.clone() };
            match source["correlation"].is_object() {
                true => read.correlations.push(Correlation::of(head)),
                false => read.rules.push(Rule::of(head)),
            }
        }
        read
    }
}

impl Rule {
    fn of(head: Head) -> Self {
        let source = &head.source;
        let word = |key: &str| source["logsource"][key].as_str().map(str::to_owned);
        assert_eq!(word("product").as_deref(), Some("datto_rmm"), "{}", head.name);
        let mut selections = BTreeMap::new();
        for (name, selection) in source["detection"].as_object().unwrap() {
            if name != "condition" {
                selections.insert(name.clone(), selection.as_object().unwrap().iter().map(Item::of).collect());
            }
        }
        let condition = Condition::of(source["detection"]["condition"].as_str().unwrap());
        let (service, category) = (word("service").unwrap(), word("category"));
        Self { service, category, selections, condition, head }
    }

    /// Whether an event, in the form of the pipeline, is one that the rule looks for.
    pub(crate) fn matches(&self, event: &Value, pipeline: &Pipeline) -> bool {
        let (field, service) = pipeline.service(&self.service);
        if !values(event, field).contains(&service) {
            return false;
        }
        let fits = |selection: &str| {
            let items = self.selections.get(selection).unwrap_or_else(|| panic!("{}: {selection}", self.head.name));
            items.iter().all(|item| item.matches(event, pipeline, self.category.as_deref()))
        };
        self.condition.holds(&self.selections.keys().map(String::as_str).collect::<Vec<_>>(), &fits)
    }

    /// The value of a field that has one; the first where an event has several.
    pub(crate) fn value(&self, event: &Value, pipeline: &Pipeline, field: &str) -> Option<String> {
        let field = pipeline.field(self.category.as_deref(), field);
        values(event, &field).first().map(|value| text(value))
    }

    /// Fields with the one value that they must have, as JSON.
    pub(crate) fn equalities(&self) -> impl Iterator<Item = (&str, &Value)> {
        let items = self.selections.values().flatten().filter(|item| item.modifiers.is_empty());
        items.map(|item| (item.field.as_str(), &item.values[0]))
    }

    /// Every field that the rule asks for or shows.
    pub(crate) fn fields(&self) -> Vec<String> {
        let asked = self.selections.values().flatten().map(|item| item.field.clone());
        let shown = self.head.source["fields"].as_array().into_iter().flatten().map(text);
        asked.chain(shown).collect()
    }
}

impl Item {
    fn of((key, value): (&String, &Value)) -> Self {
        let mut parts = key.split('|').map(str::to_owned);
        let field = parts.next().unwrap();
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        Self { field, modifiers: parts.collect(), values }
    }

    fn matches(&self, event: &Value, pipeline: &Pipeline, category: Option<&str>) -> bool {
        let field = pipeline.field(category, &self.field);
        let found = values(event, &field);
        let fits = |wanted: &Value| found.iter().any(|found| self.fits(found, wanted, pipeline.form.ignores_case()));
        let modifiers: Vec<&str> = self.modifiers.iter().map(String::as_str).collect();
        if modifiers.contains(&"all") { self.values.iter().all(fits) } else { self.values.iter().any(fits) }
    }

    fn fits(&self, found: &Value, wanted: &Value, ignores_case: bool) -> bool {
        let cased = |value: &Value| if ignores_case { text(value).to_lowercase() } else { text(value) };
        let (found, wanted) = (cased(found), cased(wanted));
        let modifiers: Vec<&str> = self.modifiers.iter().map(String::as_str).filter(|name| *name != "all").collect();
        match modifiers.as_slice() {
            [] => {
                assert!(!wanted.contains(['*', '?']), "wildcards are not understood: {wanted}");
                found == wanted
            }
            ["contains"] => found.contains(&wanted),
            ["startswith"] => found.starts_with(&wanted),
            ["endswith"] => found.ends_with(&wanted),
            ["gte"] => number(&found).is_some_and(|found| found >= number(&wanted).unwrap()),
            ["cidr"] => is_within(&found, &wanted),
            other => panic!("modifiers {other:?} are not understood"),
        }
    }
}

fn number(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// Whether an address is in a network.
fn is_within(address: &str, network: &str) -> bool {
    let (base, bits) = network.split_once('/').expect("a network");
    let bits: u32 = bits.parse().unwrap();
    match (address.parse(), base.parse().expect("an address")) {
        (Ok(IpAddr::V4(address)), IpAddr::V4(base)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(address) & mask == u32::from(base) & mask
        }
        (Ok(IpAddr::V6(address)), IpAddr::V6(base)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            u128::from(address) & mask == u128::from(base) & mask
        }
        _ => false,
    }
}

impl Correlation {
    fn of(head: Head) -> Self {
        let correlation = &head.source["correlation"];
        let texts = |key: &str| correlation[key].as_array().unwrap().iter().map(text).collect::<Vec<_>>();
        let condition = &correlation["condition"];
        let kind = correlation["type"].as_str().unwrap();
        let field = condition["field"].as_str().map(str::to_owned);
        assert!(matches!((kind, &field), ("event_count", None) | ("value_count", Some(_))), "{}", head.name);
        let least = usize::try_from(condition["gte"].as_u64().expect("gte")).unwrap();
        let (rules, group_by) = (texts("rules"), texts("group-by"));
        let span = duration(correlation["timespan"].as_str().unwrap());
        Self { rules, group_by, span, least, field, head }
    }
}

/// A time span of Sigma in milliseconds.
pub(crate) fn duration(text: &str) -> i64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => panic!("{text} is no time span"),
    };
    number.parse::<i64>().unwrap() * seconds * 1000
}

#[test]
fn networks_have_their_addresses() {
    assert!(is_within("198.51.100.7", "198.51.100.0/24") && !is_within("198.51.101.7", "198.51.100.0/24"));
    assert!(is_within("2001:db8::1", "2001:db8::/32") && !is_within("2001:db9::1", "2001:db8::/32"));
    assert!(is_within("203.0.113.9", "0.0.0.0/0") && !is_within("nowhere", "0.0.0.0/0"));
}
