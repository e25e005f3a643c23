//! Probes of simulated accounts: each form gets its word, and no value of the account gets out.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::app::assemble::{ClientParts, account_task};
use crate::app::simulated::Simulated;
use crate::clock::Clock;
use crate::config::load;
use crate::datto::credential::{CredentialSource, Credentials};
use crate::datto::memory::{Memory, ProcessMemory};
use crate::datto::retry::Patience;
use crate::datto::{self, Response, Transport, TransportError};
use crate::sim::fault::{Fault, Faults, Rule};
use crate::sim::right::{Entity, MissingRight};
use crate::sim::traffic::Traffic;
use crate::sim::world::{LastPage, List, Options, Order};
use crate::sim::{Request, Sim};

const START: Millis = Millis(1_795_212_345_000);
const CONFIG: &str = "[accounts.acme]\nplatform = \"vidal\"\napi_key = { env = \"K\" }\napi_secret = { env = \"S\" }\n[sinks.stdout.console]\n";

/// A world with rows of every kind, in which nothing happens.
fn world() -> Options {
    Options {
        sites: 8,
        devices: 40,
        open_alerts: 30,
        resolved_alerts: 40,
        activity_history: 300,
        history_days: 3,
        ..Options::quiet()
    }
}

struct Probed {
    lines: Vec<Line>,
    sim: Sim,
}

async fn probed(options: Options) -> Probed {
    altered(options, |_, _| ()).await
}

/// What a test makes of a simulated answer: the URL that was asked, and the body.
type Alter = fn(&str, &mut Value);

/// A simulation whose JSON answers a test changes on the way.
struct Altered(Simulated, Alter);

impl Transport for Altered {
    fn send(
        &self,
        request: datto::Request,
    ) -> Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + '_>> {
        Box::pin(async move {
            let url = request.url.to_string();
            let mut response = self.0.send(request).await?;
            if let Ok(mut body) = serde_json::from_slice::<Value>(&response.body) {
                (self.1)(&url, &mut body);
                // A test refuses a request by writing the status of the refusal.
                response.status = body.get("refused").and_then(Value::as_u64).map_or(response.status, |n| n as u16);
                response.body = serde_json::to_vec(&body).unwrap().into();
            }
            Ok(response)
        })
    }
}

async fn altered(options: Options, alter: Alter) -> Probed {
    let clock = Clock::manual(START);
    let config = load::from_text(Path::new("test.toml"), CONFIG).unwrap().config;
    let credentials = Credentials { key: options.api_key.clone(), secret: options.api_secret.clone() };
    let credentials: Arc<dyn CredentialSource> = Arc::new(credentials);
    let sim = Sim::new(options, clock.clone());
    let transport: Arc<dyn Transport> = Arc::new(Altered(Simulated(sim.clone()), alter));
    let memory: Arc<dyn Memory> = Arc::new(ProcessMemory::default());
    let parts = ClientParts { transport: &transport, memory: &memory, clock: &clock, patience: Patience::Usual };
    let task = account_task(&config.accounts[0], credentials, &mut HashMap::new(), &parts).await.unwrap();
    let lines = probe(&task, clock.now()).await.unwrap();
    Probed { lines, sim }
}

impl Probed {
    fn answer(&self, about: &str, question: &str) -> String {
        let found = self.lines.iter().find(|line| line.about == about && line.question == question);
        found.unwrap_or_else(|| panic!("{about}: {question} is not answered: {:#?}", self.lines)).answer.join(", ")
    }

    fn is_answered(&self, about: &str, question: &str) -> bool {
        self.lines.iter().any(|line| line.about == about && line.question == question)
    }

    fn traffic(&self) -> Traffic {
        self.sim.traffic()
    }
}

#[tokio::test(start_paused = true)]
async fn a_usual_account_is_described() {
    let probed = probed(world()).await;
    for (about, question, answer) in [
        ("account", "answers", "yes"),
        ("account", "id", "integer"),
        ("request_rate", "accountRateLimit", "600"),
        ("pagination", "max", "250"),
        ("an unknown alert", "answers", "404"),
        ("activity log", "USER rows of the last 7 days", "shown"),
        ("activity log", "DEVICE rows of the last 7 days", "shown"),
        ("activity log", "date", "decimal seconds"),
        ("activity log", "id", "UUID text"),
        ("activity log", "order=asc", "rising"),
        ("activity log", "rows without size", "28"),
        ("activity log", "default order", "falling"),
        ("activity log", "parameters that nextPageUrl drops", "from, until, size, order"),
        ("sites", "totalCount", "integer"),
        ("sites", "totalCount against rows of the first page", "equal"),
        ("sites", "nextPageUrl of the last page", "null"),
        ("sites", "max=251", "accepted; the list is too short to show more"),
        ("devices", "totalCount against the account's numberOfDevices", "equal"),
        ("devices", "totalCount against the sum over the sites", "equal"),
        ("devices", "siteUid", "UUID text, other text"),
        ("open alerts", "totalCount", "absent"),
        ("open alerts", "timestamp", "whole milliseconds"),
        ("open alerts", "resolvedOn", "null"),
        ("open alerts", "order by timestamp", "falling"),
        ("resolved alerts", "resolvedOn", "whole milliseconds"),
        ("resolved alerts", "order by resolvedOn", "falling"),
    ] {
        assert_eq!(probed.answer(about, question), answer, "{about}: {question}");
    }
    assert!(probed.traffic().requests <= 25, "{:#?}", probed.traffic().paths);
}

/// The words of a report are written in the program. This looks at what comes out all the same.
#[tokio::test(start_paused = true)]
async fn no_value_of_the_account_gets_out() {
    let options = Options { oddity_share: 0.5, ..world() };
    let (name, uid) = (options.account_name.clone(), options.account_uid.clone());
    let probed = probed(options).await;
    let text = probed.lines.iter().map(|line| format!("{line:?}\n")).collect::<String>();
    let mut values = BTreeSet::from([name, uid, "vidal".to_owned(), crate::sim::PLANTED.to_owned()]);
    for path in [
        "/api/v2/account/sites?max=250",
        "/api/v2/account/devices?max=250",
        "/api/v2/account/alerts/open?max=250",
        "/api/v2/account/alerts/resolved?max=250",
        "/api/v2/activity-logs?size=250&from=2026-11-16T00:00:00Z",
    ] {
        collect(&read(&probed.sim, path), &mut values);
    }
    // Words of the API's own, which say nothing about the account, may be words of the report too.
    let known = [
        "",
        "USER",
        "DEVICE",
        "device",
        "user",
        "message",
        "null",
        "none",
        "site",
        "sites",
        "date",
        "alerts",
        "WEBHOOK_EXECUTED",
        "account",
        "filter",
        "unknown",
    ];
    let values: Vec<&String> =
        values.iter().filter(|value| value.len() > 3 && !known.contains(&value.as_str())).collect();
    assert!(values.len() > 500, "{}", values.len());
    let leaked: Vec<&&String> = values.iter().filter(|value| text.contains(value.as_str())).collect();
    assert!(leaked.is_empty(), "{leaked:?}");
}

/// Every text and number in an answer.
fn collect(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(into.insert(text.clone())),
        Value::Number(number) => drop(into.insert(number.to_string())),
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Value::Object(fields) => fields.values().for_each(|item| collect(item, into)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// An answer that a client of its own gets.
fn read(sim: &Sim, path: &str) -> Value {
    let request = |method: &str, path: &str, authorization: String, body: &str| Request {
        method: method.to_owned(),
        path_and_query: path.to_owned(),
        authorization: Some(authorization),
        body: body.as_bytes().to_vec(),
        host: "https://h.example".to_owned(),
    };
    let form = "grant_type=password&username=SIMULATEDKEY0001&password=simulated%2Bsecret%2F0001%26%3D";
    let basic = "Basic cHVibGljLWNsaWVudDpwdWJsaWM=".to_owned();
    let login = sim.handle(&request("POST", "/auth/oauth/token", basic, form));
    let login: Value = serde_json::from_slice(&login.body).unwrap();
    let token = format!("Bearer {}", login["access_token"].as_str().unwrap());
    serde_json::from_slice(&sim.handle(&request("GET", path, token, "")).body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn both_ends_of_the_log_and_missing_rights_have_their_words() {
    let last = |form| async move {
        let probed = probed(Options { activity_last_page: form, ..world() }).await;
        probed.answer("activity log", "nextPageUrl of the last page")
    };
    assert_eq!(last(LastPage::NullUrl).await, "null");
    assert_eq!(last(LastPage::EmptyPage).await, "leads on, to an empty page");
    for (missing_right, word) in
        [(MissingRight::Hidden, "none"), (MissingRight::Forbidden, "403"), (MissingRight::ServerError, "500")]
    {
        let probed = probed(Options { missing_right, activity_entities: vec![Entity::Device], ..world() }).await;
        assert_eq!(probed.answer("activity log", "USER rows of the last 7 days"), word);
        assert_eq!(probed.answer("activity log", "DEVICE rows of the last 7 days"), "shown");
    }
}

#[tokio::test(start_paused = true)]
async fn orders_totals_and_caps_have_their_words() {
    let options = Options {
        sites: 300,
        resolved_order: Order::Shuffled,
        total_count: vec![List::OpenAlerts],
        dropped_parameters: Vec::new(),
        ..world()
    };
    let probed = probed(options).await;
    assert_eq!(probed.answer("resolved alerts", "order by resolvedOn"), "neither rising nor falling");
    assert_eq!(probed.answer("sites", "totalCount"), "absent");
    assert_eq!(probed.answer("open alerts", "totalCount"), "integer");
    assert_eq!(probed.answer("sites", "rows on the first page"), "100 to 999");
    assert_eq!(probed.answer("sites", "max=251"), "capped at 250 rows, or exactly as many");
    assert_eq!(probed.answer("sites", "nextPageUrl of the last page"), "null", "read page by page");
    assert_eq!(probed.answer("sites", "parameters that nextPageUrl drops"), "none");
    let oldest = super::tests::probed(Options { resolved_order: Order::Oldest, ..world() }).await;
    assert_eq!(oldest.answer("resolved alerts", "order by resolvedOn"), "rising");
}

/// Thousands of rows: the probe stays small, and says what it did not ask.
#[tokio::test(start_paused = true)]
async fn a_large_account_costs_no_more_requests() {
    let probed = probed(Options { activity_last_page: LastPage::EmptyPage, ..Options::large(4000) }).await;
    assert!(probed.traffic().requests <= 25, "{:#?}", probed.traffic().paths);
    assert_eq!(
        probed.answer("open alerts", "nextPageUrl of the last page"),
        "not reached: the list is too long for the probe"
    );
    assert_eq!(probed.answer("devices", "nextPageUrl of the last page"), "null", "the total says where it is");
    assert_eq!(probed.answer("devices", "totalCount against rows of the first page"), "larger");
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_too_many_values_is_not_read() {
    let rule = Rule::new(Fault::TinyItems).on("/api/v2/account/devices").bytes(3 * MOST_VALUES);
    let probed = probed(Options { faults: Faults { rules: vec![rule] }, ..world() }).await;
    assert_eq!(probed.answer("devices", "answers"), "too many values");
}

#[tokio::test(start_paused = true)]
async fn an_empty_account_has_no_rows_to_describe() {
    let probed = probed(Options::quiet()).await;
    assert_eq!(probed.answer("activity log", "USER rows of the last 7 days"), "none");
    assert_eq!(probed.answer("open alerts", "rows on the first page"), "none");
    assert_eq!(probed.answer("open alerts", "muted=true"), "no rows: none is muted, or none matches");
    assert_eq!(probed.answer("open alerts", "timestamp"), "none");
    assert!(!probed.is_answered("activity log", "searchAfter in nextPageUrl"));
}

#[tokio::test(start_paused = true)]
async fn every_end_of_the_log_has_its_word() {
    fn is_empty_page(body: &Value) -> bool {
        body.get("activities").and_then(Value::as_array).is_some_and(Vec::is_empty)
    }
    let forms: [(Alter, &str); 5] = [
        (|_, _| (), "null"),
        (
            |_, body| {
                if is_empty_page(body) {
                    body["pageDetails"] = json!({"count": 0});
                }
            },
            "absent",
        ),
        (
            |_, body| {
                if is_empty_page(body) {
                    body["pageDetails"]["nextPageUrl"] = json!("");
                }
            },
            "empty text",
        ),
        (
            |url, body| {
                if is_empty_page(body) {
                    body["pageDetails"]["nextPageUrl"] = json!(url);
                }
            },
            "leads to the page itself",
        ),
        (
            |_, body| {
                if is_empty_page(body) {
                    let url = "https://vidal-api.centrastage.net/api/v2/activity-logs?size=250&page=next";
                    body["pageDetails"]["nextPageUrl"] = json!(url);
                }
            },
            "leads on without a cursor",
        ),
    ];
    for (alter, word) in forms {
        let probed = altered(Options { activity_last_page: LastPage::EmptyPage, ..world() }, alter).await;
        assert_eq!(probed.answer("activity log", "nextPageUrl of the empty page"), word);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_simulation_does_not_do_has_its_word_too() {
    let alter: Alter = |url, body| {
        if let Some(next) = body["pageDetails"]["nextPageUrl"].as_str().map(|next| next.replace("%2C", "&searchAfter="))
        {
            body["pageDetails"]["nextPageUrl"] = json!(next);
        }
        if url.contains("account/sites") {
            body["pageDetails"]["nextPageUrl"] = json!(" ");
        }
        if url.contains("account/devices") {
            body["pageDetails"]["nextPageUrl"] = json!("https://elsewhere.example/api/v2/account/devices?page=1");
            body["pageDetails"]["totalCount"] = json!("41");
            body["devices"][0]["lastSeen"] = json!("2026-08-25T07:26:00Z");
            body["devices"][1]["lastSeen"] = json!(1_787_643_495);
        }
        if url.contains("alerts/open") && url.contains("max=251") {
            *body = json!({"refused": 400, "errorMessage": "max exceeds the defined limit of 250"});
        }
        if url.contains("alerts/resolved") {
            *body = json!({"refused": 403, "errorMessage": "no"});
        }
        if url.contains("/v2/alert/") {
            *body = json!({"refused": 404, "errorMessage": "No static resource v2/alert"});
        }
        if url.contains("muted=true") {
            body["alerts"] = json!([{"muted": false}]);
        }
    };
    let probed = altered(world(), alter).await;
    for (about, question, answer) in [
        ("activity log", "searchAfter in nextPageUrl", "two keys"),
        ("sites", "nextPageUrl of the last page", "empty text"),
        ("devices", "nextPageUrl of the last page", "leads to another host or path"),
        ("devices", "totalCount", "digits as text"),
        ("devices", "lastSeen", "ISO text, whole milliseconds, whole seconds"),
        ("devices", "totalCount against the account's numberOfDevices", "cannot be compared"),
        ("open alerts", "max=251", "400"),
        ("open alerts", "error body of max=251", "errorMessage"),
        ("open alerts", "muted=true", "a row that is not muted: it has no effect"),
        ("resolved alerts", "answers", "403"),
        ("an unknown alert", "body", "errorMessage, says \"No static resource\""),
    ] {
        assert_eq!(probed.answer(about, question), answer, "{about}: {question}");
    }
}
