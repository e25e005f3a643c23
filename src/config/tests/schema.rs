//! `schemas/config.json`: made of `config/vintner.toml`, which shows every key with its default, its words and what it means; fresh,
//! and true of every configuration that is shipped.

use serde_json::{Map, Value, json};

use super::examples::switched_on;
use super::package;
use crate::config::schema::SCHEMA;

/// Tables whose keys are names that the user gives.
const NAMED: [&str; 6] = ["accounts", "orgs.list", "sinks.stdout", "sinks.file", "sinks.kafka", "sinks.otlp"];
/// Tables whose keys and values are the user's.
const FREE: [&str; 4] = ["labels", "librdkafka", "headers", "severities"];
/// What a table needs.
const REQUIRED: [(&str, &[&str]); 6] = [
    ("", &["accounts", "sinks"]),
    ("accounts.*", &["api_key", "api_secret"]),
    ("sinks.file.*", &["path"]),
    ("sinks.kafka.*", &["brokers"]),
    ("sinks.otlp.*", &["endpoint"]),
    ("admin", &["listen"]),
];

/// The comment behind each key and, of a key that is switched off, the value there; by the path of the key with `*` for given names.
fn comments(text: &str) -> Map<String, Value> {
    let (mut table, mut found) = (String::new(), Map::new());
    for line in text.lines() {
        let off = line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        let line_on = off.unwrap_or(line);
        if let Some(header) = line_on.strip_prefix('[') {
            table = general(header.split(']').next().unwrap());
        } else if let (Some((key, _)), Some((setting, comment))) =
            (line_on.split_once(" = "), line_on.rsplit_once(" # "))
        {
            let path = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
            let value: toml::Table = toml::from_str(setting).unwrap();
            let shown = off.map(|_| serde_json::to_value(&value[key]).unwrap());
            found.entry(path).or_insert_with(|| json!({ "comment": comment.trim(), "shown": shown }));
        }
    }
    found
}

/// A path with `*` in place of given names.
fn general(path: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    for part in path.split('.') {
        let is_given = NAMED.contains(&out.join(".").as_str());
        out.push(if is_given { "*" } else { part });
    }
    out.join(".")
}

fn generated() -> Value {
    let text = std::fs::read_to_string(package("config/vintner.toml")).unwrap();
    let table: toml::Table = toml::from_str(&switched_on(&text)).unwrap();
    let mut made = node("", &serde_json::to_value(table).unwrap(), &comments(&text));
    // The reference shows the keys of every kind of sink at the first one.
    let common = made["properties"]["sinks"]["properties"]["stdout"]["additionalProperties"]["properties"].clone();
    for kind in ["file", "kafka", "otlp"] {
        let own = &mut made["properties"]["sinks"]["properties"][kind]["additionalProperties"]["properties"];
        *own = merge(own.take(), common.clone());
    }
    let one_of = ["env", "file", "credential"].map(|key| json!({ "required": [key] }));
    made["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    made["$id"] = json!("urn:vintner:config");
    made["title"] = json!("vintner.toml");
    made["$defs"] = json!({ "secret": {
        "description": "A reference to a secret: never the secret itself",
        "type": "object",
        "properties": { "env": { "type": "string" }, "file": { "type": "string" }, "credential": { "type": "string" } },
        "additionalProperties": false,
        "oneOf": one_of,
    } });
    made
}

fn node(path: &str, value: &Value, comments: &Map<String, Value>) -> Value {
    let comment = comments.get(path).and_then(|found| found["comment"].as_str());
    let mut made = match value {
        Value::String(_) if path.ends_with("proxy") => {
            json!({ "anyOf": [{ "type": "string" }, { "$ref": "#/$defs/secret" }] })
        }
        Value::String(_) => text(value.as_str().unwrap(), comment),
        Value::Bool(_) => json!({ "type": "boolean" }),
        Value::Number(_) => json!({ "type": "number" }),
        Value::Array(items) => match items[0].as_str() {
            Some(example) => json!({ "type": "array", "items": text(example, comment) }),
            None => json!({ "type": "array", "items": node("", &items[0], comments) }),
        },
        Value::Object(members) => table(path, members, comments),
        Value::Null => panic!("{path}"),
    };
    if let Some(comment) = comment.filter(|_| made.get("$ref").is_none()) {
        // What is behind a switched-off key is its default if the comment says so.
        if comment == "default" || comment.starts_with("default. ") {
            made["default"] = comments[path]["shown"].clone();
        }
        let told = comment.trim_start_matches("default").trim_start_matches(['.', ':', ' ']);
        if !told.is_empty() {
            made["description"] = json!(told);
        }
    }
    made
}

fn table(path: &str, members: &Map<String, Value>, comments: &Map<String, Value>) -> Value {
    let is_secret =
        members.len() == 1 && members.keys().all(|key| ["env", "file", "credential"].contains(&key.as_str()));
    if is_secret {
        return json!({ "$ref": "#/$defs/secret" });
    }
    if FREE.iter().any(|free| path.rsplit('.').next() == Some(free)) {
        return json!({ "type": "object", "additionalProperties": { "anyOf": [
            { "type": ["string", "number", "boolean"] }, { "$ref": "#/$defs/secret" },
        ] } });
    }
    if NAMED.contains(&path) {
        // One table shows some keys, another one others.
        let all: Vec<Value> = members.values().map(|member| node(&format!("{path}.*"), member, comments)).collect();
        let merged = all.into_iter().reduce(merge).unwrap();
        return json!({ "type": "object", "additionalProperties": merged });
    }
    let place = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    let properties: Map<String, Value> =
        members.iter().map(|(key, member)| (key.clone(), node(&place(key), member, comments))).collect();
    let mut made = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if let Some((_, keys)) = REQUIRED.iter().find(|(needs, _)| *needs == path) {
        made["required"] = json!(keys);
    }
    made
}

fn merge(mut a: Value, b: Value) -> Value {
    let (Some(mine), Value::Object(theirs)) = (a.as_object_mut(), b) else { return a };
    for (key, value) in theirs {
        let merged = match mine.remove(&key) {
            Some(own) if own.is_object() => merge(own, value),
            Some(own) => own,
            None => value,
        };
        mine.insert(key, merged);
    }
    a
}

/// A text; of certain words, if the comment lists them: `all | state (…) | off`.
fn text(example: &str, comment: Option<&str>) -> Value {
    let words = comment.and_then(|comment| words(comment, example));
    words.map_or_else(|| json!({ "type": "string" }), |words| json!({ "enum": words }))
}

fn words(comment: &str, example: &str) -> Option<Vec<String>> {
    let mut plain = String::new();
    let mut depth = 0_i32;
    for c in comment.chars() {
        depth += i32::from(c == '(');
        if depth == 0 {
            plain.push(c);
        }
        depth -= i32::from(c == ')');
    }
    let sentence = plain.split(". ").find(|part| part.contains(" | "))?;
    let list = sentence.rsplit(": ").find(|part| part.contains(" | ")).filter(|list| list.contains(" | "))?;
    let list = list.split(": ").next()?;
    let words: Vec<String> = list.split(" | ").map(|word| word.trim().to_owned()).collect();
    let is_plain =
        words.iter().all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
    (is_plain && words.iter().any(|word| word == example)).then_some(words)
}

fn complaints(schema: &Value, text: &str) -> Vec<String> {
    let table: toml::Table = toml::from_str(text).unwrap();
    let value = serde_json::to_value(table).unwrap();
    let validator = jsonschema::validator_for(schema).unwrap();
    validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
#[ignore = "it writes schemas/config.json"]
fn regenerate_schemas_of_the_configuration() {
    std::fs::write(package("schemas/config.json"), serde_json::to_string_pretty(&generated()).unwrap() + "\n").unwrap();
}

#[test]
fn the_committed_schema_of_the_configuration_is_fresh() {
    let fresh = serde_json::to_string_pretty(&generated()).unwrap() + "\n";
    assert!(fresh == SCHEMA, "schemas/config.json is stale: cargo test --lib regenerate_schemas -- --ignored");
}

/// Guarantees: what is shipped fits, and every key of the reference is in the schema, since a key that is not is refused.
#[test]
fn every_shipped_configuration_fits() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let reference = std::fs::read_to_string(package("config/vintner.toml")).unwrap();
    assert_eq!(complaints(&schema, &reference), Vec::<String>::new());
    assert_eq!(complaints(&schema, &switched_on(&reference)), Vec::<String>::new());
    for entry in std::fs::read_dir(package("config/examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with("-orgs.toml") {
            // A mapping file of another one.
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(complaints(&schema, &text), Vec::<String>::new(), "{}", path.display());
    }
}

#[test]
fn bad_configurations_do_not_fit() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let good = "[accounts.a]\nplatform = \"merlot\"\napi_key = { env = \"K\" }\napi_secret = { file = \"/s\" }\n[sinks.stdout.x]\n";
    assert_eq!(complaints(&schema, good), Vec::<String>::new());
    for (from, to) in [
        ("platform", "plattform"),
        ("\"merlot\"", "\"burgundy\""),
        ("{ env = \"K\" }", "\"the key itself\""),
        ("api_secret", "secret"),
        ("[sinks.stdout.x]", "[sinks.stdut.x]"),
        ("[sinks.stdout.x]", "[sinks.stdout.x]\nraw_data = \"some\""),
        ("[sinks.stdout.x]", "[sinks.stdout.x]\n[journal]\nretain = 7"),
        ("[sinks.stdout.x]", "[sinks.file.x]"),
    ] {
        assert!(!complaints(&schema, &good.replace(from, to)).is_empty(), "{to}");
    }
}
