//! Files of steps: the fixtures of the detections, and the story of an attack.
//!
//! A step is a command of the simulation (docs/simulate.md) with a time `at`, `[<day> ]HH:MM`. `repeat` and `every` let it happen
//! several times, `n` in its names counts from `first`. `by` and `from` say who acted from where, as a row of the log has it.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::rule::duration;
use super::world::Step;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// A file below `tests/fixtures/detections`.
pub(crate) fn read(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/detections").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The steps, in the order in which they happen; `begin` is 00:00 of day 0.
pub(crate) fn steps(written: &Value, begin: i64) -> Vec<Step> {
    let all = written.as_array().unwrap().iter().flat_map(|step| repeated(step, begin));
    let mut steps: Vec<Step> = all.collect();
    steps.sort_by_key(|step| step.at);
    steps
}

fn repeated(step: &Value, begin: i64) -> Vec<Step> {
    let at = begin + time(step["at"].as_str().unwrap());
    let every = step["every"].as_str().map_or(0, duration);
    let number = |key: &str, default| step[key].as_i64().unwrap_or(default);
    let first = number("first", 0);
    let once = |n: i64| {
        let text = command(step).to_string();
        let text =
            text.replace(":n>", &format!(":{n}>")).replace(":n:", &format!(":{n}:")).replace("<n>", &n.to_string());
        Step { at: at + (n - first) * every, command: serde_json::from_str(&text).unwrap() }
    };
    (first..first + number("repeat", 1)).map(once).collect()
}

fn time(text: &str) -> i64 {
    let (day, clock) = text.split_once(' ').unwrap_or(("0", text));
    let (hour, minute) = clock.split_once(':').expect("HH:MM");
    let number = |text: &str| text.parse::<i64>().unwrap_or_else(|_| panic!("{text} is no time"));
    number(day) * DAY + (number(hour) * 60 + number(minute)) * MINUTE
}

/// The command of a step, with what every row of the log has.
fn command(step: &Value) -> Value {
    let mut command: Map<String, Value> = step.as_object().unwrap().clone();
    for key in ["at", "first", "repeat", "every", "by", "from", "is"] {
        command.remove(key);
    }
    if step["kind"] == "write_activity" {
        let mut details = json!({
            "entity": step["entity"], "event.category": step["category"], "event.action": step["action"],
        });
        let details = details.as_object_mut().unwrap();
        if let (Some(by), Some(from)) = (step["by"].as_str(), step["from"].as_str()) {
            let id = 5000 + by.bytes().map(i64::from).sum::<i64>();
            command.insert("user".into(), json!({ "id": id, "userName": by, "firstName": null, "lastName": null }));
            details.extend([
                ("source.forwarded_ip".to_owned(), json!(from)),
                ("user.id".to_owned(), json!(id)),
                ("user.username".to_owned(), json!(by)),
            ]);
        }
        details.extend(step["details"].as_object().cloned().unwrap_or_default());
        command.insert("details".into(), Value::Object(details.clone()));
    }
    Value::Object(command)
}
