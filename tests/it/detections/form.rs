//! The forms in which events leave vintner, and where each has the fields that rules name.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::yaml;

/// A form of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    Ocsf,
    Ecs,
    Otlp,
}

impl Form {
    pub(crate) const ALL: [Self; 3] = [Self::Ocsf, Self::Ecs, Self::Otlp];

    fn pipeline(self) -> &'static str {
        match self {
            Self::Ocsf => "detections/pipelines/splunk.yml",
            Self::Ecs => "detections/pipelines/ecs.yml",
            Self::Otlp => "detections/pipelines/otlp.yml",
        }
    }

    /// Whether texts are compared as Splunk does. Elasticsearch compares keywords letter by letter.
    pub(crate) fn ignores_case(self) -> bool {
        self == Self::Ocsf
    }
}

/// A pipeline of pySigma, as far as it says where fields are.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) form: Form,
    /// What events of a service have: a field and its value.
    services: BTreeMap<String, (String, Value)>,
    /// Names by category; without one, for all.
    names: BTreeMap<Option<String>, BTreeMap<String, String>>,
}

impl Pipeline {
    pub(crate) fn of(form: Form) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(form.pipeline());
        let document = yaml::documents(&path).remove(0);
        let mut pipeline = Self { form, services: BTreeMap::new(), names: BTreeMap::new() };
        for part in document["transformations"].as_array().unwrap() {
            pipeline.add(part);
        }
        pipeline
    }

    fn add(&mut self, part: &Value) {
        let conditions = part["rule_conditions"].as_array().map_or(&[][..], Vec::as_slice);
        match part["type"].as_str().unwrap() {
            "add_condition" => {
                let (field, value) = part["conditions"].as_object().unwrap().iter().next().unwrap();
                if let Some(service) = conditions[0]["service"].as_str() {
                    self.services.insert(service.to_owned(), (field.clone(), value.clone()));
                }
            }
            "field_name_mapping" => {
                let categories: Vec<Option<String>> = if conditions.is_empty() {
                    vec![None]
                } else {
                    conditions.iter().map(|condition| condition["category"].as_str().map(str::to_owned)).collect()
                };
                for category in categories {
                    let names = self.names.entry(category).or_default();
                    for (from, to) in part["mapping"].as_object().unwrap() {
                        names.insert(from.clone(), to.as_str().unwrap().to_owned());
                    }
                }
            }
            "set_state" => {}
            other => panic!("{}: {other} is not understood", self.form.pipeline()),
        }
    }

    /// The field and value that events of a service have.
    pub(crate) fn service(&self, service: &str) -> &(String, Value) {
        self.services.get(service).unwrap_or_else(|| panic!("{:?} has no service {service}", self.form))
    }

    /// Where the form has a field of OCSF.
    pub(crate) fn field(&self, category: Option<&str>, name: &str) -> String {
        let by = |category: Option<&str>| self.names.get(&category.map(str::to_owned))?.get(name);
        if self.form == Form::Ocsf {
            return name.to_owned();
        }
        let found = by(category).or_else(|| by(None));
        found.unwrap_or_else(|| panic!("{}: {name} has no place ({category:?})", self.form.pipeline())).clone()
    }
}

/// The values at a path, of lists each one. Keys may have dots in them, as attributes of OTLP and labels of ECS do.
pub(crate) fn values<'v>(at: &'v Value, path: &str) -> Vec<&'v Value> {
    match at {
        Value::Array(items) => items.iter().flat_map(|item| values(item, path)).collect(),
        Value::Null => Vec::new(),
        _ if path.is_empty() => vec![at],
        Value::Object(members) => {
            let below = members.iter().filter_map(|(key, value)| {
                let rest = path.strip_prefix(key.as_str())?;
                let rest = if rest.is_empty() { rest } else { rest.strip_prefix('.')? };
                Some(values(value, rest))
            });
            below.flatten().collect()
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// A scalar as text.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
