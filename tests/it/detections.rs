//! The detections in `detections/`, as they are written, over what vintner emits as OCSF, ECS and OTLP.
//!
//! Fields are found by the same pipelines with which pySigma converts the rules. Of a query in SPL, KQL and ES|QL the definition
//! beside it is run, which says the same.

mod condition;
mod form;
mod otlp;
mod rule;
mod script;
mod search;
mod world;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use vintner::sim::world::Options as World;

use form::{Form, Pipeline};
use rule::{Documents, Head, Rule};
use search::{Emitted, Hit, Window, counts, events, query};
use world::{BEGIN, MONDAY, Step, emitted, quiet};

const DAY: i64 = 86_400_000;
const HOUR: Duration = Duration::from_secs(3600);

/// Everything in `detections/`, with the pipelines.
struct Book {
    sigma: Documents,
    queries: Vec<Rule>,
    pipelines: Vec<Pipeline>,
}

impl Book {
    fn read() -> Self {
        let mut sigma = Documents::default();
        for file in yaml::files("detections/sigma", "yml") {
            let mut read = Documents::read(&file);
            sigma.rules.append(&mut read.rules);
            sigma.correlations.append(&mut read.correlations);
        }
        let queries = yaml::files("detections/queries", "yml");
        let queries = queries.iter().flat_map(|file| Documents::read(file).rules).collect();
        Self { sigma, queries, pipelines: Form::ALL.map(Pipeline::of).into() }
    }

    fn rule(&self, name: &str) -> &Rule {
        self.sigma.rules.iter().find(|rule| rule.head.name == name).unwrap_or_else(|| panic!("there is no rule {name}"))
    }

    /// Names of the detections: rules that only a correlation uses are none.
    fn names(&self) -> Vec<&str> {
        let used: BTreeSet<&String> = self.sigma.correlations.iter().flat_map(|one| &one.rules).collect();
        let rules = self.sigma.rules.iter().map(|rule| &rule.head).filter(|head| !used.contains(&head.name));
        let correlations = self.sigma.correlations.iter().map(|one| &one.head);
        let queries = self.queries.iter().map(|query| &query.head);
        let mut names: Vec<&str> = rules.chain(correlations).chain(queries).map(|head| head.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    fn heads(&self) -> impl Iterator<Item = &Head> {
        let rules = self.sigma.rules.iter().chain(&self.queries).map(|rule| &rule.head);
        rules.chain(self.sigma.correlations.iter().map(|one| &one.head))
    }

    /// What a detection finds.
    fn find(&self, name: &str, emitted: &[Emitted], pipeline: &Pipeline, window: Window) -> Vec<Hit> {
        if let Some(one) = self.queries.iter().find(|one| one.head.name == name) {
            return query(one, emitted, pipeline);
        }
        if let Some(correlation) = self.sigma.correlations.iter().find(|one| one.head.name == name) {
            let rules: Vec<&Rule> = correlation.rules.iter().map(|name| self.rule(name)).collect();
            return counts(correlation, &rules, emitted, pipeline, window);
        }
        events(self.rule(name), emitted, pipeline)
    }

    /// How often each detection that finds something finds it; the same in every form.
    fn hits(&self, emitted: &[Emitted]) -> BTreeMap<String, usize> {
        let mut forms = self.pipelines.iter().map(|pipeline| {
            let found = self
                .names()
                .into_iter()
                .map(|name| (name.to_owned(), self.find(name, emitted, pipeline, Window::Sliding).len()));
            found.filter(|(_, count)| *count > 0).collect::<BTreeMap<_, _>>()
        });
        let ocsf = forms.next().unwrap();
        assert_eq!((forms.next(), forms.next()), (Some(ocsf.clone()), Some(ocsf.clone())), "ECS and OTLP");
        ocsf
    }
}

/// The midnight at which each case of the fixtures begins: one day after another, a day of the week where the case asks for it.
fn days(cases: &[(String, Value)]) -> Vec<i64> {
    let mut day = -1;
    let next = |(_, case): &(String, Value)| {
        day += 1;
        let is_weekend = |day: i64| day % 7 >= 5;
        while case["weekend"].as_bool().is_some_and(|wanted| wanted != is_weekend(day)) {
            day += 1;
        }
        MONDAY + day * DAY
    };
    cases.iter().map(next).collect()
}

#[test]
fn each_detection_finds_its_records_and_no_others() {
    let book = Book::read();
    let mut cases: Vec<(String, Value)> = Vec::new();
    for name in book.names() {
        let fixture = script::read(&format!("{name}.json"));
        let own = fixture["cases"].as_array().unwrap();
        let hits = |case: &Value| case["hits"].as_u64().unwrap();
        assert!(own.iter().any(|case| hits(case) > 0) && own.iter().any(|case| hits(case) == 0), "{name}");
        cases.extend(own.iter().map(|case| (name.to_owned(), case.clone())));
    }
    let days = days(&cases);
    let steps = cases.iter().zip(&days).flat_map(|((_, case), day)| script::steps(&case["steps"], *day));
    let mut steps: Vec<Step> = steps.collect();
    steps.sort_by_key(|step| step.at);
    let poll = "[accounts.acme.poll]\nalerts = \"4h\"\nactivity = \"4h\"\ninventory = \"12h\"\n";
    let all = emitted(quiet(), poll, &steps, HOUR * 12);

    let mut wrong = Vec::new();
    for ((name, case), day) in cases.iter().zip(&days) {
        let of_day: Vec<Emitted> =
            all.iter().filter(|event| (*day..day + DAY).contains(&event.time)).cloned().collect();
        for pipeline in &book.pipelines {
            for window in [Window::Sliding, Window::Clock] {
                let found = book.find(name, &of_day, pipeline, window);
                if found.len() as u64 != case["hits"].as_u64().unwrap() {
                    let what = (name, &case["name"], pipeline.form, window);
                    wrong.push(format!("{what:?}: {} wanted, found {found:?}", case["hits"]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The fields that a rule shows are there in what it finds.
    for (rule, pipeline) in book.sigma.rules.iter().flat_map(|rule| book.pipelines.iter().map(move |one| (rule, one))) {
        let found: Vec<&Value> = all.iter().map(|event| &event.forms[&pipeline.form]).collect();
        let found: Vec<&&Value> = found.iter().filter(|event| rule.matches(event, pipeline)).collect();
        let is_there = |field: &String| found.iter().any(|event| rule.value(event, pipeline, field).is_some());
        let missing: Vec<String> = rule.fields().into_iter().filter(|field| !is_there(field)).collect();
        assert_eq!(missing, Vec::<String>::new(), "{} {:?}", rule.head.name, pipeline.form);
    }
}

#[test]
fn an_attack_is_found_step_by_step_among_the_daily_work() {
    let book = Book::read();
    let story = script::read("attack.json");
    let poll = "[accounts.acme.poll]\nalerts = \"1h\"\nactivity = \"20m\"\ninventory = \"3h\"\n";
    let all = emitted(quiet(), poll, &script::steps(&story["steps"], MONDAY), HOUR * 3);
    let expected: BTreeMap<String, usize> = serde_json::from_value(story["hits"].clone()).unwrap();
    assert_eq!(book.hits(&all), expected);
    // Who did it, and to whom.
    for (name, groups) in story["groups"].as_object().unwrap() {
        for pipeline in &book.pipelines {
            let found = book.find(name, &all, pipeline, Window::Sliding);
            let found: Vec<String> = found.iter().map(|hit| hit.group.last().unwrap().clone()).collect();
            assert_eq!(json!(found), *groups, "{name} {:?}", pipeline.form);
        }
    }
}

/// The world of `vintner demo` has some thousand rows an hour, drawn at random: more API keys and deleted monitors than any
/// account. How often detections find something there is written down, so that a change shows.
#[test]
fn the_demo_has_the_hits_that_are_written_down() {
    let book = Book::read();
    let poll = "[accounts.acme.poll]\nalerts = \"20m\"\nactivity = \"10m\"\ninventory = \"30m\"\n";
    let mut all = emitted(World::demo(), poll, &[], Duration::ZERO);
    // What happened in the last minutes may still be on its way.
    all.retain(|event| event.time < BEGIN + 45 * 60_000);
    let (found, expected) = (book.hits(&all), &script::read("demo.json")["hits"]);
    for name in book.names() {
        let found = found.get(name).copied().unwrap_or(0) as u64;
        let bound = |n: usize| expected[name].as_u64().or_else(|| expected[name][n].as_u64()).unwrap_or(0);
        assert!((bound(0)..=bound(1)).contains(&found), "{name}: {found}, not {}", expected[name]);
    }
}

#[test]
fn every_field_that_a_rule_names_has_a_place_in_every_form() {
    let book = Book::read();
    for pipeline in &book.pipelines {
        for rule in book.sigma.rules.iter().chain(&book.queries) {
            for field in rule.fields() {
                pipeline.field(rule.category.as_deref(), &field);
            }
        }
    }
}

/// Guarantees: a query can be written from docs/siem.md alone. The page names every field that a rule asks for, and its own query for
/// removed agents asks what the rule asks.
#[test]
fn the_page_about_siems_has_the_words_of_the_rules() {
    let book = Book::read();
    let page = std::fs::read_to_string(format!("{}/docs/siem.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let missing: Vec<String> = (book.sigma.rules.iter().chain(&book.queries))
        .flat_map(Rule::fields)
        .filter(|field| !page.contains(&format!("`{field}")))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
    let correlation = book.sigma.correlations.iter().find(|one| one.head.name == "agents_removed").unwrap();
    let query = page.split("(`agents_removed`)").nth(1).and_then(|rest| rest.split("```").nth(1)).unwrap();
    for (field, value) in book.rule("agent_removed").equalities() {
        assert!(query.contains(&format!("{field}={value}")), "{field}={value} is not in {query}");
    }
    let by = query.split(" by ").nth(1).unwrap();
    assert!(correlation.group_by.iter().all(|field| by.contains(field)), "{by}");
    assert!(query.contains(&format!("dc({})", correlation.field.as_ref().unwrap())), "{query}");
    assert!(query.contains(&format!(">={}", correlation.least)) && query.contains("time_window=1h"), "{query}");
}

#[test]
fn detections_say_what_analysts_need() {
    let book = Book::read();
    let lens = std::fs::read_to_string(format!("{}/config/lens.toml", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let readme = std::fs::read_to_string(format!("{}/detections/README.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let names = book.names();
    assert!(names.len() >= 21, "{names:?}");
    for head in book.heads() {
        let (name, source) = (&head.name, &head.source);
        let text = |key: &str| source[key].as_str().unwrap_or_else(|| panic!("{name}: no {key}"));
        uuid::Uuid::parse_str(text("id")).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(["test", "stable"].contains(&text("status")) && text("description").len() > 60, "{name}");
        let tags: Vec<&str> = source["tags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let techniques: Vec<String> =
            tags.iter().filter_map(|tag| tag.strip_prefix("attack.t")).map(|id| format!("> T{id} ")).collect();
        assert!(!techniques.is_empty() && techniques.len() < tags.len(), "{name}: techniques and tactics");
        for technique in techniques {
            assert!(lens.contains(&technique), "{name}: the lens does not know {technique}");
        }
        if names.contains(&name.as_str()) {
            assert!(!source["falsepositives"].as_array().unwrap().is_empty(), "{name}");
            assert!(readme.contains(&format!("`{name}`")), "{name} is not in detections/README.md");
        }
    }
}

/// What stands in a query and in its definition is the same: class, activity, hours, history.
#[test]
fn a_query_and_its_definition_have_the_same_numbers() {
    for rule in &Book::read().queries {
        let custom = &rule.head.source["custom"];
        let hours = custom["outside_hours"].as_object().into_iter();
        let hours = hours.flat_map(|hours| ["from", "to"].map(|key| hours[key].to_string()));
        let history = custom["new_value"]["history"].as_str().map(|text| text.trim_end_matches('d').to_owned());
        let asked = rule.equalities().map(|(_, value)| value.to_string());
        let numbers: Vec<String> = asked.chain(hours).chain(history).collect();
        assert!(numbers.len() >= 3, "{numbers:?}");
        for language in ["spl", "kql", "esql"] {
            let path = format!("detections/queries/{}.{language}", rule.head.name);
            let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path)).unwrap();
            let found: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_digit()).collect();
            let missing: Vec<&String> = numbers.iter().filter(|number| !found.contains(number.as_str())).collect();
            assert!(missing.is_empty(), "{path}: {missing:?}");
        }
    }
}
