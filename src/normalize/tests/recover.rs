//! Whether every value of a record is found again in its event, `raw_data` not counted (contract.md section 3).

use std::collections::HashSet;

use serde_json::Value;

/// The scalar values of `source` that `event` holds nowhere, as paths with their text.
///
/// A value counts as held if it stands in the event as a value, or within a text of the event (a full name holds first and
/// last name). The JSON inside `details` is looked into; the text itself is not looked for.
pub(super) fn missing(source: &Value, event: &Value) -> Vec<String> {
    let mut held = Held::default();
    held.collect(event, true);
    let mut lost = Vec::new();
    look(source, String::new(), &held, &mut lost);
    lost
}

#[derive(Default)]
struct Held {
    whole: HashSet<String>,
    texts: String,
}

impl Held {
    fn collect(&mut self, value: &Value, is_top: bool) {
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    if !(is_top && key == "raw_data") {
                        self.collect(member, false);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item, false)),
            Value::String(text) => {
                self.texts.push_str(text);
                self.texts.push('\n');
                self.whole.insert(text.clone());
                // A container among the details is told as its JSON text.
                if let Some(inner) = serde_json::from_str::<Value>(text).ok().filter(|_| text.starts_with(['{', '['])) {
                    self.collect(&inner, false);
                }
            }
            Value::Bool(_) | Value::Number(_) => drop(self.whole.insert(value.to_string())),
            Value::Null => {}
        }
    }
}

fn look(value: &Value, path: String, held: &Held, lost: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let place = format!("{path}.{key}");
                match member.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok()) {
                    Some(inner @ Value::Object(_)) if key == "details" => look(&inner, place, held, lost),
                    // `os.cpu_bits` says it.
                    _ if key == "a64Bit" && member == &Value::Bool(true) && held.whole.contains("64") => {}
                    _ => look(member, place, held, lost),
                }
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| look(item, format!("{path}[{n}]"), held, lost))
        }
        Value::String(text) => {
            if !held.whole.contains(text) && !held.texts.contains(text.as_str()) {
                lost.push(format!("{path} = {text:?}"));
            }
        }
        Value::Bool(_) | Value::Number(_) => {
            let text = value.to_string();
            if !held.whole.contains(&text) {
                lost.push(format!("{path} = {text}"));
            }
        }
        Value::Null => {}
    }
}
