//! `check --online --probe`: what one read-only look says about how the API answers this account.
//!
//! A report goes into bug reports, so it can hold no value of the account: every word in it is written in this program. What
//! the words answer is listed in docs/api-questions.md.

use serde_json::{Value, json};

use crate::app::account::AccountTask;
use crate::app::probe::next::{Here, Next, Pair};
use crate::clock::Millis;
use crate::datto::client::Client;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::model::has_more_values_than;

pub mod form;
mod list;
mod log;
pub mod next;
#[cfg(test)]
mod tests;

/// Most values of an answer that is read: a page of 251 devices with 300 user-defined fields has a fifth of it.
const MOST_VALUES: usize = 400_000;
/// Requests of one probe at most, besides the login and the API's own count; later questions stay unasked.
pub const MOST_REQUESTS: u32 = 23;

/// An alert that no account has.
const NO_ALERT: &str = "/v2/alert/00000000-0000-0000-0000-000000000000";

/// Texts that a 404 is known or expected to hold.
const NOT_FOUND_TEXTS: [(&str, &str); 2] =
    [("not found", "says \"not found\""), ("no static resource", "says \"No static resource\"")];

/// Fields that an error body may have.
const ERROR_FIELDS: [&str; 5] = ["errorMessage", "message", "error", "error_description", "status"];

const RATE_FIELDS: [&str; 8] = [
    "slidingTimeWindowSizeSeconds",
    "accountUid",
    "accountCount",
    "accountRateLimit",
    "accountCutOffRatio",
    "accountWriteRateLimit",
    "accountWriteCount",
    "operationWriteStatus",
];

/// One answered question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is about, e.g. `sites`.
    pub about: &'static str,
    /// The question.
    pub question: &'static str,
    /// The answer, in words of this program only.
    pub answer: Vec<&'static str>,
}

/// What a look showed.
#[derive(Clone, Debug)]
enum Shown {
    /// 200 with JSON.
    Json(Value),
    /// Anything else: the status, or what came instead of one, and the body if it is JSON.
    Other(&'static str, Value),
    /// The probe's requests are used up.
    Unasked,
}

/// A probe under way.
struct Probe<'a> {
    client: &'a Client,
    host: &'a str,
    now: Millis,
    left: u32,
    lines: Vec<Line>,
}

/// Looks at an account. Ends with an error only if nothing more can be asked: a block, a refused login.
pub async fn probe(task: &AccountTask, now: Millis) -> Result<Vec<Line>, ClientError> {
    let (client, host) = (&task.client, task.api_host.as_str());
    let mut probe = Probe { client, host, now, left: MOST_REQUESTS, lines: Vec::new() };
    let account = probe.look("/v2/account", &[]).await?;
    probe.system(&account).await?;
    probe.log().await?;
    probe.lists(&account).await?;
    Ok(grouped(probe.lines))
}

impl Probe<'_> {
    fn say(&mut self, about: &'static str, question: &'static str, answer: impl IntoIterator<Item = &'static str>) {
        let answer: Vec<&'static str> = answer.into_iter().collect();
        let answer = if answer.is_empty() { vec!["none"] } else { answer };
        self.lines.push(Line { about, question, answer });
    }

    /// One request in the look-up lane.
    async fn look(&mut self, path: &str, query: &[Pair]) -> Result<Shown, ClientError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(Shown::Unasked) };
        self.left = left;
        match self.client.look(Lane::Lookup, path, query).await {
            // A tree of it would take many times its bytes.
            Ok(looked) if has_more_values_than(&looked.body, MOST_VALUES) => {
                Ok(Shown::Other("too many values", Value::Null))
            }
            Ok(looked) => Ok(match (looked.status, serde_json::from_slice(&looked.body)) {
                (200, Ok(json)) => Shown::Json(json),
                (200, Err(_)) => Shown::Other("200 without JSON", Value::Null),
                (status, body) => Shown::Other(status_word(status), body.unwrap_or_default()),
            }),
            Err(ClientError::Forbidden { .. }) => Ok(Shown::Other("403", Value::Null)),
            Err(ClientError::NotFound { .. }) => Ok(Shown::Other("404", Value::Null)),
            Err(error) if error.is_of_account() => Err(error),
            Err(_) => Ok(Shown::Other("no answer", Value::Null)),
        }
    }

    fn next(&self, page: &Value, path: &str, query: &[Pair]) -> (Next, &'static str) {
        let here = Here { host: self.host, path, query };
        let next = Next::of(page, here);
        let word = next.word(here);
        (next, word)
    }

    async fn system(&mut self, account: &Shown) -> Result<(), ClientError> {
        self.say("account", "answers", [account.word()]);
        if let Shown::Json(account) = account {
            self.say("account", "id", [form::id(account.get("id"))]);
            self.say("account", "uid", [form::id(account.get("uid"))]);
            let devices = form::field(account, "devicesStatus/numberOfDevices");
            self.say("account", "devicesStatus.numberOfDevices", [form::id(devices)]);
        }
        let rate = self.look("/v2/system/request_rate", &[]).await?;
        self.say("request_rate", "answers", [rate.word()]);
        if let Shown::Json(rate) = &rate {
            let has = |name: &&str| rate.get(name).is_some_and(|value| !value.is_null());
            self.say("request_rate", "fields", RATE_FIELDS.into_iter().filter(has));
            self.say("request_rate", "accountRateLimit", [limit(rate.get("accountRateLimit"))]);
            self.say("request_rate", "accountWriteRateLimit", [limit(rate.get("accountWriteRateLimit"))]);
            let operations =
                rate.get("operationWriteStatus").and_then(Value::as_object).map_or(0, |map| map.len() as u64);
            self.say("request_rate", "operationWriteStatus names", [form::magnitude(operations)]);
        }
        let pagination = self.look("/v2/system/pagination", &[]).await?;
        self.say("pagination", "answers", [pagination.word()]);
        if let Shown::Json(pagination) = &pagination {
            self.say("pagination", "max", [limit(pagination.get("max"))]);
        }
        let missing = self.look(NO_ALERT, &[]).await?;
        self.say("an unknown alert", "answers", [missing.word()]);
        self.say("an unknown alert", "body", error_body(&missing));
        Ok(())
    }
}

impl Shown {
    fn word(&self) -> &'static str {
        match self {
            Self::Json(_) => "yes",
            Self::Other(word, _) => word,
            Self::Unasked => "not asked: the probe's requests are used up",
        }
    }

    fn json(&self) -> Option<&Value> {
        match self {
            Self::Json(json) => Some(json),
            Self::Other(..) | Self::Unasked => None,
        }
    }
}

/// The lines in the order in which their subjects first came up.
fn grouped(mut lines: Vec<Line>) -> Vec<Line> {
    let mut subjects: Vec<&'static str> = Vec::new();
    for line in &lines {
        if !subjects.contains(&line.about) {
            subjects.push(line.about);
        }
    }
    lines.sort_by_key(|line| subjects.iter().position(|about| *about == line.about));
    lines
}

/// The form of an error body: which of the known fields it has, and whether it speaks the API's own words.
fn error_body(shown: &Shown) -> Vec<&'static str> {
    let Shown::Other(_, body) = shown else { return vec!["no error"] };
    let Value::Object(fields) = body else { return vec!["no JSON object"] };
    let mut words: Vec<&'static str> = ERROR_FIELDS.into_iter().filter(|name| fields.contains_key(*name)).collect();
    let text = json!(body).to_string().to_lowercase();
    words.extend(NOT_FOUND_TEXTS.into_iter().filter(|(part, _)| text.contains(part)).map(|(_, word)| word));
    if words.is_empty() { vec!["a JSON object without known fields"] } else { words }
}

/// A limit of the API's, where it is one that is known.
fn limit(value: Option<&Value>) -> &'static str {
    match value.and_then(Value::as_u64) {
        None if value.is_none_or(Value::is_null) => "absent",
        None => "not a whole number",
        Some(100) => "100",
        Some(250) => "250",
        Some(600) => "600",
        Some(other) => form::magnitude(other),
    }
}

/// The statuses that are known of the API, as words; others by their class.
fn status_word(status: u16) -> &'static str {
    const KNOWN: [(u16, &str); 9] = [
        (204, "204"),
        (400, "400"),
        (404, "404"),
        (405, "405"),
        (409, "409"),
        (500, "500"),
        (502, "502"),
        (503, "503"),
        (504, "504"),
    ];
    let known = KNOWN.into_iter().find(|(known, _)| *known == status).map(|(_, word)| word);
    known.unwrap_or(match status {
        200..=299 => "another 2xx",
        300..=399 => "3xx",
        400..=499 => "another 4xx",
        500..=599 => "another 5xx",
        _ => "another status",
    })
}

/// A query of decoded pairs.
fn pairs(query: &[(&str, String)]) -> Vec<Pair> {
    query.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// The rows of a page.
fn rows<'a>(page: &'a Value, array: &str) -> &'a [Value] {
    page.get(array).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
