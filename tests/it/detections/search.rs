//! What a detection finds in a stretch of events: events that match, groups that reach a count, values that are new.

use std::collections::BTreeMap;

use serde_json::Value;

use super::form::{Form, Pipeline};
use super::rule::{Correlation, Rule, duration};

/// An event as it left vintner, in each form.
#[derive(Clone, Debug)]
pub(crate) struct Emitted {
    /// Epoch milliseconds.
    pub(crate) time: i64,
    pub(crate) forms: BTreeMap<Form, Value>,
}

/// Something that a detection found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hit {
    pub(crate) time: i64,
    /// What the events have in common.
    pub(crate) group: Vec<String>,
}

/// How a count over a time span is cut: as Sigma words it, or into spans by the clock, as the converted queries do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    Sliding,
    Clock,
}

/// An event that a rule of a correlation found.
struct Matched {
    time: i64,
    group: Vec<String>,
    value: Option<String>,
}

/// Every event that the rule matches.
pub(crate) fn events(rule: &Rule, emitted: &[Emitted], pipeline: &Pipeline) -> Vec<Hit> {
    let found = emitted.iter().filter(|event| rule.matches(&event.forms[&pipeline.form], pipeline));
    found.map(|event| Hit { time: event.time, group: Vec::new() }).collect()
}

/// Every group of events that reaches the count. A group that did begins anew.
pub(crate) fn counts(
    correlation: &Correlation,
    rules: &[&Rule],
    emitted: &[Emitted],
    pipeline: &Pipeline,
    window: Window,
) -> Vec<Hit> {
    let mut open: BTreeMap<Vec<String>, Vec<Matched>> = BTreeMap::new();
    let mut hits: Vec<Hit> = Vec::new();
    let found = rules.iter().flat_map(|rule| matched(correlation, rule, emitted, pipeline));
    let mut found: Vec<Matched> = found.collect();
    found.sort_by_key(|one| one.time);
    for one in found {
        let slot = one.time.div_euclid(correlation.span);
        let (time, group) = (one.time, one.group.clone());
        let in_window = open.entry(group.clone()).or_default();
        in_window.retain(|earlier| match window {
            Window::Sliding => time - earlier.time < correlation.span,
            Window::Clock => earlier.time.div_euclid(correlation.span) == slot,
        });
        in_window.push(one);
        if count(correlation, in_window) >= correlation.least {
            let is_same = |hit: &Hit| hit.group == group && hit.time.div_euclid(correlation.span) == slot;
            if window == Window::Sliding || !hits.iter().any(is_same) {
                hits.push(Hit { time, group });
            }
            in_window.clear();
        }
    }
    hits
}

fn matched<'e>(
    correlation: &'e Correlation,
    rule: &'e Rule,
    emitted: &'e [Emitted],
    pipeline: &'e Pipeline,
) -> impl Iterator<Item = Matched> + 'e {
    emitted.iter().filter_map(move |event| {
        let (time, event) = (event.time, &event.forms[&pipeline.form]);
        if !rule.matches(event, pipeline) {
            return None;
        }
        // What has no group belongs to none.
        let keys = correlation.group_by.iter().map(|field| rule.value(event, pipeline, field));
        let group = keys.collect::<Option<Vec<String>>>()?;
        let value = correlation.field.as_ref().map(|field| rule.value(event, pipeline, field));
        // What has no value cannot be a distinct one.
        Some(Matched { time, group, value: if let Some(value) = value { Some(value?) } else { None } })
    })
}

fn count(correlation: &Correlation, matched: &[Matched]) -> usize {
    if correlation.field.is_none() {
        return matched.len();
    }
    let mut values: Vec<&String> = matched.iter().filter_map(|one| one.value.as_ref()).collect();
    values.sort();
    values.dedup();
    values.len()
}

/// What a query finds whose definition says more than Sigma can.
pub(crate) fn query(rule: &Rule, emitted: &[Emitted], pipeline: &Pipeline) -> Vec<Hit> {
    let custom = &rule.head.source["custom"];
    let found: Vec<&Emitted> =
        emitted.iter().filter(|event| rule.matches(&event.forms[&pipeline.form], pipeline)).collect();
    if custom["outside_hours"].is_object() {
        return outside_hours(&custom["outside_hours"], &found);
    }
    new_values(&custom["new_value"], rule, &found, pipeline)
}

fn outside_hours(hours: &Value, found: &[&Emitted]) -> Vec<Hit> {
    const HOUR: i64 = 3_600_000;
    let bound = |key: &str| hours[key].as_i64().unwrap();
    let is_outside = |time: i64| {
        let hour = time.rem_euclid(24 * HOUR) / HOUR;
        // The first of January 1970 was a Thursday.
        let weekday = (time.div_euclid(24 * HOUR) + 4).rem_euclid(7);
        hour < bound("from") || hour >= bound("to") || (hours["weekend"] == true && matches!(weekday, 0 | 6))
    };
    let outside = found.iter().filter(|event| is_outside(event.time));
    outside.map(|event| Hit { time: event.time, group: Vec::new() }).collect()
}

/// Values that a group did not have before; its first one is what the others are compared with.
fn new_values(wanted: &Value, rule: &Rule, found: &[&Emitted], pipeline: &Pipeline) -> Vec<Hit> {
    let history = duration(wanted["history"].as_str().unwrap());
    let mut known: BTreeMap<Vec<String>, BTreeMap<String, i64>> = BTreeMap::new();
    let mut hits = Vec::new();
    for event in found {
        let form = &event.forms[&pipeline.form];
        let keys = wanted["group-by"].as_array().unwrap().iter();
        let group: Option<Vec<String>> =
            keys.map(|field| rule.value(form, pipeline, field.as_str().unwrap())).collect();
        let value = rule.value(form, pipeline, wanted["field"].as_str().unwrap());
        let (Some(group), Some(value)) = (group, value) else { continue };
        let value = match wanted["as"].as_str().unwrap() {
            "country" => country(&value).to_owned(),
            "network" => network(&value),
            other => panic!("{other} is not understood"),
        };
        let values = known.entry(group.clone()).or_default();
        values.retain(|_, last| event.time - *last < history);
        if !values.is_empty() && !values.contains_key(&value) {
            hits.push(Hit { time: event.time, group: [group, vec![value.clone()]].concat() });
        }
        values.insert(value, event.time);
    }
    hits
}

/// What a database of countries says in these tests.
fn country(address: &str) -> &'static str {
    match address.split('.').next() {
        Some("198") => "GB",
        Some("203") => "NL",
        _ => "BR",
    }
}

/// The network of an address: /24, or /48 of IPv6.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(std::net::IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Ok(std::net::IpAddr::V6(address)) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
        Err(_) => address.to_owned(),
    }
}
